// What is behind the reference's encryption: MessagePack. Whatever comes out is lines of seven fields.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proto/seal/reference_jar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto lines = weir::seal::reference_jar_as_netscape({reinterpret_cast<const char*>(data), size});
    if (!lines) {
        if (lines.error().code != weir::Errc::bad_input) std::abort();
        return 0;
    }
    if (std::count(lines->begin(), lines->end(), '\t') != 6 * std::count(lines->begin(), lines->end(), '\n'))
        std::abort();
    return 0;
}
