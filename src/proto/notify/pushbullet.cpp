#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.14
namespace weir::notify {
namespace {

constexpr std::size_t pushbullet_token = 34;

struct PushbulletSettings {
    std::string token, title = "Shoutrrr notification";
    std::vector<std::string> targets;
};

Options pushbullet_options(PushbulletSettings& s) {
    return Options().text("title", s.title);
}

bool is_mail(std::string_view target) {
    const auto at = target.find('@');
    return at != std::string_view::npos && target.find('.', at) != std::string_view::npos;
}

Judge judge_pushbullet(std::string title, std::string text) {
    return [title = std::move(title), text = std::move(text)](const Reply& reply) -> Result<> {
        if (const auto words = json_field(reply.body, "/error/message")) return service_said(reply, *words);
        if (reply.status < 200 || reply.status > 299) return bad_status(reply);
        const bool same = json_field(reply.body, "/type") == "note" && json_field(reply.body, "/title") == title &&
                          json_field(reply.body, "/body") == text && json_field(reply.body, "/active") == "true";
        if (same) return {};
        return service_said(reply, "the answer is not the message that was sent");
    };
}

Result<std::unique_ptr<Delivery>> deliver_pushbullet(PushbulletSettings s, const Message& message) {
    if (auto done = pushbullet_options(s).apply(message.params); !done) return done.error();
    const auto title = message.title.empty() ? s.title : message.title;
    std::vector<Call> calls;
    for (const auto& target : s.targets) {
        const bool channel = target.starts_with('#'), mail = is_mail(target);
        boost::json::object body;
        body["type"] = "note";
        body["title"] = title;
        body["body"] = message.text;
        body["email"] = mail ? target : "";
        body["channel_tag"] = channel && !mail ? target.substr(1) : "";
        body["device_iden"] = mail || channel ? "" : target;
        auto call = json_call("https://api.pushbullet.com/v2/pushes", boost::json::serialize(body));
        call.headers.emplace_back("Access-Token", header_value(s.token));
        calls.emplace_back(std::move(call));
    }
    return known_calls("pushbullet", std::move(calls), judge_pushbullet(title, message.text), AfterFailure::go_on);
}

}  // namespace

Made make_pushbullet(const ServiceUrl& url) {
    PushbulletSettings s;
    s.token = url.host;
    if (s.token.size() != pushbullet_token)
        return unfit_for_service(fmt::format("the token has to be {} characters long", pushbullet_token));
    s.targets = url.segments();
    if (!url.fragment.empty()) s.targets.push_back("#" + url.fragment);
    if (s.targets.empty()) s.targets.emplace_back();  // all devices of the account
    if (auto done = pushbullet_options(s).apply(url.query); !done) return done.error();
    return service_of("pushbullet",
                      [s](const Message& message, const Surroundings&) { return deliver_pushbullet(s, message); });
}

}  // namespace weir::notify
