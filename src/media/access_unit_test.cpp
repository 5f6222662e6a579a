#include "media/access_unit.h"

#include <gtest/gtest.h>

#include <vector>

namespace weir::media {
namespace {

using Unit = std::vector<std::uint8_t>;

constexpr std::uint8_t delimiter = 9, sps = 7, pps = 8, filler = 12, slice = 0x65, sei = 6;

Unit nal(std::uint8_t type, std::uint8_t fill) {
    return {type, fill, 0x11, 0x22, fill};
}
Unit start_codes(const std::vector<Unit>& nals, bool long_codes) {
    Unit out;
    for (const auto& n : nals) {
        if (long_codes) out.push_back(0);
        out.insert(out.end(), {0, 0, 1});
        out.insert(out.end(), n.begin(), n.end());
    }
    return out;
}
Unit lengths(const std::vector<Unit>& nals, int bytes) {
    Unit out;
    for (const auto& n : nals) {
        for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(n.size() >> (8 * i)));
        out.insert(out.end(), n.begin(), n.end());
    }
    return out;
}
Unit adts(const Unit& raw) {
    const std::size_t size = raw.size() + 7;
    Unit out{0xff,
             0xf1,
             0x4c,
             static_cast<std::uint8_t>(0x80 | size >> 11),
             static_cast<std::uint8_t>(size >> 3),
             static_cast<std::uint8_t>((size & 7) << 5 | 0x1f),
             0xfc};
    out.insert(out.end(), raw.begin(), raw.end());
    return out;
}

TEST(AccessUnit, H264HashesAlikeWithStartCodesAndWithLengths) {
    const std::vector<Unit> nals{nal(sei, 1), nal(slice, 2), nal(slice, 3)};
    const auto expected = hash_unit(UnitCoding::h264, 0, start_codes(nals, true));
    EXPECT_EQ(hash_unit(UnitCoding::h264, 0, start_codes(nals, false)), expected);
    for (const int bytes : {1, 2, 3, 4}) EXPECT_EQ(hash_unit(UnitCoding::h264, bytes, lengths(nals, bytes)), expected);
}

TEST(AccessUnit, WhatMuxersMoveAboutDoesNotCount) {
    const std::vector<Unit> bare{nal(slice, 2)};
    const std::vector<Unit> dressed{nal(delimiter, 0x10), nal(sps, 1), nal(pps, 1), nal(slice, 2), nal(filler, 0xff)};
    EXPECT_EQ(hash_unit(UnitCoding::h264, 0, start_codes(dressed, true)),
              hash_unit(UnitCoding::h264, 4, lengths(bare, 4)));
}

TEST(AccessUnit, TrailingZerosDoNotCount) {
    auto padded = start_codes({nal(slice, 2)}, true);
    const auto expected = hash_unit(UnitCoding::h264, 0, padded);
    padded.insert(padded.end(), 5, 0);
    EXPECT_EQ(hash_unit(UnitCoding::h264, 0, padded), expected);
}

TEST(AccessUnit, OneByteOfContentCounts) {
    const auto a = hash_unit(UnitCoding::h264, 0, start_codes({nal(slice, 2)}, true));
    EXPECT_NE(a, hash_unit(UnitCoding::h264, 0, start_codes({nal(slice, 3)}, true)));
    EXPECT_NE(a, hash_unit(UnitCoding::h264, 0, start_codes({nal(slice, 2), nal(slice, 2)}, true)));
}

TEST(AccessUnit, HevcParameterSetsDoNotCount) {
    const Unit vps{32 << 1, 1, 7}, hevc_sps{33 << 1, 1, 7}, aud{35 << 1, 1, 7}, picture{19 << 1, 1, 9, 9};
    EXPECT_EQ(hash_unit(UnitCoding::hevc, 0, start_codes({aud, vps, hevc_sps, picture}, true)),
              hash_unit(UnitCoding::hevc, 4, lengths({picture}, 4)));
}

TEST(AccessUnit, AacHashesAlikeWithAndWithoutAdtsHeader) {
    const Unit raw{0x21, 0x10, 0x05, 0x00, 0xa0};
    EXPECT_EQ(hash_unit(UnitCoding::aac, 0, adts(raw)), hash_unit(UnitCoding::aac, 0, raw));
    EXPECT_EQ(adts_header_size(adts(raw)), 7u);
    EXPECT_EQ(adts_header_size(raw), 0u);
}

TEST(AccessUnit, BrokenLengthsAndShortUnitsAreHarmless) {
    const Unit broken{0xff, 0xff, 0xff, 0xff, 0x65};
    EXPECT_EQ(hash_unit(UnitCoding::h264, 4, broken), hash_unit(UnitCoding::h264, 4, lengths({Unit{0x65}}, 4)));
    for (std::size_t size = 0; size < 8; ++size) {
        const Unit zeros(size, 0);
        for (const auto coding : {UnitCoding::whole, UnitCoding::aac, UnitCoding::h264, UnitCoding::hevc})
            for (const int bytes : {0, 1, 4}) (void)hash_unit(coding, bytes, zeros);
    }
    EXPECT_NE(hash_unit(UnitCoding::h264, 4, Unit{1, 2}), hash_unit(UnitCoding::h264, 4, Unit{1, 3}));
}

TEST(AccessUnit, NalLengthComesFromTheConfigurationBox) {
    EXPECT_EQ(nal_length_of(UnitCoding::h264, Unit{1, 0x64, 0, 0x1e, 0xff, 0xe1, 0}), 4);
    EXPECT_EQ(nal_length_of(UnitCoding::h264, Unit{1, 0x64, 0, 0x1e, 0xfd, 0xe1, 0}), 2);
    EXPECT_EQ(nal_length_of(UnitCoding::h264, Unit{0, 0, 0, 1, 0x67, 0x64, 0}), 0);
    EXPECT_EQ(nal_length_of(UnitCoding::h264, Unit{}), 0);
}

TEST(AccessUnit, StartCodesAreFoundAtEveryPlace) {
    // Longer than what is looked at in one step, with near misses all about.
    for (std::size_t place = 0; place < 70; ++place) {
        Unit unit(place, 0x11);
        for (std::size_t i = 2; i < place; i += 3) unit[i] = i % 2 ? 1 : 0;
        unit.insert(unit.end(), {0xff, 0, 0, 1, slice, 0, 1, 0, 3});
        std::vector<std::span<const std::uint8_t>> nals;
        split_start_codes(unit, nals);
        ASSERT_EQ(nals.size(), 1u) << place;
        EXPECT_EQ(nals[0].size(), 5u) << place;
        EXPECT_EQ(nals[0][0], slice) << place;
        unit.insert(unit.end(), {0, 0, 0, 0, 1, sei, 2, 0, 0});
        split_start_codes(unit, nals);
        ASSERT_EQ(nals.size(), 2u) << place;
        EXPECT_EQ(nals[0].size(), 5u) << place;
        EXPECT_EQ(nals[1].size(), 2u) << "without the zeros at its end";
    }
}

TEST(AccessUnit, FoldKeepsTheOrder) {
    EXPECT_NE(fold(fold(0, 1), 2), fold(fold(0, 2), 1));
}

}  // namespace
}  // namespace weir::media
