#pragma once
#include <memory>
#include <optional>

#include "io/http_client.h"
#include "runtime/clock.h"
#include "sources/http_stream/http_stream.h"

namespace weir::http_stream {

/// What live streams and files share: the requests of one address, and the bytes of the answer at hand.
class Connection {
public:
    Connection(HttpClient& http, CookieJar* cookies, const HttpStreamSettings& settings, Detected opened);

    using Range = std::pair<std::uint64_t, std::uint64_t>;  ///< first and last byte
    /// Makes another request. The old answer is gone before.
    Task<Result<>> open(std::optional<Range> range, const std::string& if_range);
    /// The next bytes; empty at the clean end.
    Task<Result<Bytes>> next();
    void drop();
    [[nodiscard]] bool is_open() const noexcept { return answer_.has_value(); }
    [[nodiscard]] const Detected& answer() const { return *answer_; }
    [[nodiscard]] std::uint64_t opened() const noexcept { return opened_; }

private:
    HttpClient& http_;
    CookieJar* cookies_;
    const HttpStreamSettings& settings_;
    UrlGuard guard_;
    std::optional<Detected> answer_;
    std::uint64_t opened_ = 1;
};

/// "http 404", "stalled", "cut off": the reason a Gap gives.
[[nodiscard]] std::string short_reason(const Error& e);
/// The answer says that there is nothing, rather than that the way to it is disturbed.
[[nodiscard]] bool is_refusal(const Error& e) noexcept;

std::unique_ptr<HttpStream> make_live(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies,
                                      HttpStreamSettings settings, Detected opened);
std::unique_ptr<HttpStream> make_file(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies,
                                      HttpStreamSettings settings, Detected opened);

}  // namespace weir::http_stream
