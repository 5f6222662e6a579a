#include <fmt/format.h>

#include "proto/gotemplate/exec.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {

bool Evaluator::pipeline(const Value& dot, const Node* pipe, Value& out) {
    out = {};
    if (pipe == nullptr) return true;
    r_.node = pipe;
    Value last;
    bool first = true;
    for (const auto& part : pipe->children) {
        if (!command(dot, *part, first ? nullptr : &last, out)) return false;
        first = false;
        if (out.kind() == Kind::interface && out.type()->is_any()) out = out.held();
        last = out;
    }
    for (const auto& v : pipe->declared) {
        if (!pipe->assigns)
            r_.variables.push_back({v->names[0], out});
        else if (!r_.assign(v->names[0], out))
            return false;
    }
    return true;
}

bool Evaluator::command(const Value& dot, const Node& node, const Value* last, Value& out) {
    if (!r_.step()) return false;
    const Call call{node.children, last};
    const Node& first = *node.children.front();
    switch (first.kind) {
        case NodeKind::field:
            return fields_of_dot(dot, first, call, out);
        case NodeKind::chain:
            return chain(dot, first, call, out);
        case NodeKind::identifier:
            return function(dot, first, node, call, out);
        case NodeKind::pipe:
            return not_a_function(first, call) && pipeline(dot, &first, out);
        case NodeKind::variable:
            return variable(dot, first, call, out);
        default:
            return plain_operand(dot, first, call, out);
    }
}

bool Evaluator::plain_operand(const Value& dot, const Node& node, const Call& call, Value& out) {
    r_.node = &node;
    if (!not_a_function(node, call)) return false;
    switch (node.kind) {
        case NodeKind::boolean:
            out = Value::boolean(node.assigns);
            return true;
        case NodeKind::dot:
            out = dot;
            return true;
        case NodeKind::nil:
            return r_.fail("nil is not a command");
        case NodeKind::number:
            return constant(node, out);
        default:
            out = Value::text(node.value);
            return r_.pay(node.value.size());
    }
}

bool Evaluator::not_a_function(const Node& node, const Call& call) {
    if (!call.any()) return true;
    const std::string source = source_of(node);
    return r_.fail("can't give argument to non-function " + source);
}

bool Evaluator::fields_of_dot(const Value& dot, const Node& node, const Call& call, Value& out) {
    r_.node = &node;
    return field_chain(dot, dot, node, node.names, call, out);
}

bool Evaluator::chain(const Value& dot, const Node& node, const Call& call, Value& out) {
    r_.node = &node;
    Value base;
    if (!argument(dot, nullptr, *node.children.front(), base)) return false;
    return field_chain(dot, std::move(base), node, node.names, call, out);
}

bool Evaluator::variable(const Value& dot, const Node& node, const Call& call, Value& out) {
    r_.node = &node;
    for (std::size_t i = r_.variables.size(); i > r_.first_variable; --i) {
        if (r_.variables[i - 1].name != node.names[0]) continue;
        const Value value = r_.variables[i - 1].value;
        if (node.names.size() > 1) return field_chain(dot, value, node, std::span(node.names).subspan(1), call, out);
        out = value;
        return not_a_function(node, call);
    }
    return r_.fail("undefined variable: " + node.names[0]);
}

bool Evaluator::field_chain(const Value& dot, Value receiver, const Node& node, std::span<const std::string> names,
                            const Call& call, Value& out) {
    for (std::size_t i = 0; i + 1 < names.size(); ++i) {
        Value next;
        if (!field(dot, names[i], node, {}, receiver, next)) return false;
        receiver = std::move(next);
    }
    return field(dot, names.back(), node, call, receiver, out);
}

bool Evaluator::field(const Value& dot, const std::string& name, const Node& node, const Call& call,
                      const Value& receiver, Value& out) {
    if (!r_.step()) return false;
    out = {};
    if (!receiver.valid()) {
        if (r_.options.missing_key == MissingKey::error) return r_.fail("nil data; no entry for key " + quoted(name));
        return true;
    }
    const std::string static_type = receiver.type()->name;
    bool nil = false;
    const Value v = followed(receiver, nil);
    if (nil && v.kind() == Kind::interface)
        return r_.fail(fmt::format("nil pointer evaluating {}.{}", static_type, name));
    if (const auto* m = find_method(*v.type(), name)) return method(dot, *m, v, name, node, call, out);

    bool found = false;
    if (v.kind() == Kind::structure) {
        if (!struct_field(name, v, static_type, call, out, found)) return false;
        if (found) return true;
    } else if (v.kind() == Kind::map) {
        if (!map_entry(name, v, call, out, found)) return false;
        if (found) return true;
    } else if (v.kind() == Kind::pointer && nil) {
        const Type& to = *v.type()->elem;
        bool known = to.kind != Kind::structure || !to.fields_known;
        for (const auto& f : to.fields) known = known || f.name == name;
        if (known) return r_.fail(fmt::format("nil pointer evaluating {}.{}", static_type, name));
    }
    return r_.fail(fmt::format("can't evaluate field {} in type {}", name, static_type));
}

