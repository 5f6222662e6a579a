#include "core/mix.h"

#include <gtest/gtest.h>

#include <map>

#include "core/stream_core.h"
#include "core/testing.h"

namespace weir {
namespace {

using namespace weir::test;

/// As text(), with the lane in front: "0:i1 1:c".
std::string told(const Item& item) {
    const auto with = [](std::uint16_t lane, const std::string& what) {
        return std::to_string(lane) + ":" + what + " ";
    };
    if (const auto* init = std::get_if<InitPtr>(&item)) return with((*init)->lane, text(item));
    if (const auto* c = std::get_if<Chunk>(&item)) return with(c->lane, std::string(c->bytes.text()));
    if (const auto* g = std::get_if<Gap>(&item)) return with(g->lane, text(item));
    if (const auto* d = std::get_if<Discontinuity>(&item)) return with(d->lane, "d");
    return text(item) + " ";
}

Chunk says(const std::string& what, std::uint16_t lane = 0, std::uint32_t epoch = 1, bool rap = true) {
    auto made = chunk(rap ? "r" : "", 0, 0, lane);
    made.epoch = epoch;
    made.bytes = Bytes::copy_of(what);
    return made;
}

class MixTest : public ::testing::Test {
protected:
    Stream& feed(const std::string& name) {
        auto& made = feeds[name];
        made = Stream::create(context.get_executor(), clock, {.name = name});
        return *made;
    }
    [[nodiscard]] Mix::Input input(const std::string& name) const { return {name, feeds.at(name).get()}; }
    void put(const std::string& name, const std::vector<Item>& items) {
        ASSERT_TRUE(feeds.at(name)->publish(items).has_value());
        turn();
    }
    void turn() {
        context.restart();
        context.run();
    }
    static std::string drain_told(Reader& reader) {
        std::string all;
        for (const auto& item : take_all(reader)) all += told(*item);
        return all;
    }

