#include <algorithm>

#include "base/ids.h"
#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/lane.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch_bytes = 256u << 10;
constexpr Micros begun_grace = 2s, unbegun_grace = 500ms;

}  // namespace

Task<Result<End>> Lane::run(Demand& demand) {
    co_await errors_not_throws();
    demand_ = &demand;
    first_.reset();
    last_new_ = last_progress_ = last_handed_ = clock_.now();
    running_ = true;
    if (!finished_) tasks_.spawn(poll(), "hls playlist");
    if (ends_idle_ && !finished_) tasks_.spawn(end_when_silent(), "hls last look");
    if (next_switch_ && !std::exchange(switching_, true)) tasks_.spawn(switch_over(), "hls switch");
    schedule();
    auto ended = co_await commit(demand);
    if (number_ != 0) co_await uncancellable();  // the main lane's owner still has to hear a stop, in end_beside()
    stopping_ = true;
    co_await tasks_.stop("the source ended");
    if (closing_ && !p_.sink_error) co_await list_late();
    if (number_ == 0 && !p_.sink_error) {
        std::vector<Item> items;
        list_untried(items);
        (void)co_await hand_on(items);
    }
    queue_.clear();
    co_return ended;
}

Task<Result<End>> Lane::commit(Demand& demand) {
    while (true) {
        if (p_.sink_error) co_return *p_.sink_error;
        if (number_ == 0) p_.owner->look_at(demand);
        if (demand.stop.asked() || closed()) {
            co_await uncancellable();
            if (auto r = co_await wind_down(); !r) co_return r.error();
            co_return End{EndReason::stopped, demand.stop.reason()};
        }
        if (fatal_ && (!delivered_any_ || queue_.empty())) co_return *fatal_;
        if (const bool between = queue_.empty() || !queue_.front().unit || !queue_.front().unit->begun;
            between && settings_.duration && position_ - p_.begins >= *settings_.duration) {
            if (number_ == 0 || (closing_ && position_ + 100ms >= closing_->until))
                co_return End{EndReason::duration, {}};
            if (!closing_) {  // the main lane ends at a border of its own, which may lie further on
                const bool rung = co_await work_.wait();
                if (!rung && !demand.stop.asked()) demand.stop.ask("cancelled");
                continue;
            }
        }
        if (queue_.empty()) {
            if (finished_ && !switching_) co_return *finished_;
            const bool rung = co_await work_.wait();
            if (!rung && !demand.stop.asked()) demand.stop.ask("cancelled");
            continue;
        }
        bool moved = true;
        const auto unit = queue_.front().unit;
        auto stepped = Result<>();
        if (unit)
            stepped = co_await step(*unit, moved);
        else
            stepped = co_await step_missed();
        if (!stepped) co_return stepped.error();
        if (moved) {
            last_progress_ = clock_.now();
            continue;
        }
        const bool rung = co_await work_.wait();
        if (!rung && !demand.stop.asked()) demand.stop.ask("cancelled");
    }
}

Task<Result<>> Lane::step_missed() {
    std::vector<Item> items;
    const auto& entry = queue_.front();
    if (entry.trial) {
        leave_untried(entry.missed, may_be_due());
    } else {
        list_untried(items);
        lose(entry.missed, items);
    }
    pop();
    co_return co_await hand_on(items);
}

/// Hands on what the head has; `moved` is false when there is nothing to do but wait.
Task<Result<>> Lane::step(Unit& unit, bool& moved) {
    std::vector<Item> items;
    const auto where = place(unit, items);
    if (where != Place::take) {
        moved = where == Place::leave_out;
        if (moved) leave_out(unit);
        co_return Result<>();
    }
    moved = !unit.pieces.empty() || !items.empty();
    if (auto passed = pass_pieces(unit, items); !passed) {
        unit.hopeless = unit.dropped = true;
        unit.error = passed.error();
        unit.state = Unit::State::failed;
    }
    if (unit.pieces.empty() && unit.state == Unit::State::done) {
        finish(unit, items);
        pop();
        moved = true;
    } else if (unit.state == Unit::State::failed) {
        drop_held(unit);
        lose(unit, unit.error ? short_reason(*unit.error) : "left the window", items);
        pop();
        moved = true;
    }
    co_return co_await hand_on(items);
}

