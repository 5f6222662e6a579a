#include <gtest/gtest.h>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::expect_end;
using test::FakeLive;
using test::HlsRig;
using test::numbers;
using test::Reply;
using namespace std::chrono_literals;
using Form = FakeLive::Form;

/// Two renditions of one live.
struct TwoRenditions : HlsRig {
    FakeLive& high = add("hi", 1);
    FakeLive& low = add("lo", 2);

    TwoRenditions() {
        use_master(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1280x720\nhi/live.m3u8\n"
            "#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360\nlo/live.m3u8\n");
    }
    void shift_low(std::int64_t numbers) {
        low.numbers = numbers;
        low.first_sequence = static_cast<std::uint64_t>(static_cast<std::int64_t>(low.first_sequence) + numbers);
    }
    void end_after(std::uint64_t n) {
        high.ends_after = n;
        low.ends_after = static_cast<std::uint64_t>(static_cast<std::int64_t>(n) + low.numbers);
    }
    void want(Micros when, std::string rendition) {
        at(when, [this, rendition] { demand.rendition_wanted = rendition; });
    }

    /// The media seconds that came out: every one once, at most one unit repeated at the switch, none missing.
    struct Seen {
        int switches = 0;
        double first = 0, last = 0, repeated = 0;
    };
    Seen seamless(bool may_repeat_a_unit = false) {
        Seen seen;
        const FakeLive* before = nullptr;
        for (const auto& g : sink.got) {
            EXPECT_FALSE(g.gap) << g.first << " " << g.why;
            if (g.gap) continue;
            auto* origin = g.bytes == high.plain(0, g.first) ? &high : &low;
            EXPECT_EQ(g.bytes, origin->plain(0, g.first)) << g.first;
            const double begins = static_cast<double>(static_cast<std::int64_t>(g.first) - origin->numbers) +
                                  static_cast<double>(origin->phase) / 90'000;
            if (!before) {
                seen.first = begins;
            } else {
                EXPECT_LE(begins, seen.last + 0.001) << "missing before " << g.first;
                EXPECT_GT(begins + 1, seen.last + (may_repeat_a_unit ? -1e-3 : 1e-3))
                    << "all of it came before: " << g.first;
                seen.repeated += std::max(0.0, seen.last - begins);
            }
            seen.switches += before && before != origin ? 1 : 0;
            before = origin;
            seen.last = begins + 1;
        }
        return seen;
    }
};

