#include "proto/gotemplate/parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/gotemplate/functions.h"
#include "proto/gotemplate/lexer.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

/// What the parts of one text share: the tokens, the definitions, and the first error, after which everything returns
/// null.
struct Shared {
    std::string_view name, text;
    const LexResult& lexed;
    std::size_t nesting_limit;
    Definitions definitions = {};
    std::size_t at = 0, nesting = 0;
    std::string error = {};
};

/// One definition: the text's own body, a define or a block. Each has its variables, its ranges and its lines.
class Parser {
public:
    Parser(Shared& shared, std::string name) : s_(shared), name_(std::move(name)) {}

    bool whole_text();
    bool definition();

private:
    class Nested {
    public:
        explicit Nested(Parser& p) : p_(p) { ++p_.s_.nesting; }
        ~Nested() { --p_.s_.nesting; }
        Nested(const Nested&) = delete;
        Nested& operator=(const Nested&) = delete;

    private:
        Parser& p_;
    };

    // Tokens. `line_` is that of the furthest one this definition has looked at: errors name it.
    const Token& token(std::size_t at) {
        const auto& t = s_.lexed.tokens[std::min(at, s_.lexed.tokens.size() - 1)];
        if (at >= furthest_) furthest_ = at, line_ = t.line;
        return t;
    }
    Token next() { return token(s_.at++); }
    Token peek() { return token(s_.at); }
    void back() { --s_.at; }
    Token next_non_space() {
        Token t = next();
        while (t.kind == Tok::space) t = next();
        return t;
    }
    Token peek_non_space() {
        const Token t = next_non_space();
        back();
        return t;
    }
    bool failed() const { return !s_.error.empty(); }

    std::nullptr_t fail(const std::string& what) {
        if (!failed()) s_.error = fmt::format("template: {}:{}: {}", s_.name, line_, what);
        return nullptr;
    }
    std::nullptr_t unexpected(const Token& t, std::string_view context);
    std::string describe(const Token& t) const;
    bool expect(Tok kind, std::string_view context, Token& found);

    static NodePtr make(NodeKind kind, std::size_t pos) {
        NodePtr node(new Node{.kind = kind, .pos = pos});
        return node;
    }

    bool add(NodePtr root);
    NodePtr item_list(NodePtr& end);
    NodePtr text_or_action();
    NodePtr action();
    NodePtr control(NodeKind kind, std::string_view context);
    bool control_parts(Node& node, std::string_view context);
    bool else_part(Node& node, const Node& mark, std::string_view context);
    NodePtr end_mark();
    NodePtr else_mark();
    NodePtr leave_range(NodeKind kind, const Token& word);
    NodePtr block();
    NodePtr call_template();
    bool template_name(const Token& t, std::string_view context, std::string& name);
    NodePtr pipeline(std::string_view context, Tok end);
    bool declarations(Node& pipe, std::string_view context);
    NodePtr command();
    NodePtr operand();
    NodePtr term();
    NodePtr constant(const Token& t);
    NodePtr use_variable(const Token& t);

    Shared& s_;
    std::string name_;
    std::vector<std::string> variables_{"$"};
    std::size_t furthest_ = 0, line_ = 1, action_line_ = 0, range_depth_ = 0;
};

std::string Parser::describe(const Token& t) const {
    if (t.kind == Tok::eof) return "EOF";
    if (t.kind == Tok::error) return s_.lexed.error;
    if (t.kind >= Tok::keyword_first) return fmt::format("<{}>", t.text);
    if (t.text.size() > 10) return quoted(first_runes(t.text, 10)) + "...";
    return quoted(t.text);
}

std::nullptr_t Parser::unexpected(const Token& t, std::string_view context) {
    if (t.kind != Tok::error) return fail(fmt::format("unexpected {} in {}", describe(t), context));
    std::string what = s_.lexed.error;
    if (action_line_ != 0 && action_line_ != t.line)
        what +=
            fmt::format("{} started at {}:{}", what.ends_with(" action") ? "" : " in action", s_.name, action_line_);
    return fail(what);
}

bool Parser::expect(Tok kind, std::string_view context, Token& found) {
    found = next_non_space();
    if (found.kind == kind) return true;
    unexpected(found, context);
    return false;
}

bool Parser::add(NodePtr root) {
    auto& slot = s_.definitions[name_];
    if (is_blank(slot.get())) {
        slot = std::move(root);
    } else if (!is_blank(root.get())) {
        fail("template: multiple definition of template " + quoted(name_));
        return false;
    }
    return true;
}

