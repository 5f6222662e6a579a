#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weir {

/// Named places where tests make weir fail: WEIR_FAILPOINT="name[:n]=kill|eio|enospc|stall[,name2=...]", n = which hit (default 1,
/// "n+" = that one and all later ones). kill is SIGKILL to ourselves; stall blocks the thread 5 s. Costs one relaxed load when unset.
class Failpoint {
public:
    explicit Failpoint(const char* name);  ///< static storage only; registers the name
    /// Ok, or the injected error. Never returns for kill.
    Result<> hit() noexcept(false);

private:
    const char* name_;
};

[[nodiscard]] std::vector<std::string> failpoint_names();
/// Reads WEIR_FAILPOINT; bad_input names what is wrong. Called by main and by tests.
Result<> configure_failpoints(std::string_view text);

}  // namespace weir
