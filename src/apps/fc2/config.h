#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/sites/notifier_config.h"
#include "apps/sites/params.h"
#include "base/error.h"

namespace weir::fc2 {

/// FC2-106.
struct Params {
    sites::Params base;
    std::string quality = "3Mbps", latency = "mid";
    int wait_for_quality_max_tries = 60;
    bool allow_quality_upgrade = false;
    Millis poll_quality_upgrade_interval{10'000};

    bool operator==(const Params&) const = default;
};

using NotifierConfig = sites::NotifierConfig;  ///< who sends checks its URLs

struct Config {
    Path cookies_import_file = {}, cookies_file = {};
    Millis cookies_refresh_duration{0};  ///< 0: off
    Millis polling_pacing{500};
    NotifierConfig notifier = {};
    std::vector<std::pair<std::string, Params>> channels = {};  ///< in the file's order, each with what it inherits

    bool operator==(const Config&) const = default;
};

struct LoadedConfig {
    Config config;
    std::vector<std::string> warnings = {};  ///< "config.yaml:12:3: unknown key …"
};
/// YAML or JSON, every key of FC2-105 and FC2-106; templates are parsed, ranges checked. Old and deprecated keys work with a warning,
/// unknown keys are a warning with the nearest key.
/// errors   bad_input, one line for each mistake, at most 20: "FILE:LINE:COLUMN: what; what to do"
/// limits   1 MiB, 20 levels, no aliases that multiply
[[nodiscard]] Result<LoadedConfig> parse_config(std::string_view text, const std::string& file);

}  // namespace weir::fc2
