#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

/// YAML 1.2 (JSON is a part of it) with the place of everything in it. Over libfyaml, which stays in one .cpp.
namespace weir::yaml {

struct Mark {
    int line = 1, column = 1;  ///< from 1; columns count characters
};

enum class Kind { null, scalar, sequence, mapping };

class Node;
struct Entry;

/// One node, frozen; cheap to copy, and keeps the whole document alive.
class Node {
public:
    Node() = default;
    [[nodiscard]] Kind kind() const noexcept;       ///< null also for a plain "~", "null" and nothing
    [[nodiscard]] Mark mark() const noexcept;       ///< of its first character
    [[nodiscard]] const std::string& text() const;  ///< scalar: its value; "40740626" of 40740626
    [[nodiscard]] bool quoted() const noexcept;     ///< scalar in quotes or a block: text, whatever it looks like
    [[nodiscard]] const std::vector<Node>& items() const;     ///< sequence
    [[nodiscard]] const std::vector<Entry>& entries() const;  ///< mapping, in the file's order; keys are unique scalars
    [[nodiscard]] const Node* find(std::string_view key) const;

    struct Data;

private:
    friend struct Builder;
    std::shared_ptr<const Data> data_;
};
struct Entry {
    Node key, value;
};

struct Limits {
    std::size_t bytes = 1u << 20;
    std::size_t depth = 20;
    std::size_t nodes = 200'000;  ///< after aliases are followed, so that none multiplies (CVE-2017-5950 and its kin)
};

/// One document. Errors: bad_input "FILE:LINE:COLUMN: what": syntax, a key twice (both places), a key that is no scalar, limits,
/// not UTF-8, more than one document; an empty one is an error too (FC2-105). Merge keys ("<<") are followed.
[[nodiscard]] Result<Node> parse(std::string_view text, const std::string& file, Limits limits = {});

}  // namespace weir::yaml
