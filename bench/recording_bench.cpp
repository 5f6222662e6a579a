// Records many live HLS streams in one process: what `weir watch` will do, without a site. bench/recording.py measures
// it.
//   recording_bench --out DIR [--duration SECONDS] [--shards N] URL...
// Prints one JSON line: recordings finished, segments asked and missing, bytes.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/recorder/download.h"
#include "io/resolver.h"
#include "media/tool.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

struct Totals {
    std::uint64_t asked = 0, missing = 0, bytes = 0;
    int finished = 0, failed = 0;
};

Task<void> record_one(apps::Download& download, Totals& totals) {
    co_await errors_not_throws();
    auto result = co_await download.run();
    if (!result) {
        fmt::print(stderr, "recording_bench: {}\n", result.error().text());
        ++totals.failed;
        co_return;
    }
    ++totals.finished;
    totals.asked += result->asked;
    totals.missing += result->missing;
    totals.bytes += result->bytes;
}

struct Plan {
    std::string out;
    double duration = 0;
    std::vector<std::string> urls;
};

Task<int> run_all(Shards& shards, Plan plan) {
    co_await errors_not_throws();
    Shard& shard = shards.at(0);
    FileLane lane(real_file_system(), {});
    auto http = HttpClient::create(shard, Resolver::create(), {});
    std::vector<std::unique_ptr<apps::Download>> downloads;
    Totals totals;
    TaskGroup group(shard.executor());
    int number = 0;
    for (const auto& text : plan.urls) {
        auto url = parse_url(text);
        if (!url) {
            fmt::print(stderr, "recording_bench: {}\n", url.error().text());
            co_return 2;
        }
        apps::DownloadOptions options;
        options.source.url = *url;
        options.keep_raw = true;
        const auto folder =
            Path(plan.out) / fmt::format("{}", number++);  // one each: nobody else's recordings to finish
        options.target = folder / "rec.mp4";
        if (plan.duration > 0) options.source.duration = Micros(static_cast<std::int64_t>(plan.duration * 1e6));
        downloads.push_back(std::make_unique<apps::Download>(shard, *http, lane, std::move(options)));
        group.spawn(record_one(*downloads.back(), totals), "record");
    }
    co_await group.join();
    co_await group.stop("done");
    fmt::print("{{\"finished\":{},\"failed\":{},\"asked\":{},\"missing\":{},\"bytes\":{}}}\n", totals.finished,
               totals.failed, totals.asked, totals.missing, totals.bytes);
    co_return totals.failed == 0 && totals.missing == 0 ? 0 : 1;
}

int run(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "media-tool") return media::tool_main();
    Plan plan;
    for (int i = 1; i < argc; ++i) {
        const std::string_view a(argv[i]);
        if (a == "--out" && i + 1 < argc)
            plan.out = argv[++i];
        else if (a == "--duration" && i + 1 < argc)
            plan.duration = std::atof(argv[++i]);
        else
            plan.urls.emplace_back(a);
    }
    if (plan.out.empty() || plan.urls.empty()) {
        fmt::print(stderr, "usage: recording_bench --out DIR [--duration SECONDS] URL...\n");
        return 2;
    }
    Shards shards(1);
    return shards.run([&](Shards& all) { return run_all(all, plan); });
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
    return weir::run(argc, argv);
}
