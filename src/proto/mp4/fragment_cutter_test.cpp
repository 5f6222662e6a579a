#include "proto/mp4/fragment_cutter.h"

#include <gtest/gtest.h>

#include <random>

#include "cutter_check.h"
#include "mp4_maker.h"
#include "proto/mp4/whole_fragments.h"

namespace weir::mp4 {
namespace {

using namespace std::chrono_literals;
using namespace test;

const std::vector<Mp4Track> both{{.id = 1, .default_flags = 0x10000},
                                 {.id = 2, .handler = "soun", .entry = "mp4a", .timescale = 48'000}};
const std::vector<Mp4Track> sound{{.id = 2, .handler = "soun", .entry = "mp4a", .timescale = 48'000}};

/// A cutter that has its header already.
std::unique_ptr<FragmentCutter> with_header(const std::string& header, CutterSettings settings = {}) {
    auto cutter = std::make_unique<FragmentCutter>(settings);
    EXPECT_TRUE(cutter->set_header(Bytes::copy_of(header)).has_value());
    return cutter;
}

Result<> feed(UnitCutter& cutter, std::string_view text, std::vector<Item>& items) {
    return cutter.feed(Bytes::copy_of(text), {}, items);
}

TEST(FragmentCutter, RealSegmentsInAnyPieces) {
    const auto header = media_file("hls_init.mp4");
    for (const auto* name : {"hls_seg0.m4s", "hls_seg1.m4s"}) {
        const auto text = media_file(name);
        expect_pieces_do_not_matter([&] { return with_header(header); }, text);
        const auto cutter = with_header(header);
        const auto got = sorted(cut_unit(*cutter, text, 1000));
        EXPECT_EQ(got.bytes, text);
        ASSERT_EQ(got.chunks.size(), 1u);
        EXPECT_TRUE(got.chunks[0].rap && got.chunks[0].unit_begin && got.chunks[0].unit_end);
        EXPECT_EQ(got.chunks[0].duration, 1s);
        ASSERT_EQ(got.inits.size(), 1u);
        EXPECT_EQ(got.inits[0]->header.text(), header);
        EXPECT_EQ(got.inits[0]->format.container, Container::fmp4);
    }
}

TEST(FragmentCutter, AWholeFileBringsItsHeader) {
    const auto text = media_file("h264_aac_fragmented.mp4");
    expect_pieces_do_not_matter([] { return std::make_unique<FragmentCutter>(); }, text);
    FragmentCutter cutter;
    const auto got = sorted(cut_unit(cutter, text, 777));
    ASSERT_EQ(got.chunks.size(), 2u);
    EXPECT_EQ(std::string(got.inits[0]->header.text()) + got.bytes, text.substr(0, text.size() - 148));  // without mfra
    EXPECT_EQ(cutter.stats().dropped_bytes, 148u);
    EXPECT_NEAR(static_cast<double>(got.chunks[1].dts->count()), 1e6,
                25e3);  // the encoder moved the pictures by its delay
    EXPECT_TRUE(got.chunks[1].rap);
}

TEST(FragmentCutter, OnePieceIsSlicedAndManyAreCopiedOnce) {
    const auto segment = fragment(1, traf(1, 0, 25, true), 200'000);
    const auto cutter = with_header(mp4_header(both));
    const auto piece = Bytes::copy_of(segment);
    std::vector<Item> items;
    ASSERT_TRUE(cutter->feed(piece, {}, items).has_value());
    EXPECT_EQ(sorted(items).chunks.at(0).bytes.data(), piece.data());
    EXPECT_EQ(cutter->stats().copied_bytes, 0u);
    (void)cut_unit(*cutter, segment, 16'384);
    EXPECT_LE(cutter->stats().copied_bytes, segment.size() + 16'384);
}

TEST(FragmentCutter, BoxesBeforeAFragmentStayWithIt) {
    const auto a = box("styp", "msdh") + full_box("prft", 0, 0, zeros(20)) + box("emsg", "x") + box("wxyz", "?") +
                   fragment(1, traf(1, 0, 25, true), 100);
    const auto b = fragment(2, traf(1, 90'000, 25, false), 50);
    const auto cutter = with_header(mp4_header(both));
    const auto got = sorted(cut_unit(*cutter, a + b + box("free", "zz"), 10'000));
    ASSERT_EQ(got.chunks.size(), 2u);
    EXPECT_EQ(got.chunks[0].bytes.text(), a);
    EXPECT_EQ(got.chunks[1].bytes.text(), b);
    EXPECT_TRUE(got.chunks[0].rap);
    EXPECT_FALSE(got.chunks[1].rap);
    EXPECT_EQ(got.chunks[1].dts, 1s);
    EXPECT_FALSE(got.chunks[0].unit_end);
    EXPECT_TRUE(got.chunks[1].unit_end);
    EXPECT_TRUE(got.gaps.empty());
}

TEST(FragmentCutter, TimeIsThatOfTheMainTrackWithOneOffset) {
    const auto cutter = with_header(mp4_header(both));
    cutter->rebase(70s);
    const auto text = fragment(1, traf(2, 48'000 * 9, 10, true) + traf(1, 900'000, 25, true), 10) +
                      fragment(2, traf(2, 48'000 * 3, 10, true), 10) + fragment(3, traf(1, 990'000, 25, false), 10);
    std::vector<Item> items;
    ASSERT_TRUE(feed(*cutter, text, items).has_value());
    const auto got = sorted(items);
    ASSERT_EQ(got.chunks.size(), 3u);
    EXPECT_EQ(got.chunks[0].raw_dts, 10s);
    EXPECT_EQ(got.chunks[0].dts, 70s);
    EXPECT_EQ(got.chunks[1].dts, 70s);  // sound only: the time of the one before
    EXPECT_FALSE(got.chunks[1].rap);
    EXPECT_EQ(got.chunks[2].dts, 71s);
    EXPECT_EQ(cutter->offset(), 60s);
}

TEST(FragmentCutter, SoundOnlyMayBeginAnywhere) {
    const auto cutter = with_header(mp4_header(sound));
    const auto got = sorted(cut_unit(*cutter, fragment(1, traf(2, 96'000, 10, false), 10), 1000));
    EXPECT_TRUE(got.chunks.at(0).rap);
    EXPECT_EQ(got.chunks.at(0).raw_dts, 2s);
}

TEST(FragmentCutter, AJumpIsABreakOfItsOwnAndAKnownGapIsNot) {
    const auto cutter = with_header(mp4_header(both));
    std::vector<Item> items;
    const auto unit = [&](std::uint64_t number, std::uint64_t ticks, Micros expected) {
        cutter->begin_unit(number, 0, 1s, expected, 0s);
        ASSERT_TRUE(feed(*cutter, fragment(1, traf(1, ticks, 25, true), 10), items).has_value());
        ASSERT_TRUE(cutter->end_unit(items).has_value());
    };
    unit(1, 0, 0s);
    unit(62, 61 * 90'000, 61s);
    EXPECT_EQ(cutter->unit_start(), 61s);
    unit(63, 90'000 * 100'000ull, 62s);
    EXPECT_EQ(cutter->unit_start(), 62s);
    unit(64, 0, 63s);
    EXPECT_EQ(cutter->unit_start(), 63s);
    const auto got = sorted(items);
    ASSERT_EQ(got.breaks.size(), 2u);
    EXPECT_EQ(got.breaks[0].unit, 63u);
    EXPECT_EQ(got.breaks[1].unit, 64u);
}

TEST(FragmentCutter, ANarrowClockIsCountedOnPastItsWrap) {
    const auto cutter = with_header(mp4_header(both));
    std::vector<Item> items;
    constexpr std::uint64_t wrap = std::uint64_t{1} << 32;
    ASSERT_TRUE(
        feed(*cutter,
             fragment(1, traf(1, wrap - 90'000, 25, true, true), 10) + fragment(2, traf(1, 0, 25, true, true), 10),
             items)
            .has_value());
    const auto got = sorted(items);
    EXPECT_TRUE(got.breaks.empty());
    EXPECT_EQ(*got.chunks.at(1).raw_dts - *got.chunks.at(0).raw_dts, 1s);
    const auto lane = with_header(mp4_header(both));
    lane->set_offset(*got.chunks[1].dts - *got.chunks[1].raw_dts);  // of a lane that wrapped
    const auto other = sorted(cut_unit(*lane, fragment(3, traf(1, 90'000, 25, true, true), 10), 1000));
    EXPECT_EQ(other.chunks.at(0).dts, 2s);
}

TEST(FragmentCutter, AnotherLanesOffsetBehindStreamTimeIsNoBreak) {
    const auto cutter = with_header(mp4_header(both));
    std::vector<Item> items;
    const auto add = [&](std::uint64_t seconds) {
        ASSERT_TRUE(feed(*cutter, fragment(1, traf(1, seconds * 90'000, 25, true), 10), items).has_value());
    };
    add(10);
    add(12);  // stream time 2 s
    cutter->set_offset(-20s);
    for (const auto s : {20u, 21u, 22u, 23u}) add(s);
    const auto got = sorted(items);
    EXPECT_TRUE(got.breaks.empty());
    EXPECT_EQ(got.chunks.at(2).dts, 2s);  // never back: it waits until the lane has caught up
    EXPECT_EQ(got.chunks.at(5).dts, 3s);
}

TEST(FragmentCutter, WithoutTfdtDurationsGoOn) {
    const auto plain =
        box("traf", full_box("tfhd", 0, 0x08, be(1, 4) + be(45'000, 4)) + full_box("trun", 0, 0, be(2, 4)));
    const auto cutter = with_header(mp4_header(both));
    const auto got =
        sorted(cut_unit(*cutter, fragment(1, plain, 5) + fragment(2, plain, 5) + fragment(3, plain, 5), 5000));
    ASSERT_EQ(got.chunks.size(), 3u);
    EXPECT_EQ(got.chunks[2].raw_dts, 2s);
    EXPECT_FALSE(got.chunks[2].rap);  // trex says so
}

TEST(FragmentCutter, AnotherHeaderOrRenditionIsANewEpoch) {
    const auto one = mp4_header(both), two = mp4_header(both, 600);
    const auto cutter = with_header(one);
    std::vector<Item> items;
    const auto add = [&](std::uint32_t n) {
        ASSERT_TRUE(feed(*cutter, fragment(n, traf(1, n * 90'000ull, 25, true), 10), items).has_value());
    };
    add(1);
    ASSERT_TRUE(cutter->set_header(Bytes::copy_of(one)).has_value());
    add(2);
    ASSERT_TRUE(cutter->set_header(Bytes::copy_of(two)).has_value());
    add(3);
    cutter->new_epoch();
    ASSERT_TRUE(cutter->set_header(Bytes::copy_of(two)).has_value());
    add(4);
    ASSERT_TRUE(feed(*cutter, two + fragment(5, traf(1, 5 * 90'000, 25, true), 10), items).has_value());
    const auto got = sorted(items);
    ASSERT_EQ(got.inits.size(), 3u);
    EXPECT_EQ(got.inits[1]->header.text(), two);
    EXPECT_EQ(got.inits[2]->epoch, 3u);
    EXPECT_TRUE(got.breaks.empty());
    EXPECT_EQ(got.chunks.back().epoch, 3u);
}

TEST(FragmentCutter, ATornUnitIsAnErrorAndItsWholeFragmentsStay) {
    const auto first = fragment(1, traf(1, 0, 25, true), 100), second = fragment(2, traf(1, 90'000, 25, true), 100);
    for (std::size_t cut = 1; cut < second.size(); ++cut) {
        const auto cutter = with_header(mp4_header(both));
        std::vector<Item> items;
        cutter->begin_unit(1, 0, 1s, 0s, 0s);
        ASSERT_TRUE(feed(*cutter, first + second.substr(0, cut), items).has_value());
        const auto ended = cutter->end_unit(items);
        ASSERT_FALSE(ended.has_value()) << cut;
        EXPECT_EQ(ended.error().code, Errc::bad_input);
        EXPECT_EQ(ended.error().what, "the segment ends inside a fragment");
        cutter->abandon_unit(items);
        const auto got = sorted(items);
        EXPECT_EQ(got.bytes, first);
        EXPECT_FALSE(got.chunks.back().unit_end);
        // the retry starts from a clean slate
        const auto again = cut_unit(*cutter, second, 7, 2);
        items.insert(items.end(), again.begin(), again.end());
        EXPECT_EQ(sorted(items).bytes, first + second);
    }
}

TEST(FragmentCutter, WhatBreaksTheRulesIsRefusedBeforeMemoryIsTaken) {
    struct Case {
        std::string text;
        const char* part;
    };
    const auto head = moof(1, traf(1, 0, 25, true));
    const Case cases[] = {
        {head + be(17u << 20, 4) + "mdat", "above the limit"},
        {be(1, 4) + "mdat" + be(UINT64_MAX, 8), "above the limit"},
        {head + be(0, 4) + "mdat", "does not say where it ends"},
        {head + be(3, 4) + "mdat", "smaller than its head"},
        {box("mdat", "abc"), "without a fragment's head"},
        {head + head, "no media data"},
        {head + box("ftyp", "isom"), "a header within a fragment"},
        {box("ftyp", "isom") + head, "without its moov"},
        {box("moof", "") + box("mdat", ""), "no mfhd"},
        {moof(1, box("traf", "")) + box("mdat", ""), "without tfhd"},
        {fragment(1, traf(1, UINT64_MAX, 1, true), 1), "out of range"},
        {be(5u << 20, 4) + "moov", "above the limit"},
    };
    for (const auto& c : cases)
        for (const std::size_t piece : {1u, 5u, 4096u}) {
            const auto cutter = with_header(mp4_header(both));
            std::vector<Item> items;
            Result<> r;
            for (std::size_t at = 0; r && at < c.text.size(); at += piece)
                r = feed(*cutter, c.text.substr(at, piece), items);
            ASSERT_FALSE(r.has_value()) << c.part;
            EXPECT_EQ(r.error().code, Errc::bad_input);
            EXPECT_NE(r.error().what.find(c.part), std::string::npos) << r.error().what;
            EXPECT_TRUE(sorted(items).chunks.empty());
        }
    FragmentCutter bare;
    std::vector<Item> items;
    EXPECT_FALSE(feed(bare, fragment(1, traf(1, 0, 25, true), 10), items).has_value());
    bare.begin_unit(1, 0, 1s, 0s, 0s);
    EXPECT_FALSE(bare.end_unit(items).has_value());
}

TEST(WholeFragments, EveryCutPointOfARealFile) {
    const auto text = media_file("h264_aac_fragmented.mp4");
    const std::size_t header = 28 + 1243, first = header + 560 + 17454, second = first + 624 + 12557;
    for (std::size_t cut = 0; cut <= text.size(); cut += cut < 3000 ? 1 : 61) {
        const auto found = whole_fragments(std::as_bytes(std::span(text).first(cut)));
        const auto expected = cut >= second ? second : cut >= first ? first : cut >= header ? header : 0;
        ASSERT_EQ(found.end, expected) << cut;
        EXPECT_EQ(found.why.empty(), cut == expected) << cut << found.why;
    }
}

TEST(WholeFragments, ZerosGarbageAndTornHeadsAreCutOff) {
    const auto good =
        fragment(1, traf(1, 0, 25, true), 100) + box("styp", "") + fragment(2, traf(1, 90'000, 25, true), 100);
    auto zeroed = fragment(3, traf(1, 0, 25, true), 100);
    std::fill(zeroed.begin() + 8, zeroed.begin() + 60, '\0');
    const std::string tails[] = {zeros(4096),
                                 "garbage, of some length",
                                 box("styp", ""),
                                 zeroed,
                                 be(0, 4) + "mdat",
                                 box("mdat", "x"),
                                 be(1, 4) + "moof" + be(UINT64_MAX, 8),
                                 moof(3, traf(1, 0, 1, true)),
                                 box("ftyp", "isom"),
                                 mp4_header(both),
                                 std::string(3, '\xff')};
    for (const auto& tail : tails) {
        const auto text = good + tail;
        const auto found = whole_fragments(std::as_bytes(std::span(text)));
        EXPECT_EQ(found.end, good.size());
        EXPECT_EQ(found.fragments, 2u);
        EXPECT_EQ(found.header, 0u);
        EXPECT_FALSE(found.why.empty());
    }
    EXPECT_EQ(whole_fragments(std::as_bytes(std::span(good))).why, "");
}

TEST(WholeFragments, AReadErrorIsTheCallersToKnow) {
    const ReadAt read = [](std::uint64_t, std::span<std::byte>) -> Result<std::size_t> {
        return Error{Errc::io, "disk"};
    };
    EXPECT_EQ(whole_fragments(read, 0, 100).error().code, Errc::io);
}

}  // namespace
}  // namespace weir::mp4
