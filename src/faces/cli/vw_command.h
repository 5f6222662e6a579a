#pragma once
#include <string_view>

namespace weir::faces {

/// The program's name ends in "vw": a link of that name.
[[nodiscard]] bool is_vw(std::string_view program) noexcept;
/// vw's command line (VW-81): stream, version, help; what follows `stream` is ignored, an unknown command or flag exits with 1.
int run_vw(int argc, char** argv);

}  // namespace weir::faces
