#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace weir::flv {

inline constexpr std::size_t file_head_size = 9;  ///< as nearly all have it; the head says its own
inline constexpr std::size_t tag_head_size = 11;
inline constexpr std::size_t back_size = 4;  ///< PreviousTagSize behind the head and behind each tag
enum class TagType : std::uint8_t { audio = 8, video = 9, script = 18 };

/// source  Adobe FLV 10.1, annex E
struct FileHead {
    bool audio = false, video = false;  ///< as claimed: often both, whatever follows
    std::size_t size = file_head_size;
};
/// None when these 9 bytes are no FLV head, or one above 1024 bytes.
[[nodiscard]] std::optional<FileHead> read_file_head(std::span<const std::byte> bytes) noexcept;

struct TagHead {
    TagType type = TagType::script;
    std::uint32_t size = 0;       ///< of the body: below 16 MiB by its 24 bits
    std::uint32_t timestamp = 0;  ///< milliseconds; wraps
    [[nodiscard]] std::size_t whole() const noexcept { return tag_head_size + size + back_size; }
};
/// None when these 11 bytes are no audio, video or script tag in the clear of stream 0.
[[nodiscard]] std::optional<TagHead> read_tag_head(std::span<const std::byte> bytes) noexcept;

/// What the first bytes of a tag's body say.
struct TagBody {
    enum class Role : std::uint8_t { media, sequence_header, metadata, other };
    Role role = Role::other;
    bool keyframe = false;
    std::string codec;                  ///< libav's name; "flv-N" or "flv-XXXX" when unknown
    std::span<const std::byte> config;  ///< of a sequence header: avcC, hvcC, AudioSpecificConfig, …
};
/// Never fails: what cannot be read is `other`.
/// source  Adobe FLV 10.1, annex E.4; Enhanced RTMP v1 and v2 (ex headers with a FourCC)
[[nodiscard]] TagBody read_tag_body(TagType type, std::span<const std::byte> body);

using ReadAt = std::function<Result<std::size_t>(std::uint64_t offset, std::span<std::byte> into)>;

struct WholeTags {
    std::uint64_t end = 0;     ///< offset behind the last whole tag (or behind the file head)
    std::uint64_t header = 0;  ///< bytes of the file head with its PreviousTagSize; 0 when the range begins with a tag
    std::uint64_t tags = 0;
    std::string why;  ///< what is behind `end`; empty when nothing is
};
/// How much of [from, size) are whole tags with their PreviousTagSize: after a crash the rest is cut off.
/// errors  only those of `read` (pread: fewer bytes only at the end)
[[nodiscard]] Result<WholeTags> whole_tags(const ReadAt& read, std::uint64_t from, std::uint64_t size);
[[nodiscard]] WholeTags whole_tags(std::span<const std::byte> bytes);

}  // namespace weir::flv
