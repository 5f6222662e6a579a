#include "apps/tools/names.h"

#include <algorithm>

#include "base/text.h"
#include "store/book.h"
#include "store/names.h"

namespace weir::apps {
namespace {

constexpr std::size_t longest_ending = 6;  // ".jsonl" is none of media; ".m2ts", ".webm" are

bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

Result<media::OutputFormat> format_named(std::string_view word) {
    while (word.starts_with('.')) word.remove_prefix(1);
    const auto lower = ascii_lowered(word);
    if (lower == "fmp4") return media::OutputFormat::fmp4;
    if (lower == "matroska") return media::OutputFormat::matroska;
    if (lower == "mpegts") return media::OutputFormat::ts;
    auto known = media::format_for("x." + lower);
    if (known) return known;
    return Error{Errc::unsupported,
                 fmt::format("'{}' is no container that weir writes: mp4, m4a, mkv, ts, flv, fmp4", word)};
}

std::string_view ending_in(std::string_view name) noexcept {
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return {};
    const auto ending = name.substr(dot);
    const bool plausible =
        ending.size() > 1 && ending.size() <= longest_ending && std::all_of(ending.begin() + 1, ending.end(), is_word);
    return plausible ? ending : std::string_view{};
}

std::string_view without_ending(std::string_view name) noexcept {
    return name.substr(0, name.size() - ending_in(name).size());
}

Path output_beside(const Path& input, std::string_view ending) {
    const auto name = input.filename().string();
    auto stem = std::string(without_ending(name));
    if (stem.empty()) stem = "_";
    return input.parent_path() /
           (store::shorten_name(stem, store::max_name_bytes - store::room_for_endings) + std::string(ending));
}

Path part_name(const Path& file) {
    const auto name = file.filename().string();
    return file.parent_path() / fmt::format(".{}.part{}", without_ending(name), ending_in(name));
}

Result<unsigned> free_number(const std::vector<Path>& wanted, unsigned from,
                             const std::function<Result<bool>(const Path&)>& taken) {
    constexpr unsigned most = 100'000;
    for (unsigned number = from; number < most; ++number) {
        bool is_free = true;
        for (const auto& bare : wanted) {
            const auto wish = store::numbered(bare, number);
            for (const auto& path : {wish, part_name(wish)}) {
                const auto there = taken(path);
                if (!there) return there.error();
                if (*there) is_free = false;
            }
        }
        if (is_free) return number;
    }
    return Error{Errc::busy, "all numbered names are taken"};
}

}  // namespace weir::apps
