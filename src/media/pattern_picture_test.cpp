#include "media/pattern_picture.h"

#include <gtest/gtest.h>

namespace weir::media {
namespace {

struct Picture {
    int width, height;
    std::vector<std::uint8_t> y = std::vector<std::uint8_t>(static_cast<std::size_t>(width * height), 77);
    std::vector<std::uint8_t> u = std::vector<std::uint8_t>(static_cast<std::size_t>(width * height / 4), 77);
    std::vector<std::uint8_t> v = u;

    void paint(std::uint64_t frame, int fps) {
        PatternPainter(width, height, fps)
            .paint(frame, {y.data(), width, width, height}, {u.data(), width / 2, width / 2, height / 2},
                   {v.data(), width / 2, width / 2, height / 2});
    }
    [[nodiscard]] int at(int x, int row) const { return y[static_cast<std::size_t>(row * width + x)]; }
    [[nodiscard]] std::uint64_t counter() const {
        std::uint64_t n = 0;
        for (int i = 0; i < 24; ++i) n = n << 1 | (at((2 * i + 1) * width / 48, height - 5) > 128 ? 1 : 0);
        return n;
    }
};

TEST(PatternPicture, BarsShowTheFrameNumber) {
    for (const auto& [width, height] :
         {std::pair{640, 360}, std::pair{160, 90}, std::pair{1280, 720}, std::pair{322, 182}}) {
        Picture p{width, height};
        for (const std::uint64_t frame : {0u, 1u, 90u, 1799u, 0xabcdefu, 0xffffffu}) {
            p.paint(frame, 30);
            EXPECT_EQ(p.counter(), frame) << width << "x" << height;
        }
    }
}

TEST(PatternPicture, FlashIsWhiteWhileTheBeepSounds) {
    Picture p{640, 360};
    for (const auto& [frame, white] :
         {std::pair{30u, true}, std::pair{32u, true}, std::pair{33u, false}, std::pair{59u, false}}) {
        p.paint(frame, 30);
        EXPECT_EQ(p.at(640 - 8 - 30, 8 + 30) > 128, white) << frame;
        EXPECT_EQ(beeps(frame, 30), white) << frame;
    }
}

TEST(PatternPicture, NoTwoNeighboursAreAlike) {
    Picture a{320, 180}, b{320, 180};
    a.paint(100, 25);
    b.paint(101, 25);
    EXPECT_NE(a.y, b.y);
}

TEST(PatternPicture, ClockCountsFramesWithinSeconds) {
    EXPECT_EQ(clock_text(0, 30), "00:00:00:00");
    EXPECT_EQ(clock_text(30 * 3661 + 7, 30), "01:01:01:07");
}

}  // namespace
}  // namespace weir::media
