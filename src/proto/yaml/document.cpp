#include "proto/yaml/document.h"

#include <fmt/format.h>
#include <libfyaml.h>

#include <array>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/text.h"
#include "proto/yaml/reader.h"

namespace weir::yaml {

struct Node::Data {
    Kind kind = Kind::null;
    Mark mark = {};
    std::string text = {};
    bool quoted = false;
    std::vector<Node> items = {};
    std::vector<Entry> entries = {};
    std::size_t nodes = 1, height = 1;  ///< of the whole tree below, aliases followed
};

Kind Node::kind() const noexcept {
    return data_ ? data_->kind : Kind::null;
}

Mark Node::mark() const noexcept {
    return data_ ? data_->mark : Mark{};
}

const std::string& Node::text() const {
    static const std::string none;
    return data_ ? data_->text : none;
}

bool Node::quoted() const noexcept {
    return data_ && data_->quoted;
}

const std::vector<Node>& Node::items() const {
    static const std::vector<Node> none;
    return data_ ? data_->items : none;
}

const std::vector<Entry>& Node::entries() const {
    static const std::vector<Entry> none;
    return data_ ? data_->entries : none;
}

const Node* Node::find(std::string_view key) const {
    for (const auto& entry : entries())
        if (entry.key.text() == key) return &entry.value;
    return nullptr;
}

namespace {

constexpr std::size_t most_tag_lines = 100;  // libfyaml looks through all earlier ones for each

Error yaml_error(const std::string& file, Mark at, std::string_view what) {
    return {.code = Errc::bad_input, .what = one_line(file, at, what)};
}

bool plain_null(std::string_view text) {
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

/// What libfyaml would let pass or read wrongly: bytes that are no text.
std::optional<Error> bad_bytes(std::string_view text, const std::string& file) {
    Mark at;
    std::size_t tag_lines = 0;
    for (std::size_t i = 0; i < text.size();) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (at.column == 1 && text.substr(i).starts_with("%TAG") && ++tag_lines > most_tag_lines)
            return yaml_error(file, at, fmt::format("more than {} %TAG lines", most_tag_lines));
        const auto length = utf8_length(text.substr(i));
        if (length == 0)
            return yaml_error(file, at, fmt::format("byte 0x{:02X} is not UTF-8; save the file as UTF-8", c));
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
            return yaml_error(file, at, fmt::format("control character 0x{:02X}; take it out", c));
        i += length;
        if (c == '\n') {
            ++at.line;
            at.column = 1;
        } else {
            ++at.column;
        }
    }
    return std::nullopt;
}

/// libfyaml's words, and what to do about them.
struct Advice {
    std::string_view said, what, fix;
};
constexpr std::array advices{
    Advice{"tab character may not", "a tab cannot indent", "write spaces"},
    Advice{"invalid tab", "a tab cannot indent", "write spaces"},
    Advice{"double-quoted scalar without closing", "the quote \" is never closed",
           "close it; inside it write \\\" for \""},
    Advice{"single-quoted scalar without closing", "the quote ' is never closed", "close it; inside it write '' for '"},
    Advice{"wrongly indented double-quoted", "the quote \" is not closed on its line", "close it"},
    Advice{"wrongly indented single-quoted", "the quote ' is not closed on its line", "close it"},
    Advice{"invalid multiline plain key", "this text runs on into the next line, where a ':' is",
           "write KEY: VALUE here, and begin all keys of one block in the same column"},
    Advice{"invalid nested block mapping on the same line", "a second \": \" on one line",
           "put a text that holds \": \" in quotes"},
    Advice{"could not find expected ':'", "no ':' after this key", "write KEY: VALUE"},
    Advice{"trailing content after single-quoted", "text goes on after its closing quote '",
           "write '' for a ' inside it"},
    Advice{"trailing content after double-quoted", "text goes on after its closing quote \"",
           "write \\\" for a \" inside it"},
    Advice{"flow sequence without a closing", "'[' is never closed", "close it with ']'"},
    Advice{"flow mapping without a closing", "'{' is never closed", "close it with '}'"},
    Advice{"missing comma in flow mapping", "',' or '}' is missing",
           "close '{' with '}'; put a text with '{' in quotes"},
    Advice{"missing comma in flow sequence", "',' or ']' is missing", "close '[' with ']'"},
    Advice{"invalid extra closing bracket", "a bracket is closed that was not opened", "take it out or quote the text"},
    Advice{"block sequence on the same line", "a list cannot begin on the line of its key",
           "put each \"- ITEM\" on a line of its own"},
    Advice{"invalid value after mapping", "neither a key nor a list item of the block above", "check its indentation"},
    Advice{"plain scalar cannot start with", "", "put the text in quotes"},
    Advice{"invalid escape", "", "write \\\\ for a backslash, or put the text in single quotes"},
};

std::string with_advice(std::string_view said) {
    for (const auto& advice : advices)
        if (said.find(advice.said) != said.npos)
            return fmt::format("{}; {}", advice.what.empty() ? said : advice.what, advice.fix);
    return std::string(said);
}

struct FyamlFree {
    void operator()(fy_parser* parser) const noexcept { fy_parser_destroy(parser); }
    void operator()(fy_diag* diag) const noexcept { fy_diag_destroy(diag); }
};
using FyamlDiag = std::unique_ptr<fy_diag, FyamlFree>;
using FyamlParser = std::unique_ptr<fy_parser, FyamlFree>;

void say_nothing(fy_diag*, void*, const char*, std::size_t) {}

std::string token_text(fy_token* token) {
    std::size_t size = 0;
    const char* text = token ? fy_token_get_text(token, &size) : nullptr;
    return text ? std::string(text, size) : std::string();
}

/// One left of a token that libfyaml counts from behind its sign: a quote, '*'.
Mark mark_of(const fy_event& event, bool behind_sign, Mark otherwise) {
    const auto* mark = fy_event_start_mark(const_cast<fy_event*>(&event));
    if (!mark) return otherwise;
    const Mark at{mark->line + 1, mark->column + 1};
    return {at.line, behind_sign && at.column > 1 ? at.column - 1 : at.column};
}

/// "!!str" makes text of anything, "!!int" and its kin a plain value of a quoted one; other tags change nothing.
std::optional<bool> quoted_by_tag(fy_token* tag) {
    constexpr std::string_view core = "tag:yaml.org,2002:";
    const auto name = token_text(tag);
    if (name == "!" || name == "!!str" || name == std::string(core) + "str") return true;
    for (const auto* plain : {"int", "float", "bool", "null"})
        if (name == std::string("!!") + plain || name == std::string(core) + plain) return false;
    return std::nullopt;
}

}  // namespace

/// Makes the tree of libfyaml's events. Members that can fail return what to say at `at`.
struct Builder {
    using Complaint = std::optional<std::string>;

