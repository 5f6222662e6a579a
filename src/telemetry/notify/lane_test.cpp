#include "telemetry/notify/lane.h"

#include <gmock/gmock.h>

#include "base/log.h"
#include "fake_http.h"
#include "proto/notify/deliveries.h"
#include "simulated_shard.h"

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;
using test::Reply;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string lane_log;

/// One call a message, its text as the body; "refused" is no message for it.
class PlainService final : public notify::Service {
public:
    explicit PlainService(std::string scheme) : scheme_(std::move(scheme)) {}
    [[nodiscard]] std::string_view scheme() const noexcept override { return scheme_; }
    Result<std::unique_ptr<notify::Delivery>> deliver(const notify::Message& message,
                                                      const notify::Surroundings&) override {
        if (message.text == "refused") return Error{Errc::bad_input, "the text is too long"};
        std::vector<notify::Call> calls;
        calls.emplace_back(notify::json_call("http://h.test/CANARY-path?key=CANARY-key", message.text));
        return notify::known_calls(scheme_, std::move(calls), notify::status_between(200, 300));
    }

private:
    std::string scheme_;
};

/// A lane whose service answers what `answer` says.
struct LaneRig {
    explicit LaneRig(std::string scheme) : name(std::move(scheme)) {
        lane_log.clear();
        log::configure({.level = log::Level::debug});
        log::capture([](std::string_view line) { lane_log.append(line).push_back('\n'); });
        shard.start([](LaneRig& rig) -> Task<void> {
            co_await rig.lane.run();
            rig.ended = true;
        }(*this));
    }
    ~LaneRig() {
        answer = [](int) { return Reply{}; };
        lane.finish();
        for (int i = 0; i < 5000 && !ended; ++i) shard.advance(100ms);
        EXPECT_TRUE(ended);
        log::capture(nullptr);
        log::configure({});
    }

    void add(const std::string& text) {
        notify::Message message;
        message.text = text;
        lane.add(std::move(message));
        shard.turn();
    }
    void pass(Millis time) {
        for (; time > Millis{0}; time -= 10ms) shard.advance(10ms);
    }
    [[nodiscard]] std::vector<std::string> texts() const {
        std::vector<std::string> all;
        for (const auto& r : http.requests) all.emplace_back(r.body.text());
        return all;
    }
    /// When each request was made, in tenths of a second, rounded down.
    [[nodiscard]] std::vector<int> tenths() const {
        std::vector<int> all;
        for (const auto when : times) all.push_back(static_cast<int>((when - start) / 100ms));
        return all;
    }
    /// Since the rig was made: the counters outlive it.
    [[nodiscard]] double counted(const char* result) const { return total(result) - before.at(result); }
    [[nodiscard]] double total(const char* result) const {
        return metrics::counter("weir_notifications_total", "Notifications by service and what became of them",
                                {{"service", name}, {"result", result}})
            .value();
    }

    std::string name;
    std::map<std::string, double> before{
        {"sent", total("sent")}, {"failed", total("failed")}, {"dropped", total("dropped")}};
    test::SimulatedShard shard;
    SteadyTime start = shard.time.now();
    std::vector<SteadyTime> times;
    std::function<Reply(int number)> answer = [](int) { return Reply{}; };
    test::FakeHttp http{shard.time, [this](const HttpRequest&) {
                            times.push_back(shard.time.now());
                            return answer(static_cast<int>(times.size()));
                        }};
    Lane lane{shard, http, std::make_unique<PlainService>(name), Scrubber("plain://CANARY-key@CANARY-host/CANARY-path"),
              Lane::Settings{.number = 3}};
    bool ended = false;
};

TEST(NotifyLane, SendsInOrder) {
    LaneRig rig("in_order");
    for (const char* text : {"a", "b", "c"}) rig.add(text);
    rig.pass(500ms);
    EXPECT_THAT(rig.texts(), ElementsAre("a", "b", "c"));
    EXPECT_EQ(rig.counted("sent"), 3);
    EXPECT_EQ(rig.http.requests[0].headers.at(0).second, "application/json");
}

