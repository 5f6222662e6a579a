#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

namespace weir::relay {

struct JsonText;  // apps/relay/json_text.h

/// `feeds` none: JSON null (VW-21).
struct StreamRule {
    std::string stream;
    std::optional<std::vector<std::string>> feeds;
};
struct DestinationRule {
    std::string id, stream, destination, token, file;  ///< file: also recorded there (PR-21)
};
struct RecordingRule {
    std::string id, stream, file;  ///< file: a name below the recordings folder; empty: made of stream, date and time
};

/// Reading rules as Go's encoding/json does (VW-21): keys in any letter case, unknown ones ignored, `null` an empty rule, a leading
/// '/' of `stream` removed once (VW-19).
/// limits  64 KiB, nesting 32, 256 feeds, names of 1 KiB
/// errors  bad_input, one clear line (status 400; vw said 500, VW-22)
Result<StreamRule> parse_stream_rule(std::string_view json);
Result<DestinationRule> parse_destination_rule(std::string_view json);
Result<RecordingRule> parse_recording_rule(std::string_view json);
/// The same for one value inside of a larger text.
Result<StreamRule> stream_rule_of(const JsonText& value, std::string_view whole);
Result<DestinationRule> destination_rule_of(const JsonText& value, std::string_view whole);

/// vw's own bytes: key order fixed, `<`, `>`, `&` escaped, no newline (VW-3, VW-8, VW-23). `file` only where it is set.
[[nodiscard]] std::string to_json(const StreamRule& rule);
[[nodiscard]] std::string to_json(const DestinationRule& rule, bool hide_token = false);
[[nodiscard]] std::string to_json(const RecordingRule& rule);
[[nodiscard]] std::string feeds_json(const std::optional<std::vector<std::string>>& feeds);
[[nodiscard]] std::string go_quoted(
    std::string_view text);  ///< a JSON string as Go writes it; bad UTF-8 becomes U+FFFD

/// All rules of a relay; what is saved and restored. Sorted bytewise by name (VW-4).
struct Rules {
    std::map<std::string, StreamRule> streams;
    std::map<std::string, DestinationRule> destinations;
    std::map<std::string, RecordingRule> recordings;
};
/// An object of all rules of one kind, as VW-4 and VW-9 list them: name → feeds, id → rule.
[[nodiscard]] std::string all_json(const std::map<std::string, StreamRule>& rules);
[[nodiscard]] std::string all_json(const std::map<std::string, DestinationRule>& rules);
[[nodiscard]] std::string all_json(const std::map<std::string, RecordingRule>& rules);
[[nodiscard]] std::string rules_file_text(
    const Rules& rules);                                ///< {"weir_relay_rules":1,"streams":{…},…}, for people too
Result<Rules> parse_rules_file(std::string_view text);  ///< errors name line and column

}  // namespace weir::relay
