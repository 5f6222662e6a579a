#include "media/pattern_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace weir::media {
namespace {

constexpr std::uint8_t black = 16, white = 235, grey = 128;
constexpr int glyph_width = 5, glyph_height = 7, counter_bits = 24;

/// Rows of five dots, for 0 to 9 and the colon.
constexpr std::array<std::array<std::uint8_t, glyph_height>, 11> glyphs{{
    {0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110},
    {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110},
    {0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111},
    {0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110},
    {0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010},
    {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110},
    {0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110},
    {0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000},
    {0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110},
    {0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100},
    {0b00000, 0b00100, 0b00100, 0b00000, 0b00100, 0b00100, 0b00000},
}};

struct Colour {
    std::uint8_t y, u, v;
};
/// White, yellow, cyan, green, magenta, red, blue at three quarters, BT.709, and a grey to close the round.
constexpr std::array<Colour, 8> bars{{{180, 128, 128},
                                      {168, 44, 136},
                                      {145, 147, 44},
                                      {133, 63, 52},
                                      {63, 193, 204},
                                      {51, 109, 212},
                                      {28, 212, 120},
                                      {90, 128, 128}}};

std::vector<std::uint8_t> bar_row(int width, std::uint8_t Colour::*part) {
    std::vector<std::uint8_t> row(static_cast<std::size_t>(width) * 2);
    for (std::size_t x = 0; x < row.size(); ++x) {
        const auto column = x % static_cast<std::size_t>(width);
        row[x] = bars[column * bars.size() / static_cast<std::size_t>(width)].*part;
    }
    return row;
}

}  // namespace

void Plane::fill(int x, int y, int w, int h, std::uint8_t value) const {
    const int right = std::min(x + w, width), bottom = std::min(y + h, height);
    x = std::max(x, 0);
    y = std::max(y, 0);
    if (right <= x) return;
    for (; y < bottom; ++y)
        std::memset(data + std::ptrdiff_t{y} * stride + x, value, static_cast<std::size_t>(right - x));
}

std::string clock_text(std::uint64_t frame, int fps) {
    const auto rate = static_cast<std::uint64_t>(fps);
    const auto seconds = frame / rate;
    return fmt::format("{:02}:{:02}:{:02}:{:02}", seconds / 3600 % 100, seconds / 60 % 60, seconds % 60,
                       frame % rate % 100);
}

PatternPainter::PatternPainter(int width, int height, int fps)
    : width_(width),
      height_(height),
      fps_(fps),
      scale_(std::max(1, height / 90)),
      luma_(bar_row(width, &Colour::y)),
      blue_(bar_row(width / 2, &Colour::u)),
      red_(bar_row(width / 2, &Colour::v)) {}

void PatternPainter::background(std::uint64_t frame, const Plane& plane, const std::vector<std::uint8_t>& row,
                                int step) const {
    const auto width = static_cast<std::size_t>(plane.width);
    const auto from = static_cast<std::size_t>(frame * static_cast<std::uint64_t>(step)) % width;
    for (int y = 0; y < plane.height; ++y)
        std::memcpy(plane.data + std::ptrdiff_t{y} * plane.stride, row.data() + from, width);
}

void PatternPainter::text(const Plane& y, int left, int top, std::string_view what) const {
    const int advance = (glyph_width + 1) * scale_;
    y.fill(left - scale_, top - scale_, advance * static_cast<int>(what.size()) + scale_, (glyph_height + 2) * scale_,
           black);
    for (const char c : what) {
        const auto& glyph = glyphs[c == ':' ? 10 : static_cast<std::size_t>(c - '0')];
        for (int row = 0; row < glyph_height; ++row)
            for (int column = 0; column < glyph_width; ++column)
                if (glyph[static_cast<std::size_t>(row)] >> (glyph_width - 1 - column) & 1)
                    y.fill(left + column * scale_, top + row * scale_, scale_, scale_, white);
        left += advance;
    }
}

void PatternPainter::paint(std::uint64_t frame, const Plane& y, const Plane& u, const Plane& v) const {
    background(frame, y, luma_, 4);
    background(frame, u, blue_, 2);
    background(frame, v, red_, 2);

    const int line = (glyph_height + 4) * scale_, left = 4 * scale_, advance = (glyph_width + 1) * scale_;
    for (const auto* chroma : {&u, &v}) {  // grey under the eight digits and the eleven characters of the clock
        chroma->fill(left / 2 - scale_, left / 2 - scale_, 4 * advance + scale_, line / 2, grey);
        chroma->fill(left / 2 - scale_, left / 2 + line / 2 - scale_, 11 * advance / 2 + scale_, line / 2, grey);
    }
    text(y, left, 4 * scale_, fmt::format("{:08}", frame % 100'000'000));
    text(y, left, 4 * scale_ + line, clock_text(frame, fps_));

    const int side = height_ / 6 / 2 * 2;
    y.fill(width_ - 8 - side, 8, side, side, beeps(frame, fps_) ? white : black);
    for (const auto* chroma : {&u, &v}) chroma->fill((width_ - 8 - side) / 2, 4, side / 2, side / 2, grey);

    const int strip = std::max(16, height_ / 10 / 2 * 2), top = height_ - strip;
    for (int i = 0; i < counter_bits; ++i) {
        const int from = i * width_ / counter_bits, to = (i + 1) * width_ / counter_bits;
        y.fill(from, top, to - from, strip, frame >> (counter_bits - 1 - i) & 1 ? white : black);
    }
    for (const auto* chroma : {&u, &v}) chroma->fill(0, top / 2, width_ / 2, strip / 2, grey);
}

}  // namespace weir::media
