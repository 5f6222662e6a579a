#include "store/verify.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/ids.h"
#include "media/tool.h"
#include "store/recording.h"
#include "store/recovery.h"

namespace weir::store {
namespace {

std::string units_text(std::uint64_t from, std::uint64_t to) {
    return from == to ? fmt::format("unit {} is", from) : fmt::format("units {} to {} are", from, to);
}

/// The journals that may speak of `file`, likeliest first: by its name, by a raw file's name, then all of the folder.
std::vector<Path> candidates(FileSystem& fs, const Path& file) {
    std::vector<Path> found;
    const auto add = [&](const Path& p) {
        const auto there = fs.exists(p);
        if (there && *there && std::find(found.begin(), found.end(), p) == found.end()) found.push_back(p);
    };
    const auto folder = file.parent_path();
    const auto stem = file.stem().string();
    add(folder / (stem + std::string(journal_ending)));
    if (const auto dot = stem.rfind('.'); dot != std::string::npos && dot > 0)
        add(folder / (stem.substr(0, dot) + std::string(journal_ending)));
    if (const auto entries = fs.list(folder_of(file)))
        for (const auto& e : *entries)
            if (is_journal_name(e.name)) add(folder / e.name);
    return found;
}

bool names(const Book& book, const std::string& name) {
    if (book.open.target == name && book.finals.empty()) return true;
    for (const auto& r : book.raws)
        if (r.path == name) return true;
    for (const auto& f : book.finals)
        if (f.path == name) return true;
    return false;
}

Result<LoadedBook> load(FileSystem& fs, const Path& path) {
    auto file = fs.open(path, false);
    if (!file) return file.error();
    return load_book(**file);
}

class Judge {
public:
    Judge(FileSystem& fs, const Path& file, const Path& journal_path, const LoadedBook& loaded)
        : fs_(fs), file_(file), journal_(journal_path), loaded_(loaded), book_(loaded.book) {}

    Verdict run() {
        v_.journal = journal_.string();
        v_.file = file_.string();
        if (loaded_.scan.damage) complain("the journal is damaged: " + loaded_.scan.damage->text());
        judge_book(book_, v_);
        const auto* done = book_.finished();
        if (done) {
            final_file(*done);
        } else {
            v_.unfinished = true;
        }
        if (book_.end && book_.end->asked != v_.asked)
            complain(fmt::format("{} units were asked for, the lines tell of {}", book_.end->asked, v_.asked));
        raw_files(done);
        v_.state = !v_.complaints.empty() ? Verdict::State::damaged
                   : !v_.gaps.empty()     ? Verdict::State::losses_listed
                                          : Verdict::State::whole;
        return std::move(v_);
    }

private:
    void complain(std::string what) { v_.complaints.push_back(std::move(what)); }

    void final_file(const journal::Final& done) {
        if (done.n == 0) return;  // nothing was recorded
        const auto name = file_.filename().string();
        const bool asked_for = !is_journal_name(name) && std::none_of(book_.raws.begin(), book_.raws.end(),
                                                                      [&](const RawFile& r) { return r.path == name; });
        const auto path = asked_for ? file_ : folder_of(journal_) / done.path;
        v_.file = path.string();
        v_.bytes = done.n;
        v_.duration = done.dur;
        auto file = fs_.open(path, false);
        if (!file) return complain(fmt::format("{}: {}", path.string(), file.error().text()));
        const auto size = (*file)->size();
        if (!size) return complain(fmt::format("{}: {}", path.string(), size.error().text()));
        if (*size != done.n)
            return complain(fmt::format("{} has {} bytes, {} were made", path.filename().string(), *size, done.n));
        const auto hash = hash_of(**file, 0, done.n);
        if (!hash) return complain(fmt::format("{}: {}", path.string(), hash.error().text()));
        if (*hash != done.h)
            complain(fmt::format("{} is not what was made: its bytes have changed", path.filename().string()));
        lanes(done);
    }

