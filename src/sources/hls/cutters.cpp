#include "sources/hls/cutters.h"

#include <cmath>

#include "proto/audio/packed_audio.h"
#include "proto/mp4/box.h"
#include "proto/mp4/fragment.h"
#include "proto/mp4/fragment_cutter.h"
#include "proto/ts/cutter.h"

namespace weir::hls {
namespace {

/// What came, in one piece.
Bytes joined(const std::deque<Bytes>& pieces) {
    if (pieces.size() == 1) return pieces.front();
    std::size_t size = 0;
    for (const auto& piece : pieces) size += piece.size();
    Buffer all(size);
    for (const auto& piece : pieces) all.append(piece.view());
    return all.all();
}

/// The first moof's time of the main track: a fragment need not have come whole for it.
std::optional<Micros> first_fragment_time(Bytes header, const std::deque<Bytes>& pieces) {
    const auto bytes = joined(pieces);
    if (header.empty()) header = bytes;
    const auto init = mp4::read_init_segment(header);
    const auto moof = mp4::find_box(bytes.view(), mp4::fourcc("moof"));
    if (!init || !init->main() || !moof) return std::nullopt;
    const auto trafs = mp4::read_moof(moof->body, &*init);
    if (!trafs) return std::nullopt;
    for (const auto& t : *trafs)
        if (t.track == init->main()->track.id && t.decode_time && *t.decode_time < std::uint64_t{1} << 60)
            return micros_of(static_cast<std::int64_t>(*t.decode_time), init->main()->track.timescale);
    return std::nullopt;
}

}  // namespace

std::unique_ptr<UnitCutter> make_cutter(Content content, std::uint16_t lane, std::uint32_t first_epoch) {
    if (content == Content::fmp4) {
        mp4::CutterSettings settings;
        settings.lane = lane;
        settings.first_epoch = first_epoch;
        return std::make_unique<mp4::FragmentCutter>(settings);
    }
    if (content == Content::packed_audio) {
        audio::PackedSettings settings;
        settings.lane = lane;
        settings.first_epoch = first_epoch;
        return std::make_unique<audio::PackedCutter>(settings);
    }
    ts::CutterSettings settings;
    settings.lane = lane;
    settings.first_epoch = first_epoch;
    return std::make_unique<ts::Cutter>(settings);
}

Result<> in_the_clear(const Bytes& header) {
    const auto init = mp4::read_init_segment(header);
    if (init || init.error().code != Errc::unsupported) return {};
    return Error{Errc::unsupported, "the stream is protected by Common Encryption (CENC), which weir does not record"};
}

Result<> usable_header(const Bytes& header) {
    if (sniff(header.view()) == Content::ts) return {};
    const auto init = mp4::read_init_segment(header);
    if (init || init.error().code == Errc::unsupported) return {};
    return init.error();
}

std::optional<Micros> first_time(Content content, const Bytes& header, const std::deque<Bytes>& pieces) {
    if (content == Content::fmp4) return first_fragment_time(header, pieces);
    auto cutter = make_cutter(content, 0, 1);
    cutter->rebase(Micros{0});
    cutter->begin_unit(0, 0, Micros{0}, Micros{0}, Micros{0});
    std::vector<Item> out;
    for (const auto& piece : pieces) {
        if (!cutter->feed(piece, {}, out)) return std::nullopt;
        if (const auto offset = cutter->offset()) return -*offset;
        out.clear();
    }
    return std::nullopt;
}

Micros unwrapped(Micros time, Micros near, Content content) {
    if (content == Content::fmp4) return time;
    constexpr Micros wrap{(std::int64_t{1} << 33) * 100 / 9};
    const auto rounds = std::llround(static_cast<double>((near - time).count()) / static_cast<double>(wrap.count()));
    return time + rounds * wrap;
}

}  // namespace weir::hls
