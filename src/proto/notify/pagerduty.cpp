#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.13 and 11
namespace weir::notify {
namespace {

constexpr std::string_view severities[] = {"critical", "error", "warning", "info"};
constexpr std::string_view actions[] = {"trigger", "acknowledge", "resolve"};

struct PagerdutySettings {
    std::string host, key, source = "default", dedup, client, client_url;
    int severity = -1, action = 0;
    boost::json::value details;  ///< null: none
    boost::json::array contexts;
};

Result<boost::json::value> pagerduty_json(const std::string& text) {
    boost::json::parse_options limits;
    limits.max_depth = 16;
    boost::json::error_code failed;
    auto out = boost::json::parse(text, failed, {}, limits);
    if (failed) return unfit_for_service("no JSON");
    return out;
}

/// JSON, or "link:URL,image:URL".
Result<boost::json::array> pagerduty_contexts(const std::string& text) {
    if (text.starts_with('[')) {
        auto given = pagerduty_json(text);
        if (!given) return given.error();
        if (!given->is_array()) return unfit_for_service("no JSON array");
        return given->as_array();
    }
    boost::json::array out;
    for (std::string_view rest = text; !rest.empty();) {
        const auto end = std::min(rest.find(','), rest.size());
        const auto one = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        boost::json::object context;
        if (one.starts_with("link:")) {
            context["type"] = "link";
            context["href"] = one.substr(5);
        } else if (one.starts_with("image:")) {
            context["type"] = "image";
            context["src"] = one.substr(6);
        } else {
            return unfit_for_service("accepted is JSON, or link:URL,image:URL");
        }
        out.push_back(std::move(context));
    }
    return out;
}

Options pagerduty_options(PagerdutySettings& s) {
    return Options()
        .choice("action", s.action, {actions[0], actions[1], actions[2]})
        .text("client", s.client)
        .text("client_url", s.client_url)
        .other("contexts",
               [&s](const std::string& text) -> Result<> {
                   auto got = pagerduty_contexts(text);
                   if (!got) return got.error();
                   s.contexts = std::move(*got);
                   return {};
               })
        .text("dedup_key", s.dedup)
        .other("details",
               [&s](const std::string& text) -> Result<> {
                   auto got = pagerduty_json(text);
                   if (!got) return got.error();
                   s.details = std::move(*got);
                   return {};
               })
        .choice("severity", s.severity, {severities[0], severities[1], severities[2], severities[3]})
        .text("source", s.source);
}

std::string_view severity_of(const PagerdutySettings& s, std::optional<int> priority) {
    if (s.severity >= 0) return severities[s.severity];
    if (!priority) return "error";
    constexpr std::string_view by_step[] = {"info", "info", "warning", "error", "critical"};
    return by_step[priority_step(*priority)];
}

std::string first_1024(const std::string& text) {
    std::size_t characters = 0, at = 0;
    for (; at < text.size(); ++at)
        if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && ++characters > 1024) break;
    return text.substr(0, at);
}

Result<> judge_pagerduty(const Reply& reply) {
    if (reply.status >= 200 && reply.status < 300) return {};
    const auto words = json_field(reply.body, "/message");
    if (!words || words->empty()) return bad_status(reply);
    const auto first = json_field(reply.body, "/errors/0");
    return service_said(reply, first ? fmt::format("{}: {}", *words, *first) : *words);
}

Result<std::unique_ptr<Delivery>> deliver_pagerduty(PagerdutySettings s, const Message& message) {
    if (auto done = pagerduty_options(s).apply(message.params); !done) return done.error();
    boost::json::object payload;
    payload["summary"] = first_1024(titled(message, ": "));
    payload["severity"] = severity_of(s, message.priority);
    payload["source"] = s.source;
    boost::json::object body;
    body["payload"] = std::move(payload);
    body["routing_key"] = s.key;
    body["event_action"] = actions[s.action];
    if (!s.dedup.empty()) body["dedup_key"] = s.dedup;
    if (!s.details.is_null()) body["details"] = s.details;
    if (!s.contexts.empty()) body["contexts"] = s.contexts;
    if (!s.client.empty()) body["client"] = s.client;
    if (!s.client_url.empty()) body["client_url"] = s.client_url;
    return known_call("pagerduty",
                      json_call(fmt::format("https://{}/v2/enqueue", s.host), boost::json::serialize(body)),
                      judge_pagerduty);
}

}  // namespace

Made make_pagerduty(const ServiceUrl& url) {
    ServiceUrl where = url;
    if (where.host.empty()) where.host = "events.pagerduty.com";
    if (!where.port) where.port = std::uint16_t{443};
    PagerdutySettings s;
    s.host = where.authority();
    const auto path = url.segments();
    const auto fits = [](unsigned char c) { return std::isalnum(c) != 0; };
    if (path.size() != 1 || path[0].size() != 32 || !std::all_of(path[0].begin(), path[0].end(), fits))
        return unfit_for_service("the integration key, 32 digits, is needed: pagerduty:///KEY");
    s.key = path[0];
    if (auto done = pagerduty_options(s).apply(url.query); !done) return done.error();
    return service_of("pagerduty",
                      [s](const Message& message, const Surroundings&) { return deliver_pagerduty(s, message); });
}

}  // namespace weir::notify
