#include "proto/fc2/quality.h"

#include <gtest/gtest.h>

#include "proto/fc2/fc2_test_data.h"

namespace weir::fc2 {
namespace {

std::vector<Playlist> playlists_of(std::initializer_list<int> modes) {
    std::vector<Playlist> out;
    for (const int mode : modes) out.push_back({.mode = mode, .url = "https://media/" + std::to_string(mode)});
    return out;
}

TEST(Fc2Quality, NamesAreExact) {  // FC2-31, FC2-32, T4, T5
    EXPECT_EQ(*quality_code("150Kbps"), 10);
    EXPECT_EQ(*quality_code("400Kbps"), 20);
    EXPECT_EQ(*quality_code("1.2Mbps"), 30);
    EXPECT_EQ(*quality_code("2Mbps"), 40);
    EXPECT_EQ(*quality_code("3Mbps"), 50);
    EXPECT_EQ(*quality_code("sound"), 90);
    EXPECT_EQ(*latency_code("low"), 0);
    EXPECT_EQ(*latency_code("high"), 1);
    EXPECT_EQ(*latency_code("mid"), 2);
    for (const auto* name : {"", "3mbps", "3Mbps ", "unknown unknown"}) {
        EXPECT_EQ(quality_code(name).error().code, Errc::bad_input);
        EXPECT_NE(quality_code(name).error().what.find("150Kbps, 400Kbps, 1.2Mbps, 2Mbps, 3Mbps, sound"),
                  std::string::npos);
        EXPECT_NE(latency_code(name).error().what.find("low, high, mid"), std::string::npos);
    }
    EXPECT_EQ(quality_names().size(), 6u);
    EXPECT_EQ(latency_names().size(), 3u);
}

TEST(Fc2Quality, ModesReadBack) {  // FC2-33, T4, T5
    const std::pair<int, const char*> cases[] = {{52, "3Mbps mid"},  {92, "sound mid"},   {12, "150Kbps mid"},
                                                 {41, "2Mbps high"}, {10, "150Kbps low"}, {101, "unknown"},
                                                 {107, "unknown"},   {57, "unknown"},     {2, "unknown"},
                                                 {62, "unknown"},    {-52, "unknown"}};
    for (const auto& [mode, text] : cases) EXPECT_EQ(mode_text(mode), text) << mode;
}

TEST(Fc2Quality, ChoosesAsTheReferenceWhereItIsRight) {  // T8, T9
    const auto some = playlists_of({92, 32, 52, 91});
    struct {
        int wanted, chosen;
        bool exact;
    } const cases[] = {{92, 92, true}, {72, 52, false}, {0, 52, false}, {32, 32, true}, {51, 52, false}};
    for (const auto& one : cases) {
        const auto choice = choose_playlist(some, one.wanted);
        ASSERT_TRUE(choice) << one.wanted;
        EXPECT_EQ(choice->playlist.mode, one.chosen) << one.wanted;
        EXPECT_EQ(choice->exact, one.exact) << one.wanted;
    }
}

TEST(Fc2Quality, FindsTheWantedOneInASiteAnswer) {  // T9
    const auto message = parse_message(R"({"name":"_response_","id":1,"arguments":{"status":0,"playlists":)" +
                                       sample("hls_playlists.json") + "}}");
    const auto& response = std::get<Response>(message);
    ASSERT_EQ(response.playlists.size(), 21u);
    const auto choice = choose_playlist(response.playlists, 52);
    ASSERT_TRUE(choice);
    EXPECT_TRUE(choice->exact);
    EXPECT_EQ(choice->playlist.url.find("https://us-west-1-media.live.fc2.com/a/stream/92991170/52/playlist?c="), 0u);
}

TEST(Fc2Quality, BestOfTheLatencyThenBestOfAll) {  // FC2-34
    EXPECT_EQ(choose_playlist(playlists_of({10, 31, 42, 22}), 52)->playlist.mode, 42);
    EXPECT_EQ(choose_playlist(playlists_of({10, 41, 32}), 30)->playlist.mode, 10);
    EXPECT_EQ(choose_playlist(playlists_of({31, 51}), 52)->playlist.mode, 51);
}

TEST(Fc2Quality, SoundOnlyWhenWantedOrAlone) {  // FC2-34 and its slip
    EXPECT_EQ(choose_playlist(playlists_of({92, 2, 11}), 52)->playlist.mode, 11);
    EXPECT_EQ(choose_playlist(playlists_of({92, 2, 91}), 52)->playlist.mode, 92);
    EXPECT_EQ(choose_playlist(playlists_of({91, 1}), 52)->playlist.mode, 91);
    EXPECT_EQ(choose_playlist(playlists_of({92, 52}), 92)->playlist.mode, 92);
    EXPECT_EQ(choose_playlist(playlists_of({91, 52}), 92)->playlist.mode, 52);
}

TEST(Fc2Quality, LeavesOutWhatCannotBePlayed) {  // FC2-25, FC2-31
    EXPECT_FALSE(choose_playlist({}, 52));
    EXPECT_FALSE(choose_playlist(playlists_of({0, 1, 2}), 2));
    const Playlist empty{.mode = 52, .url = ""}, refused{.mode = 52, .status = 1, .url = "u"},
        good{.mode = 32, .url = "g"};
    EXPECT_FALSE(choose_playlist(std::vector{empty, refused}, 52));
    EXPECT_EQ(choose_playlist(std::vector{empty, refused, good}, 52)->playlist.url, "g");
}

}  // namespace
}  // namespace weir::fc2
