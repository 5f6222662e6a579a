#include <algorithm>

#include "base/log.h"
#include "sources/hls/cutters.h"
#include "sources/hls/lane.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr auto patience_for_main = 20s;
constexpr Micros sane = 30s;  ///< further off than this a lane's clock is another one

/// Rounding of EXTINF and of timestamps: what ends so little after the place ends there.
Micros tolerance(const Unit& unit) {
    return std::min<Micros>(unit.segment.duration / 10, 100ms);
}

constexpr Micros rounding = 100ms;  ///< no hole

/// Units like this one that fill a hole before it; none when it is but rounding.
std::uint64_t units_in(Micros hole, const Unit& unit) {
    const auto each = std::max<Micros>(unit.segment.duration, 1ms);
    if (hole <= std::max<Micros>(each / 2, rounding)) return 0;
    return std::max<std::uint64_t>(static_cast<std::uint64_t>((hole + each / 2) / each), 1);
}

}  // namespace

/// Discontinuity sequences count from playlist to playlist; servers that do not write them are counted for.
TimeLine Lane::line_of(const Unit& unit) const {
    const auto signed_breaks = static_cast<std::int64_t>(unit.segment.discontinuity_sequence) + unit.shift;
    const auto said = static_cast<std::uint64_t>(std::max<std::int64_t>(0, signed_breaks));
    if (unit.restart) return {line_.era + 1, said};
    if (!in_line_) return {0, said};
    if (unit.trial) return {line_.era, said};
    return {line_.era, std::max(line_.breaks + (unit.segment.discontinuity ? 1 : 0), said)};
}

void Lane::enter_line(Unit& unit) {
    if (std::exchange(unit.entered, true)) return;
    const auto next = line_of(unit);
    if (unit.restart) {
        break_why_ = "origin restart";
    } else if (break_why_.empty() && (unit.segment.discontinuity || (in_line_ && next != line_)) && !unit.trial) {
        break_why_ = "ext-x-discontinuity";
    }
    if (!in_line_ || next != line_) reanchor_ = true;
    line_ = next;
    in_line_ = true;
}

/// Another container or another rendition is another epoch; the clock goes on.
Result<> Lane::choose_cutter(Unit& unit) {
    if (cutter_ && cutter_content_ == unit.content && cutter_rendition_ != unit.rendition) cutter_->new_epoch();
    if (!cutter_ || cutter_content_ != unit.content) {
        const auto epoch = cutter_ && cutter_->init() ? cutter_->init()->epoch + 1 : 1;
        const auto offset = cutter_ ? cutter_->offset() : std::nullopt;
        if (cutter_) overlap_ = cutter_->last_dts();  // the new one does not know what time must not fall below
        cutter_ = make_cutter(unit.content, number_, epoch);
        cutter_content_ = unit.content;
        cutter_->rebase(position_);
        if (offset && !unit.own_clock)
            cutter_->set_offset(*offset);
        else
            anchored_ = false;
    }
    cutter_rendition_ = unit.rendition;
    if (unit.content == Content::fmp4 && !unit.header.empty()) return cutter_->set_header(unit.header);
    return {};
}

/// The line's clock, where another lane has found it; else it begins where this lane stands, or another that has more
/// of the line before.
void Lane::anchor(const Unit& unit) {
    const auto known = p_.times.offset(line_);
    anchored_ = known && !unit.own_clock;
    if (anchored_) {
        overlap_ = cutter_->last_dts();
        cutter_->set_offset(*known);
        return;
    }
    if (goes_on_after_resume(unit)) {
        cutter_->set_offset(*resume_->offset);  // EXTINF is not exact: by it what comes now would move by a little
        return;
    }
    auto begins = p_.times.begin(line_, position_);
    for (const auto* lane : p_.lanes)
        if (lane->in_line_ && lane->line_ < line_ && lane->position_ <= position_ + 3 * target_)
            begins = std::max(begins, lane->position_);
    cutter_->rebase(begins);
}

/// Is the source's clock still the one of before the interruption?
bool Lane::goes_on_after_resume(const Unit& unit) const {
    if (!resume_ || !resume_->offset || delivered_any_ || !break_why_.empty() || unit.own_clock) return false;
    const auto raw = first_time(unit.content, unit.header, unit.pieces);
    if (!raw) return false;
    const auto start = unwrapped(*raw + *resume_->offset, position_, unit.content);
    return start >= resume_->stream_time - sane && start - position_ <= sane + guessed_;
}

