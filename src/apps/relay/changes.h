#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "apps/relay/rules.h"

namespace weir::relay {

/// One change of the rules, as REST and admin messages ask for it.
struct Change {
    enum class What : std::uint8_t {
        none,
        put_stream,
        drop_stream,
        drop_streams,
        put_destination,
        drop_destination,
        drop_destinations,
        put_recording,
        drop_recording,
        drop_recordings
    };
    What what = What::none;
    std::string name = {};  ///< of what is put or dropped
    StreamRule stream = {};
    DestinationRule destination = {};
    RecordingRule recording = {};

    static Change put(StreamRule rule);
    static Change put(DestinationRule rule);
    static Change put(RecordingRule rule);
};

/// The name that means all of them; it can be no rule's own (VW-24).
inline constexpr std::string_view delete_all = "deleteAll";
/// The console's rule, when VW_API is set: neither changed nor deleted by anybody (VW-59, VW-64).
inline constexpr std::string_view api_rule = "apiRule";
/// How the recordings of destinations with a `file` are called among the others.
inline constexpr std::string_view destination_file_prefix = "destination:";
inline constexpr std::size_t most_rules = 10'000;  ///< of each kind
/// Mixes and their feeds, over all stream rules: they are there whether somebody publishes or not, and others need room.
inline constexpr std::size_t most_ruled_topics = 5'000;

/// What the answers depend on.
struct RuleView {
    const Rules& rules;
    bool has_console = false;  ///< VW_API is set: `apiRule` is ours
    bool stopping = false;     ///< nothing changes any more
};

/// Why a change is refused, or nothing: the relay stops, apiRule, a file name that is none, something to record without a stream,
/// too many rules. Error::status: 503, 403, 400, 507.
Result<> check(const RuleView& view, const Change& change);
/// Does it. `drop_destinations` spares apiRule where there is a console (VW-58).
void apply(Rules& rules, const Change& change, bool has_console);

}  // namespace weir::relay
