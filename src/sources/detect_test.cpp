#include "sources/detect.h"

#include <gtest/gtest.h>

#include "fake_http.h"
#include "ts_maker.h"

namespace weir {
namespace {

using test::FakeHttp;
using test::Reply;
using namespace std::chrono_literals;
using namespace std::string_literals;

std::string box(const std::string& type, const std::string& body) {
    const auto size = body.size() + 8;
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
    return out + type + body;
}

const std::string ftyp = box("ftyp", "isom\0\0\2\0isomiso2"s);
const std::string fragmented = ftyp + box("moov", box("mvhd", std::string(100, '\0')) + box("mvex", "12345678"));
const std::string progressive = ftyp + box("moov", box("mvhd", std::string(100, '\0'))) + box("mdat", "abcdefgh");
const std::string index_last = ftyp + box("mdat", std::string(3000, 'x'));

struct SniffCase {
    const char* name;
    std::string bytes;
    Form form;
    std::string_view ending;
};
class SniffForm : public testing::TestWithParam<SniffCase> {};
TEST_P(SniffForm, ByContent) {
    const auto& c = GetParam();
    const auto sniffed = sniff_form(std::as_bytes(std::span(c.bytes)));
    EXPECT_EQ(sniffed.form, c.form);
    EXPECT_EQ(sniffed.ending, c.ending);
}
INSTANTIATE_TEST_SUITE_P(, SniffForm,
                         testing::Values(SniffCase{"playlist", "#EXTM3U\n", Form::hls, ".m3u8"},
                                         SniffCase{"ts", test::TsMaker().segment(0, 3, 400), Form::ts, ".ts"},
                                         SniffCase{"flv", "FLV\1\5\0\0\0\x09\0\0\0\0"s, Form::flv, ".flv"},
                                         SniffCase{"fragments", fragmented, Form::fmp4, ".mp4"},
                                         SniffCase{"segment",
                                                   box("styp", "msdh1234") + box("moof", std::string(40, 'a')),
                                                   Form::fmp4, ".mp4"},
                                         SniffCase{"progressive", progressive, Form::mp4, ".mp4"},
                                         SniffCase{"index_last", index_last, Form::mp4, ".mp4"},
                                         SniffCase{"matroska", "\x1a\x45\xdf\xa3 matroska", Form::media, ".mkv"},
                                         SniffCase{"adts", "\xff\xf1\x50\x80 frames", Form::media, ".aac"},
                                         SniffCase{"mp3", "\xff\xfb\x90\x64 frames", Form::media, ".mp3"},
                                         SniffCase{"id3", "ID3\4 tag", Form::media, ".mp3"},
                                         SniffCase{"ogg", "OggS\0\2 pages"s, Form::media, ".ogg"},
                                         SniffCase{"html", "\r\n <!DOCTYPE html><html>", Form::page, ".html"},
                                         SniffCase{"json", "{\"error\": 1}", Form::page, ".txt"},
                                         SniffCase{"nothing", "", Form::nothing, ".bin"},
                                         SniffCase{"noise", std::string(400, '\0'), Form::unknown, ".bin"}),
                         [](const auto& each) { return each.param.name; });

TEST(SniffFormTest, MoreBytesAreWantedWhileMoovIsNotWhole) {
    EXPECT_TRUE(mp4_is_open(std::as_bytes(std::span(ftyp))));
    EXPECT_TRUE(mp4_is_open(std::as_bytes(std::span(fragmented).first(fragmented.size() - 1))));
    EXPECT_FALSE(mp4_is_open(std::as_bytes(std::span(fragmented))));
    EXPECT_FALSE(mp4_is_open(std::as_bytes(std::span(index_last))));
}

struct DetectRig {
    asio::io_context io;
    SimulatedClock clock{io.get_executor()};
    std::function<Reply(int)> server;
    int asked = 0;
    FakeHttp http{clock, [this](const HttpRequest&) { return server(asked++); }};
    DetectSettings settings{parse_url("http://host.example/x").value()};
    Demand demand;

