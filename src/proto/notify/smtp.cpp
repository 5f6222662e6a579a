#include <algorithm>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/mail_text.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 6
namespace weir::notify {
namespace {

constexpr std::size_t max_mail_recipients = 100;
constexpr Millis least_mail_time{100}, most_mail_time{300'000};

enum MailAuth : int { auth_none, auth_plain, auth_cram, auth_unknown, auth_oauth2, auth_login };
enum MailEncryption : int { encrypt_none, encrypt_explicit, encrypt_implicit, encrypt_auto };

struct SmtpSettings {
    MailCall call;
    std::string from_name, subject = "Shoutrrr Notification", client_host = "localhost";
    std::vector<std::string> to;
    int auth = auth_unknown, encryption = encrypt_auto;
    bool start_tls = true, need_tls = false, html = false, careless = false;
};

Options smtp_options(SmtpSettings& s) {
    return Options()
        .choice("auth", s.auth, {"None", "Plain", "CRAMMD5", "Unknown", "OAuth2", "Login"})
        .text("clienthost", s.client_host)
        .choice("encryption", s.encryption, {"None", "ExplicitTLS", "ImplicitTLS", "Auto"})
        .text("from|fromaddress", s.call.from)
        .text("fromname", s.from_name)
        .flag("requirestarttls", s.need_tls)
        .flag("skiptlsverify", s.careless)
        .text("subject|title", s.subject)
        .other("timeout",
               [&s](const std::string& text) -> Result<> {
                   const auto time = parse_duration(text);
                   if (!time) return time.error();
                   s.call.timeout = std::clamp(*time, least_mail_time, most_mail_time);
                   return {};
               })
        .list("to|toaddresses", s.to)
        .flag("usehtml", s.html)
        .flag("usestarttls|starttls", s.start_tls);
}

/// A "+" of an address, written as such in a query, came here as a space.
Result<std::string> mail_address(std::string_view text, std::string_view which) {
    std::string out(stripped(text));
    std::replace(out.begin(), out.end(), ' ', '+');
    if (out.empty()) return unfit_for_service(fmt::format("the {} address is missing", which));
    const auto odd = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(out.begin(), out.end(), odd) || out.find_first_of("<>,;\"()\\") != std::string::npos)
        return unfit_for_service(fmt::format("the {} address has a character that none may have", which));
    return out;
}

Result<> settle_addresses(SmtpSettings& s) {
    auto from = mail_address(s.call.from, "from");
    if (!from) return from.error();
    s.call.from = std::move(*from);
    std::erase_if(s.to, [](const std::string& one) { return stripped(one).empty(); });
    if (s.to.empty()) return unfit_for_service("the to address is missing");
    if (s.to.size() > max_mail_recipients)
        return unfit_for_service(fmt::format("more than {} recipients", max_mail_recipients));
    for (auto& one : s.to) {
        auto to = mail_address(one, "to");
        if (!to) return to.error();
        one = std::move(*to);
    }
    return {};
}

Result<> settle_login(SmtpSettings& s) {
    using Auth = MailCall::Auth;
    const bool user = !s.call.user.empty();
    switch (s.auth) {
        case auth_none:
            s.call.auth = Auth::none;
            return {};
        case auth_unknown:
            s.call.auth = user ? Auth::plain : Auth::none;
            return {};
        case auth_plain:
            s.call.auth = Auth::plain;
            break;
        case auth_cram:
            s.call.auth = Auth::cram_md5;
            break;
        case auth_oauth2:
            s.call.auth = Auth::oauth2;
            break;
        default:
            s.call.auth = Auth::login;
            break;
    }
    if (!user) return unfit_for_service("option auth needs a user: smtp://user:password@host");
    return {};
}

void settle_tls(SmtpSettings& s) {
    using Tls = MailCall::Tls;
    constexpr std::uint16_t implicit_port = 465;
    s.call.verify_tls = !s.careless;
    if (s.encryption == encrypt_implicit || (s.encryption == encrypt_auto && s.call.port == implicit_port))
        s.call.tls = Tls::implicit;
    else if (s.need_tls)
        s.call.tls = Tls::required;
    else
        s.call.tls = s.start_tls ? Tls::if_offered : Tls::never;
}

Result<> settle(SmtpSettings& s) {
    if (auto fit = settle_addresses(s); !fit) return fit;
    settle_tls(s);
    return settle_login(s);
}

std::string host_said(const SmtpSettings& s, const Surroundings& around) {
    auto out = ascii_lowered(s.client_host) == "auto" ? around.host_name : s.client_host;
    const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; };
    return !out.empty() && std::all_of(out.begin(), out.end(), fits) ? out : "localhost";
}

std::string hex_of(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

std::string domain_of(const std::string& address) {
    const auto at = address.rfind('@');
    return at == std::string::npos || at + 1 == address.size() ? "localhost" : address.substr(at + 1);
}

Result<std::unique_ptr<Delivery>> deliver_smtp(SmtpSettings s, const Message& message, const Surroundings& around) {
    if (auto done = smtp_options(s).apply(message.params); !done) return done.error();
    if (auto fit = settle(s); !fit) return fit.error();
    s.call.client_host = host_said(s, around);
    std::vector<Call> calls;
    for (const auto& to : s.to) {
        auto call = s.call;
        call.to = to;
        call.message = mail_message({.from = call.from,
                                     .from_name = s.from_name,
                                     .to = to,
                                     .subject = message.title.empty() ? s.subject : message.title,
                                     .text = message.text,
                                     .html = s.html,
                                     .date = around.now,
                                     .message_id = hex_of(around.random_bytes(16)) + "@" + domain_of(call.from),
                                     .boundary = hex_of(around.random_bytes(8))});
        calls.emplace_back(std::move(call));
    }
    return known_calls("smtp", std::move(calls), status_between(200, 300), AfterFailure::go_on);
}

}  // namespace

Made make_smtp(const ServiceUrl& url) {
    constexpr std::uint16_t usual_port = 25;
    SmtpSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    s.call.host = url.host;
    s.call.port = url.port.value_or(usual_port);
    s.call.user = url.user;
    s.call.password = Secret(url.password);
    if (auto done = smtp_options(s).apply(url.query); !done) return done.error();
    auto checked = s;
    if (auto fit = settle(checked); !fit) return fit.error();
    return service_of(
        "smtp", [s](const Message& message, const Surroundings& around) { return deliver_smtp(s, message, around); });
}

}  // namespace weir::notify
