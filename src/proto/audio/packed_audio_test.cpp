#include "proto/audio/packed_audio.h"

#include <gtest/gtest.h>

#include <random>

#include "cutter_check.h"
#include "mp4_maker.h"

namespace weir::audio {
namespace {

using namespace std::chrono_literals;
using namespace test;

std::string synchsafe(std::size_t v) {
    return be((v & 0x7f) | (v >> 7 & 0x7f) << 8 | (v >> 14 & 0x7f) << 16 | (v >> 21 & 0x7f) << 24, 4);
}

/// A tag with another frame before the timestamp.
std::string tag(std::uint64_t ticks, int version = 4, bool footer = false) {
    const auto frame = [&](std::string_view id, std::string_view body) {
        return std::string(id) + (version >= 4 ? synchsafe(body.size()) : be(body.size(), 4)) + zeros(2) +
               std::string(body);
    };
    const auto body = frame("TXXX", std::string(200, 'x')) +
                      frame("PRIV", "com.apple.streaming.transportStreamTimestamp" + zeros(1) + be(ticks, 8)) +
                      zeros(20);
    return "ID3" + be(static_cast<unsigned>(version), 1) + zeros(1) + be(footer ? 0x10 : 0, 1) +
           synchsafe(body.size()) + body + (footer ? std::string(10, 'f') : "");
}

std::unique_ptr<UnitCutter> fresh() {
    return std::make_unique<PackedCutter>();
}

TEST(AudioFrame, RealFilesAreWalkedFrameByFrame) {
    struct Case {
        const char *file, *codec;
        std::uint32_t rate, samples;
    };
    for (const auto& c : {Case{"sound.aac", "aac", 44'100, 1024}, Case{"sound.mp3", "mp3", 44'100, 1152},
                          Case{"sound.ac3", "ac3", 44'100, 1536}, Case{"sound.eac3", "eac3", 44'100, 1536}}) {
        const auto text = media_file(c.file);
        std::size_t at = 0, frames = 0;
        while (at < text.size()) {
            const auto head = frame_head(std::as_bytes(std::span(text)).subspan(at));
            ASSERT_TRUE(head) << c.file << " at " << at;
            EXPECT_EQ(head->codec, c.codec);
            EXPECT_EQ(head->rate, c.rate);
            EXPECT_EQ(head->samples, c.samples);
            at += head->size;
            ++frames;
        }
        EXPECT_EQ(at, text.size()) << c.file;
        EXPECT_GE(frames, 15u) << c.file;
    }
}

TEST(AudioFrame, WhatIsNoFrameIsNone) {
    for (const auto& text :
         {std::string("\xff\xf1\x7c\x80\x01\x1f\xfc", 7), std::string("\xff\xf1\x50\x80\0\0\0", 7),
          std::string("\xff\xeb\x90\x64zzz", 7), std::string("\xff\xfb\xf0\x64zzz", 7),
          std::string("\xff\xfb\x9c\x64zzz", 7), std::string("\xff\xf9\x50", 3), std::string("\x0b\x77zzz\xf8z", 7),
          std::string("\x0b\x77zz\xc0\x40z", 7), std::string("1234567")})
        EXPECT_FALSE(frame_head(std::as_bytes(std::span(text))));
}

TEST(Id3, TimestampsOfBothVersionsAndDamage) {
    for (const int version : {3, 4}) {
        const auto text = tag(0x3'1234'5678, version);
        const auto got = read_id3(std::as_bytes(std::span(text)));
        EXPECT_EQ(got.size, text.size());
        EXPECT_EQ(got.timestamp, 0x1'1234'5678u) << "33 bits";
    }
    const auto footer = tag(7, 4, true);
    EXPECT_EQ(read_id3(std::as_bytes(std::span(footer))).size, footer.size());
    std::mt19937 random(5);
    for (int run = 0; run < 2000; ++run) {
        auto text = tag(90'000);
        text[random() % text.size()] = static_cast<char>(random());
        EXPECT_LE(read_id3(std::as_bytes(std::span(text))).size, text.size());
    }
}

TEST(PackedCutter, RealFilesInAnyPieces) {
    for (const auto* name : {"sound.aac", "sound.mp3", "sound.ac3", "sound.eac3"}) {
        const auto text = tag(900'000) + media_file(name);
        expect_pieces_do_not_matter(fresh, text);
        const auto cutter = fresh();
        const auto got = sorted(cut_unit(*cutter, text, 500));
        EXPECT_EQ(got.bytes, text) << name;
        EXPECT_GE(got.chunks.size(), 2u);
        EXPECT_TRUE(got.gaps.empty());
        EXPECT_EQ(got.chunks[0].raw_dts, 10s);
        EXPECT_TRUE(got.chunks[0].rap && got.chunks[0].unit_begin && got.chunks.back().unit_end);
        const auto step = *got.chunks[1].dts - *got.chunks[0].dts;
        EXPECT_TRUE(step >= 500ms && step < 540ms) << step.count();
        ASSERT_EQ(got.inits.size(), 1u);
        EXPECT_EQ(got.inits[0]->format.container, Container::packed_audio);
        EXPECT_EQ(got.inits[0]->tracks.at(0).timescale, 44'100u);
        EXPECT_TRUE(got.inits[0]->header.empty());
    }
}

TEST(PackedCutter, AacHasItsConfig) {
    const auto cutter = fresh();
    (void)cut_unit(*cutter, media_file("sound.aac"), 999);
    EXPECT_EQ(cutter->init()->tracks.at(0).extradata.text(), "\x12\x08");  // LC, 44.1 kHz, mono
}

TEST(PackedCutter, TimeGoesOnOverWrapsAndWithoutTags) {
    PackedCutter cutter;
    std::vector<Item> items;
    const auto sound = media_file("sound.aac");
    const auto unit = [&](std::uint64_t number, const std::string& text, Micros expected) {
        cutter.begin_unit(number, 0, 600ms, expected, 0s);
        ASSERT_TRUE(cutter.feed(Bytes::copy_of(text), {}, items).has_value());
        ASSERT_TRUE(cutter.end_unit(items).has_value());
    };
    constexpr std::uint64_t wrap = std::uint64_t{1} << 33;
    unit(1, tag(wrap - 45'000) + sound, 0s);
    unit(2, tag(9'000) + sound, 600ms);
    EXPECT_EQ(cutter.unit_start(), 600ms);
    unit(3, sound, 1200ms);
    EXPECT_TRUE(*cutter.unit_start() > 1200ms && *cutter.unit_start() < 1300ms);
    unit(9, sound, 60s);  // what lies between was lost: its length is known
    EXPECT_EQ(cutter.unit_start(), 60s);
    EXPECT_TRUE(sorted(items).breaks.empty());
    unit(10, tag(90'000 * 3600) + sound, 61s);
    EXPECT_EQ(sorted(items).breaks.size(), 1u);
    EXPECT_EQ(cutter.unit_start(), 61s);
}

TEST(PackedCutter, TagsStayInFrontOfTheirFrames) {
    const auto sound = media_file("sound.mp3");
    const auto first = tag(0), second = tag(54'000);
    const auto cutter = fresh();
    const auto got = sorted(cut_unit(*cutter, first + sound + second + sound, 100));
    EXPECT_EQ(got.bytes, first + sound + second + sound);
    const auto with = std::find_if(got.chunks.begin() + 1, got.chunks.end(),
                                   [](auto& c) { return c.bytes.text().starts_with("ID3"); });
    ASSERT_NE(with, got.chunks.end());
    EXPECT_EQ(with->bytes.text().substr(0, second.size()), second);
    EXPECT_EQ(with->raw_dts, 600ms);
}

TEST(PackedCutter, JunkAndTornFramesAreDroppedAndListed) {
    const auto sound = media_file("sound.aac");
    const auto text = "\xff\xf1junk" + sound + std::string(50, 'z') + sound + sound.substr(0, 40);
    expect_pieces_do_not_matter(fresh, text);
    const auto cutter = fresh();
    const auto got = sorted(cut_unit(*cutter, text, 64));
    EXPECT_EQ(got.bytes, sound + sound);
    ASSERT_EQ(got.gaps.size(), 1u);
    EXPECT_EQ(got.gaps[0].bytes, 6u + 50u + 40u);
    EXPECT_TRUE(got.gaps[0].partial);
}

TEST(PackedCutter, AnotherStreamIsANewEpoch) {
    PackedCutter cutter;
    auto items = cut_unit(cutter, media_file("sound.aac"), 100, 1);
    const auto more = cut_unit(cutter, media_file("sound.ac3"), 100, 2);
    items.insert(items.end(), more.begin(), more.end());
    cutter.new_epoch();
    const auto last = cut_unit(cutter, media_file("sound.ac3"), 100, 3);
    items.insert(items.end(), last.begin(), last.end());
    const auto got = sorted(items);
    ASSERT_EQ(got.inits.size(), 3u);
    EXPECT_EQ(got.inits[1]->tracks.at(0).codec, "ac3");
    EXPECT_EQ(got.inits[2]->epoch, 3u);
}

TEST(PackedCutter, WithoutSoundItIsAnErrorAndNoMemoryGrows) {
    PackedCutter cutter;
    std::vector<Item> items;
    cutter.begin_unit(1, 0, 1s, 0s, 0s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(tag(0)), {}, items).has_value());
    EXPECT_EQ(cutter.end_unit(items).error().code, Errc::bad_input);
    cutter.begin_unit(2, 0, 1s, 0s, 0s);
    const auto huge = "ID3" + be(4, 1) + zeros(2) + synchsafe(200u << 20);
    EXPECT_EQ(cutter.feed(Bytes::copy_of(huge), {}, items).error().code, Errc::bad_input);
    cutter.begin_unit(3, 0, 1s, 0s, 0s);
    Result<> r;
    std::size_t fed = 0;
    for (; r && fed < (2u << 20); fed += 16'384) r = cutter.feed(Bytes::copy_of(std::string(16'384, 'n')), {}, items);
    EXPECT_FALSE(r.has_value());
    EXPECT_LE(fed, (512u << 10) + 2 * 16'384);
    EXPECT_TRUE(items.empty());
    EXPECT_EQ(cutter.set_header(Bytes()).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace weir::audio
