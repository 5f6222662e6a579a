#include "proto/ts/cutter.h"

#include <gtest/gtest.h>

#include <random>

#include "proto/ts/packet.h"
#include "ts_maker.h"

namespace weir::ts {
namespace {

using namespace std::chrono_literals;
using test::TsMaker;

struct Taken {
    std::vector<InitPtr> inits;
    std::vector<Chunk> chunks;
    std::vector<Gap> gaps;
    std::vector<Discontinuity> breaks;
    std::string bytes;
};

Taken sort(const std::vector<Item>& items) {
    Taken out;
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) out.inits.push_back(*init);
        if (const auto* gap = std::get_if<Gap>(&item)) out.gaps.push_back(*gap);
        if (const auto* d = std::get_if<Discontinuity>(&item)) out.breaks.push_back(*d);
        if (const auto* chunk = std::get_if<Chunk>(&item)) {
            EXPECT_FALSE(out.inits.empty()) << "a chunk before the first Init";
            EXPECT_EQ(chunk->epoch, out.inits.empty() ? chunk->epoch : out.inits.back()->epoch);
            EXPECT_EQ(chunk->bytes.size() % 188, 0u);
            EXPECT_LE(chunk->bytes.size(), 64u << 10);
            out.chunks.push_back(*chunk);
            out.bytes += chunk->bytes.text();
        }
    }
    return out;
}

std::vector<Item> cut_all(Cutter& cutter, std::string_view text, std::size_t piece) {
    std::vector<Item> items;
    for (std::size_t at = 0; at < text.size(); at += piece)
        EXPECT_TRUE(cutter.feed(Bytes::copy_of(text.substr(at, piece)), {}, items).has_value());
    return items;
}

