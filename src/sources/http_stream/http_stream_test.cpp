#include "sources/http_stream/http_stream.h"

#include <gtest/gtest.h>

#include "base/ids.h"
#include "fake_http.h"
#include "ts_maker.h"

namespace weir {
namespace {

using test::FakeHttp;
using test::Reply;
using namespace std::chrono_literals;

/// Keeps what a recorder would: bytes in order, and what is said about them.
class Kept final : public ItemSink {
public:
    Task<Result<>> accept(std::span<const Item> items) override {
        for (const auto& item : items) {
            if (const auto* c = std::get_if<Chunk>(&item)) {
                bytes += c->bytes.text();
                if (c->dts) last = c->dts;
                units += c->unit_end;
                if (c->unit_begin) begun.push_back(c->unit);
            }
            if (const auto* g = std::get_if<Gap>(&item)) gaps.push_back(*g);
            if (std::holds_alternative<Discontinuity>(item)) ++breaks;
            if (std::holds_alternative<InitPtr>(item)) ++inits;
        }
        co_return Result<>();
    }
    std::string bytes;
    std::optional<Micros> last;
    std::vector<Gap> gaps;
    std::vector<std::uint64_t> begun;
    int units = 0, breaks = 0, inits = 0;
};

struct Rig {
    asio::io_context io;
    SimulatedClock clock{io.get_executor()};
    std::function<Reply(const HttpRequest&, int)> server;
    int asked = 0;
    FakeHttp http{clock, [this](const HttpRequest& r) { return server(r, asked++); }};
    HttpStreamSettings settings;
    Kept sink;
    Demand demand;
    std::unique_ptr<HttpStream> source;

    Rig() {
        settings.url = parse_url("http://host.example/live").value();
        settings.seed = 1;
    }
    void open() {
        const DetectSettings look{settings.url};
        auto found = test::run_simulated(io, clock, detect(clock, http, nullptr, look, demand));
        ASSERT_TRUE(found) << found.error().text();
        source = HttpStream::create(io.get_executor(), clock, http, nullptr, settings, std::move(*found));
    }
    Result<End> run() {
        if (!source) open();
        auto ended = test::run_simulated(io, clock, source->run(sink, demand));
        source.reset();
        EXPECT_EQ(http.open_bodies, 0);
        return ended;
    }
};

void expect_end(const Result<End>& ended, EndReason reason) {
    ASSERT_TRUE(ended.has_value()) << ended.error().text();
    EXPECT_EQ(ended->reason, reason) << ended->why;
}

// ------------------------------------------------------------------ live

/// So many seconds of a stream, one picture in ten a keyframe, from that second on.
std::string ts(int from, int seconds) {
    return test::TsMaker().segment(90'000 * from, 25 * seconds, 800, static_cast<unsigned>(from));
}

Reply live(std::string body, Reply::How how = Reply::How::whole, std::size_t at = 0) {
    Reply r{200, std::move(body), {}, how, at, 4096, 20ms, 100ms};
    r.no_length = true;
    return r;
}

TEST(HttpLive, TransportStreamIsKeptToTheByteAndEndsWhenTheServerHasGone) {
    Rig rig;
    const auto body = ts(0, 4);
    rig.server = [&](const HttpRequest&, int n) { return n == 0 ? live(body) : Reply{404, "over"}; };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, body);
    EXPECT_TRUE(rig.sink.gaps.empty());
    EXPECT_LE(rig.asked, 6) << "it asks a few times whether the live goes on";
}

TEST(HttpLive, ACutIsAGapAndTimeGoesOn) {
    Rig rig;
    const auto first = ts(0, 4), second = ts(100, 4);
    const auto cut_at = first.size() / 2;
    rig.server = [&](const HttpRequest&, int n) {
        if (n == 0) return live(first, Reply::How::cut, cut_at);
        if (n < 3) return Reply{503, "soon"};
        return n == 3 ? live(second) : Reply{404, "over"};
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, first.substr(0, cut_at / 188 * 188) + second);
    ASSERT_EQ(rig.sink.gaps.size(), 1u);
    const auto& gap = rig.sink.gaps[0];
    EXPECT_FALSE(gap.exact);
    EXPECT_EQ(gap.why, "cut off");
    EXPECT_GT(gap.from, 1s);
    EXPECT_GT(gap.to, gap.from);
    EXPECT_LT(gap.to - gap.from, 5s);
    EXPECT_EQ(rig.sink.breaks, 1);
    EXPECT_LT(*rig.sink.last, gap.to + 5s) << "the second part follows the gap, whatever its timestamps say";
    EXPECT_GE(*rig.sink.last, gap.to + 3s);
}

TEST(HttpLive, AStallIsCutAndRiddenOut) {
    Rig rig;
    const auto first = ts(0, 4), second = ts(9, 4);
    rig.server = [&](const HttpRequest&, int n) {
        if (n == 0) return live(first, Reply::How::stall, first.size() / 2);
        return n == 1 ? live(second) : Reply{404, "over"};
    };
    expect_end(rig.run(), EndReason::endlist);
    ASSERT_EQ(rig.sink.gaps.size(), 1u);
    EXPECT_EQ(rig.sink.gaps[0].why, "stalled");
    EXPECT_GE(rig.sink.gaps[0].to - rig.sink.gaps[0].from, 10s);
    EXPECT_TRUE(rig.sink.bytes.ends_with(second));
}

TEST(HttpLive, IdleForTooLongIsTheEnd) {
    Rig rig;
    const auto body = ts(0, 4);
    rig.server = [&](const HttpRequest&, int n) {
        return n == 0 ? live(body, Reply::How::cut, body.size()) : Reply{503, "no"};
    };
    expect_end(rig.run(), EndReason::idle);
    EXPECT_EQ(rig.sink.bytes, body);
    EXPECT_TRUE(rig.sink.gaps.empty()) << "nothing is known to be missing";
}

TEST(HttpLive, ABodyThatIsSentAgainIsNoLive) {
    Rig rig;
    const auto body = ts(0, 40);
    rig.server = [&](const HttpRequest&, int) { return live(body); };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, body);
    EXPECT_EQ(rig.asked, 2);
}

TEST(HttpLive, DurationEnds) {
    Rig rig;
    rig.settings.duration = 2s;
    rig.server = [&](const HttpRequest&, int) { return live(ts(0, 20)); };
    expect_end(rig.run(), EndReason::duration);
    EXPECT_GE(*rig.sink.last, 1800ms);
    EXPECT_LE(*rig.sink.last, 3s);
}

TEST(HttpLive, APageInItsPlaceIsRiddenOut) {
    Rig rig;
    const auto first = ts(0, 4), second = ts(9, 4);
    rig.server = [&](const HttpRequest&, int n) {
        if (n == 0) return live(first, Reply::How::cut, first.size() / 188 / 2 * 188);
        if (n == 1) return Reply{200, "<html>back soon</html>"};
        return n == 2 ? live(second) : Reply{404, "over"};
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.gaps.size(), 1u);
    EXPECT_EQ(rig.sink.bytes.find("html"), std::string::npos);
    EXPECT_TRUE(rig.sink.bytes.ends_with(second));
}

TEST(HttpLive, AfterAKillTimeGoesOnWhereItWouldStand) {
    Rig rig;
    const auto body = ts(50, 4);
    rig.server = [&](const HttpRequest&, int n) { return n == 0 ? live(body) : Reply{404, "over"}; };
    rig.open();
    rig.source->resume_live(60s, 5s);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.breaks, 1);
    EXPECT_TRUE(rig.sink.gaps.empty()) << "the recording itself lists the time away";
    EXPECT_GE(*rig.sink.last, 68s);
    EXPECT_LE(*rig.sink.last, 70s);
}

