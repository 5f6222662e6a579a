#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/hls/playlist.h"

/// Any text is a playlist or a stated error; what is read keeps its promises.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::hls;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Limits limits;
    limits.segments = 5000;
    const auto playlist = parse(text, limits);
    (void)sniff(std::as_bytes(std::span(data, size)));
    if (!playlist) {
        if (playlist.error().what.empty()) __builtin_trap();
        return 0;
    }
    if (const auto* media = std::get_if<MediaPlaylist>(&playlist.value())) {
        std::uint64_t next = media->media_sequence + media->skipped;
        for (const auto& s : media->segments) {
            if (s.sequence != next++ || s.uri.empty() || s.duration.count() < 0) __builtin_trap();
            if (s.range && s.range->offset + s.range->length < s.range->offset) __builtin_trap();
        }
        if (media->segments.size() > limits.segments) __builtin_trap();
    } else if (std::get<MasterPlaylist>(playlist.value()).variants.empty()) {
        __builtin_trap();
    }
    return 0;
}
