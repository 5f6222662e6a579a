#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proto/gotemplate/value.h"

namespace weir::gotemplate {

/// What a template may cost. A file name or a message is far below all of these; a text from a stranger stays so too.
struct Limits {
    std::size_t text_bytes = 128 * 1024;  ///< the template
    std::size_t nesting = 500;            ///< parentheses, if, with, range, block inside one another
    std::size_t output_bytes = 4 << 20;   ///< what it prints, and each text it makes on the way
    std::size_t made_bytes = 64 << 20;    ///< all texts it makes, together
    std::size_t steps = 5'000'000;        ///< operands evaluated, nodes and elements visited
    std::size_t call_depth = 100'000;     ///< {{template}} inside {{template}}: Go's own limit
};

enum class MissingKey {
    invalid,  ///< prints <no value>; the default
    zero,     ///< missingkey=zero
    error,    ///< missingkey=error
};

struct Options {
    MissingKey missing_key = MissingKey::invalid;
    bool keep_pieces = false;  ///< fill Execution::pieces
    Limits limits = {};
};

/// What was printed, also when an error ended it.
struct Execution {
    /// A stretch of the output: the template's own text, or what one action printed.
    struct Piece {
        std::size_t size;
        bool literal;
    };

    std::string output;
    std::vector<Piece> pieces = {};  ///< all of the output, in order, with Options::keep_pieces
    std::optional<Error> error;
};

/// Go's text/template, as the recorders' users rely on it; only the built-in functions.
///
/// errors   bad_input with Go's text: `template: NAME:LINE: …`, `template: NAME:LINE:COL: executing "NAME" at <…>: …`;
///          also for a limit, with our own words after that
/// threads  a parsed template is frozen: any thread may execute it, several at once
/// source   protocols/gotemplate.md
class Template {
public:
    [[nodiscard]] static Result<Template> parse(std::string_view name, std::string_view text, Options options = {});

    [[nodiscard]] Execution run(const Value& data) const;
    [[nodiscard]] Result<std::string> execute(const Value& data) const;

private:
    struct Parsed;
    explicit Template(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

    std::shared_ptr<const Parsed> parsed_;
};

}  // namespace weir::gotemplate
