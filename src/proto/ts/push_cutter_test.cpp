#include "proto/ts/push_cutter.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "ts_maker.h"

namespace weir::ts {
namespace {

using test::TsMaker;
using Sizes = std::vector<std::size_t>;

const std::string& sample() {
    static const std::string text = [] {
        std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/relay/sample.ts", std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(in), {});
    }();
    return text;
}
const Sizes sample_pictures{15604, 19552, 17108, 16920, 18612, 15604, 8084};
constexpr std::size_t sample_packets = 619 * 188;

struct Out {
    std::vector<Item> items;
    [[nodiscard]] std::vector<Chunk> chunks() const {
        std::vector<Chunk> all;
        for (const auto& item : items)
            if (const auto* chunk = std::get_if<Chunk>(&item)) all.push_back(*chunk);
        return all;
    }
    [[nodiscard]] std::vector<InitPtr> inits() const {
        std::vector<InitPtr> all;
        for (const auto& item : items)
            if (const auto* init = std::get_if<InitPtr>(&item)) all.push_back(*init);
        return all;
    }
    [[nodiscard]] Sizes sizes() const {
        Sizes all;
        for (const auto& chunk : chunks()) all.push_back(chunk.bytes.size());
        return all;
    }
    [[nodiscard]] std::string bytes() const {
        std::string all;
        for (const auto& chunk : chunks()) all += chunk.bytes.text();
        return all;
    }
    [[nodiscard]] std::string raps() const {
        std::string all;
        for (const auto& chunk : chunks()) all += chunk.rap ? 'r' : '.';
        return all;
    }
};

/// One read of a body: `text` in chunks of the sender of `chunk` bytes.
void feed(PushCutter& cutter, std::string_view text, std::size_t chunk, Out& out) {
    std::vector<std::uint32_t> borders;
    for (auto at = chunk; chunk != 0 && at <= text.size(); at += chunk)
        borders.push_back(static_cast<std::uint32_t>(at));
    if (chunk != 0 && text.size() % chunk != 0) borders.push_back(static_cast<std::uint32_t>(text.size()));
    cutter.feed(Bytes::copy_of(text), borders, {}, out.items);
}

void check(const PushCutter& cutter, const Out& out) {
    std::uint32_t epoch = 0;
    std::size_t sum = 0;
    for (const auto& item : out.items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) {
            EXPECT_GT((*init)->epoch, epoch);
            epoch = (*init)->epoch;
        }
        if (const auto* chunk = std::get_if<Chunk>(&item)) {
            EXPECT_EQ(chunk->epoch, epoch);
            EXPECT_NE(epoch, 0u);
            sum += chunk->bytes.size();
        }
    }
    EXPECT_EQ(sum + cutter.stats().dropped_bytes, cutter.stats().bytes);
    EXPECT_EQ(cutter.stats().messages, out.chunks().size());
    EXPECT_EQ(cutter.epoch(), epoch);
}

TEST(PushCutter, SC3_EachPictureKeepsItsSize) {
    PushCutter cutter({});
    Out out;
    std::size_t at = 0;
    for (const auto size : sample_pictures) {
        feed(cutter, std::string_view(sample()).substr(at, size), size, out);
        cutter.flush(out.items);
        at += size;
    }
    EXPECT_EQ(out.sizes(), sample_pictures);
    EXPECT_EQ(out.bytes(), sample().substr(0, at));
    EXPECT_EQ(out.raps(), "r......");
    ASSERT_EQ(out.inits().size(), 1u);
    ASSERT_EQ(out.inits()[0]->tracks.size(), 1u);
    EXPECT_EQ(out.inits()[0]->tracks[0].codec, "mpeg1video");
    EXPECT_EQ(out.inits()[0]->header.size(), 376u);
    EXPECT_EQ(cutter.stats().continuity_errors, 0u);
}

TEST(PushCutter, SC3_ThePicturesSizesHoldWhenSeveralCameInOneRead) {
    PushCutter cutter({});
    Out out;
    std::vector<std::uint32_t> borders;
    std::uint32_t at = 0;
    for (const auto size : sample_pictures) borders.push_back(at += static_cast<std::uint32_t>(size));
    cutter.feed(Bytes::copy_of(sample()), borders, {}, out.items);
    EXPECT_EQ(out.sizes(), sample_pictures);
    cutter.close(out.items);
    EXPECT_EQ(out.bytes(), sample().substr(0, sample_packets));
    EXPECT_EQ(cutter.stats().dropped_bytes, 56u);
    check(cutter, out);
}

TEST(PushCutter, VW31_SmallChunksOfOnePictureBecomeOneMessage) {
    for (const std::size_t chunk : {1316u, 188u}) {
        for (const std::size_t reads : {1u, 3u, 9u}) {
            PushCutter cutter({});
            Out out;
            std::size_t at = 0;
            for (const auto size : sample_pictures) {
                const auto picture = std::string_view(sample()).substr(at, size);
                const auto step = (size / reads + 187) / 188 * 188;
                for (std::size_t from = 0; from < size; from += step)
                    feed(cutter, picture.substr(from, step), chunk, out);
                cutter.flush(out.items);
                at += size;
            }
            EXPECT_EQ(out.sizes(), sample_pictures) << chunk << " in " << reads;
            EXPECT_EQ(out.bytes(), sample().substr(0, at));
        }
    }
}

TEST(PushCutter, VW30_UnalignedChunksComeOutAsWholePacketsAndNothingWaitsButATornOne) {
    PushCutter cutter({});
    Out out;
    for (std::size_t at = 0; at < sample().size(); at += 32'768) {
        feed(cutter, std::string_view(sample()).substr(at, 32'768), 32'768, out);
        cutter.flush(out.items);
        EXPECT_EQ(out.bytes().size(), std::min(at + 32'768, sample_packets) / 188 * 188);
    }
    EXPECT_EQ(out.sizes(), (Sizes{32'712, 32'712, 32'712, 18'236}));
    EXPECT_EQ(out.bytes(), sample().substr(0, sample_packets));
    EXPECT_EQ(out.raps(), "r...");
}

TEST(PushCutter, AnyPiecesBordersAndFlushesGiveTheSamePackets) {
    std::mt19937 random(4);
    for (const std::size_t most : {1u, 5u, 187u, 188u, 189u, 400u, 1316u, 5000u, 40'000u, 200'000u}) {
        PushCutter cutter({});
        Out out;
        const auto text = most < 100 ? sample().substr(0, 20'000) : sample();
        for (std::size_t at = 0; at < text.size();) {
            const auto size = std::min<std::size_t>(1 + random() % most, text.size() - at);
            feed(cutter, std::string_view(text).substr(at, size), random() % 3 == 0 ? 0 : 1 + random() % 6000, out);
            at += size;
            if (random() % 2 != 0) {
                cutter.flush(out.items);
                EXPECT_GE(out.bytes().size() + 187, at) << "every whole packet is out";
            }
        }
        cutter.close(out.items);
        EXPECT_EQ(out.bytes(), text.substr(0, text.size() / 188 * 188)) << most;
        for (const auto& chunk : out.chunks()) EXPECT_EQ(chunk.bytes.size() % 188, 0u);
        EXPECT_EQ(cutter.stats().continuity_errors, 0u);
        check(cutter, out);
    }
}

TEST(PushCutter, EveryCutOfASmallStreamGivesTheSamePackets) {
    const auto text = TsMaker().segment(0, 3, 300);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        PushCutter cutter({});
        Out out;
        feed(cutter, std::string_view(text).substr(0, cut), cut, out);
        cutter.flush(out.items);
        ASSERT_EQ(out.bytes().size(), cut / 188 * 188) << cut;
        feed(cutter, std::string_view(text).substr(cut), 0, out);
        cutter.close(out.items);
        ASSERT_EQ(out.bytes(), text) << cut;
        check(cutter, out);
    }
}

TEST(PushCutter, VW32_VW33_AnUnpacedPushLosesRepeatsAndTearsNothing) {
    std::string text;
    TsMaker maker;
    for (int i = 0; i < 60; ++i) text += maker.segment(i * 90'000, 25, 8000, static_cast<unsigned>(i)), maker.take();
    ASSERT_GT(text.size(), 10'000'000u);
    for (const std::size_t chunk : {0u, 188u, 65'536u}) {
        PushCutter cutter({});
        Out out;
        for (std::size_t at = 0; at < text.size(); at += 70'000)
            feed(cutter, std::string_view(text).substr(at, 70'000), chunk, out);
        for (const auto size : out.sizes()) EXPECT_LE(size, 1u << 20);
        cutter.close(out.items);
        EXPECT_EQ(out.bytes() == text, true) << chunk;
        EXPECT_EQ(cutter.stats().raps, 60u);
        check(cutter, out);
    }
}

TEST(PushCutter, CutsBeforeARandomAccessPointWithItsTablesInFront) {
    const auto first = TsMaker().segment(0, 5), second = TsMaker().segment(18'000, 5);
    PushCutter cutter({});
    Out out;
    feed(cutter, first + second, 0, out);
    cutter.flush(out.items);
    EXPECT_EQ(out.sizes(), (Sizes{first.size(), second.size()}));
    EXPECT_EQ(out.raps(), "rr");
    EXPECT_EQ(out.chunks()[1].dts, Micros(200'000));
    EXPECT_EQ(out.chunks()[1].raw_dts, Micros(200'000));
    EXPECT_EQ(out.chunks()[0].unit, 0u);
}

TEST(PushCutter, KeyframesOfEachCodecAreStarts) {
    struct Case {
        std::uint8_t type;
        std::string head;
        bool rap;
    };
    const Case cases[] = {{0x01, std::string("\0\0\1\xb3", 4), true},
                          {0x02, std::string("\0\0\1\xb3", 4), true},
                          {0x02, std::string("\0\0\1\0", 4), false},
                          {0x1b, std::string("\0\0\0\1\x09\xf0\0\0\1\x65", 10), true},
                          {0x1b, std::string("\0\0\0\1\x09\xf0\0\0\1\x41", 10), false},
                          {0x24, std::string("\0\0\1\x26\x01", 5), true},
                          {0x24, std::string("\0\0\1\x02\x01", 5), false}};
    for (const auto& c : cases) {
        TsMaker maker({{c.type, 0x100}});
        maker.tables();
        maker.pes(0x100, 0, 900, false, c.head);
        PushCutter cutter({});
        Out out;
        feed(cutter, maker.bytes(), 0, out);
        cutter.flush(out.items);
        EXPECT_EQ(out.raps(), c.rap ? "r" : ".") << int{c.type};
    }
}

TEST(PushCutter, AudioAloneBeginsAtEachStartAndIsCutAtOneNowAndThen) {
    TsMaker maker({{0x0f, 0x101}});
    for (int i = 0; i < 50; ++i) {
        if (i % 5 == 0) maker.tables();
        maker.audio(i * 1920, 400);
    }
    for (const bool each : {true, false}) {
        PushCutter cutter({});
        Out out;
        const auto text = maker.bytes().substr(188 * 3);  // begins in the middle of a frame
        for (std::size_t at = 0; at < text.size(); at += each ? 188 : text.size()) {
            feed(cutter, std::string_view(text).substr(at, each ? 188 : text.size()), 0, out);
            cutter.flush(out.items);
        }
        EXPECT_EQ(out.bytes(), text);
        EXPECT_GE(cutter.stats().raps, 5u) << each;
        EXPECT_EQ(out.chunks()[0].rap, false);
    }
}

TEST(PushCutter, JS1_AStreamWithoutTablesIsPassedOnAtOnceAndItsSequenceHeadersAreStarts) {
    TsMaker maker({{0x01, 0x100}});
    for (int i = 0; i < 6; ++i)
        maker.pes(0x100, i * 3600, 700, false,
                  i == 3 ? std::string_view("\0\0\1\xb3", 4) : std::string_view("\0\0\1\0", 4));
    const auto text = maker.bytes();
    PushCutter cutter({});
    Out out;
    for (std::size_t at = 0; at < text.size(); at += 4 * 188) {
        feed(cutter, std::string_view(text).substr(at, 4 * 188), 0, out);
        cutter.flush(out.items);
        EXPECT_EQ(out.bytes().size(), at + 4 * 188);
    }
    ASSERT_EQ(out.inits().size(), 1u);
    EXPECT_TRUE(out.inits()[0]->tracks.empty());
    EXPECT_EQ(out.inits()[0]->format.container, Container::ts);
    EXPECT_EQ(out.raps(), "...r..");
}

TEST(PushCutter, TablesThatComeLaterAreANewEpoch) {
    TsMaker maker;
    maker.video(0, 3000, false);
    const auto before = maker.take();
    PushCutter cutter({.first_epoch = 7});
    Out out;
    feed(cutter, before, 0, out);
    cutter.flush(out.items);
    feed(cutter, TsMaker().segment(3600, 3), 0, out);
    cutter.close(out.items);
    const auto inits = out.inits();
    ASSERT_EQ(inits.size(), 3u);
    EXPECT_EQ(inits[0]->epoch, 7u);
    EXPECT_TRUE(inits[0]->tracks.empty());
    EXPECT_EQ(inits[1]->epoch, 8u);
    EXPECT_EQ(inits[1]->tracks.size(), 2u);
    EXPECT_TRUE(inits[2]->closed);
    check(cutter, out);
}

TEST(PushCutter, WIN3_BadBytesInTheMiddleAreDroppedAndCounted) {
    const auto text = TsMaker().segment(0, 20);
    struct Case {
        std::size_t at, lost, more;  ///< taken out, put in
    };
    for (const auto& c :
         {Case{188 * 9, 0, 57}, Case{188 * 9 + 100, 30, 0}, Case{188 * 9, 1, 0}, Case{188 * 20, 0, 1000}}) {
        for (const std::size_t piece : {100'000u, 1316u, 100u}) {
            auto bad = text;
            bad.erase(c.at, c.lost).insert(c.at, std::string(c.more, '.'));
            PushCutter cutter({});
            Out out;
            for (std::size_t at = 0; at < bad.size(); at += piece) {
                feed(cutter, std::string_view(bad).substr(at, piece), 0, out);
                if (at % 3 == 0) cutter.flush(out.items);
            }
            cutter.close(out.items);
            const auto tail = text.substr(188 * 22);
            EXPECT_EQ(out.bytes().substr(0, 188 * 9), text.substr(0, 188 * 9));
            EXPECT_TRUE(out.bytes().ends_with(tail)) << c.at << " " << c.lost << " " << c.more << " " << piece;
            EXPECT_GE(cutter.stats().resyncs, 1u);
            EXPECT_LE(cutter.stats().dropped_bytes, c.more + c.lost + 376);
            check(cutter, out);
        }
    }
}

TEST(PushCutter, StrayBytesInFrontDoNotHideATransportStream) {
    const auto text = TsMaker().segment(0);
    PushCutter cutter({});
    Out out;
    feed(cutter, std::string(100, 'x') + text, 0, out);
    cutter.close(out.items);
    EXPECT_EQ(out.bytes(), text);
    EXPECT_EQ(cutter.stats().dropped_bytes, 100u);
}

TEST(PushCutter, ContinuityErrorsAreCountedRepetitionsAreNot) {
    const auto packet = [](unsigned counter, char flags = 0x10) {
        std::string made(188, 'p');
        made.replace(0, 4, {'\x47', '\x01', '\x00', static_cast<char>(flags | (counter & 0x0f))});
        return made;
    };
    std::string jump = packet(9, 0x30);
    jump[4] = 1;
    jump[5] = static_cast<char>(0x80);
    struct Case {
        std::string text;
        std::uint64_t errors;
    };
    const Case cases[] = {{packet(0) + packet(1) + packet(2), 0},
                          {packet(15) + packet(0), 0},
                          {packet(0) + packet(2), 1},
                          {packet(0) + packet(0) + packet(1), 0},
                          {packet(0) + packet(0) + packet(0), 1},
                          {packet(0) + jump + packet(10), 0},
                          {packet(0) + packet(0, 0x20) + packet(1), 0},
                          {packet(5) + packet(7) + packet(8) + packet(3), 2}};
    for (const auto& c : cases) {
        PushCutter cutter({});
        Out out;
        feed(cutter, c.text, 0, out);
        cutter.flush(out.items);
        EXPECT_EQ(cutter.stats().continuity_errors, c.errors);
        EXPECT_EQ(out.bytes(), c.text);
    }
}

TEST(PushCutter, TablesThatARelayPutInFrontAreNoContinuityErrors) {
    const std::vector<TsMaker::Es> streams{{0x1b, 0x111}, {0x0f, 0x112}};
    TsMaker maker(streams, 0x1020), relay(streams, 0x1020);
    relay.tables();
    const auto inserted = relay.take();
    maker.tables();
    (void)maker.take();
    std::string text = inserted + maker.segment(0);
    for (int i = 1; i < 4; ++i) text += maker.segment(90'000 * i) + inserted;
    for (const std::size_t piece : {text.size(), std::size_t{188}, std::size_t{1316}}) {
        PushCutter cutter({});
        Out out;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            feed(cutter, std::string_view(text).substr(at, piece), 0, out);
            if (piece != 188) cutter.flush(out.items);
        }
        cutter.close(out.items);
        EXPECT_EQ(out.bytes(), text);
        EXPECT_EQ(cutter.stats().continuity_errors, 0u) << piece;
    }
    auto torn = text;
    torn.erase(188 * 20, 188);
    PushCutter cutter({});
    Out out;
    feed(cutter, torn, 0, out);
    cutter.close(out.items);
    EXPECT_EQ(cutter.stats().continuity_errors, 1u);
}

TEST(PushCutter, LittleThatIsGoodDoesNotKeepMuchThatIsNot) {
    const auto text = TsMaker().segment(0, 3);
    PushCutter cutter({});
    Out out;
    feed(cutter, text, 0, out);
    cutter.flush(out.items);
    const auto before = out.chunks().size();
    const auto junk =
        Bytes::copy_of(std::string(30'000, '.') + text.substr(188 * 4, 188 * 3) + std::string(30'000, '.'));
    const auto most = Bytes::copy_of(std::string(100, '.') + text);
    for (const auto& piece : {junk, most}) {
        cutter.feed(piece, {}, {}, out.items);
        cutter.flush(out.items);
    }
    const auto chunks = out.chunks();
    ASSERT_GT(chunks.size(), before + 1);
    EXPECT_NE(chunks[before].bytes.owner(), junk.owner());
    EXPECT_EQ(chunks[before].bytes.text(), text.substr(188 * 4, 188 * 3));
    EXPECT_EQ(chunks.back().bytes.owner(), most.owner()) << "nothing is copied that need not be";
}

TEST(PushCutter, Mpeg1IsToldFromMpeg2ByItsFirstPicture) {
    const std::string header("\x00\x00\x01\xb3\x14\x00\xf0\x13\xff\xff\xe0\x18", 12);
    const std::string extension("\x00\x00\x01\xb5\x14\x8a\x00\x01\x00\x00", 10);
    const std::string group("\x00\x00\x01\xb8\x00\x08\x00\x00", 8);
    struct Case {
        std::string head;
        const char* codec;
    };
    for (const auto& c : {Case{header + group, "mpeg1video"}, Case{header + extension + group, "mpeg2video"},
                          Case{group, "mpeg2video"}, Case{header, "mpeg2video"}}) {
        TsMaker maker({{0x02, 0x100}});
        maker.tables();
        maker.pes(0x100, 0, 1000, true, c.head);
        PushCutter cutter({});
        Out out;
        feed(cutter, maker.take(), 0, out);
        cutter.flush(out.items);
        ASSERT_EQ(cutter.init()->tracks.size(), 1u);
        EXPECT_EQ(cutter.init()->tracks[0].codec, c.codec);
    }
}

TEST(PushCutter, TimeThatJumpsIsABreakBetweenChunks) {
    PushCutter cutter({});
    Out out;
    feed(cutter, TsMaker().segment(900'000, 3) + TsMaker().segment(90'000'000, 3), 0, out);
    cutter.flush(out.items);
    ASSERT_EQ(out.items.size(), 4u);
    EXPECT_TRUE(std::holds_alternative<Discontinuity>(out.items[2]));
    EXPECT_EQ(out.chunks()[0].dts, Micros(0));
    EXPECT_EQ(out.chunks()[1].dts, Micros(80'000));
}

TEST(PushCutter, APushThatIsNoTransportStreamIsAMessagePerBorderOrFlush) {
    PushCutter cutter({.max_message = 10'000});
    Out out;
    cutter.feed(Bytes::copy_of("hello world"), std::vector<std::uint32_t>{5}, {}, out.items);
    EXPECT_TRUE(out.items.empty()) << "too little to tell what it is";
    cutter.flush(out.items);
    EXPECT_EQ(out.sizes(), (Sizes{5, 6}));
    cutter.feed(Bytes::copy_of("abc"), {}, {}, out.items);
    cutter.feed(Bytes::copy_of("def"), std::vector<std::uint32_t>{1}, {}, out.items);
    cutter.flush(out.items);
    EXPECT_EQ(out.sizes(), (Sizes{5, 6, 4, 2}));
    feed(cutter, std::string(25'000, 'z'), 0, out);
    EXPECT_EQ(out.sizes(), (Sizes{5, 6, 4, 2, 10'000, 10'000, 5'000}));
    EXPECT_EQ(out.inits().at(0)->format.container, Container::opaque);
    cutter.close(out.items);
    EXPECT_TRUE(out.inits().back()->closed);
    check(cutter, out);
}

TEST(PushCutter, AShortTextThatBeginsLikeAPacketIsOutAtTheEndAtLatest) {
    PushCutter cutter({});
    Out out;
    feed(cutter, "Good day", 0, out);
    cutter.flush(out.items);
    cutter.close(out.items);
    EXPECT_EQ(out.bytes(), "Good day");
    check(cutter, out);
}

TEST(PushCutter, WebsocketMessagesStayWhole) {
    PushCutter cutter({.origin = 5, .messages = true});
    Out out;
    const auto picture = sample().substr(0, 15604);
    const auto put = [&](std::string_view text, bool is_text) {
        cutter.message(Bytes::copy_of(text), is_text, {}, out.items);
    };
    put("{}", true);
    put(picture, false);
    put("hi", true);
    put(sample().substr(15604, 19552), false);
    put(sample().substr(35156, 100), false);
    put(picture, false);
    const auto chunks = out.chunks();
    EXPECT_EQ(out.sizes(), (Sizes{2, 15604, 2, 19552, 100, 15604}));
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        EXPECT_EQ(chunks[i].text, i == 0 || i == 2);
        EXPECT_EQ(chunks[i].origin, 5u);
    }
    std::string kinds;
    for (const auto& init : out.inits()) {
        kinds += init->format.container == Container::ts ? 't' : 'o';
        EXPECT_EQ(init->origin, 5u) << "VW-42: its header is not sent back either";
    }
    EXPECT_EQ(kinds, "ototo") << "what is no packets once is messages from then on";
    check(cutter, out);
}

TEST(PushCutter, ClosesWithAnEpochOfItsOwnAndOnlyWhatWasOpen) {
    PushCutter silent({}), cutter({.lane = 3, .first_epoch = 10});
    Out none, out;
    silent.close(none.items);
    EXPECT_TRUE(none.items.empty());
    EXPECT_EQ(silent.epoch(), 0u);
    feed(cutter, TsMaker().segment(0), 0, out);
    cutter.close(out.items);
    EXPECT_EQ(out.inits().back()->epoch, 11u);
    EXPECT_EQ(out.inits().back()->lane, 3u);
    EXPECT_TRUE(out.inits().back()->closed);
    EXPECT_EQ(cutter.epoch(), 11u);
}

}  // namespace
}  // namespace weir::ts