/// One accept() at a time, whichever lane it is.
Task<Result<>> Lane::hand_on(std::vector<Item>& items) {
    if (items.empty()) co_return Result<>();
    while (p_.sink_busy) {
        const bool rung = co_await p_.sink_free.wait();
        if (rung) continue;
        if (!demand_->stop.asked()) demand_->stop.ask("cancelled");
        co_await uncancellable();
    }
    if (p_.sink_error) co_return *p_.sink_error;
    p_.sink_busy = true;
    auto taken = co_await p_.sink->accept(items);
    p_.sink_busy = false;
    items.clear();
    if (!taken) {
        p_.sink_error = taken.error();
        for (auto* lane : p_.lanes) lane->wake();
    }
    p_.sink_free.notify();
    co_return taken;
}

void Lane::pop() {
    queue_.pop_front();
    room_.notify();
    schedule();
}

Result<> Lane::begin(Unit& unit, std::vector<Item>& items) {
    unit.begun = true;
    unit.passed_hash = std::make_unique<ContentHash>();
    enter_line(unit);
    UnitInfo info;
    info.unit = unit.segment.sequence;
    info.lane = number_;
    info.gen = unit.gen;
    info.pdt = unit.segment.pdt;
    info.duration = unit.segment.duration;
    info.tries = unit.tries;
    if (const auto url = resolve_url(*unit.base, unit.segment.uri)) {
        const auto name = url->without_query();
        info.uri_hash = hex16(content_hash(std::as_bytes(std::span(name))));
    }
    auto chosen = choose_cutter(unit);
    if (!delivered_any_) anchor(unit);  // what was lost before the first unit keeps its length
    if (!break_why_.empty() && (delivered_any_ || resume_)) {
        if (const auto last = cutter_->last_dts()) position_ = std::max(position_, *last + 1ms);
        items.emplace_back(Discontinuity{number_, unit.segment.sequence, break_why_});
        if (reanchor_) anchor(unit);
    } else if (overlap_ && cutter_->offset()) {
        cutter_->set_offset(*cutter_->offset());  // taken for what it says: it lies before what was handed on
    }
    break_why_.clear();
    reanchor_ = false;
    items.emplace_back(std::move(info));
    cutter_->begin_unit(unit.segment.sequence, unit.gen, unit.segment.duration, position_, guessed_);
    delivered_any_ = true;
    last_gen_ = unit.gen;
    last_number_ = unit.segment.sequence;
    return chosen;
}

Result<> Lane::pass_pieces(Unit& unit, std::vector<Item>& items) {
    std::size_t passed = 0;
    while (!unit.pieces.empty() && passed < batch_bytes) {
        if (!unit.begun)
            if (auto begun = begin(unit, items); !begun) return begun;
        const auto piece = std::move(unit.pieces.front());
        unit.pieces.pop_front();
        unit.held -= piece.size();
        held_ -= piece.size();
        unit.passed += piece.size();
        unit.passed_hash->update(piece.view());
        stats_.bytes += piece.size();
        passed += piece.size();
        const auto before = items.size();
        if (auto r = cutter_->feed(piece, clock_.now(), items); !r) return r;
        strip_overlap(items, before);
        tell_offset(unit);
    }
    if (passed > 0) room_.notify();
    return {};
}

void Lane::finish(Unit& unit, std::vector<Item>& items) {
    auto ended = Result<>();
    if (!unit.begun) ended = begin(unit, items);
    const auto before = items.size();
    if (ended) ended = cutter_->end_unit(items);
    if (!ended) {
        lose(unit, ended.error().what, items);
        return;
    }
    strip_overlap(items, before);
    overlap_.reset();
    tell_offset(unit);
    ++stats_.asked;
    ++stats_.got;
    guessed_ = Micros{0};
    last_handed_ = clock_.now();
    position_ = cutter_->unit_start().value_or(position_) + unit.segment.duration;
    if (const auto last = cutter_->last_dts()) position_ = std::max(position_, *last);
}

