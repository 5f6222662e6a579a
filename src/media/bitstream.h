#pragma once
// One form of access units for a track, whatever containers its packets come from; for the .cpp files of this folder.
#include <memory>
#include <optional>
#include <vector>

#include "media/access_unit.h"
#include "media/libav.h"

struct AVBSFContext;

namespace weir::media {

/// lengths      as MP4, Matroska and FLV hold H.264 and HEVC: all inputs of the track have the same parameter sets
/// start_codes  as MPEG-TS does: parameter sets stand in band and may change; every muxer converts from it
/// raw_aac      without ADTS headers
enum class Form : std::uint8_t { as_it_is, lengths, start_codes, raw_aac };

[[nodiscard]] Form form_of(const AVCodecParameters& par, bool ts) noexcept;

struct FilterDeleter {
    void operator()(AVBSFContext* f) const noexcept;
};
using Filter = std::unique_ptr<AVBSFContext, FilterDeleter>;

/// Brings the packets of one stream of one input into its track's form.
class Normaliser {
public:
    /// errors  unsupported: this libavcodec has no such filter; bad_input: broken parameter sets
    static Result<Normaliser> make(const AVStream& from, Form have, Form want);
    /// False: the packet is broken and left out.
    bool apply(AVPacket& packet);

private:
    Form have_ = Form::as_it_is, want_ = Form::as_it_is;
    Filter filter_;
};

/// The same parameters with start codes before the parameter sets.
[[nodiscard]] Parameters with_start_codes(const AVCodecParameters& from, AVRational time_base);
/// The "avcC" of H.264 parameter sets with start codes; empty when they are not whole.
[[nodiscard]] std::vector<std::uint8_t> avcc_of(std::span<const std::uint8_t> extradata);
/// Start codes become lengths of four bytes, which spares the muxers their own slower way. `nals` is room to work in.
void to_lengths(AVPacket& packet, std::vector<std::span<const std::uint8_t>>& nals);
/// What a decoder needs to know of ADTS frames (an AudioSpecificConfig), learnt from one of them; empty if it is broken.
[[nodiscard]] std::vector<std::uint8_t> config_of_adts(const AVCodecParameters& par, const AVPacket& frame);
void set_extradata(AVCodecParameters& par, std::span<const std::uint8_t> bytes);

}  // namespace weir::media
