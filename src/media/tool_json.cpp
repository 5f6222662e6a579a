#include "media/tool_json.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace weir::media {
namespace {

namespace json = boost::json;

constexpr std::array kinds{TrackKind::video, TrackKind::audio, TrackKind::text, TrackKind::data};

Errc code_named(std::string_view name) {
    constexpr std::array all{Errc::bad_input,   Errc::denied,    Errc::not_found, Errc::unsupported,
                             Errc::unreachable, Errc::timed_out, Errc::lost_peer, Errc::busy,
                             Errc::cancelled,   Errc::no_space,  Errc::io,        Errc::internal};
    const auto* found = std::find_if(all.begin(), all.end(), [&](Errc c) { return name_of(c) == name; });
    return found == all.end() ? Errc::internal : *found;
}

json::value parse_any(std::string_view text, boost::system::error_code& ec) {
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // file names are bytes
    return json::parse(json::string_view(text.data(), text.size()), ec, {}, options);
}

template <class T>
T number(const json::object& o, const char* key) {
    return o.at(key).to_number<T>();
}
std::string text_of(const json::object& o, const char* key) {
    return std::string(o.at(key).as_string());
}

constexpr std::array formats{OutputFormat::mp4, OutputFormat::m4a, OutputFormat::matroska,
                             OutputFormat::ts,  OutputFormat::flv, OutputFormat::fmp4};

json::object to_json(const Stretch& s) {
    return {{"path", s.path},
            {"offset", s.offset},
            {"size", s.size},
            {"shift", s.shift.count()},
            {"header_offset", s.header_offset},
            {"header_size", s.header_size},
            {"lane", s.lane},
            {"follows", s.follows}};
}
Stretch stretch_of(const json::object& o) {
    return {.path = text_of(o, "path"),
            .offset = number<std::uint64_t>(o, "offset"),
            .size = number<std::uint64_t>(o, "size"),
            .shift = Micros{number<std::int64_t>(o, "shift")},
            .header_offset = number<std::uint64_t>(o, "header_offset"),
            .header_size = number<std::uint64_t>(o, "header_size"),
            .lane = number<std::uint16_t>(o, "lane"),
            .follows = o.at("follows").as_bool()};
}

json::object to_json(const JoinPlan& p) {
    json::array input, languages;
    for (const auto& s : p.input) input.push_back(to_json(s));
    for (const auto& [lane, language] : p.languages)
        languages.push_back(json::object{{"lane", lane}, {"language", language}});
    json::object metadata;
    for (const auto& [key, value] : p.metadata) metadata[key] = value;
    return {{"do", "join"},
            {"input", std::move(input)},
            {"output", p.output},
            {"metadata", std::move(metadata)},
            {"format", static_cast<int>(p.format)},
            {"audio_only", p.audio_only},
            {"content", p.content},
            {"languages", std::move(languages)}};
}
JoinPlan join_plan_of(const json::object& o) {
    JoinPlan plan;
    plan.output = text_of(o, "output");
    for (const auto& v : o.at("input").as_array()) plan.input.push_back(stretch_of(v.as_object()));
    for (const auto& kv : o.at("metadata").as_object())
        plan.metadata[std::string(kv.key())] = std::string(kv.value().as_string());
    plan.format = formats.at(number<std::size_t>(o, "format"));
    plan.audio_only = o.at("audio_only").as_bool();
    plan.content = o.at("content").as_bool();
    for (const auto& v : o.at("languages").as_array()) {
        const auto& each = v.as_object();
        plan.languages[number<std::uint16_t>(each, "lane")] = text_of(each, "language");
    }
    return plan;
}

json::object to_json(const SummarisePlan& p) {
    return {{"do", "summarise"}, {"path", p.path}, {"index_only", p.index_only}};
}
json::object to_json(const ProbePlan& p) {
    return {{"do", "probe"}, {"path", p.path}};
}
json::object to_json(const PatternPlan& p) {
    return {{"do", "make_pattern"}, {"output", p.output},   {"width", p.width}, {"height", p.height},
            {"fps", p.fps},         {"seconds", p.seconds}, {"gop", p.gop},     {"bitrate", p.bitrate}};
}

ToolPlan plan_of(const json::object& o) {
    const auto what = text_of(o, "do");
    if (what == "summarise") return SummarisePlan{text_of(o, "path"), o.at("index_only").as_bool()};
    if (what == "probe") return ProbePlan{text_of(o, "path")};
    if (what == "make_pattern")
        return PatternPlan{.output = text_of(o, "output"),
                           .width = number<int>(o, "width"),
                           .height = number<int>(o, "height"),
                           .fps = number<int>(o, "fps"),
                           .seconds = number<int>(o, "seconds"),
                           .gop = number<int>(o, "gop"),
                           .bitrate = number<std::uint64_t>(o, "bitrate")};
    if (what == "join") return join_plan_of(o);
    throw std::invalid_argument("unknown task");
}

json::object to_json(const Summary& s) {
    json::array tracks, notes;
    for (const auto& t : s.tracks)
        tracks.push_back(json::object{{"kind", static_cast<int>(t.kind)},
                                      {"codec", t.codec},
                                      {"packets", t.packets},
                                      {"hash", t.hash},
                                      {"first", t.first.count()},
                                      {"last", t.last.count()}});
    for (const auto& n : s.notes) notes.emplace_back(n);
    return {{"tracks", std::move(tracks)},
            {"duration", s.duration.count()},
            {"bytes", s.bytes},
            {"notes", std::move(notes)}};
}

Summary summary_of(const json::object& o) {
    Summary s;
    s.duration = Micros{number<std::int64_t>(o, "duration")};
    s.bytes = number<std::uint64_t>(o, "bytes");
    for (const auto& n : o.at("notes").as_array()) s.notes.emplace_back(n.as_string());
    for (const auto& v : o.at("tracks").as_array()) {
        const auto& t = v.as_object();
        s.tracks.push_back({kinds.at(number<std::size_t>(t, "kind")), text_of(t, "codec"),
                            number<std::uint64_t>(t, "packets"), number<std::uint64_t>(t, "hash"),
                            Micros{number<std::int64_t>(t, "first")}, Micros{number<std::int64_t>(t, "last")}});
    }
    return s;
}

json::object to_json(const Probe& p) {
    json::array tracks;
    for (const auto& t : p.tracks)
        tracks.push_back(json::object{{"kind", static_cast<int>(t.kind)},
                                      {"codec", t.codec},
                                      {"profile", t.profile},
                                      {"language", t.language},
                                      {"width", t.width},
                                      {"height", t.height},
                                      {"frames_per_second", t.frames_per_second},
                                      {"sample_rate", t.sample_rate},
                                      {"channels", t.channels},
                                      {"bit_rate", t.bit_rate}});
    return {{"format", p.format},
            {"duration", p.duration.count()},
            {"start", p.start.count()},
            {"bytes", p.bytes},
            {"tracks", std::move(tracks)}};
}

Probe probe_of(const json::object& o) {
    Probe p;
    p.format = text_of(o, "format");
    p.duration = Micros{number<std::int64_t>(o, "duration")};
    p.start = Micros{number<std::int64_t>(o, "start")};
    p.bytes = number<std::uint64_t>(o, "bytes");
    for (const auto& v : o.at("tracks").as_array()) {
        const auto& t = v.as_object();
        p.tracks.push_back({.kind = kinds.at(number<std::size_t>(t, "kind")),
                            .codec = text_of(t, "codec"),
                            .profile = text_of(t, "profile"),
                            .language = text_of(t, "language"),
                            .width = number<int>(t, "width"),
                            .height = number<int>(t, "height"),
                            .frames_per_second = number<double>(t, "frames_per_second"),
                            .sample_rate = number<int>(t, "sample_rate"),
                            .channels = number<int>(t, "channels"),
                            .bit_rate = number<std::uint64_t>(t, "bit_rate")});
    }
    return p;
}

}  // namespace

