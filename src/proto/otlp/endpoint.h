#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

/// Where to send, by telemetry.md 3.2 to 3.4. (internal to proto/otlp)
namespace weir::otlp {

enum class Signal : bool { traces, metrics };

/// The URL of the gRPC method at "http(s)://host:port" (a path is ignored) or "host:port" (TLS unless `insecure`).
/// Errors: bad_input, saying what is taken and nothing of what was given.
[[nodiscard]] Result<std::string> grpc_url(std::string_view endpoint, Signal signal, bool insecure);

/// `general`: the signal's path is appended with one slash between; otherwise the endpoint as it is, an empty path as "/".
/// Errors: as above.
[[nodiscard]] Result<std::string> http_url(std::string_view endpoint, Signal signal, bool general);

}  // namespace weir::otlp
