#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "apps/demo_source.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "runtime/deadline.h"

namespace weir::faces {
namespace {

/// Where the encoded pattern is kept between runs (XDG base directories).
Path cache_folder() {
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
        return Path(cache) / "weir";
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return Path(home) / ".cache" / "weir";
    return std::filesystem::temp_directory_path() / "weir-cache";
}

Result<apps::DemoSourceOptions> options_from(const DemoSourceArguments& a) {
    apps::DemoSourceOptions o;
    o.address = a.address;
    o.port = a.port;
    o.window = static_cast<std::size_t>(a.window);
    o.cache_folder = cache_folder();
    auto segment = parse_duration(a.segment);
    if (!segment) return within("--segment", segment.error());
    if (*segment < Millis(1000) || *segment > Millis(20'000))
        return Error{Errc::bad_input, "--segment: from 1s to 20s"};
    o.segment = *segment;
    if (!a.duration.empty()) {
        auto duration = parse_duration(a.duration);
        if (!duration) return within("--duration", duration.error());
        o.duration = *duration;
    }
    auto faults = apps::parse_faults(a.faults);
    if (!faults) return within("--faults", faults.error());
    o.faults = std::move(*faults);
    return o;
}

}  // namespace

int run_demo_source(const DemoSourceArguments& arguments) {
    auto options = options_from(arguments);
    if (!options) return complain(options.error().text(), exit_wrong_use);

    Shards shards;
    FileLane lane(real_file_system(), {});
    apps::DemoSource source(shards, lane, std::move(*options));
    Bell stopped(shards.at(0).executor());
    struct Command {
        static Task<int> run(apps::DemoSource& source, Bell& stopped) {
            auto started = co_await source.start();
            if (started) {
                fmt::print("{}\n{}\n", source.hls_url(), source.ts_url());
                std::fflush(stdout);
                co_await stopped.wait();
            }
            co_await source.stop("asked");
            if (!started) co_return complain(started.error().text(), exit_failed);
            co_return exit_ok;
        }
    };
    return run_session(
        shards, [&] { return Command::run(source, stopped); }, [&](const std::string&) { stopped.notify(); });
}

}  // namespace weir::faces
