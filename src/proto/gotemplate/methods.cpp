#include "proto/gotemplate/methods.h"

#include <fmt/format.h>

#include <map>

#include "base/numbers.h"
#include "proto/gotemplate/go_time.h"
#include "proto/gotemplate/number.h"
#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

using Arguments = std::span<const Value>;
using Table = std::map<std::string_view, Method>;
using Run = decltype(Method::run);

/// Wraps a plain function of a value and its arguments that cannot fail.
template <Value (*f)(const Value&, Arguments)>
bool sure(const Value& receiver, Arguments arguments, Value& result, std::string&) {
    result = f(receiver, arguments);
    return true;
}

Value int_value(std::int64_t v) {
    return Value::integer(v);
}
Value int64_value(std::int64_t v) {
    return Value::integer(v, types::int64());
}

bool run_text(const Value& receiver, Arguments, Value& result, std::string&) {
    std::string text;
    (void)text_by_method(receiver, text);
    result = Value::text(std::move(text));
    return true;
}

template <int Calendar::*part>
Value calendar_part(const Value& v, Arguments) {
    return int_value(calendar_of(v.as_time()).*part);
}
Value time_year(const Value& v, Arguments) {
    return int_value(calendar_of(v.as_time()).year);
}
Value time_month(const Value& v, Arguments) {
    return Value::integer(calendar_of(v.as_time()).month, types::month());
}
Value time_weekday(const Value& v, Arguments) {
    return Value::integer(calendar_of(v.as_time()).weekday, types::weekday());
}
Value time_nanosecond(const Value& v, Arguments) {
    return int_value(v.as_time().nanos);
}
Value time_format(const Value& v, Arguments a) {
    return Value::text(format_time(v.as_time(), a[0].as_text()));
}

/// Wrapping, as Go's integers do.
std::int64_t unix_units(const Moment& m, std::uint64_t per_second) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(m.seconds) * per_second +
                                     static_cast<std::uint64_t>(m.nanos) / (1'000'000'000 / per_second));
}
template <std::uint64_t per_second>
Value time_unix(const Value& v, Arguments) {
    return int64_value(unix_units(v.as_time(), per_second));
}
Value time_utc(const Value& v, Arguments) {
    Moment m = v.as_time();
    m.offset = 0;
    m.zone = "UTC";
    return Value::time(std::move(m));
}
Value time_local(const Value& v, Arguments) {
    return Value::time(in_local_zone(v.as_time()));
}
Value time_add(const Value& v, Arguments a) {
    return Value::time(added(v.as_time(), a[0].as_int()));
}
Value time_sub(const Value& v, Arguments a) {
    return Value::duration(difference(v.as_time(), a[0].as_time()));
}

bool time_add_date(const Value& v, Arguments a, Value& result, std::string& error) {
    constexpr std::int64_t most = 100'000'000;  // far more than any year that can be written
    for (const auto& step : a)
        if (step.as_int() > most || step.as_int() < -most) return error = "date out of range", false;
    const auto c = calendar_of(v.as_time());
    Moment m = moment_of(c.year + a[0].as_int(), c.month + a[1].as_int(), c.day + a[2].as_int(), c.hour, c.minute,
                         c.second, v.as_time());
    m.nanos = v.as_time().nanos;
    result = Value::time(std::move(m));
    return true;
}
template <bool nearest>
Value time_step(const Value& v, Arguments a) {
    return Value::time(stepped(v.as_time(), a[0].as_int(), nearest));
}
Value time_is_zero(const Value& v, Arguments) {
    return Value::boolean(compare(v.as_time(), zero_moment()) == 0);
}
Value time_before(const Value& v, Arguments a) {
    return Value::boolean(compare(v.as_time(), a[0].as_time()) < 0);
}
Value time_after(const Value& v, Arguments a) {
    return Value::boolean(compare(v.as_time(), a[0].as_time()) > 0);
}
Value time_equal(const Value& v, Arguments a) {
    return Value::boolean(compare(v.as_time(), a[0].as_time()) == 0);
}
Value time_compare(const Value& v, Arguments a) {
    return int_value(compare(v.as_time(), a[0].as_time()));
}

