#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace weir::apps {

/// Something that goes wrong on purpose in the demo source, once, at the first fitting request after `at`.
struct Fault {
    enum class Kind {
        burst,  ///< "503-burst": every request is answered 503 for `lasts` (2 s)
        stall,  ///< "stall": a segment stops half-way and stays silent for `lasts` (20 s) or until the client leaves
        cut,    ///< "cut": a segment ends half-way by a closed connection
        not_found,  ///< "404": a segment is answered 404 once
    };
    Kind kind = Kind::burst;
    std::string name;
    Micros at{0};  ///< since the source began to serve
    Micros lasts{0};
};

/// "503-burst@5s,stall@9s+4s": NAME@WHEN[+LENGTH], separated by commas; empty: none. bad_input says which part is wrong
/// and what is known.
[[nodiscard]] Result<std::vector<Fault>> parse_faults(std::string_view text);

/// Decides which request meets which fault, and logs each fault by name when it fires and when a burst is over.
/// threads  any
class FaultInjector {
public:
    explicit FaultInjector(std::vector<Fault> faults);
    /// The fault that this request, `now` after the start, is to meet.
    [[nodiscard]] std::optional<Fault> meet(bool is_segment, Micros now);

private:
    struct Armed {
        Fault fault;
        std::optional<Micros> fired = {};
        int hits = 0;
        bool over = false;
    };
    [[nodiscard]] static bool applies(Armed& armed, bool is_segment, Micros now);

    std::mutex mutex_;
    std::vector<Armed> armed_;
};

}  // namespace weir::apps
