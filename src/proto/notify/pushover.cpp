#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/sealed_message.h"
#include "proto/notify/services.h"

// source  notify.md 5.15
namespace weir::notify {
namespace {

struct PushoverSettings {
    std::string token, user, title, key;  ///< key: 32 bytes, or none
    std::vector<std::string> devices;
    int priority = 0;
    bool priority_set = false;
};

Result<std::string> key_of(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const int high = hex_value(hex[i]), low = hex_value(hex[i + 1]);
        if (high < 0 || low < 0) break;
        out += static_cast<char>(high * 16 + low);
    }
    if (!hex.empty() && (hex.size() != 64 || out.size() != 32))
        return unfit_for_service("64 hexadecimal digits are accepted");
    return out;
}

Options pushover_options(PushoverSettings& s) {
    return Options()
        .list("devices", s.devices)
        .other("encryptionkey|key",
               [&s](const std::string& text) -> Result<> {
                   auto key = key_of(text);
                   if (!key) return key.error();
                   s.key = std::move(*key);
                   return {};
               })
        .number("priority", s.priority, -128, 127)
        .text("title", s.title);
}

Result<> judge_pushover(const Reply& reply) {
    if (reply.status == 200) return {};
    const auto words = json_field(reply.body, "/errors/0");
    return words ? service_said(reply, *words) : bad_status(reply);
}

/// Unless the URL or the message's own params say otherwise; 2, the emergency, is never chosen (11).
int pushover_priority(const PushoverSettings& s, const Message& message) {
    if (!message.priority || s.priority_set || has_key(message.params, "priority")) return s.priority;
    return std::min(priority_step(*message.priority) - 2, 1);
}

Result<std::unique_ptr<Delivery>> deliver_pushover(PushoverSettings s, const Message& message,
                                                   const Surroundings& around) {
    if (auto done = pushover_options(s).apply(message.params); !done) return done.error();
    const int priority = pushover_priority(s, message);
    auto title = message.title.empty() ? s.title : message.title;
    auto text = message.text;
    std::vector<std::pair<std::string, std::string>> fields{{"token", s.token}, {"user", s.user}};
    if (!s.key.empty()) {
        for (auto* part : {&text, &title}) {
            if (part->empty()) continue;
            auto sealed = sealed_message(*part, s.key, around.random_bytes(16));
            if (!sealed) return sealed.error();
            *part = std::move(*sealed);
        }
        fields.emplace_back("encrypted", "1");
    }
    std::string devices;
    for (const auto& device : s.devices) devices += (devices.empty() ? "" : ",") + device;
    fields.emplace_back("device", devices);
    fields.emplace_back("message", text);
    if (priority >= -2 && priority <= 1) fields.emplace_back("priority", std::to_string(priority));
    if (!title.empty()) fields.emplace_back("title", title);
    return known_call("pushover", form_call("https://api.pushover.net/1/messages.json", std::move(fields)),
                      judge_pushover);
}

}  // namespace

Made make_pushover(const ServiceUrl& url) {
    PushoverSettings s;
    s.token = url.password;
    s.user = url.host;
    if (s.user.empty()) return unfit_for_service("no user key; it stands as pushover://shoutrrr:TOKEN@USER");
    if (s.token.empty()) return unfit_for_service("no API token; it stands as pushover://shoutrrr:TOKEN@USER");
    s.priority_set = has_key(url.query, "priority");
    if (auto done = pushover_options(s).apply(url.query); !done) return done.error();
    return service_of("pushover", [s](const Message& message, const Surroundings& around) {
        return deliver_pushover(s, message, around);
    });
}

}  // namespace weir::notify
