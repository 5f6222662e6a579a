#pragma once
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/connect_to.h"
#include "io/http_client.h"
#include "io/http_client_multi.h"
#include "io/http_client_proxy.h"

struct curl_slist;

namespace weir::http_detail {

/// Where trust in certificates comes from; empty means "not this one".
struct TrustStore {
    std::string file, folder;
    std::string client_certificate, client_key;
    bool verify = true;
    static TrustStore from_environment();
};

/// One request on the wire, redirects not followed.
struct Hop {
    std::string method;
    Url url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string cookie, user_agent;
    Bytes body;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> range;
    bool media = false, http2_only = false;
    bool whole = false;  ///< somebody collects it all: held up to max_body, never paused, so that HTTP/2 may serve it
    const UrlGuard* guard = nullptr;
    std::optional<Proxy> proxy;
    std::optional<ConnectTo::Place> instead;  ///< where to connect, whatever the URL says; then no proxy
    bool verify_tls = true;
    std::vector<std::string> addresses;  ///< of the proxy or of `instead` when there is one, else of the target
    Millis connect_timeout, stall_timeout;
    std::optional<SteadyTime> deadline;
    std::uint64_t max_body = 0;
};

/// Drives one hop; destroying it ends the transfer.
/// limits  head 64 KiB and 200 fields; ~256 KiB of body held, then the peer is slowed; `max_body` decoded bytes
class Transfer final : private TransferEnd {
public:
    Transfer(std::shared_ptr<CurlMulti> multi, Clock& clock, Hop hop, const TrustStore& trust);
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer();

    Result<> start();
    Task<Result<>> wait_head();
    Task<Result<Bytes>> next();
    /// Reads the rest and throws it away when it is small enough to be worth keeping the connection.
    Task<void> skip_body();
    [[nodiscard]] HttpHead& head() noexcept { return head_; }

private:
    void configure(const TrustStore& trust);
    void configure_request();
    void configure_address();
    void configure_tls(const TrustStore& trust);
    void build_headers();

    // libcurl's callbacks: they take notes and ring, and never resume anybody.
    static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self);
    static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self);
    static int on_open_socket(void* self, int purpose, void* address);
    static int on_ready(void* self, char* peer, char* local, int peer_port, int local_port);
    bool take_header_line(std::string_view line);
    bool take_field(std::string_view line, std::vector<std::pair<std::string, std::string>>& to);
    bool end_of_head();
    std::size_t take_body(std::span<const std::byte> bytes);
    void finished(int curl_code) override;

    Task<Result<>> wait(bool for_head);
    [[nodiscard]] std::optional<Error> overdue(SteadyTime now);
    [[nodiscard]] SteadyTime next_limit() const;
    void give_up(Error why);
    bool refuse(Error why);
    void count(std::string_view error);
    Bytes take_piece();
    void resume();
    void ring() { wake_.cancel(); }

    std::shared_ptr<CurlMulti> multi_;
    Clock& clock_;
    Hop hop_;
    HttpHead head_;
    void* easy_ = nullptr;
    curl_slist *header_list_ = nullptr, *address_list_ = nullptr, *detour_list_ = nullptr;
    asio::steady_timer wake_;
    std::array<char, 256> curl_text_{};  // CURL_ERROR_SIZE

    std::size_t head_bytes_ = 0;
    bool head_done_ = false, sent_ = false, paused_ = false, ended_ = false, skipping_ = false;
    std::optional<Error> refusal_;  // ours, found inside a callback
    std::optional<Error> failure_;  // how the transfer ended, when not well
    SteadyTime last_byte_{};
    std::optional<SteadyTime> began_;  // until it is counted
    std::int64_t uploaded_ = 0;

    std::deque<Bytes> full_;
    Buffer filling_;
    std::size_t handed_ = 0;  // of filling_
    std::size_t held_ = 0;
    std::uint64_t received_ = 0;
};

/// libcurl's verdict in our terms. `text` is its own line, `os_error` the errno of a failed connect.
[[nodiscard]] Error curl_error(int code, std::string_view text, long os_error, const Url& url,
                               const std::optional<Proxy>& proxy);

}  // namespace weir::http_detail
