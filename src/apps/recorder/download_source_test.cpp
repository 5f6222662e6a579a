#include "apps/recorder/download_source.h"

#include <gtest/gtest.h>

#include "fake_http.h"
#include "on_shard.h"
#include "ts_maker.h"

namespace weir::apps {
namespace {

using test::FakeHttp;
using test::Reply;
using namespace std::chrono_literals;

const std::string mkv = "\x1a\x45\xdf\xa3" + std::string(5000, 'm');

Reply film(std::string etag) {
    Reply r{200, mkv};
    r.headers.emplace_back("etag", std::move(etag));
    return r;
}

Reply live_ts() {
    Reply r{200, test::TsMaker().segment(0, 50, 800)};
    r.no_length = true;
    return r;
}

DownloadOptions options_for(const char* url) {
    DownloadOptions o;
    o.source.url = parse_url(url).value();
    o.source.seed = 1;
    return o;
}

Earlier earlier_file(std::uint64_t blocks, std::string etag) {
    Earlier e;
    e.unfinished.source_kind = "http";
    e.unfinished.at.any = blocks > 0;
    e.unfinished.at.unit = blocks - 1;
    e.name_data = {{"http.length", std::to_string(mkv.size())}, {"http.etag", std::move(etag)}};
    e.whole_so_far = true;
    return e;
}

Earlier earlier_live(WallTime last_written) {
    Earlier e;
    e.unfinished.source_kind = "http";
    e.unfinished.at.stream_time = 60s;
    e.unfinished.at.last_written = last_written;
    return e;
}

/// Prepares a source on a shard of its own, with a server that gives that answer, and lets `look` look at it.
void prepared(const Reply& reply, const std::function<Earlier(Clock&)>& make_earlier,
              const std::function<void(const Result<>&, DownloadSource&, FakeHttp&)>& look) {
    test::on_shard([&](Shard& shard) -> Task<void> {
        FakeHttp http(shard.clock(), [&](const HttpRequest&) {
            auto r = reply;
            r.before_head = 0us;
            return r;
        });
        CookieJar cookies;
        const auto options = options_for("http://host.example/a/film");
        DownloadSource source(shard, http, cookies, options);
        Demand demand;
        std::optional<Earlier> earlier;
        if (make_earlier) earlier = make_earlier(shard.clock());
        const auto ready = co_await source.prepare(demand, earlier);
        look(ready, source, http);
    });
}

TEST(DownloadSource, ALiveIsToldFromAFileByItsLength) {
    prepared(live_ts(), {}, [](const Result<>& ready, DownloadSource& source, FakeHttp&) {
        ASSERT_TRUE(ready);
        EXPECT_EQ(source.kind(), "http");
        EXPECT_EQ(source.ending(), ".ts");
        EXPECT_FALSE(source.file());
    });
    prepared(film("\"a\""), {}, [](const Result<>& ready, DownloadSource& source, FakeHttp&) {
        ASSERT_TRUE(ready);
        ASSERT_TRUE(source.file());
        EXPECT_EQ(source.ending(), ".mkv");
        std::map<std::string, std::string> said;
        source.describe(said);
        EXPECT_EQ(said.at("http.length"), std::to_string(mkv.size()));
        EXPECT_EQ(said.at("http.etag"), "\"a\"");
    });
}

TEST(DownloadSource, AnHlsPlaylistIsFetchedOnce) {
    const std::string playlist =
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n1.ts\n#EXTINF:1,\n2.ts\n#EXT-X-ENDLIST\n";
    prepared(Reply{200, playlist}, {}, [](const Result<>&, DownloadSource& source, FakeHttp& http) {
        EXPECT_EQ(source.kind(), "hls");
        EXPECT_EQ(http.count("/a/film"), 1);
    });
}

TEST(DownloadSource, AFileGoesOnWhenItIsTheSame) {
    const auto expect = [](bool goes_on, const Reply& reply, Earlier earlier) {
        prepared(
            reply, [&](Clock&) { return earlier; },
            [&](const Result<>& ready, DownloadSource& source, FakeHttp&) {
                ASSERT_TRUE(ready);
                EXPECT_EQ(source.continues(), goes_on);
            });
    };
    expect(true, film("\"a\""), earlier_file(0, "\"a\""));
    expect(true, film("\"a\""), earlier_file(2, "\"a\""));
    expect(false, film("\"b\""), earlier_file(2, "\"a\""));
    expect(false, Reply{200, mkv}, earlier_file(2, ""));  // nothing proves it
    auto lossy = earlier_file(2, "\"a\"");
    lossy.whole_so_far = false;
    expect(false, film("\"a\""), lossy);
    auto shorter = earlier_file(2, "\"a\"");
    shorter.name_data["http.length"] = "17";
    expect(false, film("\"a\""), shorter);
    auto other = earlier_file(2, "\"a\"");
    other.unfinished.source_kind = "hls";
    expect(false, film("\"a\""), other);
    expect(false, film("\"a\""), earlier_live(WallTime{}));
}

TEST(DownloadSource, ALiveGoesOnWhenItWasLeftNotLongAgo) {
    const auto expect = [](bool goes_on, Micros ago) {
        prepared(
            live_ts(), [&](Clock& clock) { return earlier_live(clock.wall() - ago); },
            [&](const Result<>& ready, DownloadSource& source, FakeHttp&) {
                ASSERT_TRUE(ready);
                EXPECT_EQ(source.continues(), goes_on) << ago.count();
            });
    };
    expect(true, 3s);
    expect(true, 4min);
    expect(false, 6min);
}

TEST(DefaultName, SaysWhenAndWhat) {
    const auto name = [](const char* url) {
        return default_name(parse_url(url).value(), WallTime{} + std::chrono::hours(24 * 365));
    };
    EXPECT_EQ(name("http://h.example/talks/opening.m3u8?token=x").substr(17), " opening.mp4");
    EXPECT_EQ(name("http://h.example/live.m3u8").substr(17), " h.example live.mp4");
    EXPECT_EQ(name("http://h.example/").substr(17), " h.example.mp4");
    EXPECT_LE(name(("http://h.example/" + std::string(900, 'n')).c_str()).size(), 255u);
    EXPECT_EQ(title_of(parse_url("http://h.example/a/film.mkv").value()), "film");
}

}  // namespace
}  // namespace weir::apps