struct TryCase {
    const char* name;
    Reply reply;
    std::vector<int> at;  ///< of the tries, in tenths of a second
};
std::ostream& operator<<(std::ostream& out, const TryCase& c) {
    return out << c.name;
}

class NotifyTries : public testing::TestWithParam<TryCase> {};

TEST_P(NotifyTries, AreAsManyAsTheyAreWorth) {
    LaneRig rig(std::string("tries_") + GetParam().name);
    rig.answer = [](int) { return GetParam().reply; };
    rig.add("text");
    rig.pass(400s);
    EXPECT_EQ(rig.tenths(), GetParam().at);
    EXPECT_EQ(rig.counted("failed"), 1);
    rig.answer = [](int) { return Reply{}; };
    rig.add("the next");
    rig.pass(1s);
    EXPECT_EQ(rig.texts().back(), "the next");
    EXPECT_EQ(rig.counted("sent"), 1);
}

const std::vector<int> doubling{0, 10, 30, 70, 150, 311};
INSTANTIATE_TEST_SUITE_P(
    Cases, NotifyTries,
    testing::Values(
        TryCase{"Http500", {.status = 500}, doubling}, TryCase{"Http503", {.status = 503}, doubling},
        TryCase{"Http429", {.status = 429}, doubling},
        TryCase{"Refused", {.how = Reply::How::refuse}, {0, 10, 30, 70, 150, 310}},
        TryCase{"Silent", {.how = Reply::How::silent}, {0, 110, 230, 370, 550, 810}},
        TryCase{"Http400", {.status = 400}, {0}}, TryCase{"Http401", {.status = 401}, {0}},
        TryCase{"Http404", {.status = 404}, {0}},
        TryCase{"Asked7s", {.status = 429, .headers = {{"retry-after", "7"}}}, {0, 70, 140, 210, 290, 451}},
        TryCase{"AskedAFraction", {.status = 429, .headers = {{"retry-after", "6.5"}}}, {0, 65, 130, 195, 275, 436}},
        TryCase{"AskedAnHour", {.status = 503, .headers = {{"retry-after", "3600"}}}, {0, 600, 1200, 1800, 2400}}),
    [](const auto& p) { return p.param.name; });

TEST(NotifyLane, AServiceThatComesBackGetsTheMessageOnce) {
    LaneRig rig("comes_back");
    rig.answer = [](int number) { return Reply{.status = number < 3 ? 502 : 200}; };
    rig.add("text");
    rig.pass(60s);
    EXPECT_EQ(rig.texts().size(), 3u);
    EXPECT_EQ(rig.counted("sent"), 1);
    EXPECT_EQ(rig.counted("failed"), 0);
}

TEST(NotifyLane, AfterFiveAtOnceItSendsOneASecond) {
    LaneRig rig("pace");
    rig.answer = [](int) { return Reply{.before_head = 0us}; };
    for (int i = 0; i < 8; ++i) rig.add("x");
    rig.pass(4s);
    EXPECT_THAT(rig.tenths(), ElementsAre(0, 0, 0, 0, 0, 10, 20, 30));
    rig.pass(60s);
    for (int i = 0; i < 6; ++i) rig.add("y");
    rig.pass(500ms);
    EXPECT_EQ(rig.times.size(), 13u) << "a pause gives the five back";
}

TEST(NotifyLane, WhatIsTooMuchGoesFromTheOldEndAndIsToldOnce) {
    LaneRig rig("overflow");
    rig.answer = [](int number) { return number == 1 ? Reply{.how = Reply::How::silent} : Reply{}; };
    for (int i = 0; i < 105; ++i) rig.add(std::to_string(i));
    EXPECT_EQ(rig.counted("dropped"), 4);
    rig.pass(200s);
    const auto texts = rig.texts();
    ASSERT_GE(texts.size(), 3u);
    EXPECT_THAT(std::vector<std::string>(texts.begin(), texts.begin() + 3), ElementsAre("0", "0", "5"));
    EXPECT_EQ(texts.back(), "104");
    const auto first = lane_log.find("the oldest are dropped");
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(lane_log.find("the oldest are dropped", first + 1), std::string::npos);
}

