// A thousand idle channels over simulated time: what they cost, and how soon a live is seen.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "apps/fc2/fc2.h"
#include "fake_http.h"
#include "io/cookie_jar.h"
#include "wire.h"

namespace weir::fc2 {
namespace {

using namespace std::chrono_literals;

class Fc2Crowd : public testing::Test {
protected:
    Fc2Crowd() : http(bench.clock, [this](const HttpRequest& request) { return answer(request); }) {
        settings.hosts.live = *parse_url("https://live.fc2.com/");
        settings.hosts.id = *parse_url("https://id.fc2.com/");
        settings.seed = 5;
        site = std::make_unique<Site>(shard, http, nullptr, cookies, settings);
    }
    ~Fc2Crowd() override {
        bench.start(tasks.stop("test over"));
        bench.settle();
        bench.start(site->stop());
        bench.settle();
    }

    void watch(int count) {
        for (int i = 0; i < count; ++i) tasks.spawn(poll(site->channel(std::to_string(1000 + i), {})));
    }
    Task<void> poll(std::shared_ptr<sites::Channel> channel) {
        std::uniform_int_distribution<int> jitter(4500, 5500);
        bool on = co_await bench.clock.sleep_for(Millis(jitter(random)));
        while (on) {
            auto got = co_await channel->look();
            ++looks;
            if (!got) ++errors;
            if (got && *got && !seen.contains((*got)->channel_id)) seen[(*got)->channel_id] = bench.clock.now();
            on = co_await bench.clock.sleep_for(channel->pace(Millis(jitter(random))));
        }
    }
    void pass(Millis time) {
        for (const auto until = bench.clock.now() + time; bench.clock.now() < until;) bench.advance(50ms);
    }

    test::Reply answer(const HttpRequest& request) {
        test::Reply reply;
        if (request.url.path.find("allchannellist") != std::string::npos) {
            ++lists;
            const bool adult = request.url.path.find("/adult/") != std::string::npos;
            if (lists_fail || (adult && adult_fails)) reply.status = 500;
            if (busy) reply.status = 503;
            for (const auto& id : adult ? std::set<std::string>() : listed)
                reply.body += fmt::format(R"({}{{"id":"{}"}})", reply.body.empty() ? "" : ",", id);
            reply.body = fmt::format(R"({{"channel":[{}]}})", reply.body);
            return reply;
        }
        const auto form = request.body.text();
        const std::string id(form.substr(form.find("streamid=") + 9));
        asked[id].push_back(bench.clock.now());
        ++members;
        reply.body = fmt::format(
            R"({{"status":1,"data":{{"channel_data":{{"channelid":"{}","is_publish":{},"start":1}},"profile_data":{{}},"user_data":{{}}}}}})",
            id, live.contains(id) ? 1 : 0);
        if (busy) reply.status = 503;
        return reply;
    }

    testing_support::Bench bench;
    test::BenchShard shard{bench};
    CookieJar cookies;
    test::FakeHttp http;
    Site::Settings settings;
    std::unique_ptr<Site> site;
    std::mt19937 random{3};
    std::set<std::string> listed, live;
    bool lists_fail = false, adult_fails = false, busy = false;
    int lists = 0, members = 0, looks = 0, errors = 0;
    std::map<std::string, std::vector<SteadyTime>> asked;
    std::map<std::string, SteadyTime> seen;
    TaskGroup tasks{bench.io.get_executor()};
};

TEST_F(Fc2Crowd, AThousandIdleChannelsAreTwoListsAndAFewQuestionsSpreadOut) {
    watch(1000);
    pass(20min);
    EXPECT_EQ(errors, 0);
    EXPECT_GT(looks, 200'000) << "as often as they wish";
    EXPECT_LE(lists, 2 * 20 * 60 / 5);
    EXPECT_GE(lists, 300);
    EXPECT_LE(members, 20 * 60 + 5) << "a quarter of the limiter's rate";
    EXPECT_GE(members, 900);
    for (const auto& [id, times] : asked)
        for (std::size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 1], 4min) << id;
}

TEST_F(Fc2Crowd, WhoAppearsInTheListIsSeenAtOnceAndWhoNeverDoesInTheEnd) {
    watch(200);
    pass(1min);
    const auto begun = bench.clock.now();
    live = {"1010", "1020"};
    listed = {"1010"};
    pass(12s);
    EXPECT_TRUE(seen.contains("1010"));
    pass(8min);
    EXPECT_TRUE(seen.contains("1020")) << "asked directly now and then";
    EXPECT_LE(seen["1010"] - begun, 12s);
}

TEST_F(Fc2Crowd, EachChannelHasItsTurn) {
    watch(1000);
    pass(25min);
    EXPECT_EQ(asked.size(), 1000u) << "one a second, in turn";
}

TEST_F(Fc2Crowd, WhoWasLiveWithoutBeingListedIsFoundSoonTheNextTime) {
    watch(200);
    live = {"1020"};
    pass(8min);
    ASSERT_TRUE(seen.contains("1020"));
    live.clear();
    pass(2min);
    seen.clear();
    live = {"1020"};
    pass(50s);
    EXPECT_TRUE(seen.contains("1020"));
}

TEST_F(Fc2Crowd, WithoutOneListTheOtherIsUsedAndTheRestIsAskedDirectly) {
    adult_fails = true;
    watch(200);
    pass(1min);
    const auto begun = bench.clock.now();
    live = {"1010", "1020"};
    listed = {"1010"};
    pass(12s);
    EXPECT_TRUE(seen.contains("1010"));
    pass(4min);
    EXPECT_TRUE(seen.contains("1020"));
    EXPECT_LE(seen["1020"] - begun, 4min);
    EXPECT_LE(members, (5 * 60 + 12) * 3);
}

TEST_F(Fc2Crowd, AfterAPenaltyTheListsAreReadBeforeAnybodyIsAsked) {
    watch(1000);
    pass(1min);
    EXPECT_EQ(errors, 0);
    busy = true;
    pass(10s);
    busy = false;
    EXPECT_GT(errors, 900) << "nobody is taken for offline";
    const auto so_far = members;
    live = listed = {"1010"};
    pass(50s);
    EXPECT_TRUE(seen.contains("1010"));
    EXPECT_LE(members - so_far, 60);
}

TEST_F(Fc2Crowd, WithoutTheListsAllAreAskedWithinTheLimit) {
    lists_fail = true;
    watch(200);
    pass(5min);
    EXPECT_LE(members + lists, 5 * 60 * 4 + 10);
    EXPECT_EQ(asked.size(), 200u);
    EXPECT_EQ(errors, 0);
    lists_fail = false;
    pass(2min);
    const auto so_far = members;
    pass(1min);
    EXPECT_LE(members - so_far, 70) << "the lists are back";
}

}  // namespace
}  // namespace weir::fc2
