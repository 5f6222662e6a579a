#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "proto/yaml/document.h"

namespace weir::yaml {

/// What was found wrong while values were bound, with its place; all mistakes of a file are told at once.
class Complaints {
public:
    explicit Complaints(std::string file) : file_(std::move(file)) {}
    void error(Mark at, std::string what);    ///< told in the file's order
    void warning(Mark at, std::string what);  ///< the first 100 are kept
    [[nodiscard]] const std::vector<std::string>& errors() const noexcept {
        return errors_;
    }  ///< "FILE:LINE:COL: what"
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    /// bad_input with all errors, a line each, at most 20; success when there are none.
    [[nodiscard]] Result<> result() const;

private:
    std::string file_;
    std::vector<Mark> places_ = {};  ///< of the errors
    std::vector<std::string> errors_, warnings_;
};

/// A value as a message shows it: "many" in quotes, the number 10, true, a list; short and printable.
[[nodiscard]] std::string shown(const Node& node);
[[nodiscard]] std::string shown(std::string_view text);
/// "FILE:LINE:COLUMN: what", printable and of bounded length whatever `what` holds.
[[nodiscard]] std::string one_line(const std::string& file, Mark at, std::string_view what);
/// As it is written: "48h", "1h30m", "500ms".
[[nodiscard]] std::string go_duration_text(Millis duration);

/// Reads the keys of one mapping into variables. A key that is absent or null leaves its variable alone; a value of the wrong kind is an
/// error that says what is wanted, what stands there and how to write it. finish() warns of keys nobody asked for, with the
/// nearest one that is known.
class MapReader {
public:
    /// `what` names the mapping in messages: "defaultParams". A node that is null counts as empty; one of another kind is an error.
    MapReader(const Node& node, std::string what, Complaints& complaints);

    bool read(std::string_view key, std::string& into);
    bool read(std::string_view key, bool& into);  ///< true/false in the spellings of YAML 1.1 that Go's library takes
    bool read(std::string_view key, int& into, int least, int most);
    bool read(std::string_view key,
              std::vector<std::string>& into);  ///< what stands there is never shown: URLs with tokens
    bool read(std::string_view key, std::map<std::string, std::string>& into);  ///< merged key by key
    /// Go's durations: "500ms", "1h30m" (FC2-105); a bare number is an error that shows "10s".
    bool read_duration(std::string_view key, Millis& into, Millis least, Millis most);
    /// Hands the node over when the key is there, null too.
    bool read(std::string_view key, const std::function<void(const Node&)>& with);
    /// The value as text, checked by `check`, whose complaint gets the value's place.
    bool read_checked(std::string_view key, std::string& into,
                      const std::function<Result<>(const std::string&)>& check);
    /// An old name: read like `key` was meant, with a warning that says what to write.
    void deprecated(std::string_view key, std::string_view instead);
    [[nodiscard]] Mark place_of(std::string_view key) const;        ///< of its value
    [[nodiscard]] std::string path_of(std::string_view key) const;  ///< "defaultParams.quality"
    /// `elsewhere`: keys that are known in another place, and what is said when they stand here. Nothing is said of "x-…": the place
    /// for what aliases stand for.
    void finish(const std::map<std::string, std::string>& elsewhere = {});

private:
    const Node* take(std::string_view key);
    Node node_;
    std::string what_;
    Complaints& complaints_;
    std::vector<std::string> known_;
};

/// Go's time.ParseDuration: sign, decimals, ns us µs ms s m h; "0" alone is 0. Errors: bad_input as Go says it.
[[nodiscard]] Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

/// The one of `known` that `word` was probably meant to be; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace weir::yaml
