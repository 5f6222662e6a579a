#include "proto/gotemplate/exec.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/gotemplate/format.h"
#include "proto/gotemplate/parser.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {

bool Running::fail(std::string_view what) {
    if (!error.empty()) return false;
    const auto before = text.substr(0, node != nullptr ? node->pos : 0);
    const auto line_start = before.rfind('\n');
    const auto column = line_start == before.npos ? before.size() : before.size() - line_start - 1;
    error = fmt::format("template: {}:{}:{}: executing {} at <{}>: {}", file,
                        1 + std::count(before.begin(), before.end(), '\n'), column, quoted(current),
                        node != nullptr ? source_of(*node) : "", what);
    return false;
}

bool Running::step() {
    if (++steps <= options.limits.steps) return true;
    return fail(fmt::format("stopped after {} steps", options.limits.steps));
}

bool Running::pay(std::size_t bytes) {
    made += bytes;
    if (made <= options.limits.made_bytes) return true;
    return fail(fmt::format("made more than {} bytes of text", options.limits.made_bytes));
}

bool Running::assign(std::string_view name, const Value& value) {
    for (std::size_t i = variables.size(); i > first_variable; --i) {
        if (variables[i - 1].name != name) continue;
        variables[i - 1].value = value;
        return true;
    }
    return fail(fmt::format("undefined variable: {}", name));
}

namespace {

/// Goes through the nodes with a stack of its own: {{template}} may nest as deep as in Go.
class Walker {
public:
    Walker(Running& running, const Definitions& definitions) : r_(running), definitions_(definitions), eval_(running) {}

    void run(const Node& root, const Value& data) {
        r_.variables.push_back({"$", data});
        push_list(&root, data, 0);
        while (!frames_.empty())
            if (!advance()) return;
    }
    std::string output;
    std::vector<Execution::Piece> pieces;

private:
    struct Range {
        const Node* node;
        Value over;
        std::size_t next, count;
    };
    /// A list under way, a range that goes round, or what to restore when a called template ends.
    struct Frame {
        enum class What { list, range, call } what;
        const Node* list = nullptr;
        std::size_t next = 0;
        Value dot = {};
        std::size_t variables = 0;  ///< to go back to at the end; 0: those declared stay
        std::unique_ptr<Range> range = {};
        std::string_view caller = {};
        std::size_t first_variable = 0;
    };

    void push_list(const Node* list, Value dot, std::size_t variables) {
        Frame frame{.what = Frame::What::list, .list = list};
        frame.dot = std::move(dot);
        frame.variables = variables;
        frames_.push_back(std::move(frame));
    }
    void drop_variables(std::size_t to) {
        if (to != 0) r_.variables.erase(r_.variables.begin() + static_cast<std::ptrdiff_t>(to), r_.variables.end());
    }
    void pop() {
        drop_variables(frames_.back().variables);
        frames_.pop_back();
    }

    bool advance() {
        Frame& top = frames_.back();
        if (top.what == Frame::What::range) return go_round();
        if (top.what == Frame::What::call) {
            --depth_;
            r_.current = top.caller;
            r_.first_variable = top.first_variable;
            pop();
            return true;
        }
        if (top.next == top.list->children.size()) {
            pop();
            return true;
        }
        const Node& node = *top.list->children[top.next++];
        const Value dot = top.dot;  // the stack may move
        r_.node = &node;
        return r_.step() && visit(node, dot);
    }

    bool visit(const Node& node, const Value& dot) {
        switch (node.kind) {
            case NodeKind::text:
                return write(node.text, true);
            case NodeKind::action: {
                Value v;
                return eval_.pipeline(dot, node.pipe.get(), v) && (!node.pipe->declared.empty() || print(node, v));
            }
            case NodeKind::if_:
            case NodeKind::with:
                return branch(node, dot);
            case NodeKind::range:
                return begin_range(node, dot);
            case NodeKind::break_:
            case NodeKind::continue_:
                while (frames_.back().what != Frame::What::range) pop();
                if (node.kind == NodeKind::break_) pop();
                return true;
            case NodeKind::call_template:
                return call(node, dot);
            default:
                return r_.fail("unknown node");
        }
    }

    bool write(std::string_view text, bool literal) {
        if (text.size() > r_.options.limits.output_bytes - output.size())
            return r_.fail(fmt::format("more than {} bytes of output", r_.options.limits.output_bytes));
        output += text;
        if (r_.options.keep_pieces) pieces.push_back({text.size(), literal});
        return true;
    }

    bool print(const Node& node, const Value& v) {
        r_.node = &node;
        Value shown;
        if (!printable(v, shown))
            return r_.fail(fmt::format("can't print {} of type {}", source_of(node), v.type()->name));
        const Value values[] = {shown};
        std::string text;
        if (!print_values(values, r_.options.limits.output_bytes, text))
            return r_.fail(fmt::format("more than {} bytes of output", r_.options.limits.output_bytes));
        return write(text, false);
    }

    bool branch(const Node& node, const Value& dot) {
        const auto mark = r_.variables.size();
        Value v;
        if (!eval_.pipeline(dot, node.pipe.get(), v)) return false;
        if (truth(v))
            push_list(node.body.get(), node.kind == NodeKind::with ? v : dot, mark);
        else if (node.otherwise)
            push_list(node.otherwise.get(), dot, mark);
        else
            drop_variables(mark);
        return true;
    }

