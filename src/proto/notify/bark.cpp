#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.1
namespace weir::notify {
namespace {

struct BarkSettings {
    std::string host, path, key, title, sound, icon, group, url, category, copy;
    int badge = 0, tls = 0;
};

Options bark_options(BarkSettings& s) {
    return Options()
        .number("badge", s.badge, std::numeric_limits<int>::min(), std::numeric_limits<int>::max())
        .text("category", s.category)
        .text("copy", s.copy)
        .text("group", s.group)
        .text("icon", s.icon)
        .choice("scheme", s.tls, {"https", "http"})
        .text("sound", s.sound)
        .text("title", s.title)
        .text("url", s.url);
}

Result<> judge_bark(const Reply& reply) {
    const auto code = json_field(reply.body, "/code");
    if (code == "200") return {};
    const auto words = json_field(reply.body, "/message");
    if (words && !words->empty()) return service_said(reply, *words);
    if (reply.status < 200 || reply.status > 299) return bad_status(reply);
    return service_said(reply, "the answer does not say that it was taken");
}

Result<std::unique_ptr<Delivery>> deliver_bark(BarkSettings s, const Message& message) {
    if (auto done = bark_options(s).apply(message.params); !done) return done.error();
    boost::json::object body;
    body["body"] = message.text;
    body["device_key"] = s.key;
    body["title"] = message.title.empty() ? s.title : message.title;
    body["badge"] = s.badge;
    const std::pair<const char*, const std::string*> more[] = {{"sound", &s.sound},       {"icon", &s.icon},
                                                               {"group", &s.group},       {"url", &s.url},
                                                               {"category", &s.category}, {"copy", &s.copy}};
    for (const auto& [name, value] : more)
        if (!value->empty()) body[name] = *value;
    auto url = fmt::format("{}://{}{}push", s.tls == 0 ? "https" : "http", s.host, s.path);
    return known_call("bark", json_call(std::move(url), boost::json::serialize(body)), judge_bark);
}

}  // namespace

Made make_bark(const ServiceUrl& url) {
    BarkSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    if (url.password.empty()) return unfit_for_service("no device key; it stands as bark://:KEY@host");
    s.host = url.authority();
    s.key = url.password;
    s.path = safe_path(url.raw_path);
    if (!s.path.starts_with('/')) s.path.insert(0, "/");
    if (!s.path.ends_with('/')) s.path += '/';
    if (auto done = bark_options(s).apply(url.query); !done) return done.error();
    return service_of("bark", [s](const Message& message, const Surroundings&) { return deliver_bark(s, message); });
}

}  // namespace weir::notify
