#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weir::relay {

/// JSON as Go's encoding/json reads it: members keep their order and may be repeated, and text that is no UTF-8 (lone
/// surrogates too) becomes U+FFFD instead of an error (VW-21). Each value knows its place, so that a complaint can name it.
struct JsonText {
    enum class Kind : std::uint8_t { null, boolean, number, text, array, object } kind = Kind::null;
    std::string text = {};  ///< of a text; of a number as written; "true" or "false"
    std::vector<JsonText> items = {};
    std::vector<std::pair<std::string, JsonText>> members = {};
    std::size_t at = 0;  ///< byte offset

    /// The last member of that name; a name in other letter case counts as well (VW-21). Null when there is none.
    [[nodiscard]] const JsonText* find(std::string_view name) const;
};

/// One value and nothing behind it. errors: bad_input with "line L, column C: …"; limits: `deepest` levels
Result<JsonText> parse_json_text(std::string_view text, int deepest = 32);

/// `name` in lower case as Go compares the names of members: ASCII, and the two letters that fold to it.
[[nodiscard]] std::string folded(std::string_view name);
/// "line 3, column 7" of a byte offset; columns count characters from 1.
[[nodiscard]] std::string place_of(std::string_view text, std::size_t at);
[[nodiscard]] std::string_view name_of(JsonText::Kind kind) noexcept;  ///< "a number", "an object", …

}  // namespace weir::relay
