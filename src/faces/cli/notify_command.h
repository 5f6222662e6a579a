#pragma once
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace weir::faces {

struct NotifyTestArguments {
    std::vector<std::string> urls;
    std::string title = "weir", message = "This is a test.";
    std::optional<int> priority = {};
    bool json = false;
};
/// `weir notify test`.
void add_notify(CLI::App& app, NotifyTestArguments& arguments);
/// One line a service: whether it took the message, how long that took, why not. exit_failed when one did not.
int run_notify_test(const NotifyTestArguments& arguments);

}  // namespace weir::faces
