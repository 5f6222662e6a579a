#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/ids.h"
#include "store/journal_fields.h"

namespace weir::store::journal {
namespace {

namespace json = boost::json;
constexpr std::size_t check_bytes = 24;  // ,"c":"0123456789abcdef"}

constexpr std::uint64_t beyond_any_file = 1ull << 62;

/// Reads members of one object and remembers the first complaint.
class Reader {
public:
    explicit Reader(const json::object& o) : o_(o) {}
    [[nodiscard]] const std::optional<Error>& complaint() const { return complaint_; }

    template <class T>
    void need(std::string_view key, T&& into) {
        with(true, key, into);
    }
    template <class T>
    void may(std::string_view key, T&& into) {
        with(false, key, into);
    }
    template <class T>
    void some(std::string_view key, T&& into) {
        with(false, key, into);
    }
    void some(std::string_view key, bool& into, bool usual) {
        into = usual;
        with(false, key, into);
    }
    template <class T>
    void with(bool wanted, std::string_view key, T&& into) {
        const auto* v = o_.if_contains(key);
        if (v)
            get(key, *v, into);
        else if (wanted)
            complain(key, "is missing");
    }
    void object(std::string_view key, const auto& members) {
        const auto* v = o_.if_contains(key);
        if (!v) return complain(key, "is missing");
        read_object(key, *v, members);
    }

private:
    void complain(std::string_view key, std::string_view what) {
        if (!complaint_) complaint_ = Error{Errc::bad_input, fmt::format("'{}' {}", key, what)};
    }
    void read_object(std::string_view key, const json::value& v, const auto& members) {
        const auto* o = v.if_object();
        if (!o) return complain(key, "is not an object");
        Reader inner(*o);
        members(inner);
        if (inner.complaint_) complain(key, inner.complaint_->what);
    }

    template <std::integral T>
    void get(std::string_view key, const json::value& v, T& into) {
        json::error_code ec;
        const auto n = v.is_number() && !v.is_double() ? v.to_number<T>(ec) : T{};
        if (ec || !v.is_number() || v.is_double()) return complain(key, "is not a number in range");
        into = n;
    }
    void get(std::string_view key, const json::value& v, bool& into) {
        if (!v.is_bool()) return complain(key, "is not true or false");
        into = v.get_bool();
    }
    template <class T>
    void get(std::string_view key, const json::value& v, std::optional<T>& into) {
        T value{};
        get(key, v, value);
        into = value;
    }
    void get(std::string_view key, const json::value& v, Micros& into) {
        constexpr std::int64_t century = 100ll * 366 * 86400 * 1'000'000;
        std::int64_t n = 0;
        get(key, v, n);
        if (n < -century || n > century) complain(key, "is not a time in range");
        into = Micros(std::clamp(n, -century, century));
    }
    void get(std::string_view key, const json::value& v, std::string& into) {
        if (!v.is_string()) return complain(key, "is not text");
        into = std::string(std::string_view(v.get_string()));
    }
    /// A bare file name: nothing that could leave the journal's folder.
    void get(std::string_view key, const json::value& v, FileName<std::string>& name) {
        auto& into = name.value;
        get(key, v, into);
        if (into.empty() || into == "." || into == ".." || into.size() > 255 || into.find('/') != std::string::npos ||
            into.find('\0') != std::string::npos)
            complain(key, "is not a bare file name");
    }
    void get(std::string_view key, const json::value& v, Hash<std::uint64_t>& hash) {
        std::string hex;
        get(key, v, hex);
        if (auto r = parse_hex16(hex); r)
            hash.value = *r;
        else
            complain(key, "is not a hash");
    }
    void get(std::string_view key, const json::value& v, Offset<std::uint64_t>& offset) {
        get(key, v, offset.value);
        if (offset.value > beyond_any_file) complain(key, "is beyond any file");
    }
    template <class E, std::size_t N>
    void get(std::string_view key, const json::value& v, Word<E, N>& word) {
        std::string name;
        get(key, v, name);
        for (std::size_t i = 0; i < N; ++i) {
            if (word.names[i] != name) continue;
            word.value = static_cast<E>(i);
            return;
        }
        complain(key, "is not a known word");
    }
    const json::array* pair(std::string_view key, const json::value& v) {
        const auto* a = v.if_array();
        if (a && a->size() == 2) return a;
        complain(key, "is not a pair of numbers");
        return nullptr;
    }
    void get(std::string_view key, const json::value& v, Range& into) {
        const auto* a = pair(key, v);
        if (!a) return;
        Range r;
        get(key, (*a)[0], r.from);
        get(key, (*a)[1], r.to);
        if (r.to < r.from) return complain(key, "is not a range");
        into = r;
    }
    void get(std::string_view key, const json::value& v, Times<Micros>& into) {
        const auto* a = pair(key, v);
        if (!a) return;
        get(key, (*a)[0], into.from);
        get(key, (*a)[1], into.to);
    }
    /// Template data: what is no text is left out.
    void get(std::string_view key, const json::value& v, std::map<std::string, std::string>& into) {
        const auto* o = v.if_object();
        if (!o) return complain(key, "is not an object");
        for (const auto& member : *o)
            if (member.value().is_string()) get(key, member.value(), into[std::string(std::string_view(member.key()))]);
    }
    void get(std::string_view key, const json::value& v, std::map<std::string, std::uint64_t>& into) {
        const auto* o = v.if_object();
        if (!o) return complain(key, "is not an object");
        for (const auto& member : *o) get(key, member.value(), into[std::string(std::string_view(member.key()))]);
    }
    void get(std::string_view key, const json::value& v, std::vector<Track>& into) {
        if (!v.is_array() || v.get_array().size() > 256) return complain(key, "is not a short array");
        for (const auto& item : v.get_array())
            read_object(key, item, [&](Reader& r) { describe(r, into.emplace_back()); });
    }

