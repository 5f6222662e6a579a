#include "apps/relay/rules.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "apps/relay/json_text.h"
#include "base/text.h"

namespace weir::relay {
namespace {

constexpr std::size_t longest_body = 64u << 10, most_feeds = 256, longest_name = 1024;
constexpr std::size_t longest_token = 8u << 10, longest_file = 16u << 20;
constexpr std::string_view file_mark = "weir_relay_rules";

/// Reads the members of one object; the first thing that is wrong is kept.
class Members {
public:
    Members(std::string_view whole, const JsonText& object, std::string what)
        : whole_(whole), object_(object), what_(std::move(what)) {
        using Kind = JsonText::Kind;
        if (object.kind != Kind::object && object.kind != Kind::null)
            complain(object, fmt::format("{} where {} (an object) should be", name_of(object.kind), what_));
    }
    std::string text(std::string_view name, std::size_t limit = longest_name) {
        const auto* v = object_.find(name);
        return v ? text_of(*v, name, limit) : std::string();
    }
    std::optional<std::vector<std::string>> texts(std::string_view name) {
        const auto* v = object_.find(name);
        return v ? list_of(*v, name) : std::nullopt;
    }
    std::optional<std::vector<std::string>> list_of(const JsonText& v, std::string_view name) {
        if (v.kind == JsonText::Kind::null) return std::nullopt;
        std::vector<std::string> out;
        if (v.kind != JsonText::Kind::array) {
            complain(v, fmt::format("{}: {} where a list of texts should be", name, name_of(v.kind)));
        } else if (v.items.size() > most_feeds) {
            complain(v, fmt::format("{}: {} of them, at most {} are taken", name, v.items.size(), most_feeds));
        } else {
            for (const auto& item : v.items) out.push_back(text_of(item, name, longest_name));
        }
        return out;
    }
    std::string text_of(const JsonText& v, std::string_view name, std::size_t limit) {
        if (v.kind == JsonText::Kind::null) return {};
        if (v.kind != JsonText::Kind::text) {
            complain(v, fmt::format("{}: {} where a text should be", name, name_of(v.kind)));
            return {};
        }
        if (v.text.size() > limit) complain(v, fmt::format("{}: longer than {} bytes", name, limit));
        return v.text;
    }
    void complain(const JsonText& where, std::string text) {
        if (!wrong_) wrong_ = Error{Errc::bad_input, fmt::format("{}: {}", place_of(whole_, where.at), text)};
    }
    [[nodiscard]] const std::optional<Error>& wrong() const { return wrong_; }

private:
    std::string_view whole_;
    const JsonText& object_;
    std::string what_;
    std::optional<Error> wrong_;
};

/// VW-19: exactly one.
std::string without_slash(std::string name) {
    if (name.starts_with('/')) name.erase(0, 1);
    return name;
}

DestinationRule destination_of(Members& m) {
    DestinationRule rule;
    rule.id = m.text("id");
    rule.stream = without_slash(m.text("stream"));
    rule.destination = m.text("destination", longest_token);
    rule.token = m.text("token", longest_token);
    rule.file = m.text("file");
    return rule;
}

RecordingRule recording_of(Members& m) {
    RecordingRule rule;
    rule.id = m.text("id");
    rule.stream = without_slash(m.text("stream"));
    rule.file = m.text("file");
    return rule;
}

StreamRule stream_of(Members& m) {
    StreamRule rule;
    rule.stream = without_slash(m.text("stream"));
    rule.feeds = m.texts("feeds");
    return rule;
}

template <class Rule>
Result<Rule> rule_of(const JsonText& value, std::string_view whole, std::string what, Rule (*read)(Members&)) {
    Members members(whole, value, std::move(what));
    auto rule = read(members);
    if (auto wrong = members.wrong()) {
        wrong->status = 400;
        return *wrong;
    }
    return rule;
}

/// One rule of a request body.
template <class Rule>
Result<Rule> parse_rule(std::string_view json, std::string what, Rule (*read)(Members&)) {
    if (json.size() > longest_body)
        return Error{Errc::bad_input, fmt::format("a rule above {} bytes", longest_body), {}, {}, 413};
    auto value = parse_json_text(json);
    if (!value) {
        auto e = value.error();
        e.status = 400;
        return e;
    }
    return rule_of(*value, json, std::move(what), read);
}

void append_escape(std::string& out, unsigned code) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
}

/// A character that Go's encoder does not write as it is; how many bytes of `text` it took.
std::size_t append_go_character(std::string& out, std::string_view text) {
    const char c = text.front();
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
        out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (u < 0x20 || c == '<' || c == '>' || c == '&') {
        append_escape(out, u);
    } else if (text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9")) {
        append_escape(out, text[2] == '\xA8' ? 0x2028 : 0x2029);
        return 3;
    } else if (const auto length = utf8_length(text); length > 0) {
        out += text.substr(0, length);
        return length;
    } else {
        append_escape(out, 0xFFFD);
    }
    return 1;
}

}  // namespace

