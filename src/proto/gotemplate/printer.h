#pragma once
#include <span>
#include <string>
#include <string_view>

#include "proto/gotemplate/value.h"

namespace weir::gotemplate {

struct PrintFlags {
    bool minus = false, plus = false, sharp = false, space = false, zero = false;
    bool plus_v = false, sharp_v = false;  ///< %+v, %#v
    bool has_width = false, has_precision = false;
    std::size_t width = 0, precision = 0;
};

/// The text under way and the flags of the verb under way; the forms of single values.
class Formatter {
public:
    explicit Formatter(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    void write(std::string_view text);
    void write(char c) { write(std::string_view(&c, 1)); }
    void write_rune(char32_t c);
    [[nodiscard]] bool full() const noexcept { return full_; }
    [[nodiscard]] std::string take() { return std::move(out_); }

    void pad(std::string_view text);
    void text(std::string_view s);                  ///< %s
    void quoted_text(std::string_view s);           ///< %q
    void hex_text(std::string_view s, bool upper);  ///< %x
    void boolean(bool v) { pad(v ? "true" : "false"); }
    void integer(std::uint64_t v, unsigned base, bool is_signed, char32_t verb, bool upper);
    void character(std::uint64_t v);         ///< %c
    void quoted_character(std::uint64_t v);  ///< %q
    void unicode(std::uint64_t v);           ///< %U
    void real(double v, bool single, char verb, int precision);

    PrintFlags flags;

private:
    void padding(std::size_t count);

    std::string out_;
    std::size_t max_bytes_;
    bool full_ = false;
};

/// What a verb makes of a value of any kind.
class Printer {
public:
    explicit Printer(std::size_t max_bytes) : f(max_bytes) {}

    void argument(const Value& v, char32_t verb);

    Formatter f;

private:
    void value(const Value& v, char32_t verb, int depth, bool open);
    bool by_method(const Value& v, char32_t verb);
    void bad_verb(char32_t verb);
    void bool_value(bool v, char32_t verb);
    void integer_value(std::uint64_t v, bool is_signed, char32_t verb);
    void hex_with_prefix(std::uint64_t v, bool prefix);
    void float_value(double v, bool single, char32_t verb);
    void complex_value(std::complex<double> v, char32_t verb);
    void string_value(std::string_view v, char32_t verb);
    void bytes_value(const Value& v, char32_t verb);
    void map_value(const Value& v, char32_t verb, int depth, bool open);
    void struct_value(const Value& v, char32_t verb, int depth, bool open);
    void list_value(const Value& v, char32_t verb, int depth, bool open);
    void pointer_value(const Value& v, char32_t verb, int depth, bool open);
    void address(const Value& v, char32_t verb);

    Value argument_;          ///< what a bad verb names
    bool reporting_ = false;  ///< in the text of a bad verb: methods are not asked
};

}  // namespace weir::gotemplate
