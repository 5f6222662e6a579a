#include "store/book.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/ids.h"

namespace weir::store {
namespace {

Piece piece_of(const journal::Unit& l) {
    Piece p;
    p.kind = l.part ? Piece::Kind::part : Piece::Kind::unit;
    p.again = l.again && !l.part;
    p.lane = l.lane;
    p.gen = l.gen;
    p.f = l.f;
    p.u = l.u;
    p.off = l.off;
    p.n = l.n;
    p.h = l.h;
    p.dts = l.dts;
    p.raw_dts = l.raw_dts;
    p.dur = l.dur;
    return p;
}

Piece piece_of(const journal::Run& l) {
    Piece p;
    p.kind = Piece::Kind::run;
    p.lane = l.lane;
    p.f = l.f;
    p.off = l.off;
    p.n = l.n;
    p.h = l.h;
    p.dts = l.dts;
    p.raw_dts = l.raw_dts;
    p.dur = l.dur;
    return p;
}

class Taker {
public:
    explicit Taker(Book& book) : b_(book) {}
    void operator()(const journal::Open& l) {
        b_.open = l;
        b_.last_written = l.t;
    }
    void operator()(const journal::Raw& l) {
        if (auto* known = b_.raw(l.f)) {
            known->path = l.path;
            return;
        }
        b_.raws.push_back({l.f, l.path, l.lane, l.format, 0, 0, l.boot, false});
    }
    void operator()(const journal::InitLine& l) {
        b_.inits.push_back(l);
        if (l.n == 0) return;
        Piece p;
        p.kind = Piece::Kind::header;
        p.lane = l.lane;
        p.f = l.f;
        p.off = l.off;
        p.n = l.n;
        p.h = l.h;
        add(std::move(p));
    }
    void operator()(const journal::Disc& l) { b_.discs.push_back(l); }
    void operator()(const journal::Begin& l) {
        leave_behind(l.lane, l.gen, l.u);
        b_.begun[l.lane] = l;
    }
    void operator()(const journal::Unit& l) {
        const Book::UnitKey key{l.lane, l.gen, l.u};
        leave_behind(l.lane, l.gen, l.u);
        b_.begun.erase(l.lane);
        if (l.part)
            b_.cut[key] = {l.dts, l.dur, {}};
        else
            b_.cut.erase(key);
        add(piece_of(l));
    }
    void operator()(const journal::Run& l) { add(piece_of(l)); }
    void operator()(const journal::Sync& l) {
        if (auto* file = b_.raw(l.f)) file->synced = std::max(file->synced, l.off);
        b_.next_round = std::max(b_.next_round, l.r + 1);
        b_.last_written = std::max(b_.last_written, l.t);
    }
    void operator()(const journal::GapLine& l) {
        b_.next_id = std::max(b_.next_id, l.id + 1);
        b_.gaps.push_back(l);
    }
    void operator()(const journal::Lost& l) {
        b_.next_id = std::max(b_.next_id, l.id + 1);
        b_.lost.push_back(l);
    }
    void operator()(const journal::Trim& l) {
        if (!l.f) return;
        auto* file = b_.raw(*l.f);
        if (!file) return;
        file->torn = true;
        if (l.off >= file->end) return;
        std::erase_if(b_.pieces, [&](const Piece& p) {
            if (p.f != *l.f || p.end() <= l.off) return false;
            if (p.kind == Piece::Kind::unit || p.kind == Piece::Kind::part)
                b_.cut[{p.lane, p.gen, p.u}] = {p.dts, p.dur, l.why};
            return true;
        });
        file->end = l.off;
        file->synced = std::min(file->synced, l.off);
    }
    void operator()(const journal::EndLine& l) { b_.end = l; }
    void operator()(const journal::Final& l) { b_.finals.push_back(l); }
    void operator()(const journal::Other&) {}

private:
    void add(Piece p) {
        if (auto* file = b_.raw(p.f)) file->end = std::max(file->end, p.end());
        b_.pieces.push_back(std::move(p));
    }
    /// Of the unit that had begun there is no more, unless it is this one.
    void leave_behind(std::uint16_t lane, std::uint32_t gen, std::uint64_t u) {
        const auto it = b_.begun.find(lane);
        if (it == b_.begun.end()) return;
        const auto& l = it->second;
        if (l.gen == gen && l.u == u) return;
        b_.cut.try_emplace(Book::UnitKey{lane, l.gen, l.u}, Book::Asked{l.dts, l.dur, {}});
    }
    Book& b_;
};

}  // namespace

void Book::take(const journal::Line& line) {
    std::visit(Taker(*this), line);
}

void Book::settle() {
    std::map<UnitKey, std::size_t> best;
    const auto weigh = [&](std::size_t i) {
        auto& p = pieces[i];
        const auto [it, first] = best.try_emplace({p.lane, p.gen, p.u}, i);
        if (first) return;
        auto& rival = pieces[it->second];
        const bool both = rival.kind == Piece::Kind::unit && p.kind == Piece::Kind::unit;
        if (both && !p.again) return;  // twice, and no line knows: verify says so
        const bool better =
            !both && (p.kind == Piece::Kind::unit || (rival.kind == Piece::Kind::part && p.n >= rival.n));
        (better ? rival : p).superseded = true;
        if (better) it->second = i;
    };
    std::vector<std::size_t> repeats;  // looked at last: they take the place of one that was cut or lost meanwhile
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        auto& p = pieces[i];
        p.superseded = p.lost = false;
        for (const auto& l : lost)
            if (l.f == p.f && p.off < l.off.to && p.end() > l.off.from) p.lost = true;
        if (p.lost || (p.kind != Piece::Kind::unit && p.kind != Piece::Kind::part)) continue;
        if (p.again)
            repeats.push_back(i);
        else
            weigh(i);
    }
    for (const auto i : repeats) weigh(i);
}

