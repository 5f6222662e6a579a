#pragma once
// Inside of core/: what stream.cpp, reader.cpp and mirror.cpp share. Others include core/stream.h.
#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/ring.h"
#include "core/stream.h"
#include "runtime/deadline.h"

namespace weir::hub {

/// A place in one of the lists of readers to be woken; leaves it by itself when its reader goes.
class ReadyNode {
public:
    ReadyNode() = default;
    ReadyNode(const ReadyNode&) = delete;
    ~ReadyNode() { unlink(); }
    [[nodiscard]] bool linked() const noexcept { return next_ != this; }
    [[nodiscard]] ReadyNode* next() const noexcept { return next_; }
    void unlink() noexcept {
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = this;
    }
    /// Puts `node` at the end of the list whose head this is.
    void append(ReadyNode& node) noexcept {
        node.unlink();
        node.prev_ = prev_;
        node.next_ = this;
        prev_->next_ = &node;
        prev_ = &node;
    }

private:
    ReadyNode *prev_ = this, *next_ = this;
};

class StreamReader;

/// The state of a Stream, alive until its last reader has gone.
class StreamCore : public std::enable_shared_from_this<StreamCore> {
public:
    StreamCore(asio::any_io_executor ex, Clock& clock, Stream::Settings settings);

    /// Freezes a copy of `item` under the next seq. bad_input when a chunk refers to no Init that is valid now.
    Result<> append(const Item& item);
    /// Takes an item that another Stream has frozen, with the seq it has there.
    void append_shared(std::shared_ptr<const Item> item);
    void close(End end);
    /// Wakes the readers whose last poll was empty: a waiting coroutine at once, callbacks from one posted round.
    void wake();

    struct InitAt {
        std::uint64_t pos;
        std::shared_ptr<const Item> item;
        [[nodiscard]] const Init& init() const { return *std::get<InitPtr>(*item); }
    };
    /// Where a reader may begin, and the random-access point that makes it so (later, when units begin with tables).
    struct Start {
        std::uint64_t pos, rap;
    };
    /// One life of a lane, from its first item to its closed Init.
    struct Lane {
        enum class Sort : std::uint8_t {
            unknown,
            messages,
            bare,
            tracks,
            video
        };  ///< by its Init; bare: no tracks known
        static constexpr std::uint64_t never = ~std::uint64_t{0};
        std::uint16_t lane = 0;
        std::uint64_t opened = 0;
        std::uint64_t first_pos = never;  ///< of its first Chunk, UnitInfo or Gap
        std::uint64_t closed_at = never;
        Sort sort = Sort::unknown;
        bool raps = false, units = false;  ///< some were seen
        bool stuck = false;                ///< a whole ring without a random-access point: nobody waits for one
        bool silent = false;               ///< others go on without it, until its next random-access point
        SteadyTime last = {};              ///< when its newest chunk came; before the first: when it opened
        std::uint32_t origin = 0;          ///< who publishes on it
        [[nodiscard]] int rank() const;    ///< 0: nothing to wait for, messages; else the highest is main
    };

    [[nodiscard]] const InitAt* init_of(std::uint16_t lane) const;        ///< the newest of an open lane
    [[nodiscard]] std::vector<InitAt> inits_at(std::uint64_t pos) const;  ///< valid there, by position
    [[nodiscard]] const InitAt* init_before(std::uint64_t pos, std::uint16_t lane, std::uint32_t epoch) const;
    /// The life of the lane that `pos` is in (its closed Init belongs to it); null when there is none, or long gone.
    [[nodiscard]] const Lane* lane_at(std::uint16_t lane, std::uint64_t pos) const;
    /// None while there are only messages, or nothing at all.
    [[nodiscard]] std::optional<std::uint16_t> main_lane() const {
        return settings.topic ? std::optional<std::uint16_t>(0) : main_lane_;
    }
    /// There are lanes and none to wait for: a reader begins with the next item.
    [[nodiscard]] bool only_messages() const { return !main_lane() && !inits.empty(); }
    /// Open ones, and closed ones with items in the ring: for tests.
    [[nodiscard]] std::size_t lanes_remembered() const { return lanes_.size() + past_lanes_.size(); }
    [[nodiscard]] bool has_room(std::size_t size) const;  ///< for every reader that is waited for
    Task<bool> wait_for_room() { return room_.wait(); }
    void reader_moved() { room_.notify(); }
    void add(StreamReader& reader);
    void remove(StreamReader& reader);
    /// A reader is there now, and what follows must stay for it: readers else only go forward.
    void reads_from(std::uint64_t pos) noexcept { unread_from_ = std::min(unread_from_, pos); }

