#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.16; a title has no place there: it stands before the text (4)
namespace weir::notify {
namespace {

struct RocketchatSettings {
    std::string hook, username, channel;
};

Options rocketchat_options(RocketchatSettings& s) {
    return Options().text("channel", s.channel).text("username", s.username);
}

Result<> judge_rocketchat(const Reply& reply) {
    if (reply.status == 200) return {};
    return service_said(reply, fmt::format("notification failed: {} {}", reply.status, cut_bytes(reply.body, 250)));
}

Result<std::unique_ptr<Delivery>> deliver_rocketchat(RocketchatSettings s, const Message& message) {
    if (auto done = rocketchat_options(s).apply(message.params); !done) return done.error();
    boost::json::object body;
    body["text"] = titled(message);
    if (!s.username.empty()) body["username"] = s.username;
    if (!s.channel.empty()) body["channel"] = s.channel;
    return known_call("rocketchat", json_call(s.hook, boost::json::serialize(body)), judge_rocketchat);
}

}  // namespace

Made make_rocketchat(const ServiceUrl& url) {
    const auto path = url.segments();
    if (url.host.empty()) return unfit_for_service("no host");
    if (path.size() < 2) return unfit_for_service("two tokens are needed: rocketchat://host/A/B");
    if (path.size() > 3) return unfit_for_service("after the tokens only a channel may follow");
    RocketchatSettings s;
    s.hook = fmt::format("https://{}/hooks/{}/{}", url.authority(), percent_encoded(path[0]), percent_encoded(path[1]));
    s.username = url.user;
    if (!url.fragment.empty())
        s.channel = "#" + url.fragment;
    else if (path.size() == 3)
        s.channel = path[2].starts_with('@') || path[2].starts_with('#') ? path[2] : "#" + path[2];
    return service_of("rocketchat",
                      [s](const Message& message, const Surroundings&) { return deliver_rocketchat(s, message); });
}

}  // namespace weir::notify