TEST(HttpLive, OtherMediaComesAsItIs) {
    Rig rig;
    const auto body = "OggS" + std::string(300'000, 'o');
    rig.server = [&](const HttpRequest&, int n) { return n == 0 ? live(body) : Reply{410, "over"}; };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, body);
}

// ------------------------------------------------------------------ files

std::string matroska(std::size_t size) {
    std::string body = "\x1a\x45\xdf\xa3";
    for (std::uint64_t x = 1; body.size() < size; x = x * 6364136223846793005u + 1) body += static_cast<char>(x >> 56);
    return body;
}

struct FileServer {
    std::string body;
    std::string etag = "\"v1\"", modified = {};
    bool ranges = true;
    std::size_t cut_after = 0;  ///< each answer; 0: whole
    std::vector<std::string> if_ranges = {};

    Reply operator()(const HttpRequest& r) {
        for (const auto& [name, value] : r.headers)
            if (name == "If-Range") if_ranges.push_back(value);
        const auto from = r.range && ranges ? r.range->first : 0;
        Reply reply{from > 0 ? 206 : 200, body.substr(from)};
        if (!etag.empty()) reply.headers.emplace_back("etag", etag);
        if (!modified.empty()) reply.headers.emplace_back("last-modified", modified);
        if (from > 0)
            reply.headers.emplace_back("content-range",
                                       fmt::format("bytes {}-{}/{}", from, body.size() - 1, body.size()));
        if (cut_after > 0 && reply.body.size() > cut_after) {
            reply.how = Reply::How::cut;
            reply.at = cut_after;
        }
        return reply;
    }
};

TEST(HttpFile, IsFetchedInBlocks) {
    Rig rig;
    FileServer files{matroska(2 * file_block + 1000)};
    rig.server = [&](const HttpRequest& r, int) { return files(r); };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, files.body);
    EXPECT_EQ(rig.sink.units, 3);
    EXPECT_EQ(rig.sink.begun, (std::vector<std::uint64_t>{0, 1, 2}));
    EXPECT_EQ(rig.asked, 1);
}

