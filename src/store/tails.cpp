#include "store/tails.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "proto/mp4/box.h"

namespace weir::store {
namespace {

constexpr std::uint64_t packet = 188;
constexpr std::size_t block = 256u << 10;

/// Small reads at rising offsets, through one buffer.
class Heads {
public:
    Heads(File& file, std::uint64_t end) : file_(file), end_(end), buffer_(64u << 10) {}
    /// Up to `n` bytes at `at`; fewer before the end.
    Result<std::span<const std::byte>> at(std::uint64_t at, std::size_t n) {
        if (at >= end_) return std::span<const std::byte>();
        n = static_cast<std::size_t>(std::min<std::uint64_t>(n, end_ - at));
        if (at < from_ || at + n > from_ + held_) {
            const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), end_ - at));
            auto got = file_.pread(at, std::span(buffer_).first(want));
            if (!got) return got.error();
            from_ = at;
            held_ = *got;
        }
        const auto skip = static_cast<std::size_t>(at - from_);
        return std::span<const std::byte>(buffer_).subspan(skip, std::min(n, held_ - skip));
    }

private:
    File& file_;
    std::uint64_t end_;
    std::vector<std::byte> buffer_;
    std::uint64_t from_ = 0;
    std::size_t held_ = 0;
};

unsigned byte_at(std::span<const std::byte> s, std::size_t i) {
    return std::to_integer<unsigned>(s[i]);
}
std::uint32_t be24(std::span<const std::byte> s, std::size_t i) {
    return byte_at(s, i) << 16 | byte_at(s, i + 1) << 8 | byte_at(s, i + 2);
}

Result<std::uint64_t> whole_packets(File& file, std::uint64_t off, std::uint64_t end) {
    std::vector<std::byte> buffer(block / packet * packet);
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

Result<std::uint64_t> whole_fragments(File& file, std::uint64_t off, std::uint64_t end) {
    Heads heads(file, end);
    std::uint64_t good = off;
    bool moof = false;
    for (auto at = off; at < end;) {
        auto bytes = heads.at(at, 16);
        if (!bytes) return bytes.error();
        const auto head = mp4::read_box_head(*bytes);
        if (!head || !*head || (*head)->size == 0 || (*head)->size > end - at) break;
        at += (*head)->size;
        if ((*head)->type == mp4::fourcc("moof")) moof = true;
        if ((*head)->type == mp4::fourcc("mdat") && moof) {
            good = at;
            moof = false;
        }
    }
    return good - off;
}

Result<std::uint64_t> whole_tags(File& file, std::uint64_t off, std::uint64_t end) {
    Heads heads(file, end);
    auto at = off;
    while (true) {
        auto head = heads.at(at, 11);
        if (!head) return head.error();
        if (head->size() < 11) break;
        const auto type = byte_at(*head, 0) & 0x1f;
        const std::uint64_t size = 11u + be24(*head, 1);
        if (type != 8 && type != 9 && type != 18) break;
        auto back = heads.at(at + size, 4);
        if (!back) return back.error();
        if (back->size() < 4 || (std::uint64_t{byte_at(*back, 0)} << 24 | be24(*back, 1)) != size) break;
        at += size + 4;
    }
    return at - off;
}

/// The length of the ID3 tag or ADTS frame whose first bytes these are; none when it is neither.
std::optional<std::uint64_t> audio_piece(std::span<const std::byte> head) {
    if (head.size() >= 10 && byte_at(head, 0) == 'I' && byte_at(head, 1) == 'D' && byte_at(head, 2) == '3') {
        std::uint64_t size = 0;
        for (std::size_t i = 6; i < 10; ++i) {
            if (byte_at(head, i) & 0x80) return std::nullopt;
            size = size << 7 | byte_at(head, i);
        }
        return 10 + size + (byte_at(head, 5) & 0x10 ? 10 : 0);
    }
    if (head.size() < 7 || byte_at(head, 0) != 0xff || (byte_at(head, 1) & 0xf6) != 0xf0) return std::nullopt;
    const std::uint64_t size = (byte_at(head, 3) & 3) << 11 | byte_at(head, 4) << 3 | byte_at(head, 5) >> 5;
    return size < 7 ? std::nullopt : std::optional(size);
}

Result<std::uint64_t> whole_frames(File& file, std::uint64_t off, std::uint64_t end) {
    Heads heads(file, end);
    auto at = off;
    while (at < end) {
        auto head = heads.at(at, 10);
        if (!head) return head.error();
        const auto size = audio_piece(*head);
        if (!size || *size > end - at) break;
        at += *size;
    }
    return at - off;
}

}  // namespace

Result<std::uint64_t> whole_tail(File& file, Container container, std::uint64_t off, std::uint64_t end) {
    if (end <= off) return std::uint64_t{0};
    switch (container) {
        case Container::ts:
            return whole_packets(file, off, end);
        case Container::fmp4:
            return whole_fragments(file, off, end);
        case Container::flv:
            return whole_tags(file, off, end);
        case Container::packed_audio:
            return whole_frames(file, off, end);
        case Container::text:
        case Container::opaque:
            return end - off;
    }
    return std::uint64_t{0};
}

}  // namespace weir::store
