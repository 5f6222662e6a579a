#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::test {

/// Makes small MP4 boxes, headers and fragments for tests.
inline std::string be(std::uint64_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}
inline std::string box(std::string_view type, std::string_view body) {
    return be(body.size() + 8, 4) + std::string(type) + std::string(body);
}
inline std::string full_box(std::string_view type, unsigned version, std::uint32_t flags, std::string_view body) {
    return box(type, be(version, 1) + be(flags, 3) + std::string(body));
}
inline std::string zeros(std::size_t count) {
    return std::string(count, '\0');
}

struct Mp4Track {
    std::uint32_t id = 1;
    std::string handler = "vide", entry = "avc1";
    std::uint32_t timescale = 90'000;
    std::string config = {};  ///< boxes within the sample entry
    std::uint32_t default_flags = 0;
    std::string edits = {};  ///< an edts box
    std::string language = "und";
};

inline std::string trak(const Mp4Track& t) {
    const auto entry = box(t.entry, zeros(8) +
                                        zeros(t.handler == "vide"   ? 70
                                              : t.handler == "soun" ? 20
                                                                    : 0) +
                                        t.config);
    unsigned language = 0;
    for (const char c : t.language) language = language << 5 | static_cast<unsigned>(c - 0x60);
    const auto mdia =
        box("mdia", full_box("mdhd", 0, 0, zeros(8) + be(t.timescale, 4) + zeros(4) + be(language, 2) + zeros(2)) +
                        full_box("hdlr", 0, 0, zeros(4) + t.handler + zeros(13)) +
                        box("minf", box("stbl", full_box("stsd", 0, 0, be(1, 4) + entry))));
    return box("trak", full_box("tkhd", 0, 3, zeros(8) + be(t.id, 4) + zeros(68)) + t.edits + mdia);
}

template <class Tracks>
std::string mp4_header(const Tracks& tracks, std::uint32_t movie_timescale = 1000) {
    std::string traks, trexs;
    for (const Mp4Track& t : tracks) {
        traks += trak(t);
        trexs += full_box("trex", 0, 0, be(t.id, 4) + be(1, 4) + be(3600, 4) + be(0, 4) + be(t.default_flags, 4));
    }
    return box("ftyp", "iso6" + be(0, 4) + "iso6cmfc") +
           box("moov",
               full_box("mvhd", 0, 0, zeros(8) + be(movie_timescale, 4) + zeros(84)) + traks + box("mvex", trexs));
}

/// One traf: a tfdt (version 1, or 0 when `narrow`), a trun of `samples` samples with its first one's flags.
inline std::string traf(std::uint32_t track, std::uint64_t decode_time, std::uint32_t samples, bool sync,
                        bool narrow = false) {
    return box("traf",
               full_box("tfhd", 0, 0x02'0000, be(track, 4)) +
                   full_box("tfdt", narrow ? 0 : 1, 0, be(decode_time, narrow ? 4 : 8)) +
                   full_box("trun", 0, 0x05, be(samples, 4) + be(0, 4) + be(sync ? 0x0200'0000 : 0x0101'0000, 4)));
}
inline std::string moof(std::uint32_t number, std::string_view trafs) {
    return box("moof", full_box("mfhd", 0, 0, be(number, 4)) + std::string(trafs));
}
/// A moof with its mdat of `size` bytes.
inline std::string fragment(std::uint32_t number, std::string_view trafs, std::size_t size) {
    std::string media;
    while (media.size() < size) media += static_cast<char>('a' + (number + media.size()) % 23);
    return moof(number, trafs) + box("mdat", media);
}

}  // namespace weir::test
