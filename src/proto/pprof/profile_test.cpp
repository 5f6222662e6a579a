#include "proto/pprof/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <protozero/pbf_reader.hpp>
#include <set>

#include "gunzip.h"

namespace weir::pprof {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string sample_file(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR "/tests/data/pprof/") + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string gunzip(const std::string& packed) {
    const auto plain = test::gunzipped(packed);
    EXPECT_TRUE(plain);
    return plain.value_or("");
}

/// A message as field numbers say: numbers (packed ones too) and the bytes of what is inside.
struct Read {
    explicit Read(std::string_view bytes) {
        protozero::pbf_reader r(bytes.data(), bytes.size());
        while (r.next()) {
            if (r.wire_type() == protozero::pbf_wire_type::varint)
                numbers[r.tag()].push_back(r.get_uint64());
            else
                parts[r.tag()].push_back(r.get_string());
        }
    }
    std::uint64_t number(protozero::pbf_tag_type tag) { return numbers[tag].empty() ? 0 : numbers[tag].front(); }
    std::vector<std::uint64_t> packed(protozero::pbf_tag_type tag) {
        std::vector<std::uint64_t> out;
        for (auto& part : parts[tag])
            for (const char *at = part.data(), *end = at + part.size(); at != end;)
                out.push_back(protozero::decode_varint(&at, end));
        return out;
    }
    std::map<protozero::pbf_tag_type, std::vector<std::uint64_t>> numbers;
    std::map<protozero::pbf_tag_type, std::vector<std::string>> parts;
};

/// Two stacks that share a frame, one of its addresses inlined into another; the third address is known to nobody.
Profile two_stacks() {
    return {.sample_types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
            .samples = {{.stack = {0x1100, 0x1201}, .values = {2, 20'000'000}, .texts = {{"thread", "main"}}},
                        {.stack = {0x1300, 0x1201}, .values = {1, 10'000'000}, .numbers = {{"bytes", 64}}}},
            .mappings = {{.start = 0x1000, .limit = 0x2000, .offset = 0x800, .file = "/usr/bin/x", .build_id = "abcd"},
                         {.start = 0x9000, .limit = 0xa000, .file = "/lib/y"}},
            .period_type = {"cpu", "nanoseconds"},
            .period = 10'000'000,
            .default_type = "cpu",
            .at = from_unix_millis(1'700'000'000'000),
            .duration = Micros{1'500'000}};
}
Symbols its_symbols() {
    return {{0x1100, {{"inner", "_Zinner", "a.cpp", 3}, {"outer", "_Zouter", "a.cpp", 9}}},
            {0x1200, {{"main", "main", "a.cpp", 20}}}};
}

TEST(PprofEncode, WhatIsNamedByANumberIsWrittenOnce) {
    Read profile(gunzip(encode(two_stacks(), its_symbols())));
    EXPECT_THAT(profile.parts[2], SizeIs(2));
    EXPECT_THAT(profile.parts[4], SizeIs(3)) << "locations";
    EXPECT_THAT(profile.parts[5], SizeIs(3)) << "functions";
    const auto& strings = profile.parts[6];
    EXPECT_EQ(strings.at(0), "");
    EXPECT_EQ(std::set(strings.begin(), strings.end()).size(), strings.size());
}

TEST(PprofEncode, SamplesNameTheirLocationsLeafFirst) {
    Read profile(gunzip(encode(two_stacks(), its_symbols())));
    Read first(profile.parts[2].at(0)), second(profile.parts[2].at(1));
    EXPECT_THAT(first.packed(1), ElementsAre(1, 2));
    EXPECT_THAT(second.packed(1), ElementsAre(3, 2));
    EXPECT_THAT(first.packed(2), ElementsAre(2, 20'000'000));
    Read leaf(profile.parts[4].at(0)), caller(profile.parts[4].at(1));
    EXPECT_EQ(leaf.number(3), 0x1100U);
    EXPECT_EQ(caller.number(3), 0x1200U) << "inside the call";
    EXPECT_EQ(caller.number(2), 1U) << "its mapping";
    ASSERT_THAT(leaf.parts[4], SizeIs(2));
    Read inner(leaf.parts[4].at(0)), outer(leaf.parts[4].at(1));
    EXPECT_EQ(inner.number(2), 3U);
    EXPECT_EQ(outer.number(2), 9U);
}

TEST(PprofEncode, LabelsAreTextsOrNumbers) {
    Read profile(gunzip(encode(two_stacks(), its_symbols())));
    const auto& strings = profile.parts[6];
    Read first(profile.parts[2].at(0)), second(profile.parts[2].at(1));
    Read text(first.parts[3].at(0)), number(second.parts[3].at(0));
    EXPECT_EQ(strings.at(text.number(1)), "thread");
    EXPECT_EQ(strings.at(text.number(2)), "main");
    EXPECT_EQ(strings.at(number.number(1)), "bytes");
    EXPECT_EQ(number.number(3), 64U);
}

TEST(PprofEncode, MappingsSayWhatIsKnownOfThem) {
    Read profile(gunzip(encode(two_stacks(), its_symbols())));
    const auto& strings = profile.parts[6];
    Read program(profile.parts[3].at(0)), library(profile.parts[3].at(1));
    EXPECT_EQ(program.number(1), 1U);
    EXPECT_EQ(program.number(2), 0x1000U);
    EXPECT_EQ(program.number(3), 0x2000U);
    EXPECT_EQ(program.number(4), 0x800U);
    EXPECT_EQ(strings.at(program.number(5)), "/usr/bin/x");
    EXPECT_EQ(strings.at(program.number(6)), "abcd");
    for (const unsigned known : {7U, 8U, 9U, 10U}) {
        EXPECT_EQ(program.number(known), 1U) << known;
        EXPECT_EQ(library.number(known), 0U) << known;
    }
}

TEST(PprofEncode, WithoutSymbolsAMappingAsksForThem) {
    Read profile(gunzip(encode(two_stacks(), {})));
    EXPECT_THAT(profile.parts[5], SizeIs(0));
    Read program(profile.parts[3].at(0));
    EXPECT_EQ(program.number(7), 0U);
}

TEST(PprofEncode, TimesAndTypes) {
    Read profile(gunzip(encode(two_stacks(), its_symbols())));
    const auto& strings = profile.parts[6];
    EXPECT_EQ(profile.number(9), 1'700'000'000'000'000'000U);
    EXPECT_EQ(profile.number(10), 1'500'000'000U);
    EXPECT_EQ(profile.number(12), 10'000'000U);
    EXPECT_EQ(strings.at(profile.number(14)), "cpu");
    Read type(profile.parts[1].at(1)), period(profile.parts[11].at(0));
    EXPECT_EQ(strings.at(type.number(1)), "cpu");
    EXPECT_EQ(strings.at(type.number(2)), "nanoseconds");
    EXPECT_EQ(strings.at(period.number(1)), "cpu");
}

TEST(PprofEncode, AnEmptyProfileIsValid) {
    Read profile(gunzip(encode({.sample_types = {{"contentions", "count"}}}, {})));
    EXPECT_THAT(profile.parts[1], SizeIs(1));
    EXPECT_THAT(profile.parts[2], SizeIs(0));
    EXPECT_THAT(profile.parts[6], ElementsAre("", "contentions", "count"));
}

TEST(PprofText, StacksWithTheirFunctionsTheHeaviestFirst) {
    auto profile = two_stacks();
    std::swap(profile.samples[0], profile.samples[1]);
    const auto shown = text(profile, its_symbols(), "profile");
    EXPECT_THAT(shown, testing::StartsWith("profile profile: 2 stacks\n"));
    EXPECT_THAT(shown, HasSubstr("2 20000000 @ 0x1100 0x1200\n# thread: main\n#\t0x1100\tinner\ta.cpp:3\n"
                                 "#\t0x1100\touter\ta.cpp:9\n#\t0x1200\tmain\ta.cpp:20\n\n"));
    EXPECT_THAT(shown, HasSubstr("#\t0x1300\n"));
    EXPECT_LT(shown.find("2 20000000"), shown.find("1 10000000"));
}

TEST(PprofCpu, ReadsWhatGperftoolsWrote) {
    const auto read = read_gperftools_cpu(sample_file("cpu.gperftools"));
    ASSERT_TRUE(read) << read.error().text();
    std::int64_t count = 0, spent = 0;
    for (const auto& s : read->samples) count += s.values.at(0), spent += s.values.at(1);
    EXPECT_EQ(count, 42);
    EXPECT_EQ(spent, 420'000'000);
    EXPECT_EQ(read->period, 10'000'000);
    EXPECT_EQ(read->samples.at(0).stack.at(0), 0x5647a9b6f240U);
    ASSERT_FALSE(read->mappings.empty());
    EXPECT_EQ(read->mappings[0].file, "/usr/bin/sample");
    EXPECT_EQ(read->mappings[0].offset, 0x1000U);
}

std::string words(const std::vector<std::uint64_t>& all, const std::string& after = "") {
    std::string out(all.size() * 8, '\0');
    std::memcpy(out.data(), all.data(), out.size());
    return out + after;
}

TEST(PprofCpu, TheSameStackIsOneSample) {
    const auto read = read_gperftools_cpu(words({0, 3, 0, 10'000, 0, 1, 2, 7, 8, 2, 2, 7, 8, 1, 1, 7, 0, 1, 0}));
    ASSERT_TRUE(read) << read.error().text();
    ASSERT_THAT(read->samples, SizeIs(2));
    EXPECT_THAT(read->samples[0].values, ElementsAre(3, 30'000'000));
    EXPECT_THAT(read->samples[0].stack, ElementsAre(7, 8));
}

TEST(PprofCpu, SaysWhatIsWrong) {
    struct Case {
        std::string file, why;
    };
    const Case cases[] = {{"", "no CPU profile"},
                          {words({1, 3, 0, 10'000, 0}), "no CPU profile"},
                          {words({0, 3, 0, 0, 0, 0, 1, 0}), "a period of 0 us"},
                          {words({0, 1'000, 0, 10'000, 0}), "header is cut off"},
                          {words({0, 3, 0, 10'000, 0}), "no end"},
                          {words({0, 3, 0, 10'000, 0, 1, 0}), "stack of 0 frames"},
                          {words({0, 3, 0, 10'000, 0, 1, 1025}), "stack of 1025 frames"},
                          {words({0, 3, 0, 10'000, 0, 1, 3, 7, 8}), "cut off"},
                          {std::string((64u << 20) + 1, '\0'), "above 64 MiB"}};
    for (const auto& each : cases) {
        const auto read = read_gperftools_cpu(each.file);
        ASSERT_FALSE(read) << each.why;
        EXPECT_EQ(read.error().code, Errc::bad_input);
        EXPECT_THAT(read.error().text(), HasSubstr(each.why));
    }
}

TEST(PprofHeap, ScalesWhatJemallocSawToEstimates) {
    const auto read = read_jemalloc_heap(sample_file("heap.jemalloc"));
    ASSERT_TRUE(read) << read.error().text();
    ASSERT_THAT(read->samples, SizeIs(4));
    EXPECT_EQ(read->period, 524'288);
    // The program kept 200,000 of 100 bytes, which take 112, and gave 200,000 of 2000 back.
    const auto& kept = read->samples[0].values;
    EXPECT_NEAR(static_cast<double>(kept[2]), 200'000, 20'000);
    EXPECT_NEAR(static_cast<double>(kept[3]), 200'000 * 112, 2'300'000);
    EXPECT_EQ(kept[0], kept[2]);
    const auto& passed = read->samples[1].values;
    EXPECT_NEAR(static_cast<double>(passed[0]), 200'000, 10'000);
    EXPECT_NEAR(static_cast<double>(passed[1]), 200'000 * 2048, 20'000'000);
    EXPECT_EQ(passed[2], 0);
    EXPECT_EQ(passed[3], 0);
    EXPECT_EQ(read->mappings.at(0).file, "/usr/bin/sample");
}

TEST(PprofHeap, SaysWhatIsWrong) {
    const std::pair<std::string, std::string> cases[] = {{"", "heap_v2"},
                                                         {"heap profile: 1: 2 [3: 4] @ heap_v2/1\n", "heap_v2"},
                                                         {"heap_v2/0\n", "heap_v2"},
                                                         {"heap_v2/524288\n@ 0x1 zz\n", "no number"},
                                                         {"heap_v2/524288\n@ 0x1\n t*: 1: 2 [3: 4]\n", "cut off"},
                                                         {std::string((64u << 20) + 1, 'h'), "above 64 MiB"}};
    for (const auto& [file, why] : cases) {
        const auto read = read_jemalloc_heap(file);
        ASSERT_FALSE(read) << why;
        EXPECT_THAT(read.error().text(), HasSubstr(why));
    }
}

TEST(PprofMaps, ExecutableOnesWithTheirFiles) {
    const auto maps = read_maps(
        "55ac4efc7000-55ac4efc8000 r--p 00000000 fe:00 107 /usr/bin/a b\n"
        "55ac4efc8000-55ac4efc9000 r-xp 00001000 fe:00 107                   /usr/bin/a b\n"
        "7ffd-7fff rwxp 00000000 00:00 0 \n"
        "nonsense\n"
        "9-8 r-xp 0 0 0 backwards\n");
    ASSERT_THAT(maps, SizeIs(2));
    EXPECT_EQ(maps[0].start, 0x55ac4efc8000U);
    EXPECT_EQ(maps[0].limit, 0x55ac4efc9000U);
    EXPECT_EQ(maps[0].offset, 0x1000U);
    EXPECT_EQ(maps[0].file, "/usr/bin/a b");
    EXPECT_EQ(maps[1].file, "");
}

Profile heap_of(std::vector<Sample> samples) {
    return {.sample_types = {{"alloc", "count"}, {"inuse", "count"}}, .samples = std::move(samples)};
}

TEST(PprofDifference, SubtractsByStackAndLabelsAndLeavesOutWhatIsTheSame) {
    const auto before = heap_of({{.stack = {1}, .values = {5, 5}},
                                 {.stack = {2}, .values = {7, 1}},
                                 {.stack = {4}, .values = {2, 2}, .texts = {{"thread", "a"}}}});
    const auto now = heap_of({{.stack = {1}, .values = {5, 5}},
                              {.stack = {2}, .values = {9, 3}},
                              {.stack = {3}, .values = {1, 1}},
                              {.stack = {4}, .values = {2, 2}, .texts = {{"thread", "b"}}}});
    const auto all = difference(now, before);
    ASSERT_THAT(all.samples, SizeIs(4));
    EXPECT_THAT(all.samples[0].values, ElementsAre(2, 2));
    EXPECT_THAT(all.samples[1].values, ElementsAre(1, 1));
    EXPECT_THAT(all.samples[2].values, ElementsAre(2, 2));
    EXPECT_THAT(all.samples[3].values, ElementsAre(-2, -2)) << "a stack that has gone";
    const auto inuse_kept = difference(now, before, {1});
    ASSERT_THAT(inuse_kept.samples, SizeIs(4));
    EXPECT_THAT(inuse_kept.samples[0].values, ElementsAre(2, 3));
    EXPECT_THAT(inuse_kept.samples[3].values, ElementsAre(-2, 0));
    EXPECT_THAT(difference(now, now).samples, SizeIs(0));
}

}  // namespace
}  // namespace weir::pprof
