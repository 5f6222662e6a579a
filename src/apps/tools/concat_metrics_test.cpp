#include "apps/tools/concat_metrics.h"

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "on_shard.h"

namespace weir::apps {
namespace {

Task<Result<media::Summary>> made() {
    co_return media::Summary{};
}

Task<Result<media::Summary>> failed(Errc code) {
    co_return Error{code, "why"};
}

struct Numbers {
    double runs = metrics::counter("concat_runs_total", "Number of concats").value();
    double errors = metrics::counter("concat_errors_total", "Accumulated failed runs of concats").value();
    std::uint64_t timed = 0;
    Numbers() {
        for (const auto& family : metrics::snapshot())
            if (family.name == "concat_completion_time_seconds")
                for (const auto& series : family.series)
                    if (series.labels == metrics::Labels{{"audio_only", "true"}}) timed = series.count;
    }
};

TEST(ConcatMetrics, FC2_126_RunsAndErrorsAreCounted) {
    const struct {
        const char* name;
        std::optional<Errc> code;
        double runs, errors;
        std::uint64_t timed;
    } cases[] = {{"made", {}, 1, 0, 1}, {"failed", Errc::io, 1, 1, 0}, {"stopped", Errc::cancelled, 1, 0, 0}};
    for (const auto& c : cases) {
        const Numbers before;
        test::on_shard([&](Shard&) -> Task<void> {
            auto work = c.code ? failed(*c.code) : made();
            auto done = co_await counted_concat(std::move(work), true);
            EXPECT_EQ(done.has_value(), !c.code) << c.name;
        });
        const Numbers after;
        EXPECT_EQ(after.runs - before.runs, c.runs) << c.name;
        EXPECT_EQ(after.errors - before.errors, c.errors) << c.name;
        EXPECT_EQ(after.timed - before.timed, c.timed) << c.name;
    }
}

}  // namespace
}  // namespace weir::apps
