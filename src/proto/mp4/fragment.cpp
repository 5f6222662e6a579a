#include "proto/mp4/fragment.h"

#include <algorithm>

#include "proto/field_reader.h"
#include "proto/mp4/box.h"

namespace weir::mp4 {
namespace {

using Span = std::span<const std::byte>;

constexpr std::uint32_t non_sync = 0x0001'0000;
constexpr std::uint64_t longest = std::uint64_t{1} << 60;

struct Defaults {
    std::uint32_t duration = 0, flags = 0;
};

Error damaged(std::string_view what) {
    return Error{Errc::bad_input, fmt::format("a fragment is damaged: {}", what)};
}

Result<Defaults> read_tfhd(Span body, const InitSegment* init, TrackFragment& out) {
    FieldReader in(body);
    const auto flags = in.u32() & 0xff'ffff;
    out.track = in.u32();
    Defaults d;
    if (const auto* track = init ? init->find(out.track) : nullptr) d = {track->default_duration, track->default_flags};
    if (flags & 0x01) in.u64();  // base data offset
    if (flags & 0x02) in.u32();  // sample description
    if (flags & 0x08) d.duration = in.u32();
    if (flags & 0x10) in.u32();  // size
    if (flags & 0x20) d.flags = in.u32();
    if (in.short_of()) return damaged("tfhd");
    return d;
}

Result<> read_trun(Span body, const Defaults& defaults, TrackFragment& out) {
    FieldReader in(body);
    const auto flags = in.u32() & 0xff'ffff;
    const std::uint64_t count = in.u32();
    if (flags & 0x01) in.u32();  // data offset
    auto first = defaults.flags;
    const bool first_given = (flags & 0x04) != 0;
    if (first_given) first = in.u32();
    std::size_t fields = 0;
    for (const auto bit : {0x100u, 0x200u, 0x400u, 0x800u}) fields += flags & bit ? 4u : 0u;
    if (in.short_of() || (fields > 0 && in.rest().size() / fields < count)) return damaged("trun");
    if (!first_given && (flags & 0x400) && count > 0) {
        FieldReader sample(in.rest());
        sample.skip((flags & 0x100 ? 4u : 0u) + (flags & 0x200 ? 4u : 0u));
        first = sample.u32();
    }
    if (out.samples == 0 && count > 0) out.starts_sync = !(first & non_sync);
    std::uint64_t duration = count * defaults.duration;
    if (flags & 0x100) {
        duration = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            duration += in.u32();
            in.skip(fields - 4);
        }
    }
    out.samples += count;
    out.duration = std::min(longest, out.duration + std::min(longest, duration));
    return {};
}

Result<TrackFragment> read_traf(Span body, const InitSegment* init) {
    TrackFragment out;
    const auto tfhd = find_box(body, fourcc("tfhd"));
    if (!tfhd) return damaged("a traf without tfhd");
    const auto defaults = read_tfhd(tfhd->body, init, out);
    if (!defaults) return defaults.error();
    BoxWalker boxes(body, 64u << 10);
    while (const auto box = boxes.next()) {
        if (box->type == fourcc("tfdt")) {
            FieldReader in(box->body);
            const bool wide = in.u8() == 1;
            in.skip(3);
            out.decode_time = wide ? in.u64() : in.u32();
            out.decode_time_bits = wide ? 64 : 32;
            if (in.short_of()) return damaged("tfdt");
        } else if (box->type == fourcc("trun")) {
            if (auto r = read_trun(box->body, *defaults, out); !r) return r.error();
        }
    }
    if (boxes.broken()) return damaged("a box in traf is not whole");
    return out;
}

}  // namespace

Result<std::vector<TrackFragment>> read_moof(Span body, const InitSegment* init) {
    std::vector<TrackFragment> out;
    BoxWalker boxes(body);
    bool numbered = false;
    while (const auto box = boxes.next()) {
        numbered = numbered || box->type == fourcc("mfhd");
        if (box->type != fourcc("traf")) continue;
        auto traf = read_traf(box->body, init);
        if (!traf) return traf.error();
        out.push_back(*traf);
    }
    if (boxes.broken()) return damaged("a box in moof is not whole");
    if (!numbered) return damaged("no mfhd");
    return out;
}

}  // namespace weir::mp4
