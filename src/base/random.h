#pragma once
#include <cstddef>
#include <span>

namespace weir {

/// Bytes nobody can foresee, from the system. Waits, early after a boot, until it has any.
/// threads  any
void fill_random(std::span<std::byte> into);

}  // namespace weir
