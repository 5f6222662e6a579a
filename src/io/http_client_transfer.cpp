#include "io/http_client_transfer.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <charconv>

#include "base/text.h"
#include "io/http_client_metrics.h"
#include "runtime/clock.h"

namespace weir::http_detail {
namespace {

constexpr std::size_t max_head_bytes = 64u << 10, max_head_fields = 200;
constexpr std::size_t piece_bytes = 64u << 10, max_held = 256u << 10, resume_held = 128u << 10;
constexpr std::uint64_t worth_skipping = 64u << 10;

template <class T>
std::optional<T> number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string bracketed(const std::string& host) {
    return host.find(':') == host.npos ? host : fmt::format("[{}]", host);
}

template <class T>
void set(void* easy, CURLoption option, T value) {
    curl_easy_setopt(easy, option, value);
}

}  // namespace

Transfer::Transfer(std::shared_ptr<CurlMulti> multi, Clock& clock, Hop hop, const TrustStore& trust)
    : multi_(std::move(multi)),
      clock_(clock),
      hop_(std::move(hop)),
      easy_(multi_->take_easy()),
      wake_(multi_->executor()) {
    static_assert(std::tuple_size_v<decltype(curl_text_)> >= CURL_ERROR_SIZE);
    head_.url = hop_.url;
    if (easy_) configure(trust);
}

Transfer::~Transfer() {
    if (!easy_) return;
    multi_->remove(easy_);
    count(head_done_ ? std::string_view() : name_of(Errc::cancelled));  // nobody wanted the rest of it
    multi_->give_back(easy_);
    curl_slist_free_all(header_list_);
    curl_slist_free_all(address_list_);
    curl_slist_free_all(detour_list_);
}

void Transfer::configure(const TrustStore& trust) {
    set(easy_, CURLOPT_ERRORBUFFER, curl_text_.data());
    set(easy_, CURLOPT_NOSIGNAL, 1L);
    set(easy_, CURLOPT_QUICK_EXIT, 1L);
    set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy_, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy_, CURLOPT_BUFFERSIZE, static_cast<long>(piece_bytes));
    set(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
    set(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(hop_.connect_timeout.count(), 1)));
    set(easy_, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(easy_, CURLOPT_HEADERDATA, this);
    set(easy_, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(easy_, CURLOPT_WRITEDATA, this);
    set(easy_, CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open_socket);
    set(easy_, CURLOPT_PREREQFUNCTION, &Transfer::on_ready);
    set(easy_, CURLOPT_PREREQDATA, this);
    configure_request();
    configure_address();
    configure_tls(trust);
}

void Transfer::configure_request() {
    set(easy_, CURLOPT_URL, hop_.url.text().c_str());
    set(easy_, CURLOPT_PATH_AS_IS, 1L);
    // Pausing a stream of HTTP/2 goes wrong in too many versions of libcurl.
    const bool two = hop_.whole && !hop_.media;
    long version = two ? long{CURL_HTTP_VERSION_2TLS} : long{CURL_HTTP_VERSION_1_1};
    if (hop_.http2_only && hop_.url.scheme == "http") {
        version = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
        // libcurl 7.88, which Debian 12 has, breaks such a connection by using it again (curl issue 10634).
        set(easy_, CURLOPT_FRESH_CONNECT, 1L);
        set(easy_, CURLOPT_FORBID_REUSE, 1L);
    }
    set(easy_, CURLOPT_HTTP_VERSION, version);
    // A range of a compressed body cannot be put together with its neighbours.
    if (!hop_.media && !hop_.range && !hop_.http2_only) set(easy_, CURLOPT_ACCEPT_ENCODING, "");
    if (hop_.range) set(easy_, CURLOPT_RANGE, fmt::format("{}-{}", hop_.range->first, hop_.range->second).c_str());
    if (!hop_.user_agent.empty()) set(easy_, CURLOPT_USERAGENT, hop_.user_agent.c_str());
    if (!hop_.cookie.empty()) set(easy_, CURLOPT_COOKIE, hop_.cookie.c_str());
    if (!hop_.url.user.empty() || !hop_.url.password.empty()) {
        set(easy_, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
        set(easy_, CURLOPT_USERNAME, hop_.url.user.c_str());
        set(easy_, CURLOPT_PASSWORD, hop_.url.password.c_str());
    }
    if (hop_.method == "HEAD") {
        set(easy_, CURLOPT_NOBODY, 1L);
    } else if (hop_.method == "POST" || !hop_.body.empty()) {
        set(easy_, CURLOPT_POST, 1L);
        set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(hop_.body.size()));
        set(easy_, CURLOPT_POSTFIELDS, hop_.body.empty() ? "" : hop_.body.text().data());
        if (hop_.method != "POST") set(easy_, CURLOPT_CUSTOMREQUEST, hop_.method.c_str());
    } else {
        set(easy_, CURLOPT_HTTPGET, 1L);
        if (hop_.method != "GET") set(easy_, CURLOPT_CUSTOMREQUEST, hop_.method.c_str());
    }
}

void Transfer::configure_address() {
    const auto& proxy = hop_.proxy;
    // Never libcurl's own reading of the environment.
    set(easy_, CURLOPT_PROXY, "");
    set(easy_, CURLOPT_NOPROXY, "");
    if (proxy) {
        set(easy_, CURLOPT_PROXY,
            fmt::format("{}://{}:{}", proxy->scheme, bracketed(proxy->host), proxy->port).c_str());
        if (!proxy->user.empty()) set(easy_, CURLOPT_PROXYUSERNAME, proxy->user.c_str());
        if (!proxy->password.empty()) set(easy_, CURLOPT_PROXYPASSWORD, proxy->password.c_str());
    }
    if (hop_.instead) {
        detour_list_ = curl_slist_append(
            nullptr, fmt::format("::{}:{}", bracketed(hop_.instead->host), hop_.instead->port).c_str());
        set(easy_, CURLOPT_CONNECT_TO, detour_list_);
    }
    const auto& host = proxy ? proxy->host : hop_.instead ? hop_.instead->host : hop_.url.host;
    const auto port = proxy ? proxy->port : hop_.instead ? hop_.instead->port : hop_.url.port;
    if (hop_.addresses.empty() || hop_.addresses[0] == host) return;
    std::string entry = fmt::format("+{}:{}:", host, port);
    for (const auto& address : hop_.addresses) {
        if (entry.back() != ':') entry += ',';
        entry += bracketed(address);
    }
    address_list_ = curl_slist_append(nullptr, entry.c_str());
    set(easy_, CURLOPT_RESOLVE, address_list_);
    set(easy_, CURLOPT_DNS_CACHE_TIMEOUT, 600L);
}

void Transfer::configure_tls(const TrustStore& trust) {
    const bool verify = trust.verify && hop_.verify_tls;
    set(easy_, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    set(easy_, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    set(easy_, CURLOPT_CAINFO, trust.file.empty() ? nullptr : trust.file.c_str());
    set(easy_, CURLOPT_CAPATH, trust.folder.empty() ? nullptr : trust.folder.c_str());
    set(easy_, CURLOPT_PROXY_CAINFO, trust.file.empty() ? nullptr : trust.file.c_str());
    set(easy_, CURLOPT_PROXY_CAPATH, trust.folder.empty() ? nullptr : trust.folder.c_str());
    if (trust.client_certificate.empty()) return;
    set(easy_, CURLOPT_SSLCERT, trust.client_certificate.c_str());
    set(easy_, CURLOPT_SSLKEY, trust.client_key.c_str());
}

void Transfer::build_headers() {
    const auto add = [&](const std::string& line) {
        curl_slist* const grown = curl_slist_append(header_list_, line.c_str());
        if (grown) header_list_ = grown;
    };
    bool typed = false;
    for (const auto& [name, value] : hop_.headers) {
        typed = typed || ascii_lowered(name) == "content-type";
        add(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
    }
    add("Expect:");  // no waiting for a 100 that seldom comes
    if (!typed) add("Content-Type:");
    set(easy_, CURLOPT_HTTPHEADER, header_list_);
}

Result<> Transfer::start() {
    if (!easy_) return Error{Errc::internal, "libcurl gave no handle"};
    build_headers();
    began_ = last_byte_ = clock_.now();
    if (!multi_->add(easy_, *this)) return Error{Errc::cancelled, "the http client has been closed"};
    return {};
}

std::size_t Transfer::on_header(char* data, std::size_t one, std::size_t size, void* self) {
    auto& me = *static_cast<Transfer*>(self);
    me.last_byte_ = me.clock_.now();
    return me.take_header_line({data, one * size}) ? one * size : 0;
}

bool Transfer::refuse(Error why) {
    refusal_ = std::move(why);
    return false;
}

bool Transfer::take_header_line(std::string_view line) {
    head_bytes_ += line.size();
    if (head_bytes_ > max_head_bytes)
        return refuse({Errc::bad_input, fmt::format("{} sent a head above {} bytes", hop_.url.host, max_head_bytes)});
    if (head_done_) return stripped(line).empty() || take_field(line, head_.trailers);
    if (line.starts_with("HTTP/")) {
        head_.headers.clear();
        const auto space = line.find(' ');
        head_.status = number<int>(line.substr(std::min(space, line.size() - 1) + 1).substr(0, 3)).value_or(0);
        return true;
    }
    const auto text = stripped(line);
    if (text.empty()) return end_of_head();
    return take_field(line, head_.headers);
}

bool Transfer::take_field(std::string_view line, std::vector<std::pair<std::string, std::string>>& to) {
    const auto text = stripped(line);
    if ((line[0] == ' ' || line[0] == '\t') && !to.empty()) {  // folded, RFC 7230 3.2.4
        to.back().second += fmt::format(" {}", text);
        return true;
    }
    const auto colon = text.find(':');
    if (colon == text.npos || colon == 0) return true;
    if (to.size() >= max_head_fields)
        return refuse(
            {Errc::bad_input, fmt::format("{} sent more than {} header fields", hop_.url.host, max_head_fields)});
    to.emplace_back(ascii_lowered(stripped(text.substr(0, colon))), std::string(stripped(text.substr(colon + 1))));
    return true;
}

bool Transfer::end_of_head() {
    if (head_.status >= 100 && head_.status < 200) return true;  // 100, 103: the real one follows
    head_done_ = true;
    ring();
    const auto* coding = head_.find("content-encoding");
    const bool coded = coding && ascii_lowered(*coding) != "identity" && !hop_.media && !hop_.range;
    if (const auto* length = head_.find("content-length"); length && !coded)
        head_.content_length = number<std::uint64_t>(*length);
    const bool has_body = hop_.method != "HEAD" && head_.status != 304 && head_.status != 204;
    if (has_body && !skipping_ && head_.content_length.value_or(0) > hop_.max_body)
        return refuse({Errc::bad_input, fmt::format("body of {} bytes from {}, above the limit of {}",
                                                    *head_.content_length, hop_.url.host, hop_.max_body)});
    return true;
}

std::size_t Transfer::on_body(char* data, std::size_t one, std::size_t size, void* self) {
    auto& me = *static_cast<Transfer*>(self);
    me.last_byte_ = me.clock_.now();
    return me.take_body(std::as_bytes(std::span(data, one * size)));
}

std::size_t Transfer::take_body(std::span<const std::byte> bytes) {
    const auto count = bytes.size();
    if (skipping_) {
        received_ += count;
        if (received_ > worth_skipping) refuse({Errc::bad_input, "not worth skipping"});
        return refusal_ ? 0 : count;
    }
    if (held_ + count > max_held && !hop_.whole) {
        paused_ = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (received_ + count > hop_.max_body) {
        refuse({Errc::bad_input,
                fmt::format("body from {} grew above the limit of {} bytes", hop_.url.host, hop_.max_body)});
        return 0;
    }
    received_ += count;
    held_ += count;
    while (!bytes.empty()) {
        if (filling_.room() == 0) {
            if (filling_.size() > handed_) full_.push_back(filling_.slice(handed_, filling_.size() - handed_));
            handed_ = 0;
            std::uint64_t want = piece_bytes;
            if (head_.content_length)
                want =
                    std::min(want, *head_.content_length - std::min(*head_.content_length, received_ - bytes.size()));
            filling_ = Buffer(std::max<std::size_t>(static_cast<std::size_t>(want),
                                                    bytes.size() < piece_bytes ? bytes.size() : piece_bytes));
        }
        bytes = bytes.subspan(filling_.append(bytes));
    }
    ring();
    return count;
}

/// As libcurl does it, and not inherited by the programs we start.
int Transfer::on_open_socket(void*, int, void* raw) {
    const auto& address = *static_cast<curl_sockaddr*>(raw);
    return socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
}

/// A connection is ready, new or kept: the last look at where it leads, whatever the name said in the meantime.
int Transfer::on_ready(void* self, char* peer, char*, int, int) {
    auto& me = *static_cast<Transfer*>(self);
    me.sent_ = true;
    me.last_byte_ = me.clock_.now();
    me.ring();  // from now on a stall counts
    if (!me.hop_.guard || me.hop_.proxy || !peer) return CURL_PREREQFUNC_OK;
    auto allowed = me.hop_.guard->check_address(me.hop_.url, peer);
    if (allowed) return CURL_PREREQFUNC_OK;
    me.refuse(allowed.error());
    return CURL_PREREQFUNC_ABORT;
}

void Transfer::finished(int code) {
    ended_ = true;
    if (code == TransferEnd::closed) {
        failure_ = Error{Errc::cancelled, "the http client has been closed"};
    } else if (refusal_) {
        failure_ = std::move(refusal_);
    } else if (code != CURLE_OK) {
        long os_error = 0;
        curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_error);
        failure_ = curl_error(code, curl_text_.data(), os_error, hop_.url, hop_.proxy);
    } else if (!head_done_) {
        failure_ = Error{Errc::lost_peer, fmt::format("{} ended the connection without an answer", hop_.url.host)};
    }
    count(failure_ ? name_of(failure_->code) : std::string_view());
    ring();
}

/// Once, for who watches.
void Transfer::count(std::string_view error) {
    if (!began_) return;
    long version = 0;
    curl_off_t received = 0;
    curl_easy_getinfo(easy_, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(easy_, CURLINFO_SIZE_DOWNLOAD_T, &received);
    RequestNumbers r;
    r.method = hop_.method;
    r.scheme = hop_.url.scheme;
    r.host = hop_.url.host;
    r.port = hop_.url.port;
    r.error = error;
    r.sent = hop_.body.size();
    r.received = static_cast<std::uint64_t>(std::max<curl_off_t>(received, 0));
    r.took = std::chrono::duration_cast<Micros>(clock_.now() - *std::exchange(began_, std::nullopt));
    if (head_done_) {
        r.status = head_.status;
        r.version = version == CURL_HTTP_VERSION_1_0 ? "1.0" : version == CURL_HTTP_VERSION_2_0 ? "2" : "1.1";
    }
    count_request(r);
}

void Transfer::give_up(Error why) {
    multi_->remove(easy_);
    ended_ = true;
    failure_ = std::move(why);
    count(name_of(failure_->code));
    full_.clear();
    filling_ = Buffer();
    held_ = handed_ = 0;
}

SteadyTime Transfer::next_limit() const {
    auto limit = hop_.deadline.value_or(SteadyTime::max());
    if (sent_ && !paused_) limit = std::min(limit, last_byte_ + hop_.stall_timeout);
    return limit;
}

std::optional<Error> Transfer::overdue(SteadyTime now) {
    if (hop_.deadline && now >= *hop_.deadline)
        return Error{Errc::timed_out, fmt::format("no complete answer from {} in time", hop_.url.host)};
    if (!sent_ || paused_ || now < last_byte_ + hop_.stall_timeout) return std::nullopt;
    curl_off_t uploaded = 0;
    curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    if (uploaded != uploaded_) {  // a large body on a slow line is no stall
        uploaded_ = uploaded;
        last_byte_ = now;
        return std::nullopt;
    }
    return Error{Errc::timed_out, fmt::format("no byte from {} for {} ms", hop_.url.host, hop_.stall_timeout.count())};
}

Task<Result<>> Transfer::wait(bool for_head) {
    for (;;) {
        if (for_head ? head_done_ : held_ > 0) co_return Result<>{};
        if (ended_) {
            if (failure_) co_return *failure_;
            co_return Result<>{};
        }
        if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
            give_up({Errc::cancelled, fmt::format("cancelled while waiting for {}", hop_.url.host)});
            continue;
        }
        const auto now = clock_.now();
        if (auto late = overdue(now)) {
            give_up(std::move(*late));
            continue;
        }
        if (const auto limit = next_limit(); limit == SteadyTime::max())
            wake_.expires_at(limit);
        else
            wake_.expires_after(std::max<SteadyTime::duration>(limit - now, Millis(1)));
        boost::system::error_code ignored;
        co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

Task<Result<>> Transfer::wait_head() {
    return wait(true);
}

Bytes Transfer::take_piece() {
    Bytes piece;
    if (!full_.empty()) {
        piece = std::move(full_.front());
        full_.pop_front();
    } else {
        piece = filling_.slice(handed_, filling_.size() - handed_);
        handed_ = filling_.size();
        if (filling_.room() == 0) {
            filling_ = Buffer();
            handed_ = 0;
        }
    }
    held_ -= piece.size();
    return piece;
}

void Transfer::resume() {
    paused_ = false;  // first: what libcurl kept comes through on_body at once, which may pause again
    last_byte_ = clock_.now();
    const auto code = curl_easy_pause(easy_, CURLPAUSE_CONT);
    if (code == CURLE_OK || ended_) return;
    multi_->remove(easy_);
    finished(code);
}

Task<Result<Bytes>> Transfer::next() {
    auto ready = co_await wait(false);
    if (!ready) co_return ready.error();
    if (held_ == 0) co_return Bytes{};
    auto piece = take_piece();
    if (paused_ && !ended_ && held_ <= resume_held) resume();
    co_return piece;
}

Task<void> Transfer::skip_body() {
    if (ended_ || head_.content_length.value_or(worth_skipping) > worth_skipping) co_return;
    skipping_ = true;
    held_ = 0;
    full_.clear();
    if (paused_) resume();
    static_cast<void>(co_await wait(false));
}

}  // namespace weir::http_detail
