#include "proto/flv/flv.h"

#include <algorithm>
#include <array>

#include "proto/field_reader.h"

namespace weir::flv {
namespace {

using Span = std::span<const std::byte>;
using Role = TagBody::Role;

struct Named {
    std::string_view fourcc, codec;
};
constexpr std::array<Named, 11> fourccs{{{"avc1", "h264"},
                                         {"hvc1", "hevc"},
                                         {"av01", "av1"},
                                         {"vp09", "vp9"},
                                         {"vp08", "vp8"},
                                         {"mp4a", "aac"},
                                         {"Opus", "opus"},
                                         {"fLaC", "flac"},
                                         {"ac-3", "ac3"},
                                         {"ec-3", "eac3"},
                                         {".mp3", "mp3"}}};

std::string codec_of(Span fourcc) {
    const std::string_view text(reinterpret_cast<const char*>(fourcc.data()), fourcc.size());
    for (const auto& n : fourccs)
        if (n.fourcc == text) return std::string(n.codec);
    std::string out = "flv-";
    for (const char c : text) out += c > 0x20 && c < 0x7f ? c : '?';
    return out;
}

std::string video_codec(unsigned id) {
    switch (id) {
        case 2:
            return "flv1";
        case 4:
            return "vp6f";
        case 7:
            return "h264";
        case 12:
            return "hevc";
        case 13:
            return "av1";
        default:
            return fmt::format("flv-{}", id);
    }
}

std::string audio_codec(unsigned id) {
    switch (id) {
        case 2:
        case 14:
            return "mp3";
        case 3:
            return "pcm_s16le";
        case 7:
            return "pcm_alaw";
        case 8:
            return "pcm_mulaw";
        case 10:
            return "aac";
        case 11:
            return "speex";
        case 13:
            return "opus";
        default:
            return fmt::format("flv-{}", id);
    }
}

/// The ex header of Enhanced RTMP: packet types 0 sequence start, 2 sequence end, 1 and 3 coded frames.
TagBody read_ex(FieldReader& in, unsigned packet, bool keyframe, bool video) {
    TagBody out;
    const auto fourcc = in.bytes(4);
    if (in.short_of()) return out;
    out.codec = codec_of(fourcc);
    if (packet == 0) {
        out.role = Role::sequence_header;
        out.config = in.rest();
    } else if (packet == 1 || (video && packet == 3)) {
        out.role = Role::media;
        out.keyframe = keyframe;
    }
    return out;
}

TagBody read_video(Span body) {
    FieldReader in(body);
    const unsigned first = in.u8();
    TagBody out;
    if (in.short_of()) return out;
    const auto frame = first >> 4 & 7;
    const bool keyframe = frame == 1 || frame == 4;
    if (frame == 5) return out;  // a command
    if (first & 0x80) return read_ex(in, first & 15, keyframe, true);
    out.codec = video_codec(first & 15);
    out.role = Role::media;
    out.keyframe = keyframe;
    if ((first & 15) != 7 && (first & 15) != 12 && (first & 15) != 13) return out;
    const auto packet = in.u8();
    in.u24();  // composition time
    if (in.short_of() || packet > 1) return TagBody{};
    if (packet == 0) {
        out.role = Role::sequence_header;
        out.keyframe = false;
        out.config = in.rest();
    }
    return out;
}

TagBody read_audio(Span body) {
    FieldReader in(body);
    const unsigned first = in.u8();
    TagBody out;
    if (in.short_of()) return out;
    if (first >> 4 == 9) return read_ex(in, first & 15, true, false);
    out.codec = audio_codec(first >> 4);
    out.role = Role::media;
    out.keyframe = true;
    if (first >> 4 != 10) return out;
    const auto packet = in.u8();
    if (in.short_of() || packet > 1) return TagBody{};
    if (packet == 0) {
        out.role = Role::sequence_header;
        out.keyframe = false;
        out.config = in.rest();
    }
    return out;
}

}  // namespace

std::optional<FileHead> read_file_head(Span bytes) noexcept {
    FieldReader in(bytes);
    const auto mark = in.u24();
    const auto version = in.u8(), flags = in.u8();
    const auto size = in.u32();
    if (in.short_of() || mark != 0x46'4c56 || version != 1 || size < file_head_size || size > 1024) return std::nullopt;
    return FileHead{(flags & 4) != 0, (flags & 1) != 0, size};
}

std::optional<TagHead> read_tag_head(Span bytes) noexcept {
    FieldReader in(bytes);
    const auto type = in.u8();
    TagHead head;
    head.size = in.u24();
    head.timestamp = in.u24();
    head.timestamp |= std::uint32_t{in.u8()} << 24;
    const auto stream = in.u24();
    if (in.short_of() || stream != 0 || (type != 8 && type != 9 && type != 18)) return std::nullopt;
    head.type = static_cast<TagType>(type);
    return head;
}

TagBody read_tag_body(TagType type, Span body) {
    if (type == TagType::video) return read_video(body);
    if (type == TagType::audio) return read_audio(body);
    const std::string_view text(reinterpret_cast<const char*>(body.data()), std::min<std::size_t>(body.size(), 64));
    TagBody out;
    if (text.find("onMetaData") != std::string_view::npos) out.role = Role::metadata;
    return out;
}

Result<WholeTags> whole_tags(const ReadAt& read, std::uint64_t from, std::uint64_t size) {
    WholeTags out;
    out.end = from;
    const auto get = [&](std::uint64_t at, std::span<std::byte> into) -> Result<Span> {
        const auto got = at < size ? read(at, into.first(std::min<std::uint64_t>(into.size(), size - at)))
                                   : Result<std::size_t>(std::size_t{0});
        if (!got) return got.error();
        return Span(into.first(*got));
    };
    std::array<std::byte, tag_head_size> first{};
    auto head = get(from, first);
    if (!head) return head.error();
    if (const auto file = read_file_head(*head)) {
        std::array<std::byte, back_size> back{};
        const auto got = get(from + file->size, back);
        if (!got) return got.error();
        if (got->size() < back_size || FieldReader(*got).u32() != 0) {
            out.why = "a torn file head";
            return out;
        }
        out.header = file->size + back_size;
        out.end = from + out.header;
    }
    while (out.end < size) {
        head = get(out.end, first);
        if (!head) return head.error();
        const auto tag = read_tag_head(*head);
        if (!tag) {
            out.why = head->size() < tag_head_size ? "a torn tag" : "no tag";
            break;
        }
        std::array<std::byte, back_size> back{};
        const auto behind = get(out.end + tag_head_size + tag->size, back);
        if (!behind) return behind.error();
        if (behind->size() < back_size || FieldReader(*behind).u32() != tag_head_size + tag->size) {
            out.why = behind->size() < back_size ? "a torn tag" : "a tag with another size behind it";
            break;
        }
        out.end += tag->whole();
        ++out.tags;
    }
    return out;
}

WholeTags whole_tags(Span bytes) {
    const ReadAt read = [bytes](std::uint64_t offset, std::span<std::byte> into) -> Result<std::size_t> {
        const auto rest = bytes.subspan(std::min<std::size_t>(bytes.size(), offset));
        const auto count = std::min(into.size(), rest.size());
        std::copy_n(rest.begin(), count, into.begin());
        return count;
    };
    return std::move(*whole_tags(read, 0, bytes.size()));
}

}  // namespace weir::flv