Table time_methods() {
    return {{"String", {{}, run_text}},
            {"Format", {{types::string()}, sure<time_format>}},
            {"Unix", {{}, sure<time_unix<1>>}},
            {"UnixMilli", {{}, sure<time_unix<1000>>}},
            {"UnixMicro", {{}, sure<time_unix<1000000>>}},
            {"UnixNano", {{}, sure<time_unix<1000000000>>}},
            {"Year", {{}, sure<time_year>}},
            {"Month", {{}, sure<time_month>}},
            {"Day", {{}, sure<calendar_part<&Calendar::day>>}},
            {"Hour", {{}, sure<calendar_part<&Calendar::hour>>}},
            {"Minute", {{}, sure<calendar_part<&Calendar::minute>>}},
            {"Second", {{}, sure<calendar_part<&Calendar::second>>}},
            {"Nanosecond", {{}, sure<time_nanosecond>}},
            {"YearDay", {{}, sure<calendar_part<&Calendar::year_day>>}},
            {"Weekday", {{}, sure<time_weekday>}},
            {"UTC", {{}, sure<time_utc>}},
            {"Local", {{}, sure<time_local>}},
            {"Add", {{types::duration()}, sure<time_add>}},
            {"Sub", {{types::time()}, sure<time_sub>}},
            {"AddDate", {{types::integer(), types::integer(), types::integer()}, time_add_date}},
            {"Truncate", {{types::duration()}, sure<time_step<false>>}},
            {"Round", {{types::duration()}, sure<time_step<true>>}},
            {"IsZero", {{}, sure<time_is_zero>}},
            {"Before", {{types::time()}, sure<time_before>}},
            {"After", {{types::time()}, sure<time_after>}},
            {"Equal", {{types::time()}, sure<time_equal>}},
            {"Compare", {{types::time()}, sure<time_compare>}}};
}

/// Whole units and the rest apart, as Go computes them.
template <std::int64_t unit>
Value duration_in(const Value& v, Arguments) {
    const auto d = v.as_int();
    return Value::number(static_cast<double>(d / unit) + static_cast<double>(d % unit) / static_cast<double>(unit));
}
template <std::int64_t unit>
Value duration_whole(const Value& v, Arguments) {
    return int64_value(v.as_int() / unit);
}
template <bool nearest>
Value duration_step(const Value& v, Arguments a) {
    return Value::duration(stepped_duration(v.as_int(), a[0].as_int(), nearest));
}
Value duration_abs(const Value& v, Arguments) {
    const auto d = v.as_int();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    return Value::duration(d >= 0 ? d : d == least ? std::numeric_limits<std::int64_t>::max() : -d);
}

Table duration_methods() {
    return {{"String", {{}, run_text}},
            {"Seconds", {{}, sure<duration_in<1'000'000'000>>}},
            {"Minutes", {{}, sure<duration_in<60'000'000'000>>}},
            {"Hours", {{}, sure<duration_in<3'600'000'000'000>>}},
            {"Milliseconds", {{}, sure<duration_whole<1'000'000>>}},
            {"Microseconds", {{}, sure<duration_whole<1000>>}},
            {"Nanoseconds", {{}, sure<duration_whole<1>>}},
            {"Round", {{types::duration()}, sure<duration_step<true>>}},
            {"Truncate", {{types::duration()}, sure<duration_step<false>>}},
            {"Abs", {{}, sure<duration_abs>}}};
}

bool number_int(const Value& v, Arguments, Value& result, std::string& error) {
    std::string_view digits = v.as_text();
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    const bool good = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
    const auto parsed = good ? parse_int((negative ? "-" : "") + std::string(digits)) : Result<std::int64_t>(Error{});
    if (!parsed) {
        error = fmt::format("strconv.ParseInt: parsing {}: {}", quoted(v.as_text()),
                            good ? "value out of range" : "invalid syntax");
        return false;
    }
    result = int64_value(*parsed);
    return true;
}

bool number_float(const Value& v, Arguments, Value& result, std::string& error) {
    const auto parsed = parse_go_float(v.as_text());
    if (!parsed) {
        const bool digits = v.as_text().find_first_of("0123456789") != std::string::npos;
        const bool form = v.as_text().find_first_not_of("0123456789.+-eE") == std::string::npos;
        error =
            fmt::format("strconv.ParseFloat: parsing {}: {}", quoted(v.as_text()),
                        digits && form && v.as_text().find_first_of("eE") != std::string::npos ? "value out of range"
                                                                                               : "invalid syntax");
        return false;
    }
    result = Value::number(*parsed);
    return true;
}

const Table& methods_of(Methods set) {
    static const Table none,
        time = time_methods(), duration = duration_methods(), text{{"String", {{}, run_text}}},
        error{{"Error", {{}, run_text}}},
        number{{"String", {{}, run_text}}, {"Int64", {{}, number_int}}, {"Float64", {{}, number_float}}};
    switch (set) {
        case Methods::none:
            return none;
        case Methods::time:
            return time;
        case Methods::duration:
            return duration;
        case Methods::number:
            return number;
        case Methods::error:
            return error;
        default:
            return text;
    }
}

}  // namespace

const Method* find_method(const Type& type, std::string_view name) {
    const Type& base = type.kind == Kind::pointer ? *type.elem : type;
    if (type.kind == Kind::pointer && (base.kind == Kind::pointer || base.kind == Kind::interface)) return nullptr;
    const auto& table = methods_of(base.methods);
    const auto at = table.find(name);
    return at == table.end() ? nullptr : &at->second;
}

}  // namespace weir::gotemplate
