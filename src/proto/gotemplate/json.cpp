#include "proto/gotemplate/json.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>

#include "base/numbers.h"
#include "proto/gotemplate/go_time.h"
#include "proto/gotemplate/number.h"

namespace weir::gotemplate {
namespace {

namespace json = boost::json;

constexpr std::size_t deepest = 200;

Error broken(std::string what) {
    return {.code = Errc::bad_input, .what = "typed value: " + std::move(what)};
}

std::string_view text_in(const json::value& v) {
    const auto* s = v.if_string();
    return s ? std::string_view(s->data(), s->size()) : std::string_view();
}

std::string_view member(const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(name);
    return v ? text_in(*v) : std::string_view();
}

const json::array* list(const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(name);
    return v ? v->if_array() : nullptr;
}

bool is_null(const json::object& o) {
    const auto* v = o.if_contains("v");
    return v == nullptr || v->is_null();
}

const json::array* pair(const json::value& v) {
    const auto* a = v.if_array();
    return a != nullptr && a->size() == 2 ? a : nullptr;
}

Kind kind_named(std::string_view t) {
    if (t == "struct") return Kind::structure;
    if (t == "ptr") return Kind::pointer;
    if (t == "slice") return Kind::slice;
    if (t == "array") return Kind::array;
    if (t == "map") return Kind::map;
    if (t == "func") return Kind::function;
    if (t == "interface") return Kind::interface;
    const auto type = types::parse(t, Kind::invalid);
    return type->kind;
}

/// The functions that typed data may name; what they take and give is theirs, not the data's to say.
Value function_named(std::string_view name) {
    using Given = std::span<const Value>;
    const auto made = [](Function f, std::string_view type) {
        return Value::function(std::move(f), types::parse(type));
    };
    const auto upper = [](Given a) -> Result<Value> {
        std::string s = a[0].as_text();
        for (char& c : s)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
        return Value::text(std::move(s));
    };
    const auto add = [](Given a) -> Result<Value> {
        return Value::integer(static_cast<std::int64_t>(static_cast<std::uint64_t>(a[0].as_int()) +
                                                        static_cast<std::uint64_t>(a[1].as_int())));
    };
    const auto fail = [](Given a) -> Result<Value> {
        return Error{.code = Errc::bad_input, .what = "boom: " + a[0].as_text()};
    };
    const auto join = [](Given a) -> Result<Value> {
        std::string s;
        for (std::size_t i = 1; i < a.size(); ++i) s += (i > 1 ? a[0].as_text() : "") + a[i].as_text();
        return Value::text(std::move(s));
    };
    const auto two = [](Given a) -> Result<Value> {
        return Value::integer(static_cast<std::int64_t>(static_cast<std::uint64_t>(a[0].as_int()) * 2));
    };
    if (name == "upper") return made(upper, "func(string) string");
    if (name == "add") return made(add, "func(int, int) int");
    if (name == "fail") return made(fail, "func(string) (string, error)");
    if (name == "join") return made(join, "func(string, ...string) string");
    if (name == "two") return made(two, "func(int) (int, error)");
    return {};
}

class TypedReader {
public:
    TypedReader() {
        Type with_text{.kind = Kind::structure, .name = "main.stringer"};
        with_text.methods = Methods::text;
        with_text.text = "S!";
        with_text.fields = {{"N", types::integer()}};
        named_["main.stringer"] = std::make_shared<const Type>(std::move(with_text));
    }

    /// Learns the fields of every named struct, so that its zero value and nil pointers to it are right.
    void learn(const json::value& v) {
        if (const auto* a = v.if_array())
            for (const auto& item : *a) learn(item);
        const auto* o = v.if_object();
        if (o == nullptr) return;
        for (const auto& item : *o) learn(item.value());
        const auto name = member(*o, "type");
        const auto* fields = list(*o, "fields");
        if (member(*o, "t") != "struct" || fields == nullptr || name.empty() || name.starts_with("struct")) return;
        if (named_.contains(name)) return;
        Type type{.kind = Kind::structure, .name = std::string(name)};
        for (const auto& field : *fields)
            if (const auto* p = pair(field))
                type.fields.push_back({std::string(text_in((*p)[0])), static_type((*p)[1])});
        named_[type.name] = std::make_shared<const Type>(std::move(type));
    }

