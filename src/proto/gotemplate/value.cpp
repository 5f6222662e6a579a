#include "proto/gotemplate/value.h"

#include <algorithm>
#include <cmath>

#include "proto/gotemplate/go_time.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

template <class T>
std::shared_ptr<const T> shared(T v) {
    return std::make_shared<const T>(std::move(v));
}

template <class T>
int three_way(const T& a, const T& b) {
    return a < b ? -1 : b < a ? 1 : 0;
}

std::string anonymous_name(const std::vector<Type::Field>& fields) {
    if (fields.empty()) return "struct {}";
    std::string name = "struct {";
    for (std::size_t i = 0; i < fields.size(); ++i)
        name += (i == 0 ? " " : "; ") + fields[i].name + " " + fields[i].type->name;
    return name + " }";
}

}  // namespace

bool same_type(const TypeRef& a, const TypeRef& b) noexcept {
    return a == b || (a && b && a->name == b->name);
}
bool is_signed(Kind k) noexcept {
    return k >= Kind::int_ && k <= Kind::int64;
}
bool is_unsigned(Kind k) noexcept {
    return k >= Kind::uint_ && k <= Kind::uint64;
}
bool is_float(Kind k) noexcept {
    return k == Kind::float32 || k == Kind::float64;
}

bool can_be_nil(Kind k) noexcept {
    return k == Kind::pointer || k == Kind::interface || k == Kind::slice || k == Kind::map || k == Kind::function;
}

bool is_exported(std::string_view field) noexcept {
    return !field.empty() && field[0] >= 'A' && field[0] <= 'Z';
}

Value Value::boolean(bool v) {
    return {types::boolean(), v};
}
Value Value::integer(std::int64_t v, TypeRef type) {
    return {std::move(type), v};
}
Value Value::natural(std::uint64_t v, TypeRef type) {
    return {std::move(type), v};
}
Value Value::number(double v, TypeRef type) {
    return {std::move(type), v};
}
Value Value::complex(std::complex<double> v) {
    return {types::complex128(), v};
}
Value Value::text(std::string v, TypeRef type) {
    return {std::move(type), shared(std::move(v))};
}
Value Value::time(Moment v) {
    return {types::time(), shared(std::move(v))};
}
Value Value::function(Function f, TypeRef type) {
    return {std::move(type), f ? shared(std::move(f)) : std::shared_ptr<const Function>()};
}

Value Value::error(std::string text, std::string_view type) {
    const bool pointed = type.starts_with('*');
    Type made{.kind = Kind::structure, .name = std::string(pointed ? type.substr(1) : type)};
    made.methods = Methods::error;
    made.fields = {{"s", types::string()}};
    auto value = structure(shared(std::move(made)), {Value::text(std::move(text))});
    return pointed ? pointer(std::move(value)) : value;
}

Value Value::slice(Values items, TypeRef type) {
    const auto count = items.size();
    return {std::move(type), shared(Sequence{shared(std::move(items)), 0, count, count})};
}

Value Value::strings(const std::vector<std::string>& items) {
    Values values;
    for (const auto& item : items) values.push_back(text(item));
    return slice(std::move(values), types::slice_of(types::string()));
}

Value Value::labels(const std::map<std::string, std::string>& labels) {
    Entries entries;
    for (const auto& [key, value] : labels) entries.emplace_back(text(key), text(value));
    return map(std::move(entries), types::map_of(types::string(), types::string()));
}

Value Value::map(Entries entries, TypeRef type) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return compare_keys(a.first, b.first) < 0; });
    return {std::move(type), shared(std::move(entries))};
}

Value Value::structure(std::string_view type, std::vector<std::pair<std::string, Value>> fields) {
    Type made{.kind = Kind::structure, .name = std::string(type)};
    Values values;
    for (auto& [name, value] : fields) {
        if (!value.valid()) value = any({});
        made.fields.push_back({std::move(name), value.type()});
        values.push_back(std::move(value));
    }
    if (type.empty()) made.name = anonymous_name(made.fields);
    return {shared(std::move(made)), shared(std::move(values))};
}

Value Value::structure(TypeRef type, Values fields) {
    return {std::move(type), shared(std::move(fields))};
}

Value Value::pointer(Value to) {
    auto type = types::pointer_to(to.type());
    return {std::move(type), shared(std::move(to))};
}

Value Value::interface(TypeRef type, Value held) {
    if (held.kind() == Kind::interface) held = held.held();
    return {std::move(type), held.valid() ? shared(std::move(held)) : std::shared_ptr<const Value>()};
}

