#include "proto/mp4/whole_fragments.h"

#include <algorithm>
#include <array>
#include <vector>

#include "proto/mp4/box.h"
#include "proto/mp4/fragment.h"
#include "proto/mp4/init_segment.h"

namespace weir::mp4 {
namespace {

constexpr std::uint64_t max_head = 4u << 20;

bool is_name(std::uint32_t type) noexcept {
    for (int shift = 24; shift >= 0; shift -= 8) {
        const auto c = type >> shift & 0xff;
        if (c < 0x20 || c > 0x7e) return false;
    }
    return true;
}

/// Walks over top-level boxes; stops at the first that is not right.
class Walk {
public:
    Walk(const ReadAt& read, std::uint64_t from, std::uint64_t size)
        : read_(read), from_(from), at_(from), size_(size) {
        out_.end = from;
    }

    Result<WholeFragments> run() {
        while (at_ < size_ && out_.why.empty()) {
            auto r = step();
            if (!r) return r.error();
        }
        if (out_.why.empty() && out_.end < size_) out_.why = "boxes without media data";
        return std::move(out_);
    }

private:
    Result<> step() {
        std::array<std::byte, 16> first{};
        const auto got = read_(at_, std::span(first).first(std::min<std::uint64_t>(16, size_ - at_)));
        if (!got) return got.error();
        const auto head = read_box_head(std::span(first).first(*got));
        if (!head || (*head && (!is_name((*head)->type) || (*head)->size == 0))) return stop("no box");
        if (!*head) return stop("a torn box");
        const auto& h = **head;
        if (h.size > size_ - at_) return stop(fmt::format("a torn box '{}'", name_of_type(h.type)));
        if (h.type == fourcc("moof") || h.type == fourcc("moov")) {
            if (auto r = look_into(h); !r) return r;
        } else if (h.type == fourcc("mdat")) {
            if (!in_fragment_) return stop("media data without a moof");
            in_fragment_ = false;
            ++out_.fragments;
            out_.end = at_ + h.size;
        } else if (h.type == fourcc("ftyp")) {
            if (at_ != from_) return stop("a header behind the front");
        }
        at_ += h.size;
        return {};
    }

    Result<> look_into(const BoxHead& h) {
        if (h.size > max_head) return stop(fmt::format("a box '{}' of {} bytes", name_of_type(h.type), h.size));
        std::vector<std::byte> box(static_cast<std::size_t>(h.size));
        const auto got = read_(at_, box);
        if (!got) return got.error();
        if (*got < box.size()) return stop("a torn box");
        if (h.type == fourcc("moov")) {
            if (out_.end != from_ || in_fragment_) return stop("a header behind the front");
            if (!read_init_segment(Bytes::copy_of(box))) return stop("a damaged header");
            out_.end = at_ + h.size;
            out_.header = out_.end - from_;
            return {};
        }
        const auto trafs = in_fragment_ ? Result<std::vector<TrackFragment>>(Error{})
                                        : read_moof(std::span<const std::byte>(box).subspan(h.head), nullptr);
        if (!trafs || trafs->empty()) return stop("a damaged moof");
        in_fragment_ = true;
        return {};
    }

    Result<> stop(std::string why) {
        out_.why = std::move(why);
        return {};
    }

    const ReadAt& read_;
    const std::uint64_t from_;
    std::uint64_t at_;
    const std::uint64_t size_;
    bool in_fragment_ = false;
    WholeFragments out_;
};

}  // namespace

Result<WholeFragments> whole_fragments(const ReadAt& read, std::uint64_t from, std::uint64_t size) {
    return Walk(read, from, size).run();
}

WholeFragments whole_fragments(std::span<const std::byte> bytes) {
    const ReadAt read = [bytes](std::uint64_t offset, std::span<std::byte> into) -> Result<std::size_t> {
        const auto count =
            std::min<std::size_t>(into.size(), bytes.size() - std::min<std::size_t>(bytes.size(), offset));
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(offset, bytes.size())), count,
                    into.begin());
        return count;
    };
    return std::move(*whole_fragments(read, 0, bytes.size()));
}

}  // namespace weir::mp4