TEST(TsCutter, AnyPiecesGiveTheSameBytes) {
    const auto text = TsMaker().segment(900'000);
    for (const std::size_t piece : {1u, 7u, 187u, 188u, 189u, 1000u, 16'384u, 1'000'000u}) {
        Cutter cutter;
        cutter.begin_unit(5, 0, 1s, 0s, 0s);
        auto items = cut_all(cutter, text, piece);
        ASSERT_TRUE(cutter.end_unit(items).has_value());
        const auto got = sort(items);
        EXPECT_EQ(got.bytes, text) << piece;
        EXPECT_TRUE(got.chunks.front().unit_begin);
        EXPECT_EQ(got.chunks.front().duration, 1s);
        EXPECT_TRUE(got.chunks.back().unit_end);
        EXPECT_EQ(std::count_if(got.chunks.begin(), got.chunks.end(), [](auto& c) { return c.unit_end; }), 1);
        EXPECT_EQ(std::count_if(got.chunks.begin(), got.chunks.end(), [](auto& c) { return c.unit_begin; }), 1);
        EXPECT_TRUE(got.gaps.empty());
    }
}

TEST(TsCutter, OnlyStraddlingPacketsAreCopied) {
    const auto text = TsMaker().segment(0, 25, 8000);
    Cutter cutter;
    auto items = cut_all(cutter, text, 16'384);
    EXPECT_LE(cutter.stats().copied_bytes, 188 * (text.size() / 16'384 + 1));
    EXPECT_EQ(cutter.stats().packets, text.size() / 188);
}

TEST(TsCutter, InitNamesTracksAndCarriesTables) {
    TsMaker maker({{0x1b, 0x100},
                   {0x0f, 0x101},
                   {0x24, 0x102},
                   {0x11, 0x103},
                   {0x03, 0x104},
                   {0x81, 0x105},
                   {0x02, 0x106},
                   {0x99, 0x107}});
    maker.tables();
    const auto tables = maker.bytes();
    maker.video(0, 1000, true);
    Cutter cutter;
    const auto got = sort(cut_all(cutter, maker.bytes(), 1'000'000));
    ASSERT_EQ(got.inits.size(), 1u);
    std::string names;
    for (const auto& t : got.inits[0]->tracks) names += t.codec + " ";
    EXPECT_EQ(names, "h264 aac hevc aac_latm mp2 ac3 mpeg2video stream-type-0x99 ");
    EXPECT_EQ(got.inits[0]->tracks[0].id, 0x100u);
    EXPECT_EQ(got.inits[0]->header.text(), tables);
    EXPECT_EQ(got.inits[0]->format.container, Container::ts);
}

TEST(TsCutter, TablesStayInFrontOfTheirKeyframe) {
    const auto text = TsMaker().segment(0);
    Cutter cutter;
    const auto got = sort(cut_all(cutter, text + TsMaker().segment(90'000), 1'000'000));
    std::vector<std::size_t> raps;
    std::size_t at = 0;
    for (const auto& c : got.chunks) {
        if (c.rap) raps.push_back(at);
        at += c.bytes.size();
    }
    EXPECT_EQ(raps, (std::vector<std::size_t>{0, text.size()}));
}

TEST(TsCutter, KeyframesAreFoundByTheirHeadersToo) {
    struct Case {
        std::uint8_t type;
        std::string head;
        bool rap;
    };
    const Case cases[] = {{0x1b, std::string("\0\0\0\1\x09\xf0\0\0\0\1\x67", 11), true},
                          {0x1b, std::string("\0\0\0\1\x09\xf0\0\0\1\x65", 10), true},
                          {0x1b, std::string("\0\0\0\1\x09\xf0\0\0\1\x41", 10), false},
                          {0x24, std::string("\0\0\1\x26\x01", 5), true},
                          {0x24, std::string("\0\0\1\x02\x01", 5), false},
                          {0x02, std::string("\0\0\1\xb3", 4), true},
                          {0x02, std::string("\0\0\1\x00", 4), false}};
    for (const auto& c : cases) {
        TsMaker maker({{c.type, 0x100}});
        maker.tables();
        maker.pes(0x100, 9000, 600, false, c.head);
        Cutter cutter;
        const auto got = sort(cut_all(cutter, maker.bytes(), 1'000'000));
        ASSERT_EQ(got.chunks.size(), 1u);
        EXPECT_EQ(got.chunks[0].rap, c.rap) << int{c.type} << " " << c.head.size();
    }
}

TEST(TsCutter, AudioOnlyIsCutAtItsFrames) {
    TsMaker maker({{0x0f, 0x101}});
    maker.tables();
    for (int i = 0; i < 100; ++i) maker.audio(i * 1920, 400);
    Cutter cutter;
    const auto got = sort(cut_all(cutter, maker.bytes(), 1'000'000));
    EXPECT_GT(got.chunks.size(), 5u);
    for (const auto& c : got.chunks) {
        EXPECT_TRUE(c.rap);
        EXPECT_TRUE(c.dts.has_value());
    }
}

TEST(TsCutter, BigPicturesAreCutAt64KiB) {
    TsMaker maker;
    maker.tables();
    maker.video(90'000, 200'000, true);
    Cutter cutter;
    const auto got = sort(cut_all(cutter, maker.bytes(), 1'000'000));
    ASSERT_GE(got.chunks.size(), 4u);
    EXPECT_EQ(got.chunks[0].bytes.size(), 348u * 188);
    EXPECT_TRUE(got.chunks[0].rap);
    EXPECT_FALSE(got.chunks[1].rap);
    EXPECT_EQ(got.chunks[1].dts, got.chunks[0].dts);
}

TEST(TsCutter, TimeStartsAtZeroAndRunsThroughTheWrap) {
    constexpr std::int64_t wrap = std::int64_t{1} << 33;
    TsMaker maker;
    maker.tables();
    for (int i = 0; i < 100; ++i) maker.video(wrap - 50 * 3600 + i * 3600, 500, i == 0);
    Cutter cutter;
    const auto got = sort(cut_all(cutter, maker.bytes(), 1'000'000));
    EXPECT_EQ(got.chunks.front().dts, 0us);
    EXPECT_EQ(cutter.last_dts(), 99 * 40ms);
    EXPECT_EQ(*got.chunks.back().raw_dts - *got.chunks.front().raw_dts, *got.chunks.back().dts);
    for (std::size_t i = 1; i < got.chunks.size(); ++i) EXPECT_GT(got.chunks[i].dts, got.chunks[i - 1].dts);
    EXPECT_TRUE(got.breaks.empty());
}

TEST(TsCutter, RebaseGivesOneOffsetForAll) {
    Cutter cutter;
    auto items = cut_all(cutter, TsMaker().segment(8'000'000), 4096);
    const auto before = items.size();
    cutter.rebase(70s);
    auto more = cut_all(cutter, TsMaker().segment(123), 4096);
    EXPECT_GT(before, 0u);
    int stamped = 0;
    for (const auto& item : more) {
        const auto* c = std::get_if<Chunk>(&item);
        if (!c || !c->dts) continue;
        ++stamped;
        EXPECT_EQ(*c->dts - *c->raw_dts, 70s - Micros(123 * 100 / 9));
    }
    EXPECT_GT(stamped, 3);
    EXPECT_EQ(cutter.last_dts(), 70s + Micros((123 + 24 * 3600) * 100 / 9) - Micros(123 * 100 / 9));
}

TEST(TsCutter, AnotherLanesOffsetIsTakenAsItIs) {
    constexpr std::int64_t wrap = std::int64_t{1} << 33;
    struct Case {
        std::int64_t ticks;  ///< this lane's first timestamp
        Micros offset, start, raw;
    };
    const Case cases[] = {{90'000, 59s, 60s, 1s},
                          {90'000, 90s, 91s, 1s},
                          // the other lane counts on past its wrap, or has not come to it yet
                          {90'000, 60s - Micros((wrap + 90'000) * 100 / 9), 60s, Micros((wrap + 90'000) * 100 / 9)},
                          {wrap - 90'000, 61s, 60s, -1s}};
    for (const auto& c : cases) {
        Cutter cutter;
        UnitCutter& lane = cutter;
        EXPECT_EQ(lane.offset(), std::nullopt);
        lane.set_offset(c.offset);
        EXPECT_EQ(lane.offset(), c.offset);
        std::vector<Item> items;
        lane.begin_unit(3, 0, 1s, 60s, 0s);
        ASSERT_TRUE(lane.feed(Bytes::copy_of(TsMaker().segment(c.ticks)), {}, items).has_value());
        ASSERT_TRUE(lane.end_unit(items).has_value());
        EXPECT_EQ(lane.unit_start(), c.start);
        EXPECT_EQ(sort(items).chunks.front().raw_dts, c.raw);
        EXPECT_TRUE(sort(items).breaks.empty());
    }
}

TEST(TsCutter, TheOffsetIsKnownFromTheFirstTimestampOn) {
    Cutter cutter;
    std::vector<Item> items;
    cutter.rebase(5s);
    EXPECT_EQ(cutter.offset(), std::nullopt);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(TsMaker().segment(180'000)), {}, items).has_value());
    EXPECT_EQ(cutter.offset(), 3s);
    EXPECT_EQ(cutter.set_header(Bytes::copy_of("moov")).error().code, Errc::unsupported);
}

TEST(TsCutter, AJumpIsABreakOfItsOwn) {
    Cutter cutter;
    std::vector<Item> items;
    TsMaker maker;
    cutter.begin_unit(1, 0, 1s, 0s, 0s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(maker.segment(0)), {}, items).has_value());
    ASSERT_TRUE(cutter.end_unit(items).has_value());
    cutter.begin_unit(2, 0, 1s, 1s, 0s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(maker.segment(90'000 * 3600)), {}, items).has_value());
    ASSERT_TRUE(cutter.end_unit(items).has_value());
    const auto got = sort(items);
    ASSERT_EQ(got.breaks.size(), 1u);
    EXPECT_EQ(got.breaks[0].unit, 2u);
    EXPECT_EQ(cutter.unit_start(), 1s);
}

TEST(TsCutter, AKnownGapIsNoJump) {
    Cutter cutter;
    std::vector<Item> items;
    TsMaker maker;
    cutter.begin_unit(1, 0, 1s, 0s, 0s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(maker.segment(0)), {}, items).has_value());
    ASSERT_TRUE(cutter.end_unit(items).has_value());
    cutter.begin_unit(62, 0, 1s, 61s, 0s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(maker.segment(90'000 * 61)), {}, items).has_value());
    ASSERT_TRUE(cutter.end_unit(items).has_value());
    EXPECT_TRUE(sort(items).breaks.empty());
    EXPECT_EQ(cutter.unit_start(), 61s);
}

TEST(TsCutter, AChangedMapIsANewEpochAndAnEqualOneIsNot) {
    TsMaker maker;
    auto text = maker.segment(0);
    maker.tables(1);  // only the version differs
    maker.video(90'000, 500, true);
    text += maker.take();
    maker.set_streams({{0x24, 0x100}, {0x0f, 0x101}});
    text += maker.segment(93'600);
    Cutter cutter;
    const auto got = sort(cut_all(cutter, text, 5000));
    ASSERT_EQ(got.inits.size(), 2u);
    EXPECT_EQ(got.inits[0]->epoch, 1u);
    EXPECT_EQ(got.inits[1]->epoch, 2u);
    EXPECT_EQ(got.inits[1]->tracks[0].codec, "hevc");
    EXPECT_EQ(got.bytes, text);
}

TEST(TsCutter, JunkIsDroppedCountedAndListed) {
    TsMaker maker;
    const auto a = maker.segment(0), b = maker.segment(90'000);
    std::vector<Item> items;
    Cutter cutter;
    cutter.begin_unit(9, 2, 1s, 0s, 0s);
    ASSERT_TRUE(cutter.feed(Bytes::copy_of(a + "some junk" + b + "tail"), {}, items).has_value());
    ASSERT_TRUE(cutter.end_unit(items).has_value());
    const auto got = sort(items);
    EXPECT_EQ(got.bytes, a + b);
    EXPECT_EQ(cutter.stats().resyncs, 2u);
    ASSERT_EQ(got.gaps.size(), 1u);
    EXPECT_EQ(got.gaps[0].bytes, 13u);
    EXPECT_EQ(got.gaps[0].first_unit, 9u);
    EXPECT_EQ(got.gaps[0].gen, 2u);
    EXPECT_TRUE(got.gaps[0].partial);
}

TEST(TsCutter, WithoutTablesThereIsAnErrorAndNoMemoryGrowth) {
    TsMaker maker;
    for (int i = 0; i < 400; ++i) maker.video(i * 3600, 3000, false);
    Cutter cutter;
    std::vector<Item> items;
    Result<> last;
    std::size_t fed = 0;
    const std::string_view text = maker.bytes();
    while (last.has_value() && fed < text.size()) {
        last = cutter.feed(Bytes::copy_of(text.substr(fed, 16'384)), {}, items);
        fed += 16'384;
    }
    ASSERT_FALSE(last.has_value());
    EXPECT_LE(fed, (512u << 10) + 2 * 16'384);
    EXPECT_TRUE(items.empty());
}

TEST(TsCutter, TinyPiecesBeforeTheTablesCostNoSquare_CVE_2026_48779) {
    TsMaker maker;
    for (int i = 0; i < 60; ++i) maker.video(i * 3600, 3000, false);
    const auto text = maker.take() + maker.segment(60 * 3600);
    Cutter cutter;
    EXPECT_EQ(sort(cut_all(cutter, text, 1)).bytes, text);  // minutes, if each byte looked at all before it
}

TEST(TsCutter, PacketsBeforeTheTablesAreKept) {
    TsMaker maker;
    maker.video(0, 2000, false);
    const auto early = maker.take();
    const auto text = early + maker.segment(3600);
    Cutter cutter;
    EXPECT_EQ(sort(cut_all(cutter, text, 1000)).bytes, text);
}

TEST(TsCutter, RandomDamageNeverLosesCount) {
    std::mt19937 random(7);
    for (int run = 0; run < 200; ++run) {
        auto text = TsMaker().segment(0) + TsMaker().segment(90'000);
        for (int i = 0; i < 20; ++i) {
            const auto at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text.erase(at, random() % 400);
                    break;
                default:
                    text.insert(at, std::string(random() % 300, '\x47'));
                    break;
            }
        }
        Cutter cutter;
        cutter.begin_unit(1, 0, 1s, 0s, 0s);
        std::vector<Item> items;
        bool good = true;
        for (std::size_t at = 0; good && at < text.size();) {
            const auto n = 1 + random() % 5000;
            good = cutter.feed(Bytes::copy_of(std::string_view(text).substr(at, n)), {}, items).has_value();
            at += n;
        }
        if (!good || !cutter.end_unit(items)) continue;
        const auto got = sort(items);
        const auto dropped = got.gaps.empty() ? 0 : *got.gaps[0].bytes;
        EXPECT_EQ(got.bytes.size() + dropped, text.size()) << run;
    }
}

TEST(Unroll, NearestValueCounts) {
    constexpr std::int64_t wrap = std::int64_t{1} << 33;
    EXPECT_EQ(unroll(std::nullopt, 5), 5);
    EXPECT_EQ(unroll(wrap - 10, 5), wrap + 5);
    EXPECT_EQ(unroll(wrap + 5, static_cast<std::uint64_t>(wrap - 10)), wrap - 10);
    EXPECT_EQ(unroll(3 * wrap + 100, 50), 3 * wrap + 50);
}

}  // namespace
}  // namespace weir::ts