bool Evaluator::struct_field(const std::string& name, const Value& v, const std::string& static_type, const Call& call,
                             Value& out, bool& found) {
    const auto& fields = v.type()->fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].name != name) continue;
        found = true;
        if (!is_exported(name))
            return r_.fail(fmt::format("{} is an unexported field of struct type {}", name, static_type));
        if (call.any()) return r_.fail(fmt::format("{} has arguments but cannot be invoked as function", name));
        out = v.field(i);
        return true;
    }
    return true;
}

bool Evaluator::map_entry(const std::string& name, const Value& v, const Call& call, Value& out, bool& found) {
    const auto& key = v.type()->key;
    if (!same_type(key, types::string()) && !key->is_any()) return true;
    found = true;
    if (call.any()) return r_.fail(fmt::format("{} is not a method but has arguments", name));
    out = v.find(Value::text(name));
    if (out.valid() || r_.options.missing_key == MissingKey::invalid) return true;
    if (r_.options.missing_key == MissingKey::error) return r_.fail("map has no entry for key " + quoted(name));
    out = Value::zero(v.type()->elem);
    return true;
}

bool Evaluator::method(const Value& dot, const Method& m, const Value& receiver, const std::string& name,
                       const Node& node, const Call& call, Value& out) {
    if (!count_fits(name, call, m.in.size(), false)) return false;
    Values given;
    if (!arguments(dot, {.fixed = m.in}, call, given)) return false;
    std::string error;
    Value target = receiver;
    bool good = true;
    if (receiver.kind() == Kind::pointer) {
        good = !receiver.is_nil();
        const auto& to = receiver.type()->elem->name;
        const auto dot_at = to.rfind('.');
        error = fmt::format("value method {}.{} called using nil *{} pointer", to, name,
                            dot_at == to.npos ? to : to.substr(dot_at + 1));
        if (good) target = receiver.held();
    }
    if (good) {
        error.clear();
        good = m.run(target, given, out, error);
    }
    return called(node, name, good, error, out);
}

bool Evaluator::function(const Value& dot, const Node& name, const Node& where, const Call& call, Value& out) {
    r_.node = &name;
    const Builtin* b = find_builtin(name.text);
    if (b == nullptr) return r_.fail(fmt::format("{} is not a defined function", quoted(name.text)));
    if (!count_fits(name.text, call, b->fixed, b->variadic)) return false;
    if (name.text == "and" || name.text == "or") return and_or(dot, name.text == "or", call, out);
    Parameters parameters{.variadic = b->variadic};
    if (b->takes_any) parameters.rest = types::any();
    parameters.fixed.resize(b->fixed);
    if (b->first_is_text) parameters.fixed[0] = types::string();
    Values given;
    if (!arguments(dot, parameters, call, given)) return false;
    if (b->run == nullptr) return call_function(where, call, given, out);
    std::string error;
    const bool good = b->run(given, r_.options.limits.output_bytes, out, error);
    return called(where, name.text, good, error, out);
}

bool Evaluator::called(const Node& where, std::string_view name, bool good, const std::string& error,
                       const Value& result) {
    if (good) return r_.pay(result.kind() == Kind::string ? result.as_text().size() : 0);
    r_.node = &where;
    return r_.fail(fmt::format("error calling {}: {}", name, error));
}

bool Evaluator::and_or(const Value& dot, bool is_or, const Call& call, Value& out) {
    for (const auto& operand : call.arguments()) {
        if (!argument(dot, nullptr, *operand, out)) return false;
        if (truth(out) == is_or) return true;
    }
    if (call.last != nullptr) out = *call.last;
    return true;
}

namespace {

/// What Go's reflect.Value.String says: the text of a string, else the type.
std::string described(const Value& v) {
    if (!v.valid()) return "<invalid Value>";
    return v.kind() == Kind::string ? v.as_text() : "<" + v.type()->name + " Value>";
}

}  // namespace

bool Evaluator::call_function(const Node& where, const Call& call, std::span<const Value> given, Value& out) {
    const auto operands = call.arguments();
    const std::string name = operands.empty() ? described(*call.last) : source_of(*operands.front());
    std::string error;
    const bool good = call_value(name, given[0], given.subspan(1), out, error);
    return called(where, "call", good, error, out);
}

bool Evaluator::count_fits(std::string_view name, const Call& call, std::size_t fixed, bool variadic) {
    const auto count = call.arguments().size(), with_last = count + (call.last != nullptr ? 1 : 0);
    if (variadic && with_last < fixed)
        return r_.fail(fmt::format("wrong number of args for {}: want at least {} got {}", name, fixed, count));
    if (!variadic && with_last != fixed)
        return r_.fail(fmt::format("wrong number of args for {}: want {} got {}", name, fixed, with_last));
    return true;
}