Value Value::zero(const TypeRef& type) {
    const Kind kind = type->kind;
    if (is_signed(kind)) return {type, std::int64_t{0}};
    if (is_unsigned(kind)) return {type, std::uint64_t{0}};
    if (is_float(kind)) return {type, 0.0};
    switch (kind) {
        case Kind::boolean:
            return {type, false};
        case Kind::complex128:
            return {type, std::complex<double>()};
        case Kind::string:
            return {type, shared(std::string())};
        case Kind::slice:
            return {type, std::shared_ptr<const Sequence>()};
        case Kind::map:
            return {type, std::shared_ptr<const Entries>()};
        case Kind::function:
            return {type, std::shared_ptr<const Function>()};
        case Kind::pointer:
        case Kind::interface:
            return {type, std::shared_ptr<const Value>()};
        case Kind::array: {
            const Values items(type->length, zero(type->elem));
            const auto count = items.size();
            return {type, shared(Sequence{shared(items), 0, count, count})};
        }
        case Kind::structure: {
            if (type->methods == Methods::time) return {type, shared(zero_moment())};
            Values fields;
            for (const auto& f : type->fields) fields.push_back(zero(f.type));
            return {type, shared(std::move(fields))};
        }
        default:
            return {};
    }
}

bool Value::is_nil() const noexcept {
    if (!valid()) return true;
    switch (kind()) {
        case Kind::slice:
            return std::get<std::shared_ptr<const Sequence>>(data_) == nullptr;
        case Kind::map:
            return std::get<std::shared_ptr<const Entries>>(data_) == nullptr;
        case Kind::pointer:
        case Kind::interface:
            return std::get<std::shared_ptr<const Value>>(data_) == nullptr;
        case Kind::function:
            return std::get<std::shared_ptr<const Function>>(data_) == nullptr;
        default:
            return false;
    }
}

std::size_t Value::length() const {
    switch (kind()) {
        case Kind::string:
            return as_text().size();
        case Kind::map:
            return entries().size();
        default: {
            const auto& s = std::get<std::shared_ptr<const Sequence>>(data_);
            return s ? s->length : 0;
        }
    }
}

std::size_t Value::capacity() const {
    const auto& s = std::get<std::shared_ptr<const Sequence>>(data_);
    return s ? s->capacity : 0;
}

Value Value::at(std::size_t i) const {
    if (kind() == Kind::string) return natural(static_cast<unsigned char>(as_text()[i]), types::uint8());
    const auto& s = *std::get<std::shared_ptr<const Sequence>>(data_);
    Value item = (*s.items)[s.from + i];
    item.addressable_ = kind() == Kind::slice || addressable_;
    return item;
}

Value Value::cut(std::size_t from, std::size_t to, std::size_t capacity_to) const {
    if (kind() == Kind::string) return text(as_text().substr(from, to - from), type_);
    const auto& s = std::get<std::shared_ptr<const Sequence>>(data_);
    TypeRef type = kind() == Kind::array ? types::slice_of(type_->elem) : type_;
    if (!s) return zero(type);
    return {std::move(type), shared(Sequence{s->items, s->from + from, to - from, capacity_to - from})};
}

const Entries& Value::entries() const {
    static const Entries none;
    const auto& e = std::get<std::shared_ptr<const Entries>>(data_);
    return e ? *e : none;
}

Value Value::find(const Value& key) const {
    const auto& all = entries();
    const auto at = std::lower_bound(all.begin(), all.end(), key, [](const auto& entry, const Value& k) {
        return compare_keys(entry.first, k) < 0;
    });
    return at != all.end() && same_value(out_of_interface(at->first), out_of_interface(key)) ? at->second : Value();
}

Value Value::field(std::size_t i) const {
    Value v = (*std::get<std::shared_ptr<const Values>>(data_))[i];
    v.addressable_ = addressable_;
    return v;
}

Value Value::held() const {
    const auto& target = std::get<std::shared_ptr<const Value>>(data_);
    if (!target) return {};
    Value v = *target;
    v.addressable_ = kind() == Kind::pointer;
    return v;
}

Value followed(Value v, bool& nil) {
    nil = false;
    while (v.kind() == Kind::pointer || v.kind() == Kind::interface) {
        if (v.is_nil()) {
            nil = true;
            return v;
        }
        v = v.held();
    }
    return v;
}

Value out_of_interface(const Value& v) {
    return v.kind() == Kind::interface ? v.held() : v;
}

bool truth(const Value& given) {
    const Value v = out_of_interface(given);
    const Kind kind = v.kind();
    if (is_signed(kind)) return v.as_int() != 0;
    if (is_unsigned(kind)) return v.as_uint() != 0;
    if (is_float(kind)) return v.as_float() != 0;
    switch (kind) {
        case Kind::invalid:
            return false;
        case Kind::boolean:
            return v.as_bool();
        case Kind::complex128:
            return v.as_complex() != std::complex<double>();
        case Kind::string:
        case Kind::slice:
        case Kind::array:
        case Kind::map:
            return v.length() > 0;
        case Kind::structure:
            return true;
        default:
            return !v.is_nil();
    }
}

