#include <algorithm>

#include "core/stream_core.h"

namespace weir::hub {

// A reader is a cursor. Where it begins, and where it goes on after it fell behind, is a start point of the main lane, or
// the newest item when there is no such lane; lanes of messages are joined at once, the other lanes join at the first unit (or random-access point) of their own that follows. What a skip passes over
// becomes a debt of its lane, told as a Gap right before that lane goes on, so that handed out = delivered + listed
// holds for each lane.

namespace {
constexpr std::size_t look_ahead = 64;  ///< items searched for the timestamp at which a lane goes on

bool is_messages(const StreamCore::Lane& lane) {
    return lane.sort != StreamCore::Lane::Sort::unknown && lane.rank() == 0;
}

std::optional<std::uint16_t> lane_of(const Item& item) {
    if (const auto* chunk = std::get_if<Chunk>(&item)) return chunk->lane;
    if (const auto* init = std::get_if<InitPtr>(&item)) return (*init)->lane;
    if (const auto* gap = std::get_if<Gap>(&item)) return gap->lane;
    if (const auto* info = std::get_if<UnitInfo>(&item)) return info->lane;
    if (const auto* disc = std::get_if<Discontinuity>(&item)) return disc->lane;
    return std::nullopt;
}

std::uint64_t lane_unit(const Item& item, std::uint16_t lane) {
    if (const auto* chunk = std::get_if<Chunk>(&item)) return chunk->lane == lane ? chunk->unit : 0;
    if (const auto* info = std::get_if<UnitInfo>(&item)) return info->lane == lane ? info->unit : 0;
    return 0;
}
}  // namespace

StreamReader::StreamReader(std::shared_ptr<StreamCore> core, Policy policy) : core_(std::move(core)), policy_(policy) {
    const auto& ring = core_->ring;
    if (core_->settings.topic) policy_.start_at_rap = false;
    cursor_ = birth_ = ring.next();
    cursor_total_ = ring.total();
    if (!policy_.start_at_rap)
        phase_ = Phase::ready;
    else if (!core_->starts.empty())
        go_to(core_->starts.back().pos);
    else if (core_->only_messages())
        phase_ = Phase::ready;
    else
        core_->seeking.push_back(this);
    if (core_->closed && cursor_ == ring.next()) go_to(ring.next() - 1);  // the End, which is never trimmed
    core_->add(*this);
}

StreamReader::StreamReader(const StreamReader& at)
    : Reader(),
      ReadyNode(),
      core_(at.core_),
      policy_(at.policy_),
      phase_(at.phase_),
      joined_late_(at.joined_late_),
      cursor_(at.cursor_),
      cursor_total_(at.cursor_total_),
      birth_(at.birth_),
      start_pos_(at.start_pos_),
      lanes_(at.lanes_),
      held_(at.held_) {
    if (phase_ == Phase::seeking) core_->seeking.push_back(this);
    core_->add(*this);
}

StreamReader::~StreamReader() {
    unlink();
    core_->remove(*this);
}

std::unique_ptr<Reader> StreamReader::fork() const {
    return std::make_unique<StreamReader>(*this);
}

void StreamReader::on_ready(std::function<void()> f) {
    callback_ = std::make_shared<std::function<void()>>(std::move(f));
}

void StreamReader::arm() {
    if (!linked()) core_->armed.append(*this);
}

void StreamReader::wake_up(ReadyNode& callbacks) {
    unlink();
    if (waiting_)
        bell_->notify();
    else if (callback_)
        callbacks.append(*this);
}

std::uint64_t StreamReader::lag_bytes() const noexcept {
    return phase_ == Phase::seeking ? 0 : core_->ring.total() - cursor_total_;
}

std::uint64_t StreamReader::lag_cost() const noexcept {
    const auto items = phase_ == Phase::seeking ? 0 : core_->ring.next() - cursor_;
    return items == 0 ? 0 : lag_bytes() + core_->ring.beside() + items * item_overhead;
}

Micros StreamReader::lag_time() const noexcept {
    const auto& ring = core_->ring;
    if (phase_ == Phase::seeking || cursor_ >= ring.next()) return Micros{0};
    const auto since = ring.at(ring.next() - 1).arrival - ring.at(std::max(cursor_, ring.first())).arrival;
    return std::chrono::duration_cast<Micros>(since);
}

std::uint64_t StreamReader::needs_from() const noexcept {
    return phase_ == Phase::seeking || phase_ == Phase::finished ? core_->ring.next() : cursor_;
}

bool StreamReader::behind() const {
    return policy_.act != Act::wait && (lag_bytes() > policy_.budget_bytes || lag_time() > policy_.budget_time);
}

Result<Batch*> StreamReader::poll(std::size_t max_bytes, std::size_t max_items) {
    batch_.items.clear();
    batch_.bytes = 0;
    if (phase_ == Phase::finished) return Error{Errc::lost_peer, "the stream has ended", core_->settings.name};
    const auto from = cursor_;
    settle();
    const auto& ring = core_->ring;
    while (phase_ == Phase::following && cursor_ < ring.next() && batch_.items.size() < max_items) {
        const auto& entry = ring.at(cursor_);
        if (entry.size != 0 && batch_.bytes != 0 && batch_.bytes + entry.size > max_bytes) break;
        pass(entry);
        ++cursor_;
    }
    if (phase_ != Phase::seeking && cursor_ >= ring.first()) cursor_total_ = ring.before(cursor_);
    if (batch_.items.empty()) arm();
    if (policy_.act == Act::wait && cursor_ != from) core_->reader_moved();
    return &batch_;
}

Task<Result<Batch>> StreamReader::next_batch(std::size_t max_bytes, std::size_t max_items) {
    for (;;) {
        auto batch = poll(max_bytes, max_items);
        if (!batch) co_return batch.error();
        if (!(*batch)->items.empty()) co_return std::move(batch_);
        if (!bell_) bell_.emplace(core_->ex);
        waiting_ = true;
        const bool rung = co_await bell_->wait();
        waiting_ = false;
        if (!rung) {
            unlink();
            co_return Error{Errc::cancelled, "stopped", core_->settings.name};
        }
    }
}

bool StreamReader::found_start(const StreamCore::Start& start) {
    // To begin, the random-access point must be new; to go on, nothing may be delivered that was already passed over.
    if (joined_late_ ? start.pos < cursor_ : start.rap < birth_) return false;
    go_to(start.pos);
    return true;
}

bool StreamReader::found_old_start(const StreamCore::Start& start) {
    if (joined_late_ && start.pos < cursor_) return false;
    go_to(start.pos);
    return true;
}

bool StreamReader::stop_seeking(std::uint64_t pos) {
    if (!joined_late_ && !core_->only_messages()) return false;
    go_to(pos);
    return true;
}

void StreamReader::go_to(std::uint64_t start) {
    skip_over(start);
    phase_ = Phase::ready;
    core_->reads_from(start);
    const auto lane = core_->main_lane();
    if (!lane) return;
    auto& main = lane_state(*lane);
    if (main.followed || !policy_.start_at_rap) return;
    main.followed = true;
    main.next_unit = lane_unit(*core_->ring.at(start).item, main.lane);
}

/// Fell behind: looks for the place to go on at, in the ring or in what will come.
void StreamReader::seek() {
    const auto& ring = core_->ring;
    joined_late_ = true;
    phase_ = Phase::seeking;
    const auto newest = core_->starts.empty() ? 0 : core_->starts.back().pos;
    if (core_->settings.topic || !core_->main_lane() || core_->counts.raps == 0 || (core_->closed && newest < cursor_))
        go_to(ring.next() - 1);
    else if (newest >= cursor_)
        go_to(newest);
    else
        core_->seeking.push_back(this);
}

void StreamReader::settle() {
    const auto& ring = core_->ring;
    if (phase_ == Phase::seeking && core_->closed) {
        std::erase(core_->seeking, this);
        go_to(ring.next() - 1);  // nothing but the End is left
    }
    if (phase_ == Phase::ready || phase_ == Phase::following) {
        const bool fell_out = cursor_ < ring.first();
        if ((fell_out || behind()) && policy_.act == Act::disconnect) {
            give(std::make_shared<const Item>(End{EndReason::error, "too slow"}));
            phase_ = Phase::finished;
            return;
        }
        const auto newest = core_->settings.topic || core_->only_messages() ? ring.next() - 1
                            : core_->starts.empty()                         ? 0
                                                                            : core_->starts.back().pos;
        // Behind its budget but already in the newest group of pictures: going on costs nobody anything, skipping would
        // only lose more.
        if (fell_out || (behind() && newest > cursor_)) seek();
    }
    if (phase_ == Phase::ready) begin();
}

/// Moves the cursor to `to`; what lies between is owed when this reader had begun, else only the stream's own Gaps are
/// passed on.
void StreamReader::skip_over(std::uint64_t to) {
    const auto& ring = core_->ring;
    if (joined_late_ && cursor_ < ring.first()) owe_fallen();
    for (auto pos = std::max(cursor_, ring.first()); pos < to; ++pos) {
        const auto& item = ring.at(pos).item;
        if (had_gone(*item, pos)) continue;
        if (joined_late_)
            owe(*item);
        else if (std::holds_alternative<Gap>(*item))
            held_.push_back(item);
    }
    if (joined_late_ && to > cursor_) skipped_ += to - cursor_;
    cursor_ = to;
    cursor_total_ = ring.before(to);
}

/// Gives what belongs before the first item at the cursor: debts, breaks of time, the Inits that are valid there.
void StreamReader::begin() {
    phase_ = Phase::following;
    start_pos_ = cursor_;
    for (auto& lane : lanes_) lane.joined = false;
    const auto main = core_->main_lane();
    for (auto& lane : lanes_)
        if (lane.lane == main) tell_before(lane);
    for (auto& item : held_) give(std::move(item));
    held_.clear();
    leave_closed_lanes();
    for (const auto& init : core_->inits_at(cursor_))
        if (!had_gone(*init.item, cursor_)) give_init(lane_state(init.init().lane), init.init().epoch);
}

/// A lane that closed in what was passed over: the reader is told so here.
void StreamReader::leave_closed_lanes() {
    if (core_->settings.topic) return;
    std::erase_if(lanes_, [&](LaneState& lane) {
        if (core_->lane_at(lane.lane, cursor_)) return false;
        if (!lane.told) return true;
        tell_debt(lane, 0, {});
        auto closed = std::make_shared<Init>();
        closed->lane = lane.lane;
        closed->epoch = *lane.epoch + 1;
        closed->closed = true;
        give(std::make_shared<const Item>(InitPtr(std::move(closed))));
        return true;
    });
}

StreamReader::LaneState& StreamReader::lane_state(std::uint16_t lane) {
    for (auto& known : lanes_)
        if (known.lane == lane) return known;
    auto& fresh = lanes_.emplace_back();
    fresh.lane = lane;
    fresh.joined = fresh.followed = begins_joined(lane);
    return fresh;
}

/// A lane that began after this reader did is joined from its first item on, and one of messages anywhere.
bool StreamReader::begins_joined(std::uint16_t lane) const {
    const auto* known = core_->lane_at(lane, cursor_);
    return core_->settings.topic || !known || known->first_pos >= std::max(start_pos_, std::uint64_t{1}) ||
           is_messages(*known);
}

bool StreamReader::goes_on_like(const Reader& other) const noexcept {
    const auto* there = dynamic_cast<const StreamReader*>(&other);
    const auto follows = [](const StreamReader& reader) { return reader.phase_ == Phase::following; };
    return there && there->core_ == core_ && follows(*this) && follows(*there) && there->cursor_ == cursor_ &&
           lanes_fit(*there) && there->lanes_fit(*this);
}

bool StreamReader::lanes_fit(const StreamReader& other) const {
    const auto& theirs = other.lanes_;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        const auto& mine = lanes_[i];
        auto match = theirs.begin() + static_cast<std::ptrdiff_t>(std::min(i, theirs.size()));  // nearly always there
        const auto is_it = [&](const LaneState& lane) { return lane.lane == mine.lane; };
        if (match == theirs.end() || !is_it(*match)) match = std::find_if(theirs.begin(), theirs.end(), is_it);
        const bool unknown = match == theirs.end();
        const bool joined = unknown ? other.begins_joined(mine.lane) : match->joined;
        const bool followed = unknown ? joined : match->followed;
        if (mine.debt || mine.joined != joined || mine.followed != followed) return false;
    }
    return true;
}