bool Parser::whole_text() {
    auto root = make(NodeKind::list, peek().pos);
    while (peek().kind != Tok::eof) {
        if (peek().kind == Tok::left_delim) {
            const auto delim = s_.at;
            next();
            if (next_non_space().kind == Tok::define) {
                Parser inner(s_, "");
                if (!inner.definition()) return false;
                continue;
            }
            s_.at = delim;
        }
        auto node = text_or_action();
        if (!node) return false;
        if (node->kind == NodeKind::end || node->kind == NodeKind::else_)
            return fail("unexpected " + source_of(*node)) != nullptr;
        root->children.push_back(std::move(node));
    }
    return add(std::move(root));
}

bool Parser::definition() {
    constexpr std::string_view context = "define clause";
    const Token name = next_non_space();
    if (name.kind != Tok::string && name.kind != Tok::raw_string) return unexpected(name, context) != nullptr;
    auto value = unquoted(name.text);
    if (!value) return fail("invalid syntax") != nullptr;
    name_ = std::move(*value);
    Token delim{};
    NodePtr end;
    if (!expect(Tok::right_delim, context, delim)) return false;
    auto root = item_list(end);
    if (!root) return false;
    if (end->kind != NodeKind::end)
        return fail(fmt::format("unexpected {} in {}", source_of(*end), context)) != nullptr;
    return add(std::move(root));
}

/// Up to an end or else mark, which is `end` then.
NodePtr Parser::item_list(NodePtr& end) {
    auto list = make(NodeKind::list, peek_non_space().pos);
    while (peek_non_space().kind != Tok::eof) {
        auto node = text_or_action();
        if (!node) return nullptr;
        if (node->kind == NodeKind::end || node->kind == NodeKind::else_) {
            end = std::move(node);
            return list;
        }
        list->children.push_back(std::move(node));
    }
    return fail("unexpected EOF");
}

NodePtr Parser::text_or_action() {
    const Token t = next_non_space();
    if (t.kind == Tok::text) {
        auto node = make(NodeKind::text, t.pos);
        node->text = std::string(t.text);
        return node;
    }
    if (t.kind != Tok::left_delim) return unexpected(t, "input");
    action_line_ = t.line;
    auto node = action();
    action_line_ = 0;
    return node;
}

NodePtr Parser::action() {
    const Token t = next_non_space();
    switch (t.kind) {
        case Tok::block:
            return block();
        case Tok::break_:
            return leave_range(NodeKind::break_, t);
        case Tok::continue_:
            return leave_range(NodeKind::continue_, t);
        case Tok::else_:
            return else_mark();
        case Tok::end:
            return end_mark();
        case Tok::if_:
            return control(NodeKind::if_, "if");
        case Tok::range:
            return control(NodeKind::range, "range");
        case Tok::with:
            return control(NodeKind::with, "with");
        case Tok::call_template:
            return call_template();
        default:
            break;
    }
    back();
    auto node = make(NodeKind::action, peek().pos);
    node->pipe = pipeline("command", Tok::right_delim);
    if (!node->pipe) return nullptr;
    return node;
}

NodePtr Parser::control(NodeKind kind, std::string_view context) {
    const Nested nested(*this);
    if (s_.nesting > s_.nesting_limit) return fail(fmt::format("more than {} levels of nesting", s_.nesting_limit));
    const auto variables = variables_.size();
    auto node = make(kind, 0);
    const bool good = control_parts(*node, context);
    variables_.resize(variables);
    if (!good) return nullptr;
    node->pos = node->pipe->pos;
    return node;
}

bool Parser::control_parts(Node& node, std::string_view context) {
    node.pipe = pipeline(context, Tok::right_delim);
    if (!node.pipe) return false;
    const std::size_t inside = node.kind == NodeKind::range ? 1 : 0;
    NodePtr end;
    range_depth_ += inside;
    node.body = item_list(end);
    range_depth_ -= inside;
    if (!node.body) return false;
    return end->kind == NodeKind::end || else_part(node, *end, context);
}

/// "else if" in an if, and "else with" in a with, nest without an end of their own.
bool Parser::else_part(Node& node, const Node& mark, std::string_view context) {
    const Tok word = peek().kind;
    const bool same =
        (node.kind == NodeKind::if_ && word == Tok::if_) || (node.kind == NodeKind::with && word == Tok::with);
    if (same) {
        next();
        auto inner = control(node.kind, context);
        if (!inner) return false;
        node.otherwise = make(NodeKind::list, mark.pos);
        node.otherwise->children.push_back(std::move(inner));
        return true;
    }
    NodePtr end;
    node.otherwise = item_list(end);
    if (!node.otherwise) return false;
    if (end->kind == NodeKind::end) return true;
    fail("expected end; found " + source_of(*end));
    return false;
}

