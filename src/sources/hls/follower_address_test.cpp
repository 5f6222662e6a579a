#include <gtest/gtest.h>

#include "hls_rig.h"

namespace weir::hls {
namespace {

using test::expect_bytes;
using test::expect_end;
using test::HlsRig;
using test::numbers;
using test::Reply;
using namespace std::chrono_literals;

/// A live whose playlist is good only under the newest key that was handed out.
struct Keyed {
    HlsRig rig;
    int valid = 1, given = 0;
    bool broken = false;  ///< no address can be had
    bool slow = false;

    Keyed() {
        rig.live.window = 12;
        rig.settings.from_start = true;
        rig.settings.wait_for_start = 30s;
        rig.settings.url = parse_url("https://live.example/a/live.m3u8?key=1").value();
        rig.live.faults = [this](const HttpRequest& r) -> std::optional<Reply> {
            if (!r.url.path.ends_with(".m3u8") || r.url.query == fmt::format("key={}", valid)) return std::nullopt;
            return Reply{403, ""};
        };
        rig.settings.fresh_address = [this] { return fresh(); };
    }
    Task<Result<std::optional<Url>>> fresh() {
        ++given;
        if (slow) (void)co_await rig.clock.sleep_for(3s);
        if (broken) co_return Error{Errc::unreachable, "the socket is gone"};
        std::optional<Url> url = parse_url(fmt::format("https://other.example/a/live.m3u8?key={}", valid)).value();
        co_return url;
    }
};

TEST(HlsFreshAddress, ARefusedPlaylistGoesOnElsewhereWithNothingLost_FC2_67) {
    for (const bool slow : {false, true}) {
        Keyed k;
        k.slow = slow;
        k.rig.live.ends_after = 150;
        k.rig.at(10s, [&] { k.valid = 2; });
        k.rig.at(25s, [&] { k.valid = 3; });
        expect_end(k.rig.run(), EndReason::endlist);
        EXPECT_EQ(k.rig.sink.text(), numbers(100, 150));
        EXPECT_EQ(k.given, 2);
        expect_bytes(k.rig);
        EXPECT_TRUE(k.rig.sink.breaks.empty());
    }
}

TEST(HlsFreshAddress, TheFirstPlaylistMayBeRefusedToo) {
    Keyed k;
    k.valid = 7;
    k.rig.live.ends_after = 130;
    expect_end(k.rig.run(), EndReason::endlist);
    EXPECT_EQ(k.rig.sink.text(), numbers(100, 130));
    EXPECT_EQ(k.given, 1);
}

TEST(HlsFreshAddress, ARefusalForGoodIsTold) {
    Keyed k;
    k.valid = 7;
    k.broken = true;
    const auto ready = k.rig.prepare();
    ASSERT_FALSE(ready);
    EXPECT_EQ(ready.error().status, 403);
    EXPECT_GT(k.given, 2);
}

TEST(HlsFreshAddress, WithoutOneTheOldAddressIsAskedOn) {
    Keyed k;
    k.broken = true;
    k.rig.live.ends_after = 140;
    k.rig.at(10s, [&] { k.valid = 2; });
    k.rig.at(18s, [&] { k.valid = 1; });
    expect_end(k.rig.run(), EndReason::endlist);
    EXPECT_EQ(k.rig.sink.text(), numbers(100, 140));
    EXPECT_GT(k.given, 1);
}

/// From 20 s on nothing new is listed.
HlsRig& still_after(HlsRig& rig) {
    rig.settings.from_start = true;
    rig.live.window = 12;
    rig.live.faults = [&rig, last = std::string(), began = rig.clock.now()](const HttpRequest& r) mutable {
        if (!r.url.path.ends_with(".m3u8")) return std::optional<Reply>();
        if (rig.clock.now() - began < 20s || last.empty()) last = rig.live.playlist();
        return std::optional<Reply>(Reply{200, last});
    };
    rig.live.keep_old = true;
    return rig;
}

TEST(HlsEndsSoon, SilenceIsTheEndThen) {
    HlsRig rig;
    still_after(rig);
    const auto began = rig.clock.now();
    rig.at(22s, [&] { rig.source->ends_soon(6s); });
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_LT(rig.clock.now() - began, 30s);
    EXPECT_EQ(rig.sink.text(), numbers(100, rig.sink.got.back().last));
    EXPECT_GE(rig.sink.got.back().last, 129u);
    expect_bytes(rig);
}

TEST(HlsEndsSoon, WhatIsStillListedComesWhole) {
    HlsRig rig;
    still_after(rig);
    rig.live.segment_faults = [](std::uint64_t n, int asked, const std::string&) -> std::optional<Reply> {
        if (n >= 125 && asked < 2) return Reply{503, ""};
        return std::nullopt;
    };
    rig.at(10s, [&] { rig.source->ends_soon(6s); });  // what is said too early does not cut it short
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, rig.sink.got.back().last));
    EXPECT_GE(rig.sink.got.back().last, 129u);
    EXPECT_EQ(rig.source->stats().missing, 0u);
}

TEST(HlsEndsSoon, ARefusedPlaylistIsTheEndThen) {
    HlsRig rig;
    rig.settings.from_start = true;
    rig.live.window = 12;
    const auto began = rig.clock.now();
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() - began > 15s) return Reply{403, ""};
        return std::nullopt;
    };
    rig.at(14s, [&] { rig.source->ends_soon(60s); });
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_LT(rig.clock.now() - began, 22s);
    EXPECT_EQ(rig.sink.text(), numbers(100, rig.sink.got.back().last));
}

TEST(HlsEndsSoon, AHangingPlaylistHoldsItUpNoLongerThanSilenceDoes) {
    HlsRig rig;
    rig.settings.from_start = true;
    rig.live.window = 12;
    const auto began = rig.clock.now();
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        Reply silent;
        silent.how = Reply::How::silent;
        if (r.url.path.ends_with(".m3u8") && rig.clock.now() - began > 15s) return silent;
        return std::nullopt;
    };
    rig.at(16s, [&] { rig.source->ends_soon(3s); });
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_LT(rig.clock.now() - began, 46s);
}

TEST(HlsEndsSoon, APlaylistThatFailsThenIsNoSilence) {
    HlsRig rig;
    rig.settings.from_start = true;
    rig.live.window = 30;
    rig.live.keep_old = true;
    const auto began = rig.clock.now();
    rig.live.faults = [&](const HttpRequest& r) -> std::optional<Reply> {
        const auto passed = rig.clock.now() - began;
        if (!r.url.path.ends_with(".m3u8")) return std::nullopt;
        if (passed > 12s && passed < 28s) return Reply{503, ""};
        auto text = rig.live.playlist();
        if (const auto end = text.find("#EXT-X-ENDLIST"); end != text.npos) text.resize(end);
        return Reply{200, text};
    };
    rig.at(18s, [&] {
        rig.live.ends_after = rig.live.newest();
        rig.source->ends_soon(3s);
    });
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, *rig.live.ends_after));
}

TEST(HlsEndsSoon, MayBeSaidBeforeItRuns) {
    HlsRig rig;
    still_after(rig);
    rig.make().ends_soon(6s);
    expect_end(rig.run(), EndReason::endlist);
    EXPECT_EQ(rig.sink.text(), numbers(100, rig.sink.got.back().last));
}

}  // namespace
}  // namespace weir::hls