void Lane::tell_offset(const Unit& unit) {
    if (anchored_ || unit.own_clock || !cutter_->last_dts()) return;
    const auto offset = cutter_->offset();
    if (!offset) return;
    anchored_ = true;
    p_.times.set(line_, *offset);
    for (auto* lane : p_.lanes)
        if (lane != this) lane->wake();
}

/// Whether the unit at the head is begun, left out (its media was handed on already), or waits for its timestamps.
Lane::Place Lane::place(Unit& unit, std::vector<Item>& items) {
    if (unit.begun) return Place::take;
    if (!unit.trial) list_untried(items);
    const auto line = line_of(unit);
    const bool same_line = in_line_ && line == line_;
    if (!unit.trial && (same_line || p_.lanes.size() == 1)) return Place::take;
    if (unit.pieces.empty()) {
        if (unit.state != Unit::State::done && unit.state != Unit::State::failed) return Place::wait;
        if (!unit.trial) return Place::take;
        leave_untried(unit, unit.error ? short_reason(*unit.error) : "left the window");
        return Place::leave_out;
    }
    const auto offset = same_line && cutter_ && cutter_->offset() ? cutter_->offset() : p_.times.offset(line);
    if (offset) return place_by_time(unit, *offset, items);
    if (unit.trial && p_.times.passed(line)) return Place::leave_out;
    if (wait_for_main(unit, line)) return Place::wait;
    if (unit.trial) settle(unit, std::nullopt, items);
    return Place::take;
}

Lane::Place Lane::place_by_time(Unit& unit, Micros offset, std::vector<Item>& items) {
    const auto raw = first_time(unit.content, unit.header, unit.pieces);
    if (!raw && unit.state == Unit::State::fetching && !must_wait(unit)) return Place::wait;
    if (!raw) {
        if (unit.trial) settle(unit, std::nullopt, items);
        return Place::take;
    }
    const auto start = unwrapped(*raw + offset, position_, unit.content);
    const auto off = std::chrono::abs(start - position_);
    if (!unit.trial) {
        unit.own_clock = off > sane + guessed_;
        return Place::take;
    }
    const auto passed = std::chrono::duration_cast<Micros>(clock_.now() - last_handed_);
    if (off > span_ + sane + (start > position_ ? passed : Micros{0})) {
        if (unit.margin) return Place::leave_out;
        unit.own_clock = true;
        settle(unit, std::nullopt, items);
        if (delivered_any_ && break_why_.empty()) break_why_ = "another clock";
        reanchor_ = true;
        return Place::take;
    }
    if (start + unit.segment.duration <= position_ + tolerance(unit)) {
        forget_untried(unit);
        return Place::leave_out;
    }
    settle(unit, start, items);
    return Place::take;
}

bool Lane::wait_for_main(Unit& unit, TimeLine line) {
    if (number_ == 0 || !p_.main_running) return false;
    if (!unit.wait_until) {
        unit.wait_until = clock_.now() + patience_for_main;
        tasks_.spawn(wake_at(*unit.wait_until), "hls clock");
    }
    if (in_line_) p_.times.arrive(line, position_);
    return clock_.now() < *unit.wait_until;
}

/// The first unit of another rendition is found. Its number goes on, or a new generation begins; what lies between is
/// listed.
void Lane::settle(Unit& unit, std::optional<Micros> start, std::vector<Item>& items) {
    if (unit.rendition == rendition_) placing_ = false;
    for (auto& entry : queue_) {
        if (entry.unit && entry.unit->rendition == unit.rendition) entry.unit->trial = false;
        if (!entry.unit && entry.rendition == unit.rendition) entry.trial = false;
    }
    if (!start) list_untried(items);
    const auto hole = start ? *start - position_ : Micros{0};
    const auto lost = lost_in(hole, unit);
    const bool in_order = !last_number_ || (unit.gen == last_gen_ && unit.segment.sequence == *last_number_ + 1 + lost);
    if (!in_order && unit.gen == last_gen_) {
        const auto old = unit.gen, gen = window_.new_generation();
        for (auto& entry : queue_)
            if (auto& its = entry.unit ? entry.unit->gen : entry.missed.gen; its == old) its = gen;
    }
    if (lost > 0) list_hole(unit, hole, lost, items);
    untried_.clear();
    if (last_number_ && start && cutter_ && cutter_->last_dts() && *start + 100ms < *cutter_->last_dts())
        overlap_ = *cutter_->last_dts();
}

