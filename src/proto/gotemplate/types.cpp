#include <algorithm>
#include <charconv>

#include "proto/gotemplate/value.h"

namespace weir::gotemplate::types {
namespace {

TypeRef make(Kind kind, std::string_view name, Methods methods = Methods::none) {
    Type type{.kind = kind, .name = std::string(name)};
    type.methods = methods;
    return std::make_shared<const Type>(std::move(type));
}

TypeRef make_time() {
    Type type{.kind = Kind::structure, .name = "time.Time"};
    type.methods = Methods::time;
    for (const char* name : {"wall", "ext", "loc"}) type.fields.push_back({name, int64()});
    return std::make_shared<const Type>(std::move(type));
}

const TypeRef* find_basic(std::string_view name) {
    static const std::map<std::string, TypeRef, std::less<>> all = [] {
        std::map<std::string, TypeRef, std::less<>> map;
        const auto add = [&](const TypeRef& type) { map.emplace(type->name, type); };
        for (const auto& type : {boolean(), integer(), uint8(), int64(), float32(), float64(), complex128(), string(),
                                 any(), error(), time(), duration(), month(), weekday(), number()})
            add(type);
        add(make(Kind::int8, "int8"));
        add(make(Kind::int16, "int16"));
        add(make(Kind::int32, "int32"));
        add(make(Kind::uint_, "uint"));
        add(make(Kind::uint16, "uint16"));
        add(make(Kind::uint32, "uint32"));
        add(make(Kind::uint64, "uint64"));
        map.emplace("any", any());
        map.emplace("byte", uint8());
        map.emplace("rune", map.at("int32"));
        return map;
    }();
    const auto at = all.find(name);
    return at == all.end() ? nullptr : &at->second;
}

constexpr std::size_t max_cells = 65536;

std::size_t cells_of(const Type& type) {
    return type.kind == Kind::array ? std::max<std::size_t>(1, type.length * cells_of(*type.elem)) : 1;
}

/// Reads one type's text from the front; what it does not know, it takes for a name.
class Reader {
public:
    Reader(std::string_view text, Kind otherwise, const Named& known)
        : text_(text), otherwise_(otherwise), named_(known) {}

    TypeRef read(int depth = 0) {
        skip_spaces();
        if (depth > 50) return any();
        if (depth > 0) otherwise_ = Kind::structure;
        if (take("[]")) return slice_of(read(depth + 1));
        if (take("*")) return pointer_to(read(depth + 1));
        if (text_.starts_with('[')) return array(depth);
        if (take("map[")) {
            auto key = read(depth + 1);
            take("]");
            return map_of(std::move(key), read(depth + 1));
        }
        if (take("interface {}") || take("interface{}")) return any();
        if (text_.starts_with("struct {")) return structure(depth);
        if (text_.starts_with("func(")) return function(depth);
        return named();
    }

private:
    void skip_spaces() {
        while (text_.starts_with(' ')) text_.remove_prefix(1);
    }
    bool take(std::string_view word) {
        if (!text_.starts_with(word)) return false;
        text_.remove_prefix(word.size());
        return true;
    }
    /// Passes what fits nowhere, so that a list of a broken text ends.
    void pass_stray(std::size_t size_before) {
        if (text_.size() == size_before && !text_.empty()) text_.remove_prefix(1);
    }
    std::string_view word() {
        const auto end = std::min(text_.find_first_of(" ;,)]}"), text_.size());
        const auto found = text_.substr(0, end);
        text_.remove_prefix(end);
        return found;
    }

    TypeRef named() {
        const auto name = word();
        if (const auto* known = find_basic(name)) return *known;
        if (const auto at = named_.find(name); at != named_.end()) return at->second;
        Type type{.kind = otherwise_, .name = std::string(name)};
        type.fields_known = false;
        if (otherwise_ == Kind::slice || otherwise_ == Kind::array || otherwise_ == Kind::map) type.elem = any();
        if (otherwise_ == Kind::map) type.key = string();
        return std::make_shared<const Type>(std::move(type));
    }

    TypeRef array(int depth) {
        text_.remove_prefix(1);
        const auto digits = word();
        take("]");
        Type type{.kind = Kind::array, .name = "[" + std::string(digits) + "]"};
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), type.length);
        type.elem = read(depth + 1);
        type.name += type.elem->name;
        // Its zero value is made and may be compared: arrays of arrays stay small.
        type.length = std::min(type.length, max_cells / cells_of(*type.elem));
        return std::make_shared<const Type>(std::move(type));
    }

