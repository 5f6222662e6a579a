#pragma once
// Real media for the tests of this folder, made once by the ffmpeg program in a folder of its own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "media/tool.h"

namespace weir::media::test {

namespace fs = std::filesystem;

/// A folder that goes with its owner.
class TempFolder {
public:
    TempFolder() {
        auto name = (fs::temp_directory_path() / "weir-media-XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~TempFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator{}));
    }

private:
    fs::path path_;
};

inline std::string shell(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (!pipe) throw std::runtime_error("popen");
    std::array<char, 4096> buffer{};
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), got);
    if (::pclose(pipe) != 0) throw std::runtime_error(command + ": " + out);
    return out;
}
inline void ffmpeg(const std::string& arguments) {
    (void)shell("ffmpeg -v error -nostdin -y " + arguments);
}
inline std::string probe(const std::string& arguments) {
    return shell("ffprobe -v error " + arguments);
}

inline std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_bytes(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
inline Stretch whole(const std::string& path, Micros shift = Micros{0}) {
    return {path, 0, fs::file_size(path), shift};
}

/// Four seconds of H.264 (with B-frames) and AAC as MPEG-TS, sound and picture beginning at different times.
inline const std::string& sample_ts() {
    static const TempFolder folder;
    static const std::string path = [] {
        auto made = folder / "sample.ts";
        ffmpeg(
            "-f lavfi -i testsrc2=size=320x180:rate=25:duration=4 -f lavfi -i "
            "sine=frequency=440:sample_rate=48000:duration=4 "
            "-c:v libx264 -preset ultrafast -bf 2 -g 25 -threads 1 -c:a aac -b:a 64k -f mpegts " +
            made);
        return made;
    }();
    return path;
}

/// The same stream with its first timestamp moved to about `seconds`.
inline void move_ts(const std::string& from, const std::string& to, const std::string& seconds) {
    ffmpeg("-copyts -i " + from + " -map 0 -c copy -muxdelay 0 -muxpreload 0 -output_ts_offset " + seconds +
           " -f mpegts " + to);
}

/// A sample kept in the tree: three seconds of H.264 and AAC in each container, and a smaller rendition.
inline std::string data(const std::string& name) {
    return std::string(WEIR_SOURCE_DIR "/tests/data/media/") + name;
}

/// Presentation times of a track as ffprobe, which is not us, sees them.
inline std::vector<double> times_of(const std::string& path, const std::string& track) {
    std::istringstream lines(probe("-select_streams " + track + " -show_entries packet=pts_time -of csv=p=0 " + path));
    std::vector<double> all;
    for (std::string line; std::getline(lines, line);)
        if (!line.empty()) all.push_back(std::stod(line));
    std::sort(all.begin(), all.end());
    return all;
}

inline double frames_offset(const std::string& path) {
    return times_of(path, "v:0").front() - times_of(path, "a:0").front();
}

}  // namespace weir::media::test
