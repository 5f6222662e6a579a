#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/discord_items.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.2
namespace weir::notify {
namespace {

constexpr std::size_t max_discord_title = 256;

struct DiscordSettings {
    std::string token, id, title, username, avatar, thread;
    int color = 0x50d9ff, of_error = 0xd60510, of_warn = 0xffc441, of_info = 0x2488ff, of_debug = 0x7b00ab;
    bool split = true, raw = false;
};

Options discord_options(DiscordSettings& s) {
    constexpr int white = 0xffffff;
    return Options()
        .text("title", s.title)
        .text("username", s.username)
        .text("avatar|avatarurl", s.avatar)
        .number("color", s.color, 0, white, 16)
        .number("colorError", s.of_error, 0, white, 16)
        .number("colorWarn", s.of_warn, 0, white, 16)
        .number("colorInfo", s.of_info, 0, white, 16)
        .number("colorDebug", s.of_debug, 0, white, 16)
        .flag("splitLines", s.split)
        .flag("json", s.raw)
        .text("thread_id", s.thread);
}

HttpCall discord_call(const DiscordSettings& s, std::string body) {
    auto url = fmt::format("https://discord.com/api/webhooks/{}/{}", percent_encoded(s.id), percent_encoded(s.token));
    if (const auto thread = stripped(s.thread); !thread.empty()) url += "?thread_id=" + percent_encoded(thread);
    auto call = json_call(std::move(url), std::move(body));
    call.headers.emplace_back("User-Agent", "shoutrrr");
    return call;
}

std::string discord_body(const DiscordSettings& s, const DiscordItems& items, std::string_view title, bool alone) {
    boost::json::object body;
    if (alone && title.empty()) {
        body["content"] = items.front();
    } else {
        boost::json::array embeds;
        for (const auto& item : items) {
            boost::json::object embed;
            if (embeds.empty() && !title.empty()) embed["title"] = title;
            embed["description"] = item;
            embed["color"] = s.color;
            embeds.push_back(std::move(embed));
        }
        body["embeds"] = std::move(embeds);
    }
    if (!s.username.empty()) body["username"] = s.username;
    if (!s.avatar.empty()) body["avatar_url"] = s.avatar;
    return boost::json::serialize(body);
}

Result<> judge_discord(const Reply& reply) {
    if (reply.status == 200 || reply.status == 204) return {};
    return bad_status(reply);
}

Result<std::unique_ptr<Delivery>> deliver_discord(DiscordSettings s, const Message& message) {
    if (auto done = discord_options(s).apply(message.params); !done) return done.error();
    if (message.text.empty()) return unfit_for_service("the message is empty");
    if (s.raw) return known_call("discord", discord_call(s, message.text), judge_discord);
    const std::string title(first_characters(message.title.empty() ? s.title : message.title, max_discord_title));
    auto items = s.split ? discord_lines(message.text) : discord_pieces(message.text);
    if (items.empty()) return unfit_for_service("the message is empty");
    const bool alone = items.size() == 1;
    std::vector<Call> calls;
    for (const auto& part : discord_requests(std::move(items), title)) {
        auto body = discord_body(s, part, calls.empty() ? std::string_view(title) : "", alone);
        calls.emplace_back(discord_call(s, std::move(body)));
    }
    return known_calls("discord", std::move(calls), judge_discord);
}

}  // namespace

Made make_discord(const ServiceUrl& url) {
    DiscordSettings s;
    s.token = url.user;
    s.id = url.host;
    if (s.id.empty()) return unfit_for_service("no web hook id; it stands as discord://TOKEN@ID");
    if (s.token.empty()) return unfit_for_service("no token; it stands as discord://TOKEN@ID");
    const auto path = url.segments();
    if (path.size() > 1 || (path.size() == 1 && path.front() != "raw"))
        return unfit_for_service("the path may be /raw or nothing");
    s.raw = !path.empty();
    if (auto done = discord_options(s).apply(url.query); !done) return done.error();
    return service_of("discord",
                      [s](const Message& message, const Surroundings&) { return deliver_discord(s, message); });
}

}  // namespace weir::notify
