#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "runtime/deadline.h"
#include "runtime/shard.h"

namespace weir::relay {

/// Commands that feed the relay while someone watches (ASK-10): started when a feed becomes wanted, ended some seconds after
/// nobody wants it any more, started again (with back-off) when one ends too early.
///
/// command   a vector of arguments, never a shell. In each, `{url}` is where to push and `{feed}` the feed's name
/// surroundings  an environment of its own: PATH, HOME, language, sound and display; nothing else of ours, so no secrets. No
///           standard input; standard output goes nowhere, the end of standard error is kept for people
/// threads   the home shard
class OnDemand {
public:
    struct Settings {
        std::map<std::string, std::vector<std::string>> commands;  ///< by feed
        std::function<std::string(const std::string& feed)> url;   ///< may hold a token: shown as masked_url() does
        Millis keep{5'000};                                        ///< it runs on for so long when nobody watches
        Millis grace{3'000};                                       ///< between SIGTERM and SIGKILL, to its whole group
        Backoff::Settings backoff{Millis(500), Millis(30'000), 2.0};
        Millis healthy{30'000};  ///< after one that ran for so long back-off begins anew
    };
    enum class State : std::uint8_t { idle, running, waiting, stopping };  ///< waiting: to be started again
    struct Status {
        std::string feed;
        State state = State::idle;
        std::vector<std::string> command;  ///< as it is started, the URL masked
        int pid = 0;
        std::optional<WallTime> since;  ///< running since, or in this state since
        std::uint64_t starts = 0, restarts = 0;
        std::string last_error;               ///< how it ended, or why it could not be started
        std::vector<std::string> last_lines;  ///< of its standard error, at most 10
    };

    OnDemand(Shard& home, Settings settings);
    ~OnDemand();
    /// As Hub::on_demand tells; feeds without a command are nothing.
    void wanted(const std::string& feed, bool wanted);
    [[nodiscard]] std::vector<Status> status() const;
    Task<void> stop();  ///< ends all and waits for them, at most about `grace`

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

[[nodiscard]] std::string_view name_of(OnDemand::State state) noexcept;

}  // namespace weir::relay
