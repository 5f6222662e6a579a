#include "apps/relay/admin.h"

#include <fmt/format.h>

#include <utility>

#include "apps/relay/json_text.h"

namespace weir::relay {
namespace {

struct Command {
    std::string verb, what, which;
    const JsonText* rule = nullptr;
};

AdminAnswer error(std::string_view text) {
    return {fmt::format(R"({{"error":{}}})", go_quoted(text)), {}};
}

AdminAnswer unrecognised() {
    return error("Unrecognised Command");
}

/// False when a member is of the wrong type, as Go's reader says.
bool read_text(const JsonText& object, std::string_view name, std::string& into) {
    const auto* v = object.find(name);
    if (v == nullptr || v->kind == JsonText::Kind::null) return true;
    into = v->text;
    return v->kind == JsonText::Kind::text;
}

/// The change when it may be made, with its reply; else the reason.
AdminAnswer checked(const RuleView& view, Change change, std::string reply) {
    if (auto ok = check(view, change); !ok) return error(ok.error().what);
    return {std::move(reply), std::move(change)};
}

AdminAnswer add(const Command& c, std::string_view message, const RuleView& view) {
    if (c.rule == nullptr || c.rule->kind == JsonText::Kind::null) return error("add needs a rule");  // VW-61
    if (c.what == "stream") {
        auto rule = stream_rule_of(*c.rule, message);
        if (!rule) return error(rule.error().what);  // VW-62
        auto reply = to_json(*rule);
        return checked(view, Change::put(std::move(*rule)), std::move(reply));
    }
    auto rule = destination_rule_of(*c.rule, message);
    if (!rule) return error(rule.error().what);
    auto reply = to_json(*rule);
    return checked(view, Change::put(std::move(*rule)), std::move(reply));
}

std::string list(const Command& c, const Rules& rules) {
    if (c.what == "stream") {
        if (c.which == "all") return all_json(rules.streams);
        const auto found = rules.streams.find(c.which);
        return fmt::format(R"({{"feeds":{}}})",
                           found == rules.streams.end() ? "null" : feeds_json(found->second.feeds));
    }
    if (c.which == "all") return all_json(rules.destinations);
    const auto found = rules.destinations.find(c.which);
    return to_json(found == rules.destinations.end() ? DestinationRule{} : found->second);
}

AdminAnswer drop(const Command& c, const RuleView& view) {
    using What = Change::What;
    const bool stream = c.what == "stream", all = c.which == "all" || c.which == delete_all;
    // Also where no console is configured: the recorded answer (VW-59).
    if (!stream && c.which == api_rule) return error("Cannot delete apiRule");
    Change change;
    change.name = c.which;
    if (all) {
        change.what = stream ? What::drop_streams : What::drop_destinations;
        return checked(view, std::move(change), fmt::format(R"({{"deleted":"{}"}})", delete_all));
    }
    change.what = stream ? What::drop_stream : What::drop_destination;
    return checked(view, std::move(change), fmt::format(R"({{"deleted":{}}})", go_quoted(c.which)));
}

}  // namespace

AdminAnswer answer_admin(std::string_view message, const RuleView& view) {
    constexpr std::size_t longest = 64u << 10;
    if (message.size() > longest) return error("message above 64 KiB");
    const auto value = parse_json_text(message);
    if (!value || value->kind != JsonText::Kind::object) return unrecognised();
    Command c;
    const bool well =
        read_text(*value, "verb", c.verb) && read_text(*value, "what", c.what) && read_text(*value, "which", c.which);
    if (!well) return unrecognised();
    c.rule = value->find("rule");
    if (c.verb == "healthcheck") return {R"({"healthcheck":"ok"})", {}};
    if (c.what != "stream" && c.what != "destination") return unrecognised();
    if (c.verb == "add") return add(c, message, view);
    if (c.which.empty()) return unrecognised();
    if (c.verb == "list") return {list(c, view.rules), {}};
    if (c.verb == "delete") return drop(c, view);
    return unrecognised();
}

}  // namespace weir::relay
