#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "base/time.h"

/// Two writers of one shape, so that each message is described once: every call names the field's number and its JSON name.
/// What holds nothing (0, false, "", no items) is left out, as protobuf does, but by always_… and message().
/// (internal to proto/otlp)
namespace weir::otlp {

[[nodiscard]] inline std::uint64_t unix_nanos(WallTime t) {
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
    return static_cast<std::uint64_t>(std::max<decltype(since)>(since, 0));
}

class BinaryWriter {
public:
    explicit BinaryWriter(std::string& out) : to_(out) {}

    void text(std::uint32_t number, const char*, std::string_view value) {
        if (!value.empty()) to_.add_string(number, valid_utf8(value));
    }
    void always_text(std::uint32_t number, const char*, std::string_view value) {
        to_.add_string(number, valid_utf8(value));
    }
    void id(std::uint32_t number, const char*, std::span<const std::uint8_t> bytes) {
        to_.add_bytes(number, reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void small(std::uint32_t number, const char*, std::uint32_t value) {
        if (value != 0) to_.add_uint32(number, value);
    }
    void small_fixed(std::uint32_t number, const char*, std::uint32_t value) {
        if (value != 0) to_.add_fixed32(number, value);
    }
    void small_signed(std::uint32_t number, const char*, std::int32_t value) {
        if (value != 0) to_.add_sint32(number, value);
    }
    void truth(std::uint32_t number, const char*, bool value) {
        if (value) to_.add_bool(number, true);
    }
    void always_truth(std::uint32_t number, const char*, bool value) { to_.add_bool(number, value); }
    void always_integer(std::uint32_t number, const char*, std::int64_t value) { to_.add_int64(number, value); }
    void fixed(std::uint32_t number, const char*, std::uint64_t value) {
        if (value != 0) to_.add_fixed64(number, value);
    }
    void always_fixed_signed(std::uint32_t number, const char*, std::int64_t value) { to_.add_sfixed64(number, value); }
    void always_real(std::uint32_t number, const char*, double value) { to_.add_double(number, value); }
    void all_fixed(std::uint32_t number, const char*, const std::vector<std::uint64_t>& values) {
        to_.add_packed_fixed64(number, values.begin(), values.end());
    }
    void all_integers(std::uint32_t number, const char*, const std::vector<std::uint64_t>& values) {
        to_.add_packed_uint64(number, values.begin(), values.end());
    }
    void all_reals(std::uint32_t number, const char*, const std::vector<double>& values) {
        to_.add_packed_double(number, values.begin(), values.end());
    }

    template <class Write>
    void message(std::uint32_t number, const char*, Write write) {
        // By way of a string: protozero takes an empty submessage back, and an unset status is one.
        std::string inside;
        BinaryWriter to(inside);
        write(to);
        to_.add_message(number, inside);
    }
    template <class Items, class Write>
    void list(std::uint32_t number, const char* name, const Items& items, Write write) {
        for (const auto& item : items) message(number, name, [&](BinaryWriter& to) { write(to, item); });
    }

private:
    protozero::pbf_writer to_;
};

/// 64 bits as text, ids in hex, enums as integers (telemetry.md 3.3).
class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    void text(std::uint32_t number, const char* name, std::string_view value) {
        if (!value.empty()) always_text(number, name, value);
    }
    void always_text(std::uint32_t, const char* name, std::string_view value) { key(name) += json_quoted(value); }
    void id(std::uint32_t, const char* name, std::span<const std::uint8_t> bytes) {
        key(name) += '"';
        for (const auto b : bytes) fmt::format_to(std::back_inserter(out_), "{:02x}", b);
        out_ += '"';
    }
    void small(std::uint32_t, const char* name, std::uint32_t value) {
        if (value != 0) key(name) += std::to_string(value);
    }
    void small_fixed(std::uint32_t number, const char* name, std::uint32_t value) { small(number, name, value); }
    void small_signed(std::uint32_t, const char* name, std::int32_t value) {
        if (value != 0) key(name) += std::to_string(value);
    }
    void truth(std::uint32_t number, const char* name, bool value) {
        if (value) always_truth(number, name, true);
    }
    void always_truth(std::uint32_t, const char* name, bool value) { key(name) += value ? "true" : "false"; }
    void always_integer(std::uint32_t, const char* name, std::int64_t value) {
        fmt::format_to(std::back_inserter(key(name)), "\"{}\"", value);
    }
    void fixed(std::uint32_t, const char* name, std::uint64_t value) {
        if (value != 0) fmt::format_to(std::back_inserter(key(name)), "\"{}\"", value);
    }
    void always_fixed_signed(std::uint32_t number, const char* name, std::int64_t value) {
        always_integer(number, name, value);
    }
    void always_real(std::uint32_t, const char* name, double value) {
        key(name);
        real(value);
    }
    void all_fixed(std::uint32_t, const char* name, const std::vector<std::uint64_t>& values) {
        all(name, values, [&](std::uint64_t one) { fmt::format_to(std::back_inserter(out_), "\"{}\"", one); });
    }
    void all_integers(std::uint32_t number, const char* name, const std::vector<std::uint64_t>& values) {
        all_fixed(number, name, values);
    }
    void all_reals(std::uint32_t, const char* name, const std::vector<double>& values) {
        all(name, values, [&](double one) { real(one); });
    }

    template <class Write>
    void message(std::uint32_t, const char* name, Write write) {
        key(name);
        object(write);
    }
    template <class Items, class Write>
    void list(std::uint32_t, const char* name, const Items& items, Write write) {
        all(name, items, [&](const auto& item) { object([&](JsonWriter& to) { write(to, item); }); });
    }
    template <class Write>
    void object(Write write) {
        out_ += '{';
        JsonWriter inside(out_);
        write(inside);
        out_ += '}';
    }

private:
    std::string& key(const char* name) {
        if (!first_) out_ += ',';
        first_ = false;
        fmt::format_to(std::back_inserter(out_), "\"{}\":", name);
        return out_;
    }
    void real(double value) {
        if (std::isnan(value))
            out_ += "\"NaN\"";
        else if (std::isinf(value))
            out_ += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        else
            fmt::format_to(std::back_inserter(out_), "{}", value);
    }
    template <class Items, class Write>
    void all(const char* name, const Items& items, Write write) {
        if (std::empty(items)) return;
        key(name) += '[';
        for (bool first = true; const auto& item : items) {
            if (!first) out_ += ',';
            first = false;
            write(item);
        }
        out_ += ']';
    }

    std::string& out_;
    bool first_ = true;
};

/// The message that `write` (a generic lambda over both writers) describes.
template <class Write>
[[nodiscard]] std::string written(bool as_json, Write write) {
    std::string out;
    if (as_json) {
        JsonWriter to(out);
        to.object([&](JsonWriter& inside) { write(inside); });
    } else {
        BinaryWriter to(out);
        write(to);
    }
    return out;
}

}  // namespace weir::otlp
