#include <algorithm>

#include "base/ids.h"
#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/follower.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch_bytes = 256u << 10;
constexpr Micros begun_grace = 2s, unbegun_grace = 500ms;

}  // namespace

Task<Result<End>> Follower::run(ItemSink& sink, Demand& demand) {
    co_await errors_not_throws();
    sink_ = &sink;
    if (!prepared_) {
        auto ready = co_await prepare(demand);
        if (!ready && demand.stop.asked()) co_return End{EndReason::stopped, demand.stop.reason()};
        if (!ready) co_return ready.error();
    }
    begin_position_ = position_;
    first_.reset();
    cutter_.rebase(position_);
    last_new_ = clock_.now();
    if (!finished_) tasks_.spawn(poll(), "hls playlist");
    schedule();
    auto ended = co_await commit(demand);
    co_await uncancellable();
    stopping_ = true;
    co_await tasks_.stop("the source ended");
    queue_.clear();
    co_return ended;
}

Task<Result<End>> Follower::commit(Demand& demand) {
    while (true) {
        if (demand.stop.asked()) {
            co_await uncancellable();
            if (auto r = co_await wind_down(); !r) co_return r.error();
            co_return End{EndReason::stopped, demand.stop.reason()};
        }
        if (fatal_ && (!delivered_any_ || queue_.empty())) co_return *fatal_;
        if (const bool between = queue_.empty() || !queue_.front().unit || !queue_.front().unit->begun;
            between && settings_.duration && position_ - begin_position_ >= *settings_.duration)
            co_return End{EndReason::duration, {}};
        if (queue_.empty()) {
            if (finished_) co_return *finished_;
            const bool rung = co_await work_.wait();
            if (!rung && !demand.stop.asked()) demand.stop.ask("cancelled");
            continue;
        }
        bool moved = true;
        if (const auto unit = queue_.front().unit) {
            if (auto r = co_await step(*unit, moved); !r) co_return r.error();
        } else {
            std::vector<Item> items;
            lose(queue_.front().missed, items);
            pop();
            if (auto r = co_await hand_on(items); !r) co_return r.error();
        }
        if (moved) continue;
        // On its own: GCC 12 awaits what stands right of && even when the left side is false.
        const bool rung = co_await work_.wait();
        if (!rung && !demand.stop.asked()) demand.stop.ask("cancelled");
    }
}

