#include "apps/relay/stats.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/text.h"

namespace weir::relay {
namespace {

template <class List, class Write>
std::string array_of(const List& list, Write write) {
    std::string out = "[";
    for (const auto& item : list) {
        if (out.size() > 1) out += ',';
        out += write(item);
    }
    return out + "]";
}

std::string texts(const std::vector<std::string>& list) {
    return array_of(list, [](const std::string& t) { return json_quoted(t); });
}

std::string time_or_null(const std::optional<WallTime>& t) {
    return t ? fmt::format("\"{}\"", utc_text(*t)) : "null";
}

std::string number(double value) {
    return std::isfinite(value) ? fmt::format("{:.3f}", value) : "0";
}

std::string track_json(const Track& t) {
    return fmt::format(R"({{"id":{},"kind":"{}","codec":{},"language":{}}})", t.id, name_of(t.kind),
                       json_quoted(t.codec), json_quoted(t.language));
}

std::string publisher_json(const TopicStats::Lane& lane) {
    return fmt::format(
        R"({{"kind":{},"peer":{},"user_agent":{},"since":{},"bytes":{},"packets":{},"messages":{},"dropped_bytes":{},)"
        R"("resyncs":{},"continuity_errors":{},"random_access_points":{}}})",
        json_quoted(lane.who.kind), json_quoted(lane.who.peer), json_quoted(lane.who.user_agent),
        time_or_null(lane.since), lane.in.bytes, lane.in.packets, lane.in.messages, lane.in.dropped_bytes,
        lane.in.resyncs, lane.in.continuity_errors, lane.in.raps);
}

std::string running_json(const TopicStats::Running& r) {
    return fmt::format(R"({{"count":{},"mean":{},"min":{},"max":{},"stddev":{}}})", r.count, number(r.mean),
                       number(r.min), number(r.max), number(r.stddev));
}

std::string topic_json(const TopicStats& t) {
    std::string out =
        fmt::format(R"({{"name":{},"kind":"{}","feeds":{},"tracks":{},"messages":{},"bits_per_second":{},)",
                    json_quoted(t.name), t.mix ? "stream" : "feed", texts(t.feeds), array_of(t.tracks, track_json),
                    t.messages, number(t.bits_per_second));
    out += fmt::format(R"("publishers":{},"in":{{"chunks":{},"bytes":{},"gaps":{}}},)",
                       array_of(t.publishers, publisher_json), t.stream.chunks, t.stream.bytes, t.stream.gaps);
    out += fmt::format(R"("viewers":{{"websocket":{},"http_ts":{}}},"out":{{"bytes":{},"skips":{}}},)", t.viewers_ws,
                       t.viewers_ts, t.sent_bytes, t.skips);
    return out + fmt::format(R"("message_bytes":{},"message_gap_ms":{}}})", running_json(t.message_bytes),
                             running_json(t.message_gap_ms));
}

std::string destination_json(const DestinationStatus& d) {
    const auto& p = d.push;
    return fmt::format(
        R"({{"id":{},"stream":{},"destination":{},"token":{},"state":{},"since":{},"next_try":{},"connections":{},)"
        R"("attempts":{},"messages":{},"bytes":{},"received":{},"skips":{},"skipped_bytes":{},"last_error":{}}})",
        json_quoted(d.id), json_quoted(d.stream), json_quoted(d.destination), d.has_token, json_quoted(d.state),
        time_or_null(p.since), time_or_null(p.next_try), p.connections, p.attempts, p.messages, p.bytes, p.received,
        p.skips, p.skipped_bytes, json_quoted(d.why));
}

std::string command_json(const OnDemand::Status& c) {
    return fmt::format(
        R"({{"feed":{},"state":"{}","command":{},"pid":{},"since":{},"starts":{},"restarts":{},"last_error":{},)"
        R"("last_lines":{}}})",
        json_quoted(c.feed), relay::name_of(c.state), texts(c.command), c.pid, time_or_null(c.since), c.starts,
        c.restarts, json_quoted(c.last_error), texts(c.last_lines));
}

std::string recording_json(const Recordings::Status& r) {
    const std::chrono::duration<double> length = r.duration;
    return fmt::format(
        R"({{"id":{},"stream":{},"state":"{}","file":{},"since":{},"bytes":{},"seconds":{},"losses":{},"left_out":{},)"
        R"("waiting_for_space":{},"error":{}}})",
        json_quoted(r.id), json_quoted(r.stream), relay::name_of(r.state), json_quoted(r.file), time_or_null(r.since),
        r.bytes, number(length.count()), r.losses, r.left_out, r.waiting_for_space, json_quoted(r.error));
}

/// Those under way and ended, then those that never began.
std::string recordings_json(const RelayNumbers& n) {
    auto all = n.recordings;
    for (const auto& [id, why] : n.recording_errors) {
        Recordings::Status failed;
        failed.id = id;
        failed.state = Recordings::State::failed;
        failed.since = n.now;
        failed.error = why;
        all.push_back(std::move(failed));
    }
    return array_of(all, recording_json);
}

std::string console_json(const std::optional<RelayNumbers::Console>& c) {
    if (!c) return "null";
    return fmt::format(R"({{"destination":{},"state":{},"last_error":{}}})", json_quoted(c->destination),
                       json_quoted(c->state), json_quoted(c->why));
}

}  // namespace

std::string stats_json(const RelayNumbers& n) {
    const std::chrono::duration<double> up = n.now - n.started;
    std::string out =
        fmt::format(R"({{"now":"{}","started":"{}","uptime_seconds":{},"version":{},"connections":{},)",
                    utc_text(n.now), utc_text(n.started), number(up.count()), json_quoted(n.version), n.connections);
    out += fmt::format(R"("topics":{},"destinations":{},"console":{},)", array_of(n.topics, topic_json),
                       array_of(n.destinations, destination_json), console_json(n.console));
    out += fmt::format(R"("recordings":{},"commands":{},)", recordings_json(n), array_of(n.commands, command_json));
    out += fmt::format(R"("rules":{{"streams":{},"destinations":{},"recordings":{},"file":{},"error":{}}}}})",
                       n.stream_rules, n.destination_rules, n.recording_rules, json_quoted(n.rules_file),
                       json_quoted(n.rules_error));
    return out;
}

}  // namespace weir::relay
