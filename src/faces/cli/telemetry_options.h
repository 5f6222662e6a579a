#pragma once

namespace CLI {
class App;
}

namespace weir::faces {

struct TelemetryArguments {
    bool traces = false, metrics = false;
};
/// --traces.export and --metrics.export, with the reference's variables.
void add_telemetry_options(CLI::App& app, TelemetryArguments& arguments);

}  // namespace weir::faces
