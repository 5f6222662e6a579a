#include "store/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "store/journal_fields.h"

namespace weir::store::journal {
namespace {

/// Length of the valid UTF-8 sequence at the start of `s`, or 0.
std::size_t utf8_length(std::string_view s) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const auto follows = [&](std::size_t i) { return i < s.size() && (at(i) & 0xC0u) == 0x80; };
    const unsigned lead = at(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (!follows(1) || !follows(2)) return 0;
        if ((lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) >= 0xA0)) return 0;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if ((lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) >= 0x90)) return 0;
        return 4;
    }
    return 0;
}

void append_quoted(std::string& out, std::string_view value) {
    out += '"';
    while (!value.empty()) {
        const char c = value.front();
        const auto length = utf8_length(value);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else if (length == 0) {
            out += "\xEF\xBF\xBD";
        } else {
            out += value.substr(0, length);
        }
        value.remove_prefix(std::max<std::size_t>(1, length));
    }
    out += '"';
}

/// The members of one object, in the order of the calls.
class Writer {
public:
    explicit Writer(std::string& out) : out_(out) {}

    template <class T>
    void need(std::string_view key, const T& value) {
        name(key);
        put(value);
    }
    template <class T>
    void may(std::string_view key, const T& value) {
        need(key, value);
    }
    template <class T>
    void some(std::string_view key, const T& value, const T& usual = T{}) {
        if (value != usual) need(key, value);
    }
    template <class T>
    void some(std::string_view key, const std::optional<T>& value) {
        if (value) need(key, *value);
    }
    template <class T>
    void some(std::string_view key, const Offset<T>& value) {
        some(key, value.value);
    }
    template <class T>
    void with(bool condition, std::string_view key, const T& value) {
        if (condition) need(key, value);
    }
    void object(std::string_view key, const auto& members) {
        name(key);
        put_object(members);
    }

private:
    void name(std::string_view key) {
        if (out_.back() != '{') out_ += ',';
        append_quoted(out_, key);
        out_ += ':';
    }
    template <std::integral T>
    void put(T value) {
        fmt::format_to(std::back_inserter(out_), "{}", value);
    }
    void put(bool value) { out_ += value ? "true" : "false"; }
    void put(Micros value) { put(value.count()); }
    void put(const std::string& value) { append_quoted(out_, value); }
    void put(const Range& r) { fmt::format_to(std::back_inserter(out_), "[{},{}]", r.from, r.to); }
    template <class T>
    void put(const Hash<T>& h) {
        append_quoted(out_, hex16(h.value));
    }
    template <class T>
    void put(const FileName<T>& n) {
        append_quoted(out_, n.value);
    }
    template <class T>
    void put(const Offset<T>& o) {
        put(o.value);
    }
    template <class T, std::size_t N>
    void put(const Word<T, N>& w) {
        append_quoted(out_, w.names[static_cast<std::size_t>(w.value)]);
    }
    template <class T>
    void put(const Times<T>& t) {
        fmt::format_to(std::back_inserter(out_), "[{},{}]", t.from.count(), t.to.count());
    }
    template <class T>
    void put(const std::map<std::string, T>& map) {
        put_object([&](Writer& w) {
            for (const auto& [key, value] : map) w.need(key, value);
        });
    }
    void put(const std::vector<Track>& tracks) {
        out_ += '[';
        for (const auto& t : tracks) {
            if (&t != tracks.data()) out_ += ',';
            put_object([&](Writer& w) { describe(w, t); });
        }
        out_ += ']';
    }
    void put_object(const auto& members) {
        out_ += '{';
        members(*this);
        out_ += '}';
    }

    std::string& out_;
};

}  // namespace

std::string_view name_of(Final::Step step) noexcept {
    return step_names[static_cast<std::size_t>(step)];
}

std::string format(const Line& line) {
    std::string out;
    out.reserve(256);
    out = R"({"k":)";
    const auto* other = std::get_if<Other>(&line);
    append_quoted(out, other ? std::string_view(other->kind) : line_names[line.index()]);
    Writer writer(out);
    std::visit(
        [&writer](const auto& l) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(l)>, Other>) describe(writer, l);
        },
        line);
    const auto sum = content_hash(std::as_bytes(std::span(out)));
    out += R"(,"c":")";
    out += hex16(sum);
    out += "\"}\n";
    return out;
}

}  // namespace weir::store::journal
