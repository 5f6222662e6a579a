// The keeper's other half: sync rounds, the journal's own writes, and the end.
#include <algorithm>

#include "base/log.h"
#include "store/keeper.h"

namespace weir::store {

void Keeper::round(Moment now) {
    wall_ = now.wall;
    gate_->check(now.now);
    for (auto& [number, l] : lanes_) {
        if (!l.drop) (void)write_pending(l, false);
        if (!l.has_units) finish_run(l);
    }
    const auto raws = raws_;
    for (const auto& [number, raw] : raws) sync_raw(lanes_[number], raw, now);
    (void)sync_journal().has_value();
    ++round_;
    std::erase_if(raws_, [&](const auto& entry) {
        const auto& raw = entry.second;
        const bool current = lanes_[entry.first].raw == raw;
        if (current && raw->dead && (raw->sync_failed || raw->synced == raw->size)) lanes_[entry.first].raw = nullptr;
        return raw->dead && (raw->sync_failed || raw->synced == raw->size);
    });
    publish();
}

void Keeper::sync_raw(Lane& l, const std::shared_ptr<RawOut>& raw, Moment now) {
    if (raw->sync_failed || raw->size == raw->synced) return;
    // Lines about the bytes go first: a sync line may never stand before what it speaks of.
    if (auto r = raw->file->sync(); !r) return sync_lost(l, *raw, r.error());
    raw->synced = raw->size;
    std::erase_if(l.recent, [&](const Recent& r) { return r.f == raw->f; });
    line(journal::Sync{raw->f, raw->synced, round_, unix_millis(now.wall)});
}

void Keeper::sync_lost(Lane& l, RawOut& raw, const Error& error) {
    WEIR_LOG(error, "a sync failed: what was written since the last one is listed as lost",
             {"file", fmt::format("{}.{}", stem_.string(), raw.f)}, {"bytes", raw.size - raw.synced},
             {"error", error.text()});
    raw.sync_failed = raw.dead = true;
    if (error.code == Errc::no_space) gate_->close(error);
    const auto why = "sync: " + error.what;
    line(journal::Lost{next_id_++, raw.f, {raw.synced, raw.size}, why});
    std::vector<journal::GapLine> gaps;
    for (const auto& r : l.recent) {
        if (r.f != raw.f || (l.has_units && !r.unit)) continue;  // a part's gap stands already
        const bool joins =
            !gaps.empty() && (!r.unit || (gaps.back().gen == r.unit->gen && gaps.back().u->to + 1 == r.unit->u));
        if (!joins) {
            auto& gap = gaps.emplace_back();
            gap.lane = l.number;
            gap.from = r.from;
            gap.why = why;
            gap.n = 0;
            if (r.unit) {
                gap.gen = r.unit->gen;
                gap.u = journal::Range{r.unit->u, r.unit->u};
            }
        }
        auto& gap = gaps.back();
        if (r.unit) {
            gap.u->to = r.unit->u;
            --got_;
            whole_.remove(r.unit->lane, r.unit->gen, r.unit->u);
        }
        gap.to = std::max(gap.from, r.to);
        *gap.n += r.n;
    }
    for (auto& gap : gaps) write_gap(std::move(gap));
    stats_.bytes -= std::min(stats_.bytes, raw.size - raw.synced);
    std::erase_if(l.recent, [&](const Recent& r) { return r.f == raw.f; });
    if (l.filling && l.filling->placed && l.filling->f == raw.f) {
        start_drop(l, why);
        l.drop->part = false;
    }
}

Result<> Keeper::flush_journal() {
    if (out_.empty()) return {};
    auto& file = journal_again_ ? *journal_again_ : *lock_;
    if (journal_torn_) {
        if (auto r = file.truncate(journal_size_); !r) {
            gate_->close(r.error());
            return within("journal", r.error());
        }
        journal_torn_ = false;
    }
    const Bytes bytes = Bytes::copy_of(out_);
    if (auto r = file.append(std::span(&bytes, 1)); !r) {
        journal_torn_ = !file.truncate(journal_size_);
        gate_->close(r.error());
        return within("journal", r.error());
    }
    journal_size_ += out_.size();
    unsynced_ += out_;
    out_.clear();
    return {};
}

/// Before the last bytes of a unit go to its file: recovery then knows it for whole though its own line does not follow.
/// Not with lines due that only follow those bytes: the unit would be there and the break of time before it would not.
void Keeper::foretell(const Lane& l) {
    const auto& f = *l.filling;
    if (!f.begun || l.init_due || l.disc_due) return;
    journal::Begin whole{l.number, f.key.u, f.key.gen, f.f, f.off, f.dts, f.raw_dts, f.dur};
    auto hash = f.hash;
    whole.n = f.n;
    for (const auto& b : l.pending) {
        hash.update(b.view());
        whole.n += b.size();
    }
    whole.h = hash.digest();
    line(whole);
    (void)flush_journal().has_value();  // when it fails the gate is closed, and the line waits for the next one
}

Result<> Keeper::sync_journal() {
    if (auto r = flush_journal(); !r) return r;
    if (unsynced_.empty()) return {};
    auto& file = journal_again_ ? *journal_again_ : *lock_;
    if (!journal_suspect_) {
        if (auto r = file.sync(); r) {
            unsynced_.clear();
            return {};
        } else {
            WEIR_LOG(warn, "syncing a journal failed; its last lines are written again",
                     {"journal", journal_path_.string()}, {"error", r.error().text()});
        }
        journal_suspect_ = true;
    }
    auto r = rewrite_journal();
    if (!r) gate_->close(r.error());
    return r;
}

/// After a failed sync the kernel may have dropped the pages: the same bytes once more, through another descriptor.
Result<> Keeper::rewrite_journal() {
    auto again = fs_.open(journal_path_, true);
    if (!again) return within("journal", again.error());
    const auto at = journal_size_ - unsynced_.size();
    if (auto r = (*again)->pwrite(at, std::as_bytes(std::span(unsynced_))); !r) return within("journal", r.error());
    if (auto r = (*again)->sync(); !r) return within("journal", r.error());
    journal_again_ = std::move(*again);
    journal_suspect_ = false;
    unsynced_.clear();
    return {};
}

Result<> Keeper::close(Moment now) {
    wall_ = now.wall;
    for (auto& [number, l] : lanes_) {
        if (!l.drop) (void)write_pending(l, false);
        if (!l.has_units)
            finish_run(l);
        else if (l.filling && !l.drop)
            start_drop(l, "ended inside the unit");
        if (l.drop) flush_drop(l);
        l.drop.reset();
        l.filling.reset();
    }
    const auto owed = std::exchange(owed_, {});
    for (const auto& [key, gap] : owed) write_gap(gap);
    for (auto& [number, l] : lanes_)
        if (l.raw) l.raw->dead = true;
    round(now);
    if (auto r = sync_journal(); !r) return within("close recording", r.error());
    if (end_said_) return let_go();
    journal::EndLine end;
    end.reason = std::string(name_of(end_.reason));
    end.why = end_.why;
    end.clean = end_.reason != EndReason::error;
    end.got = got_;
    end.asked = got_ + stats_.missing_units;
    end.bytes = stats_.bytes;
    end.t = unix_millis(now.wall);
    line(end);
    end_said_ = true;
    if (auto r = sync_journal(); !r) return within("close recording", r.error());
    return let_go();
}

Result<> Keeper::let_go() {
    journal_again_.reset();
    lock_.reset();
    publish();
    return {};
}

}  // namespace weir::store
