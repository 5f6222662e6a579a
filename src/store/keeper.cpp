#include "store/keeper.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "store/recovery.h"

namespace weir::store {
namespace {

constexpr std::uint32_t max_raw_files = 100'000;

/// Tables of its own at the beginning: some packets of other tables may stand before the PAT.
bool begins_with_pat(const Bytes& bytes) {
    const auto v = bytes.view();
    for (std::size_t at = 0; at + 188 <= std::min<std::size_t>(v.size(), 16 * 188); at += 188)
        if (v[at] == std::byte{0x47} && (v[at + 1] & std::byte{0x1f}) == std::byte{0} && v[at + 2] == std::byte{0})
            return true;
    return false;
}

std::uint64_t hash_of_init(const Init& init) {
    ContentHash hash;
    for (const auto& track : init.tracks) {
        hash.update(std::as_bytes(std::span(track.codec)));
        hash.update(track.extradata.view());
    }
    hash.update(init.header.view());
    return hash.digest();
}

bool is_utf8_name(const std::string& name) {
    return journal::format(journal::Other{name}).find("\xEF\xBF\xBD") == std::string::npos;
}

}  // namespace

// ------------------------------------------------------------------ life

Result<std::unique_ptr<Keeper>> Keeper::create(FileSystem& fs, std::shared_ptr<SpaceGate> gate,
                                               const RecordingPlan& plan, WallTime wall) {
    if (!plan.target.has_filename() || !is_utf8_name(plan.target.filename().string()))
        return Error{Errc::bad_input, fmt::format("not a usable file name: {}", plan.target.string())};
    std::unique_ptr<Keeper> keeper(new Keeper(fs, std::move(gate)));
    constexpr unsigned tries = 100'000;
    for (unsigned number = 0; number < tries; ++number) {
        keeper->target_ = numbered(plan.target, number);
        auto taken = fs.exists(keeper->target_);
        if (!taken) return within("create recording", taken.error());
        if (*taken) continue;
        keeper->stem_ = folder_of(keeper->target_) / keeper->target_.stem();
        keeper->journal_path_ = keeper->stem_.string() + std::string(journal_ending);
        auto file = fs.create(keeper->journal_path_);
        if (!file && file.error().code == Errc::busy) continue;
        if (!file) return within("create recording", file.error());
        keeper->lock_ = std::move(*file);
        if (auto mine = keeper->own_journal(); !mine || !*mine) {
            if (!mine) return within("create recording", mine.error());
            --number;  // who looked for unfinished ones took the empty journal away
            continue;
        }
        if (number)
            WEIR_LOG(info, "the name is taken, recording under another one", {"wished", plan.target.string()},
                     {"file", keeper->target_.string()});
        if (auto r = keeper->start_journal(plan, wall); !r) {
            (void)fs.remove(keeper->journal_path_).has_value();
            return within("create recording", r.error());
        }
        keeper->counters_.emplace(plan.source_kind, plan.name_data);
        keeper->publish();
        return keeper;
    }
    return Error{Errc::busy, fmt::format("{} and {} numbered names are taken", plan.target.string(), tries - 1)};
}

/// Locks the journal that was just made. False: somebody saw it empty before that, and removes it or has done so.
Result<bool> Keeper::own_journal() {
    if (auto r = lock_->lock(); !r) return r.error().code == Errc::busy ? Result<bool>(false) : r.error();
    struct ::stat held {};
    struct ::stat there {};
    if (::fstat(lock_->descriptor(), &held) != 0) return from_errno(errno, journal_path_.string());
    if (::stat(journal_path_.c_str(), &there) != 0)
        return errno == ENOENT ? Result<bool>(false) : from_errno(errno, journal_path_.string());
    return held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

Result<> Keeper::start_journal(const RecordingPlan& plan, WallTime wall) {
    wall_ = wall;
    boot_ = boot_name(fs_);
    journal::Open open;
    open.rec = new_ulid();
    open.target = target_.filename().string();
    open.t = unix_millis(wall);
    open.source_kind = plan.source_kind;
    open.source_id = plan.source_id;
    open.name = plan.name_data;
    open.node = plan.node;
    open.remux = plan.remux;
    line(open);
    if (out_.size() > journal::max_line) return Error{Errc::bad_input, "template data above 64 KiB"};
    if (auto r = sync_journal(); !r) return r;
    return fs_.sync_folder(folder_of(journal_path_));
}

Result<std::unique_ptr<Keeper>> Keeper::resume(FileSystem& fs, std::shared_ptr<SpaceGate> gate, Path journal,
                                               WallTime wall) {
    auto recovered = recover_blocking(fs, journal);
    if (!recovered) return within("resume recording", recovered.error());
    const Book& book = recovered->book;
    if (book.end) return Error{Errc::busy, fmt::format("{} has ended already", journal.string())};
    std::unique_ptr<Keeper> keeper(new Keeper(fs, std::move(gate)));
    auto& k = *keeper;
    k.journal_path_ = journal;
    k.stem_ = stem_of_journal(journal);
    k.target_ = folder_of(journal) / book.open.target;
    k.lock_ = std::move(recovered->journal);
    auto size = k.lock_->size();
    if (!size) return within("resume recording", size.error());
    k.journal_size_ = *size;
    k.wall_ = wall;
    k.boot_ = boot_name(fs);
    for (const auto& raw : book.raws) k.next_f_ = std::max(k.next_f_, raw.f + 1);
    k.next_id_ = book.next_id;
    k.round_ = book.next_round;
    for (auto& gap : book.unaccounted("cut by a crash")) {
        const Book::UnitKey key{gap.lane, gap.gen, gap.u->from};
        if (gap.part) k.parts_.insert(key);
        k.owed_.emplace(key, std::move(gap));
    }
    for (const auto& p : book.pieces)
        if (p.kind == Piece::Kind::unit && p.counts()) (void)k.whole_.add(p.lane, p.gen, p.u);
    const auto tally = book.tally();
    k.got_ = tally.got;
    k.stats_.bytes = book.bytes();
    k.stats_.units = tally.got;
    k.stats_.missing_units = tally.missing;
    k.stats_.gaps = book.gaps.size();
    k.first_time_ = book.first_time();
    k.last_time_ = book.last_time();
    k.at_ = unfinished_of(book, journal).at;
    k.counters_.emplace(book.open.source_kind, book.open.name);
    const bool has_runs =
        std::any_of(book.pieces.begin(), book.pieces.end(), [](const Piece& p) { return p.kind == Piece::Kind::run; });
    if (has_runs) {
        journal::GapLine away;
        away.from = k.last_time_;
        away.to = k.last_time_ +
                  std::max(Micros{0}, std::chrono::duration_cast<Micros>(wall - from_unix_millis(book.last_written)));
        away.exact = false;
        away.why = "nobody was recording";
        k.write_gap(std::move(away));
    }
    k.publish();
    return keeper;
}

Keeper::Snapshot Keeper::snapshot() const {
    const std::lock_guard lock(mutex_);
    return shared_;
}

void Keeper::publish() {
    stats_.waiting_for_space = !gate_->open();
    stats_.units = got_;
    stats_.duration = first_time_ ? last_time_ - *first_time_ : Micros{0};
    const std::lock_guard lock(mutex_);
    shared_ = {stats_, at_};
    for (const auto& [number, lane] : lanes_)  // what is being dropped now is listed later and missing already
        if (lane.drop && lane.drop->any && lane.drop->units)
            shared_.stats.missing_units += lane.drop->last - lane.drop->first + 1;
}

// ------------------------------------------------------------------ items

void Keeper::take(std::span<const Item> items, Moment now) {
    wall_ = now.wall;
    for (const auto& i : items) item(i);
    for (auto& [number, l] : lanes_)
        if (!l.drop) (void)write_pending(l, false);
    if (!out_.empty()) (void)flush_journal().has_value();
    publish();
}

void Keeper::item(const Item& item) {
    std::visit([this](const auto& i) { on(i); }, item);
}

Keeper::Lane& Keeper::lane(std::uint16_t number) {
    auto& l = lanes_[number];
    l.number = number;
    return l;
}

void Keeper::on(const InitPtr& init) {
    auto& l = lane(init->lane);
    if (!l.drop) (void)write_pending(l, false);
    if (!l.has_units) finish_run(l);
    l.init = init;
    l.init_due = true;
    const bool inside = l.has_units && !l.drop && l.filling && l.filling->n;
    if (inside && needs_other_file(l)) start_drop(l, "other headers inside the unit");
}

void Keeper::on(const UnitInfo& info) {
    auto& l = lane(info.lane);
    l.has_units = true;
    l.info = info;
}

void Keeper::on(const Discontinuity& disc) {
    auto& l = lane(disc.lane);
    if (!l.drop) (void)write_pending(l, false);
    if (!l.has_units) finish_run(l);
    l.disc_due = disc;
}

void Keeper::on(const End& end) {
    end_ = end;
}

void Keeper::on(const Chunk& c) {
    auto& l = lane(c.lane);
    const bool boundary = l.has_units ? c.unit_begin : c.rap || !l.saw_rap;
    l.saw_rap = l.saw_rap || c.rap;
    if (l.drop && boundary && gate_->open()) {
        flush_drop(l);
        l.drop.reset();
    }
    if (!l.drop && !gate_->open()) start_drop(l, "no space");
    if (l.drop) return note_dropped(l, c);
    if (c.unit_begin || !l.filling) begin(l, c);
    auto& f = *l.filling;
    if (c.dts) {
        if (!f.dts) {
            f.dts = c.dts;
            f.raw_dts = c.raw_dts;
        }
        f.until = std::max(f.until, *c.dts);
    }
    if (f.dur == Micros{0}) f.dur = c.duration;
    if (!c.bytes.empty()) l.pending.push_back(c.bytes);
    if (!c.unit_end || !l.has_units) return;
    if (f.dur == Micros{0} && f.dts) f.dur = f.until - *f.dts;
    if (write_pending(l, true)) finish_unit(l);
}

void Keeper::begin(Lane& l, const Chunk& c) {
    if (l.filling) {  // the source began another unit without ending this one
        if (l.has_units) {
            const bool wrote = write_pending(l, false);
            if (wrote) {
                start_drop(l, "the unit was cut short");
                flush_drop(l);
            }
            if (l.drop && gate_->open()) l.drop.reset();
        } else {
            (void)write_pending(l, false);
            finish_run(l);
        }
    }
    Filling f;
    f.key = {l.number, 0, c.unit};
    if (l.has_units && l.info) {
        f.info = *l.info;
        f.key.gen = l.info->gen;
        if (l.info->unit == c.unit) f.dur = l.info->duration;
    }
    if (l.disc_due && l.info && l.info->unit == c.unit) l.disc_pdt = l.info->pdt;
    l.filling = std::move(f);
}

void Keeper::on(const Gap& gap) {
    auto& l = lane(gap.lane);
    journal::GapLine g;
    g.lane = gap.lane;
    g.gen = gap.gen;
    g.from = gap.from;
    g.to = std::max(gap.from, gap.to);
    g.exact = gap.exact;
    g.part = gap.partial;
    g.n = gap.bytes;
    g.why = gap.why;
    g.tries = gap.tries;
    if (l.has_units || gap.first_unit || gap.last_unit)
        g.u = journal::Range{gap.first_unit, std::max(gap.first_unit, gap.last_unit)};
    if (l.drop)
        flush_drop(l);
    else
        (void)write_pending(l, false);
    if (g.u && l.listed && l.listed->gen == g.gen && g.u->from <= l.listed->u) {
        if (g.u->to <= l.listed->u) return;  // what the source gives up now was dropped and listed here
        g.u->from = l.listed->u + 1;
        g.part = false;
    }
    if (!l.has_units) finish_run(l);
    if (l.filling) {
        const auto& key = l.filling->key;
        const bool covered = g.u && key.gen == g.gen && key.u >= g.u->from && key.u <= g.u->to;
        if (covered) {
            g.part = l.filling->n > 0;
            finish_part(l);
        } else {
            start_drop(l, "the unit was cut short");
            flush_drop(l);
            l.drop.reset();
        }
    }
    if (g.u && parts_.contains({g.lane, g.gen, g.u->from})) g.part = true;
    write_gap(std::move(g));
}

void Keeper::write_gap(journal::GapLine gap) {
    while (gap.u && whole_.contains(gap.lane, gap.gen, gap.u->from)) {  // asked for again, and there already
        if (gap.u->from == gap.u->to) return;
        ++gap.u->from;
        gap.part = false;
    }
    gap.id = next_id_++;
    ++stats_.gaps;
    if (counters_) counters_->gaps.add();
    if (gap.u) {
        stats_.missing_units += gap.u->to - gap.u->from + 1;
        if (counters_) counters_->missing.add(static_cast<double>(gap.u->to - gap.u->from + 1));
        std::erase_if(owed_, [&](const auto& entry) {
            const auto& key = entry.first;
            return key.lane == gap.lane && key.gen == gap.gen && key.u >= gap.u->from && key.u <= gap.u->to;
        });
    }
    line(gap);
}

// ------------------------------------------------------------------ placing bytes

/// False when the lane is dropping afterwards.
bool Keeper::write_pending(Lane& l, bool unit_ends) {
    if (l.drop) return false;
    if (l.pending.empty() && !(unit_ends && l.filling && !l.filling->placed)) return true;
    if (!l.filling) return true;
    std::uint64_t bytes = 0;
    for (const auto& b : l.pending) bytes += b.size();
    if (auto r = ensure_raw(l); !r) {
        write_failed(l, r.error());
        return false;
    }
    auto& raw = *l.raw;
    const bool wants_header = l.init && !l.init->header.empty() && raw.size == 0 && !l.pending.empty() &&
                              !(raw.format == Container::ts && begins_with_pat(l.pending.front()));
    if (unit_ends) foretell(l);
    if (wants_header) l.pending.insert(l.pending.begin(), l.init->header);
    if (auto r = raw.file->append(l.pending); !r) {
        if (wants_header) l.pending.erase(l.pending.begin());
        write_failed(l, r.error());
        return false;
    }
    if (wants_header) l.pending.erase(l.pending.begin());
    if (raw.size == 0 && l.init) raw.header = content_hash(l.init->header.view());
    const auto header = wants_header ? l.init->header.size() : 0;
    if (l.init_due || header) {
        journal::InitLine i{l.init->epoch,  l.number,
                            raw.f,          raw.size,
                            header,         header ? content_hash(l.init->header.view()) : 0,
                            l.init->tracks, hash_of_init(*l.init)};
        line(i);
        l.init_due = false;
        raw.size += header;
    }
    if (l.disc_due) {
        line(journal::Disc{l.number, raw.f, raw.size, l.disc_due->unit, l.disc_pdt, l.disc_due->why});
        l.disc_due.reset();
        l.disc_pdt.reset();
    }
    auto& f = *l.filling;
    if (!f.placed) {
        f.placed = true;
        f.f = raw.f;
        f.off = raw.size;
    }
    if (l.has_units && !f.begun && !unit_ends) {
        f.begun = true;
        line(journal::Begin{l.number, f.key.u, f.key.gen, f.f, f.off, f.dts, f.raw_dts, f.dur});
    }
    for (const auto& b : l.pending) f.hash.update(b.view());
    f.n += bytes;
    raw.size += bytes;
    stats_.bytes += bytes + header;
    if (counters_) counters_->bytes.add(static_cast<double>(bytes + header));
    gate_->wrote(bytes);
    l.pending.clear();
    if (f.dts && !first_time_) first_time_ = f.dts;
    if (f.dts) last_time_ = std::max(last_time_, f.until);
    return true;
}

/// TS repeats its tables in the stream; all others are read with the header that their file begins with.
bool Keeper::needs_other_file(const Lane& l) {
    if (!l.raw || l.raw->dead || !l.init) return true;
    if (l.raw->format != l.init->format.container) return true;
    return l.init_due && l.raw->size && l.raw->format != Container::ts &&
           l.raw->header != content_hash(l.init->header.view());
}

Result<> Keeper::ensure_raw(Lane& l) {
    const auto format = l.init ? l.init->format.container : Container::ts;
    if (l.raw && !l.raw->dead && (!l.init || !needs_other_file(l))) return announce(l);
    if (l.raw) l.raw->dead = true;  // closed for good; the next round syncs it
    if (auto r = sync_journal(); !r) return r;
    for (std::uint32_t tries = 0; tries < max_raw_files; ++tries) {
        const auto f = next_f_++;
        const Path path = fmt::format("{}.{}{}", stem_.string(), f, ending_of(format));
        auto file = fs_.create(path);
        if (!file && file.error().code == Errc::busy) continue;
        if (!file) return within("open raw file", file.error());
        if (auto r = fs_.sync_folder(folder_of(path)); !r) {
            file->reset();
            (void)fs_.remove(path).has_value();
            return within("open raw file", r.error());
        }
        l.raw = std::make_shared<RawOut>();
        l.raw->f = f;
        l.raw->format = format;
        l.raw->file = std::move(*file);
        raws_.emplace_back(l.number, l.raw);
        line(journal::Raw{f, path.filename().string(), l.number, format, boot_});
        return announce(l);
    }
    return Error{Errc::busy, "too many raw files"};
}

Result<> Keeper::announce(Lane& l) {
    if (l.raw->announced) return {};
    if (auto r = sync_journal(); !r) return r;
    l.raw->announced = true;
    return {};
}

void Keeper::write_failed(Lane& l, const Error& error) {
    if (l.raw && !l.raw->dead && l.raw->announced) {
        auto& raw = *l.raw;
        const auto size = raw.file->size();
        const auto was = size ? std::max(*size, raw.size) : raw.size;
        const auto cut = raw.file->truncate(raw.size);
        raw.dead = !cut || error.code != Errc::no_space;
        if (was > raw.size || !cut) line(journal::Trim{raw.f, raw.size, was, error.what});
    }
    gate_->close(error);
    start_drop(l, error.code == Errc::no_space ? "no space" : "disk: " + error.what);
}

journal::Unit Keeper::unit_line(const Filling& f, bool part) const {
    journal::Unit u;
    u.lane = f.key.lane;
    u.u = f.key.u;
    u.gen = f.key.gen;
    u.f = f.f;
    u.off = f.off;
    u.n = f.n;
    u.dts = f.dts;
    u.raw_dts = f.raw_dts;
    u.dur = f.dur;
    u.h = f.hash.digest();
    u.part = part;
    if (f.info.unit == f.key.u) {
        u.pdt = f.info.pdt;
        u.uri = f.info.uri_hash;
        u.tries = f.info.tries;
    }
    return u;
}

void Keeper::finish_unit(Lane& l) {
    auto& f = *l.filling;
    if (l.info && l.info->unit == f.key.u) f.info.tries = l.info->tries;
    auto said = unit_line(f, false);
    said.again = !whole_.add(f.key.lane, f.key.gen, f.key.u);
    line(said);
    if (said.again) {
        stats_.bytes -= std::min(stats_.bytes, f.n);
        l.recent.push_back({f.f, f.off, f.n, std::nullopt, l.last_time, l.last_time});
        l.filling.reset();
        return;
    }
    const auto from = f.dts.value_or(l.last_time);
    l.last_time = from + f.dur;
    last_time_ = std::max(last_time_, l.last_time);
    l.recent.push_back({f.f, f.off, f.n, f.key, from, l.last_time});
    owed_.erase(f.key);
    parts_.erase(f.key);
    ++got_;
    if (counters_) counters_->units.add();
    if (!at_) at_.emplace();
    if (l.number) {
        at_->lanes[l.number] = {f.key.u, f.key.gen, l.last_time};
    } else {
        at_->any = true;
        at_->unit = f.key.u;
        at_->gen = f.key.gen;
        at_->stream_time = l.last_time;
        at_->last_written = wall_;
        at_->offset.reset();
        if (f.dts && f.raw_dts) at_->offset = *f.dts - *f.raw_dts;
    }
    l.filling.reset();
}

/// The unit stays as far as it came; its gap is the caller's to write.
void Keeper::finish_part(Lane& l) {
    if (l.filling->n) {
        line(unit_line(*l.filling, true));
        const auto from = l.filling->dts.value_or(l.last_time);
        l.recent.push_back({l.filling->f, l.filling->off, l.filling->n, std::nullopt, from, from});
    }
    l.filling.reset();
}

void Keeper::finish_run(Lane& l) {
    if (!l.filling || !l.filling->n) return;
    const auto& f = *l.filling;
    const auto from = f.dts.value_or(l.last_time);
    const auto to = std::max(from, f.until);
    line(journal::Run{l.number, f.f, f.off, f.n, f.dts, f.raw_dts, to - from, f.hash.digest()});
    l.recent.push_back({f.f, f.off, f.n, std::nullopt, from, to});
    l.last_time = to;
    last_time_ = std::max(last_time_, to);
    if (l.number == 0) at_ = ResumePoint{false, 0, 0, to, wall_, {}};
    l.filling.reset();
}

// ------------------------------------------------------------------ dropping

void Keeper::start_drop(Lane& l, std::string why) {
    Drop d;
    d.why = std::move(why);
    d.units = l.has_units;
    for (const auto& b : l.pending) d.bytes += b.size();
    l.pending.clear();
    if (l.filling && l.has_units) {
        const auto& f = *l.filling;
        d.any = true;
        d.gen = f.key.gen;
        d.first = d.last = f.key.u;
        d.part = f.n > 0;
        d.from = f.dts.value_or(l.last_time);
        d.to = *d.from + f.dur;
        finish_part(l);
    } else if (l.filling) {
        finish_run(l);
        l.filling.reset();
        d.from = l.last_time;
        d.to = l.last_time;
        d.any = d.bytes > 0;
    }
    l.drop = std::move(d);
}

void Keeper::note_dropped(Lane& l, const Chunk& c) {
    auto& d = *l.drop;
    if (l.has_units) {
        const auto gen = l.info ? l.info->gen : 0;
        if (d.any && c.unit_begin && (gen != d.gen || c.unit != d.last + 1)) flush_drop(l);
        if (!d.any) {
            d.units = true;
            d.gen = gen;
            d.first = c.unit;
        }
        d.last = c.unit;
    }
    d.any = true;
    d.bytes += c.bytes.size();
    if (!c.dts) return;
    const auto unit_duration = l.info && l.info->unit == c.unit ? l.info->duration : c.duration;
    if (!d.from) d.from = c.dts;
    d.to = std::max(d.to, *c.dts + (c.unit_begin ? unit_duration : Micros{0}));
}

/// Lists what was dropped so far; the lane goes on dropping.
void Keeper::flush_drop(Lane& l) {
    auto& d = *l.drop;
    if (d.any) {
        journal::GapLine g;
        g.lane = l.number;
        g.gen = d.gen;
        if (d.units) g.u = journal::Range{d.first, d.last};
        g.from = d.from.value_or(l.last_time);
        g.to = std::max(d.to, g.from);
        g.part = d.part || (d.units && parts_.contains({l.number, d.gen, d.first}));
        g.n = d.bytes;
        g.why = d.why;
        l.last_time = std::max(l.last_time, g.to);
        if (d.units) l.listed = Book::UnitKey{l.number, d.gen, d.last};
        write_gap(std::move(g));
    }
    Drop next;
    next.why = std::move(d.why);
    next.units = d.units;
    d = std::move(next);
}

}  // namespace weir::store