NodePtr Parser::end_mark() {
    Token t{};
    return expect(Tok::right_delim, "end", t) ? make(NodeKind::end, t.pos) : nullptr;
}

NodePtr Parser::else_mark() {
    Token t = peek_non_space();
    if (t.kind == Tok::if_ || t.kind == Tok::with) {
        // The word follows at once, whatever spaces stood before it.
        while (peek().kind == Tok::space) next();
        return make(NodeKind::else_, t.pos);
    }
    return expect(Tok::right_delim, "else", t) ? make(NodeKind::else_, t.pos) : nullptr;
}

NodePtr Parser::leave_range(NodeKind kind, const Token& word) {
    const std::string name = "{{" + std::string(word.text) + "}}";
    const Token t = next_non_space();
    if (t.kind != Tok::right_delim) return unexpected(t, name);
    if (range_depth_ == 0) return fail(name + " outside {{range}}");
    return make(kind, word.pos);
}

bool Parser::template_name(const Token& t, std::string_view context, std::string& name) {
    if (t.kind != Tok::string && t.kind != Tok::raw_string) return unexpected(t, context) != nullptr;
    auto value = unquoted(t.text);
    if (!value) return fail("invalid syntax") != nullptr;
    name = std::move(*value);
    return true;
}

NodePtr Parser::block() {
    constexpr std::string_view context = "block clause";
    const Nested nested(*this);
    if (s_.nesting > s_.nesting_limit) return fail(fmt::format("more than {} levels of nesting", s_.nesting_limit));
    const Token t = next_non_space();
    auto node = make(NodeKind::call_template, t.pos);
    if (!template_name(t, context, node->text)) return nullptr;
    node->pipe = pipeline(context, Tok::right_delim);
    if (!node->pipe) return nullptr;
    Parser inner(s_, node->text);
    NodePtr end;
    auto root = inner.item_list(end);
    if (!root) return nullptr;
    if (end->kind != NodeKind::end) return fail(fmt::format("unexpected {} in {}", source_of(*end), context));
    if (!inner.add(std::move(root))) return nullptr;
    return node;
}

NodePtr Parser::call_template() {
    constexpr std::string_view context = "template clause";
    const Token t = next_non_space();
    auto node = make(NodeKind::call_template, t.pos);
    if (!template_name(t, context, node->text)) return nullptr;
    if (next_non_space().kind == Tok::right_delim) return node;
    back();
    node->pipe = pipeline(context, Tok::right_delim);
    if (!node->pipe) return nullptr;
    return node;
}

NodePtr Parser::pipeline(std::string_view context, Tok end) {
    auto pipe = make(NodeKind::pipe, peek_non_space().pos);
    if (!declarations(*pipe, context)) return nullptr;
    for (;;) {
        const Token t = next_non_space();
        if (t.kind == end) break;
        const bool begins_operand = (t.kind >= Tok::string && t.kind <= Tok::identifier) || t.kind == Tok::dot ||
                                    t.kind == Tok::nil || t.kind == Tok::left_paren;
        if (!begins_operand) return unexpected(t, context);
        back();
        auto part = command();
        if (!part) return nullptr;
        pipe->children.push_back(std::move(part));
    }
    if (pipe->children.empty()) return fail(fmt::format("missing value for {}", context));
    for (std::size_t i = 1; i < pipe->children.size(); ++i) {
        const auto kind = pipe->children[i]->children.front()->kind;
        if (kind >= NodeKind::boolean && kind <= NodeKind::string)
            return fail(fmt::format("non executable command in pipeline stage {}", i + 1));
    }
    return pipe;
}

/// "$x :=", "$x =", and in a range "$x, $y :=".
bool Parser::declarations(Node& pipe, std::string_view context) {
    for (;;) {
        const Token variable = peek_non_space();
        if (variable.kind != Tok::variable) return true;
        while (peek().kind == Tok::space) next();
        const auto start = s_.at;
        next();
        const Token after = peek_non_space();
        const bool comma = after.kind == Tok::other && after.text == ",";
        if (after.kind != Tok::assign && after.kind != Tok::declare && !comma) {
            s_.at = start;
            return true;
        }
        next_non_space();
        auto node = make(NodeKind::variable, variable.pos);
        node->names.emplace_back(variable.text);
        pipe.declared.push_back(std::move(node));
        variables_.emplace_back(variable.text);
        if (!comma) {
            pipe.assigns = after.kind == Tok::assign;
            return true;
        }
        if (context != "range" || pipe.declared.size() >= 2) {
            fail(fmt::format("too many declarations in {}", context));
            return false;
        }
        const Tok follows = peek_non_space().kind;
        if (follows != Tok::variable && follows != Tok::right_delim && follows != Tok::right_paren) {
            fail("range can only initialize variables");
            return false;
        }
    }
}