struct SwitchCase {
    const char* name;
    std::int64_t numbers = 0, phase = 0, ticks = 0;
    bool dates = false;
    Micros lag{0};
    Form high = Form::ts, low = Form::ts;
    std::size_t low_window = 6;
};
class HlsSwitch : public testing::TestWithParam<SwitchCase> {};
TEST_P(HlsSwitch, MissesNothingAndRepeatsAtMostOneUnit_FC2_47) {
    const auto& c = GetParam();
    for (int tenth = 0; tenth < 10; ++tenth) {
        SCOPED_TRACE(fmt::format("{} tenths after 5 s", tenth));
        TwoRenditions rig;
        rig.shift_low(c.numbers);
        rig.low.phase = c.phase;
        rig.low.ticks = c.ticks;
        rig.high.dates = rig.low.dates = c.dates;
        rig.low.lag = c.lag;
        rig.high.form = c.high;
        rig.low.form = c.low;
        rig.low.window = c.low_window;
        rig.want(5s + tenth * 100ms, "360p");
        rig.end_after(125);
        expect_end(rig.run(), EndReason::endlist);
        // With no number, date or time to go by only the end of the two playlists is known to be the same.
        const auto seen = rig.seamless(c.ticks != 0 && c.numbers != 0 && !c.dates);
        EXPECT_EQ(seen.switches, 1) << rig.sink.text();
        EXPECT_EQ(seen.first, 103);
        EXPECT_GE(seen.last, 126 + std::min(0.0, static_cast<double>(c.phase) / 90'000));
        EXPECT_LE(seen.repeated, 1.001);
        if (c.phase == 0 && c.ticks == 0) {
            EXPECT_EQ(seen.repeated, 0);
        }
        EXPECT_EQ(rig.sink.inits.size(), 2u);
        EXPECT_EQ(rig.sink.inits.back()->epoch, 2u);
        EXPECT_EQ(rig.sink.breaks.size(), c.ticks == 0 ? 0u : 1u) << rig.sink.reasons();
        EXPECT_TRUE(rig.demand.rendition_wanted.empty());
        EXPECT_EQ(rig.source->stats().rendition, "360p 900k");
        EXPECT_EQ(rig.source->stats().missing, 0u);
        EXPECT_EQ(rig.source->stats().asked, rig.source->stats().got);
        EXPECT_NEAR(static_cast<double>(rig.sink.times.back().count()), 23e6, 1.6e6);
    }
}
constexpr std::int64_t elsewhere = 7'000 * 90'000ll;
INSTANTIATE_TEST_SUITE_P(
    Cases, HlsSwitch,
    testing::Values(SwitchCase{"SameNumbers"}, SwitchCase{.name = "SameNumbersAndDates", .dates = true},
                    SwitchCase{.name = "OneNumberOn", .numbers = 1}, SwitchCase{.name = "OneNumberBack", .numbers = -1},
                    SwitchCase{.name = "OneNumberOnWithDates", .numbers = 1, .dates = true},
                    SwitchCase{.name = "OtherNumbers", .numbers = 5'000},
                    SwitchCase{.name = "OtherNumbersWithDates", .numbers = 5'000, .dates = true},
                    SwitchCase{.name = "LowerNumbers", .numbers = -90, .dates = true},
                    SwitchCase{.name = "LagsBehind", .lag = 2s}, SwitchCase{.name = "RunsAhead", .lag = -2s},
                    SwitchCase{.name = "LagsBehindWithOtherNumbers", .numbers = 5'000, .lag = 2s},
                    SwitchCase{.name = "HalfAUnitApart", .phase = 45'000},
                    SwitchCase{
                        .name = "HalfAUnitApartWithOtherNumbers", .numbers = 5'000, .phase = -45'000, .dates = true},
                    SwitchCase{.name = "HalfAUnitApartInFmp4", .phase = -45'000, .high = Form::fmp4, .low = Form::fmp4},
                    SwitchCase{.name = "Fmp4", .high = Form::fmp4, .low = Form::fmp4},
                    SwitchCase{.name = "FromTsToFmp4", .high = Form::ts, .low = Form::fmp4},
                    SwitchCase{.name = "FromFmp4ToTs", .high = Form::fmp4, .low = Form::ts},
                    SwitchCase{.name = "AnotherClock", .ticks = elsewhere},
                    SwitchCase{.name = "AnotherClockWithDates", .numbers = 5'000, .ticks = elsewhere, .dates = true},
                    SwitchCase{.name = "AnotherClockAndNumbers", .numbers = 5'000, .ticks = elsewhere},
                    SwitchCase{.name = "AnotherClockFromTsToFmp4", .ticks = elsewhere, .low = Form::fmp4},
                    SwitchCase{.name = "ShortWindow", .low_window = 3}),
    [](const auto& c) { return c.param.name; });

TEST(HlsSwitchOver, OverlappingMediaHasNoStreamTimeUntilItIsNew) {
    TwoRenditions rig;
    rig.low.phase = -45'000;
    rig.low.pictures = rig.high.pictures = 25;
    rig.want(5s, "360p");
    rig.end_after(120);
    std::size_t without = 0;
    std::optional<Micros> first_new;
    rig.sink.on_item = [&](const Item& item) -> Task<void> {
        const auto* chunk = std::get_if<Chunk>(&item);
        if (!chunk || chunk->epoch != 2 || first_new) co_return;
        if (chunk->raw_dts && !chunk->dts) ++without;
        if (chunk->dts) first_new = *chunk->dts - *chunk->raw_dts;
    };
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_GT(without, 0u);
    ASSERT_TRUE(first_new.has_value());
    EXPECT_NEAR(static_cast<double>(first_new->count()), static_cast<double>(rig.sink.offsets.front().count()), 25)
        << "a file is shifted by the right amount";
    EXPECT_EQ(rig.sink.offsets.size(), 1u);
}

TEST(HlsSwitchOver, BackAndForth) {
    TwoRenditions rig;
    for (int i = 0; i < 8; ++i) rig.want(4s + i * 2500ms, i % 2 ? "best" : "worst");
    rig.end_after(135);
    expect_end(rig.run(), EndReason::endlist);
    const auto seen = rig.seamless();
    EXPECT_EQ(seen.switches, 8);
    EXPECT_EQ(seen.repeated, 0);
    EXPECT_EQ(rig.sink.text(), numbers(103, 135));
    EXPECT_EQ(rig.sink.inits.size(), 9u);
}

TEST(HlsSwitchOver, GoesOnOverDiscontinuities) {
    TwoRenditions rig;
    for (auto* live : {&rig.high, &rig.low}) {
        live->discontinuities = {106, 109, 112};
        live->counts_breaks = true;
    }
    rig.want(5s, "360p");
    rig.end_after(120);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.seamless().switches, 1);
    EXPECT_EQ(rig.sink.text(), numbers(103, 120));
    EXPECT_EQ(rig.sink.breaks.size(), 3u) << rig.sink.reasons();
}

/// The numbers say where the new rendition's first units should lie, only time says where they do.
TEST(HlsSwitchOver, FirstUnitsThatFailAreListedForTheTimeTheyCover) {
    for (const std::int64_t shift : {0, 1, 5000, -98}) {
        for (const bool dates : {false, true}) {
            SCOPED_TRACE(fmt::format("shifted by {}, dates {}", shift, dates));
            TwoRenditions rig;
            rig.high.dates = rig.low.dates = dates;
            rig.shift_low(shift);
            rig.low.segment_faults = [shift](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
                const auto second = static_cast<std::int64_t>(n) - shift;
                return second >= 104 && second <= 109 ? std::optional(Reply{404, ""}) : std::nullopt;
            };
            rig.high.segment_faults = [](std::uint64_t n, int, const std::string&) -> std::optional<Reply> {
                Reply r;
                r.how = Reply::How::silent;
                return n >= 107 ? std::optional(r) : std::nullopt;
            };
            rig.want(5s, "360p");
            rig.end_after(130);
            expect_end(rig.run(), EndReason::endlist);
            std::int64_t last_of_high = 0;
            std::uint64_t listed = 0;
            for (const auto& g : rig.sink.got) {
                if (g.gap) {
                    listed += g.last - g.first + 1;
                    EXPECT_EQ(g.why, "http 404");
                    EXPECT_EQ(g.to - g.from, Micros(1s) * static_cast<std::int64_t>(g.last - g.first + 1));
                } else if (listed == 0) {
                    last_of_high = static_cast<std::int64_t>(g.first);
                }
            }
            ASSERT_EQ(last_of_high, 106);
            EXPECT_EQ(static_cast<std::int64_t>(listed), 109 - last_of_high) << rig.sink.text();
            EXPECT_EQ(static_cast<std::int64_t>(rig.sink.got.back().last), 130 + shift);
        }
    }
}

TEST(HlsSwitchOver, OfAFinishedPlaylist) {
    TwoRenditions rig;
    for (auto* live : {&rig.high, &rig.low}) {
        live->window = 30;
        live->keep_old = true;
        live->segment_faults = [](std::uint64_t, int, const std::string& body) -> std::optional<Reply> {
            Reply r{200, body};
            r.before_head = 900ms;
            return r;
        };
    }
    rig.want(3s, "360p");
    rig.end_after(129);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.seamless().switches, 1);
    EXPECT_EQ(rig.sink.text(), numbers(100, 129));
}

struct FailCase {
    const char* name;
    std::function<std::optional<Reply>(const HttpRequest&)> faults;
    const char* wish = "360p";
};
class HlsSwitchFails : public testing::TestWithParam<FailCase> {};
TEST_P(HlsSwitchFails, TheOldRenditionGoesOn) {
    TwoRenditions rig;
    rig.low.faults = GetParam().faults;
    rig.want(5s, GetParam().wish);
    rig.end_after(125);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 125));
    EXPECT_EQ(rig.seamless().switches, 0);
    EXPECT_TRUE(rig.demand.rendition_wanted.empty());
    EXPECT_EQ(rig.source->stats().rendition, "720p 5000k");
    EXPECT_EQ(rig.sink.inits.size(), 1u);
}
std::optional<Reply> always(const HttpRequest& r, std::string_view ending, Reply reply) {
    return r.url.path.ends_with(ending) ? std::optional(std::move(reply)) : std::nullopt;
}
INSTANTIATE_TEST_SUITE_P(
    Cases, HlsSwitchFails,
    testing::Values(FailCase{"NotFound",
                             [](const auto& r) {
                                 return always(r, "m3u8", {404, ""});
                             }},
                    FailCase{"Unavailable",
                             [](const auto& r) {
                                 return always(r, "m3u8", {503, ""});
                             }},
                    FailCase{"Protected",
                             [](const auto& r) {
                                 return always(r, "m3u8",
                                               {200,
                                                "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=SAMPLE-AES,"
                                                "URI=\"k\"\n#EXTINF:1,\nseg104.ts\n"});
                             }},
                    FailCase{"SegmentsMissing",
                             [](const auto& r) {
                                 return always(r, ".ts", {404, ""});
                             }},
                    FailCase{"SegmentsArePages",
                             [](const auto& r) {
                                 return always(r, ".ts", {200, "<html>"});
                             }},
                    FailCase{"Subtitles",
                             [](const auto& r) {
                                 return always(r, ".ts", {200, "WEBVTT\n\n"});
                             }},
                    FailCase{"NoSuchName", nullptr, "cinema"}, FailCase{"TheSame", nullptr, "best"}),
    [](const auto& c) { return c.param.name; });

TEST(HlsFollow, AFreshAddressOfTheSameRenditionChangesNothing_FC2_67) {
    HlsRig rig;
    rig.live.query = "?token=1";
    std::string host = "live.example";
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        return r.url.host == host ? std::nullopt : std::optional(Reply{403, "expired"});
    };
    rig.at(6s, [&] {
        host = "other.example";
        rig.live.query = "?token=2";
    });
    rig.at(7s, [&] { rig.source->follow(parse_url("https://other.example/a/live.m3u8?token=2").value()); });
    rig.live.ends_after = 125;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(103, 125));
    test::expect_bytes(rig);
    EXPECT_EQ(rig.sink.inits.size(), 1u);
    EXPECT_TRUE(rig.sink.breaks.empty());
}

TEST(HlsFollow, TheLastWishCounts) {
    TwoRenditions rig;
    rig.at(5s, [&] { rig.demand.rendition_wanted = "worst"; });
    for (int i = 0; i < 3; ++i)
        rig.at(7s, [&] { rig.source->follow(parse_url("https://live.example/a/hi/live.m3u8").value()); });
    rig.at(12s, [&] { rig.demand.rendition_wanted = "worst"; });
    rig.at(12s + 1ms, [&] { rig.source->follow(parse_url("https://live.example/a/lo/live.m3u8").value()); });
    rig.at(16s, [&] { rig.demand.rendition_wanted = "best"; });
    rig.end_after(125);
    expect_end(rig.run(), EndReason::endlist);
    rig.seamless();
    EXPECT_EQ(rig.sink.text(), numbers(103, 125));
    EXPECT_EQ(rig.sink.got.back().bytes, rig.high.plain(125));
    EXPECT_TRUE(rig.demand.rendition_wanted.empty());
}

TEST(HlsFollow, AnotherRenditionByItsAddress) {
    TwoRenditions rig;
    rig.settings.url = parse_url("https://live.example/a/hi/live.m3u8").value();
    rig.settings.headers = {{"X-Token", "1"}};
    rig.at(5s, [&] { rig.source->follow(parse_url("https://cdn.example/a/lo/live.m3u8").value()); });
    rig.end_after(120);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.seamless().switches, 1);
    EXPECT_EQ(rig.sink.text(), numbers(103, 120));
    for (const auto& r : rig.http.requests) EXPECT_EQ(r.headers.size(), 1u) << "the new host is the user's too";
}

TEST(HlsFollow, AMasterStandsForTheWishedRendition) {
    TwoRenditions rig;
    rig.settings.quality = "360p";
    const auto master = rig.settings.url;
    rig.settings.url = parse_url("https://live.example/a/hi/live.m3u8").value();
    rig.at(5s, [&] { rig.source->follow(master); });
    rig.end_after(120);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.seamless().switches, 1);
}

TEST(HlsFollow, BeforeTheStartItIsTheAddress) {
    TwoRenditions rig;
    rig.make();
    rig.source->follow(parse_url("https://live.example/a/lo/live.m3u8").value());
    rig.end_after(110);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.got.front().bytes, rig.low.plain(103));
}

