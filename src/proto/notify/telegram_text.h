#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::notify {

enum class TelegramMode : std::uint8_t { none, markdown, html, markdown_v2 };

/// & < > ' " as HTML writes them.
[[nodiscard]] std::string html_escaped(std::string_view text);

/// A text as the messages it takes, cut at line ends, else at spaces, else at a character; each at most 4096 bytes, the first after
/// `head`. With `escape` each part becomes HTML, and no part ends within a character's name.
/// limits  `most` messages; what is beyond is left out and " [...]" says so
[[nodiscard]] std::vector<std::string> telegram_pieces(std::string_view head, std::string_view text, bool escape,
                                                       std::size_t most = 10);

/// The line of a title above a text of this mode.
[[nodiscard]] std::string telegram_headline(std::string_view title, TelegramMode mode);

}  // namespace weir::notify