    const asio::any_io_executor ex;
    Clock& clock;
    const Stream::Settings settings;
    Ring ring;
    std::vector<InitAt> inits;  ///< the newest of each open lane, by lane
    std::deque<Start> starts;   ///< those in the ring; none on a topic
    bool closed = false;
    Stream::Stats counts;
    ReadyNode armed;  ///< readers to be woken by the next publish
    std::function<void(std::size_t)> on_readers;
    std::vector<StreamReader*> waited_for;  ///< readers whose act is wait
    std::vector<StreamReader*> seeking;     ///< readers that have no place to begin yet

private:
    void take(std::shared_ptr<const Item> item, std::size_t size);
    void note_start(const Item& item, std::uint64_t pos);
    void note_init(const Init& init, std::uint64_t pos);
    void note_chunk(const Chunk& chunk, std::uint64_t pos);
    void note_main(const Item& item, std::uint64_t pos, bool quiet);
    Lane& note_lane(std::uint16_t lane, std::uint64_t pos);
    void close_lane(std::uint16_t lane, std::uint64_t pos);
    void choose_main(std::uint64_t pos);
    /// Has nothing come on the main lane for longer than `bound`? Then it is silent.
    bool hush_main(SteadyTime now, Micros bound);
    void attend_seeking(std::uint64_t pos);
    void add_start(Start start, bool quiet);
    void trim(SteadyTime now);
    [[nodiscard]] std::uint64_t unread_from(SteadyTime now);
    void give_up_waiting(SteadyTime now);
    void call_ready();

    Bell room_;
    ReadyNode ready_;  ///< their callbacks run in the round that is posted
    bool round_posted_ = false;
    std::vector<StreamReader*> readers_;
    std::uint64_t unread_from_ = 0;  ///< all readers are past what lies before; they may be further by now
    SteadyTime unread_looked_{};
    struct PastInit {
        InitAt at;
        std::uint64_t until;  ///< where the next one, or the lane's end, is
    };
    std::deque<PastInit> past_inits_;         ///< by `until`; those that something in the ring needs
    std::vector<Lane> lanes_;                 ///< the open ones, by lane
    std::deque<Lane> past_lanes_;             ///< by closed_at; those that have items in the ring
    std::optional<std::uint16_t> main_lane_;  ///< random-access points are looked for there
    std::uint64_t unit_ = 0, unit_pos_ = 0, info_unit_ = 0, info_pos_ = 0;  ///< main lane: the unit under way
    bool unit_has_start_ = false;
};

/// A cursor with its policy.
class StreamReader final : public Reader, public ReadyNode {
public:
    StreamReader(std::shared_ptr<StreamCore> core, Policy policy);
    StreamReader(const StreamReader& at);  ///< a second reader at the same place, for fork()
    ~StreamReader() override;

    Task<Result<Batch>> next_batch(std::size_t max_bytes, std::size_t max_items) override;
    Result<Batch*> poll(std::size_t max_bytes, std::size_t max_items) override;
    void on_ready(std::function<void()> f) override;
    void arm() override;
    [[nodiscard]] std::unique_ptr<Reader> fork() const override;
    [[nodiscard]] std::uint64_t position() const noexcept override { return phase_ == Phase::seeking ? 0 : cursor_; }
    [[nodiscard]] bool goes_on_like(const Reader& other) const noexcept override;
    [[nodiscard]] std::uint64_t lag_bytes() const noexcept override;
    [[nodiscard]] Micros lag_time() const noexcept override;
    [[nodiscard]] std::uint64_t skipped_items() const noexcept override { return skipped_; }

