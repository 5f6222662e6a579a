#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "proto/audio/frame.h"
#include "proto/unit_frame.h"

namespace weir::audio {

struct PackedSettings {
    std::uint16_t lane = 0;
    std::uint32_t first_epoch = 1;
    std::size_t max_chunk = 64u << 10;
    Micros max_span{500'000};                   ///< of one chunk
    std::size_t max_tag = 1u << 20;             ///< of one ID3 tag
    std::size_t max_before_sound = 512u << 10;  ///< bytes without a frame before the stream is refused
    Micros jump{10'000'000};                    ///< timestamps further off than this are a break of their own
};

/// HLS packed audio (also plain .aac, .mp3, .ac3 streams) to Chunks of whole frames.
///
/// cuts     before max_chunk and after max_span, and before an ID3 tag; tags stay in front of the frames that follow them.
///          Frames are copied once. Where bytes had no frame, the next is believed only if another one follows it.
/// Init     from the first frame; another codec, rate or channel number is a new epoch. header is empty, timescale the
///          sample rate, extradata the AudioSpecificConfig.
/// dts      the timestamp of the unit's ID3 tag (its 33 bits counted on past wraps) plus the frames since; without one it
///          goes on from the last, or from where the unit is expected when that is more than a second off. rap always.
/// losses   bytes that are neither frames nor tags, a torn last frame: dropped and listed as a partial Gap
/// errors   bad_input: no frame within the limit or in a whole unit, a tag above the limit
/// threads  one owner; pure
class PackedCutter final : public UnitFrame {
public:
    explicit PackedCutter(PackedSettings settings = {});

    void begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) override;
    Result<> feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) override;
    Result<> end_unit(std::vector<Item>& out) override;
    void abandon_unit(std::vector<Item>& out) override;
    /// Packed audio has no header: unsupported.
    Result<> set_header(const Bytes& header) override;

    struct Stats {
        std::uint64_t bytes = 0, frames = 0, chunks = 0, dropped_bytes = 0;
    };
    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

private:
    enum class Step : std::uint8_t { on, wait };
    Result<> parse(bool last, std::vector<Item>& out);
    Result<Step> step(bool last, std::vector<Item>& out);
    Result<Step> take_tag(bool last, std::vector<Item>& out);
    [[nodiscard]] bool follows(std::size_t at, const FrameHead& head, bool last, bool& wait) const;
    void take_frame(const FrameHead& head, std::vector<Item>& out);
    void flush(std::vector<Item>& out);
    void skip_junk();
    void compact();
    void forget();
    [[nodiscard]] std::span<const std::byte> rest() const { return std::span(bytes_).subspan(done_); }

    PackedSettings s_;
    Stats stats_;
    SteadyTime arrival_{};
    std::optional<FrameHead> stream_;
    std::size_t before_sound_ = 0;

    std::vector<std::byte> bytes_;  ///< [begin_, done_) the chunk under way, then what is not understood yet
    std::size_t begin_ = 0, done_ = 0;
    std::uint64_t frames_ = 0;  ///< in the chunk under way
    Micros span_{0};            ///< of the chunk under way
    bool synced_ = false;

    std::optional<Micros> base_;  ///< raw time of the frame `since_` samples ago
    std::uint64_t since_ = 0;
    bool place_ = false;  ///< a unit began, and no frame of it came
};

}  // namespace weir::audio