void StreamReader::give_init(LaneState& lane, std::uint32_t epoch) {
    if (lane.epoch == epoch) return;
    const auto* found = core_->init_before(cursor_, lane.lane, epoch);
    if (!found) return;
    lane.epoch = epoch;
    if (is_own(found->init())) return;
    lane.told = true;
    give(found->item);
}

/// It is of a lane that had closed before this reader came: not for it, though it begins before that.
bool StreamReader::had_gone(const Item& item, std::uint64_t pos) const {
    if (pos >= birth_) return false;
    const auto lane = lane_of(item);
    const auto* known = lane ? core_->lane_at(*lane, pos) : nullptr;
    return known && known->closed_at < birth_;
}

/// On this lane publishes whom this reader belongs to.
bool StreamReader::is_own(std::uint16_t lane) const {
    if (policy_.origin == 0) return false;
    const auto* known = core_->lane_at(lane, cursor_);
    return known && known->origin == policy_.origin;
}

/// Also before its lane's first chunk.
bool StreamReader::is_own(const Init& init) const {
    return is_own(init.lane) || (policy_.origin != 0 && init.origin == policy_.origin);
}

void StreamReader::pass(const Entry& entry) {
    const Item& item = *entry.item;
    if (had_gone(item, cursor_)) return;
    if (const auto* chunk = std::get_if<Chunk>(&item)) {
        if (!pass_chunk(*chunk, cursor_)) return;
        batch_.bytes += entry.size;
    } else if (const auto* init = std::get_if<InitPtr>(&item)) {
        if (!pass_init(**init)) return;
    } else if (const auto* info = std::get_if<UnitInfo>(&item)) {
        auto& lane = lane_state(info->lane);
        if (!lane.joined) tell_before(lane);
        lane.joined = lane.followed = true;
        lane.gen = info->gen;
    } else if (const auto* gap = std::get_if<Gap>(&item)) {
        if (!pass_gap(*gap)) return;
    } else if (std::holds_alternative<End>(item)) {
        for (auto& lane : lanes_) tell_debt(lane, 0, {});
        phase_ = Phase::finished;
    }
    give(entry.item);
}

