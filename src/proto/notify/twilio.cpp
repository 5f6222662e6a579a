#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.21
namespace weir::notify {
namespace {

constexpr std::size_t max_twilio_recipients = 100, max_twilio_characters = 1600;

struct TwilioSettings {
    std::string sid, token, from, title;
    std::vector<std::string> to;
};

Options twilio_options(TwilioSettings& s) {
    return Options().text("title", s.title);
}

std::string bare_number(std::string text) {
    std::erase_if(text, [](char c) { return std::string_view(" -().").find(c) != std::string_view::npos; });
    return text;
}

bool is_bare_number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<> judge_twilio(const Reply& reply) {
    if (reply.status >= 200 && reply.status < 300) return {};
    const auto words = json_field(reply.body, "/message");
    if (!words || words->empty()) return bad_status(reply);
    const auto code = json_field(reply.body, "/code");
    return service_said(reply, code ? fmt::format("{} (code {})", *words, *code) : *words);
}

/// The API takes 1600 characters at most, a refusal of the whole message beyond.
std::string twilio_text(const std::string& text) {
    constexpr std::string_view mark = " [...]";
    std::size_t characters = 0, at = 0, cut = 0;
    for (; at < text.size(); ++at) {
        if ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) continue;
        if (characters == max_twilio_characters - mark.size()) cut = at;
        if (++characters > max_twilio_characters) return text.substr(0, cut) + std::string(mark);
    }
    return text;
}

Result<std::unique_ptr<Delivery>> deliver_twilio(TwilioSettings s, const Message& message) {
    if (auto done = twilio_options(s).apply(message.params); !done) return done.error();
    Message told = message;
    if (told.title.empty()) told.title = s.title;
    const auto text = twilio_text(titled(told, "\n"));
    std::vector<Call> calls;
    for (const auto& to : s.to) {
        auto call = form_call(
            fmt::format("https://api.twilio.com/2010-04-01/Accounts/{}/Messages.json", percent_encoded(s.sid)),
            {{"Body", text}, {s.from.starts_with("MG") ? "MessagingServiceSid" : "From", s.from}, {"To", to}});
        call.headers.emplace_back("Authorization", basic_authorization(s.sid, s.token));
        calls.emplace_back(std::move(call));
    }
    return known_calls("twilio", std::move(calls), judge_twilio, AfterFailure::go_on);
}

}  // namespace

Made make_twilio(const ServiceUrl& url) {
    TwilioSettings s;
    s.sid = url.user;
    s.token = url.password;
    if (s.sid.empty() || s.token.empty())
        return unfit_for_service("account and token are needed: twilio://SID:TOKEN@FROM/TO");
    s.from = url.host.starts_with("MG") ? url.host : bare_number(url.host);
    if (!s.from.starts_with("MG") && !is_bare_number(s.from))
        return unfit_for_service("the sender is neither a phone number nor a messaging service (MG...)");
    for (const auto& one : url.segments()) {
        s.to.push_back(bare_number(one));
        if (!is_bare_number(s.to.back()))
            return unfit_for_service(fmt::format("recipient {} is no phone number", s.to.size()));
    }
    if (s.to.empty()) return unfit_for_service("no recipient; they follow as twilio://SID:TOKEN@FROM/TO/TO");
    if (s.to.size() > max_twilio_recipients)
        return unfit_for_service(fmt::format("more than {} recipients", max_twilio_recipients));
    if (auto done = twilio_options(s).apply(url.query); !done) return done.error();
    return service_of("twilio",
                      [s](const Message& message, const Surroundings&) { return deliver_twilio(s, message); });
}

}  // namespace weir::notify
