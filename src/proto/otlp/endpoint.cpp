#include "proto/otlp/endpoint.h"

#include <algorithm>
#include <optional>

#include "base/numbers.h"
#include "base/text.h"

namespace weir::otlp {
namespace {

constexpr std::string_view grpc_takes = "http://host:port, https://host:port or host:port";
constexpr std::string_view http_takes = "a URL such as http://localhost:4318 or https://host/path";

struct Parts {
    std::string_view scheme;  ///< empty when there is none
    std::string_view authority, path, query;
};

/// A host and, perhaps, a port; no user info, which would be sent to nobody's use.
bool is_authority(std::string_view text) {
    if (text.find('@') != std::string_view::npos) return false;
    const auto colon = text.rfind(':');
    auto host = text;
    if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
        host = text.substr(0, colon);
        const auto port = text.substr(colon + 1);
        if (port.empty() || !parse_int(port, 1, 65535) || port.front() == '+') return false;
    }
    if (host.starts_with('[')) return host.size() > 2 && host.ends_with(']');
    return !host.empty() && host.find_first_of(":[]") == std::string_view::npos;
}

std::optional<Parts> split(std::string_view text) {
    // Whatever else a URL cannot hold is percent-encoded.
    if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c >= '\x7f' || c == '\\' || c == '"'; }))
        return std::nullopt;
    Parts out;
    if (const auto colon = text.find("://"); colon != std::string_view::npos) {
        out.scheme = text.substr(0, colon);
        if (out.scheme.empty()) return std::nullopt;
        text.remove_prefix(colon + 3);
    }
    text = text.substr(0, text.find('#'));
    const auto authority_end = std::min(text.find_first_of("/?"), text.size());
    out.authority = text.substr(0, authority_end);
    const auto rest = text.substr(authority_end);
    const auto path_end = std::min(rest.find('?'), rest.size());
    out.path = rest.substr(0, path_end);
    out.query = rest.substr(path_end);
    if (!is_authority(out.authority)) return std::nullopt;
    return out;
}

/// "http", "https", or empty: neither.
std::string known_scheme(std::string_view scheme) {
    auto out = ascii_lowered(scheme);
    return out == "http" || out == "https" ? out : std::string();
}

Error takes(std::string_view what) {
    return Error{Errc::bad_input, std::string(what)};
}

}  // namespace

Result<std::string> grpc_url(std::string_view endpoint, Signal signal, bool insecure) {
    const auto parts = split(endpoint);
    if (!parts) return takes(grpc_takes);
    auto scheme = known_scheme(parts->scheme);
    if (scheme.empty() && !parts->scheme.empty()) return takes(grpc_takes);
    if (scheme.empty()) scheme = insecure ? "http" : "https";
    return fmt::format("{}://{}/opentelemetry.proto.collector.{}", scheme, parts->authority,
                       signal == Signal::traces ? "trace.v1.TraceService/Export" : "metrics.v1.MetricsService/Export");
}

Result<std::string> http_url(std::string_view endpoint, Signal signal, bool general) {
    const auto parts = split(endpoint);
    if (!parts) return takes(http_takes);
    const auto scheme = known_scheme(parts->scheme);
    if (scheme.empty()) return takes(http_takes);
    std::string path(parts->path);
    if (general) {
        while (path.ends_with('/')) path.pop_back();
        path += signal == Signal::traces ? "/v1/traces" : "/v1/metrics";
    } else if (path.empty()) {
        path = "/";
    }
    return fmt::format("{}://{}{}{}", scheme, parts->authority, path, parts->query);
}

}  // namespace weir::otlp
