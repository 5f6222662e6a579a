#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.18
namespace weir::notify {
namespace {

constexpr std::size_t max_slack_lines = 100;

struct SlackToken {
    bool hook = true;
    std::string type, parts[3];
};

struct SlackSettings {
    SlackToken token;
    std::string channel, username, icon, color, title, thread;
};

Options slack_options(SlackSettings& s) {
    return Options()
        .text("botname|username", s.username)
        .text("color", s.color)
        .text("icon|icon_emoji|icon_url", s.icon)
        .text("thread_ts", s.thread)
        .text("title", s.title);
}

bool upper_or_digit(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// "[hook:|xoxb-]A-B-C", with '-', '/' or ',' between the parts.
std::optional<SlackToken> slack_token(std::string_view text) {
    SlackToken out;
    const std::size_t type = text.starts_with("xox") || text.starts_with("hook") ? 4 : 0;
    if (type) {
        if (text.size() <= type || (text[type] != '-' && text[type] != ':')) return std::nullopt;
        out.type = text.substr(0, type);
        out.hook = out.type == "hook";
        text.remove_prefix(type + 1);
    }
    constexpr std::size_t least[] = {9, 9, 24};
    char border = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        const auto fits = [&](char c) { return upper_or_digit(c) || (i == 2 && c >= 'a' && c <= 'z'); };
        const auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), fits) - text.begin());
        if (end < least[i]) return std::nullopt;
        out.parts[i] = text.substr(0, end);
        text.remove_prefix(end);
        if (i == 2) break;
        if (text.empty() || (text[0] != '-' && text[0] != '/' && text[0] != ',')) return std::nullopt;
        if (i == 1 && text[0] != border) return std::nullopt;
        border = text[0];
        text.remove_prefix(1);
    }
    if (!text.empty()) return std::nullopt;
    return out;
}

boost::json::array slack_lines(std::string_view text, const std::string& color) {
    std::vector<std::string> lines;
    while (true) {
        const auto end = std::min(text.find('\n'), text.size());
        const bool last = end == text.size();
        if (last && end == 0 && !lines.empty()) break;
        if (lines.size() < max_slack_lines)
            lines.emplace_back(text.substr(0, end));
        else
            lines.back().append("\n").append(text.substr(0, end));
        if (last) break;
        text.remove_prefix(end + 1);
    }
    boost::json::array out;
    for (const auto& line : lines) {
        boost::json::object one;
        one["text"] = line;
        if (!color.empty()) one["color"] = color;
        out.push_back(std::move(one));
    }
    return out;
}

Result<> judge_slack_hook(const Reply& reply) {
    const auto words = stripped(reply.body);
    if (reply.status == 200 && (words.empty() || words == "ok")) return {};
    return words.empty() ? bad_status(reply) : service_said(reply, words);
}

Result<> judge_slack_api(const Reply& reply) {
    if (json_field(reply.body, "/ok") == "true") return {};
    const auto words = json_field(reply.body, "/error");
    if (words && !words->empty()) return service_said(reply, "api response failure: " + *words);
    return bad_status(reply);
}

Result<std::unique_ptr<Delivery>> deliver_slack(SlackSettings s, const Message& message) {
    if (auto done = slack_options(s).apply(message.params); !done) return done.error();
    boost::json::object body;
    body["text"] = message.title.empty() ? s.title : message.title;
    if (!s.username.empty()) body["username"] = s.username;
    body["attachments"] = slack_lines(message.text, s.color);
    if (!s.thread.empty()) body["thread_ts"] = s.thread;
    if (!s.token.hook) body["channel"] = s.channel;
    const bool address = s.icon.find("http://") != std::string::npos || s.icon.find("https://") != std::string::npos;
    if (!s.icon.empty()) body[address ? "icon_url" : "icon_emoji"] = s.icon;
    const auto text = boost::json::serialize(body);
    const auto& [a, b, c] = s.token.parts;
    if (s.token.hook)
        return known_call("slack", json_call(fmt::format("https://hooks.slack.com/services/{}/{}/{}", a, b, c), text),
                          judge_slack_hook);
    auto call = json_call("https://slack.com/api/chat.postMessage", text);
    call.headers.emplace_back("Authorization", fmt::format("Bearer {}-{}-{}-{}", s.token.type, a, b, c));
    return known_call("slack", std::move(call), judge_slack_api);
}

}  // namespace

Made make_slack(const ServiceUrl& url) {
    SlackSettings s;
    const auto path = url.segments();
    auto token = url.has_password ? slack_token(url.user + ":" + url.password) : slack_token(url.user);
    if (token) {
        if (!path.empty()) return unfit_for_service("after the channel nothing may follow");
        s.channel = url.host;
    } else {
        if (path.size() == 2) token = slack_token(fmt::format("{}/{}/{}", url.host, path[0], path[1]));
        s.username = url.user;
    }
    if (!token)
        return unfit_for_service(
            "no token of slack's; it stands as slack://hook:T-B-X@webhook or slack://xoxb:A-B-C@CHANNEL");
    if (!token->hook && s.channel.empty()) return unfit_for_service("no channel");
    s.token = std::move(*token);
    if (auto done = slack_options(s).apply(url.query); !done) return done.error();
    return service_of("slack", [s](const Message& message, const Surroundings&) { return deliver_slack(s, message); });
}

}  // namespace weir::notify
