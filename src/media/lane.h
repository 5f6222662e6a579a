#pragma once
// The packets of one lane, stretch after stretch, in one form and on one clock; for the .cpp files of this folder.
#include <array>
#include <deque>
#include <limits>
#include <memory>
#include <set>
#include <vector>

#include "media/libav.h"
#include "media/timeline.h"
#include "media/tool_work.h"
#include "media/track_set.h"

namespace weir::media {

/// One packet on its way, its times in the input's base and what is to be added to them.
struct Placed {
    Packet packet;
    std::size_t track = 0;
    AVRational base{1, 90'000};
    std::int64_t dts = 0, pts = 0, duration = 0;
    Micros offset{0};
};

[[nodiscard]] Micros to_micros(std::int64_t ts, AVRational base);
[[nodiscard]] std::int64_t to_ticks(Micros t, AVRational base);

/// What was found wrong with the input, of all lanes.
struct Flaws {
    std::uint64_t guessed = 0, torn = 0, damaged = 0, repeated = 0;
};
/// What all lanes have placed so far.
struct Extent {
    bool any = false;
    Micros dts_end{0}, end{0};  ///< by decoding and by presentation time
    std::uint64_t bytes = 0;    ///< read
};

class Lane {
public:
    /// waiting: the next stretch `follows` what other lanes have not read yet. late_track: the tracks have to be
    /// written anew, with one more.
    enum class State { ready, waiting, done, late_track };

    Lane(const JoinPlan& plan, TrackSet& set, std::uint16_t lane, Flaws& flaws, Extent& all);
    /// The survey's input, of the lane's first stretch.
    void begin_with(std::unique_ptr<Input> first) { first_ = std::move(first); }

    /// Reads until a packet stands in front. `others_at`: the first position() of the other lanes.
    Result<State> fill(std::size_t others_at);
    [[nodiscard]] const Placed& front() const { return ready_.front(); }
    [[nodiscard]] Micros time() const;  ///< of the front, by decoding time
    [[nodiscard]] Placed take();
    [[nodiscard]] std::size_t position() const noexcept;  ///< in the plan; its size at the end
    [[nodiscard]] std::uint64_t read() const noexcept;    ///< bytes
    [[nodiscard]] std::uint64_t mended() const noexcept { return timeline_.mended(); }

private:
    /// One unit that was placed: enough to know it again.
    struct Mark {
        Micros at{0};
        std::uint64_t print = 0;
    };
    struct TrackState {
        bool any = false, met = false, dropping = false;
        Micros end{0};                          ///< by decoding time, placed
        std::int64_t next_in = AV_NOPTS_VALUE;  ///< input base, within the stretch
        std::int64_t step = 0;                  ///< the last duration that was told, input base
        std::array<Mark, 64> marks{};
        std::size_t marked = 0;
        unsigned seen = 0;  ///< packets of this stretch while looking ahead
    };

    Result<bool> open_next();  ///< false: there is nothing to be read in it
    void close_stretch();
    Result<State> read_one();
    bool finds_late_track(const AVPacket& packet);
    bool normalise(std::size_t stream, AVPacket& packet);
    [[nodiscard]] bool knows_enough() const;
    void stop_looking_ahead();
    void back_fill();
    void mend_times(Placed& p);
    bool is_repeated(const Placed& p);
    void place(Placed p);
    TrackState& state(std::size_t track);
    [[nodiscard]] const Stretch& stretch() const { return plan_.input[mine_[next_]]; }

    const JoinPlan& plan_;
    TrackSet& set_;
    const std::uint16_t lane_;
    Flaws& flaws_;
    Extent& all_;
    std::vector<std::size_t> mine_;  ///< indices of this lane's stretches
    std::size_t next_ = 0;
    std::unique_ptr<Input> first_, in_;
    std::vector<int> map_;
    std::vector<std::optional<Normaliser>> normalisers_;  ///< by stream
    std::set<std::size_t> looked_for_;                    ///< streams without a track
    std::vector<TrackState> state_;
    Timeline timeline_;
    std::int64_t near_ = AV_NOPTS_VALUE;  ///< for unwrapping: the last decoding time of this stretch, 90 kHz
    Micros shift_{0};
    bool looking_ahead_ = false, wraps_ = false;
    std::deque<Placed> pending_, ready_;
    std::size_t pending_bytes_ = 0;
    std::uint64_t done_ = 0;
};

}  // namespace weir::media