TEST(NotifyLane, AtTheEndThePaceDoesNotCount) {
    LaneRig rig("drain");
    for (int i = 0; i < 20; ++i) rig.add("x");
    rig.lane.finish();
    rig.pass(500ms);
    EXPECT_TRUE(rig.ended);
    EXPECT_EQ(rig.counted("sent"), 20);
    rig.add("too late");
    EXPECT_EQ(rig.counted("dropped"), 1);
}

TEST(NotifyLane, WhatCannotBeSentThereDoesNotHoldUpTheNext) {
    LaneRig rig("refused");
    rig.add("refused");
    rig.add("fine");
    rig.pass(100ms);
    EXPECT_THAT(rig.texts(), ElementsAre("fine"));
    EXPECT_EQ(rig.counted("failed"), 1);
    EXPECT_THAT(lane_log, HasSubstr("notify failed"));
    EXPECT_THAT(lane_log, HasSubstr("the text is too long"));
}

TEST(NotifyLane, FailuresNameServiceAndNumberAndNoSecret) {
    LaneRig rig("told");
    rig.answer = [](int number) {
        return number % 2 ? Reply{.how = Reply::How::refuse} : Reply{.status = 500, .body = "no /CANARY-path here"};
    };
    rig.add("text");
    rig.pass(60s);
    EXPECT_THAT(lane_log, HasSubstr("service=told"));
    EXPECT_THAT(lane_log, HasSubstr("url=3"));
    EXPECT_THAT(lane_log, HasSubstr("500"));
    EXPECT_THAT(lane_log, Not(HasSubstr("CANARY")));
}

TEST(NotifyLane, ATryIsOne) {
    LaneRig rig("try");
    rig.answer = [](int) { return Reply{.status = 503}; };
    std::optional<Result<>> outcome;
    rig.shard.start([](LaneRig& r, std::optional<Result<>>& into) -> Task<void> {
        notify::Message message;
        message.text = "text";
        auto done = co_await r.lane.try_once(std::move(message));
        into.emplace(std::move(done));
    }(rig, outcome));
    rig.pass(30s);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_FALSE(*outcome);
    EXPECT_EQ(rig.times.size(), 1u);
}

TEST(NotifyScrubber, TakesOutWhatIsSecretInTheUrl) {
    const Scrubber scrubber("pushover://shoutrrr:TOKENTOKEN@USERKEY/?devices=phone1&title=Hi");
    EXPECT_EQ(scrubber.clean("TOKENTOKEN of USERKEY on phone1, Hi"), "*** of *** on ***, Hi");
    const Scrubber own("gotify://gotify.example.com:8080/deep/Asecret%20token");
    EXPECT_EQ(own.clean("cannot connect to gotify.example.com port 8080"),
              "cannot connect to gotify.example.com port 8080");
    EXPECT_EQ(Scrubber("gotify://gotify:80/Asecret").clean("gotify: cannot resolve gotify"),
              "gotify: cannot resolve gotify");
    EXPECT_EQ(own.clean("no token Asecret token\nor Asecret%20token"), "no token *** or ***");
    EXPECT_EQ(own.clean("more than 10 redirects, the last to https://u:p@other.test/key?q#f; so"),
              "more than 10 redirects, the last to https://other.test so");
    EXPECT_EQ(own.clean(std::string(5000, 'x')).size(), 300u);
    EXPECT_EQ(Scrubber("no url").clean("as it is"), "as it is");
}

}  // namespace
}  // namespace weir::telemetry
