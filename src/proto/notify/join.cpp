#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.6
namespace weir::notify {
namespace {

struct JoinSettings {
    std::string key, title, icon;
    std::vector<std::string> devices;
};

Options join_options(JoinSettings& s) {
    return Options().list("devices", s.devices).text("icon", s.icon).text("title", s.title);
}

Result<> judge_join(const Reply& reply) {
    if (reply.status != 200) return bad_status(reply);
    if (json_field(reply.body, "/success") != "false") return {};
    return service_said(reply, json_field(reply.body, "/errorMessage").value_or("it was not taken"));
}

Result<std::unique_ptr<Delivery>> deliver_join(JoinSettings s, const Message& message) {
    if (auto done = join_options(s).apply(message.params); !done) return done.error();
    std::string devices;
    for (const auto& device : s.devices) devices += (devices.empty() ? "" : ",") + device;
    std::vector<std::pair<std::string, std::string>> fields{
        {"apikey", s.key}, {"deviceIds", devices}, {"text", message.text}};
    if (const auto& title = message.title.empty() ? s.title : message.title; !title.empty()) {
        fields.emplace_back("title", title);
        if (!s.icon.empty()) fields.emplace_back("icon", s.icon);
    }
    HttpCall call{
        .method = "POST",
        .url = "https://joinjoaomgcd.appspot.com/_ah/api/messaging/v1/sendPush?" + form_encoded(std::move(fields)),
        .headers = {{"Content-Type", "text/plain"}}};
    return known_call("join", std::move(call), judge_join);
}

}  // namespace

Made make_join(const ServiceUrl& url) {
    JoinSettings s;
    s.key = url.password;
    if (s.key.empty()) return unfit_for_service("no API key; it stands as join://shoutrrr:KEY@join/?devices=...");
    if (auto done = join_options(s).apply(url.query); !done) return done.error();
    if (s.devices.empty()) return unfit_for_service("option devices is missing");
    return service_of("join", [s](const Message& message, const Surroundings&) { return deliver_join(s, message); });
}

}  // namespace weir::notify
