#include "apps/relay/devices.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>

#include "base/text.h"

namespace weir::relay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_devices = 256;

std::vector<std::string> lines_of(const fs::path& file) {
    std::ifstream in(file);
    std::vector<std::string> out;
    for (std::string line; out.size() < 4 * most_devices && std::getline(in, line);) out.push_back(std::move(line));
    return out;
}

std::string first_line(const fs::path& file) {
    auto lines = lines_of(file);
    return lines.empty() ? std::string() : std::string(stripped(lines.front()));
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> out;
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end && out.size() < 16 * most_devices;
         it.increment(ec))
        out.push_back(it->path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
}

std::optional<unsigned> number_of(std::string_view text) {
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// ------------------------------------------------------------------ cameras

struct Answer {
    bool captures = false;
    std::string card;
};

/// What the driver says; nothing when it cannot be asked.
std::optional<Answer> ask(const fs::path& node) {
    struct stat is {};
    if (::stat(node.c_str(), &is) != 0 || !S_ISCHR(is.st_mode)) return std::nullopt;
    const int fd = ::open(node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    v4l2_capability can{};
    const bool told = ::ioctl(fd, VIDIOC_QUERYCAP, &can) == 0;
    ::close(fd);
    if (!told) return std::nullopt;
    const auto caps = (can.capabilities & V4L2_CAP_DEVICE_CAPS) ? can.device_caps : can.capabilities;
    const auto* card = reinterpret_cast<const char*>(can.card);
    return Answer{(caps & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)) != 0,
                  valid_utf8(std::string_view(card, ::strnlen(card, sizeof can.card)))};
}

/// Node name ("video0") to the links in that folder which lead to it.
std::map<std::string, std::vector<std::string>> links_in(const fs::path& root, const std::string& folder) {
    std::map<std::string, std::vector<std::string>> out;
    for (const auto& name : names_in(root / folder)) {
        std::error_code ec;
        const auto target = fs::read_symlink(root / folder / name, ec);
        if (!ec) out[target.filename().string()].push_back("/" + folder + "/" + name);
    }
    return out;
}

std::vector<Camera> find_cameras(const fs::path& root) {
    const auto by_id = links_in(root, "dev/v4l/by-id"), by_path = links_in(root, "dev/v4l/by-path");
    std::map<unsigned, Camera> found;
    for (const auto& name : names_in(root / "dev")) {
        const auto number = name.starts_with("video") ? number_of(std::string_view(name).substr(5)) : std::nullopt;
        if (!number) continue;
        const auto about = root / "sys/class/video4linux" / name;
        Camera camera;
        camera.node = camera.path = "/dev/" + name;
        for (const auto* links : {&by_path, &by_id})
            if (const auto at = links->find(name); at != links->end()) camera.path = at->second.front();
        const auto index = first_line(about / "index");
        bool captures = index.empty() ? camera.path == camera.node || camera.path.ends_with("index0") : index == "0";
        camera.card = valid_utf8(first_line(about / "name"));
        if (const auto told = ask(root / "dev" / name)) {
            captures = told->captures;
            if (!told->card.empty()) camera.card = told->card;
        }
        if (captures && found.size() < most_devices) found.emplace(*number, std::move(camera));
    }
    std::vector<Camera> out;
    for (auto& [number, camera] : found) out.push_back(std::move(camera));
    return out;
}

// ------------------------------------------------------------------ microphones

struct Card {
    std::string id, name;
};

/// " 0 [PCH            ]: HDA-Intel - HDA Intel PCH"
std::map<unsigned, Card> sound_cards(const fs::path& root) {
    std::map<unsigned, Card> out;
    for (const auto& line : lines_of(root / "proc/asound/cards")) {
        const auto open = line.find('['), close = line.find(']');
        if (open == std::string::npos || close == std::string::npos || close < open) continue;
        const auto number = number_of(stripped(std::string_view(line).substr(0, open)));
        if (!number) continue;
        Card card;
        card.id = stripped(std::string_view(line).substr(open + 1, close - open - 1));
        const auto dash = line.find(" - ", close);
        if (dash != std::string::npos) card.name = valid_utf8(stripped(std::string_view(line).substr(dash + 3)));
        out.emplace(*number, std::move(card));
    }
    return out;
}

/// "00-00: ALC269VC Analog : ALC269VC Analog : playback 1 : capture 1"
std::vector<Microphone> find_microphones(const fs::path& root) {
    const auto cards = sound_cards(root);
    std::vector<Microphone> out;
    for (const auto& line : lines_of(root / "proc/asound/pcm")) {
        const auto dash = line.find('-'), colon = line.find(':');
        if (dash == std::string::npos || colon == std::string::npos || dash > colon) continue;
        const auto card = number_of(std::string_view(line).substr(0, dash));
        const auto device = number_of(std::string_view(line).substr(dash + 1, colon - dash - 1));
        if (!card || !device || line.find(": capture ") == std::string::npos) continue;
        const auto name = stripped(std::string_view(line).substr(colon + 1));
        const auto known = cards.find(*card);
        Microphone mic;
        mic.device =
            fmt::format("hw:CARD={},DEV={}", known == cards.end() ? fmt::to_string(*card) : known->second.id, *device);
        const auto what = valid_utf8(stripped(name.substr(0, name.find(" :"))));
        mic.card = known == cards.end() || known->second.name.empty() ? what : known->second.name + ", " + what;
        if (out.size() < most_devices) out.push_back(std::move(mic));
    }
    return out;
}

// ------------------------------------------------------------------ what to do with them

/// One word of a shell.
std::string word(std::string_view text) {
    const auto harmless = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-_./:=,@+").find(c) != std::string_view::npos;
    };
    if (!text.empty() && std::all_of(text.begin(), text.end(), harmless)) return std::string(text);
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

std::string post(const std::string& url, const char* what, const std::string& json) {
    return fmt::format("curl -X POST -H 'Content-Type: application/json' -d {} {}", word(json),
                       word(url + "/api/" + what));
}

void add_rules(DevicePlan& plan, const std::string& url, const std::string& id, const std::string& feeds) {
    plan.stream = "stream/" + id;
    plan.lines.push_back(
        {"stream rule", post(url, "streams", fmt::format(R"({{"stream":"{}","feeds":[{}]}})", plan.stream, feeds))});
    plan.lines.push_back(
        {"destination rule",
         post(url, "destinations",
              fmt::format(R"({{"id":"{}","stream":"{}","destination":"wss://relay.example.org/in/{}"}})", id,
                          plan.stream, id))});
}

DevicePlan plan_for(const Camera& camera, std::size_t number, bool with_sound, const std::string& url) {
    DevicePlan plan;
    plan.kind = "camera";
    plan.device = camera.path;
    plan.name = camera.card;
    plan.feed = fmt::format("video{}", number);
    const auto line = [&](const char* codec) {
        return fmt::format("ffmpeg -f v4l2 -framerate 25 -video_size 640x480 -i {} -f mpegts {} {}", word(camera.path),
                           codec, word(url + "/ts/" + plan.feed));
    };
    plan.lines.push_back({"MPEG-1 (jsmpeg)", line("-codec:v mpeg1video -s 640x480 -b:v 1000k -bf 0")});
    plan.lines.push_back(
        {"H.264 (mpegts.js, VLC)",
         line("-codec:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 50 -b:v 1000k")});
    auto feeds = fmt::format("\"{}\"", plan.feed);
    if (with_sound) feeds += fmt::format(",\"audio{}\"", number);
    add_rules(plan, url, fmt::format("camera{}", number), feeds);
    return plan;
}

DevicePlan plan_for(const Microphone& mic, std::size_t number, const std::string& url) {
    DevicePlan plan;
    plan.kind = "microphone";
    plan.device = mic.device;
    plan.name = mic.card;
    plan.feed = fmt::format("audio{}", number);
    // PIDs of its own, so that a stream of picture and sound can be told apart in a player.
    const auto line = [&](const char* codec) {
        return fmt::format(
            "ffmpeg -f alsa -i {} -f mpegts -mpegts_service_id 2 -mpegts_pmt_start_pid 0x1010 -mpegts_start_pid 0x110 "
            "{} {}",
            word(mic.device), codec, word(url + "/ts/" + plan.feed));
    };
    plan.lines.push_back({"MP2 (jsmpeg)", line("-codec:a mp2 -ar 44100 -ac 1 -b:a 128k -muxdelay 0.001")});
    plan.lines.push_back({"AAC (mpegts.js, VLC)", line("-codec:a aac -b:a 128k")});
    add_rules(plan, url, fmt::format("microphone{}", number), fmt::format("\"{}\"", plan.feed));
    return plan;
}

std::string plan_json(const DevicePlan& plan) {
    std::string lines;
    for (const auto& line : plan.lines)
        lines += fmt::format(R"({}{{"for":{},"command":{}}})", lines.empty() ? "" : ",", json_quoted(line.label),
                             json_quoted(line.command));
    return fmt::format(R"({{"device":{},"name":{},"feed":{},"stream":{},"lines":[{}]}})", json_quoted(plan.device),
                       json_quoted(plan.name), json_quoted(plan.feed), json_quoted(plan.stream), lines);
}

}  // namespace

