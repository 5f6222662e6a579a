#include "proto/mp4/init_segment.h"

#include <gtest/gtest.h>

#include <random>

#include "cutter_check.h"
#include "mp4_maker.h"
#include "proto/mp4/box.h"

namespace weir::mp4 {
namespace {

using namespace std::chrono_literals;
using namespace test;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Mp4Box, HeadsAreReadInAllTheirForms) {
    const auto large = be(1, 4) + "mdat" + be(std::uint64_t{1} << 40, 8);
    const auto head = read_box_head(bytes_of(large));
    ASSERT_TRUE(head && *head);
    EXPECT_EQ((*head)->size, std::uint64_t{1} << 40);
    EXPECT_EQ((*head)->head, 16u);
    EXPECT_FALSE(*read_box_head(bytes_of(large.substr(0, 15))));
    EXPECT_FALSE(*read_box_head(bytes_of(large.substr(0, 7))));
    const auto to_end = be(0, 4) + "mdat";
    EXPECT_EQ((*read_box_head(bytes_of(to_end)))->size, 0u);
    for (const auto& wrong :
         {be(7, 4) + "mdat", be(2, 4) + "mdat", be(1, 4) + "mdat" + be(15, 8), be(1, 4) + "mdat" + be(0, 8)})
        EXPECT_FALSE(read_box_head(bytes_of(wrong)).has_value());
}

TEST(Mp4Box, TheWalkerStopsAtWhatIsNotWhole) {
    const auto good = box("free", "abc") + box("skip", "");
    BoxWalker walker(bytes_of(good));
    EXPECT_EQ(walker.next()->body.size(), 3u);
    EXPECT_EQ(walker.next()->type, fourcc("skip"));
    EXPECT_FALSE(walker.next());
    EXPECT_FALSE(walker.broken());
    for (const auto& tail : {std::string("abc"), be(9, 4) + "free", be(1, 4) + "free" + be(UINT64_MAX, 8)}) {
        const auto text = good + tail;
        BoxWalker other(bytes_of(text));
        int count = 0;
        while (other.next()) ++count;
        EXPECT_EQ(count, 2);
        EXPECT_TRUE(other.broken());
    }
    const auto open = box("free", "") + be(0, 4) + "mdat12345";
    BoxWalker last(bytes_of(open));
    EXPECT_TRUE(last.next());
    EXPECT_EQ(last.next()->body.size(), 5u);
    EXPECT_FALSE(last.next());
    BoxWalker few(bytes_of(good), 1);
    EXPECT_TRUE(few.next());
    EXPECT_FALSE(few.next());
    EXPECT_TRUE(few.broken());
}

std::string tracks_of(const Result<InitSegment>& init) {
    if (!init) return init.error().what;
    std::string out;
    for (const auto& t : init->tracks) {
        constexpr std::string_view kinds = "vatd";
        out += fmt::format("{}{}:{}/{}/{}/{} ", kinds[static_cast<std::size_t>(t.track.kind)], t.track.id,
                           t.track.codec, t.track.timescale, t.track.extradata.size() > 0, t.track.language);
    }
    return out;
}

TEST(Mp4Init, RealHeadersSayTheirTracks) {
    const std::pair<const char*, const char*> cases[] = {
        {"hls_init.mp4", "v1:h264/12800/true/ a2:aac/44100/true/ "},
        {"init_hevc_ac3.mp4", "v1:hevc/12800/true/ a2:ac3/48000/true/jpn "},
        {"init_vp9_opus.mp4", "v1:vp9/12800/true/ a2:opus/48000/true/ "},
        {"init_av1_eac3.mp4", "v1:av1/12800/true/ a2:eac3/48000/true/ "},
        {"init_flac.mp4", "a1:flac/48000/true/ "},
        {"init_mp3.mp4", "a1:mp3/48000/false/ "},
    };
    for (const auto& [file, expected] : cases) {
        const auto init = read_init_segment(Bytes::copy_of(media_file(file)));
        EXPECT_EQ(tracks_of(init), expected) << file;
        EXPECT_TRUE(init && init->fragmented);
        EXPECT_TRUE(init && init->main() == &init->tracks[0]);
    }
}

TEST(Mp4Init, ExtradataIsWhatADecoderNeeds) {
    const auto init = read_init_segment(Bytes::copy_of(media_file("hls_init.mp4")));
    ASSERT_TRUE(init.has_value());
    EXPECT_EQ(init->tracks[0].track.extradata.text()[0], '\x01');                // avcC's version
    EXPECT_EQ(init->tracks[1].track.extradata.text().substr(0, 2), "\x12\x08");  // AAC LC, 44.1 kHz, mono
}

TEST(Mp4Init, SampleEntriesHaveCodecNames) {
    struct Case {
        const char *handler, *entry, *expected;
    };
    const Case cases[] = {
        {"vide", "avc3", "v1:h264/90000/false/ "},        {"vide", "hev1", "v1:hevc/90000/false/ "},
        {"text", "wvtt", "t1:webvtt/90000/false/ "},      {"subt", "stpp", "t1:ttml/90000/false/ "},
        {"vide", "ab\x01z", "v1:mp4-ab?z/90000/false/ "}, {"meta", "mett", "d1:mp4-mett/90000/false/ "}};
    for (const auto& c : cases) {
        const std::vector<Mp4Track> tracks{{.id = 1, .handler = c.handler, .entry = c.entry}};
        EXPECT_EQ(tracks_of(read_init_segment(Bytes::copy_of(mp4_header(tracks)))), c.expected) << c.entry;
    }
}

TEST(Mp4Init, ProtectedTracksAreRefusedInOneLine) {
    const auto sinf = box("sinf", box("frma", "avc1") + full_box("schm", 0, 0, "cbcs" + be(0x10000, 4)));
    const std::vector<Mp4Track> tracks{{.id = 7, .handler = "vide", .entry = "encv", .config = sinf}};
    const auto init = read_init_segment(Bytes::copy_of(mp4_header(tracks)));
    ASSERT_FALSE(init.has_value());
    EXPECT_EQ(init.error().code, Errc::unsupported);
    EXPECT_EQ(init.error().what, "track 7 is protected (cbcs): weir does not break DRM");
}

TEST(Mp4Init, DefaultsAndEditsAreRead) {
    const auto edit = [](std::uint32_t length, std::int32_t start) {
        return be(length, 4) + be(static_cast<std::uint32_t>(start), 4) + be(0x10000, 4);
    };
    const auto elst = box("edts", full_box("elst", 0, 0, be(2, 4) + edit(500, -1) + edit(0, 180'000)));
    const std::vector<Mp4Track> tracks{{.id = 3, .default_flags = 0x10000, .edits = elst, .language = "deu"}};
    const auto init = read_init_segment(Bytes::copy_of(mp4_header(tracks)));
    ASSERT_TRUE(init.has_value());
    const auto& t = init->tracks[0];
    EXPECT_EQ(t.edit_shift, 500ms - 2s);
    EXPECT_EQ(t.default_flags, 0x10000u);
    EXPECT_EQ(t.default_duration, 3600u);
    EXPECT_EQ(t.track.language, "deu");
}

TEST(Mp4Init, WhatIsNoHeaderIsAnError) {
    const auto good = mp4_header(std::vector<Mp4Track>{{}});
    const auto twice = mp4_header(std::vector<Mp4Track>{{}, {}});
    const std::string cases[] = {"",
                                 "junk",
                                 good.substr(0, good.size() - 1),
                                 box("ftyp", "isom"),
                                 box("moov", ""),
                                 twice,
                                 mp4_header(std::vector<Mp4Track>{}),
                                 mp4_header(std::vector<Mp4Track>{{.timescale = 0}}),
                                 mp4_header(std::vector<Mp4Track>(65))};
    for (const auto& text : cases) {
        const auto init = read_init_segment(Bytes::copy_of(text));
        ASSERT_FALSE(init.has_value()) << text.size();
        EXPECT_EQ(init.error().code, Errc::bad_input);
    }
    EXPECT_FALSE(read_init_segment(Bytes::copy_of(good), {.max_bytes = 100}).has_value());
}

TEST(Mp4Init, DamageIsNeverMoreThanAnError) {
    std::mt19937 random(3);
    const auto good = media_file("hls_init.mp4");
    for (int run = 0; run < 3000; ++run) {
        auto text = good;
        for (int i = 0; i < 4; ++i) text[random() % text.size()] = static_cast<char>(random());
        const auto init = read_init_segment(Bytes::copy_of(text));
        if (init) {
            EXPECT_LE(init->tracks.size(), 2u);
        }
    }
}

}  // namespace
}  // namespace weir::mp4