    asio::io_context context{1};
    SimulatedClock clock{context.get_executor()};
    std::map<std::string, std::unique_ptr<Stream>> feeds;
    std::unique_ptr<Mix> mix = Mix::create(context.get_executor(), clock, {.name = "stream/all"});
    std::unique_ptr<Reader> reader = mix->stream().attach({});
};

TEST_F(MixTest, EachLaneOfEachInputIsALaneOfItsOwn) {
    feed("video");
    feed("audio");
    mix->set({input("video"), input("audio")});
    put("audio", {init_of('a', 4, 9), says("a1", 4, 9)});
    put("video", {init_of('v', 4), says("v1", 4), init_of('m', 5), says("m1", 5)});
    put("audio", {says("a2", 4, 9)});
    EXPECT_EQ(drain_told(*reader), "0:i1 0:a1 1:i1 1:v1 2:i1 2:m1 0:a2 ");
    EXPECT_EQ(drain_told(*mix->stream().attach({})), "0:i1 1:i1 1:v1 2:i1 2:m1 0:a2 ") << "begins at the video";
}

TEST_F(MixTest, BytesAreSharedOriginIsKeptAndSeqIsTheMixesOwn) {
    feed("a");
    mix->set({input("a")});
    auto one = says("x");
    one.origin = 77;
    const auto owner = one.bytes.owner();
    put("a", {init_of('v'), says("w"), one});
    const auto echo_free = mix->stream().attach({.origin = 77});
    const auto got = take_all(*reader);
    ASSERT_EQ(got.size(), 3u);
    const auto& last = std::get<Chunk>(*got[2]);
    EXPECT_EQ(last.bytes.owner(), owner);
    EXPECT_EQ(last.origin, 77u);
    EXPECT_EQ(last.seq, 3u);
    EXPECT_EQ(drain_told(*echo_free), "");
}

TEST_F(MixTest, OneThatComesJoinsAtItsStartPointAndOneThatGoesIsClosed) {
    feed("a");
    feed("b");
    put("b", {init_of('v'), says("b1"), says("b2"), says("b3", 0, 1, false)});
    mix->set({input("a"), input("b")});
    put("a", {init_of('a'), says("a1")});
    EXPECT_EQ(drain_told(*reader), "0:i1 0:b2 0:b3 1:i1 1:a1 ");
    mix->set({input("a")});
    put("b", {says("b4")});
    put("a", {says("a2")});
    EXPECT_EQ(drain_told(*reader), "0:x2 1:a2 ");
    mix->set({input("a"), input("b")});
    EXPECT_EQ(drain_told(*reader), "0:i3 0:b4 ") << "the number again, with a higher epoch";
    put("b", {init_of('x', 0, 2), init_of('v', 0, 3), says("b5", 0, 3)});
    EXPECT_EQ(drain_told(*reader), "0:x4 0:i5 0:b5 ");
}

TEST_F(MixTest, VW68_TheFirstOfEqualNamesCounts) {
    feed("a");
    feed("b");
    mix->set({input("a"), {"a", feeds.at("b").get()}, input("a")});
    put("b", {init_of('m'), says("b1")});
    put("a", {init_of('m'), says("a1")});
    EXPECT_EQ(drain_told(*reader), "0:i1 0:a1 ");
    EXPECT_EQ(feeds.at("a")->stats().readers, 1u);
    EXPECT_EQ(feeds.at("b")->stats().readers, 0u);
}

TEST_F(MixTest, LossAndBreaksKeepTheirPlace) {
    feed("a");
    feed("b");
    mix->set({input("a"), input("b")});
    put("a", {init_of('v'), says("a1")});
    put("b", {init_of('v'), says("b1"), gap(3, 4), Discontinuity{}, says("b2")});
    EXPECT_EQ(drain_told(*reader), "0:i1 0:a1 1:i1 1:b1 1:g3-4 1:d 1:b2 ");
}

TEST_F(MixTest, AnInputThatEndsClosesItsLanesAndNotTheMix) {
    feed("a");
    feed("b");
    mix->set({input("a"), input("b")});
    put("a", {init_of('v'), says("a1")});
    put("b", {init_of('v'), says("b1")});
    (void)drain_told(*reader);
    feeds.at("a")->close(End{});
    turn();
    put("b", {says("b2")});
    EXPECT_EQ(drain_told(*reader), "0:x2 1:b2 ");
    mix->set({input("b")});
    feeds.erase("a");
    put("b", {says("b3")});
    EXPECT_EQ(drain_told(*reader), "1:b3 ");
    mix.reset();
    EXPECT_EQ(drain_told(*reader), "1:x2 end ");
}

TEST_F(MixTest, InputsAreReadWithoutABudgetHoweverMuchComesAtOnce) {
    feed("a");
    mix->set({input("a")});
    std::vector<Item> items{init_of('v')};
    for (int i = 0; i < 1000; ++i) items.emplace_back(says(std::string(10'000, 'x')));
    put("a", items);
    EXPECT_EQ(mix->stream().stats().chunks, 1000u);
    EXPECT_EQ(mix->stream().stats().gaps, 0u);
}

TEST_F(MixTest, F11_TenThousandChangesLeaveUntouchedInputsWithoutALossOrARepetition) {
    const std::vector<std::string> names{"still", "quiet", "x", "y", "z"};
    std::map<std::string, std::uint64_t> sent;
    for (const auto& name : names) {
        feed(name);
        put(name, {init_of(name == "quiet" ? 'm' : 'v'), says(name + std::to_string(sent[name]++))});
    }
    std::map<std::string, std::uint64_t> expected;
    std::map<std::uint16_t, std::uint32_t> epochs;
    std::uint16_t highest = 0;
    const auto read = [&] {
        for (const auto& item : take_all(*reader)) {
            if (const auto* init = std::get_if<InitPtr>(item.get())) {
                ASSERT_GT((*init)->epoch, std::exchange(epochs[(*init)->lane], (*init)->epoch));
                highest = std::max(highest, (*init)->lane);
            }
            ASSERT_FALSE(std::holds_alternative<Gap>(*item));
            const auto* chunk = std::get_if<Chunk>(item.get());
            if (!chunk) continue;
            ASSERT_EQ(chunk->epoch, epochs[chunk->lane]);
            for (const auto* name : {"still", "quiet"}) {
                const auto said = std::string(chunk->bytes.text());
                if (!said.starts_with(name)) continue;
                auto& next = expected.try_emplace(name, std::stoull(said.substr(5))).first->second;
                ASSERT_EQ(said, name + std::to_string(next++));
            }
        }
    };
    for (unsigned i = 0; i < 10'000 && !HasFatalFailure(); ++i) {
        std::vector<Mix::Input> wanted;
        for (unsigned bit = 0; bit < 3; ++bit)
            if ((i * 7 + i / 3) >> bit & 1) wanted.push_back(input(names[2 + bit]));
        wanted.insert(wanted.begin() + (i % 2 != 0 ? 0 : static_cast<std::ptrdiff_t>(wanted.size())), input("still"));
        wanted.insert(wanted.begin(), input("quiet"));
        mix->set(std::move(wanted));
        for (const auto& name : names) {
            std::vector<Item> items{says(name + std::to_string(sent[name]++), 0, 1, sent[name] % 8 == 0)};
            ASSERT_TRUE(feeds.at(name)->publish(items).has_value());
        }
        if (i % 3 != 0) turn();
        if (i % 5 == 0) read();
    }
    turn();
    read();
    EXPECT_EQ(expected["still"], sent["still"]);
    EXPECT_EQ(expected["quiet"], sent["quiet"]);
    EXPECT_LE(highest, 4u) << "lanes are numbered compactly";
    EXPECT_LE(dynamic_cast<hub::StreamReader&>(*reader).lanes_remembered(), 5u);
}

}  // namespace
}  // namespace weir