int compare_keys(const Value& ga, const Value& gb) {
    const Value a = out_of_interface(ga), b = out_of_interface(gb);
    if (a.kind() != b.kind()) return three_way(a.kind(), b.kind());
    const Kind kind = a.kind();
    if (is_signed(kind)) return three_way(a.as_int(), b.as_int());
    if (is_unsigned(kind)) return three_way(a.as_uint(), b.as_uint());
    if (is_float(kind)) {
        if (std::isnan(a.as_float()) || std::isnan(b.as_float()))
            return three_way(!std::isnan(a.as_float()), !std::isnan(b.as_float()));
        return three_way(a.as_float(), b.as_float());
    }
    switch (kind) {
        case Kind::string:
            return three_way(a.as_text(), b.as_text());
        case Kind::boolean:
            return three_way(a.as_bool(), b.as_bool());
        case Kind::array:
            for (std::size_t i = 0; i < std::min(a.length(), b.length()); ++i)
                if (const int order = compare_keys(a.at(i), b.at(i)); order != 0) return order;
            return three_way(a.length(), b.length());
        case Kind::structure:
            if (a.is_time() || b.is_time()) return 0;
            for (std::size_t i = 0; i < std::min(a.type()->fields.size(), b.type()->fields.size()); ++i)
                if (const int order = compare_keys(a.field(i), b.field(i)); order != 0) return order;
            return 0;
        default:
            return 0;
    }
}

bool is_comparable(const Type& type) {
    switch (type.kind) {
        case Kind::slice:
        case Kind::map:
        case Kind::function:
            return false;
        case Kind::array:
            return is_comparable(*type.elem);
        case Kind::structure:
            return std::all_of(type.fields.begin(), type.fields.end(),
                               [](const Type::Field& f) { return is_comparable(*f.type); });
        default:
            return true;
    }
}

namespace {

bool same_structure(const Value& a, const Value& b) {
    if (a.is_time()) return a.as_time() == b.as_time();
    for (std::size_t i = 0; i < a.type()->fields.size(); ++i)
        if (!same_value(out_of_interface(a.field(i)), out_of_interface(b.field(i)))) return false;
    return true;
}

}  // namespace

bool same_value(const Value& a, const Value& b) {
    if (!a.valid() || !b.valid()) return a.valid() == b.valid();
    if (!same_type(a.type(), b.type())) return false;
    const Kind kind = a.kind();
    if (is_signed(kind)) return a.as_int() == b.as_int();
    if (is_unsigned(kind)) return a.as_uint() == b.as_uint();
    if (is_float(kind)) return a.as_float() == b.as_float();
    switch (kind) {
        case Kind::boolean:
            return a.as_bool() == b.as_bool();
        case Kind::complex128:
            return a.as_complex() == b.as_complex();
        case Kind::string:
            return a.as_text() == b.as_text();
        case Kind::structure:
            return same_structure(a, b);
        case Kind::array:
            for (std::size_t i = 0; i < a.length(); ++i)
                if (!same_value(out_of_interface(a.at(i)), out_of_interface(b.at(i)))) return false;
            return a.length() == b.length();
        case Kind::pointer:
            return a.shares_with(b);
        default:
            return a.is_nil() && b.is_nil();
    }
}

bool has_text_method(const Type& type) {
    if (type.kind == Kind::pointer && type.elem->kind != Kind::interface && type.elem->kind != Kind::pointer)
        return has_text_method(*type.elem);
    return type.methods != Methods::none;
}

bool text_by_method(const Value& v, std::string& text) {
    if (!v.valid() || v.kind() == Kind::interface) return false;
    if (v.kind() == Kind::pointer) {
        if (!has_text_method(*v.type())) return false;
        if (!v.is_nil()) return text_by_method(v.held(), text);
        text = "<nil>";
        return true;
    }
    switch (v.type()->methods) {
        case Methods::none:
            return false;
        case Methods::time:
            text = time_text(v.as_time());
            return true;
        case Methods::duration:
            text = duration_text(v.as_int());
            return true;
        case Methods::month:
            text = month_name(v.as_int());
            return true;
        case Methods::weekday:
            text = weekday_name(v.as_int());
            return true;
        case Methods::number:
            text = v.as_text();
            return true;
        case Methods::error:
            text = v.field(0).as_text();
            return true;
        case Methods::text:
            text = v.type()->text;
            return true;
    }
    return false;
}

}  // namespace weir::gotemplate
