#include <string_view>

#include "faces/cli/cli.h"
#include "faces/cli/fc2_live_dl_command.h"
#include "faces/cli/vw_command.h"
#include "media/tool.h"

int main(int argc, char** argv) {
    // The limited child that runs libav on foreign bytes is this same program.
    if (argc > 1 && std::string_view(argv[1]) == "media-tool") return weir::media::tool_main();
    // A link of that name is that program, for scripts and units that call it.
    if (argc > 0 && weir::faces::is_vw(argv[0])) return weir::faces::run_vw(argc, argv);
    if (argc > 0 && weir::faces::is_fc2_live_dl(argv[0])) return weir::faces::run_fc2_live_dl(argc, argv);
    return weir::faces::run_cli(argc, argv);
}
