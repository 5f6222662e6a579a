#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/gotify_date.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.4
namespace weir::notify {
namespace {

struct GotifySettings {
    std::string host, path, token, title = "Shoutrrr notification", date, extras;
    int priority = 0;
    bool priority_set = false, plain_http = false, any_certificate = false, in_header = false;
};

Result<boost::json::value> extras_of(const std::string& text) {
    if (text.empty()) return boost::json::value(nullptr);
    boost::json::error_code failed;
    auto value = boost::json::parse(text, failed);
    if (failed || !value.is_object()) return unfit_for_service("a JSON object is accepted");
    return value;
}

Options gotify_options(GotifySettings& s) {
    return Options()
        .text("date", s.date)
        .flag("disabletls", s.plain_http)
        .other("extras",
               [&s](const std::string& text) -> Result<> {
                   if (const auto value = extras_of(text); !value) return value.error();
                   s.extras = text;
                   return {};
               })
        .flag("insecureskipverify", s.any_certificate)
        .number("priority", s.priority, -2, 10)
        .text("title", s.title)
        .flag("useheader", s.in_header);
}

/// An application's token as Gotify makes them, of old and of today.
bool is_gotify_token(std::string_view token) {
    const auto fits = [](char c) {
        const char l = ascii_lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    };
    if (!std::all_of(token.begin(), token.end(), fits)) return false;
    if (token.size() == 15 && token.front() == 'A') return true;
    return token.size() >= 49 && token.starts_with("gtfy") && token[4] != '.' && token[5] == '.';
}

Result<> judge_gotify(const Reply& reply) {
    if (reply.status < 400) {
        if (is_json(reply.body)) return {};
        return service_said(reply, "the answer is not JSON");
    }
    const auto error = json_field(reply.body, "/error");
    if (!error) return bad_status(reply);
    const auto code = json_field(reply.body, "/errorCode"), text = json_field(reply.body, "/errorDescription");
    return service_said(reply, fmt::format("{} ({}): {}", *error, code.value_or("0"), text.value_or("")));
}

Result<std::unique_ptr<Delivery>> deliver_gotify(GotifySettings s, const Message& message) {
    if (auto done = gotify_options(s).apply(message.params); !done) return done.error();
    if (!is_gotify_token(s.token)) return unfit_for_service("the token is not one that Gotify makes");
    if (message.text.empty()) return unfit_for_service("the message is empty");
    const bool set = s.priority_set || has_key(message.params, "priority");
    boost::json::object body;
    body["message"] = message.text;
    body["title"] = message.title.empty() ? s.title : message.title;
    body["priority"] = set ? s.priority : message.priority.value_or(s.priority);
    if (const auto date = gotify_date(s.date)) body["date"] = *date;
    auto extras = extras_of(s.extras);
    if (!extras) return extras.error();
    body["extras"] = std::move(*extras);
    auto call = json_call(fmt::format("{}://{}{}/message", s.plain_http ? "http" : "https", s.host, s.path),
                          boost::json::serialize(body));
    if (s.in_header)
        call.headers.emplace_back("X-Gotify-Key", s.token);
    else
        call.url += "?token=" + s.token;
    call.verify_tls = !s.any_certificate;
    return known_call("gotify", std::move(call), judge_gotify);
}

}  // namespace

Made make_gotify(const ServiceUrl& url) {
    GotifySettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    auto path = url.segments();
    if (path.empty()) return unfit_for_service("no token; it stands as gotify://host/TOKEN");
    s.host = url.authority();
    s.token = path.back();
    path.pop_back();
    for (const auto& part : path) s.path += "/" + percent_encoded(part);
    s.priority_set = has_key(url.query, "priority");
    if (auto done = gotify_options(s).apply(url.query); !done) return done.error();
    return service_of("gotify",
                      [s](const Message& message, const Surroundings&) { return deliver_gotify(s, message); });
}

}  // namespace weir::notify
