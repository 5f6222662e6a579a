#include "proto/gotemplate/node.h"

#include <algorithm>

#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

void write(std::string& out, const Node& node);

void write_pipe(std::string& out, const Node& pipe) {
    for (std::size_t i = 0; i < pipe.declared.size(); ++i) {
        if (i > 0) out += ", ";
        write(out, *pipe.declared[i]);
    }
    if (!pipe.declared.empty()) out += pipe.assigns ? " = " : " := ";
    for (std::size_t i = 0; i < pipe.children.size(); ++i) {
        if (i > 0) out += " | ";
        write(out, *pipe.children[i]);
    }
}

void write_operand(std::string& out, const Node& node) {
    if (node.kind == NodeKind::pipe) out += '(';
    write(out, node);
    if (node.kind == NodeKind::pipe) out += ')';
}

void write_branch(std::string& out, const Node& node, std::string_view word) {
    out += "{{";
    out += word;
    out += ' ';
    write_pipe(out, *node.pipe);
    out += "}}";
    write(out, *node.body);
    if (node.otherwise) {
        out += "{{else}}";
        write(out, *node.otherwise);
    }
    out += "{{end}}";
}

void write_names(std::string& out, const std::vector<std::string>& names, bool dot_first) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0 || dot_first) out += '.';
        out += names[i];
    }
}

void write(std::string& out, const Node& node) {
    switch (node.kind) {
        case NodeKind::list:
            for (const auto& child : node.children) write(out, *child);
            break;
        case NodeKind::action:
            out += "{{";
            write_pipe(out, *node.pipe);
            out += "}}";
            break;
        case NodeKind::if_:
            return write_branch(out, node, "if");
        case NodeKind::with:
            return write_branch(out, node, "with");
        case NodeKind::range:
            return write_branch(out, node, "range");
        case NodeKind::break_:
            out += "{{break}}";
            break;
        case NodeKind::continue_:
            out += "{{continue}}";
            break;
        case NodeKind::end:
            out += "{{end}}";
            break;
        case NodeKind::else_:
            out += "{{else}}";
            break;
        case NodeKind::call_template:
            out += "{{template " + quoted(node.text);
            if (node.pipe) {
                out += ' ';
                write_pipe(out, *node.pipe);
            }
            out += "}}";
            break;
        case NodeKind::pipe:
            return write_pipe(out, node);
        case NodeKind::command:
            for (std::size_t i = 0; i < node.children.size(); ++i) {
                if (i > 0) out += ' ';
                write_operand(out, *node.children[i]);
            }
            break;
        case NodeKind::boolean:
            out += node.assigns ? "true" : "false";
            break;
        case NodeKind::dot:
            out += '.';
            break;
        case NodeKind::nil:
            out += "nil";
            break;
        case NodeKind::text:
        case NodeKind::number:
        case NodeKind::string:
        case NodeKind::identifier:
            out += node.text;
            break;
        case NodeKind::variable:
            return write_names(out, node.names, false);
        case NodeKind::field:
            return write_names(out, node.names, true);
        case NodeKind::chain:
            write_operand(out, *node.children.front());
            return write_names(out, node.names, true);
    }
}

bool is_blank_text(std::string_view text) {
    while (!text.empty()) {
        const auto rune = first_rune(text);
        const char32_t c = rune.point;
        const bool space = (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
                           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
                           c == 0x3000;
        if (!space || !rune.valid) return false;
        text.remove_prefix(rune.bytes);
    }
    return true;
}

}  // namespace

std::string source_of(const Node& node) {
    std::string out;
    write(out, node);
    return out;
}

bool is_blank(const Node* list) {
    if (list == nullptr) return true;
    return std::all_of(list->children.begin(), list->children.end(),
                       [](const NodePtr& n) { return n->kind == NodeKind::text && is_blank_text(n->text); });
}

}  // namespace weir::gotemplate
