#include <curl/curl.h>
#include <dirent.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/numbers.h"
#include "base/secret.h"
#include "io/http_client.h"
#include "io/http_client_transfer.h"

namespace weir {
namespace http_detail {
namespace {

/// The system's folder of certificates costs nothing until one is asked for; its bundle would be parsed for every
/// connection.
bool is_hashed(const std::string& folder) {
    DIR* const dir = opendir(folder.c_str());
    if (!dir) return false;
    bool found = false;
    while (const dirent* entry = readdir(dir)) {
        const std::string_view name(entry->d_name);
        found =
            name.size() == 10 && name[8] == '.' && name.substr(0, 8).find_first_not_of("0123456789abcdef") == name.npos;
        if (found) break;
    }
    closedir(dir);
    return found;
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

Error certificate_error(std::string_view text, const Url& url) {
    const auto host = url.host;
    constexpr std::string_view lead = "SSL certificate problem: ";
    if (text.starts_with(lead)) text.remove_prefix(lead.size());
    return Error{Errc::unreachable,
                 fmt::format("certificate of {} is not trusted: {}; set SSL_CERT_FILE to add your own CA", host,
                             text.empty() ? "verification failed" : text)};
}

}  // namespace

TrustStore TrustStore::from_environment() {
    const auto* built = curl_version_info(CURLVERSION_NOW);
    const std::string system_file = built->cainfo ? built->cainfo : "",
                      system_folder = built->capath ? built->capath : "";
    TrustStore store;
    store.file = variable("SSL_CERT_FILE");
    store.folder = variable("SSL_CERT_DIR");
    if (store.folder.empty() && is_hashed(system_folder)) store.folder = system_folder;
    if (store.file.empty() && store.folder.empty()) store.file = system_file;
    return store;
}

Error curl_error(int code, std::string_view text, long os_error, const Url& url, const std::optional<Proxy>& proxy) {
    const auto where =
        fmt::format("{} port {}", proxy ? "proxy " + proxy->host : url.host, proxy ? proxy->port : url.port);
    const std::string why(text.empty() ? std::string_view(curl_easy_strerror(static_cast<CURLcode>(code))) : text);
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
            return {Errc::unreachable, fmt::format("cannot resolve {}", where)};
        case CURLE_COULDNT_CONNECT: {
            std::string reason = os_error ? std::strerror(static_cast<int>(os_error)) : why;
            if (!reason.empty()) reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
            return {Errc::unreachable, fmt::format("cannot connect to {}: {}", where, reason)};
        }
        case CURLE_PEER_FAILED_VERIFICATION:
            return certificate_error(text, url);
        case CURLE_SSL_CACERT_BADFILE:
            return {Errc::unreachable, "cannot read the trusted certificates: look at SSL_CERT_FILE and SSL_CERT_DIR"};
        case CURLE_SSL_CONNECT_ERROR:
            return {Errc::unreachable, fmt::format("tls handshake with {} failed: {}", where, why)};
        case CURLE_PROXY:
            return {Errc::unreachable, fmt::format("{}: {}", where, why)};
        case CURLE_OPERATION_TIMEDOUT:
            return {Errc::timed_out, fmt::format("connecting to {} took too long", where)};
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
            return {Errc::lost_peer, fmt::format("{}: {}", url.host, why)};
        case CURLE_RECV_ERROR:
            // A cut and a reply that breaks the rules of chunking share one code.
            if (why.find("chunked-encoding") != why.npos)
                return {Errc::bad_input, fmt::format("{}: {}", url.host, why)};
            return {proxy && why.find("CONNECT") != why.npos ? Errc::unreachable : Errc::lost_peer,
                    fmt::format("{}: {}", url.host, why)};
        case CURLE_OUT_OF_MEMORY:
        case CURLE_FAILED_INIT:
            return {Errc::internal, why};
        default:
            return {Errc::bad_input, fmt::format("{}: {}", url.host, why)};
    }
}

}  // namespace http_detail

namespace {

constexpr Millis longest_retry{3'600'000};

/// RFC 9110 10.2.3: seconds, or a date, which is measured against the server's own clock when it tells it.
std::optional<Millis> retry_after(const HttpHead& head) {
    const auto* text = head.find("retry-after");
    if (!text || text->empty()) return std::nullopt;
    if (std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '9'; })) {
        std::int64_t seconds = 0;
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
        if (error != std::errc{} || seconds > longest_retry.count() / 1000) return longest_retry;
        return std::chrono::seconds(seconds);
    }
    if (text->find_first_not_of("0123456789.") == text->npos) {  // Discord counts in fractions
        const auto seconds = parse_number(*text);
        if (!seconds) return std::nullopt;
        const auto most = static_cast<double>(longest_retry.count());
        return Millis(static_cast<std::int64_t>(std::min(std::ceil(*seconds * 1000), most)));
    }
    const auto when = curl_getdate(text->c_str(), nullptr);
    if (when < 0) return std::nullopt;
    const auto* date = head.find("date");
    const auto told = date ? curl_getdate(date->c_str(), nullptr) : -1;
    const auto now = told >= 0 ? told : std::time(nullptr);
    return std::clamp<Millis>(std::chrono::seconds(when - now), Millis(0), longest_retry);
}

}  // namespace

const std::string* HttpHead::find(std::string_view name) const {
    const auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
    return found == headers.end() ? nullptr : &found->second;
}

const std::string* HttpHead::find_trailer(std::string_view name) const {
    const auto found = std::find_if(trailers.begin(), trailers.end(), [&](const auto& t) { return t.first == name; });
    return found == trailers.end() ? nullptr : &found->second;
}

Error status_error(const HttpHead& head) {
    Error e{Errc::bad_input, fmt::format("http {} for {}", head.status, head.url.without_query())};
    e.status = head.status;
    if (head.status == 401 || head.status == 403 || head.status == 407)
        e.code = Errc::denied;
    else if (head.status == 404 || head.status == 410)
        e.code = Errc::not_found;
    else if (head.status == 429 || head.status == 503)
        e.code = Errc::busy;
    else if (head.status >= 500)
        e.code = Errc::lost_peer;
    if (e.code == Errc::busy) e.retry_after = retry_after(head);
    return e;
}

}  // namespace weir
