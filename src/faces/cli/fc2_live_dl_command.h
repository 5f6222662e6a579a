#pragma once
#include <string_view>

namespace weir::faces {

/// The program's name is fc2-live-dl-go: a link of that name.
[[nodiscard]] bool is_fc2_live_dl(std::string_view program) noexcept;
/// fc2-live-dl-go's command line (FC2-101 to FC2-104): download, watch, remux, concat, clean, help. Long flags may have one
/// dash, as Go's do.
int run_fc2_live_dl(int argc, char** argv);

}  // namespace weir::faces
