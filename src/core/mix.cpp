#include "core/mix.h"

#include <algorithm>
#include <limits>

#include "core/stream_core.h"

namespace weir {
namespace {

/// Numbers for lanes, the lowest free one first, and the epochs each has used: a number is given again with a higher epoch.
class LaneNumbers {
public:
    [[nodiscard]] std::optional<std::uint16_t> take() {
        const auto free = std::find(used_.begin(), used_.end(), false);
        if (free == used_.end() && used_.size() > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
        const auto lane = static_cast<std::size_t>(free - used_.begin());
        if (free == used_.end()) {
            used_.push_back(false);
            epochs_.push_back(0);
        }
        used_[lane] = true;
        return static_cast<std::uint16_t>(lane);
    }
    void give_back(std::uint16_t lane) { used_[lane] = false; }
    [[nodiscard]] std::uint32_t next_epoch(std::uint16_t lane) { return ++epochs_[lane]; }

private:
    std::vector<bool> used_;
    std::vector<std::uint32_t> epochs_;
};

struct MixLane {
    std::uint16_t from = 0, to = 0;
    std::uint32_t epoch_from = 0, epoch = 0;  ///< 0: no Init has come
    Format format = {};
};

/// One input: reads it, and publishes what came with the lanes renumbered.
class MixInput {
public:
    MixInput(hub::StreamCore& to, LaneNumbers& numbers, Mix::Input what)
        : to_(to), numbers_(numbers), what_(std::move(what)) {
        Policy all;
        all.budget_bytes = std::numeric_limits<std::uint64_t>::max();
        all.budget_time = Micros::max();
        reader_ = what_.stream->attach(all);
        reader_->on_ready([this] { forward(); });
        forward();
    }
    MixInput(const MixInput&) = delete;
    ~MixInput() { close_lanes(); }

    [[nodiscard]] bool is(const Mix::Input& other) const {
        return what_.name == other.name && what_.stream == other.stream;
    }

private:
    void forward() {
        while (reader_) {
            const auto batch = reader_->poll(256u << 10, 256);
            if (!batch) break;
            if ((*batch)->items.empty()) return to_.wake();
            for (const auto& item : (*batch)->items) pass(*item);
        }
        reader_.reset();
        to_.wake();
    }

    void pass(const Item& item) {
        if (const auto* init = std::get_if<InitPtr>(&item))
            pass_init(**init);
        else if (const auto* chunk = std::get_if<Chunk>(&item))
            pass_chunk(*chunk);
        else if (const auto* info = std::get_if<UnitInfo>(&item))
            pass_as_is(*info);
        else if (const auto* gap = std::get_if<Gap>(&item))
            pass_as_is(*gap);
        else if (const auto* disc = std::get_if<Discontinuity>(&item))
            pass_as_is(*disc);
        else
            close_lanes();
    }

    void pass_init(const Init& init) {
        if (init.closed) {
            const auto known = find(init.lane);
            if (known == lanes_.end()) return;
            close(*known);
            lanes_.erase(known);
            return;
        }
        auto* lane = lane_of(init.lane);
        if (!lane) return;
        lane->epoch_from = init.epoch;
        lane->format = init.format;
        publish(*lane, init);
    }

    void pass_chunk(const Chunk& chunk) {
        auto* lane = lane_of(chunk.lane);
        if (!lane) return;
        if (lane->epoch == 0) publish(*lane, Init{});  // a topic has no Inits
        auto mine = std::make_shared<Item>(chunk);
        auto& made = std::get<Chunk>(*mine);
        made.lane = lane->to;
        made.epoch = lane->epoch;
        made.seq = to_.ring.next();
        to_.append_shared(std::move(mine));
    }

    template <class Told>
    void pass_as_is(Told told) {
        auto* lane = lane_of(told.lane);
        if (!lane) return;
        told.lane = lane->to;
        to_.append_shared(std::make_shared<const Item>(std::move(told)));
    }

    void publish(MixLane& lane, Init init) {
        init.lane = lane.to;
        init.epoch = lane.epoch = numbers_.next_epoch(lane.to);
        to_.append_shared(std::make_shared<const Item>(std::make_shared<const Init>(std::move(init))));
    }

    void close(MixLane& lane) {
        Init closed;
        closed.format = lane.format;
        closed.closed = true;
        publish(lane, std::move(closed));
        numbers_.give_back(lane.to);
    }

    void close_lanes() {
        for (auto& lane : lanes_) close(lane);
        lanes_.clear();
    }

    std::vector<MixLane>::iterator find(std::uint16_t from) {
        return std::find_if(lanes_.begin(), lanes_.end(), [&](const MixLane& lane) { return lane.from == from; });
    }
    /// Null when there are no numbers left.
    MixLane* lane_of(std::uint16_t from) {
        if (const auto known = find(from); known != lanes_.end()) return &*known;
        const auto to = numbers_.take();
        if (!to) return nullptr;
        MixLane fresh;
        fresh.from = from;
        fresh.to = *to;
        return &lanes_.emplace_back(fresh);
    }

    hub::StreamCore& to_;
    LaneNumbers& numbers_;
    const Mix::Input what_;
    std::unique_ptr<Reader> reader_;  ///< none after its End
    std::vector<MixLane> lanes_;
};

class MixOfStreams final : public Mix {
public:
    MixOfStreams(asio::any_io_executor ex, Clock& clock, Stream::Settings settings)
        : face_(std::move(ex), clock, std::move(settings)) {}

    [[nodiscard]] Stream& stream() noexcept override { return face_; }

    void set(std::vector<Input> wanted) override {
        std::vector<std::unique_ptr<MixInput>> before = std::exchange(inputs_, {});
        std::vector<std::size_t> fresh;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const auto same_name = [&](const Input& other) { return other.name == wanted[i].name; };
            if (std::any_of(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(i), same_name)) continue;
            const auto stays = std::find_if(before.begin(), before.end(),
                                            [&](const auto& input) { return input && input->is(wanted[i]); });
            if (stays != before.end())
                inputs_.push_back(std::move(*stays));
            else
                fresh.push_back(i);
        }
        before.clear();  // lanes that close make room for those that open
        for (const auto i : fresh)
            inputs_.push_back(std::make_unique<MixInput>(*face_.core, numbers_, std::move(wanted[i])));
        face_.core->wake();
    }

private:
    hub::StreamFace face_;
    LaneNumbers numbers_;
    std::vector<std::unique_ptr<MixInput>> inputs_;
};

}  // namespace

std::unique_ptr<Mix> Mix::create(asio::any_io_executor ex, Clock& clock, Stream::Settings settings) {
    return std::make_unique<MixOfStreams>(std::move(ex), clock, std::move(settings));
}

}  // namespace weir
