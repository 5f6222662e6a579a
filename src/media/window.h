#pragma once
// A part of a file that libav reads as if it were a file of its own; for the .cpp files of this folder only. Blocking.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace weir::media {

/// Extents of one file, one behind the other: a header and then the fragments it belongs to, or sound without the tags
/// between its segments.
class Window {
public:
    struct Extent {
        std::uint64_t at = 0, size = 0;
    };
    /// Cuts the extents to what the file has. The file is opened for reading only.
    /// errors  not_found, denied, io; unsupported: not a plain file
    static Result<std::unique_ptr<Window>> open(const std::string& path);
    ~Window();
    Window(const Window&) = delete;

    [[nodiscard]] std::uint64_t file_size() const noexcept { return file_size_; }
    void set(std::vector<Extent> extents);  ///< position becomes 0
    [[nodiscard]] const std::vector<Extent>& extents() const noexcept { return extents_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint64_t at() const noexcept { return at_; }
    void seek(std::uint64_t to) noexcept { at_ = to; }
    /// Bytes from the position on, fewer only at the end; none after a failure, which error() then says.
    std::size_t read(std::span<std::uint8_t> into) noexcept;
    /// The same from any place, the position untouched.
    std::size_t read_at(std::uint64_t at, std::span<std::uint8_t> into) noexcept;
    [[nodiscard]] int error() const noexcept { return error_; }  ///< errno, 0 for none
    /// From now on reads of this range of the window give no bytes of the file: whoever reads wants their number only.
    void blank(std::uint64_t from, std::uint64_t to) noexcept { blank_from_ = from, blank_to_ = to; }

private:
    Window() = default;
    int fd_ = -1, error_ = 0;
    std::uint64_t file_size_ = 0, size_ = 0, at_ = 0, blank_from_ = 0, blank_to_ = 0;
    std::vector<Extent> extents_;
    std::vector<std::uint64_t> begins_;  ///< of each extent within the window
};

/// How far the boxes of an MP4 are whole.
struct BoxWalk {
    bool fragmented = false;      ///< has a moof
    std::uint64_t whole_end = 0;  ///< end of the last whole moof and mdat; of all for an unfragmented file
    std::uint64_t fragments = 0;
    std::uint64_t mdat_begin = 0, mdat_end = 0;  ///< of an unfragmented file's largest mdat
};
[[nodiscard]] BoxWalk walk_boxes(Window& window);

/// A tag within packed audio, and the time its segment begins at.
struct TimeTag {
    std::uint64_t at = 0;              ///< in the window without tags: position of the first byte after it
    std::optional<std::int64_t> time;  ///< 90 kHz, 33 bits (RFC 8216 3.4)
};
/// Takes the ID3 tags out of a window of packed audio.
[[nodiscard]] std::vector<TimeTag> cut_tags(Window& window);
/// Size of the whole ID3v2 tag `bytes` begin with, 0 for none; it may be larger than `bytes`.
[[nodiscard]] std::size_t id3_size(std::span<const std::uint8_t> bytes) noexcept;
/// "mpegts", "mov", "matroska", "flv", "aac", "mp3", "ac3", "eac3" by the first bytes; nullptr when it is none of ours.
[[nodiscard]] const char* demuxer_for(Window& window);

}  // namespace weir::media
