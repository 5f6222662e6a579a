#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weir::fc2 {

/// JSON as it was sent: order, unknown keys and the digits of numbers are kept.
struct Json {
    enum class Kind : std::uint8_t { null, boolean, number, text, list, object };

    Kind kind = Kind::null;
    bool truth = false;
    std::string text;                                 ///< of a number its digits, of text its characters
    std::vector<std::pair<std::string, Json>> items;  ///< of an object, in order; of a list without names

    Json();
    Json(const Json&);
    Json(Json&&) noexcept;
    Json& operator=(const Json&);
    Json& operator=(Json&&) noexcept;
    ~Json();

    [[nodiscard]] static Json number_of(std::string digits) { return scalar(Kind::number, std::move(digits)); }
    [[nodiscard]] static Json text_of(std::string characters) { return scalar(Kind::text, std::move(characters)); }
    [[nodiscard]] static Json object() { return scalar(Kind::object, {}); }
    [[nodiscard]] static Json list() { return scalar(Kind::list, {}); }

    [[nodiscard]] bool is(Kind k) const noexcept { return kind == k; }
    /// The last of that name in an object; null when there is none, and for what is no object.
    [[nodiscard]] const Json* find(std::string_view name) const noexcept;

private:
    static Json scalar(Kind kind, std::string text);
};

/// Broken UTF-8 and halves of surrogate pairs become U+FFFD; a byte order mark in front is left out.
/// limits  4 MiB, 64 levels, 500 000 values; errors  bad_input
[[nodiscard]] Result<Json> parse_json_tree(std::string_view text);

/// A number, text that holds one, true (1), false (0): its whole part. Nothing: absent, or of no such kind.
[[nodiscard]] std::optional<std::int64_t> integer_in(const Json* v);
/// Text as it is, a number's digits, "true", "false". Nothing: absent, null, a list, an object.
[[nodiscard]] std::optional<std::string> text_in(const Json* v);
/// The digits are such as JSON has.
[[nodiscard]] bool is_json_number(std::string_view digits) noexcept;
/// For people: "a number", "text", "an object" …
[[nodiscard]] std::string_view name_of(Json::Kind kind) noexcept;

enum class JsonLayout { one_line, two_blanks };
/// As Go writes it: < > & and the line ends of Unicode as \u003c …
void append_go_json(std::string& out, const Json& v, JsonLayout layout = JsonLayout::one_line);

}  // namespace weir::fc2
