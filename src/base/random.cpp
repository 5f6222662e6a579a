#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/error.h"

namespace weir {

void fill_random(std::span<std::byte> into) {
    while (!into.empty()) {
        const auto got = ::getrandom(into.data(), into.size(), 0);
        if (got > 0)
            into = into.subspan(static_cast<std::size_t>(got));
        else
            WEIR_ASSERT(errno == EINTR);
    }
}

}  // namespace weir
