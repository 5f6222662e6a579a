#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace weir {

/// Big-endian fields one after the other. A read past the end gives 0 and sets short_of(): check once, at the end.
class FieldReader {
public:
    explicit FieldReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u24() noexcept { return static_cast<std::uint32_t>(number(3)); }
    std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() noexcept { return number(8); }
    /// Empty when there are not so many.
    std::span<const std::byte> bytes(std::size_t count) noexcept {
        if (count > rest_.size()) {
            fail();
            return {};
        }
        const auto out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }
    void skip(std::size_t count) noexcept { (void)bytes(count); }
    [[nodiscard]] std::span<const std::byte> rest() const noexcept { return rest_; }
    [[nodiscard]] bool short_of() const noexcept { return short_; }

private:
    std::uint64_t number(std::size_t count) noexcept {
        std::uint64_t value = 0;
        for (const auto b : bytes(count)) value = value << 8 | std::to_integer<std::uint64_t>(b);
        return value;
    }
    void fail() noexcept {
        short_ = true;
        rest_ = {};
    }

    std::span<const std::byte> rest_;
    bool short_ = false;
};

}  // namespace weir
