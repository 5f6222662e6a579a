#include "store/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "store/journal_words.h"

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
    Builder& flag_unless(std::string_view key, bool value) { return value ? *this : flag(key, false); }
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
            .flag_unless("remux", l.remux)
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
            .flag_if("again", l.again)
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

}  // namespace

std::string_view name_of(Final::Step step) noexcept {
    return step_names[static_cast<std::size_t>(step)];
}

std::string format(const Line& line) {
    return std::visit(Formatter{}, line);
}

}  // namespace weir::store::journal