std::string plan_text(const ToolPlan& plan) {
    return std::visit([](const auto& p) { return json::serialize(to_json(p)); }, plan);
}

Result<ToolPlan> parse_plan(std::string_view text) {
    boost::system::error_code ec;
    const auto value = parse_any(text, ec);
    if (ec) return Error{Errc::bad_input, fmt::format("the plan is not JSON: {}", ec.message())};
    try {
        return plan_of(value.as_object());
    } catch (const std::exception& e) {
        return Error{Errc::bad_input, fmt::format("the plan is not complete: {}", e.what())};
    }
}

std::string progress_line(double done) {
    return json::serialize(json::object{{"progress", done}});
}

std::string outcome_line(const Result<ToolOutcome>& outcome) {
    if (outcome) {
        if (const auto* probe = std::get_if<Probe>(&*outcome))
            return json::serialize(json::object{{"probe", to_json(*probe)}});
        return json::serialize(json::object{{"ok", to_json(std::get<Summary>(*outcome))}});
    }
    const auto& e = outcome.error();
    return json::serialize(json::object{
        {"error", json::object{{"code", std::string(name_of(e.code))}, {"what", e.what}, {"trail", e.trail}}}});
}

Result<ToolLine> parse_line(std::string_view text) {
    boost::system::error_code ec;
    const auto value = parse_any(text, ec);
    try {
        if (!ec) {
            const auto& o = value.as_object();
            if (const auto* done = o.if_contains("progress")) return ToolLine{.progress = done->to_number<double>()};
            if (const auto* ok = o.if_contains("ok")) return ToolLine{1, ToolOutcome(summary_of(ok->as_object()))};
            if (const auto* probe = o.if_contains("probe"))
                return ToolLine{1, ToolOutcome(probe_of(probe->as_object()))};
            const auto& e = o.at("error").as_object();
            return ToolLine{1, Error{code_named(text_of(e, "code")), text_of(e, "what"), text_of(e, "trail")}};
        }
    } catch (const std::exception&) {
        ec = boost::json::error::syntax;
    }
    return Error{Errc::internal, "the media tool wrote something else than an outcome"};
}

}  // namespace weir::media