Result<StreamRule> parse_stream_rule(std::string_view json) {
    return parse_rule<StreamRule>(json, "a stream rule", stream_of);
}
Result<DestinationRule> parse_destination_rule(std::string_view json) {
    return parse_rule<DestinationRule>(json, "a destination rule", destination_of);
}
Result<RecordingRule> parse_recording_rule(std::string_view json) {
    return parse_rule<RecordingRule>(json, "a recording rule", recording_of);
}

Result<StreamRule> stream_rule_of(const JsonText& value, std::string_view whole) {
    return rule_of(value, whole, "a stream rule", stream_of);
}
Result<DestinationRule> destination_rule_of(const JsonText& value, std::string_view whole) {
    return rule_of(value, whole, "a destination rule", destination_of);
}

std::string go_quoted(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) text.remove_prefix(append_go_character(out, text));
    out += '"';
    return out;
}

std::string feeds_json(const std::optional<std::vector<std::string>>& feeds) {
    if (!feeds) return "null";
    std::string out = "[";
    for (const auto& feed : *feeds) {
        if (out.size() > 1) out += ',';
        out += go_quoted(feed);
    }
    return out + "]";
}

std::string to_json(const StreamRule& rule) {
    return fmt::format(R"({{"stream":{},"feeds":{}}})", go_quoted(rule.stream), feeds_json(rule.feeds));
}

std::string to_json(const DestinationRule& rule, bool hide_token) {
    const auto token = hide_token && !rule.token.empty() ? std::string_view("***") : std::string_view(rule.token);
    auto out = fmt::format(R"({{"id":{},"stream":{},"destination":{},"token":{})", go_quoted(rule.id),
                           go_quoted(rule.stream), go_quoted(rule.destination), go_quoted(token));
    if (!rule.file.empty()) out += fmt::format(R"(,"file":{})", go_quoted(rule.file));
    return out + "}";
}

std::string to_json(const RecordingRule& rule) {
    return fmt::format(R"({{"id":{},"stream":{},"file":{}}})", go_quoted(rule.id), go_quoted(rule.stream),
                       go_quoted(rule.file));
}

namespace {

template <class Map, class Write>
std::string object_of(const Map& map, Write write) {
    std::string out = "{";
    for (const auto& [key, rule] : map) {
        if (out.size() > 1) out += ',';
        out += go_quoted(key);
        out += ':';
        out += write(rule);
    }
    return out + "}";
}

/// One section of the rules file, a line for each rule.
template <class Map, class Write>
std::string section(std::string_view name, const Map& map, Write write) {
    std::string out = fmt::format("  {}: {{", go_quoted(name));
    bool first = true;
    for (const auto& [key, rule] : map) {
        out += fmt::format("{}\n    {}: {}", first ? "" : ",", go_quoted(key), write(rule));
        first = false;
    }
    return out + (first ? "}" : "\n  }");
}

/// Walks over the members of one section, each name once.
class FileReader {
public:
    explicit FileReader(std::string_view text) : text_(text) {}

