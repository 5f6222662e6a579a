#include "sources/hls/rendition.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace weir::hls {
namespace {

MasterPlaylist withny() {
    std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/hls/withny_master.m3u8");
    std::ostringstream text;
    text << in.rdbuf();
    return std::get<MasterPlaylist>(parse(text.str()).value());
}

struct WishCase {
    const char* name;
    const char* wish;
    const char* expected;
};
class Rendition_ : public testing::TestWithParam<WishCase> {};
TEST_P(Rendition_, IsChosen) {
    const auto m = withny();
    const auto chosen = choose_variant(m, GetParam().wish);
    ASSERT_TRUE(chosen.has_value()) << chosen.error().what;
    EXPECT_EQ(m.variants[*chosen].video, GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(Wishes, Rendition_,
                         testing::Values(WishCase{"Best", "best", "720p60"}, WishCase{"Worst", "worst", "160p30"},
                                         WishCase{"Empty", "", "720p60"}, WishCase{"Exact", "480p", "480p30"},
                                         WishCase{"NextLower", "700p", "480p30"}, WishCase{"Rate", "720p60", "720p60"},
                                         WishCase{"Higher", "1080p", "720p60"}, WishCase{"TooLow", "100p", "160p30"},
                                         WishCase{"Bits", "1500k", "480p30"}, WishCase{"Mega", "3.1M", "720p60"},
                                         WishCase{"FewBits", "100k", "160p30"},
                                         WishCase{"Name", "audio_only", "audio_only"},
                                         WishCase{"Size", "640x360", "360p30"}),
                         [](const auto& c) { return c.param.name; });

TEST(Rendition, UnknownNamesAreAnsweredWithWhatThereIs) {
    const auto chosen = choose_variant(withny(), "cinema");
    ASSERT_FALSE(chosen.has_value());
    EXPECT_EQ(chosen.error().what,
              "no rendition is called 'cinema'; there are: 720p60 3002k, 480p30 1323k, 360p30 700k, 160p30 270k, "
              "audio_only 160k");
}

TEST(Rendition, TiesGoToTheLargerPicture) {
    const auto m = std::get<MasterPlaylist>(parse("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=640x360\na\n#EXT-"
                                                  "X-STREAM-INF:BANDWIDTH=5,RESOLUTION=1280x720\nb\n")
                                                .value());
    EXPECT_EQ(choose_variant(m, "best").value(), 1u);
}

struct SoundCase {
    const char* name;
    const char* wish;
    const char* expected;
};
class Sound : public testing::TestWithParam<SoundCase> {};
TEST_P(Sound, IsChosen) {
    const auto m = std::get<MasterPlaylist>(
        parse("#EXTM3U\n"
              "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Main\",LANGUAGE=\"ja\",URI=\"ja.m3u8\"\n"
              "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,"
              "URI=\"en.m3u8\"\n"
              "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Within\",LANGUAGE=\"fr\"\n"
              "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"Other\",LANGUAGE=\"de\",URI=\"de.m3u8\"\n"
              "#EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=640x360,AUDIO=\"a\"\nv.m3u8\n")
            .value());
    const auto chosen = choose_audio(m, m.variants[0], GetParam().wish);
    std::string uris;
    if (chosen)
        for (const auto& r : *chosen) uris += r.uri + " ";
    else
        uris = chosen.error().what;
    EXPECT_EQ(uris, GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Wishes, Sound,
    testing::Values(SoundCase{"Default", "default", "en.m3u8 "}, SoundCase{"All", "all", "ja.m3u8 en.m3u8 "},
                    SoundCase{"None", "none", ""}, SoundCase{"Name", "Main", "ja.m3u8 "},
                    SoundCase{"Language", "en", "en.m3u8 "}, SoundCase{"WithinThePicture", "Within", ""},
                    SoundCase{"Unknown", "it",
                              "no sound is called 'it'; there are: Main (ja), English (en), Within (fr)"}),
    [](const auto& c) { return c.param.name; });

TEST(Rendition, SoundThatIsTheVariantItselfNeedsNoLane) {
    const auto m = std::get<MasterPlaylist>(
        parse("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"s\",DEFAULT=YES,URI=\"v.m3u8\"\n"
              "#EXT-X-STREAM-INF:BANDWIDTH=5,AUDIO=\"a\"\nv.m3u8\n")
            .value());
    EXPECT_TRUE(choose_audio(m, m.variants[0], "all")->empty());
}

TEST(Rendition, TheSameOneIsFoundInANewerList) {
    const auto m = withny();
    auto before = m.variants[1];
    before.uri = "https://elsewhere/x.m3u8";
    before.bandwidth += 1000;
    EXPECT_EQ(same_variant(m, before), 1u);
}

}  // namespace
}  // namespace weir::hls
