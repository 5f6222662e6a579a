#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.5
namespace weir::notify {
namespace {

struct IftttSettings {
    std::string id, title;
    std::vector<std::string> events;
    std::array<std::string, 3> values;
    int message_at = 2, title_at = 0;  ///< counted from 1; 0: nowhere
};

Options ifttt_options(IftttSettings& s) {
    return Options()
        .list("events", s.events)
        .number("messagevalue", s.message_at, 1, 3)
        .text("title", s.title)
        .number("titlevalue", s.title_at, 0, 3)
        .text("value1", s.values[0])
        .text("value2", s.values[1])
        .text("value3", s.values[2]);
}

Result<> check_ifttt(const IftttSettings& s) {
    if (s.events.empty()) return unfit_for_service("option events is missing");
    if (s.message_at == s.title_at)
        return unfit_for_service("options messagevalue and titlevalue cannot be the same number");
    return {};
}

Result<std::unique_ptr<Delivery>> deliver_ifttt(IftttSettings s, const Message& message) {
    if (auto done = ifttt_options(s).apply(message.params); !done) return done.error();
    if (auto fine = check_ifttt(s); !fine) return fine.error();
    s.values[static_cast<std::size_t>(s.message_at - 1)] = message.text;
    if (s.title_at > 0)
        s.values[static_cast<std::size_t>(s.title_at - 1)] = message.title.empty() ? s.title : message.title;
    boost::json::object body;
    body["value1"] = s.values[0];
    body["value2"] = s.values[1];
    body["value3"] = s.values[2];
    const auto text = boost::json::serialize(body);
    std::vector<Call> calls;
    for (const auto& event : s.events)
        calls.emplace_back(json_call(fmt::format("https://maker.ifttt.com/trigger/{}/with/key/{}",
                                                 percent_encoded(event), percent_encoded(s.id)),
                                     text));
    return known_calls("ifttt", std::move(calls), status_between(200, 300), AfterFailure::go_on);
}

}  // namespace

Made make_ifttt(const ServiceUrl& url) {
    IftttSettings s;
    s.id = url.host;
    if (s.id.empty()) return unfit_for_service("no web hook id; it stands as ifttt://ID/?events=...");
    if (auto done = ifttt_options(s).apply(url.query); !done) return done.error();
    if (auto fine = check_ifttt(s); !fine) return fine.error();
    return service_of("ifttt", [s](const Message& message, const Surroundings&) { return deliver_ifttt(s, message); });
}

}  // namespace weir::notify
