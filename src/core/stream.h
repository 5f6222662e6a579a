#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/item.h"
#include "core/source.h"
#include "runtime/clock.h"

namespace weir {

class Stream;

/// What happens to a reader that falls behind its budget.
enum class Act : std::uint8_t {
    wait,         ///< demand-paced sources only: accept() waits for this reader
    skip_to_rap,  ///< jump to the newest random-access point in the ring; a Gap for this reader
    disconnect,   ///< the reader gets an End(error) and nothing more
};

struct Policy {
    std::uint64_t budget_bytes = 4u << 20;
    Micros budget_time = std::chrono::seconds(10);
    Act act = Act::skip_to_rap;
    bool start_at_rap = true;  ///< media: begin at a random-access point; topics: at the newest
    std::uint32_t origin = 0;  ///< topic streams: items of this origin are not delivered to this reader
};

/// What next_batch hands out: shared, frozen items; valid until the next call on that reader.
struct Batch {
    std::vector<std::shared_ptr<const Item>> items;
    std::size_t bytes = 0;
};

/// A cursor into the ring of a Stream. It never holds more than the batch in flight: its lag is only a number.
/// threads  the Stream's shard
class Reader {
public:
    virtual ~Reader() = default;  ///< detaches
    /// Up to `max_bytes` and `max_items`, at once when there is something. Waits otherwise. cancelled: cancelled;
    /// lost_peer: the Stream is gone or this reader was disconnected (after its End item).
    virtual Task<Result<Batch>> next_batch(std::size_t max_bytes = 64u << 10, std::size_t max_items = 8) = 0;
    /// The same without waiting: an empty batch means "nothing yet". For fan-outs that serve many readers in one loop.
    virtual Result<Batch*> poll(std::size_t max_bytes = 64u << 10, std::size_t max_items = 64) = 0;
    /// Called (on the shard, not re-entrantly; at most once per publish) when something new came after an empty poll().
    virtual void on_ready(std::function<void()> f) = 0;
    /// Asks for that call at the next publish also without an empty poll(): lets a fan-out wait until enough has come.
    virtual void arm() = 0;
    /// A second reader at this very place, with the same policy: for a fan-out whose clients move together until one
    /// falls behind.
    [[nodiscard]] virtual std::unique_ptr<Reader> fork() const = 0;
    /// The next place in the ring this reader looks at. 0: it has found nowhere to begin yet.
    [[nodiscard]] virtual std::uint64_t position() const noexcept = 0;
    /// Both get the same from here on: they are at one place of one Stream and in the same lanes, with nothing left to be told to
    /// one of them alone. Policies are not looked at.
    [[nodiscard]] virtual bool goes_on_like(const Reader& other) const noexcept = 0;
    [[nodiscard]] virtual std::uint64_t lag_bytes() const noexcept = 0;
    [[nodiscard]] virtual Micros lag_time() const noexcept = 0;
    [[nodiscard]] virtual std::uint64_t skipped_items() const noexcept = 0;
};

/// A sink that keeps a short ring and lets many readers follow it.
/// invariants  seq has no holes; items are frozen when published; every Chunk refers to its lane's newest Init
/// start       a reader begins at a random-access point of the main lane, or at the beginning of the unit whose first one it
///             is, after the Inits that are valid there; other lanes join at their next unit. It never sees half a unit it
///             joined in. The main lane is the lowest open one with video, else the lowest open one with media, but none
///             that was silent for 2 s while such another one went on, until its next random-access point; while there are
///             only messages (opaque), a reader begins with the next item and catches up at the newest
/// loss        what a reader is not given after it began is told to it as one Gap per lane, right before that lane goes
///             on
/// limits      ring bytes (with 256 for each item, and the header and tracks of Inits) and time; only the write in flight of a reader pins older memory
/// threads     its shard
class Stream : public ItemSink {
public:
    struct Settings {
        std::string name;
        std::uint64_t ring_bytes = 16u << 20;
        Micros ring_time = std::chrono::seconds(30);
        bool topic = false;  ///< many publishers, no random-access points
        /// What lies before the newest start point goes when every reader has passed it, not only after ring_time: for live streams
        /// whose readers keep up, most of the ring's memory.
        bool lean = false;
    };
    static std::unique_ptr<Stream> create(asio::any_io_executor ex, Clock& clock, Settings settings);

    [[nodiscard]] virtual const Settings& settings() const noexcept = 0;
    [[nodiscard]] virtual std::unique_ptr<Reader> attach(Policy policy) = 0;
    /// Publishes without waiting (live sources); accept() is this plus the wait for `Act::wait` readers.
    virtual Result<> publish(std::span<const Item> items) = 0;
    virtual void close(End end) = 0;  ///< every reader gets the End and then lost_peer

    struct Stats {
        std::uint64_t items = 0, chunks = 0, bytes = 0, gaps = 0, raps = 0;
        std::size_t readers = 0, ring_items = 0;
        std::uint64_t ring_bytes = 0;
    };
    [[nodiscard]] virtual Stats stats() const noexcept = 0;
    /// How far the slowest reader with `Act::wait` is behind, in bytes: publish() does not wait for it, its caller may.
    [[nodiscard]] virtual std::uint64_t waiting_lag() const noexcept = 0;
    /// The newest Init of that lane, or null.
    [[nodiscard]] virtual InitPtr init(std::uint16_t lane = 0) const = 0;
    /// Called when the number of readers changes: lets a source on demand begin and rest.
    virtual void on_readers(std::function<void(std::size_t)> f) = 0;
};

/// The only loop between a reader and a sink. Ends with the first error of either, or after an End was passed on.
Task<Result<>> pump(Reader& from, ItemSink& to);

}  // namespace weir