void Lane::lose(Unit& unit, std::string why, std::vector<Item>& items) {
    Gap gap;
    gap.lane = number_;
    gap.gen = unit.gen;
    gap.first_unit = gap.last_unit = unit.segment.sequence;
    gap.partial = unit.begun && cutter_->unit_has_chunk();
    gap.from = position_;
    gap.to = position_ + unit.segment.duration;
    if (unit.begun) {
        const auto before = items.size();
        cutter_->abandon_unit(items);
        strip_overlap(items, before);
    }
    if (gap.partial) {
        if (const auto last = cutter_->last_dts()) gap.from = std::clamp(*last, gap.from, gap.to);
        if (unit.hopeless) break_why_ = "retry differs";
    }
    enter_line(unit);
    overlap_.reset();
    last_gen_ = unit.gen;
    last_number_ = unit.segment.sequence;
    gap.tries = unit.tries;
    gap.why = std::move(why);
    WEIR_LOG(warn, "segment lost", {"lane", number_}, {"unit", unit.segment.sequence}, {"why", gap.why},
             {"tries", unit.tries});
    position_ = gap.to;
    last_handed_ = clock_.now();
    ++stats_.asked;
    ++stats_.missing;
    items.emplace_back(std::move(gap));
}

void Lane::lose(const Missed& missed, std::vector<Item>& items) {
    Gap gap;
    gap.lane = number_;
    gap.gen = missed.gen;
    gap.first_unit = missed.first;
    gap.last_unit = missed.last;
    gap.from = position_;
    gap.to = position_ + missed.duration;
    gap.exact = false;  // the numbers are, the time is not
    gap.why = missed.why;
    const auto count = missed.last - missed.first + 1;
    WEIR_LOG(warn, "segments never seen", {"lane", number_}, {"first", missed.first}, {"count", count},
             {"why", missed.why});
    position_ = gap.to;
    last_handed_ = clock_.now();
    guessed_ += missed.duration;
    last_gen_ = missed.gen;
    last_number_ = missed.last;
    stats_.asked += count;
    stats_.missing += count;
    items.emplace_back(std::move(gap));
}

Task<void> Lane::wake_at(SteadyTime when) {
    co_await errors_not_throws();
    (void)co_await clock_.sleep_until(when);
    work_.notify();
}

/// Asked to stop: what is whole is handed on, the segment under way has a moment to become so, the rest was never
/// begun.
Task<Result<>> Lane::wind_down() {
    stopping_ = true;
    const auto since = clock_.now();
    tasks_.spawn(wake_at(since + unbegun_grace), "hls stop");
    tasks_.spawn(wake_at(since + begun_grace), "hls stop");
    while (!queue_.empty() && queue_.front().unit) {
        const auto unit = queue_.front().unit;
        const auto grace = unit->begun ? Micros(begun_grace) : Micros(unbegun_grace);
        const bool late = clock_.now() - since >= grace;
        if (unit->state == Unit::State::failed && !unit->begun) break;
        if (closing_ && !unit->begun && position_ >= closing_->until) break;
        if (unit->state != Unit::State::done && unit->state != Unit::State::failed &&
            (late || unit->state != Unit::State::fetching)) {
            if (unit->begun) {
                std::vector<Item> items;
                drop_held(*unit);
                unit->dropped = true;
                lose(*unit, "stopped", items);
                pop();
                if (auto r = co_await hand_on(items); !r) co_return r;
            }
            break;
        }
        bool moved = false;
        if (auto r = co_await step(*unit, moved); !r) co_return r;
        if (!moved) (void)co_await work_.wait();
    }
    co_return Result<>();
}

}  // namespace weir::hls
