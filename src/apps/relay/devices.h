#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace weir::relay {

struct Camera {
    std::string
        path;  ///< the name that stays across reboots where there is one: /dev/v4l/by-id/…, by-path/…, else /dev/videoN
    std::string node;  ///< /dev/videoN
    std::string card;  ///< what it calls itself; may be empty
};
struct Microphone {
    std::string device;  ///< "hw:CARD=PCH,DEV=0": cards keep their names, not their numbers
    std::string card;    ///< "HDA Intel PCH, ALC269VC Analog"
};
struct Devices {
    std::vector<Camera> cameras;          ///< by number of their nodes
    std::vector<Microphone> microphones;  ///< in the kernel's order
};

/// The cameras and microphones of this machine (ASK-14): capture nodes only, as VIDIOC_QUERYCAP says, or where it cannot be asked
/// (busy, no permission) by index 0. Blocks for a moment.
/// root  "/"; another one in tests: paths are shown without it
[[nodiscard]] Devices find_devices(const std::filesystem::path& root = "/");

/// What to run and to say so that a device becomes a feed, and its stream goes to a far relay.
struct DevicePlan {
    std::string kind;  ///< "camera", "microphone"
    std::string device, name;
    std::string feed;    ///< video0, audio0, …
    std::string stream;  ///< stream/camera0: its picture and, where there is one, the microphone of the same number
    struct Line {
        std::string label, command;
    };
    std::vector<Line>
        lines;  ///< ffmpeg for jsmpeg players, ffmpeg for mpegts.js and VLC, stream rule, destination rule
};
/// `url`: where the relay is: "http://127.0.0.1:8888".
[[nodiscard]] std::vector<DevicePlan> device_plans(const Devices& devices, const std::string& url);

[[nodiscard]] std::string devices_text(const Devices& devices,
                                       const std::string& url);  ///< for people; says when there is none
[[nodiscard]] std::string devices_json(const Devices& devices,
                                       const std::string& url);  ///< {"cameras":[…],"microphones":[…]}

}  // namespace weir::relay
