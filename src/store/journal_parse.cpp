#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/ids.h"
#include "store/journal.h"
#include "store/journal_words.h"

namespace weir::store::journal {
namespace {

namespace json = boost::json;
constexpr std::size_t check_bytes = 24;  // ,"c":"0123456789abcdef"}

/// Reads members of one object and remembers the first complaint.
class Fields {
public:
    explicit Fields(const json::object& o) : o_(o) {}
    [[nodiscard]] const std::optional<Error>& complaint() const { return complaint_; }
    void complain(std::string_view key, std::string_view what) {
        if (!complaint_) complaint_ = Error{Errc::bad_input, fmt::format("'{}' {}", key, what)};
    }

    template <class T>
    void number(std::string_view key, T& into, bool wanted = true) {
        const auto* v = find(key, wanted);
        if (!v) return;
        json::error_code ec;
        const auto n = v->is_number() && !v->is_double() ? v->to_number<T>(ec) : T{};
        if (ec || !v->is_number() || v->is_double()) return complain(key, "is not a number in range");
        into = n;
    }
    template <class T>
    void number(std::string_view key, std::optional<T>& into) {
        if (!o_.if_contains(key)) return;
        T value{};
        number(key, value);
        into = value;
    }
    void time(std::string_view key, Micros& into, bool wanted = false) {
        std::int64_t n = into.count();
        number(key, n, wanted);
        into = in_range(key, n);
    }
    void time(std::string_view key, std::optional<Micros>& into) {
        if (!o_.if_contains(key)) return;
        Micros t{0};
        time(key, t);
        into = t;
    }
    void text(std::string_view key, std::string& into, bool wanted = true) {
        const auto* v = find(key, wanted);
        if (!v) return;
        if (!v->is_string()) return complain(key, "is not text");
        into = std::string(std::string_view(v->get_string()));
    }
    /// A bare file name: nothing that could leave the journal's folder.
    void file_name(std::string_view key, std::string& into, bool wanted = true) {
        text(key, into, wanted);
        if (into.empty() && !wanted) return;
        if (into.empty() || into == "." || into == ".." || into.size() > 255 || into.find('/') != std::string::npos ||
            into.find('\0') != std::string::npos)
            complain(key, "is not a bare file name");
    }
    void hash(std::string_view key, std::uint64_t& into, bool wanted = true) {
        std::string hex;
        text(key, hex, wanted);
        if (hex.empty() && !wanted) return;
        if (auto r = parse_hex16(hex); r)
            into = *r;
        else
            complain(key, "is not a hash");
    }
    void flag(std::string_view key, bool& into) {
        const auto* v = find(key, false);
        if (!v) return;
        if (!v->is_bool()) return complain(key, "is not true or false");
        into = v->get_bool();
    }
    void range(std::string_view key, Range& into) {
        std::int64_t from = 0, to = 0;
        if (!pair(key, from, to)) return;
        if (from < 0 || to < from) return complain(key, "is not a range");
        into = {static_cast<std::uint64_t>(from), static_cast<std::uint64_t>(to)};
    }
    bool pair(std::string_view key, std::int64_t& from, std::int64_t& to) {
        const auto* v = find(key, true);
        if (!v) return false;
        const auto* a = v->if_array();
        json::error_code ec, ec2;
        if (a && a->size() == 2 && (*a)[0].is_number() && (*a)[1].is_number()) {
            from = (*a)[0].to_number<std::int64_t>(ec);
            to = (*a)[1].to_number<std::int64_t>(ec2);
            if (!ec && !ec2) return true;
        }
        complain(key, "is not a pair of numbers");
        return false;
    }
    template <class E, std::size_t N>
    void choice(std::string_view key, E& into, const std::string_view (&names)[N]) {
        std::string name;
        text(key, name);
        for (std::size_t i = 0; i < N; ++i) {
            if (names[i] != name) continue;
            into = static_cast<E>(i);
            return;
        }
        complain(key, "is not a known word");
    }
    [[nodiscard]] const json::value* find(std::string_view key, bool wanted) {
        const auto* v = o_.if_contains(key);
        if (!v && wanted) complain(key, "is missing");
        return v;
    }
    Micros in_range(std::string_view key, std::int64_t n) {
        constexpr std::int64_t century = 100ll * 366 * 86400 * 1'000'000;
        if (n < -century || n > century) complain(key, "is not a time in range");
        return Micros(std::clamp(n, -century, century));
    }
    /// A stretch of a file whose end does not overflow.
    void stretch(std::uint64_t& off, std::uint64_t& n) {
        number("off", off);
        number("n", n);
        if (off > (1ull << 62) || n > (1ull << 62)) complain("off", "is beyond any file");
    }

private:
    const json::object& o_;
    std::optional<Error> complaint_;
};

void read(Fields& f, Open& l) {
    f.number("v", l.v);
    f.text("rec", l.rec, false);
    f.text("node", l.node, false);
    f.number("t", l.t, false);
    f.file_name("target", l.target);
    f.flag("remux", l.remux);
    if (const auto* v = f.find("src", true)) {
        const auto* o = v->if_object();
        if (!o) return f.complain("src", "is not an object");
        Fields source(*o);
        source.text("kind", l.source_kind);
        source.text("id", l.source_id);
        if (source.complaint()) f.complain("src", source.complaint()->what);
    }
    if (const auto* v = f.find("name", false)) {
        const auto* o = v->if_object();
        if (!o) return f.complain("name", "is not an object");
        for (const auto& member : *o)
            if (member.value().is_string())
                l.name[std::string(std::string_view(member.key()))] =
                    std::string(std::string_view(member.value().get_string()));
    }
}
void read(Fields& f, Raw& l) {
    f.number("f", l.f);
    f.file_name("path", l.path);
    f.number("lane", l.lane, false);
    f.choice("fmt", l.format, container_names);
    f.text("boot", l.boot, false);
}
void read(Fields& f, InitLine& l) {
    f.number("e", l.e);
    f.number("lane", l.lane, false);
    f.number("f", l.f);
    f.number("off", l.off);
    f.number("n", l.n, false);
    f.hash("h", l.h, l.n != 0);
    if (l.off > (1ull << 62) || l.n > (1ull << 62)) f.complain("off", "is beyond any file");
    f.hash("init_hash", l.init_hash, false);
    const auto* tracks = f.find("tracks", false);
    if (!tracks) return;
    if (!tracks->is_array() || tracks->get_array().size() > 256) return f.complain("tracks", "is not a short array");
    for (const auto& item : tracks->get_array()) {
        if (!item.is_object()) return f.complain("tracks", "holds something else than objects");
        Fields t(item.get_object());
        Track track;
        t.number("id", track.id);
        t.choice("kind", track.kind, kind_names);
        t.text("codec", track.codec);
        t.number("timescale", track.timescale, false);
        t.text("lang", track.language, false);
        if (t.complaint()) return f.complain("tracks", t.complaint()->what);
        l.tracks.push_back(std::move(track));
    }
}
void read(Fields& f, Disc& l) {
    f.number("lane", l.lane, false);
    f.number("f", l.f);
    f.number("off", l.off);
    f.number("u", l.u, false);
    f.number("pdt", l.pdt);
    f.text("why", l.why, false);
}
void read(Fields& f, Begin& l) {
    f.number("lane", l.lane, false);
    f.number("u", l.u);
    f.number("gen", l.gen, false);
    f.number("f", l.f);
    f.number("off", l.off);
    if (l.off > (1ull << 62)) f.complain("off", "is beyond any file");
    f.time("dts", l.dts);
    f.time("raw", l.raw_dts);
    f.time("dur", l.dur);
}
void read(Fields& f, Unit& l) {
    f.number("lane", l.lane, false);
    f.number("u", l.u);
    f.number("sub", l.sub, false);
    f.number("gen", l.gen, false);
    f.number("f", l.f);
    f.stretch(l.off, l.n);
    f.time("dts", l.dts);
    f.time("raw", l.raw_dts);
    f.time("dur", l.dur);
    f.number("pdt", l.pdt);
    f.hash("h", l.h);
    f.text("uri", l.uri, false);
    f.number("tries", l.tries, false);
    f.flag("part", l.part);
    f.flag("again", l.again);
}
void read(Fields& f, Run& l) {
    f.number("lane", l.lane, false);
    f.number("f", l.f);
    f.stretch(l.off, l.n);
    f.time("dts", l.dts);
    f.time("raw", l.raw_dts);
    f.time("dur", l.dur);
    f.hash("h", l.h);
}
void read(Fields& f, Sync& l) {
    f.number("f", l.f);
    f.number("off", l.off);
    f.number("r", l.r, false);
    f.number("t", l.t, false);
}
void read(Fields& f, GapLine& l) {
    f.number("id", l.id);
    f.number("lane", l.lane, false);
    f.number("gen", l.gen, false);
    if (f.find("u", false)) {
        Range r;
        f.range("u", r);
        l.u = r;
    }
    std::int64_t from = 0, to = 0;
    if (f.pair("dts", from, to)) {
        l.from = f.in_range("dts", from);
        l.to = f.in_range("dts", to);
    }
    f.flag("exact", l.exact);
    f.flag("part", l.part);
    f.number("n", l.n);
    f.text("why", l.why);
    f.number("tries", l.tries, false);
}
void read(Fields& f, Lost& l) {
    f.number("id", l.id);
    f.number("f", l.f);
    f.range("off", l.off);
    f.text("why", l.why, false);
}
void read(Fields& f, Trim& l) {
    f.number("f", l.f);
    f.number("off", l.off);
    f.number("was", l.was, false);
    f.text("why", l.why, false);
}
void read(Fields& f, EndLine& l) {
    f.text("reason", l.reason);
    f.text("why", l.why, false);
    f.flag("clean", l.clean);
    f.number("asked", l.asked, false);
    f.number("got", l.got, false);
    f.number("bytes", l.bytes, false);
    f.number("t", l.t, false);
}
void read(Fields& f, Final& l) {
    f.choice("step", l.step, step_names);
    f.file_name("path", l.path);
    f.number("n", l.n, false);
    f.hash("h", l.h, l.n != 0);
    f.time("dur", l.dur);
    if (const auto* v = f.find("packets", false)) {
        const auto* o = v->if_object();
        if (!o) return f.complain("packets", "is not an object");
        Fields counts(*o);
        for (const auto& member : *o)
            counts.number(std::string_view(member.key()), l.packets[std::string(std::string_view(member.key()))]);
        if (counts.complaint()) f.complain("packets", counts.complaint()->what);
    }
    f.flag("keep", l.keep);
    f.text("why", l.why, false);
}

template <class T>
Result<Line> read_as(Fields& f) {
    T line;
    read(f, line);
    if (f.complaint()) return *f.complaint();
    return Line(std::move(line));
}

Result<Line> dispatch(std::string_view kind, Fields& f) {
    if (kind == "unit") return read_as<Unit>(f);
    if (kind == "begin") return read_as<Begin>(f);
    if (kind == "sync") return read_as<Sync>(f);
    if (kind == "run") return read_as<Run>(f);
    if (kind == "gap") return read_as<GapLine>(f);
    if (kind == "disc") return read_as<Disc>(f);
    if (kind == "init") return read_as<InitLine>(f);
    if (kind == "raw") return read_as<Raw>(f);
    if (kind == "lost") return read_as<Lost>(f);
    if (kind == "trim") return read_as<Trim>(f);
    if (kind == "end") return read_as<EndLine>(f);
    if (kind == "final") return read_as<Final>(f);
    if (kind == "open") {
        auto line = read_as<Open>(f);
        if (line && std::get<Open>(*line).v > version)
            return Error{Errc::unsupported, fmt::format("version {} is newer than this program knows ({})",
                                                        std::get<Open>(*line).v, version)};
        return line;
    }
    return Line(Other{std::string(kind)});
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
    Fields fields(value.get_object());
    std::string kind;
    fields.text("k", kind);
    if (fields.complaint()) return *fields.complaint();
    auto line = dispatch(kind, fields);
    if (!line) return within(kind, line.error());
    return line;
}

}  // namespace weir::store::journal
