#include "store/tails.h"

#include <algorithm>
#include <array>
#include <vector>

#include "proto/audio/frame.h"
#include "proto/flv/flv.h"
#include "proto/mp4/whole_fragments.h"

namespace weir::store {
namespace {

constexpr std::uint64_t packet = 188;
constexpr std::size_t read_at_once = 256u << 10;

Result<std::uint64_t> whole_packets(File& file, std::uint64_t off, std::uint64_t end) {
    std::vector<std::byte> buffer(read_at_once / packet * packet);
    std::uint64_t at = off;
    while (at + packet <= end) {
        const auto want = std::min<std::uint64_t>(buffer.size(), (end - at) / packet * packet);
        auto got = file.pread(at, std::span(buffer).first(want));
        if (!got) return got.error();
        const auto whole = *got / packet * packet;
        if (whole == 0) break;
        for (std::uint64_t i = 0; i < whole; i += packet)
            if (buffer[i] != std::byte{0x47}) return at + i > off ? at + i - off - packet : 0;
        at += whole;
    }
    return at - off;
}

/// Frames are short and many: heads are looked at in blocks.
Result<std::uint64_t> whole_frames(File& file, std::uint64_t off, std::uint64_t end) {
    constexpr std::size_t head = std::max(audio::head_size, audio::id3_head_size);
    std::vector<std::byte> buffer(read_at_once);
    std::uint64_t at = off;
    while (at < end) {
        auto got = file.pread(at, std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), end - at)));
        if (!got) return got.error();
        const bool last = at + *got == end;
        std::size_t i = 0;
        while (i < *got && (last || *got - i >= head)) {
            const auto bytes = std::span<const std::byte>(buffer).subspan(i, *got - i);
            const auto tag = audio::id3_size(bytes);
            const auto frame = tag ? std::nullopt : audio::frame_head(bytes);
            const std::uint64_t size = tag ? *tag : frame ? frame->size : 0;
            if (size == 0 || size > end - at - i) return at + i - off;
            if (size > *got - i) break;  // goes on behind the block
            i += static_cast<std::size_t>(size);
        }
        if (i == 0) {  // a tag or frame above a block: only its head was needed
            const auto tag = audio::id3_size(std::span<const std::byte>(buffer).first(*got));
            if (!tag || *tag > end - at) break;
            at += *tag;
        }
        at += i;
    }
    return at - off;
}

}  // namespace

Result<std::uint64_t> whole_tail(File& file, Container container, std::uint64_t off, std::uint64_t end) {
    if (end <= off) return std::uint64_t{0};
    const auto read = [&file](std::uint64_t at, std::span<std::byte> into) { return file.pread(at, into); };
    const auto length = [off](const auto& whole) -> Result<std::uint64_t> {
        if (!whole) return whole.error();
        return whole->end - off;
    };
    switch (container) {
        case Container::ts:
            return whole_packets(file, off, end);
        case Container::fmp4:
            return length(mp4::whole_fragments(read, off, end));
        case Container::flv:
            return length(flv::whole_tags(read, off, end));
        case Container::packed_audio:
            return whole_frames(file, off, end);
        case Container::text:
        case Container::opaque:
            return end - off;
    }
    return std::uint64_t{0};
}

}  // namespace weir::store
