#include "telemetry/otlp/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/gzip.h"
#include "base/numbers.h"
#include "base/text.h"
#include "telemetry/otlp/codings.h"

namespace weir::telemetry {
namespace {

constexpr std::size_t longest_told = 300, shortest_hidden = 3;
constexpr std::int64_t longest_grpc_timeout = 99'999'999;  // eight digits
constexpr int grpc_resource_exhausted = 8;

using Protocol = otlp::Endpoint::Protocol;

std::string_view name_of_code(int code) {
    static constexpr std::array<std::string_view, 17> names{
        "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED"};
    return code >= 0 && code < static_cast<int>(names.size()) ? names[static_cast<std::size_t>(code)] : "unknown code";
}

/// An answer that is none of gRPC's, from a proxy most often (telemetry.md 3.4).
int grpc_code_of_http(int status) {
    switch (status) {
        case 401:
            return 16;
        case 403:
            return 7;
        case 404:
            return 12;
        case 429:
        case 502:
        case 503:
        case 504:
            return 14;
        default:
            return 2;
    }
}

bool may_pass(int grpc_code, bool with_retry_info) {
    static constexpr std::array<int, 6> passing{1, 4, 10, 11, 14, 15};
    if (grpc_code == grpc_resource_exhausted) return with_retry_info;
    return std::find(passing.begin(), passing.end(), grpc_code) != passing.end();
}

/// The trailer, or the header of an answer that has no body.
const std::string* grpc_field(const HttpHead& head, std::string_view name) {
    const auto* trailer = head.find_trailer(name);
    return trailer ? trailer : head.find(name);
}

Millis rounded_up(Micros time) {
    return std::chrono::ceil<Millis>(std::max(time, Micros{0}));
}

Verdict not_answered(const Error& why) {
    Verdict v;
    v.why = why.text();
    v.what = why.code == Errc::bad_input || why.code == Errc::cancelled ? Verdict::What::dropped : Verdict::What::again;
    v.nobody = why.code == Errc::unreachable;
    return v;
}

}  // namespace

Result<Exchange> Exchange::create(otlp::Endpoint endpoint) {
    auto url = parse_url(endpoint.url);
    // What it says is not repeated: it may hold a password.
    if (!url || (url->scheme != "http" && url->scheme != "https"))
        return Error{Errc::bad_input, "the OTLP endpoint is no http or https address"};
    return Exchange(std::move(endpoint), std::move(*url));
}

otlp::Form Exchange::form() const noexcept {
    return endpoint_.protocol == Protocol::http_json ? otlp::Form::json : otlp::Form::protobuf;
}

const char* Exchange::content_type() const noexcept {
    return form() == otlp::Form::json ? "application/json" : "application/x-protobuf";
}

HttpRequest Exchange::request(std::string_view message, Millis timeout) const {
    HttpRequest request;
    request.method = "POST";
    request.url = url_;
    request.max_redirects = 0;
    request.max_body = most_answer;
    request.connect_timeout = timeout;
    request.stall_timeout = timeout;
    const auto add = [&](const char* name, std::string value) { request.headers.emplace_back(name, std::move(value)); };
    std::string packed;
    if (endpoint_.gzip) {
        packed = gzipped(message);
        message = packed;
    }
    if (endpoint_.protocol == Protocol::grpc) {
        request.http2_only = true;
        request.body = Bytes::copy_of(otlp::grpc_frame(message, endpoint_.gzip));
        add("content-type", "application/grpc");
        add("te", "trailers");
        add("grpc-timeout", fmt::format("{}m", std::clamp<std::int64_t>(timeout.count(), 1, longest_grpc_timeout)));
        add("grpc-accept-encoding", "identity");
        if (endpoint_.gzip) add("grpc-encoding", "gzip");
    } else {
        request.body = Bytes::copy_of(message);
        add("content-type", content_type());
        if (endpoint_.gzip) add("content-encoding", "gzip");
    }
    for (const auto& header : endpoint_.headers) request.headers.push_back(header);
    return request;
}

Verdict Exchange::judge(const Result<HttpResponse>& answer) const {
    auto verdict = !answer                                ? not_answered(answer.error())
                   : endpoint_.protocol == Protocol::grpc ? judge_grpc(*answer)
                                                          : judge_http(*answer);
    verdict.why = fit_for_logs(std::move(verdict.why));
    verdict.accepted.message = fit_for_logs(std::move(verdict.accepted.message));
    return verdict;
}

Verdict Exchange::judge_http(const HttpResponse& answer) const {
    Verdict v;
    const int status = answer.head.status;
    if (status >= 200 && status < 300) {
        auto accepted = otlp::read_response(answer.body, form());
        // A collector that says 2xx has it; what else it says is no reason to send it twice.
        if (accepted)
            v.accepted = std::move(*accepted);
        else
            v.accepted.message = accepted.error().text();
        return v;
    }
    const bool passes = status == 429 || status == 502 || status == 503 || status == 504;
    v.what = passes ? Verdict::What::again : Verdict::What::dropped;
    v.why = fmt::format("http {}", status);
    // A proxy's page is no message of the collector.
    const auto* type = answer.head.find("content-type");
    if (type && type->starts_with(content_type()))
        if (auto told = otlp::read_status(answer.body, form()); told && !told->message.empty())
            v.why += fmt::format(": {}", told->message);
    if (passes) v.pause = status_error(answer.head).retry_after;
    return v;
}

Verdict Exchange::judge_grpc(const HttpResponse& answer) const {
    Verdict v;
    const auto* said = grpc_field(answer.head, "grpc-status");
    const auto number = parse_int(said ? *said : std::string(), 0, 1'000'000);
    const int code = number ? static_cast<int>(*number) : grpc_code_of_http(answer.head.status);
    if (number && code == 0) {
        auto message = otlp::grpc_message(answer.body);
        auto accepted =
            message ? otlp::read_response(*message, otlp::Form::protobuf) : Result<otlp::Accepted>(message.error());
        if (accepted)
            v.accepted = std::move(*accepted);
        else
            v.accepted.message = accepted.error().text();
        return v;
    }
    v.why = number ? fmt::format("grpc status {} ({})", code, name_of_code(code))
                   : fmt::format("http {} without a grpc status", answer.head.status);
    if (const auto* message = grpc_field(answer.head, "grpc-message"); message && !message->empty())
        v.why += fmt::format(": {}", percent_decoded(*message));
    bool told_to_retry = false;
    if (const auto* details = grpc_field(answer.head, "grpc-status-details-bin")) {
        const auto bytes = from_base64(*details);
        const auto status = bytes ? otlp::read_status(*bytes, otlp::Form::protobuf)
                                  : Result<otlp::RpcStatus>(Error{Errc::bad_input, "no base64"});
        told_to_retry = status && status->retry_delay.has_value();
        if (told_to_retry) v.pause = rounded_up(*status->retry_delay);
    }
    v.what = may_pass(code, told_to_retry) ? Verdict::What::again : Verdict::What::dropped;
    return v;
}

std::string Exchange::fit_for_logs(std::string text) const {
    for (const auto& [name, value] : endpoint_.headers)
        if (value.size() >= shortest_hidden) replace_all(text, value, "***");
    if (!url_.password.empty()) replace_all(text, url_.password, "***");
    if (text.size() > longest_told) {
        text.resize(longest_told);
        text += "…";
    }
    return valid_utf8(text);
}

}  // namespace weir::telemetry
