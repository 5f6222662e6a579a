#include "media/access_unit.h"

#include <xxhash.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weir::media {
namespace {

using Span = std::span<const std::uint8_t>;

Span without_trailing_zeros(Span nal) noexcept {
    while (!nal.empty() && nal.back() == 0) nal = nal.first(nal.size() - 1);
    return nal;
}

bool moved_by_containers(UnitCoding coding, std::uint8_t first) noexcept {
    if (coding == UnitCoding::h264) {
        const int type = first & 0x1f;
        return type == 7 || type == 8 || type == 9 || type == 12 ||
               type == 13;  // SPS, PPS, delimiter, filler, SPS extension
    }
    const int type = (first >> 1) & 0x3f;
    return (type >= 32 && type <= 35) || type == 38;  // VPS, SPS, PPS, delimiter; filler
}

std::uint64_t with_nal(UnitCoding coding, std::uint64_t so_far, Span nal) noexcept {
    nal = without_trailing_zeros(nal);
    if (nal.empty() || moved_by_containers(coding, nal[0])) return so_far;
    return XXH3_64bits_withSeed(nal.data(), nal.size(), so_far);
}

/// Index of the 1 of the next 00 00 01 at or after `from`, or the size.
std::size_t next_start_code(Span bytes, std::size_t from) noexcept {
    std::size_t at = from + 2;
#ifdef __SSE2__
    // Sixteen places at a time: this reads all pictures there are.
    const auto load = [&](std::size_t i) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + i));
    };
    const __m128i zero = _mm_setzero_si128(), one = _mm_set1_epi8(1);
    for (; at + 16 <= bytes.size(); at += 16) {
        const __m128i zeros = _mm_cmpeq_epi8(_mm_or_si128(load(at - 2), load(at - 1)), zero);
        const auto found =
            static_cast<unsigned>(_mm_movemask_epi8(_mm_and_si128(zeros, _mm_cmpeq_epi8(load(at), one))));
        if (found) return at + static_cast<std::size_t>(__builtin_ctz(found));
    }
#endif
    for (; at < bytes.size(); ++at)
        if (bytes[at] == 1 && bytes[at - 1] == 0 && bytes[at - 2] == 0) return at;
    return bytes.size();
}

std::uint64_t hash_start_codes(UnitCoding coding, Span unit) noexcept {
    std::size_t code = next_start_code(unit, 0);
    if (code == unit.size()) return with_nal(coding, 0, unit);  // no start code at all: one bare unit
    std::uint64_t hash = 0;
    while (code < unit.size()) {
        const std::size_t begin = code + 1;
        code = next_start_code(unit, begin);
        const std::size_t end = code == unit.size() ? code : code - 2;
        hash = with_nal(coding, hash, unit.subspan(begin, end - begin));
    }
    return hash;
}

std::uint64_t hash_lengths(UnitCoding coding, int nal_length, Span unit) noexcept {
    const auto prefix = static_cast<std::size_t>(nal_length);
    std::uint64_t hash = 0;
    while (unit.size() >= prefix) {
        std::size_t size = 0;
        for (std::size_t i = 0; i < prefix; ++i) size = size << 8 | unit[i];
        unit = unit.subspan(prefix);
        if (size > unit.size()) size = unit.size();
        hash = with_nal(coding, hash, unit.first(size));
        unit = unit.subspan(size);
    }
    return unit.empty() ? hash : XXH3_64bits_withSeed(unit.data(), unit.size(), hash);
}

}  // namespace

UnitCoding coding_of(std::string_view codec) noexcept {
    if (codec == "h264") return UnitCoding::h264;
    if (codec == "hevc") return UnitCoding::hevc;
    if (codec == "aac") return UnitCoding::aac;
    return UnitCoding::whole;
}

std::size_t adts_header_size(Span frame) noexcept {
    if (frame.size() < 7 || frame[0] != 0xff || (frame[1] & 0xf6) != 0xf0 || (frame[2] >> 2 & 0xf) > 12) return 0;
    const std::size_t header = frame[1] & 1 ? 7 : 9;
    const std::size_t length = static_cast<std::size_t>(frame[3] & 3) << 11 | static_cast<std::size_t>(frame[4]) << 3 |
                               static_cast<std::size_t>(frame[5]) >> 5;
    return length >= header && frame.size() >= header ? header : 0;  // a torn frame keeps its header
}

int nal_length_of(UnitCoding coding, Span extradata) noexcept {
    if (extradata.empty() || extradata[0] != 1) return 0;
    if (coding == UnitCoding::h264 && extradata.size() >= 7) return (extradata[4] & 3) + 1;
    if (coding == UnitCoding::hevc && extradata.size() >= 23) return (extradata[21] & 3) + 1;
    return 0;
}

std::uint64_t hash_unit(UnitCoding coding, int nal_length, Span unit) noexcept {
    switch (coding) {
        case UnitCoding::h264:
        case UnitCoding::hevc:
            return nal_length ? hash_lengths(coding, nal_length, unit) : hash_start_codes(coding, unit);
        case UnitCoding::aac:
            unit = unit.subspan(adts_header_size(unit));
            break;
        case UnitCoding::whole:
            break;
    }
    return XXH3_64bits(unit.data(), unit.size());
}

void split_start_codes(Span unit, std::vector<Span>& into) {
    into.clear();
    for (std::size_t code = next_start_code(unit, 0); code < unit.size();) {
        const std::size_t begin = code + 1;
        code = next_start_code(unit, begin);
        const auto nal = without_trailing_zeros(unit.subspan(begin, (code == unit.size() ? code : code - 2) - begin));
        if (!nal.empty()) into.push_back(nal);
    }
}

std::uint64_t fold(std::uint64_t track, std::uint64_t unit) noexcept {
    return XXH3_64bits_withSeed(&unit, sizeof unit, track);
}

}  // namespace weir::media
