#include "faces/cli/fc2_live_dl_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/fc2_options.h"
#include "faces/cli/global_options.h"
#include "faces/cli/tool_options.h"

namespace weir::faces {
namespace {

constexpr const char* own_name = "fc2-live-dl-go";

/// Go's flags may have one dash; a letter alone stays what it is, and numbers are no flags.
std::vector<std::string> with_two_dashes(int argc, char** argv) {
    std::vector<std::string> words;
    bool flags = true;
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        if (word == "--") flags = false;
        const auto name = word.substr(0, word.find('='));
        const bool one_dash = name.size() > 2 && name[0] == '-' && name[1] >= 'a' && name[1] <= 'z';
        if (flags && one_dash) word.insert(word.begin(), '-');
        if (flags && word.starts_with("-k=")) word.replace(0, 2, "--keep-intermediates");
        if (flags && word.starts_with("-x=")) word.replace(0, 2, "--extract-audio");
        words.push_back(std::move(word));
    }
    return words;
}

}  // namespace

bool is_fc2_live_dl(std::string_view name) noexcept {
    const auto slash = name.rfind('/');
    return (slash == std::string_view::npos ? name : name.substr(slash + 1)) == own_name;
}

int run_fc2_live_dl(int argc, char** argv) {
    CLI::App app{"Records FC2 live channels by themselves; this is weir under fc2-live-dl-go's name.", own_name};
    app.require_subcommand(0, 1);
    app.fallthrough();
    app.footer(fmt::format("\nExamples:\n  {0} download 91544481\n  {0} watch -c config.yaml\n\n{1}", own_name,
                           exit_code_table));
    GlobalOptions global;
    add_global_options(app, global);
    Fc2Arguments fc2;
    ToolArguments tools;
    add_fc2_commands(app, fc2, own_name);
    add_finished_file_tools(app, tools);
    auto* help = app.add_subcommand("help", "this text");
    help->final_callback([&app] { throw CLI::CallForHelp(); });
    return run_words(app, with_two_dashes(argc, argv));
}

}  // namespace weir::faces
