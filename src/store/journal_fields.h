#pragma once
#include <concepts>
#include <type_traits>

#include "store/journal.h"
#include "store/journal_words.h"

namespace weir::store::journal {

// The members of each kind of line, in the order they are written: one list, for the writer and the reader.
//
//   need   always written, must be there
//   may    always written, may be absent
//   some   written when it says something else than its default, may be absent
//   with   written, and must be there, under a condition

/// How a member is written where its type does not say it.
template <class T>
struct Hash {
    T& value;
};
template <class T>
struct FileName {
    T& value;
};
template <class T>
struct Offset {  ///< within a file, so that sums do not overflow
    T& value;
};
template <class T, std::size_t N>
struct Word {
    T& value;
    const std::string_view (&names)[N];
};
template <class T>
struct Times {
    T &from, &to;
};
template <class T>
Hash(T&) -> Hash<T>;
template <class T>
FileName(T&) -> FileName<T>;
template <class T>
Offset(T&) -> Offset<T>;
template <class T, std::size_t N>
Word(T&, const std::string_view (&)[N]) -> Word<T, N>;
template <class T>
Times(T&, T&) -> Times<T>;

template <class L, class K>
concept Is = std::same_as<std::remove_const_t<L>, K>;

template <class V, Is<Open> L>
void describe(V& v, L& l) {
    v.need("v", l.v);
    v.may("rec", l.rec);
    v.may("node", l.node);
    v.may("t", l.t);
    v.object("src", [&](auto& o) {
        o.need("kind", l.source_kind);
        o.need("id", l.source_id);
    });
    v.need("target", FileName{l.target});
    v.may("name", l.name);
    v.some("remux", l.remux, true);
}
template <class V, Is<Raw> L>
void describe(V& v, L& l) {
    v.need("f", l.f);
    v.need("path", FileName{l.path});
    v.may("lane", l.lane);
    v.need("fmt", Word{l.format, container_names});
    v.some("boot", l.boot);
}
template <class V, Is<Track> L>
void describe(V& v, L& t) {
    v.need("id", t.id);
    v.need("kind", Word{t.kind, kind_names});
    v.need("codec", t.codec);
    v.may("timescale", t.timescale);
    v.may("lang", t.language);
}
template <class V, Is<InitLine> L>
void describe(V& v, L& l) {
    v.need("e", l.e);
    v.may("lane", l.lane);
    v.need("f", l.f);
    v.need("off", Offset{l.off});
    v.some("n", Offset{l.n});
    v.with(l.n != 0, "h", Hash{l.h});
    v.may("tracks", l.tracks);
    v.may("init_hash", Hash{l.init_hash});
}
template <class V, Is<Disc> L>
void describe(V& v, L& l) {
    v.may("lane", l.lane);
    v.need("f", l.f);
    v.need("off", Offset{l.off});
    v.may("u", l.u);
    v.some("pdt", l.pdt);
    v.some("why", l.why);
}
template <class V, class L>
void describe_times(V& v, L& l) {
    v.some("dts", l.dts);
    v.may("dur", l.dur);
    v.some("raw", l.raw_dts);
}
template <class V, Is<Begin> L>
void describe(V& v, L& l) {
    v.may("lane", l.lane);
    v.need("u", l.u);
    v.may("gen", l.gen);
    v.need("f", l.f);
    v.need("off", Offset{l.off});
    describe_times(v, l);
    v.some("n", Offset{l.n});
    v.with(l.n != 0, "h", Hash{l.h});
}
template <class V, Is<Unit> L>
void describe(V& v, L& l) {
    v.may("lane", l.lane);
    v.need("u", l.u);
    v.may("sub", l.sub);
    v.may("gen", l.gen);
    v.need("f", l.f);
    v.need("off", Offset{l.off});
    v.need("n", Offset{l.n});
    describe_times(v, l);
    v.some("pdt", l.pdt);
    v.need("h", Hash{l.h});
    v.some("uri", l.uri);
    v.may("tries", l.tries);
    v.some("part", l.part);
    v.some("again", l.again);
}
template <class V, Is<Run> L>
void describe(V& v, L& l) {
    v.may("lane", l.lane);
    v.need("f", l.f);
    v.need("off", Offset{l.off});
    v.need("n", Offset{l.n});
    describe_times(v, l);
    v.need("h", Hash{l.h});
}
template <class V, Is<Sync> L>
void describe(V& v, L& l) {
    v.need("f", l.f);
    v.need("off", Offset{l.off});
    v.may("r", l.r);
    v.may("t", l.t);
}
template <class V, Is<GapLine> L>
void describe(V& v, L& l) {
    v.need("id", l.id);
    v.may("lane", l.lane);
    v.may("gen", l.gen);
    v.some("u", l.u);
    v.need("dts", Times{l.from, l.to});
    v.may("exact", l.exact);
    v.some("part", l.part);
    v.some("n", l.n);
    v.need("why", l.why);
    v.may("tries", l.tries);
}
template <class V, Is<Lost> L>
void describe(V& v, L& l) {
    v.need("id", l.id);
    v.need("f", l.f);
    v.need("off", l.off);
    v.may("why", l.why);
}
template <class V, Is<Trim> L>
void describe(V& v, L& l) {
    v.some("f", l.f);
    bool of_the_journal = !l.f;
    v.some("journal", of_the_journal);
    v.need("off", Offset{l.off});
    v.may("was", l.was);
    v.may("why", l.why);
}
template <class V, Is<EndLine> L>
void describe(V& v, L& l) {
    v.need("reason", l.reason);
    v.some("why", l.why);
    v.may("clean", l.clean);
    v.may("asked", l.asked);
    v.may("got", l.got);
    v.may("bytes", l.bytes);
    v.may("t", l.t);
}
template <class V, Is<Final> L>
void describe(V& v, L& l) {
    v.need("step", Word{l.step, step_names});
    v.need("path", FileName{l.path});
    v.some("n", l.n);
    v.with(l.n != 0, "h", Hash{l.h});
    v.some("dur", l.dur);
    v.some("packets", l.packets);
    v.some("keep", l.keep);
    v.some("why", l.why);
}

}  // namespace weir::store::journal