    Result<Value> read(const json::value& v) {
        const auto* o = v.if_object();
        if (o == nullptr) return broken("an object was expected");
        const auto t = member(*o, "t");
        if (t == "nil") return Value();
        if (t == "unexported") return Value::integer(3);
        if (t == "time") return time(*o);
        if (t == "error") {
            const auto type = member(*o, "type");
            return Value::error(std::string(member(*o, "v")), type.empty() ? "*errors.errorString" : type);
        }
        if (t == "duration") return integer(*o, types::duration());
        const Kind kind = kind_named(t);
        if (static_type(v)->kind != kind) return broken(fmt::format("\"{}\" under a type of another kind", t));
        switch (kind) {
            case Kind::boolean: {
                const auto* b = o->if_contains("v");
                return Value::boolean(b != nullptr && b->is_bool() && b->as_bool());
            }
            case Kind::string:
                return Value::text(std::string(member(*o, "v")), static_type(v));
            case Kind::structure:
                return structure(*o);
            case Kind::pointer:
                return pointed(v, *o);
            case Kind::interface:
                return held(v, *o);
            case Kind::slice:
            case Kind::array:
                return sequence(v, *o);
            case Kind::map:
                return map(v, *o);
            case Kind::function:
                if (auto f = function_named(member(*o, "v")); f.valid()) return f;
                return Value::zero(static_type(v));
            default:
                return scalar(v, *o, t);
        }
    }

private:
    /// The type under which a field or element shows this value.
    TypeRef static_type(const json::value& v) const {
        const auto* o = v.if_object();
        if (o == nullptr) return types::any();
        const auto t = member(*o, "t"), name = member(*o, "type");
        if (t == "unexported") return types::integer();
        if (t == "time") return types::time();
        if (t == "duration") return types::duration();
        if (t == "error") return types::parse(name.empty() ? "*errors.errorString" : name);
        if (t == "nil" || (t == "interface" && name.empty())) return types::any();
        return name.empty() ? types::parse(t) : types::parse(name, kind_named(t), named_);
    }

    Result<Value> integer(const json::object& o, TypeRef type) {
        const auto v = parse_int(member(o, "v"));
        if (!v) return broken(v.error().what);
        return Value::integer(*v, std::move(type));
    }

    Result<Value> scalar(const json::value& v, const json::object& o, std::string_view t) {
        const Kind kind = kind_named(t);
        const auto text = member(o, "v");
        if (is_signed(kind)) return integer(o, static_type(v));
        if (is_unsigned(kind)) {
            std::uint64_t n = 0;
            const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
            if (ec != std::errc() || end != text.data() + text.size()) return broken("no unsigned number");
            return Value::natural(n, static_type(v));
        }
        if (!is_float(kind)) return broken(fmt::format("unknown kind \"{}\"", t));
        constexpr double infinity = std::numeric_limits<double>::infinity();
        if (text == "NaN") return Value::number(std::numeric_limits<double>::quiet_NaN(), static_type(v));
        if (text == "+Inf" || text == "Inf") return Value::number(infinity, static_type(v));
        if (text == "-Inf") return Value::number(-infinity, static_type(v));
        const auto f = parse_go_float(text);
        if (!f) return broken("no number");
        return Value::number(kind == Kind::float32 ? static_cast<double>(static_cast<float>(*f)) : *f, static_type(v));
    }

    Result<Value> time(const json::object& o) {
        Moment m;
        if (!parse_rfc3339(member(o, "v"), m)) return broken("no RFC 3339 time");
        if (const auto zone = member(o, "zone"); !zone.empty()) m.zone = std::string(zone);
        if (const auto* offset = o.if_contains("offset"); offset != nullptr && offset->is_int64())
            m.offset = static_cast<std::int32_t>(offset->as_int64());
        return Value::time(std::move(m));
    }

