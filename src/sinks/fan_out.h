#pragma once
// Inside of viewers: those of one Stream on one shard.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stream.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sinks/gather.h"
#include "sinks/viewers.h"

namespace weir::fan_out {

class FanOut;

/// One viewer: in the group (no reader of its own), alone with a Reader (writing what it missed, or waiting for something to begin
/// at), or without one (gets control frames only; on its way out).
/// One task reads from it for as long as it lives; a second one exists only while its socket is full.
/// threads  those of Handle: any; all else: its shard
class Viewer final : public Viewers::Handle, public std::enable_shared_from_this<Viewer> {
public:
    Viewer(FanOut& out, Shard& shard, std::unique_ptr<Connection> connection, Viewers::Plan plan);
    [[nodiscard]] std::uint64_t bytes() const noexcept override { return bytes_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t skips() const noexcept override { return skips_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t skipped_bytes() const noexcept override {
        return skipped_bytes_.load(std::memory_order_relaxed);
    }
    void close(std::uint16_t code, std::string reason) override;
    void send(bool text, Bytes payload) override;

private:
    friend class FanOut;
    static constexpr std::size_t nowhere = SIZE_MAX;

    // What each write to the group touches lies side by side: with a crowd, memory that is cold by then is what a write costs here.
    std::unique_ptr<Connection> connection_;  ///< until gone_ and no task uses it
    std::atomic<std::uint64_t> bytes_{0};
    const std::uint32_t origin_;  ///< as in plan_
    FanOut& out_;                 ///< not touched once gone_
    Shard& shard_;
    Viewers::Plan plan_;
    std::unique_ptr<Reader> reader_;
    std::vector<Bytes> rest_;      ///< gathered and not yet taken by the socket; its end is a frame border
    std::size_t said_ = 0;         ///< of it, what is for this viewer alone
    std::size_t place_ = nowhere;  ///< in the group
    std::size_t seat_ = 0;         ///< among all
    std::uint64_t skip_mark_ = 0;  ///< what its Reader had skipped when we last looked
    bool last_ = false;            ///< nothing comes after `rest_`
    bool feeding_ = false;         ///< its second task exists
    bool closing_ = false;         ///< a close frame is on its way or gone
    bool peer_closed_ = false;
    bool ended_ = false;  ///< the connection is shut down: its tasks end
    bool gone_ = false;   ///< nobody listens to it any more
    SteadyTime heard_{}, pinged_{}, goodbye_by_ = SteadyTime::max();
    std::optional<ws::Decoder> decoder_;
    std::string why_;  ///< for on_gone
    std::atomic<std::uint64_t> skips_{0}, skipped_bytes_{0};
};

/// threads  one shard, but for stats()
class FanOut {
public:
    FanOut(Shard& shard, const Viewers::Settings& settings);
    /// From now on there is something to see. Who came before was listened to, and is answered only now: who has an answer misses
    /// nothing that comes after it.
    void open(Stream& stream);
    std::shared_ptr<Viewer> add(std::unique_ptr<Connection> connection, Viewers::Plan plan);
    Task<void> stop();
    [[nodiscard]] Viewers::Stats stats() const noexcept;

private:
    friend class Viewer;
    using ViewerPtr = std::shared_ptr<Viewer>;
    enum class Next : std::uint8_t {
        rest,  ///< nothing to do before it is woken
        room,  ///< wait until its socket takes more
        turn,  ///< let others have their turn
    };

    // Out: fan_out.cpp
    [[nodiscard]] bool websocket() const noexcept { return settings_.wire == Viewers::Wire::websocket; }
    void kick(const ViewerPtr& viewer);
    Next advance(const ViewerPtr& viewer);
    void feed_later(const ViewerPtr& viewer, Next next);
    void read_on(Viewer& viewer, const Batch& batch);
    Task<void> feed(ViewerPtr viewer, Next next);
    void rest_here(const ViewerPtr& viewer);
    void join(const ViewerPtr& viewer);
    void leave(Viewer& viewer);
    void news();
    void flush();
    [[nodiscard]] Wanted wanted(std::uint32_t without) const noexcept { return {without, !websocket()}; }
    [[nodiscard]] Micros patience() const;
    Task<void> pace();
    void write_to_all(const Batch& items);
    void fall_behind(Viewer& viewer, const std::vector<Bytes>& pieces, std::size_t wrote);
    void go_alone(Viewer& viewer);
    void note_skips(Viewer& viewer, std::uint64_t times, std::uint64_t bytes);
    void note_written(Viewer& viewer, std::size_t count);

    // In, and the end: fan_out_inbound.cpp
    Task<void> listen(ViewerPtr viewer);
    bool receive(const ViewerPtr& viewer);
    bool take(const ViewerPtr& viewer, std::span<const std::byte> bytes);
    void on_event(const ViewerPtr& viewer, ws::Event event);
    void say(const ViewerPtr& viewer, Bytes frame);
    void close(const ViewerPtr& viewer, std::uint16_t code, const std::string& reason);
    void add_goodbye(Viewer& viewer, std::uint16_t code, std::string_view reason);
    static void end(Viewer& viewer, const std::string& why);
    void let_go(const ViewerPtr& viewer);
    Task<void> tend();
    void look_at_times(const ViewerPtr& viewer, SteadyTime now);
    void end_by(Viewer& viewer, SteadyTime when);
    [[nodiscard]] SteadyTime due(const Viewer& viewer) const;
    void look_by(SteadyTime when);
    [[nodiscard]] Millis tick() const noexcept;

    Shard& shard_;
    const Viewers::Settings settings_;
    Stream* stream_ = nullptr;
    std::vector<ViewerPtr> all_;
    std::vector<ViewerPtr> group_;    ///< all at the leader's place
    std::unique_ptr<Reader> leader_;  ///< while the group has viewers
    Gathered batch_;
    std::vector<ViewerPtr> fallen_;  ///< left the group in this write
    std::vector<ws::Event> events_;
    std::uint64_t leader_mark_ = 0;  ///< as Viewer::skip_mark_
    bool waiting_ = false;           ///< pace() will flush soon
    bool stopping_ = false;
    SteadyTime looked_{}, look_at_ = SteadyTime::max();  ///< tend() did so, and will
    std::atomic<std::size_t> viewers_{0};
    std::atomic<std::uint64_t> bytes_{0}, blocked_{0}, skips_{0}, skipped_bytes_{0};
    std::atomic<SteadyTime> strained_{SteadyTime{}};
    Bell paced_, timed_bell_, emptied_;
    TaskGroup tasks_;
};

}  // namespace weir::fan_out
