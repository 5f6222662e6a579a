#include <string_view>

#include "faces/cli/cli.h"
#include "media/tool.h"

int main(int argc, char** argv) {
    // The limited child that runs libav on foreign bytes is this same program.
    if (argc > 1 && std::string_view(argv[1]) == "media-tool") return weir::media::tool_main();
    return weir::faces::run_cli(argc, argv);
}
