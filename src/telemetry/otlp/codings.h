#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace weir::telemetry {

/// RFC 4648, both alphabets, with or without padding; nothing when it is neither.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

/// gRPC's grpc-message: %XX; what is no such pair stays.
[[nodiscard]] std::string percent_decoded(std::string_view text);

}  // namespace weir::telemetry
