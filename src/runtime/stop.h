#pragma once
#include <string>
#include <utility>

namespace weir {

/// Level-triggered: once asked, it stays asked, with a reason. Asio's signal only wakes whoever waits; a loop looks here.
/// threads  one shard
class Stop {
public:
    void ask(std::string reason) {
        if (!std::exchange(asked_, true)) reason_ = std::move(reason);
    }
    [[nodiscard]] bool asked() const noexcept { return asked_; }
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

private:
    bool asked_ = false;
    std::string reason_;
};

}  // namespace weir