bool Evaluator::arguments(const Value& dot, const Parameters& parameters, const Call& call, Values& out) {
    const auto type_of = [&](std::size_t i) {
        return i < parameters.fixed.size() ? parameters.fixed[i] : parameters.rest;
    };
    for (const auto& operand : call.arguments()) {
        Value v;
        if (!argument(dot, type_of(out.size()), *operand, v)) return false;
        out.push_back(std::move(v));
    }
    if (call.last == nullptr) return true;
    Value v;
    if (!fit(*call.last, type_of(out.size()), v)) return false;
    out.push_back(std::move(v));
    return true;
}

bool Evaluator::argument(const Value& dot, const TypeRef& type, const Node& node, Value& out) {
    if (!r_.step()) return false;
    r_.node = &node;
    Value v;
    switch (node.kind) {
        case NodeKind::dot:
            return fit(dot, type, out);
        case NodeKind::nil:
            if (type && !can_be_nil(type->kind)) return r_.fail("cannot assign nil to " + type->name);
            out = type ? Value::zero(type) : Value();
            return true;
        case NodeKind::field:
            return fields_of_dot(dot, node, {}, v) && fit(v, type, out);
        case NodeKind::variable:
            return variable(dot, node, {}, v) && fit(v, type, out);
        case NodeKind::pipe:
            return pipeline(dot, &node, v) && fit(v, type, out);
        case NodeKind::identifier:
            return function(dot, node, node, {}, v) && fit(v, type, out);
        case NodeKind::chain:
            return chain(dot, node, {}, v) && fit(v, type, out);
        default:
            return literal(type, node, out);
    }
}

bool Evaluator::literal(const TypeRef& type, const Node& node, Value& out) {
    if (!type || type->is_any()) {
        if (node.kind == NodeKind::number) return constant(node, out);
        out = node.kind == NodeKind::boolean ? Value::boolean(node.assigns) : Value::text(node.value);
        return r_.pay(node.value.size());
    }
    const auto expected = [&](std::string_view what) {
        return r_.fail(fmt::format("expected {}; found {}", what, source_of(node)));
    };
    if (type->kind == Kind::string) {
        if (node.kind != NodeKind::string) return expected("string");
        out = Value::text(node.value, type);
        return r_.pay(node.value.size());
    }
    if (type->kind == Kind::boolean) {
        if (node.kind != NodeKind::boolean) return expected("bool");
        out = Value::boolean(node.assigns);
        return true;
    }
    return number_literal(type, node, out);
}

bool Evaluator::number_literal(const TypeRef& type, const Node& node, Value& out) {
    const Number* n = node.number.get();
    const auto expected = [&](std::string_view what) {
        return r_.fail(fmt::format("expected {}; found {}", what, source_of(node)));
    };
    if (is_signed(type->kind)) {
        if (n == nullptr || !n->is_int) return expected("integer");
        out = Value::integer(n->int_value, type);
    } else if (is_unsigned(type->kind)) {
        if (n == nullptr || !n->is_uint) return expected("unsigned integer");
        out = Value::natural(n->uint_value, type);
    } else if (is_float(type->kind)) {
        if (n == nullptr || !n->is_float) return expected("float");
        out = Value::number(n->float_value, type);
    } else {
        return r_.fail(fmt::format("can't handle {} for arg of type {}", source_of(node), type->name));
    }
    return true;
}

/// A number to which nothing gives a type: its form does.
bool Evaluator::constant(const Node& node, Value& out) {
    r_.node = &node;
    const Number& n = *node.number;
    const std::string& text = node.text;
    const bool hex_integer = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
                             text.find_first_of("pP") == text.npos;
    if (n.is_complex) {
        out = Value::complex(n.complex_value);
    } else if (n.is_float && !hex_integer && text[0] != '\'' && text.find_first_of(".eEpP") != text.npos) {
        out = Value::number(n.float_value);
    } else if (n.is_int) {
        out = Value::integer(n.int_value);
    } else {
        return r_.fail(text + " overflows int");
    }
    return true;
}

namespace {

bool assignable(const TypeRef& from, const TypeRef& to) {
    if (to->is_any() || same_type(from, to)) return true;
    return to->kind == Kind::interface && from->kind != Kind::interface && has_text_method(*from);
}

}  // namespace

bool Evaluator::fit(const Value& given, const TypeRef& type, Value& out) {
    out = given;
    if (!type) return true;
    if (!given.valid()) {
        if (!can_be_nil(type->kind)) return r_.fail("invalid value; expected " + type->name);
        out = Value::zero(type);
        return true;
    }
    if (assignable(given.type(), type)) return true;
    if (given.kind() == Kind::interface && !given.is_nil()) {
        out = given.held();
        if (assignable(out.type(), type)) return true;
    }
    if (out.kind() == Kind::pointer && assignable(out.type()->elem, type)) {
        if (out.is_nil()) return r_.fail("dereference of nil pointer of type " + type->name);
        out = out.held();
        return true;
    }
    if (type->kind == Kind::pointer && out.addressable() && same_type(out.type(), type->elem)) {
        out = Value::pointer(out);
        return true;
    }
    return r_.fail(fmt::format("wrong type for value; expected {}; got {}", type->name, out.type()->name));
}

}  // namespace weir::gotemplate