TEST(HlsFollow, BetweenPrepareAndRunItIsASwitch) {
    TwoRenditions rig;
    ASSERT_TRUE(rig.prepare().has_value());
    rig.source->follow(parse_url("https://live.example/a/lo/live.m3u8").value());
    rig.end_after(112);
    expect_end(rig.run(), EndReason::endlist);
    const auto seen = rig.seamless();
    EXPECT_EQ(seen.last, 113);
}

/// Sound in a playlist of its own goes on by itself, or follows to the new group's.
TEST(HlsSwitchOver, SoundFollowsToTheNewGroup) {
    TwoRenditions rig;
    auto& a = rig.add("ja1", 3);
    auto& b = rig.add("ja2", 4);
    a.sound = b.sound = true;
    for (auto& [folder, live] : rig.more) live->form = Form::fmp4;
    rig.use_master(
        "#EXTM3U\n"
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g1\",NAME=\"m\",DEFAULT=YES,URI=\"ja1/live.m3u8\"\n"
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g2\",NAME=\"m\",DEFAULT=YES,URI=\"ja2/live.m3u8\"\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1280x720,AUDIO=\"g1\"\nhi/live.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,AUDIO=\"g2\"\nlo/live.m3u8\n");
    rig.want(5s, "360p");
    rig.end_after(120);
    a.ends_after = b.ends_after = 120;
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.seamless().switches, 1);
    auto& lane = rig.sink.lane(1);
    EXPECT_EQ(lane.text(), numbers(103, 120));
    EXPECT_EQ(lane.got.front().bytes, a.plain(103));
    EXPECT_EQ(lane.got.back().bytes, b.plain(120));
    EXPECT_EQ(lane.inits.size(), 2u);
    test::expect_one_clock(rig.sink);
}

}  // namespace
}  // namespace weir::hls
