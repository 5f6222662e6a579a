#include "store/journal.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/ids.h"

namespace weir::store::journal {
namespace {

namespace json = boost::json;
constexpr std::size_t check_bytes = 24;  // ,"c":"0123456789abcdef"}

constexpr std::string_view container_names[] = {"ts", "flv", "fmp4", "packed_audio", "text", "opaque"};
constexpr std::string_view kind_names[] = {"video", "audio", "text", "data"};
constexpr std::string_view step_names[] = {"begin", "written", "verified", "renamed", "raw_deleted", "failed"};

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

/// One line being built. Members follow each other in the order of the calls.
class Builder {
public:
    explicit Builder(std::string_view kind) {
        out_.reserve(256);
        out_ = R"({"k":)";
        quoted(kind);
    }
    Builder& text(std::string_view key, std::string_view value) {
        name(key);
        quoted(value);
        return *this;
    }
    Builder& text_if(std::string_view key, std::string_view value) { return value.empty() ? *this : text(key, value); }
    template <class T>
    Builder& number(std::string_view key, T value) {
        name(key);
        fmt::format_to(std::back_inserter(out_), "{}", value);
        return *this;
    }
    Builder& time(std::string_view key, std::optional<Micros> value) {
        return value ? number(key, value->count()) : *this;
    }
    template <class T>
    Builder& number_if(std::string_view key, std::optional<T> value) {
        return value ? number(key, *value) : *this;
    }
    Builder& hash(std::string_view key, std::uint64_t value) { return text(key, hex16(value)); }
    Builder& flag(std::string_view key, bool value) {
        name(key);
        out_ += value ? "true" : "false";
        return *this;
    }
    Builder& flag_if(std::string_view key, bool value) { return value ? flag(key, true) : *this; }
    Builder& range(std::string_view key, Range r) {
        name(key);
        fmt::format_to(std::back_inserter(out_), "[{},{}]", r.from, r.to);
        return *this;
    }
    /// `value` is JSON already.
    Builder& raw(std::string_view key, std::string_view value) {
        name(key);
        out_ += value;
        return *this;
    }
    std::string finish() {
        const auto sum = content_hash(std::as_bytes(std::span(out_)));
        out_ += R"(,"c":")";
        out_ += hex16(sum);
        out_ += "\"}\n";
        return std::move(out_);
    }
    static void append_quoted(std::string& out, std::string_view value) {
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

private:
    void name(std::string_view key) {
        out_ += ",\"";
        out_ += key;
        out_ += "\":";
    }
    void quoted(std::string_view value) { append_quoted(out_, value); }

    std::string out_;
};

std::string object_of(const std::map<std::string, std::string>& map) {
    std::string out = "{";
    for (const auto& [key, value] : map) {
        if (out.size() > 1) out += ',';
        Builder::append_quoted(out, key);
        out += ':';
        Builder::append_quoted(out, value);
    }
    return out + "}";
}

std::string tracks_of(const std::vector<Track>& tracks) {
    std::string out = "[";
    for (const auto& t : tracks) {
        if (out.size() > 1) out += ',';
        fmt::format_to(std::back_inserter(out), R"({{"id":{},"kind":"{}","codec":)", t.id,
                       kind_names[static_cast<std::size_t>(t.kind)]);
        Builder::append_quoted(out, t.codec);
        fmt::format_to(std::back_inserter(out), R"(,"timescale":{},"lang":)", t.timescale);
        Builder::append_quoted(out, t.language);
        out += '}';
    }
    return out + "]";
}

struct Formatter {
    std::string operator()(const Open& l) const {
        std::string source = R"({"kind":)";
        Builder::append_quoted(source, l.source_kind);
        source += R"(,"id":)";
        Builder::append_quoted(source, l.source_id);
        source += '}';
        return Builder("open")
            .number("v", l.v)
            .text("rec", l.rec)
            .text("node", l.node)
            .number("t", l.t)
            .raw("src", source)
            .text("target", l.target)
            .raw("name", object_of(l.name))
            .finish();
    }
    std::string operator()(const Raw& l) const {
        return Builder("raw")
            .number("f", l.f)
            .text("path", l.path)
            .number("lane", l.lane)
            .text("fmt", container_names[static_cast<std::size_t>(l.format)])
            .text_if("boot", l.boot)
            .finish();
    }
    std::string operator()(const InitLine& l) const {
        Builder b("init");
        b.number("e", l.e).number("lane", l.lane).number("f", l.f).number("off", l.off);
        if (l.n) b.number("n", l.n).hash("h", l.h);
        return b.raw("tracks", tracks_of(l.tracks)).hash("init_hash", l.init_hash).finish();
    }
    std::string operator()(const Disc& l) const {
        return Builder("disc")
            .number("lane", l.lane)
            .number("f", l.f)
            .number("off", l.off)
            .number("u", l.u)
            .number_if("pdt", l.pdt)
            .text_if("why", l.why)
            .finish();
    }
    std::string operator()(const Begin& l) const {
        return Builder("begin")
            .number("lane", l.lane)
            .number("u", l.u)
            .number("gen", l.gen)
            .number("f", l.f)
            .number("off", l.off)
            .time("dts", l.dts)
            .number("dur", l.dur.count())
            .time("raw", l.raw_dts)
            .finish();
    }
    std::string operator()(const Unit& l) const {
        return Builder("unit")
            .number("lane", l.lane)
            .number("u", l.u)
            .number("sub", l.sub)
            .number("gen", l.gen)
            .number("f", l.f)
            .number("off", l.off)
            .number("n", l.n)
            .time("dts", l.dts)
            .number("dur", l.dur.count())
            .time("raw", l.raw_dts)
            .number_if("pdt", l.pdt)
            .hash("h", l.h)
            .text_if("uri", l.uri)
            .number("tries", l.tries)
            .flag_if("part", l.part)
            .finish();
    }
    std::string operator()(const Run& l) const {
        return Builder("run")
            .number("lane", l.lane)
            .number("f", l.f)
            .number("off", l.off)
            .number("n", l.n)
            .time("dts", l.dts)
            .number("dur", l.dur.count())
            .time("raw", l.raw_dts)
            .hash("h", l.h)
            .finish();
    }
    std::string operator()(const Sync& l) const {
        return Builder("sync").number("f", l.f).number("off", l.off).number("r", l.r).number("t", l.t).finish();
    }
    std::string operator()(const GapLine& l) const {
        Builder b("gap");
        b.number("id", l.id).number("lane", l.lane).number("gen", l.gen);
        if (l.u) b.range("u", *l.u);
        b.raw("dts", fmt::format("[{},{}]", l.from.count(), l.to.count()))
            .flag("exact", l.exact)
            .flag_if("part", l.part);
        return b.number_if("n", l.n).text("why", l.why).number("tries", l.tries).finish();
    }
    std::string operator()(const Lost& l) const {
        return Builder("lost").number("id", l.id).number("f", l.f).range("off", l.off).text("why", l.why).finish();
    }
    std::string operator()(const Trim& l) const {
        Builder b("trim");
        if (l.f)
            b.number("f", *l.f);
        else
            b.flag("journal", true);
        return b.number("off", l.off).number("was", l.was).text("why", l.why).finish();
    }
    std::string operator()(const EndLine& l) const {
        return Builder("end")
            .text("reason", l.reason)
            .text_if("why", l.why)
            .flag("clean", l.clean)
            .number("asked", l.asked)
            .number("got", l.got)
            .number("bytes", l.bytes)
            .number("t", l.t)
            .finish();
    }
    std::string operator()(const Final& l) const {
        Builder b("final");
        b.text("step", name_of(l.step)).text("path", l.path);
        if (l.n) b.number("n", l.n).hash("h", l.h).number("dur", l.dur.count());
        if (!l.packets.empty()) {
            std::string packets = "{";
            for (const auto& [key, count] : l.packets) {
                if (packets.size() > 1) packets += ',';
                Builder::append_quoted(packets, key);
                fmt::format_to(std::back_inserter(packets), ":{}", count);
            }
            b.raw("packets", packets + "}");
        }
        return b.flag_if("keep", l.keep).text_if("why", l.why).finish();
    }
    std::string operator()(const Other& l) const { return Builder(l.kind).finish(); }
};

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

/// Lines before which everything had been synced.
bool proves_the_past(const Line& line) {
    return std::holds_alternative<EndLine>(line) || std::holds_alternative<Final>(line) ||
           std::holds_alternative<Raw>(line);
}

}  // namespace

std::string_view name_of(Final::Step step) noexcept {
    return step_names[static_cast<std::size_t>(step)];
}

std::string format(const Line& line) {
    return std::visit(Formatter{}, line);
}

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
    if (!line) return within(kind, std::move(line.error()));
    return line;
}

