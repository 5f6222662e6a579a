#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weir {

/// A ULID: 26 characters, sortable by time, unique enough to name recordings and nodes across machines.
[[nodiscard]] std::string new_ulid();

/// XXH3-64: proves sameness of content, not authenticity. Hex form: 16 lower-case digits.
[[nodiscard]] std::uint64_t content_hash(std::span<const std::byte> bytes) noexcept;
[[nodiscard]] std::string hex16(std::uint64_t hash);
[[nodiscard]] Result<std::uint64_t> parse_hex16(std::string_view text);

/// The same, fed piece by piece. Copyable: a copy is a hash of the prefix so far.
class ContentHash {
public:
    ContentHash();
    ContentHash(const ContentHash&);
    ContentHash& operator=(const ContentHash&);
    ContentHash(ContentHash&&) noexcept;
    ContentHash& operator=(ContentHash&&) noexcept;
    ~ContentHash();
    void reset();
    void update(std::span<const std::byte> bytes);
    [[nodiscard]] std::uint64_t digest() const;

private:
    void* state_;  ///< XXH3_state_t, kept out of the header
};

}  // namespace weir
