#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace weir::faces {

/// What the command line said, as text; each command checks its own values and says what is wrong with which.
struct DownloadArguments {
    std::string url, output, quality = "best", duration, wait, idle_timeout, cookies_file;
    std::vector<std::string> headers;
    bool from_start = false, keep_raw = false, json = false, strict = false;
};
int run_download(const DownloadArguments& arguments);

struct VerifyArguments {
    std::string file;
    bool json = false;
};
int run_verify(const VerifyArguments& arguments);

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
