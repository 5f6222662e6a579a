#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "faces/cli/status_options.h"
#include "faces/cli/telemetry_options.h"

namespace CLI {
class App;
}

namespace weir::fc2 {
struct Params;
}

namespace weir::faces {

/// fc2-live-dl-go's flags (FC2-102, FC2-103), as text; the commands check them.
struct Fc2DownloadArguments {
    std::string channel, quality = "3Mbps", latency = "mid", format, remux_format = "mp4", cleaning_age = "48h",
                         scan_directory, poll_interval = "5s", upgrade_interval = "10s", cookies_file;
    int max_packet_loss = 20, quality_tries = 60, max_tries = 10;
    bool no_remux = false, concat = false, keep_intermediates = false, extract_audio = false,
         no_delete_corrupted = false, write_chat = false, write_info_json = false, write_thumbnail = false,
         allow_upgrade = false, no_wait = false, loop = false, json = false;
    std::vector<std::string> labels;
};
struct Fc2WatchArguments {
    std::string config, cookie_secret;
    StatusArguments status;
    TelemetryArguments telemetry = {};
};
struct Fc2Arguments {
    Fc2DownloadArguments download;
    Fc2WatchArguments watch;
};

/// The commands `download` and `watch`, under `weir fc2` or a program named fc2-live-dl-go.
void add_fc2_commands(CLI::App& app, Fc2Arguments& arguments, const std::string& program);
/// `weir fc2`.
void add_fc2(CLI::App& app, Fc2Arguments& arguments);

/// Errors: bad_input naming the flag.
[[nodiscard]] Result<fc2::Params> fc2_params(const Fc2DownloadArguments& arguments);

int run_fc2_download(const Fc2DownloadArguments& arguments);
int run_fc2_watch(const Fc2WatchArguments& arguments);

}  // namespace weir::faces
