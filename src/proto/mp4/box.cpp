#include "proto/mp4/box.h"

#include "proto/field_reader.h"

namespace weir::mp4 {

std::string name_of_type(std::uint32_t type) {
    std::string name;
    for (int shift = 24; shift >= 0; shift -= 8) {
        const auto c = static_cast<char>(type >> shift & 0xff);
        name += c > 0x20 && c < 0x7f ? c : '?';
    }
    return name;
}

Result<std::optional<BoxHead>> read_box_head(std::span<const std::byte> bytes) {
    if (bytes.size() < 8) return std::optional<BoxHead>();
    FieldReader in(bytes);
    BoxHead head;
    head.size = in.u32();
    head.type = in.u32();
    if (head.size == 1) {
        if (bytes.size() < 16) return std::optional<BoxHead>();
        head.size = in.u64();
        head.head = 16;
    }
    if (head.size < head.head && (head.size != 0 || head.head == 16))
        return Error{Errc::bad_input, fmt::format("a box '{}' of {} bytes is smaller than its head",
                                                  name_of_type(head.type), head.size)};
    return std::optional(head);
}

std::optional<Box> BoxWalker::next() noexcept {
    if (rest_.empty() || broken_) return std::nullopt;
    const auto head = read_box_head(rest_);
    if (!head || !*head || left_ == 0) {
        broken_ = true;
        return std::nullopt;
    }
    --left_;
    const auto& h = **head;
    const auto size = h.size == 0 ? std::uint64_t{rest_.size()} : h.size;
    if (size > rest_.size()) {
        broken_ = true;
        return std::nullopt;
    }
    const auto whole = rest_.first(static_cast<std::size_t>(size));
    rest_ = rest_.subspan(whole.size());
    return Box{h.type, whole, whole.subspan(h.head)};
}

std::optional<Box> find_box(std::span<const std::byte> bytes, std::uint32_t type) noexcept {
    BoxWalker walker(bytes);
    while (auto box = walker.next())
        if (box->type == type) return box;
    return std::nullopt;
}

}  // namespace weir::mp4
