#include "proto/ts/ts_restamp.h"

#include <gtest/gtest.h>

#include <map>

#include "proto/ts/packet.h"
#include "ts_packets.h"

namespace weir::ts {
namespace {

using namespace weir::test;
using weir::test::packet;

RawPacket run(Restamper& restamper, RawPacket p) {
    EXPECT_TRUE(restamper.restamp(std::as_writable_bytes(std::span(p))).has_value());
    return p;
}

TEST(Restamper, MovesAllThreeClocksAndKeepsTheRest) {
    Restamper restamper;
    restamper.set_shift(5'400'000);
    const auto p = run(restamper, packet({.pts = 96'000, .dts = 90'000, .pcr = 80'001, .rap = true}));
    const Packet read(reinterpret_cast<const std::byte*>(p.data()));
    const auto head = read_pes_head(read.payload());
    ASSERT_TRUE(head && head->pts && head->dts);
    EXPECT_EQ(*head->pts, 5'496'000U);
    EXPECT_EQ(*head->dts, 5'490'000U);
    EXPECT_EQ(pcr_of(p), 5'480'001U);
    EXPECT_EQ(p[10] & 0x7f, 0x7e);
    EXPECT_EQ(p[11], 0x2a);
    EXPECT_TRUE(read.random_access());
}

TEST(Restamper, WrapsAtThirtyThreeBits) {
    constexpr std::uint64_t top = (std::uint64_t{1} << 33) - 1;
    Restamper restamper;
    restamper.set_shift(10);
    const auto p = run(restamper, packet({.pts = top, .dts = top - 9, .pcr = top - 10}));
    const auto head = read_pes_head(Packet(reinterpret_cast<const std::byte*>(p.data())).payload());
    ASSERT_TRUE(head && head->pts && head->dts);
    EXPECT_EQ(*head->pts, 9U);
    EXPECT_EQ(*head->dts, 0U);
    EXPECT_EQ(pcr_of(p), top);
}

TEST(Restamper, ADayOfLoopsStaysRight) {
    Restamper restamper;
    const std::int64_t period = 5'400'000;
    for (std::int64_t loop = 0; loop < 3000; loop += 7) {
        restamper.set_shift(loop * period);
        const auto p = run(restamper, packet({.pts = 90'000}));
        const auto head = read_pes_head(Packet(reinterpret_cast<const std::byte*>(p.data())).payload());
        ASSERT_EQ(*head->pts, (90'000U + static_cast<std::uint64_t>(loop * period)) % (std::uint64_t{1} << 33));
    }
}

TEST(Restamper, CountersGoOnAcrossLoopsForEachPid) {
    Restamper restamper;
    std::map<std::uint16_t, std::vector<int>> seen;
    for (int loop = 0; loop < 3; ++loop) {
        for (std::uint8_t i = 0; i < 7; ++i) {
            for (const std::uint16_t pid : {video, audio}) {
                const auto p =
                    run(restamper, packet({.pid = pid, .counter = static_cast<std::uint8_t>(i + 3), .start = false}));
                seen[pid].push_back(p[3] & 0x0f);
            }
            if (i == 2) {  // no payload: the number stands
                const auto p = run(restamper, packet({.pid = video, .counter = 5, .start = false, .payload = false}));
                EXPECT_EQ(p[3] & 0x0f, seen[video].back());
            }
        }
    }
    for (const auto& [pid, numbers] : seen) {
        ASSERT_EQ(numbers.size(), 21U);
        for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], static_cast<int>((3 + i) % 16));
    }
}

TEST(Restamper, RefusesWhatIsNotPackets) {
    Restamper restamper;
    std::vector<std::byte> bytes(188, std::byte{0});
    EXPECT_EQ(restamper.restamp(bytes).error().code, Errc::bad_input);
    bytes.resize(100);
    EXPECT_EQ(restamper.restamp(bytes).error().code, Errc::bad_input);
    auto p = packet({.payload = false});
    p[4] = 200;
    EXPECT_EQ(restamper.restamp(std::as_writable_bytes(std::span(p))).error().code, Errc::bad_input);
    // The stuffing leaves 12 bytes: PTS begins, DTS does not fit.
    auto cut = packet({.pts = 1, .dts = 1, .pcr = 1});
    cut[4] = 171;
    std::copy(cut.begin() + 12, cut.begin() + 24, cut.begin() + 176);
    EXPECT_EQ(restamper.restamp(std::as_writable_bytes(std::span(cut))).error().code, Errc::bad_input);
}

TEST(LoopMap, FindsPicturesTheirTablesAndThePeriod) {
    constexpr std::uint64_t near_wrap = (std::uint64_t{1} << 33) - 4000;
    std::vector<RawPacket> packets{pat(), pmt()};
    for (std::uint64_t i = 0; i < 4; ++i) {
        if (i == 2) packets.insert(packets.end(), {pat(), pmt()});
        packets.push_back(packet({.pts = (near_wrap + i * 3000) & ((std::uint64_t{1} << 33) - 1), .rap = i % 2 == 0}));
        packets.push_back(packet({.start = false}));
        packets.push_back(packet({.pid = audio, .pts = 5}));
    }
    const auto map = map_loop(file_of(packets));
    ASSERT_TRUE(map.has_value()) << map.error().text();
    ASSERT_EQ(map->steps.size(), 4U);
    const std::size_t offsets[] = {0, 5 * 188, 8 * 188, 13 * 188};
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(map->steps[i].offset, offsets[i]);
        EXPECT_EQ(map->steps[i].time, static_cast<std::int64_t>(i) * 3000);
        EXPECT_EQ(map->steps[i].rap, i % 2 == 0);
    }
    EXPECT_EQ(map->period, 12'000);
}

TEST(LoopMap, SoundThatWouldOverlapTheNextRunIsTrimmed) {
    std::vector<RawPacket> packets{pat(), pmt()};
    for (std::uint64_t i = 0; i < 4; ++i) packets.push_back(packet({.pts = 90'000 + i * 3000}));
    // 12000 ticks of picture; sound begins before it and ends after it.
    for (std::uint64_t i = 0; i < 9; ++i) {
        packets.push_back(packet({.pid = audio, .pts = 88'080 + i * 1920}));
        packets.push_back(packet({.pid = audio, .start = false}));
    }
    const auto file = file_of(packets);
    const auto map = map_loop(file);
    ASSERT_TRUE(map.has_value());
    const auto trimmed = trim_loop(file, map->period);
    // 0, 1920, …, 11520 stay; 13440 and 15360 go, with the packets that go on with them.
    EXPECT_EQ(trimmed.size(), file.size() - std::size_t{4} * 188);
    EXPECT_EQ(trim_loop(trimmed, map->period), trimmed);
    EXPECT_EQ(map_loop(trimmed)->period, map->period);
}

TEST(LoopMap, RefusesFilesThatCannotBeLooped) {
    EXPECT_FALSE(map_loop({}).has_value());
    EXPECT_FALSE(map_loop(file_of({pat(), pmt()})).has_value());
    EXPECT_FALSE(map_loop(file_of({packet({.pts = 1})})).has_value());
    EXPECT_FALSE(map_loop(file_of({pat(), pmt(), packet({.pts = 9}), packet({.pts = 9})})).has_value());
    auto torn = file_of({pat(), pmt(), packet({.pts = 1}), packet({.pts = 3001})});
    EXPECT_TRUE(map_loop(torn).has_value());
    torn[188] = std::byte{0};
    EXPECT_FALSE(map_loop(torn).has_value());
}

}  // namespace
}  // namespace weir::ts
