#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

/// profile.proto, and the forms that profilers write, read into it. Pure. Facts: protocols/telemetry.md 5 to 7.
namespace weir::pprof {

struct ValueType {
    std::string type, unit;
};
/// Return addresses, leaf first, and one value a sample type.
struct Sample {
    std::vector<std::uint64_t> stack;
    std::vector<std::int64_t> values;
    std::map<std::string, std::int64_t> numbers = {};  ///< labels: "bytes"
    std::map<std::string, std::string> texts = {};     ///< labels: "thread"
};
struct Mapping {
    std::uint64_t start = 0, limit = 0, offset = 0;
    std::string file = {}, build_id = {};
};
/// What an address is, innermost inlined function first.
struct Frame {
    std::string function, system_name, file;
    std::int64_t line = 0;
};
using Symbols = std::map<std::uint64_t, std::vector<Frame>>;

struct Profile {
    std::vector<ValueType> sample_types = {};
    std::vector<Sample> samples = {};
    std::vector<Mapping> mappings = {};  ///< the program itself first
    ValueType period_type = {};
    std::int64_t period = 0;
    std::string default_type = {};
    WallTime at = {};
    Micros duration{0};
};
/// The gzipped message; stacks' addresses are looked up in `symbols` (the caller has taken 1 off return addresses when looking them up:
/// see call_address()).
[[nodiscard]] std::string encode(const Profile& profile, const Symbols& symbols);
/// ?debug=1: for people; one stack a paragraph with its functions.
[[nodiscard]] std::string text(const Profile& profile, const Symbols& symbols, std::string_view name);
/// A frame's address inside the call, not behind it: the leaf's is its own.
[[nodiscard]] constexpr std::uint64_t call_address(std::uint64_t address, bool leaf) noexcept {
    return leaf || address == 0 ? address : address - 1;
}

/// gperftools' CPU profile: header 0, 3, 0, period in us, 0; records; trailer; maps. Errors: bad_input. Limits: 64 MiB, 1024 frames.
[[nodiscard]] Result<Profile> read_gperftools_cpu(std::string_view file);
/// jemalloc's "heap_v2/N" text; values are scaled to estimates (5.2): alloc_objects, alloc_space, inuse_objects, inuse_space.
[[nodiscard]] Result<Profile> read_jemalloc_heap(std::string_view file);
/// /proc/self/maps: the executable mappings.
[[nodiscard]] std::vector<Mapping> read_maps(std::string_view maps);

/// Now minus before, by stack and labels; unchanged stacks are left out. `absolute`: indexes of values that are not subtracted.
[[nodiscard]] Profile difference(const Profile& now, const Profile& before,
                                 const std::vector<std::size_t>& absolute = {});

}  // namespace weir::pprof
