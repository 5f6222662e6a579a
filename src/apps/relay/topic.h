#pragma once
// Inside of the hub: what one topic is made of. All of it lives on the home shard.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/relay/hub.h"
#include "apps/relay/running_stats.h"
#include "base/metrics.h"
#include "core/mix.h"
#include "core/transmux.h"

namespace weir::relay {

/// Bytes of the last seconds, by the second; costs nothing while nothing comes.
class Rate {
public:
    void add(SteadyTime now, std::size_t bytes) noexcept;
    /// Over the last five whole seconds (the second under way is left out), or as many as there were.
    [[nodiscard]] double bits_per_second(SteadyTime now) const noexcept;

private:
    struct Second {
        std::int64_t at = -1;
        std::uint64_t bytes = 0;
    };
    std::array<Second, 8> seconds_{};
    std::int64_t first_ = -1;
};

class Topic;

/// The viewers of a topic in one wire form; for websockets with the Stream of frames they share.
class Face {
public:
    Face(Shards& shards, Shard& home, Topic& topic, Viewers::Wire wire, const Hub::Settings& settings);
    ~Face();
    [[nodiscard]] Viewers& viewers() noexcept { return *viewers_; }
    Task<void> close();

    /// A feed calls this when it has published. The face of a mix is called by the Stream it reads.
    void news() { forward(); }
    void come();
    bool go(SteadyTime now);  ///< true: that was the last one
    [[nodiscard]] bool idle() const noexcept { return watchers_ == 0; }
    [[nodiscard]] SteadyTime idle_since() const noexcept { return idle_since_; }

private:
    void forward();

    std::size_t watchers_ = 0;
    SteadyTime idle_since_{};
    metrics::Gauge gauge_;
    std::unique_ptr<Transmuxer> framer_;  ///< websocket only, as the next two
    std::unique_ptr<Stream> framed_;
    std::unique_ptr<Reader> reader_;
    std::vector<Item> items_;
    std::unique_ptr<Viewers> viewers_;
};

/// Sums of viewers that have gone.
struct Served {
    std::uint64_t bytes = 0, skips = 0;
};

class Topic {
public:
    Topic(Shard& home, const Hub::Settings& settings, std::string name);
    ~Topic();
    Topic(const Topic&) = delete;

    const std::string name;
    const bool mix;
    /// What publishers of this very name feed. Readers of a mix do not get it: streams do not run backwards (VW-43).
    [[nodiscard]] Stream& feed() noexcept { return *feed_; }
    /// What those who watch get.
    [[nodiscard]] Stream& out() noexcept { return mix_ ? mix_->stream() : *feed_; }

    struct Lane {
        bool taken = false;
        std::uint32_t epoch = 0;  ///< the newest used: the next owner's are higher
        PublisherInfo who = {};
        WallTime since = {};
        ts::PushCutter::Stats in = {};
        InitPtr init = {};
        SteadyTime window = {};  ///< of how much it brought lately
        std::uint64_t in_window = 0;
    };
    Result<std::uint16_t> take_lane(PublisherInfo who, WallTime now);
    void free_lane(std::uint16_t lane);
    [[nodiscard]] Lane& lane(std::uint16_t number) { return lanes_[number]; }
    void publish(std::uint16_t lane, std::span<const Item> items, SteadyTime now);

    /// Did someone who watches, through mixes too, have too much to take just now?
    [[nodiscard]] bool strained(SteadyTime now) const;
    [[nodiscard]] bool faces_strained(SteadyTime now) const;  ///< its own viewers alone
    /// How much of a ring the slowest recording of it, or of a stream it is part of, is behind: 0 to 1.
    [[nodiscard]] double recordings_lag() const;
    /// Of a mix: its feeds from now on.
    void set_inputs(std::vector<std::shared_ptr<Topic>> inputs);
    [[nodiscard]] const std::vector<std::shared_ptr<Topic>>& inputs() const noexcept { return inputs_; }

    [[nodiscard]] TopicStats stats(SteadyTime now) const;
    void close(const End& end);  ///< ends all who read

    std::size_t holds = 0;    ///< pins, publishers, viewers, mixes, a rule: 0 lets it go after a while
    std::size_t demand = 0;   ///< who watches it, through mixes too
    std::size_t watched = 0;  ///< who watches this very name
    bool ruled = false;
    bool claimed =
        false;  ///< something else than a viewer asked for it once: a publisher, a rule, a destination or recording
    SteadyTime idle_since{};
    bool queued = false;                         ///< the hub looks at it when its time comes
    std::array<std::shared_ptr<Face>, 2> faces;  ///< by Viewers::Wire
    std::array<Served, 2> served;

private:
    void note(const Chunk& chunk, SteadyTime now);
    void tell_faces();
    void add_tracks(TopicStats& to) const;
    [[nodiscard]] std::size_t viewers(Viewers::Wire wire) const;

    std::vector<std::shared_ptr<Topic>> inputs_;  ///< before the mix that reads them
    std::unique_ptr<Stream> feed_;
    std::unique_ptr<Mix> mix_;
    std::vector<Topic*> mixes_;  ///< those that have this one as an input
    std::vector<Lane> lanes_;
    MessageStats messages_;
    Rate rate_;
    metrics::Counter bytes_total_, messages_total_;
    metrics::Gauge publishers_;
};

[[nodiscard]] bool is_mix_name(std::string_view name) noexcept;  ///< begins with "stream/" (VW-67)

}  // namespace weir::relay