    TypeRef structure(int depth) {
        const auto all = text_;
        take("struct {");
        Type type{.kind = Kind::structure, .name = {}};
        for (skip_spaces(); !text_.empty() && !take("}"); skip_spaces()) {
            std::string name(word());
            auto field = read(depth + 1);
            type.fields.push_back({std::move(name), std::move(field)});
            skip_spaces();
            if (!take(";") && !text_.starts_with('}')) break;
        }
        type.name = std::string(all.substr(0, all.size() - text_.size()));
        return std::make_shared<const Type>(std::move(type));
    }

    TypeRef function(int depth) {
        const auto all = text_;
        take("func(");
        Type type{.kind = Kind::function, .name = {}};
        while (!text_.empty() && !take(")")) {
            const auto before = text_.size();
            type.variadic = take("...");
            auto in = read(depth + 1);
            type.in.push_back(type.variadic ? slice_of(std::move(in)) : std::move(in));
            take(",");
            skip_spaces();
            pass_stray(before);
        }
        skip_spaces();
        if (take("(")) {
            while (!text_.empty() && !take(")")) {
                const auto before = text_.size();
                type.out.push_back(read(depth + 1));
                take(",");
                skip_spaces();
                pass_stray(before);
            }
        } else if (!text_.empty() && text_.find_first_of(";,)]}") != 0) {
            type.out.push_back(read(depth + 1));
        }
        type.name = std::string(all.substr(0, all.size() - text_.size()));
        return std::make_shared<const Type>(std::move(type));
    }

    std::string_view text_;
    Kind otherwise_;
    const Named& named_;
};

}  // namespace

#define WEIR_BASIC_TYPE(function, ...)           \
    const TypeRef& function() {                  \
        static const TypeRef type = __VA_ARGS__; \
        return type;                             \
    }
WEIR_BASIC_TYPE(boolean, make(Kind::boolean, "bool"))
WEIR_BASIC_TYPE(integer, make(Kind::int_, "int"))
WEIR_BASIC_TYPE(uint8, make(Kind::uint8, "uint8"))
WEIR_BASIC_TYPE(int64, make(Kind::int64, "int64"))
WEIR_BASIC_TYPE(float32, make(Kind::float32, "float32"))
WEIR_BASIC_TYPE(float64, make(Kind::float64, "float64"))
WEIR_BASIC_TYPE(complex128, make(Kind::complex128, "complex128"))
WEIR_BASIC_TYPE(string, make(Kind::string, "string"))
WEIR_BASIC_TYPE(any, make(Kind::interface, "interface {}"))
WEIR_BASIC_TYPE(error, make(Kind::interface, "error", Methods::error))
WEIR_BASIC_TYPE(time, make_time())
WEIR_BASIC_TYPE(duration, make(Kind::int64, "time.Duration", Methods::duration))
WEIR_BASIC_TYPE(month, make(Kind::int_, "time.Month", Methods::month))
WEIR_BASIC_TYPE(weekday, make(Kind::int_, "time.Weekday", Methods::weekday))
WEIR_BASIC_TYPE(number, make(Kind::string, "json.Number", Methods::number))
#undef WEIR_BASIC_TYPE

TypeRef slice_of(TypeRef elem) {
    Type type{.kind = Kind::slice, .name = "[]" + elem->name};
    type.elem = std::move(elem);
    return std::make_shared<const Type>(std::move(type));
}

TypeRef map_of(TypeRef key, TypeRef elem) {
    Type type{.kind = Kind::map, .name = "map[" + key->name + "]" + elem->name};
    type.key = std::move(key);
    type.elem = std::move(elem);
    return std::make_shared<const Type>(std::move(type));
}

TypeRef pointer_to(TypeRef elem) {
    Type type{.kind = Kind::pointer, .name = "*" + elem->name};
    type.elem = std::move(elem);
    return std::make_shared<const Type>(std::move(type));
}

TypeRef parse(std::string_view name, Kind otherwise, const Named& named) {
    return Reader(name, otherwise, named).read();
}

}  // namespace weir::gotemplate::types
