#include "telemetry/notify/caller.h"

#include <gtest/gtest.h>

#include <future>

#include "io/resolver.h"
#include "on_shard.h"
#include "runtime/task_group.h"

namespace weir::telemetry {
namespace {

using Addresses = std::vector<std::string>;

notify::Call mail_call() {
    notify::MailCall call;
    call.host = "mail.test";
    call.from = call.to = "a@mail.test";
    return call;
}

notify::Call mqtt_call() {
    notify::MqttCall call;
    call.host = "broker.test";
    call.topic = "t";
    return call;
}

class NotifyCallerNames : public testing::TestWithParam<notify::Call (*)()> {};

TEST_P(NotifyCallerNames, ANameServerThatHangsHoldsUpNoStop) {
    std::promise<void> asked, release;
    auto resolver =
        Resolver::create(1, [&asked, hung = release.get_future().share()](const std::string&) -> Result<Addresses> {
            asked.set_value();
            hung.wait();
            return Addresses{"192.0.2.1"};
        });
    std::optional<Result<notify::Reply>> answer;
    test::on_shard([&](Shard& shard) -> Task<void> {
        const auto http = HttpClient::create(shard, resolver, {});
        Caller caller(shard, *http, resolver);
        TaskGroup group(shard.executor());
        const auto one = [](Caller& c, notify::Call made, std::optional<Result<notify::Reply>>& into) -> Task<void> {
            auto got = co_await c.make(std::move(made));
            into.emplace(std::move(got));
        };
        notify::Call call = GetParam()();
        group.spawn(one(caller, std::move(call), answer));
        asked.get_future().wait();
        co_await group.stop("the program ends");
    });
    ASSERT_TRUE(answer.has_value());
    ASSERT_FALSE(*answer);
    EXPECT_EQ(answer->error().code, Errc::cancelled);
    release.set_value();
}

TEST_P(NotifyCallerNames, ThatNobodyKnowsAreTold) {
    auto resolver = Resolver::create(1, [](const std::string& host) -> Result<Addresses> {
        return Error{Errc::unreachable, "nobody knows " + host};
    });
    test::on_shard([&](Shard& shard) -> Task<void> {
        const auto http = HttpClient::create(shard, resolver, {});
        Caller caller(shard, *http, resolver);
        notify::Call call = GetParam()();
        const auto answer = co_await caller.make(std::move(call));
        EXPECT_FALSE(answer);
        EXPECT_NE(answer.error().text().find("nobody knows "), std::string::npos);
    });
}

INSTANTIATE_TEST_SUITE_P(Blocking, NotifyCallerNames, testing::Values(&mail_call, &mqtt_call));

}  // namespace
}  // namespace weir::telemetry
