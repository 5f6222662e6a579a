#include <algorithm>
#include <array>

#include "media/tool.h"

namespace weir::media {
namespace {

struct Ending {
    std::string_view ending;
    OutputFormat format;
};
/// The first of each format is the one it is written with.
constexpr std::array endings{
    Ending{".mp4", OutputFormat::mp4}, Ending{".m4v", OutputFormat::mp4},      Ending{".mov", OutputFormat::mp4},
    Ending{".m4a", OutputFormat::m4a}, Ending{".mkv", OutputFormat::matroska}, Ending{".mka", OutputFormat::matroska},
    Ending{".ts", OutputFormat::ts},   Ending{".flv", OutputFormat::flv},
};

}  // namespace

Result<OutputFormat> format_for(std::string_view file_name) {
    if (const auto slash = file_name.rfind('/'); slash != std::string_view::npos) file_name.remove_prefix(slash + 1);
    const auto dot = file_name.rfind('.');
    std::string ending(dot == std::string_view::npos ? std::string_view{} : file_name.substr(dot));
    for (char& c : ending)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    for (const auto& each : endings)
        if (each.ending == ending) return each.format;
    return Error{
        Errc::unsupported,
        fmt::format("cannot tell the container from \"{}\": mp4, m4v, mov, m4a, mkv, mka, ts and flv are known",
                    file_name)};
}

std::string_view ending_of(OutputFormat f) noexcept {
    if (f == OutputFormat::fmp4) f = OutputFormat::mp4;
    for (const auto& each : endings)
        if (each.format == f) return each.ending;
    return ".mp4";
}

bool Probe::has_media() const noexcept {
    return std::any_of(tracks.begin(), tracks.end(),
                       [](const ProbeTrack& t) { return t.kind == TrackKind::audio || t.kind == TrackKind::video; });
}

bool Probe::is_ts_or_aac() const noexcept {
    return format.starts_with("mpegts") || format.starts_with("aac");
}

}  // namespace weir::media
