#pragma once
#include <complex>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::gotemplate {

/// What a number in a template may be taken for; it adapts to where it stands (section 5 of the facts).
struct Number {
    bool is_int = false, is_uint = false, is_float = false, is_complex = false;
    std::int64_t int_value = 0;
    std::uint64_t uint_value = 0;
    double float_value = 0;
    std::complex<double> complex_value = {};
};
enum class NumberForm { number, character, complex };
/// Nothing when it is malformed; `error` then says how, as Go says it.
[[nodiscard]] std::optional<Number> parse_constant(const std::string& text, NumberForm form, std::string& error);

enum class NodeKind : std::uint8_t {
    // in a list
    list,
    text,
    action,
    if_,
    with,
    range,
    break_,
    continue_,
    call_template,
    // marks that end a list
    end,
    else_,
    // in an action
    pipe,
    command,
    // operands
    boolean,
    dot,
    nil,
    number,
    string,
    identifier,
    variable,
    field,
    chain,
};

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
    NodeKind kind;
    std::size_t pos;                      ///< byte in the text
    std::string text = {};                ///< text, function, source of a literal, name of a template
    std::string value = {};               ///< string: what the literal stands for
    std::vector<std::string> names = {};  ///< field, variable (its name first), chain
    std::vector<NodePtr> children = {};   ///< list, pipe (commands), command (operands), chain (one)
    std::vector<NodePtr> declared = {};   ///< pipe: variables
    bool assigns = false;                 ///< pipe: "=" and not ":="; boolean: its value
    std::unique_ptr<Number> number = {};
    NodePtr pipe = {}, body = {}, otherwise = {};
};

/// The source form, with single spaces, as error texts quote it.
[[nodiscard]] std::string source_of(const Node& node);
/// Nothing but white space.
[[nodiscard]] bool is_blank(const Node* list);

using Definitions = std::map<std::string, NodePtr, std::less<>>;

}  // namespace weir::gotemplate
