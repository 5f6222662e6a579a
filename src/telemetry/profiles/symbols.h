#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "proto/pprof/profile.h"

namespace weir::telemetry {

/// What addresses of this process are: by its debug information (lines and inlined functions too), else by its symbols. Debug files
/// are looked for beside the system's others (/usr/lib/debug/.build-id); nothing is fetched.
/// cost     libdw is loaded by the first question and reads what it needs of the files; each address is asked for once
/// limits   65536 addresses are kept
/// threads  one at a time
class Symbolizer {
public:
    /// Addresses nobody knows have no entry. Without libdw the answer is empty.
    pprof::Symbols look_up(const std::set<std::uint64_t>& addresses);

private:
    pprof::Symbols known_;
};

/// The addresses that encode() will look for.
[[nodiscard]] std::set<std::uint64_t> addresses_of(const pprof::Profile& profile);

/// Where code of this process lies, with build ids, the program itself first.
[[nodiscard]] std::vector<pprof::Mapping> own_mappings();

}  // namespace weir::telemetry
