#include "proto/seal/reference_jar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "proto/field_reader.h"

namespace weir::seal {
namespace {

constexpr unsigned deepest_pack = 16;
constexpr int timestamp_type = -1;  // MessagePack's own

/// MessagePack, one value after the other. After a failure everything reads as nothing; ok() says so.
class PackReader {
public:
    explicit PackReader(std::string_view bytes) : in_(std::as_bytes(std::span(bytes))) {}

    [[nodiscard]] bool ok() const noexcept { return !bad_ && !in_.short_of(); }

    /// A map's number of entries; nil is an empty one.
    std::size_t map() {
        const auto kind = in_.u8();
        if (kind == 0xc0) return 0;
        std::size_t count = 0;
        if ((kind & 0xf0) == 0x80)
            count = kind & 0x0f;
        else if (kind == 0xde)
            count = in_.u16();
        else if (kind == 0xdf)
            count = in_.u32();
        else
            bad_ = true;
        if (count > in_.rest().size() / 2) bad_ = true;  // each entry takes two bytes at least
        return ok() ? count : 0;
    }

    /// Text or bytes; nothing, and skipped, for another kind.
    std::optional<std::string_view> text() {
        const auto kind = peek();
        std::size_t size = 0;
        if ((kind & 0xe0) == 0xa0)
            in_.skip(1), size = kind & 0x1f;
        else if (kind == 0xd9 || kind == 0xc4)
            in_.skip(1), size = in_.u8();
        else if (kind == 0xda || kind == 0xc5)
            in_.skip(1), size = in_.u16();
        else if (kind == 0xdb || kind == 0xc6)
            in_.skip(1), size = in_.u32();
        else
            return skip(), std::nullopt;
        const auto bytes = in_.bytes(size);
        if (!ok()) return {};
        return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    bool truth() {
        const auto kind = peek();
        skip();
        return kind == 0xc3;
    }

    /// Unix seconds of MessagePack's timestamp; nothing, and skipped, for another kind.
    std::optional<std::int64_t> time() {
        const auto kind = peek();
        const std::size_t size = kind == 0xd6 ? 4 : kind == 0xd7 ? 8 : kind == 0xc7 ? 12 : 0;
        if (size == 0) return skip(), std::nullopt;
        auto ahead = in_;
        ahead.skip(1);
        const bool sized = kind != 0xc7 || ahead.u8() == size;
        if (!sized || static_cast<std::int8_t>(ahead.u8()) != timestamp_type) return skip(), std::nullopt;
        in_ = ahead;
        if (size == 4) return in_.u32();
        if (size == 8) return static_cast<std::int64_t>(in_.u64() & 0x3'ffff'ffff);
        in_.skip(4);
        return static_cast<std::int64_t>(in_.u64());
    }

    void skip(unsigned depth = 0) {
        if (depth > deepest_pack) bad_ = true;
        if (!ok()) return;
        const auto kind = in_.u8();
        if (kind <= 0x7f || kind >= 0xe0 || kind == 0xc0 || kind == 0xc2 || kind == 0xc3) return;
        if (kind <= 0x8f) return skip_many(2u * (kind & 0x0f), depth);
        if (kind <= 0x9f) return skip_many(kind & 0x0f, depth);
        if (kind <= 0xbf) return in_.skip(kind & 0x1f);
        skip_long(kind, depth);
    }

private:
    [[nodiscard]] std::uint8_t peek() const {
        auto ahead = in_;
        return ahead.u8();
    }

    void skip_long(std::uint8_t kind, unsigned depth) {
        switch (kind) {
            case 0xc4:
            case 0xd9:
                return in_.skip(in_.u8());
            case 0xc5:
            case 0xda:
                return in_.skip(in_.u16());
            case 0xc6:
            case 0xdb:
                return in_.skip(in_.u32());
            case 0xc7:
                return in_.skip(in_.u8() + std::size_t{1});
            case 0xc8:
                return in_.skip(in_.u16() + std::size_t{1});
            case 0xc9:
                return in_.skip(in_.u32() + std::size_t{1});
            case 0xca:
            case 0xce:
            case 0xd2:
                return in_.skip(4);
            case 0xcb:
            case 0xcf:
            case 0xd3:
                return in_.skip(8);
            case 0xcc:
            case 0xd0:
                return in_.skip(1);
            case 0xcd:
            case 0xd1:
                return in_.skip(2);
            case 0xd4:
            case 0xd5:
            case 0xd6:
            case 0xd7:
            case 0xd8:
                return in_.skip((std::size_t{1} << (kind - 0xd4)) + 1);
            case 0xdc:
                return skip_many(in_.u16(), depth);
            case 0xdd:
                return skip_many(in_.u32(), depth);
            case 0xde:
                return skip_many(2 * std::size_t{in_.u16()}, depth);
            case 0xdf:
                return skip_many(2 * std::size_t{in_.u32()}, depth);
            default:
                bad_ = true;  // 0xc1: never used
        }
    }

    void skip_many(std::size_t count, unsigned depth) {
        if (count > in_.rest().size()) bad_ = true;
        for (; count > 0 && ok(); --count) skip(depth + 1);
    }

    FieldReader in_;
    bool bad_ = false;
};

struct PackedCookie {
    std::string_view name, value, domain, path;
    bool quoted = false, secure = false, http_only = false, persistent = false, host_only = false;
    std::optional<std::int64_t> expires;
};

PackedCookie read_cookie(PackReader& in) {
    PackedCookie cookie;
    for (auto left = in.map(); left > 0 && in.ok(); --left) {
        const auto field = in.text().value_or("");
        if (field == "Name")
            cookie.name = in.text().value_or("");
        else if (field == "Value")
            cookie.value = in.text().value_or("");
        else if (field == "Domain")
            cookie.domain = in.text().value_or("");
        else if (field == "Path")
            cookie.path = in.text().value_or("");
        else if (field == "Quoted")
            cookie.quoted = in.truth();
        else if (field == "Secure")
            cookie.secure = in.truth();
        else if (field == "HttpOnly" || field == "HTTPOnly")
            cookie.http_only = in.truth();
        else if (field == "Persistent")
            cookie.persistent = in.truth();
        else if (field == "HostOnly")
            cookie.host_only = in.truth();
        else if (field == "Expires")
            cookie.expires = in.time();
        else
            in.skip();
    }
    return cookie;
}

bool fits_a_line(std::string_view field) {
    return std::none_of(field.begin(), field.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void append_line(std::string& out, const PackedCookie& c) {
    const auto domain = c.domain.substr(std::min(c.domain.find_first_not_of('.'), c.domain.size()));
    if (c.name.empty() || domain.empty() || domain.starts_with('#')) return;
    if (!fits_a_line(c.name) || !fits_a_line(c.value) || !fits_a_line(domain) || !fits_a_line(c.path)) return;
    const bool timed = c.persistent && c.expires && *c.expires > 0;
    const auto quote = c.quoted ? "\"" : "";
    out += fmt::format("{}{}{}\t{}\t{}\t{}\t{}\t{}\t{}{}{}\n", c.http_only ? "#HttpOnly_" : "", c.host_only ? "" : ".",
                       domain, c.host_only ? "FALSE" : "TRUE", c.path.empty() ? "/" : c.path,
                       c.secure ? "TRUE" : "FALSE", timed ? *c.expires : 0, c.name, quote, c.value, quote);
}

}  // namespace

Result<std::string> reference_jar_as_netscape(std::string_view packed) {
    PackReader in(packed);
    std::string out;
    for (auto sites = in.map(); sites > 0 && in.ok(); --sites) {
        in.skip();
        for (auto cookies = in.map(); cookies > 0 && in.ok(); --cookies) {
            in.skip();
            const auto cookie = read_cookie(in);
            if (in.ok()) append_line(out, cookie);
        }
    }
    if (!in.ok()) return Error{Errc::bad_input, "not the cookies of the reference"};
    return out;
}

}  // namespace weir::seal