TEST(HttpFile, ACutGoesOnAtTheExactByte) {
    Rig rig;
    FileServer files{matroska(3 * file_block + 77)};
    files.cut_after = 700'001;
    rig.server = [&](const HttpRequest& r, int) { return files(r); };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(content_hash(std::as_bytes(std::span(rig.sink.bytes))),
              content_hash(std::as_bytes(std::span(files.body))));
    EXPECT_EQ(rig.sink.bytes.size(), files.body.size());
    EXPECT_EQ(rig.sink.begun.size(), 4u);
    EXPECT_EQ(rig.asked, 5);
    EXPECT_EQ(rig.http.requests[1].range->first, 700'001u);
    EXPECT_EQ(files.if_ranges, std::vector<std::string>(4, "\"v1\""));
    EXPECT_TRUE(rig.sink.gaps.empty());
}

TEST(HttpFile, WithoutAnEtagTheDateIsTheValidator) {
    Rig rig;
    FileServer files{matroska(file_block)};
    files.etag.clear();
    files.modified = "Sat, 21 Nov 2026 14:00:00 GMT";
    files.cut_after = 600'000;
    rig.server = [&](const HttpRequest& r, int) { return files(r); };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, files.body);
    EXPECT_EQ(files.if_ranges, std::vector<std::string>{files.modified});
}

TEST(HttpFile, AWeakEtagIsComparedAndNotSent) {
    Rig rig;
    FileServer files{matroska(file_block)};
    files.etag = "W/\"v1\"";
    files.cut_after = 600'000;
    rig.server = [&](const HttpRequest& r, int) { return files(r); };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, files.body);
    EXPECT_TRUE(files.if_ranges.empty());
}

TEST(HttpFile, AServerWithoutRangesSendsAllAgainAndItIsCompared) {
    Rig rig;
    FileServer files{matroska(file_block * 2)};
    files.ranges = false;
    rig.server = [&](const HttpRequest& r, int n) {
        files.cut_after = n == 0 ? 900'000 : 0;
        return files(r);
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, files.body);
    EXPECT_EQ(rig.sink.units, 2);
}

struct ChangeCase {
    const char* name;
    std::function<void(FileServer&)> change;
};
class HttpFileChanged : public testing::TestWithParam<ChangeCase> {};
TEST_P(HttpFileChanged, IsAnErrorThatSaysSo) {
    Rig rig;
    FileServer files{matroska(file_block * 2)};
    rig.server = [&](const HttpRequest& r, int n) {
        files.cut_after = n == 0 ? 900'000 : 0;
        if (n == 1) GetParam().change(files);
        return files(r);
    };
    const auto ended = rig.run();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Errc::bad_input);
    EXPECT_NE(ended.error().what.find("changed"), std::string::npos) << ended.error().what;
    EXPECT_EQ(rig.asked, 2);
}
INSTANTIATE_TEST_SUITE_P(, HttpFileChanged,
                         testing::Values(ChangeCase{"etag", [](FileServer& f) { f.etag = "\"v2\""; }},
                                         ChangeCase{"length", [](FileServer& f) { f.body += "more"; }},
                                         ChangeCase{"bytes_without_ranges",
                                                    [](FileServer& f) {
                                                        f.ranges = false;
                                                        f.body[5000] ^= 1;
                                                    }}),
                         [](const auto& each) { return each.param.name; });

TEST(HttpFile, IsGivenUpAfterItsPatience) {
    Rig rig;
    FileServer files{matroska(file_block * 2)};
    files.cut_after = 900'000;
    rig.server = [&](const HttpRequest& r, int n) { return n == 0 ? files(r) : Reply{503, "no"}; };
    const auto before = rig.clock.now();
    const auto ended = rig.run();
    ASSERT_FALSE(ended);
    EXPECT_NE(ended.error().what.find("900000 of 2097152 bytes"), std::string::npos) << ended.error().what;
    EXPECT_GE(rig.clock.now() - before, rig.settings.file_patience);
}

TEST(HttpFile, AfterAKillItGoesOnAtTheBlockThatIsMissing) {
    Rig rig;
    FileServer files{matroska(file_block * 3 + 5)};
    rig.server = [&](const HttpRequest& r, int) { return files(r); };
    rig.open();
    rig.source->resume_file(2);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.bytes, files.body.substr(2 * file_block));
    EXPECT_EQ(rig.sink.begun, (std::vector<std::uint64_t>{2, 3}));
    EXPECT_EQ(rig.http.requests.back().range->first, 2 * file_block);
}

TEST(HttpFile, IdentitiesFit) {
    const FileIdentity a{10, "\"x\"", "mon"};
    EXPECT_TRUE(a.fits({10, "\"x\"", "tue"})) << "the tag decides";
    EXPECT_FALSE(a.fits({11, "\"x\"", "mon"}));
    EXPECT_FALSE(a.fits({10, "", "mon"}));
    EXPECT_FALSE((FileIdentity{10, "", "mon"}.fits({10, "", "tue"})));
}

}  // namespace
}  // namespace weir
