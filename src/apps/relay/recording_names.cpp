#include <fmt/chrono.h>

#include <algorithm>

#include "apps/relay/recordings.h"
#include "store/book.h"
#include "store/names.h"

namespace weir::relay {
namespace {

constexpr std::size_t most_elements = 8;

/// One element of a path, and never more than that.
std::string element(std::string_view text) {
    auto clean = store::shorten_name(store::sanitise_name(text), store::max_name_bytes - store::room_for_endings);
    if (clean.empty()) clean = "_";
    if (clean.front() == '-') clean.insert(clean.begin(), '_');  // no program takes it for an option
    return clean;
}

std::string default_name(std::string_view stream, WallTime now) {
    std::string text(stream);
    std::replace(text.begin(), text.end(), '/', '-');
    return element(fmt::format("{} {:%Y-%m-%d %H%M%S}", store::shorten_name(store::sanitise_name(text), 180),
                               fmt::localtime(std::chrono::system_clock::to_time_t(now))));
}

}  // namespace

Result<Path> recording_name(std::string_view wish, std::string_view stream, WallTime now) {
    if (wish.empty()) return Path(default_name(stream, now));
    Path path;
    std::size_t elements = 0;
    for (std::size_t at = 0; at <= wish.size();) {
        const auto end = std::min(wish.find('/', at), wish.size());
        const auto part = wish.substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == "." || part == "..")
            return Error{Errc::bad_input,
                         "a recording's file is a name below the recordings folder, like \"cam/lab1.mp4\""};
        if (++elements > most_elements)
            return Error{Errc::bad_input, fmt::format("at most {} folders deep", most_elements - 1)};
        path /= element(part);
    }
    if (path.filename().string().ends_with(store::journal_ending))
        return Error{Errc::bad_input,
                     fmt::format("names that end in {} are those of unfinished recordings", store::journal_ending)};
    return path;
}

}  // namespace weir::relay
