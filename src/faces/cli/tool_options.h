#pragma once
#include "faces/cli/commands.h"

namespace CLI {
class App;
}

namespace weir::faces {

/// What the four tools were given; it outlives the parsing.
struct ToolArguments {
    ProbeArguments probe;
    JoinArguments remux, concat;
    CleanArguments clean;
};
/// The commands probe, remux, concat and clean.
void add_tools(CLI::App& app, ToolArguments& a);
/// Those of the recorders: remux, concat, clean.
void add_finished_file_tools(CLI::App& app, ToolArguments& a);

}  // namespace weir::faces
