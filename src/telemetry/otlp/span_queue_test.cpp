#include "telemetry/otlp/span_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace weir::telemetry {
namespace {

trace::SpanData span(std::string name) {
    trace::SpanData made;
    made.name = std::move(name);
    return made;
}

TEST(SpanQueue, GivesTheOldestInBatches) {
    int full = 0;
    SpanQueue::Settings settings;
    settings.batch = 2;
    settings.on_batch = [&] { ++full; };
    SpanQueue queue(std::move(settings));
    for (const char* name : {"a", "b", "c"}) queue.put(span(name));
    EXPECT_EQ(full, 1);
    const auto first = queue.take();
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first[0].name + first[1].name, "ab");
    EXPECT_EQ(queue.take().size(), 1u);
    EXPECT_TRUE(queue.take().empty());
}

TEST(SpanQueue, DropsTheNewestWhenItIsFull) {
    int dropped = 0;
    SpanQueue::Settings settings;
    settings.most = 3;
    settings.on_drop = [&] { ++dropped; };
    SpanQueue queue(std::move(settings));
    for (const char* name : {"a", "b", "c", "d", "e"}) queue.put(span(name));
    EXPECT_EQ(dropped, 2);
    EXPECT_EQ(queue.take().back().name, "c");
    queue.put(span("f"));
    EXPECT_EQ(queue.take().front().name, "f");
    queue.close();
    queue.put(span("g"));
    EXPECT_EQ(dropped, 3);
}

TEST(SpanQueue, TakesFromManyThreads) {
    SpanQueue::Settings settings;
    settings.most = 10'000;
    SpanQueue queue(std::move(settings));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) queue.put(span("x"));
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(queue.size(), 4000u);
}

trace::Context context(std::uint8_t first_of_low_half, bool sampled = true) {
    trace::Context c;
    c.trace_id[0] = 0xff;
    c.trace_id[8] = first_of_low_half;
    c.span_id[0] = 1;
    c.sampled = sampled;
    return c;
}

TEST(Sampling, RootsByTheRatioChildrenByTheirParent) {
    const trace::Context none;
    const Sampling all{}, off{false, true, 1.0}, half{true, true, 0.5}, tenth{true, false, 0.1};
    EXPECT_TRUE(all(none, context(0xff)));
    EXPECT_FALSE(off(none, context(0)));
    EXPECT_TRUE(off(context(0), context(0)));
    EXPECT_FALSE(all(context(0, false), context(0)));
    EXPECT_TRUE(half(none, context(0x7f)));
    EXPECT_FALSE(half(none, context(0x80)));
    EXPECT_TRUE(half(context(0), context(0xff)));
    EXPECT_TRUE(tenth(none, context(0x10)));
    EXPECT_FALSE(tenth(none, context(0x20)));
    EXPECT_FALSE(tenth(context(0), context(0x20)));
    EXPECT_FALSE((Sampling{true, true, 0.0})(none, context(0)));
}

}  // namespace
}  // namespace weir::telemetry