    Result<Detected> run() {
        settings.seed = 1;
        return test::run_simulated(io, clock, detect(clock, http, nullptr, settings, demand));
    }
};

TEST(Detect, HandsOnTheOpenedAnswerWithAllItsBytes) {
    DetectRig rig;
    const auto body = test::TsMaker().segment(0, 30, 4000);
    rig.server = [&](int) { return Reply{200, body}; };
    auto found = rig.run();
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->sniffed.form, Form::ts);
    EXPECT_EQ(found->length, body.size());
    auto got = std::string(found->first.text());
    struct Rest {
        static Task<int> read(HttpBody& from, std::string& into) {
            while (true) {
                auto piece = co_await from.next();
                if (!piece || piece->empty()) co_return 0;
                into += piece->text();
            }
        }
    };
    ASSERT_TRUE(found->body);
    test::run_simulated(rig.io, rig.clock, Rest::read(*found->body, got));
    EXPECT_EQ(got, body);
    EXPECT_EQ(rig.asked, 1);
}

TEST(Detect, AnswersInTinyPiecesAreLookedAtWhole) {
    DetectRig rig;
    rig.server = [&](int) { return Reply{200, fragmented, {}, Reply::How::whole, 0, 7}; };
    const auto found = rig.run();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->sniffed.form, Form::fmp4);
}

TEST(Detect, WaitsForWhatIsNotThereYet) {
    DetectRig rig;
    rig.settings.wait_for_start = 10min;
    rig.server = [](int n) { return n < 20 ? Reply{404, "not yet"} : Reply{200, "#EXTM3U\n"}; };
    const auto found = rig.run();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->sniffed.form, Form::hls);
}

TEST(Detect, WithoutWaitingNotThereIsAnErrorAtOnce) {
    DetectRig rig;
    rig.server = [](int) { return Reply{404, "no"}; };
    const auto found = rig.run();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().status, 404);
    EXPECT_EQ(rig.asked, 1);
}

TEST(Detect, ABusyServerIsAskedAFewTimes) {
    DetectRig rig;
    rig.server = [](int n) { return n < 3 ? Reply{503, "busy"} : Reply{200, "FLV\1\5"}; };
    const auto found = rig.run();
    ASSERT_TRUE(found);
    EXPECT_EQ(rig.asked, 4);
}

TEST(Detect, ARetryAfterNeitherHurriesNorLastsForEver) {
    DetectRig rig;
    rig.server = [](int) { return Reply{.status = 503, .body = "busy", .headers = {{"Retry-After", "0"}}}; };
    const auto before = rig.clock.now();
    const auto found = rig.run();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().status, 503);
    EXPECT_EQ(rig.asked, 4);
    EXPECT_GE(rig.clock.now() - before, 1s) << "a pause between the tries";
}

TEST(Detect, APageIsNotWaitedFor) {
    DetectRig rig;
    rig.settings.wait_for_start = 10min;
    rig.server = [](int) { return Reply{200, "<html>no live</html>"}; };
    const auto found = rig.run();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::bad_input);
    EXPECT_NE(found.error().what.find("web page"), std::string::npos);
    EXPECT_EQ(rig.asked, 1);
}

TEST(Detect, ALengthWithoutEndIsALive) {
    DetectRig rig;
    rig.server = [](int) {
        Reply r{200, "FLV\1\5 and more"};
        r.content_length = std::uint64_t{1} << 62;
        return r;
    };
    const auto found = rig.run();
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->length);
}

TEST(Detect, PackedMediaIsAskedForAgainUnpacked) {
    DetectRig rig;
    rig.server = [](int n) {
        Reply r{200, "FLV\1\5 and more"};
        if (n == 0) r.headers.emplace_back("content-encoding", "gzip");
        return r;
    };
    const auto found = rig.run();
    ASSERT_TRUE(found);
    EXPECT_TRUE(rig.http.requests.back().media);
    EXPECT_EQ(found->length, 14u);
}

}  // namespace
}  // namespace weir
