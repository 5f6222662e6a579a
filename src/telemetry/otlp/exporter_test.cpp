#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/log.h"
#include "base/metrics.h"
#include "base/trace.h"
#include "fake_http.h"
#include "simulated_shard.h"
#include "telemetry/otlp/exporter_inner.h"

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;
using test::Reply;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string logged;

int lines_with(std::string_view text) {
    int found = 0;
    for (auto at = logged.find(text); at != logged.npos; at = logged.find(text, at + 1)) ++found;
    return found;
}

/// An exporter to a collector that answers what `answer` says to each request; the number is its place, from 0.
class OtlpExporterTest : public testing::Test {
protected:
    OtlpExporterTest() {
        logged.clear();
        log::capture([](std::string_view line) { logged.append(line).push_back('\n'); });
        for (auto* endpoint : {&settings.traces, &settings.metrics}) {
            endpoint->protocol = otlp::Endpoint::Protocol::http_json;
            endpoint->headers = {{"x-key", "CANARY-header"}};
        }
        settings.traces.url = "http://collector.example/CANARY-path/traces";
        settings.metrics.url = "http://collector.example/CANARY-path/metrics";
    }
    ~OtlpExporterTest() override {
        if (exporter && !stopped) stop();
        log::capture(nullptr);
        EXPECT_THAT(logged, Not(HasSubstr("CANARY")));
        EXPECT_FALSE(trace::wanted());
    }

    void start(bool traces, bool metrics = false, Millis drain = 4s) {
        const auto client = [this](const otlp::Endpoint&) {
            auto made = std::make_unique<test::FakeHttp>(shard.time, [this](const HttpRequest& request) {
                at.push_back(shard.time.now() - began);
                bodies.emplace_back(request.body.text());
                paths.push_back(request.url.path);
                return answer(static_cast<int>(bodies.size()) - 1);
            });
            return made;
        };
        OtlpExporter::What what;
        what.traces = traces;
        what.metrics = metrics;
        what.drain = drain;
        auto made = make_otlp_exporter(shard, client, settings, what);
        ASSERT_TRUE(made) << made.error().text();
        exporter = std::move(*made);
        began = shard.time.now();
        exporter->start();
        shard.turn();
    }
    /// How long it took, in simulated time.
    Micros stop() {
        stopped = true;
        const auto from = shard.time.now();
        bool done = false;
        shard.start([](OtlpExporter& e, bool& ended) -> Task<void> {
            co_await e.stop();
            ended = true;
        }(*exporter, done));
        shard.turn();
        for (int i = 0; i < 1000 && !done; ++i) shard.advance(10ms);
        EXPECT_TRUE(done);
        const auto took = shard.time.now() - from;
        exporter.reset();
        shard.turn();
        return std::chrono::duration_cast<Micros>(took);
    }
    void spans(int count, const std::string& name = "work") {
        for (int i = 0; i < count; ++i) (void)trace::begin("tests", name);
    }
    [[nodiscard]] static int spans_in(const std::string& body) {
        int found = 0;
        for (auto p = body.find("\"spanId\""); p != body.npos; p = body.find("\"spanId\"", p + 1)) ++found;
        return found;
    }
    [[nodiscard]] std::vector<int> sizes() const {
        std::vector<int> out;
        for (const auto& body : bodies) out.push_back(spans_in(body));
        return out;
    }
    void pass(Micros time) {
        for (Micros gone{0}; gone < time; gone += 100ms) shard.advance(100ms);
    }

    test::SimulatedShard shard;
    otlp::Settings settings;
    std::function<Reply(int)> answer = [](int) { return Reply{}; };
    std::vector<SteadyTime::duration> at;
    std::vector<std::string> bodies, paths;
    std::unique_ptr<OtlpExporter> exporter;
    SteadyTime began{};
    bool stopped = false;
};

Reply status(int code, std::optional<int> retry_after = {}, std::string body = {}) {
    Reply r;
    r.status = code;
    r.body = std::move(body);
    r.headers = {{"content-type", "application/json"}};
    if (retry_after) r.headers.emplace_back("retry-after", std::to_string(*retry_after));
    return r;
}

Reply refused() {
    Reply r;
    r.how = Reply::How::refuse;
    return r;
}

Reply silent() {
    Reply r;
    r.how = Reply::How::silent;
    return r;
}