    bool begin_range(const Node& node, const Value& dot) {
        const auto mark = r_.variables.size();
        Value v;
        if (!eval_.pipeline(dot, node.pipe.get(), v)) return false;
        bool nil = false;
        auto range = std::make_unique<Range>(Range{&node, followed(std::move(v), nil), 0, 0});
        if (!count(*range)) return false;
        if (range->count == 0) {
            if (node.otherwise)
                push_list(node.otherwise.get(), dot, mark);
            else
                drop_variables(mark);
            return true;
        }
        Frame frame{.what = Frame::What::range};
        frame.variables = mark;
        frame.next = r_.variables.size();  // what one turn declares is gone in the next
        frame.range = std::move(range);
        frames_.push_back(std::move(frame));
        return true;
    }

    bool count(Range& range) {
        const Value& v = range.over;
        const Kind kind = v.kind();
        if (is_signed(kind) || is_unsigned(kind)) {
            if (range.node->pipe->declared.size() > 1)
                return r_.fail(fmt::format("can't use {} to iterate over more than one variable", text_of(v)));
            range.count =
                is_unsigned(kind) ? v.as_uint() : static_cast<std::size_t>(std::max<std::int64_t>(v.as_int(), 0));
        } else if (kind == Kind::slice || kind == Kind::array || kind == Kind::map) {
            range.count = v.length();
        } else if (kind != Kind::invalid) {
            return r_.fail("range can't iterate over " + text_of(v));
        }
        return true;
    }

    bool go_round() {
        Frame& top = frames_.back();
        drop_variables(top.next);
        Range& range = *top.range;
        if (range.next == range.count) {
            pop();
            return true;
        }
        if (!r_.step()) return false;
        const auto i = range.next++;
        const Kind kind = range.over.kind();
        Value index, element;
        if (kind == Kind::map) {
            std::tie(index, element) = range.over.entries()[i];
        } else if (is_signed(kind)) {
            element = Value::integer(static_cast<std::int64_t>(i), range.over.type());
        } else if (is_unsigned(kind)) {
            element = Value::natural(i, range.over.type());
        } else {
            index = Value::integer(static_cast<std::int64_t>(i));
            element = range.over.at(i);
        }
        if (!set_variables(*range.node->pipe, index, element)) return false;
        push_list(range.node->body.get(), std::move(element), 0);
        return true;
    }

    bool set_variables(const Node& pipe, const Value& index, const Value& element) {
        const auto& names = pipe.declared;
        if (names.empty()) return true;
        if (pipe.assigns) {
            if (names.size() == 1) return r_.assign(names[0]->names[0], element);
            return r_.assign(names[0]->names[0], index) && r_.assign(names[1]->names[0], element);
        }
        r_.variables.back().value = element;
        if (names.size() > 1) r_.variables[r_.variables.size() - 2].value = index;
        return true;
    }

    bool call(const Node& node, const Value& dot) {
        const auto found = definitions_.find(node.text);
        if (found == definitions_.end()) return r_.fail(fmt::format("template {} not defined", quoted(node.text)));
        if (depth_ == r_.options.limits.call_depth)
            return r_.fail(fmt::format("exceeded maximum template depth ({})", r_.options.limits.call_depth));
        Value argument;
        if (!eval_.pipeline(dot, node.pipe.get(), argument)) return false;
        ++depth_;
        Frame frame{.what = Frame::What::call};
        frame.variables = r_.variables.size();
        frame.caller = r_.current;
        frame.first_variable = r_.first_variable;
        frames_.push_back(std::move(frame));
        r_.current = found->first;
        r_.first_variable = r_.variables.size();
        r_.variables.push_back({"$", argument});
        push_list(found->second.get(), std::move(argument), 0);
        return true;
    }

    Running& r_;
    const Definitions& definitions_;
    Evaluator eval_;
    std::vector<Frame> frames_;
    std::size_t depth_ = 0;
};

}  // namespace

struct Template::Parsed {
    std::string name, text;
    Options options;
    Definitions definitions;
};

Result<Template> Template::parse(std::string_view name, std::string_view text, Options options) {
    if (text.size() > options.limits.text_bytes)
        return Error{.code = Errc::bad_input,
                     .what = fmt::format("template: {}:1: {} bytes, above the limit of {}", name, text.size(),
                                         options.limits.text_bytes)};
    auto definitions = parse_text(name, text, options.limits.nesting);
    if (!definitions) return definitions.error();
    return Template(std::make_shared<const Parsed>(
        Parsed{std::string(name), std::string(text), options, std::move(definitions.value())}));
}

Execution Template::run(const Value& data) const {
    Running running{.file = parsed_->name, .text = parsed_->text, .options = parsed_->options};
    running.current = parsed_->name;
    Walker walker(running, parsed_->definitions);
    walker.run(*parsed_->definitions.find(parsed_->name)->second, data);
    Execution result{.output = std::move(walker.output), .pieces = std::move(walker.pieces), .error = std::nullopt};
    if (!running.error.empty()) result.error = Error{.code = Errc::bad_input, .what = std::move(running.error)};
    return result;
}

Result<std::string> Template::execute(const Value& data) const {
    auto result = run(data);
    if (result.error) return std::move(*result.error);
    return std::move(result.output);
}

}  // namespace weir::gotemplate