    /// Each lane that holds sound or pictures every player knows is a track with packets in the final file. Of a lane that
    /// holds both one is enough: a recording stopped at once may have none of the other yet.
    void lanes(const journal::Final& done) {
        const auto format = media::format_for(done.path);
        if (done.packets.empty() || !format || *format == media::OutputFormat::flv) return;
        std::set<std::uint16_t> sound, pictures, either;
        for (const auto& i : book_.inits) {
            const bool there = std::any_of(book_.pieces.begin(), book_.pieces.end(), [&](const Piece& p) {
                return p.lane == i.lane && p.counts() && p.n && p.kind != Piece::Kind::header;
            });
            if (!there) continue;
            for (const auto& t : i.tracks) {
                if (t.codec == "aac") sound.insert(i.lane);
                if (t.codec == "h264" || t.codec == "hevc") pictures.insert(i.lane);
            }
        }
        either.merge(std::set(sound));
        either.merge(std::set(pictures));
        std::size_t audio = 0, video = 0;
        for (const auto& [name, packets] : done.packets) {
            audio += packets && name.starts_with("audio");
            video += packets && name.starts_with("video");
        }
        const bool sound_alone = *format == media::OutputFormat::m4a;
        const auto only_sound = either.size() - pictures.size(), only_pictures = either.size() - sound.size();
        if (audio < only_sound)
            complain(fmt::format("{} lanes hold sound, the final file has {} tracks of it", only_sound, audio));
        else if (video < only_pictures && !sound_alone)
            complain(fmt::format("{} lanes hold pictures, the final file has {} tracks of them", only_pictures, video));
        else if (audio + video < either.size() && !sound_alone)
            complain(fmt::format("{} lanes hold sound or pictures, the final file has {} tracks", either.size(),
                                 audio + video));
    }

    /// A raw file that was renamed is gone before the journal says so.
    [[nodiscard]] bool renamed_already() {
        if (book_.finals.empty() || book_.finals.back().step != journal::Final::Step::verified) return false;
        const auto& last = book_.finals.back();
        auto file = fs_.open(folder_of(journal_) / last.path, false);
        if (!file) return false;
        const auto size = (*file)->size();
        if (!size || *size != last.n) return false;
        const auto hash = hash_of(**file, 0, last.n);
        return hash && *hash == last.h;
    }

    void raw_files(const journal::Final* done) {
        const bool renamed = std::any_of(book_.finals.begin(), book_.finals.end(),
                                         [](const auto& f) { return f.step == journal::Final::Step::renamed; });
        const bool may_be_gone = done || renamed || renamed_already();
        for (const auto& raw : book_.raws) {
            auto file = fs_.open(folder_of(journal_) / raw.path, false);
            if (!file) {
                if (file.error().code == Errc::not_found && (may_be_gone || raw.end == 0)) continue;
                complain(fmt::format("{}: {}", raw.path, file.error().text()));
                continue;
            }
            raw_file(raw, **file);
        }
    }

    void raw_file(const RawFile& raw, File& file) {
        const auto size = file.size();
        if (!size) return complain(fmt::format("{}: {}", raw.path, size.error().text()));
        for (const auto& p : book_.pieces) {
            if (p.f != raw.f || p.lost || p.n == 0) continue;
            const auto what = p.kind == Piece::Kind::unit || p.kind == Piece::Kind::part
                                  ? fmt::format("unit {}", p.u)
                                  : fmt::format("the bytes from {}", p.off);
            if (p.end() > *size) {
                complain(fmt::format("{} ends at {}, before {} does ({})", raw.path, *size, what, p.end()));
                continue;
            }
            const auto hash = hash_of(file, p.off, p.n);
            if (!hash)
                complain(fmt::format("{}: {}", raw.path, hash.error().text()));
            else if (*hash != p.h)
                complain(fmt::format("{}: {} has changed since it was written", raw.path, what));
        }
        if (book_.end && *size > raw.end && !raw.torn)
            complain(fmt::format("{} has {} bytes that no line speaks of", raw.path, *size - raw.end));
    }

