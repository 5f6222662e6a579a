#include "faces/cli/tool_options.h"

#include <CLI/CLI.hpp>

#include "faces/cli/exit_codes.h"

namespace weir::faces {
namespace {

void add_probe(CLI::App& app, ProbeArguments& a) {
    auto* c = app.add_subcommand("probe", "say what media files are and hold");
    c->add_option("file", a.files, "any media files")->required();
    c->add_flag("--json", a.json, "one object on standard output");
    c->footer(std::string("\nExample:\n  weir probe talk.ts talk.mp4\n\n") + exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_probe(a)); });
}

void add_join_options(CLI::App& c, JoinArguments& a) {
    c.add_option("-f,--format,--output-format", a.format,
                 "container: mp4, mkv, ts, m4a, flv, fmp4. Default: by the output's ending, else mp4");
    c.add_flag("-x,--extract-audio", a.extract_audio, "the sound alone as well, as .m4a");
    c.add_option("-o,--output", a.output, "the file to write; never overwritten: a taken name gets a number");
    c.add_flag("--check-content", a.check_content,
               "compare all sound and pictures with the input, not only the number and times of their packets");
    c.add_flag("--json", a.json, "one summary object on standard output");
}

void add_remux(CLI::App& app, JoinArguments& a) {
    auto* c = app.add_subcommand("remux", "put a recording into another container, without touching sound or pictures");
    c->add_option("file", a.files, "a media file; it is only read")->required()->expected(1);
    add_join_options(*c, a);
    c->footer(
        std::string("\nWrites FILE without its ending plus .mp4, NAME.1.mp4 when that is taken. What was written is "
                    "read back and\ncompared before it gets its name.\n\n"
                    "Examples:\n  weir remux talk.ts\n  weir remux -x -f mkv talk.ts\n\n") +
        exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_remux(a)); });
}

void add_concat(CLI::App& app, JoinArguments& a) {
    auto* c = app.add_subcommand("concat", "join recordings into one file, in the order given or by their numbers");
    c->add_option("file", a.files, "media files, in their order; they are only read");
    c->add_option("--prefix", a.prefix,
                  "DIR/NAME: join NAME.ts, NAME.1.ts, NAME.2.mp4 and so on into NAME.combined.mp4");
    c->add_flag("--skip-broken", a.skip_broken, "leave out what cannot be read instead of refusing");
    add_join_options(*c, a);
    c->footer(
        std::string("\nExamples:\n  weir concat part1.ts part2.ts -o talk.mp4\n  weir concat --prefix 'rec/2024-01-10 "
                    "talk'\n\n") +
        exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_concat(a)); });
}

void add_clean(CLI::App& app, CleanArguments& a) {
    auto* c = app.add_subcommand("clean", "delete the parts that a joined or finished recording is proved to hold");
    c->add_option("path", a.path, "a folder; all folders below as well")->required();
    c->add_flag("--dry-run", a.dry_run, "prove and say, touch nothing");
    c->add_option("--cleaning-age,--eligible-for-cleaning-age", a.age,
                  "how long nothing may have been written to any of the files: 48h (also for 0)")
        ->default_str("48h");
    c->add_flag("--delete-corrupted", a.delete_corrupted,
                "delete a joined file that cannot be read, when all its parts can");
    c->add_flag("--json", a.json, "one object on standard output");
    c->footer(
        std::string("\nNAME.combined.mp4 becomes NAME.mp4 when all its parts were proved to be in it and are gone. "
                    "Raw files beside a\nrecording of weir go when it is whole (weir verify).\n\n"
                    "Examples:\n  weir clean --dry-run recordings\n  weir clean --cleaning-age 12h recordings\n\n") +
        exit_code_table);
    c->final_callback([&a] { throw CLI::RuntimeError(run_clean(a)); });
}

}  // namespace

void add_tools(CLI::App& app, ToolArguments& a) {
    add_probe(app, a.probe);
    add_finished_file_tools(app, a);
}

void add_finished_file_tools(CLI::App& app, ToolArguments& a) {
    add_remux(app, a.remux);
    add_concat(app, a.concat);
    add_clean(app, a.clean);
}

}  // namespace weir::faces