/// Hands on what the head has; `moved` is false when there is nothing to do but wait.
Task<Result<>> Follower::step(Unit& unit, bool& moved) {
    std::vector<Item> items;
    moved = !unit.pieces.empty();
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

Task<Result<>> Follower::hand_on(std::vector<Item>& items) {
    if (items.empty()) co_return Result<>();
    auto taken = co_await sink_->accept(items);
    items.clear();
    co_return taken;
}

void Follower::pop() {
    queue_.pop_front();
    room_.notify();
    schedule();
}

void Follower::begin(Unit& unit, std::vector<Item>& items) {
    unit.begun = true;
    unit.passed_hash = std::make_unique<ContentHash>();
    if (unit.restart)
        break_why_ = "origin restart";
    else if (unit.segment.discontinuity && break_why_.empty())
        break_why_ = "ext-x-discontinuity";
    if (!delivered_any_) cutter_.rebase(position_);  // what was lost before the first unit keeps its length
    if (!break_why_.empty() && (delivered_any_ || settings_.resume)) {
        if (const auto last = cutter_.last_dts()) position_ = std::max(position_, *last + 1ms);
        items.emplace_back(Discontinuity{0, unit.segment.sequence, break_why_});
        cutter_.rebase(position_);
    }
    break_why_.clear();
    UnitInfo info;
    info.unit = unit.segment.sequence;
    info.gen = unit.gen;
    info.pdt = unit.segment.pdt;
    info.duration = unit.segment.duration;
    info.tries = unit.tries;
    if (const auto url = resolve_url(*unit.base, unit.segment.uri)) {
        const auto name = url->without_query();
        info.uri_hash = hex16(content_hash(std::as_bytes(std::span(name))));
    }
    items.emplace_back(std::move(info));
    cutter_.begin_unit(unit.segment.sequence, unit.gen, unit.segment.duration, position_, guessed_);
    delivered_any_ = true;
}

Result<> Follower::pass_pieces(Unit& unit, std::vector<Item>& items) {
    std::size_t passed = 0;
    while (!unit.pieces.empty() && passed < batch_bytes) {
        if (!unit.begun) begin(unit, items);
        const auto piece = std::move(unit.pieces.front());
        unit.pieces.pop_front();
        unit.held -= piece.size();
        held_ -= piece.size();
        unit.passed += piece.size();
        unit.passed_hash->update(piece.view());
        stats_.bytes += piece.size();
        passed += piece.size();
        if (auto r = cutter_.feed(piece, clock_.now(), items); !r) return r;
    }
    if (passed > 0) room_.notify();
    return {};
}

void Follower::finish(Unit& unit, std::vector<Item>& items) {
    if (!unit.begun) begin(unit, items);
    if (auto r = cutter_.end_unit(items); !r) {
        lose(unit, r.error().what, items);
        return;
    }
    ++stats_.asked;
    ++stats_.got;
    guessed_ = Micros{0};
    position_ = cutter_.unit_start().value_or(position_) + unit.segment.duration;
    if (const auto last = cutter_.last_dts()) position_ = std::max(position_, *last);
}

void Follower::lose(Unit& unit, std::string why, std::vector<Item>& items) {
    Gap gap;
    gap.gen = unit.gen;
    gap.first_unit = gap.last_unit = unit.segment.sequence;
    gap.partial = unit.begun && cutter_.unit_has_chunk();
    gap.from = position_;
    gap.to = position_ + unit.segment.duration;
    if (unit.begun) cutter_.abandon_unit(items);
    if (gap.partial) {
        if (const auto last = cutter_.last_dts()) gap.from = std::clamp(*last, gap.from, gap.to);
        if (unit.hopeless) break_why_ = "retry differs";
    }
    if (unit.restart && !unit.begun) break_why_ = "origin restart";
    if (unit.segment.discontinuity && !unit.begun && break_why_.empty()) break_why_ = "ext-x-discontinuity";
    gap.tries = unit.tries;
    gap.why = std::move(why);
    WEIR_LOG(warn, "segment lost", {"unit", unit.segment.sequence}, {"why", gap.why}, {"tries", unit.tries});
    position_ = gap.to;
    ++stats_.asked;
    ++stats_.missing;
    items.emplace_back(std::move(gap));
}

void Follower::lose(const Missed& missed, std::vector<Item>& items) {
    Gap gap;
    gap.gen = missed.gen;
    gap.first_unit = missed.first;
    gap.last_unit = missed.last;
    gap.from = position_;
    gap.to = position_ + missed.duration;
    gap.exact = false;  // the numbers are, the time is not
    gap.why = missed.why;
    const auto count = missed.last - missed.first + 1;
    WEIR_LOG(warn, "segments never seen", {"first", missed.first}, {"count", count}, {"why", missed.why});
    position_ = gap.to;
    guessed_ += missed.duration;
    stats_.asked += count;
    stats_.missing += count;
    items.emplace_back(std::move(gap));
}

Task<void> Follower::wake_at(SteadyTime when) {
    co_await errors_not_throws();
    (void)co_await clock_.sleep_until(when);
    work_.notify();
}

/// Asked to stop: what is whole is handed on, the segment under way has a moment to become so, the rest was never
/// begun.
Task<Result<>> Follower::wind_down() {
    stopping_ = true;
    const auto since = clock_.now();
    tasks_.spawn(wake_at(since + unbegun_grace), "hls stop");
    tasks_.spawn(wake_at(since + begun_grace), "hls stop");
    while (!queue_.empty() && queue_.front().unit) {
        const auto unit = queue_.front().unit;
        const auto grace = unit->begun ? Micros(begun_grace) : Micros(unbegun_grace);
        const bool late = clock_.now() - since >= grace;
        if (unit->state == Unit::State::failed && !unit->begun) break;
        if (unit->state != Unit::State::done && unit->state != Unit::State::failed &&
            (late || unit->state != Unit::State::fetching)) {
            if (unit->begun) {
                std::vector<Item> items;
                drop_held(*unit);
                unit->dropped = true;
                lose(*unit, "stopped", items);
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
