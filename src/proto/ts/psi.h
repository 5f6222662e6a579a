#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/item.h"

namespace weir::ts {

/// Gathers the packets of one PID into whole table sections.
/// limits  one section of at most 1024 + 3 bytes at a time, as the tables of 13818-1 allow
class SectionReader {
public:
    /// `payload` of one packet; true when a section became whole: look at section() before the next call.
    bool feed(std::span<const std::uint8_t> payload, bool starts_unit);
    [[nodiscard]] bool open() const noexcept { return !done_ && !bytes_.empty(); }  ///< more packets are needed
    [[nodiscard]] std::span<const std::uint8_t> section() const noexcept {
        return bytes_;
    }  ///< with its CRC, which was right
    void reset() noexcept;

private:
    std::vector<std::uint8_t> bytes_;
    bool done_ = false;
};

/// PID of the first program's map.
[[nodiscard]] std::optional<std::uint16_t> read_pat(std::span<const std::uint8_t> section);

struct ProgramMap {
    std::uint16_t pcr_pid = 0;
    std::vector<Track> tracks;          ///< id is the PID; at most 64
    std::vector<std::uint8_t> content;  ///< the section without version and CRC: equal content is the same program
};
[[nodiscard]] std::optional<ProgramMap> read_pmt(std::span<const std::uint8_t> section);

/// CRC of 13818-1 annex A; 0 over a section with its CRC.
[[nodiscard]] std::uint32_t crc32_mpeg(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace weir::ts
