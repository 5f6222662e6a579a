#include "media/partial_file.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

namespace weir::media {
namespace {

std::array<char, 4096> path_of_partial{};
std::atomic<bool> making{false};

extern "C" void on_term(int) {
    if (making.load()) ::unlink(path_of_partial.data());
    ::_exit(143);
}

}  // namespace

void partial_file_begins(const std::string& path) {
    if (path.size() >= path_of_partial.size()) return;
    std::memcpy(path_of_partial.data(), path.c_str(), path.size() + 1);
    making.store(true);
}

void partial_file_ends() noexcept {
    making.store(false);
}

void remove_partial_file_on_term() {
    struct sigaction action {};
    action.sa_handler = on_term;
    ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace weir::media
