#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::gotemplate {

enum class Tok {
    error,  ///< the text is LexResult::error
    eof,
    text,
    left_delim,
    right_delim,
    space,
    declare,  ///< :=
    assign,   ///< =
    pipe,
    left_paren,
    right_paren,
    string,
    raw_string,
    character,
    number,
    complex,
    boolean,
    field,
    variable,
    identifier,
    other,  ///< any other printable ASCII character
    // keywords
    keyword_first,
    dot = keyword_first,
    block,
    break_,
    continue_,
    define,
    else_,
    end,
    if_,
    nil,
    range,
    call_template,
    with,
};

struct Token {
    Tok kind;
    std::size_t pos;  ///< byte in the text
    std::string_view text;
    std::size_t line;  ///< of its first byte, from 1
};

/// The last token is eof or error.
struct LexResult {
    std::vector<Token> tokens;  ///< they point into the text
    std::string error;
};

[[nodiscard]] LexResult lex(std::string_view text);

}  // namespace weir::gotemplate
