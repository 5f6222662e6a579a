#include "apps/sites/side_files.h"

#include <optional>

#include "apps/sites/sites_rig.h"
#include "fake_http.h"
#include "forgetting_fs.h"
#include "temp_folder.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

struct NewFileRig {
    test::TempFolder dir;
    test::ForgettingFs fs;
    RigShard shard;
    FileLane lane{fs, {}};

    [[nodiscard]] std::optional<Errc> write(const std::string& name, const std::string& content) {
        std::optional<Errc> code;
        EXPECT_TRUE(shard.finish([](FileLane& l, Path path, std::string text, std::optional<Errc>& into) -> Task<void> {
            auto done = co_await write_new_file(l, std::move(path), std::move(text));
            if (!done) into = done.error().code;
        }(lane, dir / name, content, code)));
        return code;
    }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir.path()), {}));
    }
};

TEST(WriteNewFile, IsWholeAndDurableUnderItsName) {
    NewFileRig rig;
    EXPECT_FALSE(rig.write("live.info.json", "{}\n"));
    EXPECT_EQ(rig.fs.durable(rig.dir / "live.info.json"), "{}\n");
    EXPECT_EQ(rig.files(), 1u);
}

TEST(WriteNewFile, MakesItsFolders) {
    NewFileRig rig;
    EXPECT_FALSE(rig.write("a/b/live.info.json", "{}"));
    EXPECT_EQ(test::read_file(rig.dir / "a/b/live.info.json"), "{}");
}

TEST(WriteNewFile, NeverReplaces) {
    NewFileRig rig;
    test::write_file(rig.dir / "live.jpg", "old");
    EXPECT_EQ(rig.write("live.jpg", "new"), Errc::busy);
    EXPECT_EQ(test::read_file(rig.dir / "live.jpg"), "old");
    EXPECT_EQ(rig.files(), 1u);
}

TEST(WriteNewFile, WhatAKilledRunLeftIsInNobodysWay) {
    NewFileRig rig;
    test::write_file(rig.dir / ".live.jpg.part", "half");
    EXPECT_FALSE(rig.write("live.jpg", "whole"));
    EXPECT_EQ(test::read_file(rig.dir / "live.jpg"), "whole");
    EXPECT_EQ(rig.files(), 1u);
}

TEST(WriteNewFile, AFullDiskLeavesNothingBehind) {
    NewFileRig rig;
    rig.fs.fail_at(2, test::ForgettingFs::Fault::enospc);  // created, then the write fails
    EXPECT_EQ(rig.write("live.jpg", "whole"), Errc::no_space);
    EXPECT_EQ(rig.files(), 0u);
}

struct Sample {
    const char* name;
    std::string bytes, extension;
};

struct PictureRig {
    RigShard shard;
    std::vector<test::Reply> replies;  ///< the last one for ever
    std::size_t asked = 0;
    test::FakeHttp http{shard.time,
                        [this](const HttpRequest&) { return replies[std::min(asked++, replies.size() - 1)]; }};
    std::optional<Result<Picture>> picture;

    void fetch() {
        shard.start([](PictureRig& rig) -> Task<void> {
            Url url = parse_url("https://storage.example/thumb.jpg?1").value();
            std::vector<std::pair<std::string, std::string>> headers{{"origin", "https://live.example"}};
            auto got = co_await fetch_picture(rig.http, nullptr, rig.shard.time, std::move(url), std::move(headers));
            rig.picture.emplace(std::move(got));
        }(*this));
        for (int i = 0; i < 100 && !picture; ++i) shard.advance(1s);
    }
};

class PictureType : public ::testing::TestWithParam<Sample> {};

TEST_P(PictureType, FC2_49_IsTakenFromItsFirstBytes) {
    PictureRig rig;
    rig.replies = {{.body = GetParam().bytes}};
    rig.fetch();
    ASSERT_TRUE(rig.picture && *rig.picture);
    EXPECT_EQ((*rig.picture)->extension, GetParam().extension);
    EXPECT_EQ((*rig.picture)->bytes, GetParam().bytes);
    EXPECT_EQ(rig.http.requests.front().headers.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(All, PictureType,
                         ::testing::Values(Sample{"Jpeg", "\xFF\xD8\xFF\xE0 and more", "jpg"},
                                           Sample{"Png", "\x89PNG\r\n\x1A\n\0\0\0\rIHDR"s, "png"},
                                           Sample{"Gif", "GIF89a....", "gif"}, Sample{"OldGif", "GIF87a....", "gif"},
                                           Sample{"Webp", "RIFF\x10\0\0\0WEBPVP8 "s, "webp"},
                                           Sample{"Avif", "\0\0\0\x1C"s + "ftypavif....", "avif"}),
                         [](const auto& p) { return p.param.name; });

TEST(FetchPicture, FC2_49_AnErrorPageIsNoPicture) {
    PictureRig rig;
    rig.replies = {{.body = "<html>sorry</html>"}};
    rig.fetch();
    ASSERT_TRUE(rig.picture);
    EXPECT_EQ(rig.picture->error().code, Errc::bad_input);
    EXPECT_EQ(rig.asked, 3u);
}

TEST(FetchPicture, FC2_49_AStatusIsLookedAt) {
    PictureRig rig;
    rig.replies = {{.status = 404, .body = "\xFF\xD8\xFF\xE0"}};
    rig.fetch();
    ASSERT_TRUE(rig.picture);
    EXPECT_EQ(rig.picture->error().status, 404);
}

TEST(FetchPicture, ASecondTryMayDo) {
    PictureRig rig;
    rig.replies = {{.status = 503}, {.how = test::Reply::How::silent}, {.body = "GIF89a...."}};
    rig.fetch();
    ASSERT_TRUE(rig.picture);
    EXPECT_TRUE(rig.picture->has_value());
    EXPECT_EQ(rig.asked, 3u);
}

}  // namespace
}  // namespace weir::sites
