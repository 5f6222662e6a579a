#pragma once
#include <functional>
#include <memory>
#include <string>

#include "apps/demo_faults.h"
#include "core/pipeline.h"
#include "io/http_server.h"
#include "media/tool.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::apps {

/// 64 s: a whole number of pictures and of AAC frames at 48 kHz, as every multiple of 8 s, so that not even sound has a
/// seam.
[[nodiscard]] inline media::PatternPlan default_pattern() {
    media::PatternPlan plan;
    plan.seconds = 64;
    return plan;
}

struct DemoSourceOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;                    ///< 0: any free one
    Micros segment = std::chrono::seconds(2);  ///< cut at groups of pictures (1 s)
    std::size_t window = 10;                   ///< segments in the playlist
    Micros duration{0};                        ///< after so much media the live ends with ENDLIST; 0: never
    std::vector<Fault> faults = {};
    Path cache_folder;  ///< the encoded pattern is kept here
    media::PatternPlan pattern = default_pattern();
    /// The file to loop instead of the pattern, and the time to go by instead of the shard's: for tests.
    Bytes file = {};
    Clock* clock = nullptr;
};

/// The built-in live source as a program: the test pattern as live HLS (/live.m3u8) and as an endless transport stream
/// over HTTP
/// (/live.ts), with /health and /metrics, and with faults on demand.
/// threads  shard 0 of `shards`, connections on all of them
class DemoSource final : public App {
public:
    DemoSource(Shards& shards, FileLane& lane, DemoSourceOptions options);
    ~DemoSource() override;

    /// Returns when the playlist has its first segments. Errors: pattern, cache folder, address.
    Task<Result<>> start() override;
    Task<void> stop(std::string reason) override;
    Task<Result<>> reload() override;  ///< nothing to reload
    [[nodiscard]] std::string status_json() const override;

    [[nodiscard]] std::string hls_url() const;  ///< after start()
    [[nodiscard]] std::string ts_url() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::apps