Devices find_devices(const fs::path& root) {
    return {find_cameras(root), find_microphones(root)};
}

std::vector<DevicePlan> device_plans(const Devices& devices, const std::string& url) {
    std::string base = url;
    while (base.ends_with('/')) base.pop_back();
    std::vector<DevicePlan> out;
    for (std::size_t i = 0; i < devices.cameras.size(); ++i)
        out.push_back(plan_for(devices.cameras[i], i, i < devices.microphones.size(), base));
    for (std::size_t i = 0; i < devices.microphones.size(); ++i)
        out.push_back(plan_for(devices.microphones[i], i, base));
    return out;
}

std::string devices_text(const Devices& devices, const std::string& url) {
    std::string out;
    if (devices.cameras.empty()) out += "no camera found (no capture node /dev/videoN)\n";
    if (devices.microphones.empty()) out += "no microphone found (nothing that captures in /proc/asound/pcm)\n";
    for (const auto& plan : device_plans(devices, url)) {
        if (!out.empty()) out += '\n';
        std::string title;
        append_printable(title, plan.name.empty() ? plan.device : fmt::format("{}  ({})", plan.device, plan.name));
        out += fmt::format("{} {}\n", plan.kind, title);
        for (const auto& line : plan.lines) {
            std::string command;
            append_printable(command, line.command);
            out += fmt::format("  # {}\n  {}\n", line.label, command);
        }
    }
    return out;
}

std::string devices_json(const Devices& devices, const std::string& url) {
    std::string cameras, microphones;
    for (const auto& plan : device_plans(devices, url)) {
        auto& list = plan.kind == "camera" ? cameras : microphones;
        if (!list.empty()) list += ',';
        list += plan_json(plan);
    }
    return fmt::format(R"({{"cameras":[{}],"microphones":[{}]}})", cameras, microphones);
}

}  // namespace weir::relay
