#pragma once
#include <memory>

#include "core/source.h"
#include "media/tool.h"
#include "runtime/clock.h"
#include "runtime/file_lane.h"

namespace weir {

/// The built-in live source: a transport stream file played in an endless loop at its own pace, its clocks and counters
/// going on from loop to loop as if it were one broadcast.
/// pace  live: chunks of about `step` of media, each when its
/// time has come; `preroll` of media at once, as if it had begun earlier
/// items  Init, Chunks with dts (rap where a
/// decoder may start) and arrival: when the chunk's time came
/// ends  stopped; duration when `duration` of media was
/// published
/// memory  the file, once threads one shard
class TestPattern final : public Source {
public:
    struct Settings {
        Micros step{100'000}, preroll{0};
        Micros duration{0};  ///< 0: endless
    };
    /// bad_input: the file cannot be looped (see ts::map_loop).
    static Result<std::unique_ptr<TestPattern>> create(Clock& clock, Bytes file, Settings settings);
    ~TestPattern() override;

    [[nodiscard]] Pace pace() const noexcept override { return Pace::live; }
    Task<Result<End>> run(ItemSink& sink, Demand& demand) override;

private:
    struct State;
    explicit TestPattern(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// The pattern file as bytes: made in `folder` (a cache; made when missing) the first time, read from there afterwards.
/// Several processes may do so at once. `plan.output` is chosen here, from the plan.
/// errors  of the encoder and of the
/// disk
Task<Result<Bytes>> load_pattern(FileLane& lane, Path folder, media::PatternPlan plan);

}  // namespace weir
