#pragma once
#include <memory>

#include "apps/relay/settings.h"
#include "faces/cli/telemetry_options.h"

namespace CLI {
class App;
}

namespace weir::faces {

struct RelayArguments {
    relay::RelayWords words = {};
    bool as_vw = false;
    TelemetryArguments telemetry = {};
};

/// The command `relay` with its flags, without what it does.
CLI::App* add_relay_options(CLI::App& app, RelayArguments& arguments);
/// Runs the relay until a signal. `log`: as the flags say; `level_said`: then the environment does not change its level.
int run_relay(const RelayArguments& arguments, const log::Settings& log, bool level_said);

}  // namespace weir::faces
