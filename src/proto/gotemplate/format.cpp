#include "proto/gotemplate/format.h"

#include <optional>

#include "proto/gotemplate/printer.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

constexpr std::int64_t largest_number = 1'000'000;  // for widths, precisions and argument numbers

bool is_text(const Value& v) {
    return v.kind() == Kind::string;
}

/// Go's Printf over one format.
class FormatRun {
public:
    FormatRun(std::string_view format, std::span<const Value> values, std::size_t max_bytes)
        : format_(format), values_(values), p_(max_bytes) {}

    bool run(std::string& out) {
        while (at_ < format_.size() && !p_.f.full()) {
            const auto percent = std::min(format_.find('%', at_), format_.size());
            p_.f.write(format_.substr(at_, percent - at_));
            at_ = percent;
            if (at_ >= format_.size()) break;
            ++at_;
            if (!directive()) break;
        }
        surplus();
        if (p_.f.full()) return false;
        out = p_.f.take();
        return true;
    }

private:
    bool more() const { return at_ < format_.size(); }
    bool next_is(char c) const { return more() && format_[at_] == c; }

    void read_flags() {
        auto& flags = p_.f.flags;
        flags = {};
        for (; more(); ++at_) {
            switch (format_[at_]) {
                case '#':
                    flags.sharp = true;
                    break;
                case '0':
                    flags.zero = true;
                    break;
                case '+':
                    flags.plus = true;
                    break;
                case '-':
                    flags.minus = true;
                    break;
                case ' ':
                    flags.space = true;
                    break;
                default:
                    return;
            }
        }
    }

    /// Decimal digits; nothing when there are none or too many (then everything is passed).
    std::optional<std::int64_t> read_number(std::size_t end) {
        std::int64_t number = 0;
        bool any = false;
        for (; at_ < end && format_[at_] >= '0' && format_[at_] <= '9'; ++at_) {
            if (number > largest_number) {
                at_ = end;
                return std::nullopt;
            }
            number = number * 10 + (format_[at_] - '0');
            any = true;
        }
        return any ? std::optional(number) : std::nullopt;
    }

    /// "[n]" chooses the next argument.
    void read_index() {
        after_index_ = false;
        if (!next_is('[')) return;
        reordered_ = true;
        const auto close = format_.size() - at_ < 3 ? format_.npos : format_.find(']', at_ + 1);
        if (close == format_.npos) {
            good_index_ = false;
            ++at_;
            return;
        }
        ++at_;
        const auto number = read_number(close);
        const bool well_formed = number && at_ == close;
        at_ = close + 1;
        after_index_ = well_formed;
        if (well_formed && *number >= 1 && static_cast<std::size_t>(*number) <= values_.size())
            argument_ = static_cast<std::size_t>(*number - 1);
        else
            good_index_ = false;
    }

    /// The argument of '*'.
    std::optional<std::int64_t> read_star() {
        ++at_;
        after_index_ = false;
        if (argument_ >= values_.size()) return std::nullopt;
        const Value v = out_of_interface(values_[argument_++]);
        std::int64_t number = 0;
        if (is_signed(v.kind()))
            number = v.as_int();
        else if (is_unsigned(v.kind()) && v.as_uint() <= static_cast<std::uint64_t>(largest_number))
            number = static_cast<std::int64_t>(v.as_uint());
        else
            return std::nullopt;
        if (number > largest_number || number < -largest_number) return std::nullopt;
        return number;
    }

    void read_width() {
        auto& flags = p_.f.flags;
        if (!next_is('*')) {
            const auto number = read_number(format_.size());
            flags.has_width = number.has_value();
            flags.width = static_cast<std::size_t>(number.value_or(0));
            if (after_index_ && flags.has_width) good_index_ = false;
            return;
        }
        auto number = read_star();
        flags.has_width = number.has_value();
        if (!number) p_.f.write("%!(BADWIDTH)");
        if (number && *number < 0) {
            number = -*number;
            flags.minus = true;
            flags.zero = false;
        }
        flags.width = static_cast<std::size_t>(number.value_or(0));
    }

