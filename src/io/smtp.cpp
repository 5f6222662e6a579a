#include "io/smtp.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "io/http_client_transfer.h"

namespace weir {
namespace {

constexpr std::size_t max_message = 1 << 20, max_words = 200, max_line = 4096;

/// What libcurl needs while one mail goes; its callbacks only read and take notes.
struct MailSession {
    const Mail& mail;
    const std::atomic<bool>& cancelled;
    std::size_t sent = 0;
    std::string said = {};  ///< the last refusal of the server
    char words[CURL_ERROR_SIZE] = {};

    static std::size_t read(char* into, std::size_t one, std::size_t count, void* self);
    static std::size_t heard(char* data, std::size_t one, std::size_t count, void* self);
    static int progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
};

std::size_t MailSession::read(char* into, std::size_t one, std::size_t count, void* self) {
    auto& session = *static_cast<MailSession*>(self);
    const auto& text = session.mail.message;
    const auto size = std::min(one * count, text.size() - session.sent);
    std::memcpy(into, text.data() + session.sent, size);
    session.sent += size;
    return size;
}

/// "550 5.1.1 no such user": a reply that refuses, or 0.
int refusing_code(std::string_view said) {
    const auto digit = [&](std::size_t at) { return said[at] >= '0' && said[at] <= '9'; };
    if (said.size() < 3 || (said[0] != '4' && said[0] != '5') || !digit(1) || !digit(2)) return 0;
    if (said.size() > 3 && said[3] != ' ' && said[3] != '-') return 0;
    return (said[0] - '0') * 100 + (said[1] - '0') * 10 + (said[2] - '0');
}

std::size_t MailSession::heard(char* data, std::size_t one, std::size_t count, void* self) {
    const auto line = stripped(std::string_view(data, std::min(one * count, max_line)));
    // What follows a refusal, as the answer to QUIT, is not the reason.
    if (refusing_code(line)) static_cast<MailSession*>(self)->said = line;
    return one * count;
}

int MailSession::progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<MailSession*>(self)->cancelled ? 1 : 0;
}

Error unfit(std::string what) {
    return {Errc::bad_input, std::move(what)};
}

std::string base64_of(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

/// What the server said, fit for one line of a log. A server that repeats what it was given must not give a password away.
std::string words_of(const Mail& mail, std::string said) {
    if (const auto& secret = mail.secret.reveal(); !secret.empty())
        for (const auto& one :
             {secret, base64_of(secret), base64_of(fmt::format("{0}{1}{0}{2}", '\0', mail.user, secret)),
              base64_of(fmt::format("user={1}{0}auth=Bearer {2}{0}{0}", '\1', mail.user, secret))})
            replace_all(said, one, "***");
    std::string out;
    append_printable(out, said.size() > max_words ? std::string_view(said).substr(0, max_words) : said);
    return out;
}

std::string without_capital(std::string text) {
    if (!text.empty()) text[0] = ascii_lower(text[0]);
    return text;
}

std::string_view after_lead(std::string_view text) {
    constexpr std::string_view lead = "SSL certificate problem: ";
    return text.starts_with(lead) ? text.substr(lead.size()) : text;
}

Error error_of(const MailSession& session, CURLcode code, long os_error) {
    const auto& mail = session.mail;
    const auto where = fmt::format("{} port {}", mail.host, mail.port);
    const std::string why = *session.words ? session.words : curl_easy_strerror(code);
    switch (code) {
        case CURLE_ABORTED_BY_CALLBACK:
            return {Errc::cancelled, "cancelled"};
        case CURLE_COULDNT_RESOLVE_HOST:
            return {Errc::unreachable, fmt::format("cannot resolve {}", mail.host)};
        case CURLE_COULDNT_CONNECT:
            return {Errc::unreachable,
                    fmt::format("cannot connect to {}: {}", where,
                                os_error ? without_capital(std::strerror(static_cast<int>(os_error))) : why)};
        case CURLE_OPERATION_TIMEDOUT:
            return {Errc::timed_out, fmt::format("{} took too long", where)};
        case CURLE_USE_SSL_FAILED:
            return {Errc::denied, fmt::format("{}: server does not support StartTLS", mail.host)};
        case CURLE_PEER_FAILED_VERIFICATION:
            return {Errc::unreachable,
                    fmt::format("certificate of {} is not trusted: {}; set SSL_CERT_FILE to add your own CA", mail.host,
                                after_lead(why))};
        case CURLE_SSL_CONNECT_ERROR:
            return {Errc::unreachable, fmt::format("tls handshake with {} failed: {}", mail.host, why)};
        case CURLE_SSL_CACERT_BADFILE:
            return {Errc::unreachable, "cannot read the trusted certificates: look at SSL_CERT_FILE and SSL_CERT_DIR"};
        default:
            break;
    }
    if (const int reply = refusing_code(session.said))
        return {reply < 500 ? Errc::busy : Errc::denied,
                fmt::format("{} said {}", mail.host, words_of(mail, session.said))};
    if (code == CURLE_LOGIN_DENIED)
        return {Errc::denied, fmt::format("{} takes no login of the kind asked for", mail.host)};
    return {Errc::lost_peer, fmt::format("{}: {}", mail.host, without_capital(words_of(mail, why)))};
}

bool is_this_machine(std::string_view host) {
    const bool loopback = host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
    return loopback || host == "::1" || ascii_lowered(host) == "localhost";
}

Result<> check(const Mail& mail) {
    if (mail.host.empty() || mail.port == 0) return unfit("no host or no port");
    const auto controlled = [](std::string_view text) {
        return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    };
    for (const auto* const text : {&mail.host, &mail.client_host})
        if (controlled(*text) || text->find_first_of(" /?#@") != std::string::npos)
            return unfit("a host name has a character that none may have");
    for (const auto* const address : {&mail.from, &mail.to})
        if (address->empty() || controlled(*address) || address->find_first_of("<> ") != std::string::npos)
            return unfit("a mail address is empty or has a character that none may have");
    if (controlled(mail.user)) return unfit("the user has a control character");
    if (mail.message.size() > max_message) return unfit(fmt::format("message above {} bytes", max_message));
    return {};
}

/// Errors: a password that would go in clear.
Result<long> tls_of(const Mail& mail) {
    const bool clear_password =
        mail.auth == Mail::Auth::plain || mail.auth == Mail::Auth::login || mail.auth == Mail::Auth::oauth2;
    const bool guarded = clear_password && !is_this_machine(mail.host);
    switch (mail.tls) {
        case Mail::Tls::never:
            if (guarded)
                return unfit(fmt::format("the password is not sent to {} in clear; let it use TLS", mail.host));
            return CURLUSESSL_NONE;
        case Mail::Tls::if_offered:
            return guarded ? CURLUSESSL_ALL : CURLUSESSL_TRY;
        case Mail::Tls::required:
        case Mail::Tls::implicit:
            break;
    }
    return CURLUSESSL_ALL;
}

/// "+host:port:address,address", or nothing where there is nothing to look up.
std::string known_addresses(const Mail& mail) {
    if (mail.addresses.empty() || mail.addresses.front() == mail.host) return {};
    std::string out;
    for (const auto& one : mail.addresses) {
        out += out.empty() ? fmt::format("+{}:{}:", mail.host, mail.port) : ",";
        out += one.find(':') == std::string::npos ? one : "[" + one + "]";
    }
    return out;
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
    WEIR_ASSERT(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

void set_login(CURL* easy, const Mail& mail) {
    static constexpr const char* names[] = {nullptr, "AUTH=PLAIN", "AUTH=LOGIN", "AUTH=CRAM-MD5", "AUTH=XOAUTH2"};
    if (mail.auth == Mail::Auth::none) return;
    set(easy, CURLOPT_LOGIN_OPTIONS, names[static_cast<std::size_t>(mail.auth)]);
    set(easy, CURLOPT_USERNAME, mail.user.c_str());
    if (mail.auth == Mail::Auth::oauth2)
        set(easy, CURLOPT_XOAUTH2_BEARER, mail.secret.reveal().c_str());
    else
        set(easy, CURLOPT_PASSWORD, mail.secret.reveal().c_str());
    set(easy, CURLOPT_SASL_IR, mail.auth == Mail::Auth::login ? 0L : 1L);
}

void set_trust(CURL* easy, const Mail& mail) {
    const auto trust = http_detail::TrustStore::from_environment();
    set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(easy, CURLOPT_SSL_VERIFYPEER, mail.verify_tls ? 1L : 0L);
    set(easy, CURLOPT_SSL_VERIFYHOST, mail.verify_tls ? 2L : 0L);
    set(easy, CURLOPT_CAINFO, trust.file.empty() ? nullptr : trust.file.c_str());
    set(easy, CURLOPT_CAPATH, trust.folder.empty() ? nullptr : trust.folder.c_str());
}

}  // namespace

Result<> send_mail(const Mail& mail, const std::atomic<bool>& cancelled) {
    if (auto fit = check(mail); !fit) return fit;
    const auto tls = tls_of(mail);
    if (!tls) return tls.error();
    if (cancelled) return Error{Errc::cancelled, "cancelled"};

    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> owner(curl_easy_init(), &curl_easy_cleanup);
    auto* const easy = owner.get();
    if (!easy) return Error{Errc::internal, "libcurl gave no handle"};
    MailSession session{.mail = mail, .cancelled = cancelled};
    const auto url = fmt::format("{}://{}:{}/{}", mail.tls == Mail::Tls::implicit ? "smtps" : "smtp",
                                 mail.host.find(':') == std::string::npos ? mail.host : "[" + mail.host + "]",
                                 mail.port, mail.client_host);
    const auto from = fmt::format("<{}>", mail.from), to = fmt::format("<{}>", mail.to);
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> recipients(curl_slist_append(nullptr, to.c_str()),
                                                                                 &curl_slist_free_all);
    const auto known = known_addresses(mail);
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> addresses(
        known.empty() ? nullptr : curl_slist_append(nullptr, known.c_str()), &curl_slist_free_all);
    set(easy, CURLOPT_URL, url.c_str());
    if (addresses) set(easy, CURLOPT_RESOLVE, addresses.get());
    set(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set(easy, CURLOPT_PROXY, "");
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_ERRORBUFFER, session.words);
    set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(mail.timeout.count()));
    set(easy, CURLOPT_NOPROGRESS, 0L);
    set(easy, CURLOPT_XFERINFOFUNCTION, &MailSession::progress);
    set(easy, CURLOPT_XFERINFODATA, &session);
    set(easy, CURLOPT_HEADERFUNCTION, &MailSession::heard);
    set(easy, CURLOPT_HEADERDATA, &session);
    set(easy, CURLOPT_USE_SSL, *tls);
    set_trust(easy, mail);
    set_login(easy, mail);
    set(easy, CURLOPT_MAIL_FROM, from.c_str());
    set(easy, CURLOPT_MAIL_RCPT, recipients.get());
    set(easy, CURLOPT_UPLOAD, 1L);
    set(easy, CURLOPT_READFUNCTION, &MailSession::read);
    set(easy, CURLOPT_READDATA, &session);

    const auto code = curl_easy_perform(easy);
    if (code == CURLE_OK) return {};
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    return error_of(session, code, os_error);
}

}  // namespace weir
