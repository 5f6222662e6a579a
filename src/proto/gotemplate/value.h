#pragma once
#include <complex>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace weir::gotemplate {

struct Moment;
class Value;
struct Type;
using TypeRef = std::shared_ptr<const Type>;
using Values = std::vector<Value>;
using Entries = std::vector<std::pair<Value, Value>>;
using Function = std::function<Result<Value>(std::span<const Value>)>;

/// Go's kinds, as far as templates meet them.
enum class Kind : std::uint8_t {
    invalid,  ///< a missing value: an absent map key, a nil of no type
    boolean,
    int_,
    int8,
    int16,
    int32,
    int64,
    uint_,
    uint8,
    uint16,
    uint32,
    uint64,
    float32,
    float64,
    complex128,
    string,
    slice,
    array,
    map,
    structure,
    pointer,
    interface,
    function,
};

/// Which methods a named type has (section 12 of the facts).
enum class Methods : std::uint8_t { none, time, duration, month, weekday, number, error, text };

/// A Go type; two types are the same when their names are.
struct Type {
    struct Field {
        std::string name;
        TypeRef type;
    };

    Kind kind = Kind::invalid;
    std::string name;  ///< as %T says it: "map[string]interface {}"
    Methods methods = Methods::none;
    TypeRef elem = nullptr;                  ///< slice, array, map, pointer
    TypeRef key = nullptr;                   ///< map
    std::vector<Field> fields = {};          ///< structure
    bool fields_known = true;                ///< false for a structure that was only named
    std::vector<TypeRef> in = {}, out = {};  ///< function; a variadic one's last `in` is a slice
    bool variadic = false;
    std::size_t length = 0;  ///< array
    std::string text = {};   ///< what String() answers, for Methods::text

    [[nodiscard]] bool is_any() const { return kind == Kind::interface && name == "interface {}"; }
};

namespace types {
[[nodiscard]] const TypeRef& boolean();
[[nodiscard]] const TypeRef& integer();
[[nodiscard]] const TypeRef& uint8();
[[nodiscard]] const TypeRef& int64();
[[nodiscard]] const TypeRef& float32();
[[nodiscard]] const TypeRef& float64();
[[nodiscard]] const TypeRef& complex128();
[[nodiscard]] const TypeRef& string();
[[nodiscard]] const TypeRef& any();
[[nodiscard]] const TypeRef& error();
[[nodiscard]] const TypeRef& time();
[[nodiscard]] const TypeRef& duration();
[[nodiscard]] const TypeRef& month();
[[nodiscard]] const TypeRef& weekday();
[[nodiscard]] const TypeRef& number();  ///< json.Number
[[nodiscard]] TypeRef slice_of(TypeRef elem);
[[nodiscard]] TypeRef map_of(TypeRef key, TypeRef elem);
[[nodiscard]] TypeRef pointer_to(TypeRef elem);
using Named = std::map<std::string, TypeRef, std::less<>>;
/// The type a Go program would name so; a name of which nothing is known becomes `otherwise`'s kind under that name.
[[nodiscard]] TypeRef parse(std::string_view name, Kind otherwise = Kind::structure, const Named& named = {});
}  // namespace types

[[nodiscard]] bool same_type(const TypeRef& a, const TypeRef& b) noexcept;
[[nodiscard]] bool is_signed(Kind kind) noexcept;
[[nodiscard]] bool is_unsigned(Kind kind) noexcept;
[[nodiscard]] bool is_float(Kind kind) noexcept;
/// Kinds that have a nil: pointer, interface, slice, map, function.
[[nodiscard]] bool can_be_nil(Kind kind) noexcept;
/// Starts with an upper-case letter.
[[nodiscard]] bool is_exported(std::string_view field) noexcept;

/// A Go value with its type; what Go calls a reflect.Value. Cheap to copy: what is large is shared and frozen.
///
/// threads  a value may be read by any thread; one object is changed by one
class Value {
public:
    struct Sequence {
        std::shared_ptr<const Values> items;
        std::size_t from = 0, length = 0, capacity = 0;
    };
    using Data =
        std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::complex<double>,
                     std::shared_ptr<const std::string>, std::shared_ptr<const Sequence>,
                     std::shared_ptr<const Entries>, std::shared_ptr<const Values>, std::shared_ptr<const Value>,
                     std::shared_ptr<const Moment>, std::shared_ptr<const Function>>;

    Value() = default;  ///< the missing value

