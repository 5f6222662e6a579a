#include "proto/unit_frame.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace weir {
namespace {

constexpr Micros backward{100'000};  ///< a decode time further back than this is a break in time
constexpr std::int64_t micro = 1'000'000;

}  // namespace

Micros micros_of(std::int64_t ticks, std::uint32_t timescale) noexcept {
    if (timescale == 0) return Micros{0};
    return Micros(ticks / timescale * micro + ticks % timescale * micro / timescale);
}

void UnitFrame::begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) {
    in_unit_ = true;
    unit_has_chunk_ = false;
    unit_ = unit;
    gen_ = gen;
    unit_duration_ = duration;
    unit_lost_ = 0;
    unit_start_.reset();
    expected_ = expected;
    slack_ = slack;
    check_expected_ = true;
}

void UnitFrame::rebase(Micros at) {
    rebase_at_ = at;
    imposed_ = false;
    last_raw_.reset();
}

void UnitFrame::set_offset(Micros offset) {
    rebase_at_.reset();
    imposed_ = true;
    offset_ = offset;
    last_raw_.reset();
}

std::optional<Micros> UnitFrame::offset() const {
    if (rebase_at_) return std::nullopt;
    return offset_;
}

void UnitFrame::publish(Init draft, std::vector<Item>& out) {
    release(false, out);
    forced_ = false;
    draft.epoch = ++epoch_;
    draft.lane = lane_;
    init_ = std::make_shared<const Init>(std::move(draft));
    out.emplace_back(init_);
}

std::int64_t UnitFrame::unrolled(std::uint64_t ticks, unsigned bits, std::uint32_t timescale) const {
    const auto due = in_unit_ && check_expected_ ? std::optional(expected_) : last_dts_;
    auto near = last_raw_;
    if (!near && imposed_ && due) near = *due - offset_;
    const auto now = static_cast<std::int64_t>(ticks);
    if (!near || bits >= 63) return now;
    if (std::abs(near->count() / micro) >= (std::int64_t{1} << 61) / std::max<std::int64_t>(1, timescale)) return now;
    const auto wrap = std::int64_t{1} << bits;
    const auto last = near->count() / micro * timescale + near->count() % micro * timescale / micro;
    auto delta =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(now - last) & static_cast<std::uint64_t>(wrap - 1));
    if (delta >= wrap / 2) delta -= wrap;
    return last + delta;
}

std::optional<Micros> UnitFrame::expected_raw() const {
    if (!in_unit_ || !check_expected_ || rebase_at_) return std::nullopt;
    return expected_ - offset_;
}

void UnitFrame::stamp(Micros raw, std::vector<Item>& out) {
    if (rebase_at_) {
        offset_ = *std::exchange(rebase_at_, std::nullopt) - raw;
    } else if (!std::exchange(imposed_, false)) {
        const auto dts = raw + offset_;
        const auto due =
            check_expected_ && in_unit_ ? std::max(expected_, last_dts_.value_or(expected_)) : last_dts_.value_or(dts);
        // Against the clock itself: after set_offset() it may lie before what stream time has reached, and catches up.
        const bool back = last_raw_ && dts + backward < *last_raw_ + offset_;
        if (back || std::chrono::abs(dts - due) > jump_ + (check_expected_ ? slack_ : Micros{0})) {
            release(false, out);
            out.emplace_back(Discontinuity{lane_, unit_, "timestamps jump"});
            offset_ = due - raw;
        }
    }
    check_expected_ = false;
    last_raw_ = raw;
    last_dts_ = std::max(raw + offset_, last_dts_.value_or(Micros::min()));  // never back, not by a tick
    if (!unit_start_) unit_start_ = last_dts_;
}

void UnitFrame::emit(Chunk chunk, SteadyTime arrival, std::vector<Item>& out) {
    chunk.epoch = epoch_;
    chunk.lane = lane_;
    chunk.arrival = arrival;
    chunk.unit = chunk.source_first = chunk.source_last = unit_;
    if (!in_unit_) {
        out.emplace_back(std::move(chunk));
        return;
    }
    if (!std::exchange(unit_has_chunk_, true)) {
        chunk.unit_begin = true;
        chunk.duration = unit_duration_;
    }
    release(false, out);
    held_ = std::move(chunk);
}

void UnitFrame::release(bool unit_end, std::vector<Item>& out) {
    if (!held_) return;
    held_->unit_end = unit_end;
    out.emplace_back(std::move(*held_));
    held_.reset();
}

void UnitFrame::leave_unit(std::vector<Item>& out) {
    release(false, out);
    in_unit_ = false;
}

Result<> UnitFrame::close_unit(std::string_view none, std::string_view what_was_lost, std::vector<Item>& out) {
    const bool some = unit_has_chunk_;
    const bool bracketed = std::exchange(in_unit_, false);
    release(true, out);
    if (!bracketed) return {};
    if (!some) return Error{Errc::bad_input, std::string(none)};
    if (unit_lost_ == 0) return {};
    Gap gap;
    gap.lane = lane_;
    gap.gen = gen_;
    gap.first_unit = gap.last_unit = unit_;
    gap.from = unit_start_.value_or(expected_);
    gap.to = gap.from + unit_duration_;
    gap.bytes = unit_lost_;
    gap.exact = false;
    gap.partial = true;
    gap.why = fmt::format("{} bytes {}", unit_lost_, what_was_lost);
    out.emplace_back(std::move(gap));
    return {};
}

}  // namespace weir
