#include "apps/relay/changes.h"

#include <fmt/format.h>

#include <utility>

#include "apps/relay/recordings.h"

namespace weir::relay {
namespace {

/// How many topics it keeps: only names that begin so become mixes (VW-67).
std::size_t ruled_topics(const StreamRule& rule) {
    return rule.stream.starts_with("stream/") ? 1 + (rule.feeds ? rule.feeds->size() : 0) : 0;
}

}  // namespace

Change Change::put(StreamRule rule) {
    Change c;
    c.what = What::put_stream;
    c.name = rule.stream;
    c.stream = std::move(rule);
    return c;
}

Change Change::put(DestinationRule rule) {
    Change c;
    c.what = What::put_destination;
    c.name = rule.id;
    c.destination = std::move(rule);
    return c;
}

Change Change::put(RecordingRule rule) {
    Change c;
    c.what = What::put_recording;
    c.name = rule.id;
    c.recording = std::move(rule);
    return c;
}

Result<> check(const RuleView& view, const Change& change) {
    using What = Change::What;
    const auto refused = [](int status, std::string text) {
        return Error{status == 403   ? Errc::denied
                     : status == 400 ? Errc::bad_input
                                     : Errc::busy,
                     std::move(text),
                     {},
                     {},
                     status};
    };
    const auto room = [&](const auto& map) -> Result<> {
        if (map.size() < most_rules || map.contains(change.name)) return {};
        return refused(507, fmt::format("there are {} rules already, and no more are kept", most_rules));
    };
    if (view.stopping) return refused(503, "the relay is stopping");
    const bool console = view.has_console && change.name == api_rule;
    if (console && change.what == What::drop_destination) return refused(403, "Cannot delete apiRule");
    if (console && change.what == What::put_destination) return refused(403, "Cannot change apiRule");
    if (change.what == What::put_recording || !change.destination.file.empty()) {
        const bool plain = change.what == What::put_recording;
        if (plain && change.name.starts_with(destination_file_prefix))
            return refused(400, fmt::format("ids that begin with '{}' are taken", destination_file_prefix));
        const auto& stream = plain ? change.recording.stream : change.destination.stream;
        if (stream.empty() && change.name != delete_all) return refused(400, "stream: nothing is named to be recorded");
        const auto& file = plain ? change.recording.file : change.destination.file;
        const auto name = recording_name(file, stream, WallTime());
        if (!name) return refused(400, fmt::format("file: {}", name.error().what));
    }
    if (change.what == What::put_stream && ruled_topics(change.stream) != 0) {
        auto topics = ruled_topics(change.stream);
        for (const auto& [name, rule] : view.rules.streams)
            if (name != change.name) topics += ruled_topics(rule);
        if (topics > most_ruled_topics)
            return refused(507, fmt::format("the rules would make {} streams and feeds, and {} is the most", topics,
                                            most_ruled_topics));
    }
    if (change.what == What::put_stream) return room(view.rules.streams);
    if (change.what == What::put_destination) return room(view.rules.destinations);
    if (change.what == What::put_recording) return room(view.rules.recordings);
    return {};
}

void apply(Rules& rules, const Change& change, bool has_console) {
    using What = Change::What;
    const bool reserved = change.name == delete_all;
    switch (change.what) {
        case What::none:
            break;
        case What::put_stream:
            if (!reserved) rules.streams[change.name] = change.stream;
            break;
        case What::drop_stream:
            rules.streams.erase(change.name);
            break;
        case What::drop_streams:
            rules.streams.clear();
            break;
        case What::put_destination:
            if (!reserved) rules.destinations[change.name] = change.destination;
            break;
        case What::drop_destination:
            rules.destinations.erase(change.name);
            break;
        case What::drop_destinations:
            std::erase_if(rules.destinations, [&](const auto& r) { return !has_console || r.first != api_rule; });
            break;
        case What::put_recording:
            if (!reserved) rules.recordings[change.name] = change.recording;
            break;
        case What::drop_recording:
            rules.recordings.erase(change.name);
            break;
        case What::drop_recordings:
            rules.recordings.clear();
            break;
    }
}

}  // namespace weir::relay
