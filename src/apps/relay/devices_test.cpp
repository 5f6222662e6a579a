#include "apps/relay/devices.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <fstream>

namespace weir::relay {
namespace {

namespace fs = std::filesystem;

/// A machine of files: devices are plain files, so that only names and sysfs speak.
class DevicesTest : public testing::Test {
protected:
    DevicesTest() {
        std::string name = (fs::temp_directory_path() / "weir-devices-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
    }
    ~DevicesTest() override { fs::remove_all(root_); }

    void put(const std::string& path, const std::string& text = "") {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    void link(const std::string& path, const std::string& to) {
        fs::create_directories((root_ / path).parent_path());
        fs::create_symlink(to, root_ / path);
    }
    void camera(int number, int index, const std::string& name) {
        const auto node = "video" + std::to_string(number);
        put("dev/" + node);
        put("sys/class/video4linux/" + node + "/index", std::to_string(index) + "\n");
        put("sys/class/video4linux/" + node + "/name", name + "\n");
    }
    void sound() {
        put("proc/asound/cards",
            " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n"
            "                      HDA Intel PCH at 0xf7d10000 irq 31\n"
            " 2 [C920           ]: USB-Audio - HD Pro Webcam C920\n"
            "                      HD Pro Webcam C920 at usb-0000:00:14.0-2, high speed\n");
        put("proc/asound/pcm",
            "00-00: ALC269VC Analog : ALC269VC Analog : playback 1 : capture 1\n"
            "00-03: HDMI 0 : HDMI 0 : playback 1\n"
            "02-00: USB Audio : USB Audio : capture 1\n");
    }
    std::vector<std::string> paths() const {
        std::vector<std::string> out;
        for (const auto& c : find_devices(root_).cameras) out.push_back(c.path);
        return out;
    }

    fs::path root_;
};

using Texts = std::vector<std::string>;

TEST_F(DevicesTest, CamerasHaveTheNameThatStays_ASK14) {
    camera(0, 0, "HD Pro Webcam C920");
    camera(1, 1, "HD Pro Webcam C920");  // its metadata
    camera(2, 0, "BRIO");
    camera(10, 0, "Plain");
    link("dev/v4l/by-id/usb-046d_C920_AB12-video-index0", "../../video0");
    link("dev/v4l/by-id/usb-046d_C920_AB12-video-index1", "../../video1");
    link("dev/v4l/by-path/pci-0000:00:14.0-usb-0:2:1.0-video-index0", "../../video0");
    link("dev/v4l/by-path/pci-0000:00:14.0-usb-0:3:1.0-video-index0", "../../video2");
    EXPECT_EQ(paths(), (Texts{"/dev/v4l/by-id/usb-046d_C920_AB12-video-index0",
                              "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:3:1.0-video-index0", "/dev/video10"}));
    const auto first = find_devices(root_).cameras.front();
    EXPECT_EQ(first.node, "/dev/video0");
    EXPECT_EQ(first.card, "HD Pro Webcam C920");
}

TEST_F(DevicesTest, WithoutSysfsTheLinksSayWhatCaptures) {
    for (const auto* node : {"dev/video0", "dev/video1", "dev/video2"}) put(node);
    link("dev/v4l/by-id/cam-video-index0", "../../video0");
    link("dev/v4l/by-id/cam-video-index1", "../../video1");
    EXPECT_EQ(paths(), (Texts{"/dev/v4l/by-id/cam-video-index0", "/dev/video2"}));
}

TEST_F(DevicesTest, OtherNodesAreNoCameras) {
    for (const auto* node : {"dev/video", "dev/videox", "dev/video0x", "dev/vbi0", "dev/v4l-subdev0"}) put(node);
    EXPECT_TRUE(paths().empty());
}

TEST_F(DevicesTest, MicrophonesAreNamedByTheirCards) {
    sound();
    const auto found = find_devices(root_).microphones;
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].device, "hw:CARD=PCH,DEV=0");
    EXPECT_EQ(found[0].card, "HDA Intel PCH, ALC269VC Analog");
    EXPECT_EQ(found[1].device, "hw:CARD=C920,DEV=0");
}

TEST_F(DevicesTest, BrokenListsOfSoundAreSkipped) {
    put("proc/asound/cards", "--- no soundcards ---\n]x[\n 9 [\n");
    put("proc/asound/pcm", "x\n-:\n1:2-\n99999999999-0: a : b : capture 1\n03-01: a : b : capture 1\n");
    const auto found = find_devices(root_).microphones;
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].device, "hw:CARD=3,DEV=1");
}

TEST_F(DevicesTest, TheLinesAreReadyToRun) {
    camera(0, 0, "Cam");
    sound();
    const auto plans = device_plans(find_devices(root_), "http://127.0.0.1:8888/");
    ASSERT_EQ(plans.size(), 3U);
    ASSERT_EQ(plans[0].lines.size(), 4U);
    EXPECT_EQ(
        plans[0].lines[0].command,
        "ffmpeg -f v4l2 -framerate 25 -video_size 640x480 -i /dev/video0 -f mpegts -codec:v mpeg1video -s 640x480 "
        "-b:v 1000k -bf 0 http://127.0.0.1:8888/ts/video0");
    EXPECT_NE(plans[0].lines[1].command.find("libx264"), std::string::npos);
    EXPECT_EQ(plans[0].lines[2].command,
              "curl -X POST -H 'Content-Type: application/json' -d "
              "'{\"stream\":\"stream/camera0\",\"feeds\":[\"video0\",\"audio0\"]}' http://127.0.0.1:8888/api/streams");
    EXPECT_NE(plans[0].lines[3].command.find(R"("stream":"stream/camera0","destination":"wss://)"), std::string::npos);
    EXPECT_EQ(plans[2].feed, "audio1");
    EXPECT_NE(plans[2].lines[0].command.find("-i hw:CARD=C920,DEV=0 "), std::string::npos);
}

TEST_F(DevicesTest, AStrangeNameStaysOneWordOfTheShell) {
    put("dev/video0");
    link("dev/v4l/by-id/a cam's $(reboot)-index0", "../../video0");
    const auto plans = device_plans(find_devices(root_), "http://h");
    ASSERT_EQ(plans.size(), 1U);
    EXPECT_NE(plans[0].lines[0].command.find(R"(-i '/dev/v4l/by-id/a cam'\''s $(reboot)-index0' -f)"),
              std::string::npos)
        << plans[0].lines[0].command;
}

TEST_F(DevicesTest, SaysWhenThereIsNone) {
    const auto text = devices_text(find_devices(root_), "http://h");
    EXPECT_NE(text.find("no camera found"), std::string::npos);
    EXPECT_NE(text.find("no microphone found"), std::string::npos);
    EXPECT_EQ(devices_json(find_devices(root_), "http://h"), R"({"cameras":[],"microphones":[]})");
}

TEST_F(DevicesTest, JsonIsJsonWhateverTheNames) {
    camera(0, 0, "a \"cam\" \x01\xff");
    sound();
    boost::system::error_code ec;
    const auto value = boost::json::parse(devices_json(find_devices(root_), "http://h"), ec);
    ASSERT_FALSE(ec) << ec.message();
    EXPECT_EQ(value.at("cameras").as_array().size(), 1U);
    EXPECT_EQ(value.at("microphones").as_array().size(), 2U);
    EXPECT_EQ(value.at("cameras").at(0).at("device"), "/dev/video0");
}

}  // namespace
}  // namespace weir::relay
