#pragma once
#include <string>

namespace CLI {
class App;
}

namespace weir::faces {

/// `weir health [URL]`: is the weir that listens there healthy? For HEALTHCHECK of containers.
struct HealthArguments {
    std::string url, listen, timeout = "5s";
};
void add_health(CLI::App& app, HealthArguments& arguments);
int run_health(const HealthArguments& arguments);

}  // namespace weir::faces