    struct Open {
        std::shared_ptr<Node::Data> data;
        std::string anchor = {};
        std::optional<Node> key = {};
        bool merge = false;  ///< the key is "<<"
        std::unordered_map<std::string, Mark> seen = {};
        std::vector<Node> merged = {};
    };

    explicit Builder(const Limits& l) : limits(l) {}

    Complaint take(const fy_event& event) {
        switch (event.type) {
            case FYET_DOCUMENT_START:
                if (documents++ == 0) return std::nullopt;
                at = mark_of(event, false, at);
                return "a second document begins here; keep one, without \"---\" between";
            case FYET_SCALAR:
                return scalar(event);
            case FYET_ALIAS:
                return alias(event);
            case FYET_SEQUENCE_START:
                return open(Kind::sequence, event, event.sequence_start.anchor);
            case FYET_MAPPING_START:
                return open(Kind::mapping, event, event.mapping_start.anchor);
            case FYET_SEQUENCE_END:
            case FYET_MAPPING_END:
                return close();
            default:
                return std::nullopt;
        }
    }

    Complaint scalar(const fy_event& event) {
        const auto& from = event.scalar;
        const auto style = from.value ? fy_token_scalar_style(from.value) : FYSS_PLAIN;
        const bool in_quotes = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
        at = mark_of(event, in_quotes, at);
        auto data = std::make_shared<Node::Data>();
        data->mark = at;
        data->text = token_text(from.value);
        data->quoted = from.tag ? quoted_by_tag(from.tag).value_or(style != FYSS_PLAIN) : style != FYSS_PLAIN;
        const bool is_key = awaits_key();
        if (is_key && !from.value) return "a key is missing before ':'; write KEY: VALUE";
        data->kind = !is_key && !data->quoted && plain_null(data->text) ? Kind::null : Kind::scalar;
        if (data->text.find('\0') != std::string::npos) return "a text cannot hold a NUL";
        if (is_key) return key(std::move(data), style == FYSS_PLAIN);
        return finished(made(std::move(data)), token_text(from.anchor), 1);
    }

