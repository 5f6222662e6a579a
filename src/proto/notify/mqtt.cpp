#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 7; a title has no place there: it stands before the text (4)
namespace weir::notify {
namespace {

struct MqttSettings {
    MqttCall call;
    bool clear = false, careless = false;
};

Options mqtt_options(MqttSettings& s) {
    return Options()
        .flag("cleansession", s.call.clean)
        .text("clientid", s.call.client_id)
        .flag("disabletls", s.clear)
        .flag("disabletlsverification", s.careless)
        .choice("qos", s.call.qos, {"0|AtMostOnce", "1|AtLeastOnce", "2|ExactlyOnce"})
        .flag("retained", s.call.retain);
}

std::string mqtt_client_id(const MqttCall& call, const Surroundings& around) {
    if (!call.client_id.empty()) return call.client_id;
    if (!call.clean) return "shoutrrr";
    // Two that use one name throw each other out; only a session that is kept needs a name that stays.
    std::string out = "weir-";
    for (const char c : around.random_bytes(8)) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

Result<std::unique_ptr<Delivery>> deliver_mqtt(MqttSettings s, bool tls, const Message& message,
                                               const Surroundings& around) {
    if (auto done = mqtt_options(s).apply(message.params); !done) return done.error();
    s.call.tls = tls && !s.clear;
    s.call.verify_tls = !s.careless;
    s.call.payload = titled(message);
    s.call.client_id = mqtt_client_id(s.call, around);
    return known_call("mqtt", std::move(s.call), status_between(200, 300));
}

}  // namespace

Made make_mqtt(const ServiceUrl& url) {
    const bool tls = url.scheme == "mqtts";
    MqttSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    s.call.host = url.host;
    s.call.port = url.port.value_or(tls ? 8883 : 1883);
    s.call.user = url.user;
    if (!url.user.empty()) s.call.password = Secret(url.password);
    if (url.path.size() > 1) s.call.topic = url.path.substr(1);
    if (s.call.topic.empty()) return unfit_for_service("topic is required");
    if (s.call.topic.find_first_of("+#") != std::string::npos)
        return unfit_for_service("a topic to publish to has no + and no #");
    if (auto done = mqtt_options(s).apply(url.query); !done) return done.error();
    return service_of(url.scheme, [s, tls](const Message& message, const Surroundings& around) {
        return deliver_mqtt(s, tls, message, around);
    });
}

}  // namespace weir::notify
