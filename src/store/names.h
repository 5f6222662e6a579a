#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace weir::store {

/// The one gate for names that came from the network: one path element, never a path (CVE-2024-38519).
///
/// in order   runs of \ / : * ? " < > | become one '_'; what is not graphic is removed (controls, zero-width and
/// direction marks,
///            soft hyphen, line separators, private use); white space, then dots trimmed at both ends; device names of
///            other systems (CON, LPT1 …) get '_' in front; nothing left: "_". Broken UTF-8 becomes U+FFFD.
/// source     FC2-74
[[nodiscard]] std::string sanitise_name(std::string_view name);

/// Cut to at most `max_bytes` bytes on a character border, white space and dots at the new end trimmed (FC2-75).
[[nodiscard]] std::string shorten_name(std::string_view name, std::size_t max_bytes);

/// The longest file name the usual file systems take, and what our own endings (".12.weir.jsonl") need of it.
inline constexpr std::size_t max_name_bytes = 255;
inline constexpr std::size_t room_for_endings = 24;

}  // namespace weir::store
