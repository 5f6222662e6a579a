#include "apps/relay/rest.h"

#include <fmt/format.h>

#include <utility>

namespace weir::relay {
namespace {

constexpr std::string_view plain_type = "text/plain; charset=utf-8", json_type = "application/json";

RestAnswer text(int status, std::string_view line) {
    return {status, std::string(plain_type), fmt::format("{}\n", line), {}};
}

RestAnswer object(std::string body, Change change = {}) {
    return {200, std::string(json_type), std::move(body), std::move(change)};
}

/// VW-20: no body, no Allow.
RestAnswer wrong_method() {
    return {405, {}, {}, {}};
}

RestAnswer refused(const Error& e) {
    return text(e.status ? e.status : 400, e.what);
}

bool puts(std::string_view method) {
    return method == "POST" || method == "PUT" || method == "UPDATE";
}

/// The three kinds of rules and how each is read, shown and dropped.
struct StreamRulesApi {
    static constexpr std::string_view missing = "Stream not found";
    static constexpr auto drop = Change::What::drop_stream, drop_all = Change::What::drop_streams;
    static Result<StreamRule> parse(std::string_view body) { return parse_stream_rule(body); }
    static const auto& map(const Rules& rules) { return rules.streams; }
    static std::string show(const StreamRule& rule) { return feeds_json(rule.feeds); }
};
struct DestinationRulesApi {
    static constexpr std::string_view missing = "Destination not found";
    static constexpr auto drop = Change::What::drop_destination, drop_all = Change::What::drop_destinations;
    static Result<DestinationRule> parse(std::string_view body) { return parse_destination_rule(body); }
    static const auto& map(const Rules& rules) { return rules.destinations; }
    static std::string show(const DestinationRule& rule) { return to_json(rule); }
};
struct RecordingRulesApi {
    static constexpr std::string_view missing = "Recording not found";
    static constexpr auto drop = Change::What::drop_recording, drop_all = Change::What::drop_recordings;
    static Result<RecordingRule> parse(std::string_view body) { return parse_recording_rule(body); }
    static const auto& map(const Rules& rules) { return rules.recordings; }
    static std::string show(const RecordingRule& rule) { return to_json(rule); }
};

template <class Kind>
RestAnswer add(std::string_view method, std::string_view body, const RuleView& view) {
    if (!puts(method)) return wrong_method();
    auto rule = Kind::parse(body);
    if (!rule) return refused(rule.error());
    auto echo = to_json(*rule);
    auto change = Change::put(std::move(*rule));
    if (auto ok = check(view, change); !ok) return refused(ok.error());
    return object(std::move(echo), std::move(change));
}

template <class Kind>
RestAnswer drop(std::string name, const RuleView& view) {
    const bool all = name == "all" || name == delete_all;  // VW-7, VW-12, VW-24
    Change change;
    change.what = all ? Kind::drop_all : Kind::drop;
    if (all) name = delete_all;
    change.name = name;
    if (auto ok = check(view, change); !ok) return refused(ok.error());
    return object(go_quoted(name), std::move(change));
}

template <class Kind>
RestAnswer one(std::string_view method, std::string_view name, const RuleView& view) {
    if (name.empty()) return page_not_found();
    if (method == "DELETE") return drop<Kind>(std::string(name), view);
    if (method != "GET") return wrong_method();
    const auto& map = Kind::map(view.rules);
    if (name == "all") return object(all_json(map));
    const auto found = map.find(std::string(name));
    return found == map.end() ? text(404, Kind::missing) : object(Kind::show(found->second));
}

template <class Kind>
RestAnswer rules_of(std::string_view method, std::string_view path, std::string_view body, const RuleView& view) {
    if (path.empty()) return add<Kind>(method, body, view);
    return one<Kind>(method, path.substr(1), view);
}

/// What follows `root` in `path`: nothing, or a slash and a name.
std::optional<std::string_view> below(std::string_view path, std::string_view root) {
    if (!path.starts_with(root)) return std::nullopt;
    path.remove_prefix(root.size());
    if (!path.empty() && path.front() != '/') return std::nullopt;
    return path;
}

}  // namespace

RestAnswer page_not_found() {
    return text(404, "404 page not found");
}

RestAnswer not_saved(const std::string& why) {
    return text(500, "done, but the rules could not be saved: " + why);
}

RestAnswer answer_rest(std::string_view method, std::string_view path, std::string_view body, const RuleView& view) {
    if (path == "/healthcheck")
        return method == "GET" ? RestAnswer{200, std::string(plain_type), "\"ok\"\n", {}} : wrong_method();
    if (path == "/api") return {};
    if (const auto rest = below(path, "/api/streams")) return rules_of<StreamRulesApi>(method, *rest, body, view);
    if (const auto rest = below(path, "/api/destinations"))
        return rules_of<DestinationRulesApi>(method, *rest, body, view);
    if (const auto rest = below(path, "/api/recordings")) return rules_of<RecordingRulesApi>(method, *rest, body, view);
    return page_not_found();
}

bool rest_takes_body(std::string_view method, std::string_view path) {
    return puts(method) && (path == "/api/streams" || path == "/api/destinations" || path == "/api/recordings");
}

}  // namespace weir::relay
