#include "telemetry/notify/sender.h"

#include <gmock/gmock.h>

#include "base/log.h"
#include "fake_http.h"
#include "simulated_shard.h"

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;
using test::Reply;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string sender_log;

notify::Message message_with(const std::string& text) {
    notify::Message message;
    message.title = "title";
    message.text = text;
    return message;
}

/// Services by generic web hooks; the host names what it answers.
struct SenderRig {
    SenderRig() {
        sender_log.clear();
        log::capture([](std::string_view line) { sender_log.append(line).push_back('\n'); });
    }
    ~SenderRig() {
        if (sender) stop(0ms);
        log::capture(nullptr);
    }
    Result<> create(std::vector<std::string> urls) {
        Sender::Settings settings;
        settings.urls = std::move(urls);
        auto made = Sender::create(shard, http, std::move(settings));
        if (!made) return made.error();
        sender = std::move(*made);
        return {};
    }
    Reply answer(const HttpRequest& request) {
        bodies[request.url.host].emplace_back(request.body.text());
        trusting = trusting || !request.verify_tls;
        if (request.url.host == "silent.test") return {.how = Reply::How::silent};
        if (request.url.host == "refuses.test") return {.how = Reply::How::refuse};
        if (request.url.host == "slow.test") return {.before_head = 5s};
        if (request.url.host == "no.test") return {.status = 404};
        return {};
    }
    void pass(Millis time) {
        for (; time > 0ms; time -= 10ms) shard.advance(10ms);
    }
    /// Starts a stop(); returns how long it took, at most a minute.
    Millis stop(Millis drain) {
        const auto began = shard.time.now();
        bool done = false;
        start_stop(drain, done);
        while (!done && shard.time.now() - began < 1min) shard.advance(10ms);
        EXPECT_TRUE(done);
        return std::chrono::duration_cast<Millis>(shard.time.now() - began);
    }
    void start_stop(Millis drain, bool& done) {
        shard.start([](Sender& s, Millis time, bool& flag) -> Task<void> {
            co_await s.stop(time);
            flag = true;
        }(*sender, drain, done));
        shard.turn();
    }

    test::SimulatedShard shard;
    std::map<std::string, std::vector<std::string>> bodies;
    bool trusting = false;
    test::FakeHttp http{shard.time, [this](const HttpRequest& request) { return answer(request); }};
    std::unique_ptr<Sender> sender;
};

TEST(NotifySender, NoServiceDelaysAnother) {
    SenderRig rig;
    ASSERT_TRUE(
        rig.create({"generic+http://silent.test/", "generic+http://fine.test/", "generic+http://refuses.test/"}));
    for (const char* text : {"a", "b", "c"}) rig.sender->send(message_with(text));
    rig.pass(200ms);
    EXPECT_EQ(rig.bodies["fine.test"].size(), 3u);
    EXPECT_EQ(rig.bodies["silent.test"].size(), 1u);
}

TEST(NotifySender, SaysOfEachUrlWhatIsWrong) {
    SenderRig rig;
    const auto made =
        rig.create({"logger://", "nosuch://CANARY@CANARY", "generic+http://fine.test/", "gotify://CANARY"});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::bad_input);
    EXPECT_THAT(made.error().what, testing::MatchesRegex("url 2: unknown service: \"nosuch\".*\nurl 4: gotify: .*"));
    EXPECT_THAT(made.error().what, Not(HasSubstr("CANARY")));
}

TEST(NotifySender, WithoutServicesThereIsNothingToDo) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({}));
    rig.sender->send(message_with("text"));
    EXPECT_LE(rig.stop(3s), 20ms);
}

TEST(NotifySender, TheEndWaitsForWhatIsQueued) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({"generic+http://slow.test/", "generic+http://fine.test/"}));
    rig.sender->send(message_with("a"));
    const auto took = rig.stop(8s);
    EXPECT_GE(took, 5s);
    EXPECT_LT(took, 6s);
    EXPECT_THAT(sender_log, Not(HasSubstr("not sent")));
}

TEST(NotifySender, TheEndWaitsNoLongerThanItMay) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({"generic+http://slow.test/", "generic+http://fine.test/"}));
    for (const char* text : {"a", "b"}) rig.sender->send(message_with(text));
    EXPECT_LE(rig.stop(3s), 3100ms);
    EXPECT_EQ(rig.bodies["fine.test"].size(), 2u);
    EXPECT_THAT(sender_log, HasSubstr("notifications were not sent in time service=generic url=1 count=2"));
}

TEST(NotifySender, ASecondEndMayHurryTheFirst) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({"generic+http://silent.test/"}));
    rig.sender->send(message_with("a"));
    bool done = false;
    rig.start_stop(5min, done);
    rig.pass(1s);
    EXPECT_FALSE(done);
    EXPECT_LE(rig.stop(1s), 1100ms);
    rig.pass(20ms);
    EXPECT_TRUE(done);
}

TEST(NotifySender, ATryToldForEachService) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({"generic+http://fine.test/", "generic+http://no.test/", "generic+http://refuses.test/",
                            "generic+http://silent.test/"}));
    std::vector<Sender::Outcome> outcomes;
    rig.shard.start([](Sender& sender, std::vector<Sender::Outcome>& into) -> Task<void> {
        auto all = co_await sender.try_all(message_with("text"));
        into = std::move(all);
    }(*rig.sender, outcomes));
    rig.pass(11s);
    ASSERT_EQ(outcomes.size(), 4u);
    EXPECT_TRUE(outcomes[0].result);
    EXPECT_EQ(outcomes[0].scheme, "generic");
    EXPECT_FALSE(outcomes[1].result);
    EXPECT_THAT(outcomes[1].result.error().text(), HasSubstr("404"));
    EXPECT_FALSE(outcomes[2].result);
    EXPECT_FALSE(outcomes[3].result);
    EXPECT_EQ(outcomes[3].took, 10s);
    EXPECT_EQ(rig.bodies["refuses.test"].size(), 1u);
}

TEST(NotifySender, TheLoggerIsOneLine) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({"logger://"}));
    rig.sender->send(message_with("line one\nline two"));
    rig.pass(50ms);
    EXPECT_THAT(sender_log, HasSubstr("notification title=title"));
    EXPECT_EQ(std::count(sender_log.begin(), sender_log.end(), '\n'), 1) << sender_log;
}

TEST(NotifySender, OnlyWhoAsksForItGoesUnverified) {
    SenderRig rig;
    ASSERT_TRUE(rig.create({"gotify://fine.test/Aaaaaaaaaaaaaaa"}));
    rig.sender->send(message_with("text"));
    rig.pass(50ms);
    ASSERT_EQ(rig.bodies["fine.test"].size(), 1u);
    EXPECT_FALSE(rig.trusting);
    SenderRig careless;
    ASSERT_TRUE(careless.create({"gotify://fine.test/Aaaaaaaaaaaaaaa?insecureskipverify=yes"}));
    careless.sender->send(message_with("text"));
    careless.pass(50ms);
    EXPECT_TRUE(careless.trusting);
}

}  // namespace
}  // namespace weir::telemetry