void Scanner::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end);
        if (rest_.size() + piece.size() > max_line && !skipping_) {
            bad(fmt::format("line above {} bytes", max_line));
            skipping_ = true;
            rest_.clear();
        }
        if (end == std::string_view::npos) {
            if (!skipping_) rest_ += piece;
            at_ += piece.size();
            break;
        }
        if (skipping_) {
            skipping_ = false;
        } else if (rest_.empty()) {
            line(piece, true);
        } else {
            rest_ += piece;
            const auto text = std::exchange(rest_, {});
            at_ -= text.size() - piece.size();
            line(text, true);
            at_ += text.size() - piece.size();
        }
        at_ += piece.size() + 1;
        bytes.remove_prefix(end + 1);
    }
}

void Scanner::bad(std::string why) {
    if (is_bad_) return;
    is_bad_ = true;
    bad_line_ = out_.lines + 1;
    out_.cut_why = fmt::format("line {}: {}", bad_line_, why);
}

void Scanner::line(std::string_view text, bool complete) {
    auto parsed = complete ? parse(text) : Result<Line>(Error{Errc::bad_input, "line without its end"});
    if (!parsed) {
        if (parsed.error().code == Errc::unsupported && !out_.damage) out_.damage = parsed.error();
        return bad(parsed.error().text());
    }
    if (!is_bad_) {
        if (out_.lines == 0 && !std::holds_alternative<Open>(*parsed)) {
            out_.damage = Error{Errc::bad_input, "the first line is not 'open'"};
            return bad("the first line is not 'open'");
        }
        ++out_.lines;
        out_.good_bytes = at_ + text.size() + 1;
        take_(*parsed, at_);
        return;
    }
    if (proves_the_past(*parsed)) proof_ = true;
    if (const auto* s = std::get_if<Sync>(&*parsed)) {
        if (round_after_bad_ && *round_after_bad_ != s->r) proof_ = true;
        round_after_bad_ = s->r;
    }
}

Scanner::Outcome Scanner::finish() {
    if (!rest_.empty()) {
        at_ -= rest_.size();
        line(rest_, false);
        at_ += rest_.size();
    }
    out_.bytes = at_;
    if (is_bad_ && proof_ && !out_.damage)
        out_.damage = Error{Errc::bad_input,
                            fmt::format("{}, and lines after it prove that it had once been whole", out_.cut_why)};
    if (out_.lines == 0 && !out_.damage) out_.damage = Error{Errc::bad_input, "no 'open' line"};
    return std::move(out_);
}

}  // namespace weir::store::journal