const RawFile* Book::raw(std::uint32_t f) const {
    const auto it = std::find_if(raws.begin(), raws.end(), [&](const RawFile& r) { return r.f == f; });
    return it == raws.end() ? nullptr : &*it;
}
RawFile* Book::raw(std::uint32_t f) {
    return const_cast<RawFile*>(std::as_const(*this).raw(f));
}

bool Book::gap_covers(const UnitKey& unit) const {
    return std::any_of(gaps.begin(), gaps.end(), [&](const journal::GapLine& g) {
        return g.u && g.lane == unit.lane && g.gen == unit.gen && unit.u >= g.u->from && unit.u <= g.u->to;
    });
}

std::vector<journal::GapLine> Book::unaccounted(std::string_view why) const {
    std::map<UnitKey, Asked> asked = cut;
    for (const auto& [lane, l] : begun) asked.try_emplace(UnitKey{lane, l.gen, l.u}, Asked{l.dts, l.dur, {}});
    std::set<UnitKey> there, begins;
    for (const auto& p : pieces) {
        if (!p.counts()) continue;
        if (p.kind == Piece::Kind::unit) there.insert({p.lane, p.gen, p.u});
        if (p.kind == Piece::Kind::part && p.n) begins.insert({p.lane, p.gen, p.u});
    }
    std::vector<journal::GapLine> found;
    for (const auto& [key, what] : asked) {
        if (there.contains(key) || gap_covers(key)) continue;
        journal::GapLine gap;
        gap.lane = key.lane;
        gap.gen = key.gen;
        gap.u = journal::Range{key.u, key.u};
        gap.from = what.dts.value_or(Micros{0});
        gap.to = gap.from + what.dur;
        gap.part = begins.contains(key);
        gap.why = what.why.empty() ? std::string(why) : what.why;
        found.push_back(std::move(gap));
    }
    return found;
}

const Piece* Book::last_unit() const {
    const Piece* last = nullptr;
    for (const auto& p : pieces)
        if (p.kind == Piece::Kind::unit && p.lane == 0 && p.counts()) last = &p;
    return last;
}

std::map<std::uint16_t, const Piece*> Book::last_units() const {
    std::map<std::uint16_t, const Piece*> last;
    for (const auto& p : pieces)
        if (p.kind == Piece::Kind::unit && p.counts()) last[p.lane] = &p;
    return last;
}

Micros Book::first_time() const {
    Micros t = Micros::max();
    for (const auto& p : pieces)
        if (p.counts() && p.dts) t = std::min(t, *p.dts);
    return t == Micros::max() ? Micros{0} : t;
}

Micros Book::last_time() const {
    Micros t = Micros::min();
    for (const auto& p : pieces)
        if (p.counts() && p.dts) t = std::max(t, *p.dts + p.dur);
    return t == Micros::min() ? Micros{0} : t;
}

std::uint64_t Book::bytes() const {
    std::uint64_t sum = 0;
    for (const auto& p : pieces)
        if (p.counts()) sum += p.n;
    return sum;
}

std::uint64_t Book::media_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& p : pieces)
        if (p.counts() && p.kind != Piece::Kind::header) sum += p.n;
    return sum;
}

Book::Tally Book::tally() const {
    Tally t;
    for (const auto& p : pieces) t.got += p.kind == Piece::Kind::unit && p.counts();
    for (const auto& g : gaps)
        if (g.u) t.missing += g.u->to - g.u->from + 1;
    return t;
}

const journal::Final* Book::finished() const {
    for (auto it = finals.rbegin(); it != finals.rend(); ++it) {
        if (it->step == journal::Final::Step::raw_deleted) return &*it;
        if (it->step == journal::Final::Step::renamed && it->keep) return &*it;
    }
    return nullptr;
}

Result<LoadedBook> load_book(File& file) {
    LoadedBook loaded;
    journal::Scanner scanner([&](const journal::Line& line, std::uint64_t) { loaded.book.take(line); });
    std::vector<std::byte> buffer(256u << 10);
    for (std::uint64_t at = 0;;) {
        auto got = file.pread(at, buffer);
        if (!got) return within("read journal", got.error());
        if (*got == 0) break;
        scanner.feed({reinterpret_cast<const char*>(buffer.data()), *got});
        at += *got;
    }
    loaded.scan = scanner.finish();
    loaded.book.settle();
    return loaded;
}

std::string boot_name(FileSystem& fs) {
    auto file = fs.open("/proc/sys/kernel/random/boot_id", false);
    std::vector<std::byte> id(36);
    if (!file) return {};
    const auto got = (*file)->pread(0, id);
    return got && *got == id.size() ? hex16(content_hash(id)) : std::string();
}

bool is_journal_name(std::string_view name) noexcept {
    return name.size() > journal_ending.size() && name.ends_with(journal_ending);
}

Path stem_of_journal(const Path& journal) {
    const auto name = journal.filename().string();
    return journal.parent_path() / name.substr(0, name.size() - journal_ending.size());
}

std::string_view ending_of(Container c) noexcept {
    switch (c) {
        case Container::ts:
            return ".ts";
        case Container::flv:
            return ".flv";
        case Container::fmp4:
            return ".m4s";
        case Container::packed_audio:
            return ".aac";
        case Container::text:
            return ".txt";
        case Container::opaque:
            return ".bin";
    }
    return ".bin";
}

Path numbered(const Path& target, unsigned number) {
    if (number == 0) return target;
    return target.parent_path() / fmt::format("{}.{}{}", target.stem().string(), number, target.extension().string());
}

Path folder_of(const Path& path) {
    return path.has_parent_path() ? path.parent_path() : Path(".");
}

}  // namespace weir::store
