#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"

namespace weir::mp4 {

/// A box's four characters as a number: fourcc("moof").
[[nodiscard]] constexpr std::uint32_t fourcc(const char (&name)[5]) noexcept {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(name[i]);
    return value;
}
/// Fit to be shown: what is not printable becomes '?'.
[[nodiscard]] std::string name_of_type(std::uint32_t type);

/// The first 8 or 16 bytes of a box.
struct BoxHead {
    std::uint32_t type = 0;
    std::uint64_t size = 0;  ///< of the whole box; 0: to the end of what it lies in
    std::size_t head = 8;    ///< bytes before the body
};
/// None while `bytes` are too few (16 always suffice). bad_input: a size below that of the head.
/// source  ISO/IEC 14496-12, 4.2
[[nodiscard]] Result<std::optional<BoxHead>> read_box_head(std::span<const std::byte> bytes);

struct Box {
    std::uint32_t type = 0;
    std::span<const std::byte> whole, body;
};

/// The boxes that lie side by side in a span. Every size is checked against what is there; a box of size 0 reaches to
/// the end. Nesting is the caller's: a walker over a Box's body.
/// limits  `max_boxes` in one span
class BoxWalker {
public:
    explicit BoxWalker(std::span<const std::byte> bytes, std::size_t max_boxes = 4096)
        : rest_(bytes), left_(max_boxes) {}
    /// None at the end and at the first box that is not whole; broken() tells them apart.
    [[nodiscard]] std::optional<Box> next() noexcept;
    [[nodiscard]] bool broken() const noexcept { return broken_; }

private:
    std::span<const std::byte> rest_;
    std::size_t left_;
    bool broken_ = false;
};

/// The first box of this type in the span; none when there is none before the end or before damage.
[[nodiscard]] std::optional<Box> find_box(std::span<const std::byte> bytes, std::uint32_t type) noexcept;

}  // namespace weir::mp4