    template <class Each>
    void section(const JsonText& object, std::string_view name, Each each) {
        Members check(text_, object, std::string(name));
        note(check);
        std::map<std::string, bool> seen;
        for (const auto& [key, value] : object.members) {
            if (wrong) return;
            static const JsonText nothing;
            const bool list = value.kind == JsonText::Kind::array && name == "streams";
            Members members(text_, list ? nothing : value, fmt::format("the rule {}", go_quoted(key)));
            if (!seen.emplace(key, true).second) members.complain(value, fmt::format("{} twice", go_quoted(key)));
            if (key.size() > longest_name) members.complain(value, fmt::format("a name above {} bytes", longest_name));
            each(key, value, members);
            note(members);
        }
    }
    void note(const Members& m) {
        if (!wrong) wrong = m.wrong();
    }
    std::optional<Error> wrong = {};

private:
    std::string_view text_;
};

void read_section(FileReader& reader, Members& top, const std::string& name, const JsonText& value, Rules& rules) {
    if (name == file_mark) {
        if (value.kind != JsonText::Kind::number || value.text != "1")
            top.complain(value, fmt::format("{}: only version 1 is known", file_mark));
    } else if (name == "streams") {
        reader.section(value, name, [&](const std::string& key, const JsonText& feeds, Members&) {
            rules.streams[key] = StreamRule{key, top.list_of(feeds, "feeds")};
        });
    } else if (name == "destinations") {
        reader.section(value, name, [&](const std::string& key, const JsonText&, Members& m) {
            auto rule = destination_of(m);
            rule.id = key;
            rules.destinations[key] = std::move(rule);
        });
    } else if (name == "recordings") {
        reader.section(value, name, [&](const std::string& key, const JsonText&, Members& m) {
            auto rule = recording_of(m);
            rule.id = key;
            rules.recordings[key] = std::move(rule);
        });
    } else {
        top.complain(value, fmt::format("{} is no part of a rules file", go_quoted(name)));
    }
    reader.note(top);
}

}  // namespace

std::string all_json(const std::map<std::string, StreamRule>& rules) {
    return object_of(rules, [](const StreamRule& r) { return feeds_json(r.feeds); });
}
std::string all_json(const std::map<std::string, DestinationRule>& rules) {
    return object_of(rules, [](const DestinationRule& r) { return to_json(r); });
}
std::string all_json(const std::map<std::string, RecordingRule>& rules) {
    return object_of(rules, [](const RecordingRule& r) { return to_json(r); });
}

std::string rules_file_text(const Rules& rules) {
    const auto feeds = [](const StreamRule& r) { return feeds_json(r.feeds); };
    const auto whole = [](const auto& r) { return to_json(r); };
    return fmt::format("{{\n  \"{}\": 1,\n{},\n{},\n{}\n}}\n", file_mark, section("streams", rules.streams, feeds),
                       section("destinations", rules.destinations, whole),
                       section("recordings", rules.recordings, whole));
}

Result<Rules> parse_rules_file(std::string_view text) {
    if (text.size() > longest_file)
        return Error{Errc::bad_input, fmt::format("a rules file above {} bytes", longest_file)};
    auto value = parse_json_text(text);
    if (!value) return value.error();
    Members top(text, *value, "the rules");
    if (value->kind == JsonText::Kind::null || (!top.wrong() && value->find(file_mark) == nullptr))
        top.complain(*value, fmt::format("this is no rules file: it has no \"{}\"", file_mark));
    FileReader reader(text);
    reader.note(top);
    Rules rules;
    for (const auto& [name, section] : value->members) {
        if (reader.wrong) break;
        read_section(reader, top, name, section, rules);
    }
    if (reader.wrong) return *reader.wrong;
    return rules;
}

}  // namespace weir::relay
