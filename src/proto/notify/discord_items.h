#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace weir::notify {

/// How a text is cut for Discord. Lengths are Unicode code points.
/// limits  2000 per item; 10 items and 6000 in all per request; 10 requests, the last ends with "[...]" if there is more
/// source  notify.md 10
using DiscordItems = std::vector<std::string>;

/// Every line that is not empty; a longer one is cut, with " [...]".
[[nodiscard]] DiscordItems discord_lines(std::string_view text);
/// The whole text in pieces, cut at a space or line end near their end where there is one.
[[nodiscard]] DiscordItems discord_pieces(std::string_view text);
/// In order, `title` counted with the first.
[[nodiscard]] std::vector<DiscordItems> discord_requests(DiscordItems items, std::string_view title);

/// At most so many code points.
[[nodiscard]] std::string_view first_characters(std::string_view text, std::size_t count);
[[nodiscard]] std::size_t count_characters(std::string_view text);

}  // namespace weir::notify
