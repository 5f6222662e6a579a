#include "media/window.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace weir::media {

Result<std::unique_ptr<Window>> Window::open(const std::string& path) {
    std::unique_ptr<Window> w(new Window);
    w->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (w->fd_ < 0) return from_errno(errno, fmt::format("open {}", path));
    struct stat about {};
    if (::fstat(w->fd_, &about) < 0) return from_errno(errno, fmt::format("open {}", path));
    if (!S_ISREG(about.st_mode)) return Error{Errc::unsupported, fmt::format("{} is not a plain file", path)};
    w->file_size_ = static_cast<std::uint64_t>(about.st_size);
    ::posix_fadvise(w->fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
    w->set({{0, w->file_size_}});
    return w;
}

Window::~Window() {
    if (fd_ >= 0) ::close(fd_);
}

void Window::set(std::vector<Extent> extents) {
    extents_.clear();
    begins_.clear();
    size_ = at_ = 0;
    for (auto e : extents) {
        e.at = std::min(e.at, file_size_);
        e.size = std::min(e.size, file_size_ - e.at);
        if (e.size == 0) continue;
        begins_.push_back(size_);
        extents_.push_back(e);
        size_ += e.size;
    }
}

std::size_t Window::read_at(std::uint64_t at, std::span<std::uint8_t> into) noexcept {
    std::size_t done = 0;
    while (done < into.size() && at < size_ && !error_) {
        const auto i =
            static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), at) - begins_.begin()) - 1;
        const std::uint64_t inside = at - begins_[i];
        auto want = static_cast<std::size_t>(std::min<std::uint64_t>(into.size() - done, extents_[i].size - inside));
        if (at >= blank_from_ && at < blank_to_) {
            want = static_cast<std::size_t>(std::min<std::uint64_t>(want, blank_to_ - at));
            done += want;
            at += want;
            continue;
        }
        if (at < blank_from_) want = static_cast<std::size_t>(std::min<std::uint64_t>(want, blank_from_ - at));
        const ssize_t got = ::pread(fd_, into.data() + done, want, static_cast<off_t>(extents_[i].at + inside));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) error_ = errno;
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
        at += static_cast<std::uint64_t>(got);
    }
    return done;
}

std::size_t Window::read(std::span<std::uint8_t> into) noexcept {
    const auto got = read_at(at_, into);
    at_ += got;
    return got;
}

// ---------------------------------------------------------------- boxes

