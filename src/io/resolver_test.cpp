#include "io/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "on_shard.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

using Addresses = std::vector<std::string>;
using test::on_shard;

TEST(Resolver, GivesALiteralBackWithoutAsking) {
    auto resolver = Resolver::create(1, [](const std::string&) -> Result<Addresses> {
        return Error{Errc::internal, "asked"};
    });
    on_shard([&](Shard&) -> Task<void> {
        const auto four = co_await resolver->resolve("192.0.2.1", Millis(1000));
        EXPECT_THAT(four.value(), testing::ElementsAre("192.0.2.1"));
        const auto six = co_await resolver->resolve("::1", Millis(1000));
        EXPECT_THAT(six.value(), testing::ElementsAre("::1"));
    });
}

TEST(Resolver, FindsLocalhostThroughTheSystem) {
    auto resolver = Resolver::create();
    on_shard([&](Shard&) -> Task<void> {
        const auto found = co_await resolver->resolve("localhost", Millis(5000));
        EXPECT_THAT(found.value(), testing::Contains("127.0.0.1"));
    });
}

TEST(Resolver, AsksOnceForManyAndKeepsTheAnswer) {
    std::atomic<int> asked{0};
    std::promise<void> go;
    auto ready = go.get_future().share();
    auto resolver = Resolver::create(2, [&asked, ready](const std::string&) -> Result<Addresses> {
        ++asked;
        ready.wait();
        return Addresses{"192.0.2.7"};
    });
    on_shard([&](Shard& shard) -> Task<void> {
        int answered = 0;
        TaskGroup group(shard.executor());
        const auto one = [](Resolver& r, int& count) -> Task<void> {
            const auto found = co_await r.resolve("a.test", Millis(10'000));
            if (found && found->at(0) == "192.0.2.7") ++count;
        };
        for (int i = 0; i < 5; ++i) group.spawn(one(*resolver, answered));
        shard.post([&go] { go.set_value(); });
        co_await group.join();
        EXPECT_EQ(answered, 5);
        EXPECT_TRUE(co_await resolver->resolve("a.test", Millis(1000)));
        co_await group.stop("done");
    });
    EXPECT_EQ(asked, 1);
}

TEST(Resolver, AHungNameServerBlocksNobodyElse) {
    const auto release = std::make_shared<std::promise<void>>();
    auto resolver =
        Resolver::create(2, [wait = release->get_future().share()](const std::string& host) -> Result<Addresses> {
            if (host == "hung.test") wait.wait();
            return Addresses{"192.0.2.8"};
        });
    on_shard([&](Shard&) -> Task<void> {
        const auto late = co_await resolver->resolve("hung.test", Millis(20));
        EXPECT_EQ(late.error().code, Errc::timed_out);
        EXPECT_TRUE(co_await resolver->resolve("fine.test", Millis(10'000)));
    });
    resolver.reset();  // does not wait for the thread that hangs
    release->set_value();
}

TEST(Resolver, ACancelledCallerLeavesAtOnce) {
    const auto release = std::make_shared<std::promise<void>>();
    auto resolver =
        Resolver::create(1, [wait = release->get_future().share()](const std::string&) -> Result<Addresses> {
            wait.wait();
            return Addresses{"192.0.2.8"};
        });
    on_shard([&](Shard& shard) -> Task<void> {
        std::optional<Errc> seen;
        TaskGroup group(shard.executor());
        const auto one = [](Resolver& r, std::optional<Errc>& code) -> Task<void> {
            code = (co_await r.resolve("hung.test", Millis(600'000))).error().code;
        };
        group.spawn(one(*resolver, seen));
        co_await group.stop("enough");
        EXPECT_EQ(seen, Errc::cancelled);
    });
    release->set_value();
}

TEST(Resolver, SaysWhichNameHasNoAddress) {
    auto resolver = Resolver::create();
    on_shard([&](Shard&) -> Task<void> {
        const auto found = co_await resolver->resolve("no-such-host.invalid", Millis(20'000));
        EXPECT_FALSE(found);
        if (!found) {
            EXPECT_EQ(found.error().code, Errc::unreachable) << found.error().what;
            EXPECT_THAT(found.error().what, testing::HasSubstr("no-such-host.invalid"));
        }
    });
}

}  // namespace
}  // namespace weir
