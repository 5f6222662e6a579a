#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "io/http_client.h"
#include "proto/otlp/otlp.h"

namespace weir::telemetry {

inline constexpr std::size_t most_request = 64u << 20, most_answer = 4u << 20;

/// What a collector made of one request.
struct Verdict {
    enum class What {
        delivered,  ///< with `accepted`: it may have left some out
        again,      ///< another try may succeed, after `pause` when it said so
        dropped,    ///< never will it
    } what = What::delivered;
    std::string why = {};  ///< fit for logs: neither URL nor header in it
    std::optional<Millis> pause = {};
    bool nobody = false;  ///< no collector was reached at all
    otlp::Accepted accepted = {};
};

/// One export as an HTTP or gRPC request, and what its answer means (telemetry.md 3.3 to 3.5). Pure.
/// secrets  a header's value that an answer repeats does not get into `why`
class Exchange {
public:
    /// Errors: bad_input: its URL is none.
    static Result<Exchange> create(otlp::Endpoint endpoint);
    [[nodiscard]] const otlp::Endpoint& endpoint() const noexcept { return endpoint_; }
    [[nodiscard]] otlp::Form form() const noexcept;
    /// Without a deadline; `timeout` is told to a gRPC server.
    [[nodiscard]] HttpRequest request(std::string_view message, Millis timeout) const;
    [[nodiscard]] Verdict judge(const Result<HttpResponse>& answer) const;

private:
    Exchange(otlp::Endpoint endpoint, Url url) : endpoint_(std::move(endpoint)), url_(std::move(url)) {}
    [[nodiscard]] Verdict judge_http(const HttpResponse& answer) const;
    [[nodiscard]] Verdict judge_grpc(const HttpResponse& answer) const;
    [[nodiscard]] const char* content_type() const noexcept;  ///< over HTTP
    [[nodiscard]] std::string fit_for_logs(std::string text) const;

    otlp::Endpoint endpoint_;
    Url url_;
};

}  // namespace weir::telemetry
