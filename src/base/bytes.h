#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace weir {

/// A slice of a counted buffer. Copying it shares the buffer; slicing never copies bytes.
/// threads  the bytes are frozen once a Bytes exists, so any thread may read them
class Bytes {
public:
    Bytes() = default;
    Bytes(std::shared_ptr<const std::byte[]> owner, std::span<const std::byte> view)
        : owner_(std::move(owner)), view_(view) {}

    /// A copy of foreign bytes: for tests and small headers, not for media on its way.
    [[nodiscard]] static Bytes copy_of(std::span<const std::byte> from) {
        auto owner = std::make_shared_for_overwrite<std::byte[]>(from.size());
        if (!from.empty()) std::memcpy(owner.get(), from.data(), from.size());
        const std::span<const std::byte> view(owner.get(), from.size());
        return {std::move(owner), view};
    }
    [[nodiscard]] static Bytes copy_of(std::string_view from) { return copy_of(std::as_bytes(std::span(from))); }

    [[nodiscard]] std::span<const std::byte> view() const noexcept { return view_; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(view_.data()), view_.size()};
    }
    [[nodiscard]] const std::byte* data() const noexcept { return view_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
    [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
    [[nodiscard]] Bytes slice(std::size_t from, std::size_t count) const {
        return {owner_, view_.subspan(from, count)};
    }
    [[nodiscard]] Bytes slice(std::size_t from) const { return {owner_, view_.subspan(from)}; }
    [[nodiscard]] const std::shared_ptr<const std::byte[]>& owner() const noexcept { return owner_; }

private:
    std::shared_ptr<const std::byte[]> owner_;
    std::span<const std::byte> view_;
};

/// A receive buffer being filled: one allocation, no zero-fill. Slices of the filled part may be taken at any time;
/// bytes already handed out as a slice are never written again.
/// threads  one owner
class Buffer {
public:
    explicit Buffer(std::size_t capacity = 0)
        : owner_(capacity ? std::make_shared_for_overwrite<std::byte[]>(capacity) : nullptr), capacity_(capacity) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t room() const noexcept { return capacity_ - size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::span<std::byte> spare() noexcept { return {owner_.get() + size_, room()}; }
    void commit(std::size_t count) noexcept { size_ += count; }

    /// Copies as much as fits; returns how much that was.
    std::size_t append(std::span<const std::byte> from) noexcept {
        const auto count = from.size() < room() ? from.size() : room();
        if (count) std::memcpy(owner_.get() + size_, from.data(), count);
        size_ += count;
        return count;
    }
    [[nodiscard]] std::span<const std::byte> view() const noexcept { return {owner_.get(), size_}; }
    [[nodiscard]] Bytes slice(std::size_t from, std::size_t count) const {
        return {owner_, std::span<const std::byte>(owner_.get() + from, count)};
    }
    [[nodiscard]] Bytes all() const { return slice(0, size_); }

private:
    std::shared_ptr<std::byte[]> owner_;
    std::size_t capacity_ = 0, size_ = 0;
};

}  // namespace weir
