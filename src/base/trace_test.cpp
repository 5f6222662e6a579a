#include "base/trace.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

namespace weir::trace {
namespace {

/// A sink that keeps what it takes; there is one for the process, so it goes with the test.
class Trace : public testing::Test {
protected:
    void TearDown() override { set_sink(nullptr); }

    std::shared_ptr<Sink> sink() {
        auto made = std::make_shared<Sink>();
        made->take = [this](SpanData&& span) {
            const std::scoped_lock lock(mutex_);
            taken_.push_back(std::move(span));
        };
        return made;
    }
    void wish(const Sink::Limits& limits = {}) {
        auto made = sink();
        made->limits = limits;
        set_sink(std::move(made));
    }
    std::mutex mutex_;
    std::vector<SpanData> taken_;
};

TEST_F(Trace, WithoutASinkNothingIsMade) {
    EXPECT_FALSE(wanted());
    auto span = begin("fc2", "fc2.Process", {}, {{"a", std::int64_t{1}}});
    span.set("b", true);
    span.event("downloading");
    span.fail("io", "boom");
    span.end();
    EXPECT_FALSE(span.context().valid());
    wish();
    EXPECT_TRUE(wanted());
    EXPECT_TRUE(taken_.empty());
}

TEST_F(Trace, ASpanBearsWhatItWasTold) {
    wish();
    const auto before = std::chrono::system_clock::now();
    {
        auto span = begin("fc2", "fc2.FetchPlaylist", {}, {{"channel_id", std::string("72364867")}});
        span.set("tries", std::int64_t{3});
        span.event("playlist received", {{"url", std::string("u")}, {"mode", std::int64_t{90}}});
        EXPECT_TRUE(taken_.empty());
    }
    ASSERT_EQ(taken_.size(), 1u);
    const auto& span = taken_.front();
    EXPECT_EQ(span.tracer, "fc2");
    EXPECT_EQ(span.name, "fc2.FetchPlaylist");
    EXPECT_EQ(span.kind, 1);
    EXPECT_EQ(span.parent, decltype(span.parent){});
    EXPECT_EQ(span.attributes,
              (std::vector<Attribute>{{"channel_id", std::string("72364867")}, {"tries", std::int64_t{3}}}));
    ASSERT_EQ(span.events.size(), 1u);
    EXPECT_EQ(span.events[0].name, "playlist received");
    EXPECT_EQ(span.events[0].attributes,
              (std::vector<Attribute>{{"url", std::string("u")}, {"mode", std::int64_t{90}}}));
    EXPECT_FALSE(span.failed);
    EXPECT_GE(span.start, before);
    EXPECT_LE(span.start, span.events[0].at);
    EXPECT_LE(span.events[0].at, span.end);
}

TEST_F(Trace, AFailureIsAnEventAndTheStatus) {
    wish();
    begin("fc2", "ws.Dial").fail("unreachable", "connection refused");
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_TRUE(taken_[0].failed);
    EXPECT_EQ(taken_[0].failure, "connection refused");
    ASSERT_EQ(taken_[0].events.size(), 1u);
    EXPECT_EQ(taken_[0].events[0].name, "exception");
    EXPECT_EQ(taken_[0].events[0].attributes,
              (std::vector<Attribute>{{"exception.type", std::string("unreachable")},
                                      {"exception.message", std::string("connection refused")}}));
}

TEST_F(Trace, AChildSharesTheTraceAndNamesItsParent) {
    wish();
    auto parent = begin("fc2", "withny.Process");
    begin("fc2", "fc2.DownloadLiveStream", parent.context()).end();
    begin("fc2", "other").end();
    ASSERT_EQ(taken_.size(), 2u);
    const auto at = parent.context();
    EXPECT_TRUE(at.valid() && at.sampled);
    EXPECT_EQ(taken_[0].context.trace_id, at.trace_id);
    EXPECT_EQ(taken_[0].parent, at.span_id);
    EXPECT_NE(taken_[0].context.span_id, at.span_id);
    EXPECT_NE(taken_[1].context.trace_id, at.trace_id);
    parent.end();
    EXPECT_EQ(parent.context(), at) << "the context outlives the work";
}

TEST_F(Trace, IdsDiffer) {
    wish();
    std::set<std::array<std::uint8_t, 16>> traces;
    std::set<std::array<std::uint8_t, 8>> spans;
    for (int i = 0; i < 200; ++i) {
        const auto context = begin("t", "n").context();
        EXPECT_TRUE(context.valid());
        traces.insert(context.trace_id);
        spans.insert(context.span_id);
    }
    EXPECT_EQ(traces.size(), 200u);
    EXPECT_EQ(spans.size(), 200u);
}

TEST_F(Trace, TheSinkDecidesWithParentAndOwnContext) {
    auto made = sink();
    std::vector<std::pair<Context, Context>> asked;
    made->sample = [&](const Context& parent, const Context& own) {
        asked.emplace_back(parent, own);
        return parent.valid();
    };
    set_sink(made);
    auto root = begin("t", "root");
    EXPECT_TRUE(root.context().valid());
    EXPECT_FALSE(root.context().sampled);
    auto child = begin("t", "child", root.context());
    EXPECT_TRUE(child.context().sampled);
    child.end();
    root.end();
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_EQ(taken_[0].name, "child");
    ASSERT_EQ(asked.size(), 2u);
    EXPECT_FALSE(asked[0].first.valid());
    EXPECT_EQ(asked[1].first, root.context());
    EXPECT_EQ(asked[1].second.trace_id, root.context().trace_id);
    EXPECT_EQ(asked[1].second.span_id, child.context().span_id);
}

TEST_F(Trace, WithoutADeciderChildrenFollowTheirParent) {
    wish();
    auto parent = begin("t", "root").context();
    parent.sampled = false;
    begin("t", "child", parent).end();
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_EQ(taken_[0].name, "root");
}

TEST_F(Trace, WhatIsBeyondTheLimitsIsCounted) {
    wish({.attributes = 2, .events = 2, .event_attributes = 1});
    {
        auto span = begin("t", "n", {}, {{"a", true}, {"b", 1.5}, {"c", std::int64_t{1}}});
        span.set("b", 2.5);
        span.set("d", true);
        span.event("first");
        span.event("second", {{"x", true}, {"y", true}, {"z", true}});
        span.event("third");
    }
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_EQ(taken_[0].attributes, (std::vector<Attribute>{{"a", true}, {"b", 2.5}}));
    EXPECT_EQ(taken_[0].dropped_attributes, 2u);
    ASSERT_EQ(taken_[0].events.size(), 2u);
    EXPECT_EQ(taken_[0].events[0].name, "second");
    EXPECT_EQ(taken_[0].events[0].attributes, (std::vector<Attribute>{{"x", true}}));
    EXPECT_EQ(taken_[0].events[0].dropped_attributes, 2u);
    EXPECT_EQ(taken_[0].events[1].name, "third");
    EXPECT_EQ(taken_[0].dropped_events, 1u);
}

TEST_F(Trace, NoEventsAtAllAreAllowed) {
    wish({.events = 0});
    begin("t", "n").fail("io", "boom");
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_TRUE(taken_[0].events.empty());
    EXPECT_EQ(taken_[0].dropped_events, 1u);
    EXPECT_EQ(taken_[0].failure, "boom");
}

TEST_F(Trace, LongValuesAreCutBetweenCharacters) {
    wish({.value_length = 3});
    {
        auto span = begin("t", "n");
        span.set("ascii", std::string("abcdef"));
        span.set("kana", std::string("配信中です"));
        span.set("exact", std::string("配信中"));
        span.set("broken", std::string("\xff\xfe\xfd\xfc"));
        span.set("number", std::int64_t{123456});
        span.event("e", {{"text", std::string("abcdef")}});
    }
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_EQ(taken_[0].attributes, (std::vector<Attribute>{{"ascii", std::string("abc")},
                                                            {"kana", std::string("配信中")},
                                                            {"exact", std::string("配信中")},
                                                            {"broken", std::string("\xff\xfe\xfd")},
                                                            {"number", std::int64_t{123456}}}));
    EXPECT_EQ(taken_[0].events[0].attributes, (std::vector<Attribute>{{"text", std::string("abc")}}));
}

TEST_F(Trace, ASpanEndsOnceAndWhereItBegan) {
    wish();
    auto span = begin("t", "first");
    int other = 0;
    auto second = std::make_shared<Sink>();
    second->take = [&](SpanData&&) { ++other; };
    set_sink(second);
    span.end();
    span.end();
    span.event("too late");
    EXPECT_EQ(taken_.size(), 1u);
    EXPECT_EQ(other, 0);
    begin("t", "second").end();
    EXPECT_EQ(other, 1);
}

TEST_F(Trace, MovingASpanEndsTheOneItReplaces) {
    wish();
    auto span = begin("t", "first");
    auto next = begin("t", "second");
    const auto context = next.context();
    span = std::move(next);
    ASSERT_EQ(taken_.size(), 1u);
    EXPECT_EQ(taken_[0].name, "first");
    EXPECT_EQ(span.context(), context);
    const Span held(std::move(span));
    EXPECT_EQ(taken_.size(), 1u);
    EXPECT_EQ(held.context(), context);
}

TEST_F(Trace, SinksChangeWhileOthersBegin) {
    wish();
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([] {
            for (int i = 0; i < 500; ++i) begin("t", "n").event("e");
        });
    for (int i = 0; i < 200; ++i) wish();
    for (auto& one : threads) one.join();
    EXPECT_EQ(taken_.size(), 1500u);
}

}  // namespace
}  // namespace weir::trace