namespace {

std::uint32_t be32(const std::uint8_t* p) noexcept {
    return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

struct Box {
    std::uint64_t size = 0;  ///< with its header; 0: no box stands here
    std::string_view type;
};

Box box_at(Window& window, std::uint64_t at, std::span<std::uint8_t, 16> head) {
    const auto got = window.read_at(at, head);
    if (got < 8) return {};
    Box box{be32(head.data()), {reinterpret_cast<const char*>(head.data()) + 4, 4}};
    if (box.size == 0) box.size = window.size() - at;
    if (box.size == 1) {
        if (got < 16) return {};
        box.size = std::uint64_t{be32(head.data() + 8)} << 32 | be32(head.data() + 12);
        if (box.size < 16) return {};
    }
    const bool named = std::all_of(box.type.begin(), box.type.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    return box.size >= 8 && named ? box : Box{};
}

}  // namespace

BoxWalk walk_boxes(Window& window) {
    BoxWalk walk;
    std::uint8_t head[16];
    bool in_fragment = false;
    std::uint64_t at = 0;
    while (at < window.size()) {
        const auto box = box_at(window, at, head);
        if (box.size == 0 || box.size > window.size() - at) break;
        at += box.size;
        if (box.type == "moof") {
            walk.fragmented = in_fragment = true;
        } else if (box.type == "mdat") {
            if (std::exchange(in_fragment, false)) {
                ++walk.fragments;
                walk.whole_end = at;
            } else if (box.size > walk.mdat_end - walk.mdat_begin) {
                walk.mdat_begin = at - box.size + 16;
                walk.mdat_end = at;
            }
        }
    }
    if (!walk.fragmented || at >= window.size()) walk.whole_end = in_fragment ? walk.whole_end : window.size();
    return walk;
}

// ---------------------------------------------------------------- packed audio

std::size_t id3_size(std::span<const std::uint8_t> b) noexcept {
    if (b.size() < 10 || b[0] != 'I' || b[1] != 'D' || b[2] != '3' || b[3] < 2 || b[3] > 4 || b[4] == 0xff) return 0;
    if ((b[5] & 0x0f) != 0 || ((b[6] | b[7] | b[8] | b[9]) & 0x80) != 0) return 0;
    const std::size_t body = std::size_t{b[6]} << 21 | std::size_t{b[7]} << 14 | std::size_t{b[8]} << 7 | b[9];
    return body + (b[5] & 0x10 ? 20 : 10);
}

namespace {

constexpr std::size_t max_tag = 4u << 20;

/// The timestamp in a tag's PRIV frame.
std::optional<std::int64_t> tag_time(std::span<const std::uint8_t> tag) {
    static constexpr std::string_view owner{"com.apple.streaming.transportStreamTimestamp\0", 45};
    const std::string_view text(reinterpret_cast<const char*>(tag.data()), tag.size());
    const auto at = text.find(owner);
    if (at == std::string_view::npos || at + owner.size() + 8 > tag.size()) return std::nullopt;
    const auto* p = tag.data() + at + owner.size();
    return static_cast<std::int64_t>((std::uint64_t{be32(p)} << 32 | be32(p + 4)) & ((std::uint64_t{1} << 33) - 1));
}

bool sound_sync(std::span<const std::uint8_t> b) noexcept {
    return b.size() >= 2 && ((b[0] == 0xff && (b[1] & 0xe0) == 0xe0) || (b[0] == 0x0b && b[1] == 0x77));
}

/// Size of the frame of packed sound that begins here, 0 when none does. Names its demuxer.
std::size_t sound_frame(std::span<const std::uint8_t> b, const char*& demuxer) noexcept {
    if (b.size() < 8) return 0;
    if (b[0] == 0xff && (b[1] & 0xf6) == 0xf0) {  // ADTS
        const std::size_t size = std::size_t{b[3] & 3u} << 11 | std::size_t{b[4]} << 3 | b[5] >> 5;
        demuxer = "aac";
        return (b[2] >> 2 & 0xf) <= 12 && size > 7 ? size : 0;
    }
    if (b[0] == 0x0b && b[1] == 0x77) {
        const int bsid = b[5] >> 3;
        if (bsid > 10 && bsid <= 16) {
            demuxer = "eac3";
            return (std::size_t{b[2] & 7u} << 8 | b[3]) * 2 + 2;
        }
        static constexpr std::uint16_t kbps[] = {32,  40,  48,  56,  64,  80,  96,  112, 128, 160,
                                                 192, 224, 256, 320, 384, 448, 512, 576, 640};
        const unsigned code = b[4] & 0x3f, rate = b[4] >> 6;
        if (bsid > 10 || code >= 38 || rate == 3) return 0;
        demuxer = "ac3";
        const std::size_t r = kbps[code / 2];
        if (rate == 0) return r * 4;
        return rate == 2 ? r * 6 : (r * 320 / 147 + (code & 1)) * 2;
    }
    if (b[0] == 0xff && (b[1] & 0xe0) == 0xe0) {  // MPEG sound, layer III only: the others are not sent in this way
        const unsigned version = b[1] >> 3 & 3, layer = b[1] >> 1 & 3, code = b[2] >> 4, rate = b[2] >> 2 & 3;
        if (version == 1 || layer != 1 || code == 0 || code == 15 || rate == 3) return 0;
        static constexpr std::uint16_t v1[] = {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
        static constexpr std::uint16_t v2[] = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
        static constexpr unsigned rates[] = {44'100, 48'000, 32'000};
        const unsigned hz = rates[rate] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
        demuxer = "mp3";
        const std::size_t padding = b[2] >> 1 & 1;
        return version == 3 ? 144'000u * v1[code] / hz + padding : 72'000u * v2[code] / hz + padding;
    }
    return 0;
}

}  // namespace

std::vector<TimeTag> cut_tags(Window& window) {
    std::vector<TimeTag> tags;
    std::vector<Window::Extent> kept;
    constexpr std::size_t block = 1u << 20, overlap = 16;
    std::vector<std::uint8_t> bytes(block + overlap), tag;
    std::uint64_t from = 0, kept_bytes = 0;  // the next byte to keep
    const std::uint64_t origin = window.extents().empty() ? 0 : window.extents().front().at;
    const auto keep = [&](std::uint64_t to) {
        if (to > from) kept.push_back({origin + from, to - from}), kept_bytes += to - from;
    };
    for (std::uint64_t begin = 0; begin < window.size();) {
        const auto got = window.read_at(begin, bytes);
        if (got == 0) break;
        std::uint64_t next = begin + block;
        for (std::size_t i = 0; i < std::min(got, block); ++i) {
            const auto* found = static_cast<const std::uint8_t*>(std::memchr(bytes.data() + i, 'I', got - i));
            if (!found) break;
            i = static_cast<std::size_t>(found - bytes.data());
            if (i >= block) break;
            const auto size = id3_size({found, got - i});
            const std::uint64_t at = begin + i;
            if (size == 0 || size > max_tag || at + size > window.size()) continue;
            std::uint8_t after[10];
            const auto more = window.read_at(at + size, after);
            if (at + size < window.size() && !sound_sync({after, more}) && id3_size({after, more}) == 0) continue;
            tag.resize(size);
            (void)window.read_at(at, tag);
            keep(at);
            tags.push_back({kept_bytes, tag_time(tag)});
            from = next = at + size;
            break;
        }
        begin = next;
    }
    if (tags.empty()) return tags;
    keep(window.size());
    window.set(std::move(kept));
    return tags;
}

const char* demuxer_for(Window& window) {
    std::vector<std::uint8_t> head(188 * 8);
    head.resize(window.read_at(0, head));
    const auto has = [&](std::size_t at, std::string_view text) {
        return head.size() >= at + text.size() && std::memcmp(head.data() + at, text.data(), text.size()) == 0;
    };
    for (const auto* type : {"ftyp", "styp", "moov", "moof", "sidx", "free", "skip", "wide", "mdat"})
        if (has(4, type)) return "mov";
    if (has(0, "FLV\x01")) return "flv";
    if (has(0, "\x1a\x45\xdf\xa3")) return "matroska";
    constexpr std::size_t packet = 188;
    // A torn head is allowed: the grid of sync bytes may begin anywhere in the first packet.
    for (std::size_t first = 0; first < packet && first < head.size(); ++first) {
        std::size_t at = first, hits = 0;
        while (at < head.size() && head[at] == 0x47) at += packet, ++hits;
        if (at >= head.size() && hits >= std::min<std::size_t>(5, head.size() / packet) && hits > 0) return "mpegts";
    }
    std::uint64_t at = 0;
    std::uint8_t frame[10];
    for (int tags = 0; tags < 16; ++tags) {
        const auto size = id3_size({frame, window.read_at(at, frame)});
        if (size == 0) break;
        at += size;
    }
    // Three frames in a row, or all there are.
    const char* first = nullptr;
    for (int frames = 0; frames < 3; ++frames) {
        const char* demuxer = nullptr;
        const auto size = sound_frame({frame, window.read_at(at, frame)}, demuxer);
        if (size == 0 || (first && std::string_view(first) != demuxer)) return nullptr;
        first = demuxer;
        at += size;
        if (at >= window.size()) break;
        const auto got = window.read_at(at, frame);
        if (got < 10 || id3_size({frame, got})) break;
    }
    return first;
}

}  // namespace weir::media