TEST_F(OtlpExporterTest, SpansGoWhenTheOldestHasWaitedFiveSeconds) {
    start(true);
    spans(3);
    pass(4'900ms);
    EXPECT_TRUE(bodies.empty());
    pass(300ms);
    EXPECT_THAT(sizes(), ElementsAre(3));
    EXPECT_EQ(paths[0], "/CANARY-path/traces");
    pass(20s);
    EXPECT_EQ(bodies.size(), 1u);  // nothing is not sent
}

TEST_F(OtlpExporterTest, AFullBatchGoesAtOnce) {
    settings.batch = 4;
    start(true);
    spans(9);
    shard.turn();
    pass(500ms);
    EXPECT_THAT(sizes(), ElementsAre(4, 4));
    pass(5s);
    EXPECT_THAT(sizes(), ElementsAre(4, 4, 1));
}

TEST_F(OtlpExporterTest, AFullQueueDropsAndCounts) {
    settings.queue = 8;
    settings.batch = 4;
    answer = [](int) { return silent(); };
    start(true);
    auto dropped = metrics::counter("weir_otlp_spans_dropped_total", "");
    const auto before = dropped.value();
    spans(4);
    shard.turn();  // under way, in no queue
    spans(11);
    EXPECT_EQ(dropped.value() - before, 3);
    answer = [](int) { return Reply{}; };
    pass(30s);
    EXPECT_THAT(sizes(), ElementsAre(4, 4, 4, 4));  // the first one twice
}

TEST_F(OtlpExporterTest, RetryAfterIsKeptAndTheSameIsSentAgain) {
    answer = [](int n) { return n == 0 ? status(503, 17) : Reply{}; };
    start(true);
    spans(2);
    pass(30s);
    ASSERT_EQ(bodies.size(), 2u);
    EXPECT_EQ(bodies[0], bodies[1]);
    EXPECT_NEAR(std::chrono::duration<double>(at[1] - at[0]).count(), 17.0, 0.3);
    EXPECT_EQ(lines_with("does not take"), 1);
    EXPECT_EQ(lines_with("takes what we send again"), 1);
}

TEST_F(OtlpExporterTest, PausesGrowAndEndAfterAMinute) {
    answer = [](int) { return status(503); };
    start(true);
    spans(1);
    pass(70s);
    ASSERT_GE(bodies.size(), 4u);
    ASSERT_LE(bodies.size(), 12u);
    double most = 7.5;
    for (std::size_t i = 1; i < at.size(); ++i) {
        const auto pause = std::chrono::duration<double>(at[i] - at[i - 1]).count();
        EXPECT_GE(pause, most / 3 - 0.2);
        EXPECT_LE(pause, std::min(most, 30.0) + 0.3);
        most = std::min(most * 1.5, 30.0);
    }
    EXPECT_LE(at.back() - at.front(), SteadyTime::duration(61s));
    const auto tries = bodies.size();
    pass(60s);
    EXPECT_EQ(bodies.size(), tries);
    answer = [](int) { return Reply{}; };
    spans(2);
    pass(6s);
    EXPECT_EQ(bodies.size(), tries + 1);
    EXPECT_EQ(spans_in(bodies.back()), 2);
    EXPECT_EQ(lines_with("does not take"), 1);  // once a streak
}

TEST_F(OtlpExporterTest, WhatIsRefusedForGoodIsDropped) {
    answer = [](int) { return status(400, 1, R"({"code":3,"message":"no CANARY-header please"})"); };
    start(true);
    auto failed = metrics::counter("weir_otlp_exports_total", "", {{"signal", "traces"}, {"result", "failed"}});
    const auto before = failed.value();
    spans(1);
    pass(40s);
    EXPECT_EQ(bodies.size(), 1u);
    EXPECT_EQ(failed.value() - before, 1);
    EXPECT_EQ(lines_with("http 400: no *** please"), 1);
}

TEST_F(OtlpExporterTest, ASlowCollectorTimesOut) {
    settings.traces.timeout = 2s;
    answer = [](int n) { return n == 0 ? silent() : Reply{}; };
    start(true);
    spans(1);
    pass(30s);
    ASSERT_EQ(bodies.size(), 2u);
    EXPECT_GE(at[1] - at[0], SteadyTime::duration(4'400ms));
    EXPECT_LE(at[1] - at[0], SteadyTime::duration(9'800ms));
}

TEST_F(OtlpExporterTest, PartialSuccessIsToldOnceAndNotSentAgain) {
    answer = [](int n) {
        return n == 2 ? status(200)
                      : status(200, {}, R"({"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}})");
    };
    start(true);
    for (int i = 0; i < 4; ++i) {
        spans(2);
        pass(6s);
    }
    EXPECT_EQ(bodies.size(), 4u);
    EXPECT_EQ(lines_with("left out some"), 2);
}

TEST_F(OtlpExporterTest, StoppingSendsWhatIsQueuedAndTheLastMetrics) {
    metrics::counter("weir_test_exporter_last_total", "A number").add(7);
    start(true, true);
    spans(3);
    EXPECT_LT(stop(), Micros(1s));
    ASSERT_EQ(bodies.size(), 2u);
    const auto& traces = paths[0].ends_with("traces") ? bodies[0] : bodies[1];
    const auto& numbers = paths[0].ends_with("traces") ? bodies[1] : bodies[0];
    EXPECT_EQ(spans_in(traces), 3);
    EXPECT_THAT(numbers, HasSubstr("weir_test_exporter_last"));
    EXPECT_FALSE(trace::wanted());
}

TEST_F(OtlpExporterTest, StoppingEndsAPauseAndTriesUntilTheDrainIsOver) {
    answer = [](int n) { return n < 3 ? status(503) : Reply{}; };
    start(true);
    spans(1);
    pass(5'500ms);
    ASSERT_EQ(bodies.size(), 1u);
    const auto took = stop();
    EXPECT_EQ(bodies.size(), 4u);
    EXPECT_LT(took, Micros(2s));
}

TEST_F(OtlpExporterTest, StoppingGivesASilentCollectorTheDrainAndNoMore) {
    answer = [](int) { return silent(); };
    start(true, true, 2s);
    spans(1);
    const auto took = stop();
    EXPECT_GE(took, Micros(1'900ms));
    EXPECT_LE(took, Micros(2'200ms));
    EXPECT_EQ(bodies.size(), 2u);
}

TEST_F(OtlpExporterTest, StoppingDoesNotWaitForACollectorThatIsAway) {
    settings.batch = 2;
    answer = [](int) { return refused(); };
    start(true, true);
    spans(5);
    EXPECT_LT(stop(), Micros(500ms));
}

TEST_F(OtlpExporterTest, SpansThatEndAfterTheStopGoNowhere) {
    start(true);
    auto late = trace::begin("tests", "late");
    EXPECT_LT(stop(), Micros(1s));
    late.end();
    EXPECT_TRUE(bodies.empty());
}

double value_of(const std::string& body, const std::string& metric) {
    const auto tree = boost::json::parse(body);
    for (const auto& scope : tree.at("resourceMetrics").at(0).at("scopeMetrics").as_array())
        for (const auto& one : scope.at("metrics").as_array()) {
            if (one.at("name").as_string() != metric.c_str()) continue;
            const auto& point = one.at("sum").at("dataPoints").at(0);
            if (const auto* text = point.as_object().if_contains("asInt")) return std::stod(text->as_string().c_str());
            return point.at("asDouble").to_number<double>();
        }
    return -1;
}

TEST_F(OtlpExporterTest, MetricsGoEachInterval) {
    auto counter = metrics::counter("weir_test_exporter_each_total", "A number");
    const auto before = counter.value();
    counter.add(2);
    settings.metric_interval = 10s;
    start(false, true);
    EXPECT_FALSE(trace::wanted());
    pass(10'500ms);
    counter.add(3);
    pass(10s);
    ASSERT_EQ(bodies.size(), 2u);
    EXPECT_EQ(value_of(bodies[0], "weir_test_exporter_each"), before + 2);
    EXPECT_EQ(value_of(bodies[1], "weir_test_exporter_each"), before + 5);
}

TEST_F(OtlpExporterTest, NoDifferenceIsLostWithAnExportThatFailed) {
    auto counter = metrics::counter("weir_test_exporter_delta_total", "A number");
    const auto before = counter.value();
    counter.add(2);
    settings.metric_interval = 10s;
    settings.temporality = otlp::Temporality::delta;
    answer = [](int n) { return n == 1 ? status(400) : Reply{}; };
    start(false, true);
    pass(10'500ms);
    counter.add(3);
    pass(10s);
    counter.add(4);
    pass(10s);
    ASSERT_EQ(bodies.size(), 3u);
    EXPECT_EQ(value_of(bodies[0], "weir_test_exporter_delta"), before + 2);
    EXPECT_EQ(value_of(bodies[1], "weir_test_exporter_delta"), 3);
    EXPECT_EQ(value_of(bodies[2], "weir_test_exporter_delta"), 7);
}

TEST_F(OtlpExporterTest, TheSdkCanBeSwitchedOff) {
    settings.disabled = true;
    start(true, true);
    EXPECT_FALSE(trace::wanted());
    pass(70s);
    (void)stop();
    EXPECT_TRUE(bodies.empty());
}

TEST_F(OtlpExporterTest, AFileThatCannotBeReadIsNamed) {
    settings.traces.ca_file = "/there/is/no/ca.pem";
    const auto made = make_otlp_exporter(shard, [](const otlp::Endpoint&) { return std::unique_ptr<HttpClient>(); },
                                         settings, {true, false, 4s});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::bad_input);
    EXPECT_THAT(made.error().text(), HasSubstr("/there/is/no/ca.pem"));
}

}  // namespace
}  // namespace weir::telemetry