NodePtr Parser::command() {
    auto node = make(NodeKind::command, peek_non_space().pos);
    for (;;) {
        peek_non_space();
        auto part = operand();
        if (failed()) return nullptr;
        if (part) node->children.push_back(std::move(part));
        const Token t = next();
        if (t.kind == Tok::space) continue;
        if (t.kind == Tok::right_delim || t.kind == Tok::right_paren)
            back();
        else if (t.kind != Tok::pipe)
            return unexpected(t, "operand");
        break;
    }
    if (node->children.empty()) return fail("empty command");
    return node;
}

/// Null without an error: there is none here.
NodePtr Parser::operand() {
    auto node = term();
    if (!node || peek().kind != Tok::field) return node;
    const auto pos = peek().pos;
    std::vector<std::string> names;
    while (peek().kind == Tok::field) names.emplace_back(next().text.substr(1));
    switch (node->kind) {
        case NodeKind::field:
        case NodeKind::variable:
            node->names.insert(node->names.end(), names.begin(), names.end());
            node->pos = pos;
            return node;
        case NodeKind::boolean:
        case NodeKind::string:
        case NodeKind::number:
        case NodeKind::nil:
        case NodeKind::dot:
            return fail("unexpected . after term " + quoted(source_of(*node)));
        default:
            break;
    }
    auto chain = make(NodeKind::chain, pos);
    chain->children.push_back(std::move(node));
    chain->names = std::move(names);
    return chain;
}

NodePtr Parser::term() {
    const Token t = next_non_space();
    switch (t.kind) {
        case Tok::identifier: {
            if (!is_function(t.text)) return fail(fmt::format("function {} not defined", quoted(t.text)));
            auto node = make(NodeKind::identifier, t.pos);
            node->text = std::string(t.text);
            return node;
        }
        case Tok::dot:
            return make(NodeKind::dot, t.pos);
        case Tok::nil:
            return make(NodeKind::nil, t.pos);
        case Tok::variable:
            return use_variable(t);
        case Tok::field: {
            auto node = make(NodeKind::field, t.pos);
            node->names.emplace_back(t.text.substr(1));
            return node;
        }
        case Tok::left_paren: {
            const Nested nested(*this);
            if (s_.nesting > s_.nesting_limit) return fail("max expression depth exceeded");
            return pipeline("parenthesized pipeline", Tok::right_paren);
        }
        case Tok::boolean:
        case Tok::character:
        case Tok::complex:
        case Tok::number:
        case Tok::string:
        case Tok::raw_string:
            return constant(t);
        default:
            back();
            return nullptr;
    }
}

NodePtr Parser::constant(const Token& t) {
    const bool text = t.kind == Tok::string || t.kind == Tok::raw_string;
    auto node = make(text ? NodeKind::string : t.kind == Tok::boolean ? NodeKind::boolean : NodeKind::number, t.pos);
    node->text = std::string(t.text);
    if (t.kind == Tok::boolean) {
        node->assigns = t.text == "true";
    } else if (text) {
        auto value = unquoted(t.text);
        if (!value) return fail("invalid syntax");
        node->value = std::move(*value);
    } else {
        const auto form = t.kind == Tok::character ? NumberForm::character
                          : t.kind == Tok::complex ? NumberForm::complex
                                                   : NumberForm::number;
        std::string error;
        const auto number = parse_constant(node->text, form, error);
        if (!number) return fail(error);
        node->number = std::make_unique<Number>(*number);
    }
    return node;
}

NodePtr Parser::use_variable(const Token& t) {
    if (std::find(variables_.begin(), variables_.end(), t.text) == variables_.end())
        return fail("undefined variable " + quoted(t.text));
    auto node = make(NodeKind::variable, t.pos);
    node->names.emplace_back(t.text);
    return node;
}

}  // namespace

Result<Definitions> parse_text(std::string_view name, std::string_view text, std::size_t nesting) {
    const auto lexed = lex(text);
    Shared shared{.name = name, .text = text, .lexed = lexed, .nesting_limit = nesting};
    Parser parser(shared, std::string(name));
    if (!parser.whole_text()) return Error{.code = Errc::bad_input, .what = shared.error};
    return std::move(shared.definitions);
}

}  // namespace weir::gotemplate