bool StreamReader::is_messages_at(std::uint16_t lane, std::uint64_t pos) const {
    const auto* known = core_->lane_at(lane, pos);
    return known && is_messages(*known);
}

bool StreamReader::pass_init(const Init& init) {
    if (!init.closed) {
        auto& lane = lane_state(init.lane);
        lane.epoch = init.epoch;
        if (is_own(init)) return false;
        lane.told = true;
        return true;
    }
    const auto lane =
        std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& one) { return one.lane == init.lane; });
    if (lane == lanes_.end()) return false;
    tell_debt(*lane, 0, {});
    const bool told = lane->told;
    lanes_.erase(lane);
    return told;
}

bool StreamReader::pass_chunk(const Chunk& chunk, std::uint64_t pos) {
    if (policy_.origin != 0 && chunk.origin == policy_.origin) return false;
    auto& lane = lane_state(chunk.lane);
    if (!lane.joined) {
        const bool joins = pos == start_pos_ || core_->settings.topic ||
                           (chunk.unit != 0 ? chunk.unit_begin : chunk.rap || !policy_.start_at_rap) ||
                           is_messages_at(chunk.lane, pos);
        if (!joins) {
            if (lane.followed) owe_chunk(lane, chunk);
            return false;
        }
        tell_debt(lane, chunk.unit, chunk.dts);
        lane.joined = lane.followed = true;
    }
    if (lane.epoch != chunk.epoch) give_init(lane, chunk.epoch);
    lane.next_unit = chunk.unit == 0 ? 0 : chunk.unit + (chunk.unit_end ? 1 : 0);
    lane.unit_open = chunk.unit != 0 && !chunk.unit_end;
    if (chunk.dts) lane.last_dts = *chunk.dts;
    return true;
}

