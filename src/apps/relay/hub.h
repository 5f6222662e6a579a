#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stream.h"
#include "io/http_client.h"
#include "proto/ts/push_cutter.h"
#include "runtime/shard.h"
#include "sinks/viewers.h"

namespace weir::relay {

/// What a publisher looks like to others: one push by HTTP or one websocket that has sent something.
struct PublisherInfo {
    std::string kind;  ///< "http", "websocket"
    std::string peer, user_agent;
    std::uint32_t origin = 0;  ///< what its chunks are to carry, from own_origins on; 0: the hub gives one (below that)
};
/// A websocket that may publish is told its own chunks by this before it is a publisher: with its first message only.
inline constexpr std::uint32_t own_origins = 0x8000'0000;

class Hub;

/// Keeps a topic alive while it is held; lets go by itself. May be dropped on any shard.
class Pin {
public:
    virtual ~Pin() = default;
    [[nodiscard]] virtual const std::string& topic() const noexcept = 0;
};

/// A place at a topic for one publisher: a lane and an origin of its own until it goes (VW-37).
/// threads  one shard (that of its connection); what it publishes is posted to the hub
class Publisher : public Pin {
public:
    [[nodiscard]] virtual std::uint32_t origin() const noexcept = 0;
    /// A piece of a pushed body, cut and published.
    virtual void push(const BodyPiece& piece) = 0;
    /// One websocket message.
    virtual void message(bool text, const Bytes& payload) = 0;
    /// Bytes accepted and not yet taken by the hub: a publisher that is faster than the hub waits below this.
    [[nodiscard]] virtual std::uint64_t under_way() const noexcept = 0;
    virtual Task<bool> wait_for_room() = 0;
};

/// A place at a topic for one viewer.
class Watcher : public Pin {
public:
    [[nodiscard]] virtual Viewers& viewers() noexcept = 0;  ///< in the wire form that was asked for
};

struct TopicStats {
    std::string name;
    bool mix = false;                ///< a stream of feeds (rule), else a feed
    std::vector<std::string> feeds;  ///< of a mix
    std::vector<Track> tracks;       ///< of all open lanes
    bool messages = false;           ///< carries opaque messages
    struct Lane {
        PublisherInfo who;
        std::optional<WallTime> since;
        ts::PushCutter::Stats in;
    };
    std::vector<Lane> publishers;
    Stream::Stats stream;
    std::size_t viewers_ws = 0, viewers_ts = 0;
    std::uint64_t sent_bytes = 0, skips = 0;
    double bits_per_second = 0;  ///< in, over the last seconds
    struct Running {             ///< Welford (VW-80, SC-14)
        std::uint64_t count = 0;
        double mean = 0, min = 0, max = 0, stddev = 0;
    } message_bytes, message_gap_ms;
};

/// All topics of a relay: feeds, which publishers feed, and mixes, which rules make of feeds. One namespace: a name that has a
/// stream rule and begins with "stream/" is a mix (VW-67), every other one a feed. Topics come into being when someone asks for
/// them and go when nobody holds them, `linger` later; one that nobody but viewers ever asked for goes at once.
///
/// limits    max_topics; of them a quarter at most for names that only viewers asked for, so that those cannot lock out publishers
/// names     one that begins with "stream/" is a mix for those who watch, empty until a rule comes (SC-10); what is published on
///           such a name goes nowhere but into mixes that name it: streams do not run backwards (VW-43). So a mix inside of a mix
///           is only a name, and no loop
/// silence   costs nothing: no timer runs while all topics are held
/// pace      a live publisher never waits for viewers: one that cannot keep up skips (Settings::viewer_policy). One that pushes a
///           file, more than 1 MiB in 100 ms, is held up in wait_for_room() while viewers that do take data are full
/// threads  a home shard; functions marked "any" may be awaited on any shard and come back there
class Hub {
public:
    struct Settings {
        std::uint64_t ring_bytes = 16u << 20;
        Micros ring_time = std::chrono::seconds(30);
        Policy viewer_policy;  ///< budget of a slow viewer
        Millis linger{10'000};
        std::size_t max_topics = 10'000;
        Viewers::Settings viewers = {};
        /// Runs a job that may take milliseconds on no shard (any thread may be asked); none: such work is left out.
        std::function<void(std::function<void()>)> aside = {};
    };
    static std::unique_ptr<Hub> create(Shards& shards, Shard& home, Settings settings);
    virtual ~Hub() = default;  ///< stop() was awaited

    /// any. busy: too many topics (watch: or too many that have only viewers).
    virtual Task<Result<std::shared_ptr<Publisher>>> publish(std::string topic, PublisherInfo who) = 0;
    virtual Task<Result<std::shared_ptr<Watcher>>> watch(std::string topic, Viewers::Wire wire) = 0;
    /// Home: the Stream of a topic, for destinations and recordings; held by the pin.
    virtual Result<std::pair<std::shared_ptr<Pin>, Stream*>> attach(const std::string& topic) = 0;
    /// Home: sets, replaces or (none) removes the feeds of a mix; viewers and destinations of that name stay.
    virtual void set_mix(const std::string& name, std::optional<std::vector<std::string>> feeds) = 0;
    /// Home: called when the number of those who watch (viewers, destinations, recordings; through mixes too) becomes more than
    /// none, or none: for commands on demand.
    virtual void on_demand(std::function<void(const std::string& feed, bool wanted)> f) = 0;
    [[nodiscard]] virtual std::vector<TopicStats> stats() const = 0;  ///< home
    [[nodiscard]] virtual Shard& home() noexcept = 0;
    virtual Task<void> stop() = 0;  ///< home
};

}  // namespace weir::relay