    const json::object& o_;
    std::optional<Error> complaint_;
};

template <std::size_t I = 0>
Result<Line> read_line(std::string_view kind, Reader& reader) {
    if constexpr (I == std::size(line_names)) {
        return Line(Other{std::string(kind)});
    } else {
        if (kind != line_names[I]) return read_line<I + 1>(kind, reader);
        std::variant_alternative_t<I, Line> line;
        describe(reader, line);
        if (reader.complaint()) return *reader.complaint();
        return Line(std::move(line));
    }
}

}  // namespace

Result<Line> parse(std::string_view text) {
    if (text.size() > max_line) return Error{Errc::bad_input, fmt::format("line above {} bytes", max_line)};
    constexpr std::string_view before_hash = R"(,"c":")", after_hash = "\"}";
    if (text.size() < check_bytes + 2 || !text.ends_with(after_hash))
        return Error{Errc::bad_input, "line without checksum"};
    const auto body = text.substr(0, text.size() - check_bytes);
    const auto check = text.substr(body.size());
    if (!check.starts_with(before_hash)) return Error{Errc::bad_input, "line without checksum"};
    const auto sum = parse_hex16(check.substr(before_hash.size(), 16));
    if (!sum || *sum != content_hash(std::as_bytes(std::span(body))))
        return Error{Errc::bad_input, "checksum does not match"};

    json::parse_options options;
    options.max_depth = 8;
    json::error_code ec;
    unsigned char memory[16384];
    json::monotonic_resource resource(memory, sizeof memory);
    const auto value = json::parse(json::string_view(text.data(), text.size()), ec, &resource, options);
    if (ec) return Error{Errc::bad_input, "not JSON: " + ec.message()};
    if (!value.is_object()) return Error{Errc::bad_input, "not a JSON object"};
    Reader reader(value.get_object());
    std::string kind;
    reader.need("k", kind);
    if (reader.complaint()) return *reader.complaint();
    auto line = read_line(kind, reader);
    if (!line) return within(kind, line.error());
    const auto* open = std::get_if<Open>(&*line);
    if (open && open->v > version)
        return within(kind, Error{Errc::unsupported,
                                  fmt::format("version {} is newer than this program knows ({})", open->v, version)});
    return line;
}

}  // namespace weir::store::journal