bool StreamReader::pass_gap(const Gap& gap) {
    if (is_own(gap.lane)) return false;
    auto& lane = lane_state(gap.lane);
    if (lane.joined) {
        if (gap.last_unit != 0) lane.next_unit = gap.last_unit + 1;
        lane.unit_open = false;
        return true;
    }
    if (lane.followed) owe_gap(lane, gap);
    return false;
}

Gap StreamReader::loss_in(const LaneState& lane) const {
    Gap gap;
    gap.lane = lane.lane;
    gap.gen = lane.gen;
    gap.from = gap.to = lane.last_dts;
    gap.why = core_->settings.topic || !core_->main_lane() ? "skipped to the newest" : "skipped to keyframe";
    return gap;
}

/// What has left the ring unread: only its bytes are known, and the unit after the last one delivered.
void StreamReader::owe_fallen() {
    const auto& ring = core_->ring;
    const auto bytes = ring.before(ring.first()) - cursor_total_;
    auto main = core_->main_lane();
    if (main) lane_state(*main).followed = true;
    for (auto& lane : lanes_) {
        if (!lane.followed) continue;
        if (!main) main = lane.lane;
        if (!lane.debt) {
            lane.debt = loss_in(lane);
            lane.debt->partial = lane.unit_open;
            lane.debt->first_unit = lane.next_unit;
            lane.debt->last_unit = lane.unit_open ? lane.next_unit : 0;
            if (lane.lane == main) lane.debt->bytes = 0;
        }
        lane.debt->exact = false;
        if (lane.lane != main)
            lane.debt->bytes.reset();
        else if (lane.debt->bytes)
            *lane.debt->bytes += bytes;
    }
}

