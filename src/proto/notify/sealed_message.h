#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

namespace weir::notify {

/// A text as Pushover's clients decrypt it: gzip, AES-256-CBC base64 of IV, cipher text and
/// HMAC-SHA256. `key` is 32 bytes, `iv` 16.
/// errors  internal: OpenSSL or zlib failed
/// source  notify.md 5.15
[[nodiscard]] Result<std::string> sealed_message(std::string_view text, std::string_view key, std::string_view iv);

}  // namespace weir::notify
