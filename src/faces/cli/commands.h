#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "faces/cli/status_options.h"

namespace weir::faces {

/// What the command line said, as text; each command checks its own values and says what is wrong with which.
struct DownloadArguments {
    std::string url, output, quality = "best", audio = "default", duration, wait, idle_timeout, cookies_file,
                             remux_format;
    std::vector<std::string> headers, labels;
    bool from_start = false, keep_raw = false, json = false, strict = false, loop = false, remux = true,
         extract_audio = false, concat = false;
    StatusArguments status;
};
int run_download(const DownloadArguments& arguments);

struct VerifyArguments {
    std::string file;
    bool json = false;
};
int run_verify(const VerifyArguments& arguments);

struct ProbeArguments {
    std::vector<std::string> files;
    bool json = false;
};
int run_probe(const ProbeArguments& arguments);

/// remux (one file) and concat (files or a prefix).
struct JoinArguments {
    std::vector<std::string> files;
    std::string prefix, output, format;
    bool extract_audio = false, skip_broken = false, check_content = false, json = false;
};
int run_remux(const JoinArguments& arguments);
int run_concat(const JoinArguments& arguments);

struct CleanArguments {
    std::string path, age;
    bool dry_run = false, delete_corrupted = false, json = false;
};
int run_clean(const CleanArguments& arguments);

struct TemplateArguments {
    std::string text, data, name = "gotpl";
};
int run_template(const TemplateArguments& arguments);

struct DemoSourceArguments {
    std::string address = "127.0.0.1", faults, duration;
    std::uint16_t port = 0;
    std::string segment = "2s";
    int window = 10;
};
int run_demo_source(const DemoSourceArguments& arguments);

int run_version(bool json);
int run_failpoints();

}  // namespace weir::faces
