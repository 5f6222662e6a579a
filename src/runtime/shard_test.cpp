#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

TEST(Shards, RunGivesTheValueOfMain) {
    Shards shards(3);
    EXPECT_EQ(shards.size(), 3u);
    EXPECT_EQ(shards.run([](Shards&) -> Task<int> { co_return 7; }), 7);
}

Task<int> throwing_main(Shards&) {
    throw std::runtime_error("a bug of ours");
    co_return 0;
}

TEST(Shards, AnExceptionOfMainIsRethrownAfterAllShardsEnded) {
    Shards shards(2);
    EXPECT_THROW((void)shards.run(throwing_main), std::runtime_error);
}

struct Places {
    std::thread::id first, second;
    bool first_here = false, second_here = false, inline_post = false;
};

Task<int> visits(Shards& shards, Places& places) {
    Bell back(co_await asio::this_coro::executor);
    places.first = std::this_thread::get_id();
    places.first_here = shards.at(0).is_here() && !shards.at(1).is_here();
    shards.at(1).post([&] {
        places.second = std::this_thread::get_id();
        places.second_here = shards.at(1).is_here() && !shards.at(0).is_here();
        shards.at(0).post([&] { back.notify(); });
    });
    co_await back.wait();
    bool ran = false;
    shards.at(0).post([&] {
        ran = true;
        back.notify();
    });
    places.inline_post = ran;
    co_await back.wait();
    co_return 0;
}

TEST(Shards, APostRunsOnTheThreadOfItsShardAndNeverInline) {
    Shards shards(2);
    Places places;
    EXPECT_FALSE(shards.at(0).is_here());
    shards.run([&](Shards& s) { return visits(s, places); });
    EXPECT_EQ(places.first, std::this_thread::get_id());
    EXPECT_NE(places.second, places.first);
    EXPECT_TRUE(places.first_here && places.second_here);
    EXPECT_FALSE(places.inline_post);
}

TEST(Shards, TheLightestIsTheOneWithTheLeastWeight) {
    Shards shards(3);
    shards.at(0).add_weight(5);
    shards.at(1).add_weight(2);
    shards.at(2).add_weight(3);
    EXPECT_EQ(shards.lightest().index(), 1u);
    shards.at(1).add_weight(4);
    EXPECT_EQ(shards.lightest().index(), 2u);
    EXPECT_EQ(shards.at(1).weight(), 6);
}

Task<int> survives_a_throwing_handler(Shards& shards) {
    Bell bell(co_await asio::this_coro::executor);
    shards.at(1).post([] { throw std::runtime_error("a bug of ours"); });
    shards.at(1).post([&] { shards.at(0).post([&] { bell.notify(); }); });
    co_return co_await bell.wait() ? 1 : 0;
}

TEST(Shards, AHandlerThatThrowsDoesNotEndItsShard) {
    Shards shards(2);
    EXPECT_EQ(shards.run(survives_a_throwing_handler), 1);
}

TEST(Shards, MoreThanOneCanFollowEachOther) {
    for (int i = 0; i < 20; ++i) {
        Shards shards(2);
        EXPECT_EQ(shards.run([i](Shards&) -> Task<int> { return [](int n) -> Task<int> { co_return n; }(i); }), i);
    }
}

}  // namespace
}  // namespace weir
