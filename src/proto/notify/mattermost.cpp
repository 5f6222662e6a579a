#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.9
namespace weir::notify {
namespace {

struct MattermostSettings {
    std::string host, token, channel, user, icon, title;
    bool plain_http = false;
};

Options mattermost_options(MattermostSettings& s) {
    return Options().flag("disabletls", s.plain_http).text("icon|icon_emoji|icon_url", s.icon).text("title", s.title);
}

Result<std::unique_ptr<Delivery>> deliver_mattermost(MattermostSettings s, Message message) {
    if (auto done = mattermost_options(s).apply(message.params); !done) return done.error();
    if (message.title.empty()) message.title = s.title;
    boost::json::object body;
    body["text"] = titled(message, "\n");
    if (!s.user.empty()) body["username"] = s.user;
    if (!s.channel.empty()) body["channel"] = s.channel;
    const bool picture = s.icon.starts_with("http://") || s.icon.starts_with("https://");
    if (!s.icon.empty()) body[picture ? "icon_url" : "icon_emoji"] = s.icon;
    auto call =
        json_call(fmt::format("{}://{}/hooks/{}", s.plain_http ? "http" : "https", s.host, percent_encoded(s.token)),
                  boost::json::serialize(body));
    return known_call("mattermost", std::move(call), [](const Reply& reply) -> Result<> {
        if (reply.status == 200) return {};
        const auto words = json_field(reply.body, "/message");
        return words ? service_said(reply, *words) : bad_status(reply);
    });
}

}  // namespace

Made make_mattermost(const ServiceUrl& url) {
    MattermostSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    const auto path = url.segments();
    if (path.empty() || path.size() > 2) return unfit_for_service("the path is the token, or the token and a channel");
    s.host = url.authority();
    s.user = url.user;
    s.token = path[0];
    if (path.size() == 2) s.channel = path[1];
    if (auto done = mattermost_options(s).apply(url.query); !done) return done.error();
    return service_of("mattermost",
                      [s](const Message& message, const Surroundings&) { return deliver_mattermost(s, message); });
}

}  // namespace weir::notify
