#include "base/ids.h"

#include <xxhash.h>

#include <array>
#include <charconv>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/random.h"

namespace weir {

namespace {

/// 48 bits of milliseconds, 80 bits of chance; within one millisecond the chance part counts up, so that order is kept.
std::array<std::uint8_t, 16> next_ulid_bytes() {
    static std::mutex mutex;
    static std::array<std::uint8_t, 16> last{};
    static std::int64_t last_ms = 0;
    const std::scoped_lock lock(mutex);
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    if (now > last_ms) {
        last_ms = now;
        for (std::size_t i = 0; i < 6; ++i) last[i] = static_cast<std::uint8_t>(now >> (8 * (5 - i)));
        fill_random(std::as_writable_bytes(std::span(last)).subspan(6));
        last[6] &= 0x7f;  // room to count up
    } else {
        for (std::size_t i = 16; i-- > 6;)
            if (++last[i] != 0) break;
    }
    return last;
}

XXH3_state_t* state_of(void* p) {
    return static_cast<XXH3_state_t*>(p);
}

}  // namespace

std::string new_ulid() {
    static constexpr std::string_view letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    const auto bytes = next_ulid_bytes();
    std::string out(26, '0');
    // 128 bits as 26 digits of 5 bits, counted from the end; the first digit has 3 bits.
    for (std::size_t digit = 0; digit < 26; ++digit) {
        unsigned value = 0;
        for (std::size_t k = 0; k < 5; ++k) {
            const auto bit = 5 * digit + k;
            if (bit < 128) value |= ((bytes[15 - bit / 8] >> (bit % 8)) & 1u) << k;
        }
        out[25 - digit] = letters[value];
    }
    return out;
}

std::uint64_t content_hash(std::span<const std::byte> bytes) noexcept {
    return XXH3_64bits(bytes.data(), bytes.size());
}

std::string hex16(std::uint64_t hash) {
    return fmt::format("{:016x}", hash);
}

Result<std::uint64_t> parse_hex16(std::string_view text) {
    std::uint64_t value = 0;
    const bool lower = text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (text.size() == 16 && lower && std::from_chars(text.data(), text.data() + 16, value, 16).ec == std::errc{})
        return value;
    return Error{Errc::bad_input, fmt::format("'{}' is not a hash of 16 hex digits", text.substr(0, 40))};
}

ContentHash::ContentHash() : state_(XXH3_createState()) {
    WEIR_ASSERT(state_);
    reset();
}
ContentHash::ContentHash(const ContentHash& other) : ContentHash() {
    XXH3_copyState(state_of(state_), state_of(other.state_));
}
ContentHash& ContentHash::operator=(const ContentHash& other) {
    if (this != &other) *this = ContentHash(other);
    return *this;
}
ContentHash::ContentHash(ContentHash&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
ContentHash& ContentHash::operator=(ContentHash&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}
ContentHash::~ContentHash() {
    XXH3_freeState(state_of(state_));
}
void ContentHash::reset() {
    XXH3_64bits_reset(state_of(state_));
}
void ContentHash::update(std::span<const std::byte> bytes) {
    XXH3_64bits_update(state_of(state_), bytes.data(), bytes.size());
}
std::uint64_t ContentHash::digest() const {
    return XXH3_64bits_digest(state_of(state_));
}

}  // namespace weir
