#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.17: the REST API of signal-cli; a title has no place there: it stands before the text (4)
namespace weir::notify {
namespace {

struct SignalSettings {
    std::string host, user, password, token, source;
    std::vector<std::string> recipients, attachments;
    bool has_user = false, clear = false;
};

Options signal_options(SignalSettings& s) {
    return Options().flag("disabletls", s.clear).text("token|apikey", s.token);
}

bool is_phone_number(std::string_view text) {
    const bool digits = std::any_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits && text.find_first_not_of("0123456789+-() ") == std::string_view::npos;
}

/// A group's id is base64 and may hold slashes.
Result<std::vector<std::string>> signal_recipients(const std::vector<std::string>& path) {
    std::vector<std::string> out;
    for (std::size_t i = 1; i < path.size(); ++i) {
        const bool open_group = !out.empty() && out.back().starts_with("group.") && !out.back().ends_with('=');
        if (path[i].starts_with("group.") || is_phone_number(path[i]))
            out.push_back(path[i]);
        else if (open_group)
            out.back() += "/" + path[i];
        else
            return unfit_for_service(fmt::format("recipient {} is neither a phone number nor group.ID", i));
    }
    return out;
}

Result<> judge_signal(const Reply& reply) {
    if (reply.status >= 200 && reply.status < 300) return {};
    const auto words = json_field(reply.body, "/error");
    return words && !words->empty() ? service_said(reply, *words) : bad_status(reply);
}

Result<std::unique_ptr<Delivery>> deliver_signal(SignalSettings s, const Message& message) {
    if (auto done = signal_options(s).list("attachments", s.attachments).apply(message.params); !done)
        return done.error();
    boost::json::object body;
    body["message"] = titled(message);
    body["number"] = s.source;
    body["recipients"] = boost::json::array(s.recipients.begin(), s.recipients.end());
    if (!s.attachments.empty())
        body["base64_attachments"] = boost::json::array(s.attachments.begin(), s.attachments.end());
    auto call =
        json_call(fmt::format("{}://{}/v2/send", s.clear ? "http" : "https", s.host), boost::json::serialize(body));
    if (!s.token.empty())
        call.headers.emplace_back("Authorization", "Bearer " + header_value(s.token));
    else if (s.has_user)
        call.headers.emplace_back("Authorization", basic_authorization(s.user, s.password));
    return known_call("signal", std::move(call), judge_signal);
}

}  // namespace

Made make_signal(const ServiceUrl& url) {
    constexpr std::uint16_t usual_port = 8080;
    SignalSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    const auto path = url.segments();
    if (path.size() < 2) return unfit_for_service("a source and a recipient are needed: signal://host/+49123/+49456");
    if (!is_phone_number(path[0])) return unfit_for_service("the source is no phone number");
    auto to = signal_recipients(path);
    if (!to) return to.error();
    s.recipients = std::move(*to);
    s.source = path[0];
    ServiceUrl where = url;
    if (!where.port) where.port = usual_port;
    s.host = where.authority();
    s.has_user = url.has_user;
    s.user = url.user;
    s.password = url.password;
    if (auto done = signal_options(s).apply(url.query); !done) return done.error();
    return service_of("signal",
                      [s](const Message& message, const Surroundings&) { return deliver_signal(s, message); });
}

}  // namespace weir::notify