    [[nodiscard]] const Policy& policy() const noexcept { return policy_; }
    [[nodiscard]] std::uint64_t lag_cost() const noexcept;
    /// The first position this reader will still deliver; the next position when there is none yet.
    [[nodiscard]] std::uint64_t needs_from() const noexcept;
    /// A start point has come: binds a reader that seeks one. False when it goes on seeking.
    bool found_start(const StreamCore::Start& start);
    /// The main lane is another one now, and this is its newest start point.
    bool found_old_start(const StreamCore::Start& start);
    /// There is nothing to wait for any more: goes on right here. False when it had not begun and no lane is open.
    bool stop_seeking(std::uint64_t pos);
    [[nodiscard]] std::size_t lanes_remembered() const { return lanes_.size(); }
    void wake_up(ReadyNode& callbacks);
    [[nodiscard]] std::shared_ptr<std::function<void()>> callback() const { return callback_; }

private:
    enum class Phase : std::uint8_t {
        seeking,  ///< no start point known: nothing is delivered
        ready,    ///< cursor_ is a start point; what goes before it (debts, Inits) is not delivered yet
        following,
        finished,  ///< the End was handed out
    };
    struct LaneState {
        std::uint16_t lane = 0;
        bool joined = false;     ///< its chunks are delivered now
        bool followed = false;   ///< was joined once: what is missing since is owed
        bool told = false;       ///< an Init of it was handed out
        bool unit_open = false;  ///< next_unit was begun and not ended
        std::optional<std::uint32_t> epoch = {};
        std::uint32_t gen = 0;
        std::uint64_t next_unit = 0;  ///< the unit that is to come or to go on; 0 when not known
        Micros last_dts{0};
        std::optional<Gap> debt = {};  ///< lost, and not yet told
    };

    LaneState& lane_state(std::uint16_t lane);
    [[nodiscard]] bool begins_joined(std::uint16_t lane) const;
    [[nodiscard]] bool lanes_fit(const StreamReader& other) const;
    void seek();
    void go_to(std::uint64_t start);
    void settle();
    void begin();
    void skip_over(std::uint64_t to);
    void owe_fallen();
    void owe(const Item& item);
    void owe_chunk(LaneState& lane, const Chunk& chunk);
    void owe_gap(LaneState& lane, const Gap& gap);
    void tell_debt(LaneState& lane, std::uint64_t next_unit, std::optional<Micros> next_dts);
    void tell_before(LaneState& lane);
    void give(std::shared_ptr<const Item> item) { batch_.items.push_back(std::move(item)); }
    void give_init(LaneState& lane, std::uint32_t epoch);
    void pass(const Entry& entry);
    bool pass_chunk(const Chunk& chunk, std::uint64_t pos);
    bool pass_gap(const Gap& gap);
    bool pass_init(const Init& init);
    void leave_closed_lanes();
    [[nodiscard]] bool had_gone(const Item& item, std::uint64_t pos) const;
    [[nodiscard]] bool is_own(std::uint16_t lane) const;
    [[nodiscard]] bool is_own(const Init& init) const;
    [[nodiscard]] bool is_messages_at(std::uint16_t lane, std::uint64_t pos) const;
    [[nodiscard]] Gap loss_in(const LaneState& lane) const;
    [[nodiscard]] bool behind() const;

    std::shared_ptr<StreamCore> core_;
    Policy policy_;
    Phase phase_ = Phase::seeking;
    bool joined_late_ = false;        ///< seeking again after a skip: what is passed over is owed
    std::uint64_t cursor_ = 0;        ///< the next position to look at
    std::uint64_t cursor_total_ = 0;  ///< payload bytes before it, also when it has left the ring
    std::uint64_t birth_ = 0;         ///< begin at the first start whose random-access point is not before this
    std::uint64_t start_pos_ = 0;     ///< where this reader began or went on after its last skip
    std::vector<LaneState> lanes_;
    std::vector<std::shared_ptr<const Item>> held_;  ///< discontinuities passed over in a skip
    Batch batch_;
    std::uint64_t skipped_ = 0;
    std::shared_ptr<std::function<void()>> callback_;
    std::optional<Bell> bell_;
    bool waiting_ = false;
};

/// The public face of a StreamCore.
class StreamFace final : public Stream {
public:
    StreamFace(asio::any_io_executor ex, Clock& clock, Settings settings)
        : core(std::make_shared<StreamCore>(std::move(ex), clock, std::move(settings))) {}
    ~StreamFace() override { core->close(End{EndReason::stopped, "the stream is gone"}); }

    [[nodiscard]] const Settings& settings() const noexcept override { return core->settings; }
    [[nodiscard]] std::unique_ptr<Reader> attach(Policy policy) override;
    Result<> publish(std::span<const Item> items) override;
    Task<Result<>> accept(std::span<const Item> items) override;
    void close(End end) override { core->close(std::move(end)); }
    [[nodiscard]] Stats stats() const noexcept override;
    [[nodiscard]] std::uint64_t waiting_lag() const noexcept override;
    void on_readers(std::function<void(std::size_t)> f) override { core->on_readers = std::move(f); }
    [[nodiscard]] InitPtr init(std::uint16_t lane) const override;

    const std::shared_ptr<StreamCore> core;
};

}  // namespace weir::hub
