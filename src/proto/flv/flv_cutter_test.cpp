#include "proto/flv/flv_cutter.h"

#include <gtest/gtest.h>

#include "cutter_check.h"
#include "mp4_maker.h"

namespace weir::flv {
namespace {

using namespace std::chrono_literals;
using namespace test;

std::string tag(int type, std::uint32_t ms, std::string_view body) {
    return be(static_cast<unsigned>(type), 1) + be(body.size(), 3) + be(ms & 0xff'ffff, 3) + be(ms >> 24, 1) +
           zeros(3) + std::string(body) + be(body.size() + 11, 4);
}
std::string head(unsigned flags) {
    return std::string("FLV\x01", 4) + be(flags, 1) + be(9, 4) + zeros(4);
}
std::string meta(char mark = 'a') {
    return tag(18, 0, std::string("\x02\0\x0aonMetaData", 13) + mark);
}
std::string avc_head(char mark = 'a') {
    return tag(9, 0, std::string("\x17\0\0\0\0\1", 6) + mark);
}
std::string aac_head() {
    return tag(8, 0, std::string("\xaf\0\x12\x08", 4));
}
std::string picture(std::uint32_t ms, bool key, std::size_t size = 100) {
    return tag(9, ms, std::string(key ? "\x17" : "\x27") + std::string("\1\0\0\0", 4) + std::string(size, 'p'));
}
std::string sound(std::uint32_t ms) {
    return tag(8, ms, std::string("\xaf\1") + std::string(20, 's'));
}
std::string second(std::uint32_t ms) {
    std::string out;
    for (std::uint32_t t = 0; t < 1000; t += 40) out += picture(ms + t, t == 0) + sound(ms + t);
    return out;
}

std::unique_ptr<UnitCutter> fresh() {
    return std::make_unique<Cutter>();
}

/// The file that a recording of the items is: header and chunks of each epoch.
void expect_files_are_whole(const CutItems& got) {
    for (const auto& init : got.inits) {
        std::string file(init->header.text());
        for (const auto& c : got.chunks)
            if (c.epoch == init->epoch) file += c.bytes.text();
        const auto whole = whole_tags(std::as_bytes(std::span(file)));
        EXPECT_EQ(whole.end, file.size()) << whole.why;
    }
}

TEST(FlvCutter, ARealFileInAnyPieces) {
    const auto text = media_file("h264_aac.flv");
    expect_pieces_do_not_matter(fresh, text);
    const auto cutter = fresh();
    const auto got = sorted(cut_unit(*cutter, text, 1000));
    ASSERT_EQ(got.inits.size(), 1u);
    EXPECT_EQ(std::string(got.inits[0]->header.text()) + got.bytes, text);
    const auto& tracks = got.inits[0]->tracks;
    ASSERT_EQ(tracks.size(), 2u);
    EXPECT_EQ(tracks[0].codec + " " + tracks[1].codec, "h264 aac");
    EXPECT_EQ(tracks[0].extradata.text()[0], '\x01');
    EXPECT_EQ(tracks[1].extradata.text().substr(0, 2), "\x12\x08");
    EXPECT_EQ(std::count_if(got.chunks.begin(), got.chunks.end(), [](auto& c) { return c.rap; }), 2);
    for (const auto& c : got.chunks) EXPECT_LE(c.bytes.size(), 64u << 10);
    expect_files_are_whole(got);
}

TEST(FlvCutter, ChunksAreShortAndKeyframesBeginThem) {
    const auto cutter = fresh();
    const auto text = second(5000) + second(6000);
    const auto got = sorted(cut_unit(*cutter, head(5) + meta() + avc_head() + aac_head() + text, 333));
    EXPECT_EQ(got.bytes, text);
    EXPECT_EQ(got.inits.at(0)->header.text(), head(5) + meta() + avc_head() + aac_head());
    std::vector<std::int64_t> raps;
    for (const auto& c : got.chunks) {
        if (c.rap) raps.push_back(c.raw_dts->count());
        EXPECT_LE(c.bytes.size(), 6 * (picture(0, true).size() + sound(0).size()));
    }
    EXPECT_EQ(raps, (std::vector<std::int64_t>{5'000'000, 6'000'000}));
    EXPECT_EQ(got.chunks.at(0).dts, 0s);
    EXPECT_EQ(cutter->offset(), -5s);
}

TEST(FlvCutter, SoundOnlyAndPromisesNotKept) {
    std::string text;
    for (std::uint32_t t = 0; t < 3000; t += 20) text += sound(t);
    const auto cutter = fresh();
    const auto got = sorted(cut_unit(*cutter, head(5) + aac_head() + text, 77));
    EXPECT_EQ(got.bytes, text);
    ASSERT_EQ(got.inits.size(), 1u);
    EXPECT_EQ(got.inits[0]->tracks.size(), 1u);
    EXPECT_TRUE(std::all_of(got.chunks.begin(), got.chunks.end(), [](auto& c) { return c.rap; }));
    EXPECT_GE(got.chunks.size(), 14u);
}

TEST(FlvCutter, ALateSoundHeaderIsWaitedFor) {
    const auto cutter = fresh();
    const auto a = picture(0, true) + picture(40, false);
    const auto got = sorted(cut_unit(*cutter, head(5) + avc_head() + a + aac_head() + sound(50), 1000));
    ASSERT_EQ(got.inits.size(), 1u);
    EXPECT_EQ(got.inits[0]->header.text(), head(5) + avc_head() + aac_head());
    EXPECT_EQ(got.bytes, a + sound(50));
}

TEST(FlvCutter, AChangedSequenceHeaderIsANewEpochAndAnEqualOneIsNot) {
    const auto start = head(5) + meta() + avc_head() + aac_head();
    const auto text = start + second(0) + avc_head() + second(1000) + meta('b') + avc_head('b') + second(2000);
    expect_pieces_do_not_matter(fresh, text);
    const auto cutter = fresh();
    const auto got = sorted(cut_unit(*cutter, text, 500));
    ASSERT_EQ(got.inits.size(), 2u);
    EXPECT_EQ(got.inits[1]->header.text(), head(5) + meta('b') + avc_head('b') + aac_head());
    EXPECT_EQ(got.bytes, second(0) + avc_head() + second(1000) + second(2000));
    EXPECT_TRUE(got.breaks.empty());
    expect_files_are_whole(got);
}

TEST(FlvCutter, AnotherConnectionBeginsAgain) {
    const auto start = head(5) + meta() + avc_head() + aac_head();
    Cutter cutter;
    std::vector<Item> items;
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(start + second(70'000) + picture(71'000, true).substr(0, 50)), {}, items)
                    .has_value());
    cutter.abandon_unit(items);
    cutter.rebase(3s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(start + second(500)), {}, items).has_value());
    ASSERT_TRUE(cutter.end_unit(items).has_value());
    const auto got = sorted(items);
    EXPECT_EQ(got.inits.size(), 1u);
    EXPECT_EQ(cutter.last_dts(), 3s + 960ms);
    EXPECT_EQ(got.bytes, second(70'000) + meta() + avc_head() + aac_head() + second(500));
    expect_files_are_whole(got);
}

/// Found by the fuzzer in CI: the first epoch's chunk went out open, and what came after it was no media.
TEST(FlvCutter, AUnitIsClosedWhenItsLastEpochHasNoMedia) {
    const auto note = tag(18, 0, "a note");
    const auto text = head(5) + avc_head() + aac_head() + note + avc_head('b') + aac_head();
    for (const std::size_t piece : {1u, 7u, 1000u}) {
        const auto cutter = fresh();
        const auto got = sorted(cut_unit(*cutter, text, piece));
        ASSERT_FALSE(got.chunks.empty());
        EXPECT_TRUE(got.chunks.back().unit_end);
        EXPECT_EQ(got.bytes, note + aac_head());
        expect_files_are_whole(got);
    }
}

TEST(FlvCutter, TheClockWrapsAndAJumpIsABreak) {
    const auto start = head(1) + avc_head();
    const auto cutter = fresh();
    const auto wrapping = sorted(cut_unit(*cutter, start + picture(0xffff'fff0, true) + picture(24, true), 1000));
    EXPECT_TRUE(wrapping.breaks.empty());
    EXPECT_EQ(cutter->last_dts(), 40ms);
    const auto other = fresh();
    const auto jumping = sorted(cut_unit(*other, start + second(0) + second(3'600'000), 1000));
    EXPECT_EQ(jumping.breaks.size(), 1u);
    EXPECT_EQ(jumping.bytes, second(0) + second(3'600'000));
    EXPECT_EQ(other->last_dts(), 960ms + 960ms);
}

TEST(FlvCutter, EnhancedRtmpCodecsAreNamed) {
    struct Case {
        int type;
        std::string start, coded, codec;
    };
    const Case cases[] = {{9, std::string("\x90") + "hvc1cfg", std::string("\x93") + "hvc1data", "hevc"},
                          {9, std::string("\x90") + "av01cfg", std::string("\x91") + "av01data", "av1"},
                          {9, std::string("\x90") + "vp09cfg", std::string("\x91") + "vp09data", "vp9"},
                          {8, std::string("\x90") + "Opuscfg", std::string("\x91") + "Opusdata", "opus"},
                          {9, std::string("\x1c\0\0\0\0cfg", 8), std::string("\x1c\1\0\0\0data", 9), "hevc"}};
    for (const auto& c : cases) {
        const auto cutter = fresh();
        const auto got =
            sorted(cut_unit(*cutter, head(c.type == 9 ? 1 : 4) + tag(c.type, 0, c.start) + tag(c.type, 0, c.coded), 7));
        EXPECT_EQ(got.inits.at(0)->tracks.at(0).codec, c.codec);
        EXPECT_EQ(got.inits[0]->tracks[0].extradata.text(), "cfg") << c.codec;
        EXPECT_EQ(got.bytes, tag(c.type, 0, c.coded));
        EXPECT_TRUE(got.chunks.at(0).rap) << c.codec;
    }
}

TEST(FlvCutter, PreviousTagSizesThatServersGetWrongAreMended) {
    auto wrong = picture(0, true);
    const auto right = wrong;
    for (const std::uint64_t said : {std::uint64_t{0}, std::uint64_t{right.size() - 15}}) {
        wrong.replace(wrong.size() - 4, 4, be(said, 4));
        Cutter cutter;
        EXPECT_EQ(sorted(cut_unit(cutter, head(1) + avc_head() + wrong, 50)).bytes, right);
        EXPECT_EQ(cutter.stats().mended, 1u);
    }
}

TEST(FlvCutter, WhatBreaksTheRulesIsAnError) {
    auto bad_back = picture(0, true);
    bad_back.back() = '\x7f';
    for (const auto& text : {std::string("FLX junk and more junk"), picture(0, true), head(5) + "not a tag at all",
                             std::string("FLV\x01\x05\xff\0\0\0\0\0\0\0", 13), head(1) + avc_head() + bad_back}) {
        const auto cutter = fresh();
        std::vector<Item> items;
        EXPECT_EQ(cutter->feed(Bytes::copy_of(text), {}, items).error().code, Errc::bad_input);
    }
    const auto cutter = fresh();
    std::vector<Item> items;
    cutter->begin_unit(1, 0, 1s, 0s, 0s);
    ASSERT_TRUE(cutter->feed(Bytes::copy_of(head(5) + second(0).substr(0, 300)), {}, items).has_value());
    EXPECT_EQ(cutter->end_unit(items).error().code, Errc::bad_input);
    cutter->abandon_unit(items);
    cutter->begin_unit(2, 0, 1s, 0s, 0s);
    ASSERT_TRUE(cutter->feed(Bytes::copy_of(head(5) + meta()), {}, items).has_value());
    EXPECT_EQ(cutter->end_unit(items).error().code, Errc::bad_input);
    EXPECT_EQ(cutter->set_header(Bytes()).error().code, Errc::unsupported);
}

TEST(WholeTags, EveryCutPoint) {
    const std::string parts[] = {head(5), meta(), avc_head(), picture(0, true), sound(0), picture(40, false)};
    std::string text;
    std::vector<std::size_t> ends;
    for (const auto& p : parts) ends.push_back((text += p).size());
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const auto got = whole_tags(std::as_bytes(std::span(text).first(cut)));
        std::size_t expected = 0;
        for (const auto e : ends)
            if (e <= cut) expected = e;
        EXPECT_EQ(got.end, expected) << cut;
        EXPECT_EQ(got.why.empty(), cut == expected) << cut << got.why;
    }
    for (const auto& tail : {zeros(500), std::string(500, 'g'), std::string("\x09\xff\xff\xff", 4) + zeros(60)}) {
        const auto torn = text + tail;
        EXPECT_EQ(whole_tags(std::as_bytes(std::span(torn))).end, text.size());
    }
    const ReadAt broken = [](std::uint64_t, std::span<std::byte>) -> Result<std::size_t> {
        return Error{Errc::io, "disk"};
    };
    EXPECT_EQ(whole_tags(broken, 0, 100).error().code, Errc::io);
}

}  // namespace
}  // namespace weir::flv
