#include "telemetry/profiles/heap_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/profiles/profiles.h"

namespace weir::telemetry {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(HeapProfile, ATestHasNone) {
    EXPECT_FALSE(heap_profiles());
    const auto taken = heap_profile();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Errc::unsupported);
}

TEST(HeapProfile, TheAllocatorsOwnFramesAreTakenOff) {
    pprof::Profile profile{.sample_types = {{"alloc_objects", "count"}},
                           .samples = {{.stack = {0x9010, 0x9020, 0x1100, 0x1200}, .values = {2}},
                                       {.stack = {0x9030, 0x1100, 0x1200}, .values = {3}},
                                       {.stack = {0x9040, 0x9050}, .values = {5}},
                                       {.stack = {0x1300, 0x9010}, .values = {7}}},
                           .mappings = {{.start = 0x1000, .limit = 0x2000, .file = "/usr/bin/weir"},
                                        {.start = 0x9000, .limit = 0xa000, .file = "/usr/lib/libjemalloc.so.2"}}};
    strip_callee(profile, "libjemalloc");
    ASSERT_THAT(profile.samples, SizeIs(3));
    EXPECT_THAT(profile.samples[0].stack, ElementsAre(0x10ff, 0x1200)) << "the leaf now, inside its call";
    EXPECT_THAT(profile.samples[0].values, ElementsAre(5)) << "two ways through the allocator are one";
    EXPECT_THAT(profile.samples[1].stack, ElementsAre(0x1300, 0x9010));
    EXPECT_THAT(profile.samples[2].stack, ElementsAre(0x9040, 0x9050)) << "nothing else is known of it";
}

TEST(HeapProfile, CountersDoNotFall) {
    pprof::Profile before{.samples = {{.stack = {1}, .values = {10, 1000, 5, 500}}}};
    pprof::Profile now{
        .samples = {{.stack = {1}, .values = {9, 1001, 4, 400}}, {.stack = {2}, .values = {1, 1, 1, 1}}}};
    keep_rising(now, before);
    EXPECT_THAT(now.samples[0].values, ElementsAre(10, 1001, 4, 400));
    EXPECT_THAT(now.samples[1].values, ElementsAre(1, 1, 1, 1));
}

TEST(HeapProfile, LabelsSayHowLargeAnObjectIs) {
    pprof::Profile profile{.samples = {{.stack = {1}, .values = {10, 1000, 5, 500}},
                                       {.stack = {2}, .values = {0, 0, 2, 64}},
                                       {.stack = {3}, .values = {0, 0, 0, 0}}}};
    label_sizes(profile);
    EXPECT_EQ(profile.samples[0].numbers.at("bytes"), 100);
    EXPECT_EQ(profile.samples[1].numbers.at("bytes"), 32);
    EXPECT_TRUE(profile.samples[2].numbers.empty());
}

}  // namespace
}  // namespace weir::telemetry
