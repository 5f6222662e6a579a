#include <gtest/gtest.h>

#include <random>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::HlsRig;
using test::Reply;
using namespace std::chrono_literals;

/// What the origin handed out, by generation and number, and what came out must be the same but for what is listed.
struct Judge {
    HlsRig& rig;
    unsigned seed;

    void check(const Result<End>& ended) const {
        ASSERT_TRUE(ended.has_value()) << ended.error().text();
        std::uint32_t gen = 0;
        std::optional<std::uint64_t> next;
        std::uint64_t got = 0, missing = 0;
        for (const auto& g : rig.sink.got) {
            ASSERT_GE(g.gen, gen) << g.first;
            if (g.gen != gen) next.reset();
            gen = g.gen;
            ASSERT_EQ(g.first, next.value_or(g.first)) << "order or hole";
            ASSERT_LE(g.first, g.last);
            next = g.last + 1;
            const auto& sent = rig.live.plain(gen, g.first);
            if (!g.gap) {
                ASSERT_TRUE(g.whole);
                ASSERT_TRUE(g.bytes == sent) << "unit " << g.first << " came out changed";
                ++got;
            } else {
                ASSERT_FALSE(g.why.empty());
                ASSERT_TRUE(!g.partial || g.bytes == sent.substr(0, g.bytes.size())) << g.first;
                missing += g.last - g.first + 1;
            }
        }
        const auto stats = rig.source->stats();
        EXPECT_EQ(stats.got, got);
        EXPECT_EQ(stats.missing, missing);
        EXPECT_EQ(stats.asked, got + missing);
        EXPECT_EQ(rig.http.open_bodies, 0);
        if (ended->reason == EndReason::endlist && rig.live.ends_after) {
            ASSERT_TRUE(next.has_value());
            EXPECT_EQ(*next - 1, *rig.live.ends_after) << "the last units are missing without a word";
        }
    }
};

class Chaos {
public:
    explicit Chaos(unsigned seed) : random_(seed) {}
    unsigned upto(unsigned n) { return static_cast<unsigned>(random_() % n); }
    bool chance(unsigned percent) { return upto(100) < percent; }

    Reply segment(const std::string& body) {
        Reply r;
        r.body = body;
        r.between = Micros(upto(3) * 20'000);
        r.piece = 500 + upto(4000);
        r.at = upto(static_cast<unsigned>(body.size()));
        switch (upto(9)) {
            case 0:
                r.how = Reply::How::cut;
                break;
            case 1:
                r.how = Reply::How::stall;
                break;
            case 2:
                r.how = Reply::How::refuse;
                break;
            case 3:
                r.how = Reply::How::silent;
                break;
            case 4:
                return {200, "<html>captive portal</html>"};
            case 5:
                return {429, "", {{"retry-after", std::to_string(upto(4))}}};
            default:
                return {std::array{403, 404, 500, 502, 503}[upto(5)], ""};
        }
        return r;
    }
    Reply playlist() {
        Reply r;
        switch (upto(7)) {
            case 0:
                r.how = Reply::How::silent;
                return r;
            case 1:
                r.how = Reply::How::refuse;
                return r;
            case 2:
                return {200, "<html>"};
            case 3:
                return {200, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:"};
            default:
                return {std::array{403, 404, 500, 502, 503}[upto(5)], ""};
        }
    }

private:
    std::mt19937 random_;
};

/// 300 lives of a minute each, every one with faults of its own. A failure names its seed.
TEST(HlsModel, HandedOutIsDeliveredPlusListed) {
    std::uint64_t got = 0, missing = 0, retries = 0;
    for (unsigned seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        HlsRig rig;
        Chaos chaos(seed);
        auto& live = rig.live;
        rig.settings.seed = seed;
        live.window = 4 + chaos.upto(12);
        live.ends_after = 160 + chaos.upto(10);
        live.dates = chaos.chance(30);
        live.keep_old = chaos.chance(30);
        live.picture = 200 + chaos.upto(3) * 2000;
        rig.settings.from_start = chaos.chance(50);
        rig.settings.parallel = 1 + static_cast<int>(chaos.upto(4));
        if (chaos.chance(20)) live.key = aes::Block{std::byte{7}};
        if (chaos.chance(30)) live.discontinuities = {120, 121 + chaos.upto(30)};
        if (chaos.chance(20)) live.gaps = {130 + chaos.upto(9)};
        const auto bad = chaos.upto(4) * 12;
        const auto dead = chaos.chance(20) ? 115 + chaos.upto(30) : 0;
        const auto outage = rig.clock.now() + Millis(3000 + chaos.upto(20'000));
        const auto outage_ends = outage + Millis(chaos.upto(3) * 7000);
        const bool begins_anew = chaos.chance(20);
        if (begins_anew)
            rig.at(Millis(15'000 + chaos.upto(9000)), [&] {
                live.restart(chaos.chance(50) ? 0 : 40, "anew");
                live.ends_after = live.first_sequence + live.window + 30;
            });
        bool first = true;
        live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
            if (!r.url.path.ends_with(".m3u8") || std::exchange(first, false)) return std::nullopt;
            if (rig.clock.now() >= outage && rig.clock.now() < outage_ends) return chaos.playlist();
            return chaos.chance(bad / 2) ? std::optional(chaos.playlist()) : std::nullopt;
        };
        live.segment_faults = [&](std::uint64_t n, int, const std::string& body) -> std::optional<Reply> {
            if (n == dead) return Reply{404, ""};
            return chaos.chance(bad) ? std::optional(chaos.segment(body)) : std::nullopt;
        };
        if (chaos.chance(15)) rig.at(Millis(5000 + chaos.upto(40'000)), [&] { rig.demand.stop.ask("enough"); });
        if (chaos.chance(20)) {
            auto& clock = rig.clock;
            rig.sink.on_item = [&clock](const Item&) -> Task<void> { (void)co_await clock.sleep_for(15ms); };
        }
        const auto ended = rig.run();
        Judge{rig, seed}.check(ended);
        if (testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure()) {
            ADD_FAILURE() << rig.sink.text();
            return;
        }
        const auto stats = rig.source->stats();
        got += stats.got;
        missing += stats.missing;
        retries += stats.retries;
    }
    // The faults were real, and most of what they hit came in the end.
    EXPECT_GT(retries, 2000u);
    EXPECT_GT(missing, 50u);
    EXPECT_GT(got, 10 * missing);
    RecordProperty("got", std::to_string(got));
    RecordProperty("missing", std::to_string(missing));
    RecordProperty("retries", std::to_string(retries));
}

}  // namespace
}  // namespace weir::hls