    void read_precision() {
        if (!next_is('.')) return;
        ++at_;
        auto& flags = p_.f.flags;
        if (after_index_) good_index_ = false;
        read_index();
        if (next_is('*')) {
            const auto number = read_star();
            flags.has_precision = number && *number >= 0;
            flags.precision = flags.has_precision ? static_cast<std::size_t>(*number) : 0;
            if (!flags.has_precision) p_.f.write("%!(BADPREC)");
        } else {
            flags.precision = static_cast<std::size_t>(read_number(format_.size()).value_or(0));
            flags.has_precision = true;
        }
    }

    /// One verb with all that stands before it; false at the end of the format.
    bool directive() {
        good_index_ = true;
        read_flags();
        read_index();
        read_width();
        read_precision();
        if (!after_index_) read_index();
        if (!more()) {
            p_.f.write("%!(NOVERB)");
            return false;
        }
        const auto rune = first_rune(format_.substr(at_));
        at_ += rune.bytes;
        verb(rune.point);
        return true;
    }

    void verb(char32_t verb) {
        if (verb == '%') return p_.f.write('%');
        if (!good_index_) return complain(verb, "(BADINDEX)");
        if (argument_ >= values_.size()) return complain(verb, "(MISSING)");
        auto& flags = p_.f.flags;
        if (verb == 'v') {
            flags.sharp_v = std::exchange(flags.sharp, false);
            flags.plus_v = std::exchange(flags.plus, false);
        }
        p_.argument(values_[argument_++], verb);
    }

    void complain(char32_t verb, std::string_view what) {
        p_.f.write("%!");
        p_.f.write_rune(verb);
        p_.f.write(what);
    }

    void surplus() {
        if (reordered_ || argument_ >= values_.size()) return;
        p_.f.flags = {};
        p_.f.write("%!(EXTRA ");
        for (std::size_t i = argument_; i < values_.size() && !p_.f.full(); ++i) {
            if (i > argument_) p_.f.write(", ");
            const Value v = out_of_interface(values_[i]);
            if (v.valid()) {
                p_.f.write(v.type()->name);
                p_.f.write('=');
                p_.argument(v, 'v');
            } else {
                p_.f.write("<nil>");
            }
        }
        p_.f.write(')');
    }

    std::string_view format_;
    std::span<const Value> values_;
    Printer p_;
    std::size_t at_ = 0, argument_ = 0;
    bool good_index_ = true, after_index_ = false, reordered_ = false;
};

}  // namespace

bool print_values(std::span<const Value> values, std::size_t max_bytes, std::string& out) {
    Printer p(max_bytes);
    bool text_before = true;
    for (std::size_t i = 0; i < values.size() && !p.f.full(); ++i) {
        const bool text = is_text(out_of_interface(values[i]));
        if (i > 0 && !text && !text_before) p.f.write(' ');
        p.argument(values[i], 'v');
        text_before = text;
    }
    out = p.f.take();
    return !p.f.full();
}

bool print_line(std::span<const Value> values, std::size_t max_bytes, std::string& out) {
    Printer p(max_bytes);
    for (std::size_t i = 0; i < values.size() && !p.f.full(); ++i) {
        if (i > 0) p.f.write(' ');
        p.argument(values[i], 'v');
    }
    p.f.write('\n');
    out = p.f.take();
    return !p.f.full();
}

bool print_format(std::string_view format, std::span<const Value> values, std::size_t max_bytes, std::string& out) {
    return FormatRun(format, values, max_bytes).run(out);
}

std::string text_of(const Value& v, char verb) {
    constexpr std::size_t most = 65536;
    const Value values[] = {v};
    const char format[] = {'%', verb, '\0'};
    std::string out;
    if (!print_format(format, values, most, out)) return "…";
    return out;
}

}  // namespace weir::gotemplate
