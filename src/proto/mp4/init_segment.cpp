#include "proto/mp4/init_segment.h"

#include <algorithm>
#include <array>

#include "proto/field_reader.h"
#include "proto/mp4/box.h"
#include "proto/unit_frame.h"

namespace weir::mp4 {
namespace {

using Span = std::span<const std::byte>;

Error bad(std::string_view what) {
    return Error{Errc::bad_input, fmt::format("the MP4 header is damaged: {}", what)};
}

/// The version of a full box; skips its flags.
std::uint8_t full_box(FieldReader& in) {
    const auto version = in.u8();
    in.skip(3);
    return version;
}

std::string language_of(std::uint16_t packed) {
    std::string out;
    for (int shift = 10; shift >= 0; shift -= 5) out += static_cast<char>(0x60 + (packed >> shift & 0x1f));
    const bool letters = std::all_of(out.begin(), out.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    return letters && out != "und" ? out : std::string();
}

/// The kind by the handler; text comes under several names.
TrackKind kind_of(std::uint32_t handler) {
    switch (handler) {
        case fourcc("vide"):
            return TrackKind::video;
        case fourcc("soun"):
            return TrackKind::audio;
        case fourcc("text"):
        case fourcc("subt"):
        case fourcc("sbtl"):
        case fourcc("clcp"):
            return TrackKind::text;
        default:
            return TrackKind::data;
    }
}

struct EntryKind {
    std::uint32_t entry;
    const char* codec;
    std::uint32_t config;  ///< the box with what a decoder needs; 0: none
};
constexpr std::array<EntryKind, 26> entry_kinds{{
    {fourcc("avc1"), "h264", fourcc("avcC")},
    {fourcc("avc2"), "h264", fourcc("avcC")},
    {fourcc("avc3"), "h264", fourcc("avcC")},
    {fourcc("avc4"), "h264", fourcc("avcC")},
    {fourcc("dva1"), "h264", fourcc("avcC")},
    {fourcc("dvav"), "h264", fourcc("avcC")},
    {fourcc("hvc1"), "hevc", fourcc("hvcC")},
    {fourcc("hev1"), "hevc", fourcc("hvcC")},
    {fourcc("dvh1"), "hevc", fourcc("hvcC")},
    {fourcc("dvhe"), "hevc", fourcc("hvcC")},
    {fourcc("av01"), "av1", fourcc("av1C")},
    {fourcc("vp09"), "vp9", fourcc("vpcC")},
    {fourcc("vp08"), "vp8", fourcc("vpcC")},
    {fourcc("mp4v"), "mpeg4", fourcc("esds")},
    {fourcc("mp4a"), "aac", fourcc("esds")},
    {fourcc(".mp3"), "mp3", 0},
    {fourcc("ac-3"), "ac3", fourcc("dac3")},
    {fourcc("ec-3"), "eac3", fourcc("dec3")},
    {fourcc("Opus"), "opus", fourcc("dOps")},
    {fourcc("fLaC"), "flac", fourcc("dfLa")},
    {fourcc("alac"), "alac", fourcc("alac")},
    {fourcc("wvtt"), "webvtt", 0},
    {fourcc("stpp"), "ttml", 0},
    {fourcc("tx3g"), "mov_text", 0},
    {fourcc("c608"), "eia_608", 0},
    {fourcc("mp4s"), "dvd_subtitle", 0},
}};

/// objectTypeIndication of an MPEG-4 DecoderConfigDescriptor.
const char* codec_of_object(std::uint8_t type) {
    switch (type) {
        case 0x20:
            return "mpeg4";
        case 0x21:
            return "h264";
        case 0x23:
            return "hevc";
        case 0x40:
        case 0x66:
        case 0x67:
        case 0x68:
            return "aac";
        case 0x60:
        case 0x61:
        case 0x62:
        case 0x63:
        case 0x64:
        case 0x65:
            return "mpeg2video";
        case 0x69:
        case 0x6b:
            return "mp3";
        case 0xa5:
            return "ac3";
        case 0xa6:
            return "eac3";
        case 0xad:
            return "opus";
        case 0xc1:
            return "flac";
        default:
            return nullptr;
    }
}

/// Enters the descriptor of this tag: its body, or an empty span.
Span descriptor(Span bytes, std::uint8_t tag) {
    FieldReader in(bytes);
    while (!in.rest().empty()) {
        const auto found = in.u8();
        std::uint32_t size = 0;
        for (int i = 0; i < 4; ++i) {
            const auto b = in.u8();
            size = size << 7 | (b & 0x7f);
            if (!(b & 0x80)) break;
        }
        const auto body = in.bytes(std::min<std::size_t>(size, in.rest().size()));
        if (found == tag) return body;
    }
    return {};
}

/// An esds box: which codec it really is, and the decoder-specific info.
void read_esds(Span body, Track& track) {
    FieldReader in(body);
    full_box(in);
    FieldReader es(descriptor(in.rest(), 3));
    es.u16();
    const auto flags = es.u8();
    if (flags & 0x80) es.u16();
    if (flags & 0x40) es.skip(es.u8());
    if (flags & 0x20) es.u16();
    FieldReader config(descriptor(es.rest(), 4));
    const auto object = config.u8();
    config.skip(12);
    if (config.short_of()) return;
    if (const auto* codec = codec_of_object(object)) track.codec = codec;
    track.extradata = Bytes::copy_of(descriptor(config.rest(), 5));
}

/// Where the boxes of a sample entry begin; QuickTime's sound entries have longer versions.
Span boxes_of_entry(const Box& entry, TrackKind kind) {
    FieldReader in(entry.body);
    in.skip(8);  // reserved, data_reference_index
    if (kind == TrackKind::video) {
        in.skip(70);
    } else if (kind == TrackKind::audio) {
        const auto version = in.u16();
        in.skip(18);
        if (version == 1) in.skip(16);
        if (version == 2) in.skip(36);
    }
    return in.rest();
}

std::string scheme_of(Span boxes) {
    const auto sinf = find_box(boxes, fourcc("sinf"));
    const auto schm = sinf ? find_box(sinf->body, fourcc("schm")) : std::nullopt;
    if (!schm) return "an unknown scheme";
    FieldReader in(schm->body);
    full_box(in);
    return name_of_type(in.u32());
}

Result<> read_sample_entry(const Box& entry, Track& track) {
    const auto boxes = boxes_of_entry(entry, track.kind);
    if (entry.type == fourcc("encv") || entry.type == fourcc("enca") || entry.type == fourcc("enct"))
        return Error{Errc::unsupported,
                     fmt::format("track {} is protected ({}): weir does not break DRM", track.id, scheme_of(boxes))};
    const auto kind =
        std::find_if(entry_kinds.begin(), entry_kinds.end(), [&](const EntryKind& k) { return k.entry == entry.type; });
    if (kind == entry_kinds.end()) {
        track.codec = fmt::format("mp4-{}", name_of_type(entry.type));
        return {};
    }
    track.codec = kind->codec;
    const auto config = kind->config ? find_box(boxes, kind->config) : std::nullopt;
    if (!config) return {};
    if (config->type == fourcc("esds"))
        read_esds(config->body, track);
    else
        track.extradata = Bytes::copy_of(config->body);
    return {};
}

Result<> read_stsd(Span body, Track& track) {
    FieldReader in(body);
    full_box(in);
    in.u32();  // the entries are counted by walking them
    BoxWalker entries(in.rest(), 64);
    bool first = true;
    while (const auto entry = entries.next()) {
        Track other = track;
        if (auto r = read_sample_entry(*entry, first ? track : other); !r) return r;
        first = false;
    }
    if (first || entries.broken()) return bad("a sample description");
    return {};
}

Result<> read_mdia(Span body, Track& track) {
    const auto mdhd = find_box(body, fourcc("mdhd")), hdlr = find_box(body, fourcc("hdlr"));
    if (!mdhd || !hdlr) return bad("a track without mdhd or hdlr");
    FieldReader head(mdhd->body);
    const bool wide = full_box(head) == 1;
    head.skip(wide ? 16 : 8);
    track.timescale = head.u32();
    head.skip(wide ? 8 : 4);
    track.language = language_of(head.u16());
    if (head.short_of() || track.timescale == 0) return bad("mdhd");
    FieldReader handler(hdlr->body);
    handler.skip(8);
    track.kind = kind_of(handler.u32());
    const auto minf = find_box(body, fourcc("minf"));
    const auto stbl = minf ? find_box(minf->body, fourcc("stbl")) : std::nullopt;
    const auto stsd = stbl ? find_box(stbl->body, fourcc("stsd")) : std::nullopt;
    if (!stsd) return bad("a track without stsd");
    return read_stsd(stsd->body, track);
}

/// Leading empty edits delay the track, the first other one says where in the media it begins.
Micros read_edits(Span trak, std::uint32_t movie_timescale, std::uint32_t timescale) {
    const auto edts = find_box(trak, fourcc("edts"));
    const auto elst = edts ? find_box(edts->body, fourcc("elst")) : std::nullopt;
    if (!elst) return Micros{0};
    FieldReader in(elst->body);
    const bool wide = full_box(in) == 1;
    const auto count = in.u32();
    Micros shift{0};
    const auto sane = [](std::int64_t ticks, std::uint32_t scale) {
        return ticks < std::int64_t{scale} << 31;
    };  // 68 years
    for (std::uint32_t i = 0; i < count && i < 16; ++i) {
        const auto length = static_cast<std::int64_t>(wide ? in.u64() & INT64_MAX : in.u32());
        const auto start =
            wide ? static_cast<std::int64_t>(in.u64()) : static_cast<std::int64_t>(static_cast<std::int32_t>(in.u32()));
        in.u32();
        if (in.short_of() || !sane(length, movie_timescale) || !sane(start, timescale)) return Micros{0};
        if (start >= 0) return shift - micros_of(start, timescale);
        shift += micros_of(length, movie_timescale);
    }
    return shift;
}

Result<InitTrack> read_trak(Span body, std::uint32_t movie_timescale) {
    InitTrack out;
    const auto tkhd = find_box(body, fourcc("tkhd"));
    const auto mdia = find_box(body, fourcc("mdia"));
    if (!tkhd || !mdia) return bad("a track without tkhd or mdia");
    FieldReader in(tkhd->body);
    in.skip(full_box(in) == 1 ? 16 : 8);
    out.track.id = in.u32();
    if (in.short_of()) return bad("tkhd");
    if (auto r = read_mdia(mdia->body, out.track); !r) return r.error();
    out.edit_shift = read_edits(body, movie_timescale, out.track.timescale);
    return out;
}

void read_mvex(Span body, InitSegment& init) {
    init.fragmented = true;
    BoxWalker boxes(body);
    while (const auto box = boxes.next()) {
        if (box->type != fourcc("trex")) continue;
        FieldReader in(box->body);
        full_box(in);
        const auto id = in.u32();
        in.u32();
        const auto duration = in.u32(), size = in.u32(), flags = in.u32();
        for (auto& t : init.tracks)
            if (t.track.id == id && !in.short_of()) {
                t.default_duration = duration;
                t.default_size = size;
                t.default_flags = flags;
            }
    }
}

Result<InitSegment> read_moov(Span body, const InitLimits& limits) {
    InitSegment init;
    const auto mvhd = find_box(body, fourcc("mvhd"));
    if (!mvhd) return bad("no mvhd");
    FieldReader in(mvhd->body);
    in.skip(full_box(in) == 1 ? 16 : 8);
    init.movie_timescale = in.u32();
    BoxWalker boxes(body);
    while (const auto box = boxes.next()) {
        if (box->type != fourcc("trak")) continue;
        if (init.tracks.size() >= limits.max_tracks) return bad("too many tracks");
        auto track = read_trak(box->body, init.movie_timescale);
        if (!track) return track.error();
        if (init.find(track->track.id)) return bad("two tracks have one number");
        init.tracks.push_back(std::move(*track));
    }
    if (boxes.broken()) return bad("a box in moov is not whole");
    if (init.tracks.empty()) return bad("no tracks");
    if (const auto mvex = find_box(body, fourcc("mvex"))) read_mvex(mvex->body, init);
    return init;
}

}  // namespace

const InitTrack* InitSegment::main() const noexcept {
    for (const auto kind : {TrackKind::video, TrackKind::audio})
        for (const auto& t : tracks)
            if (t.track.kind == kind) return &t;
    return tracks.empty() ? nullptr : &tracks.front();
}

const InitTrack* InitSegment::find(std::uint32_t id) const noexcept {
    for (const auto& t : tracks)
        if (t.track.id == id) return &t;
    return nullptr;
}

Result<InitSegment> read_init_segment(const Bytes& header, const InitLimits& limits) {
    if (header.size() > limits.max_bytes)
        return Error{Errc::bad_input, fmt::format("the MP4 header has {} bytes, above the limit of {}", header.size(),
                                                  limits.max_bytes)};
    BoxWalker boxes(header.view());
    while (const auto box = boxes.next())
        if (box->type == fourcc("moov")) return read_moov(box->body, limits);
    return bad(boxes.broken() ? "a box is not whole" : "no moov");
}

}  // namespace weir::mp4