void StreamReader::owe(const Item& item) {
    if (const auto* chunk = std::get_if<Chunk>(&item)) {
        auto& lane = lane_state(chunk->lane);
        if (lane.followed) owe_chunk(lane, *chunk);
    } else if (const auto* gap = std::get_if<Gap>(&item)) {
        auto& lane = lane_state(gap->lane);
        if (lane.followed && !is_own(gap->lane)) owe_gap(lane, *gap);
    } else if (const auto* info = std::get_if<UnitInfo>(&item)) {
        auto& lane = lane_state(info->lane);
        if (lane.gen != info->gen && lane.debt) {  // units are numbered anew: one Gap cannot name both
            held_.push_back(std::make_shared<const Item>(*lane.debt));
            lane.debt.reset();
        }
        lane.gen = info->gen;
    } else if (const auto* disc = std::get_if<Discontinuity>(&item)) {
        std::erase_if(held_, [&](const auto& other) {
            const auto* older = std::get_if<Discontinuity>(other.get());
            return older && older->lane == disc->lane;
        });
        held_.push_back(std::make_shared<const Item>(*disc));
    }
}

void StreamReader::owe_chunk(LaneState& lane, const Chunk& chunk) {
    if (policy_.origin != 0 && chunk.origin == policy_.origin) return;
    if (!lane.debt) {
        lane.debt = loss_in(lane);
        lane.debt->first_unit = chunk.unit;
        lane.debt->partial = lane.unit_open && chunk.unit == lane.next_unit;
        lane.debt->from = lane.debt->to = chunk.dts.value_or(lane.last_dts);
        lane.debt->bytes = 0;
    }
    auto& gap = *lane.debt;
    gap.last_unit = chunk.unit;
    if (chunk.dts) gap.to = std::max(gap.to, *chunk.dts + chunk.duration);
    if (gap.bytes) *gap.bytes += chunk.bytes.size();
}

/// A Gap of the stream itself inside what was skipped: part of one loss.
void StreamReader::owe_gap(LaneState& lane, const Gap& gap) {
    if (!lane.debt) {
        lane.debt = loss_in(lane);
        lane.debt->first_unit = gap.first_unit;
        lane.debt->partial = gap.partial && lane.unit_open && gap.first_unit == lane.next_unit;
        lane.debt->from = gap.from;
        lane.debt->bytes = 0;
    }
    auto& sum = *lane.debt;
    sum.last_unit = std::max(sum.last_unit, gap.last_unit);
    sum.to = std::max(sum.to, gap.to);
    sum.exact = sum.exact && gap.exact;
    if (sum.bytes && gap.bytes)
        *sum.bytes += *gap.bytes;
    else
        sum.bytes.reset();
}

/// Tells a lane's debt, with what follows at the cursor as its end.
void StreamReader::tell_before(LaneState& lane) {
    if (!lane.debt) return;
    const auto& ring = core_->ring;
    std::uint64_t unit = 0;
    std::optional<Micros> dts;
    for (auto pos = cursor_; pos < ring.next() && pos < cursor_ + look_ahead && !dts; ++pos) {
        if (unit == 0) unit = lane_unit(*ring.at(pos).item, lane.lane);
        const auto* chunk = std::get_if<Chunk>(ring.at(pos).item.get());
        if (chunk && chunk->lane == lane.lane) dts = chunk->dts;
    }
    tell_debt(lane, unit, dts);
}

void StreamReader::tell_debt(LaneState& lane, std::uint64_t next_unit, std::optional<Micros> next_dts) {
    if (!lane.debt) return;
    Gap gap = std::move(*lane.debt);
    lane.debt.reset();
    if (!gap.exact && gap.first_unit != 0 && next_unit > gap.first_unit)
        gap.last_unit = std::max(gap.last_unit, next_unit - 1);
    if (gap.first_unit > gap.last_unit) {
        // Nothing of this lane was in what left the ring unseen, as far as its units tell.
        if (next_unit == gap.first_unit) return;
        gap.last_unit = gap.first_unit;
    }
    if (next_dts && *next_dts >= gap.from) gap.to = *next_dts;
    lane.unit_open = false;
    give(std::make_shared<const Item>(std::move(gap)));
}

}  // namespace weir::hub