Micros Lane::untried_length() const {
    Micros length{0};
    for (const auto& u : untried_) length += u.due ? u.missed.duration : Micros{0};
    return length;
}

/// What a hole in time is in units: those that were tried in vain where they explain it, else as many as fit.
std::uint64_t Lane::lost_in(Micros hole, const Unit& unit) const {
    const auto length = untried_length();
    std::uint64_t count = 0;
    for (const auto& u : untried_) count += u.due ? u.missed.last - u.missed.first + 1 : 0;
    if (count == 0 || hole <= rounding) return units_in(hole, unit);
    const auto each = length / static_cast<std::int64_t>(count);
    if (std::chrono::abs(hole - length) < std::max<Micros>(each / 2, rounding)) return count;
    return std::max<std::uint64_t>(units_in(hole, unit), 1);
}

/// Units between what was handed on and the first one of this rendition: it no longer had them, or they failed.
void Lane::list_hole(const Unit& unit, Micros hole, std::uint64_t lost, std::vector<Item>& items) {
    if (!last_number_ && untried_.empty()) return;
    const auto number = unit.segment.sequence;
    Missed missed{unit.gen, 0, 0, hole, "not in the other rendition's window"};
    if (!untried_.empty()) missed.why = untried_.back().missed.why;
    if (lost <= number) {
        missed.first = number - lost;
        missed.last = number - 1;
    } else if (last_number_) {  // there are not so many numbers before it: they are counted in the old numbering
        missed.gen = last_gen_;
        missed.first = *last_number_ + 1;
        missed.last = *last_number_ + lost;
    } else if (number > 0) {
        missed.last = number - 1;
    } else {
        return;
    }
    if (!last_number_) missed.first = std::clamp(untried_.back().missed.first, missed.first, missed.last);
    lose(missed, items);
}

/// Not recorded, and not yet known to be missing: what it would have brought may have been handed on already.
void Lane::leave_untried(Missed missed, bool due) {
    if (!untried_.empty()) {
        auto& [before, was_due] = untried_.back();
        if (was_due == due && before.gen == missed.gen && before.last + 1 == missed.first) {
            before.last = missed.last;
            before.duration += missed.duration;
            return;
        }
    }
    untried_.push_back({std::move(missed), due});
}

void Lane::leave_untried(const Unit& unit, std::string why) {
    const auto number = unit.segment.sequence;
    leave_untried({unit.gen, number, number, unit.segment.duration, std::move(why)}, may_be_due() && !unit.margin);
}

/// No timestamp will say where they lie.
void Lane::list_untried(std::vector<Item>& items) {
    for (auto& [missed, due] : std::exchange(untried_, {})) {
        if (last_number_ && missed.gen == last_gen_) missed.first = std::max(missed.first, *last_number_ + 1);
        if (due && missed.first <= missed.last && missed.gen >= last_gen_) lose(missed, items);
    }
}

/// This unit was handed on already by another rendition, so what lies before it was too.
void Lane::forget_untried(const Unit& before) {
    std::erase_if(untried_, [&](const Untried& u) {
        return u.missed.gen == before.gen && u.missed.last < before.segment.sequence;
    });
}

void Lane::leave_out(Unit& unit) {
    const bool tried = unit.state != Unit::State::failed;
    WEIR_LOG(debug, tried ? "unit left out: its media was handed on already" : "unit left out: it did not come",
             {"lane", number_}, {"unit", unit.segment.sequence});
    unit.dropped = true;
    drop_held(unit);
    pop();
}

/// Media that another rendition brought already keeps its own time only; stream time begins where it is new.
void Lane::strip_overlap(std::vector<Item>& items, std::size_t from) {
    const auto offset = cutter_->offset();
    for (; overlap_ && offset && from < items.size(); ++from) {
        auto* chunk = std::get_if<Chunk>(&items[from]);
        if (!chunk || !chunk->raw_dts) continue;
        if (*chunk->raw_dts + *offset < *overlap_)
            chunk->dts.reset();
        else
            overlap_.reset();
    }
}

}  // namespace weir::hls
