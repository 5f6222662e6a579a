#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "proto/notify/deliveries.h"
#include "proto/notify/services.h"

// source  notify.md 5.10
namespace weir::notify {
namespace {

struct NotifiarrSettings {
    std::string key, name = "Shoutrrr", thumbnail, image, color;
    std::optional<std::uint64_t> channel;
};

std::optional<std::uint64_t> discord_number(std::string_view text) {
    std::uint64_t out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
}

/// Keys as written: other cases are other keys, and ignored as all that is not known here.
Result<> set_notifiarr(NotifiarrSettings& s, std::string_view key, const std::string& value) {
    if (key == "name") s.name = value;
    if (key == "thumbnail") s.thumbnail = value;
    if (key == "image") s.image = value;
    if (key == "color") s.color = value;
    if (key != "channel" || value.empty()) return {};
    s.channel = discord_number(value);
    if (!s.channel) return unfit_for_service("option channel: a number is accepted");
    return {};
}

/// The number of the first mention that begins so: "<@&" of a role, "<@" or "<@!" of a person.
std::optional<std::uint64_t> mentioned(std::string_view text, std::initializer_list<std::string_view> begins) {
    for (auto at = text.find("<@"); at != std::string_view::npos; at = text.find("<@", at + 1)) {
        const auto end = text.find('>', at);
        if (end == std::string_view::npos) break;
        const auto mention = text.substr(at, end - at);
        for (const auto begin : begins)
            if (mention.starts_with(begin))
                if (const auto number = discord_number(mention.substr(begin.size()))) return number;
    }
    return std::nullopt;
}

std::string notifiarr_body(const NotifiarrSettings& s, const Message& message) {
    namespace json = boost::json;
    json::object discord, ping, images, text;
    if (!s.color.empty()) discord["color"] = s.color;
    if (const auto user = mentioned(message.text, {"<@!", "<@"})) ping["pingUser"] = *user;
    if (const auto role = mentioned(message.text, {"<@&"})) ping["pingRole"] = *role;
    if (!ping.empty()) discord["ping"] = std::move(ping);
    if (!s.thumbnail.empty()) images["thumbnail"] = s.thumbnail;
    if (!s.image.empty()) images["image"] = s.image;
    if (!images.empty()) discord["images"] = std::move(images);
    if (!message.title.empty()) text["title"] = message.title;
    text["description"] = message.text;
    discord["text"] = std::move(text);
    if (s.channel) discord["ids"] = json::object{{"channel", *s.channel}};
    json::object body;
    body["notification"] = json::object{{"name", s.name}};
    body["discord"] = std::move(discord);
    return json::serialize(body);
}

Result<> judge_notifiarr(const Reply& reply) {
    if (reply.status >= 200 && reply.status < 300) return {};
    if (reply.status == 401) return service_said(reply, "authentication failed");
    return bad_status(reply);
}

Result<std::unique_ptr<Delivery>> deliver_notifiarr(NotifiarrSettings s, const Message& message) {
    for (const auto& [key, value] : message.params)
        if (auto done = set_notifiarr(s, key, value); !done) return done.error();
    if (message.text.empty()) return unfit_for_service("the message is empty");
    auto call = json_call("https://notifiarr.com/api/v1/notification/passthrough/" + percent_encoded(s.key),
                          notifiarr_body(s, message));
    call.headers.emplace_back("Accept", "application/json");
    return known_call("notifiarr", std::move(call), judge_notifiarr);
}

}  // namespace

Made make_notifiarr(const ServiceUrl& url) {
    NotifiarrSettings s;
    s.key = url.host;
    if (!url.custom.empty()) {
        const auto path = url.segments();
        if (path.size() < 2 || path[path.size() - 2] != "passthrough")
            return unfit_for_service("no /passthrough/KEY at the end of the path");
        s.key = path.back();
    }
    if (s.key.empty()) return unfit_for_service("no API key; it stands as notifiarr://KEY");
    std::vector<std::string_view> seen;
    for (const auto& [key, value] : url.query) {
        if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
        seen.emplace_back(key);
        if (auto done = set_notifiarr(s, key, value); !done) return done.error();
    }
    return service_of("notifiarr",
                      [s](const Message& message, const Surroundings&) { return deliver_notifiarr(s, message); });
}

}  // namespace weir::notify
