#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::media {

/// One plane of an 8-bit picture, written in place.
struct Plane {
    std::uint8_t* data = nullptr;
    int stride = 0, width = 0, height = 0;
    void fill(int x, int y, int w, int h, std::uint8_t value) const;  ///< clipped to the plane
};

/// Paints the test pattern (tool.h, make_pattern) as yuv420p: moving colour bars, counter, clock, bars of the counter,
/// flash.
class PatternPainter {
public:
    PatternPainter(int width, int height, int fps);
    void paint(std::uint64_t frame, const Plane& y, const Plane& u, const Plane& v) const;

private:
    void background(std::uint64_t frame, const Plane& plane, const std::vector<std::uint8_t>& row, int step) const;
    void text(const Plane& y, int left, int top, std::string_view what) const;

    int width_, height_, fps_, scale_;
    std::vector<std::uint8_t> luma_, blue_, red_;  ///< one row of colour bars, twice its length so that it can slide
};

[[nodiscard]] std::string clock_text(std::uint64_t frame, int fps);  ///< "HH:MM:SS:FF"
/// True while the beep of that second sounds: the first 100 ms.
[[nodiscard]] constexpr bool beeps(std::uint64_t frame, int fps) noexcept {
    return frame % static_cast<std::uint64_t>(fps) * 10 < static_cast<std::uint64_t>(fps);
}

}  // namespace weir::media