    Result<Value> structure(const json::object& o) {
        std::vector<std::pair<std::string, Value>> fields;
        if (const auto* all = list(o, "fields")) {
            for (const auto& field : *all) {
                const auto* p = pair(field);
                if (p == nullptr) return broken("a field is [name, value]");
                auto value = read((*p)[1]);
                if (!value) return value;
                fields.emplace_back(std::string(text_in((*p)[0])), std::move(value.value()));
            }
        }
        const auto name = member(o, "type");
        const auto known = named_.find(name);
        if (known == named_.end() || known->second->fields.size() != fields.size())
            return Value::structure(name, std::move(fields));
        Values values;
        for (auto& field : fields) values.push_back(std::move(field.second));
        return Value::structure(known->second, std::move(values));
    }

    Result<Value> pointed(const json::value& v, const json::object& o) {
        if (is_null(o)) return Value::zero(static_type(v));
        auto to = read(o.at("v"));
        if (!to || !to->valid()) return to;
        return Value::pointer(std::move(to.value()));
    }

    Result<Value> held(const json::value& v, const json::object& o) {
        const auto type = static_type(v);
        if (is_null(o)) return Value::interface(type, {});
        auto inner = read(o.at("v"));
        if (!inner) return inner;
        return Value::interface(type, std::move(inner.value()));
    }

    Result<Value> sequence(const json::value& v, const json::object& o) {
        const auto type = static_type(v);
        const auto* all = list(o, "v");
        if (all == nullptr) return Value::zero(type);
        Values items;
        for (const auto& item : *all) {
            auto value = read(item);
            if (!value) return value;
            if (type->elem->kind == Kind::uint8 && value->kind() != Kind::uint8) return broken("a byte was expected");
            items.push_back(std::move(value.value()));
        }
        return Value::slice(std::move(items), type);
    }

    Result<Value> map(const json::value& v, const json::object& o) {
        const auto type = static_type(v);
        const auto* all = list(o, "v");
        if (all == nullptr) return Value::zero(type);
        Entries entries;
        for (const auto& entry : *all) {
            const auto* p = pair(entry);
            if (p == nullptr) return broken("an entry is [key, value]");
            auto key = read((*p)[0]), value = read((*p)[1]);
            if (!key) return key;
            if (!value) return value;
            entries.emplace_back(std::move(key.value()), std::move(value.value()));
        }
        return Value::map(std::move(entries), type);
    }

    types::Named named_;
};

}  // namespace

Value plain_value(const boost::json::value& v) {
    switch (v.kind()) {
        case json::kind::null:
            return {};
        case json::kind::bool_:
            return Value::boolean(v.as_bool());
        case json::kind::string:
            return Value::text(std::string(text_in(v)));
        case json::kind::array: {
            Values items;
            for (const auto& item : v.as_array()) items.push_back(Value::any(plain_value(item)));
            return Value::slice(std::move(items), types::slice_of(types::any()));
        }
        case json::kind::object: {
            Entries entries;
            for (const auto& item : v.as_object())
                entries.emplace_back(Value::text(std::string(item.key())), Value::any(plain_value(item.value())));
            return Value::map(std::move(entries), types::map_of(types::string(), types::any()));
        }
        default:
            return Value::number(v.to_number<double>());
    }
}

Result<Value> typed_value(const boost::json::value& v) {
    TypedReader reader;
    reader.learn(v);
    return reader.read(v);
}

Result<Value> value_from_json(std::string_view text) {
    json::parse_options options;
    options.max_depth = deepest;
    boost::system::error_code ec;
    const auto v = json::parse(json::string_view(text.data(), text.size()), ec, {}, options);
    if (ec) return Error{.code = Errc::bad_input, .what = "JSON: " + ec.message()};
    const auto* o = v.if_object();
    const auto t = o != nullptr ? member(*o, "t") : std::string_view();
    const bool typed =
        t == "nil" || t == "error" || t == "duration" || t == "time" || (!t.empty() && kind_named(t) != Kind::invalid);
    if (typed) return typed_value(v);
    return plain_value(v);
}

}  // namespace weir::gotemplate