    Complaint key(std::shared_ptr<Node::Data> data, bool plain) {
        auto& top = stack.back();
        top.merge = plain && data->text == "<<";
        const auto [first, is_new] = top.seen.emplace(data->text, data->mark);
        if (!is_new)
            return fmt::format("key {} is here a second time, the first is at {}:{}; keep one", shown(data->text),
                               first->second.line, first->second.column);
        top.key = made(std::move(data));
        return counted(1);
    }

    Complaint alias(const fy_event& event) {
        at = mark_of(event, true, at);
        const auto name = token_text(event.alias.anchor);
        const auto found = anchors.find(name);
        if (found == anchors.end())
            return fmt::format(
                "\"*{0}\" stands for nothing: there is no \"&{0}\" before it; put a text that begins "
                "with '*' in quotes",
                name);
        if (!found->second.data_) return fmt::format("\"*{0}\" holds itself: it stands inside \"&{0}\"", name);
        if (awaits_key()) {
            if (found->second.kind() == Kind::sequence || found->second.kind() == Kind::mapping) return no_scalar_key();
            auto data = std::make_shared<Node::Data>(*found->second.data_);
            data->kind = Kind::scalar;
            data->mark = at;
            return key(std::move(data), false);
        }
        return finished(found->second, "", found->second.data_->nodes);
    }

    Complaint open(Kind kind, const fy_event& event, fy_token* anchor) {
        at = mark_of(event, false, at);
        if (awaits_key()) return no_scalar_key();
        if (stack.size() >= limits.depth) return fmt::format("deeper than {} levels", limits.depth);
        auto data = std::make_shared<Node::Data>();
        data->kind = kind;
        data->mark = at;
        stack.push_back({.data = std::move(data), .anchor = token_text(anchor)});
        if (!stack.back().anchor.empty()) anchors[stack.back().anchor] = Node();
        return std::nullopt;
    }

    Complaint close() {
        auto done = std::move(stack.back());
        stack.pop_back();
        if (auto complaint = merge(done)) return complaint;
        for (const auto& entry : done.data->entries) add_size(*done.data, entry.value, 1);
        for (const auto& item : done.data->items) add_size(*done.data, item, 0);
        return finished(made(std::move(done.data)), done.anchor, 1);
    }

    /// What stands in the mapping itself wins, then what was merged first.
    Complaint merge(Open& into) {
        for (const auto& from : into.merged) {
            for (const auto& entry : from.entries()) {
                if (!into.seen.emplace(entry.key.text(), entry.key.mark()).second) continue;
                if (auto complaint = counted(1 + entry.value.data_->nodes)) return complaint;
                into.data->entries.push_back(entry);
            }
        }
        return std::nullopt;
    }

    /// A node is whole: into the collection that is open. `adds`: nodes not counted yet.
    Complaint finished(const Node& node, const std::string& anchor, std::size_t adds) {
        if (!anchor.empty()) anchors[anchor] = node;
        if (stack.size() + node.data_->height > limits.depth + 1)
            return fmt::format("deeper than {} levels", limits.depth);
        if (auto complaint = counted(adds)) return complaint;
        if (stack.empty()) {
            root = node;
            return std::nullopt;
        }
        auto& top = stack.back();
        if (top.data->kind == Kind::sequence) {
            top.data->items.push_back(node);
        } else if (top.merge) {
            if (auto complaint = remember_merge(top, node)) return complaint;
        } else {
            top.data->entries.push_back({std::move(*top.key), node});
        }
        top.key.reset();
        return std::nullopt;
    }

