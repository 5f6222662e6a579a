#include "runtime/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/numbers.h"

namespace weir {

namespace {

enum class Act { kill, eio, enospc, stall };

struct Rule {
    std::uint64_t from = 1;  ///< the first hit that fails
    bool onwards = false;
    Act act = Act::kill;
    std::uint64_t hits = 0;
};

struct Registry {
    std::mutex mutex;
    std::vector<std::string> names;
    std::map<std::string, Rule, std::less<>> rules;
};

/// Made on first use, since failure points register before main() in any order.
Registry& registry() {
    static Registry* const only = new Registry;
    return *only;
}
std::atomic<bool> armed{false};

Result<std::pair<std::string, Rule>> parse_rule(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        return Error{Errc::bad_input, fmt::format("'{}': {}", text, why), "failure points"};
    };
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return refuse("not of the form name[:n[+]]=act");
    auto name = text.substr(0, equals);
    const auto act = text.substr(equals + 1);
    Rule rule;
    if (act == "kill")
        rule.act = Act::kill;
    else if (act == "eio")
        rule.act = Act::eio;
    else if (act == "enospc")
        rule.act = Act::enospc;
    else if (act == "stall")
        rule.act = Act::stall;
    else
        return refuse("the act is none of kill, eio, enospc, stall");
    if (const auto colon = name.find(':'); colon != std::string_view::npos) {
        auto count = name.substr(colon + 1);
        name = name.substr(0, colon);
        rule.onwards = count.ends_with('+');
        if (rule.onwards) count.remove_suffix(1);
        const auto from = parse_int(count, 1);
        if (!from) return refuse("the hit is not a number from 1 on");
        rule.from = static_cast<std::uint64_t>(*from);
    }
    const auto& known = registry().names;
    if (std::find(known.begin(), known.end(), name) == known.end()) return refuse("no such failure point");
    return std::pair{std::string(name), rule};
}

std::optional<Act> act_for(const char* name) {
    const std::scoped_lock lock(registry().mutex);
    const auto found = registry().rules.find(std::string_view(name));
    if (found == registry().rules.end()) return std::nullopt;
    auto& rule = found->second;
    ++rule.hits;
    if (rule.hits == rule.from || (rule.onwards && rule.hits > rule.from)) return rule.act;
    return std::nullopt;
}

}  // namespace

Failpoint::Failpoint(const char* name) : name_(name) {
    auto& r = registry();
    const std::scoped_lock lock(r.mutex);
    if (std::find(r.names.begin(), r.names.end(), name) == r.names.end()) r.names.emplace_back(name);
}

Result<> Failpoint::hit() noexcept(false) {
    if (!armed.load(std::memory_order_relaxed)) return {};
    const auto act = act_for(name_);
    if (!act) return {};
    switch (*act) {
        case Act::kill:
            ::kill(::getpid(), SIGKILL);
            while (true) ::pause();
        case Act::eio:
            return from_errno(EIO, name_);
        case Act::enospc:
            return from_errno(ENOSPC, name_);
        case Act::stall:
            std::this_thread::sleep_for(std::chrono::seconds(5));
            return {};
    }
    return {};
}

std::vector<std::string> failpoint_names() {
    const std::scoped_lock lock(registry().mutex);
    auto names = registry().names;
    std::sort(names.begin(), names.end());
    return names;
}

Result<> configure_failpoints(std::string_view text) {
    const std::scoped_lock lock(registry().mutex);
    std::map<std::string, Rule, std::less<>> rules;
    while (!text.empty()) {
        const auto end = std::min(text.find(','), text.size());
        auto rule = parse_rule(text.substr(0, end));
        if (!rule) return rule.error();
        rules.insert_or_assign(std::move(rule->first), rule->second);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    registry().rules = std::move(rules);
    armed.store(!registry().rules.empty(), std::memory_order_relaxed);
    return {};
}

}  // namespace weir