    // What C++ hands over.
    [[nodiscard]] static Value boolean(bool v);
    [[nodiscard]] static Value integer(std::int64_t v, TypeRef type = types::integer());
    [[nodiscard]] static Value natural(std::uint64_t v, TypeRef type);
    [[nodiscard]] static Value number(double v, TypeRef type = types::float64());
    [[nodiscard]] static Value complex(std::complex<double> v);
    [[nodiscard]] static Value text(std::string v, TypeRef type = types::string());
    /// A json.Number: a string that prints exactly as received.
    [[nodiscard]] static Value json_number(std::string v) { return text(std::move(v), types::number()); }
    [[nodiscard]] static Value time(Moment v);
    [[nodiscard]] static Value duration(std::int64_t nanoseconds) { return integer(nanoseconds, types::duration()); }
    /// A Go error; a type that begins with '*' is a pointer, as nearly all are.
    [[nodiscard]] static Value error(std::string text, std::string_view type = "*errors.errorString");
    [[nodiscard]] static Value slice(Values items, TypeRef type);
    [[nodiscard]] static Value strings(const std::vector<std::string>& items);
    /// map[string]string; nil as Go's unset one when there is none.
    [[nodiscard]] static Value labels(const std::map<std::string, std::string>& labels);
    /// Entries may come in any order.
    [[nodiscard]] static Value map(Entries entries, TypeRef type);
    /// A struct: fields in order. Without a type name it is anonymous, and its type text lists the fields.
    [[nodiscard]] static Value structure(std::string_view type, std::vector<std::pair<std::string, Value>> fields);
    [[nodiscard]] static Value structure(TypeRef type, Values fields);
    [[nodiscard]] static Value pointer(Value to);
    /// What a field or element of type `any` holds; a missing value becomes nil.
    [[nodiscard]] static Value any(Value held) { return interface(types::any(), std::move(held)); }
    [[nodiscard]] static Value interface(TypeRef type, Value held);
    [[nodiscard]] static Value function(Function f, TypeRef type);
    /// The zero value of a type: 0, "", nil …
    [[nodiscard]] static Value zero(const TypeRef& type);

    [[nodiscard]] bool valid() const noexcept { return type_ != nullptr; }
    [[nodiscard]] Kind kind() const noexcept { return type_ ? type_->kind : Kind::invalid; }
    [[nodiscard]] const TypeRef& type() const noexcept { return type_; }
    [[nodiscard]] bool addressable() const noexcept { return addressable_; }

    [[nodiscard]] bool as_bool() const { return std::get<bool>(data_); }
    [[nodiscard]] std::int64_t as_int() const { return std::get<std::int64_t>(data_); }
    [[nodiscard]] std::uint64_t as_uint() const { return std::get<std::uint64_t>(data_); }
    [[nodiscard]] double as_float() const { return std::get<double>(data_); }
    [[nodiscard]] std::complex<double> as_complex() const { return std::get<std::complex<double>>(data_); }
    [[nodiscard]] const std::string& as_text() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
    [[nodiscard]] const Moment& as_time() const { return *std::get<std::shared_ptr<const Moment>>(data_); }
    [[nodiscard]] bool is_time() const noexcept { return std::holds_alternative<std::shared_ptr<const Moment>>(data_); }
    [[nodiscard]] const Function& as_function() const { return *std::get<std::shared_ptr<const Function>>(data_); }

    [[nodiscard]] bool is_nil() const noexcept;   ///< missing, or a nil of a kind that has one
    [[nodiscard]] std::size_t length() const;     ///< string (bytes), slice, array, map
    [[nodiscard]] std::size_t capacity() const;   ///< slice, array
    [[nodiscard]] Value at(std::size_t i) const;  ///< slice, array, string (a uint8)
    [[nodiscard]] Value cut(std::size_t from, std::size_t to, std::size_t capacity_to) const;
    [[nodiscard]] const Entries& entries() const;      ///< map, in key order
    [[nodiscard]] Value find(const Value& key) const;  ///< map; missing when absent
    [[nodiscard]] Value field(std::size_t i) const;    ///< structure
    [[nodiscard]] Value held() const;                  ///< what a pointer or an interface points to; missing when nil

    /// Two pointers to the same thing.
    [[nodiscard]] bool shares_with(const Value& other) const noexcept { return data_ == other.data_; }

private:
    Value(TypeRef type, Data data) : type_(std::move(type)), data_(std::move(data)) {}

    TypeRef type_;
    Data data_;
    bool addressable_ = false;
};

/// Through pointers and interfaces to what they lead to; `nil` says that the way ended early.
[[nodiscard]] Value followed(Value v, bool& nil);
/// Out of an interface, if it is one.
[[nodiscard]] Value out_of_interface(const Value& v);
/// Go's truth (section 8 of the facts).
[[nodiscard]] bool truth(const Value& v);
/// Go's order of map keys.
[[nodiscard]] int compare_keys(const Value& a, const Value& b);
/// Go's ==, for what is comparable.
[[nodiscard]] bool same_value(const Value& a, const Value& b);
[[nodiscard]] bool is_comparable(const Type& type);
/// The text of a value with an Error or a String method, directly or behind a pointer.
[[nodiscard]] bool text_by_method(const Value& v, std::string& text);
[[nodiscard]] bool has_text_method(const Type& type);

}  // namespace weir::gotemplate