    FileSystem& fs_;
    const Path& file_;
    const Path& journal_;
    const LoadedBook& loaded_;
    const Book& book_;
    Verdict v_;
};

using Numbering = std::pair<std::uint16_t, std::uint32_t>;  // lane, gen

struct Numbers {
    std::map<std::uint64_t, int> there;             ///< unit, how often
    std::map<std::uint64_t, std::uint64_t> listed;  ///< gaps: first, last
};

void judge_numbers(const Numbering& id, const Numbers& n, Verdict& v) {
    auto where = id.first ? fmt::format(" (lane {})", id.first) : std::string();
    if (id.second) where += fmt::format(" (numbering {})", id.second);
    std::optional<std::uint64_t> next;
    auto unit = n.there.begin();
    auto gap = n.listed.begin();
    while (unit != n.there.end() || gap != n.listed.end()) {
        const bool take_gap = gap != n.listed.end() && (unit == n.there.end() || gap->first <= unit->first);
        const auto first = take_gap ? gap->first : unit->first;
        const auto last = take_gap ? gap->second : unit->first;
        if (next && first > *next)
            v.complaints.push_back(
                fmt::format("{} neither there nor listed as missing{}", units_text(*next, first - 1), where));
        if (!take_gap && unit->second > 1)
            v.complaints.push_back(fmt::format("unit {} is there {} times{}", first, unit->second, where));
        next = std::max(next.value_or(0), last + 1);
        if (take_gap)
            ++gap;
        else
            ++unit;
    }
}

}  // namespace

void judge_book(const Book& book, Verdict& v) {
    std::map<Numbering, Numbers> all;
    for (const auto& p : book.pieces)
        if (p.kind == Piece::Kind::unit && p.counts()) ++all[{p.lane, p.gen}].there[p.u];
    for (const auto& g : book.gaps) {
        LedgerGap l;
        l.id = g.id;
        l.lane = g.lane;
        l.gen = g.gen;
        if (g.u) {
            l.first_unit = g.u->from;
            l.last_unit = g.u->to;
            auto& last = all[{g.lane, g.gen}].listed[g.u->from];
            last = std::max(last, g.u->to);
        }
        l.from = g.from;
        l.to = g.to;
        l.exact = g.exact;
        l.tries = g.tries;
        l.why = g.why;
        v.gaps.push_back(std::move(l));
    }
    for (const auto& [id, numbers] : all) judge_numbers(id, numbers, v);
    if (book.end)
        for (const auto& gap : book.unaccounted(""))
            v.complaints.push_back(fmt::format("{} not whole and not listed{}", units_text(gap.u->from, gap.u->to),
                                               gap.lane ? fmt::format(" (lane {})", gap.lane) : std::string()));
    const auto tally = book.tally();
    v.got = tally.got;
    v.missing = tally.missing;
    v.asked = v.got + v.missing;
    v.bytes = book.bytes();
    v.duration = book.last_time() - book.first_time();
}

Verdict verify_blocking(FileSystem& fs, const Path& file) {
    Verdict v;
    v.file = file.string();
    if (const auto there = fs.exists(file); !there || !*there) {
        v.complaints.push_back(there ? "no such file" : there.error().text());
        return v;
    }
    const auto name = file.filename().string();
    if (is_journal_name(name)) {
        const auto loaded = load(fs, file);
        if (loaded) return Judge(fs, file, file, *loaded).run();
        v.journal = file.string();
        v.complaints.push_back(loaded.error().text());
        return v;
    }
    const auto own = file.parent_path() / (file.stem().string() + std::string(journal_ending));
    for (const auto& path : candidates(fs, file)) {
        const auto loaded = load(fs, path);
        if (!loaded) continue;
        if (path == own || names(loaded->book, name)) return Judge(fs, file, path, *loaded).run();
    }
    v.complaints.push_back("no journal beside it");
    return v;
}

Task<Result<Verdict>> verify(asio::any_io_executor, FileLane& lane, Path file) {
    auto strand = lane.strand();
    Verdict verdict;
    auto r = co_await lane.run(strand, [&]() -> Result<> {
        verdict = verify_blocking(lane.fs(), file);
        return {};
    });
    if (!r) co_return r.error();
    co_return verdict;
}

}  // namespace weir::store