    static Complaint remember_merge(Open& top, const Node& node) {
        static constexpr auto wanted = "\"<<\" takes keys and values; write \"<<: *NAME\" with the name of a mapping";
        const auto nodes = node.kind() == Kind::sequence ? node.items() : std::vector<Node>{node};
        for (const auto& one : nodes) {
            if (one.kind() != Kind::mapping) return wanted;
            top.merged.push_back(one);
        }
        return std::nullopt;
    }

    [[nodiscard]] bool awaits_key() const {
        return !stack.empty() && stack.back().data->kind == Kind::mapping && !stack.back().key;
    }
    static Complaint no_scalar_key() {
        return "a key cannot be a list or a mapping; quote a text that begins with '[' or '{'";
    }
    static void add_size(Node::Data& of, const Node& child, std::size_t keys) {
        of.nodes += child.data_->nodes + keys;
        of.height = std::max(of.height, child.data_->height + 1);
    }
    static Node made(std::shared_ptr<Node::Data> data) {
        Node node;
        node.data_ = std::move(data);
        return node;
    }
    Complaint counted(std::size_t more) {
        nodes += more;
        if (nodes <= limits.nodes) return std::nullopt;
        return fmt::format("more than {} values, aliases followed", limits.nodes);
    }

    Limits limits;
    Mark at;
    std::size_t nodes = 0;
    int documents = 0;
    std::vector<Open> stack = {};
    std::map<std::string, Node> anchors = {};
    Node root = {};
};

namespace {

/// The first thing libfyaml complained of. A bracket that is never closed is told where it was opened.
Error syntax_error(fy_diag* diag, const Builder& so_far, const std::string& file) {
    void* at = nullptr;
    const auto* first = fy_diag_errors_iterate(diag, &at);
    if (!first || !first->msg) return yaml_error(file, so_far.at, "this is not YAML");
    const std::string_view said = stripped(first->msg);
    Mark mark{std::max(first->line, 1), std::max(first->column, 1)};
    const bool unclosed =
        said.find("without a closing bracket") != said.npos || said.starts_with("missing comma in flow");
    if (unclosed && !so_far.stack.empty()) mark = so_far.stack.back().data->mark;
    return yaml_error(file, mark, with_advice(said));
}

}  // namespace

Result<Node> parse(std::string_view text, const std::string& file, Limits limits) {
    if (text.size() > limits.bytes) return yaml_error(file, {}, fmt::format("larger than {} bytes", limits.bytes));
    if (auto bad = bad_bytes(text, file)) return std::move(*bad);
    if (stripped(text).empty()) return yaml_error(file, {}, "the file is empty");

    fy_diag_cfg told;
    fy_diag_cfg_default(&told);
    told.fp = nullptr;
    told.output_fn = say_nothing;
    const FyamlDiag diag(fy_diag_create(&told));
    WEIR_ASSERT(diag);
    fy_diag_set_collect_errors(diag.get(), true);
    fy_parse_cfg how{};
    how.diag = diag.get();
    how.flags = FYPCF_JSON_NONE;
    const FyamlParser parser(fy_parser_create(&how));
    WEIR_ASSERT(parser && fy_parser_set_string(parser.get(), text.data(), text.size()) == 0);

    Builder builder(limits);
    while (auto* event = fy_parser_parse(parser.get())) {
        auto complaint = builder.take(*event);
        fy_parser_event_free(parser.get(), event);
        if (complaint) return yaml_error(file, builder.at, *complaint);
    }
    if (fy_parser_get_stream_error(parser.get())) return syntax_error(diag.get(), builder, file);
    if (builder.root.kind() == Kind::null) return yaml_error(file, {}, "the file is empty");
    return builder.root;
}

}  // namespace weir::yaml
