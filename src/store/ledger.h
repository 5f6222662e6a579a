#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/item.h"

namespace weir::store {

/// The journal as a list of what was lost: the view that `weir verify` prints.
struct LedgerGap {
    std::uint64_t id = 0;
    std::uint16_t lane = 0;
    std::uint32_t gen = 0;
    std::uint64_t first_unit = 0, last_unit = 0;
    Micros from{0}, to{0};
    bool exact = true;
    int tries = 0;
    std::string why;
};

struct Verdict {
    enum class State { whole, losses_listed, damaged } state = State::damaged;
    std::string file, journal;
    std::vector<LedgerGap> gaps;
    std::vector<std::string> complaints;  ///< damage and unlisted loss, one line each
    std::uint64_t asked = 0, got = 0, missing = 0, bytes = 0;
    Micros duration{0};
    bool unfinished = false;  ///< still recording, or not yet finalised
    [[nodiscard]] int exit_code() const noexcept {
        return state == State::whole ? 0 : state == State::losses_listed ? 3 : 4;
    }
};

[[nodiscard]] std::string verdict_json(const Verdict& v);
[[nodiscard]] std::string verdict_text(const Verdict& v);

}  // namespace weir::store
