#include "sources/test_pattern.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "proto/ts/packet.h"
#include "runtime/shard.h"
#include "temp_folder.h"
#include "ts_packets.h"

namespace weir {
namespace {

using namespace std::chrono_literals;
using weir::test::pattern_file;

struct Collector final : ItemSink {
    Task<Result<>> accept(std::span<const Item> batch) override {
        items.insert(items.end(), batch.begin(), batch.end());
        co_return Result<>{};
    }
    [[nodiscard]] std::vector<Chunk> chunks() const {
        std::vector<Chunk> out;
        for (const auto& item : items)
            if (const auto* c = std::get_if<Chunk>(&item)) out.push_back(*c);
        return out;
    }
    std::vector<Item> items;
};

/// A source on a simulated clock, run for as long as the test says.
class PatternRun {
public:
    PatternRun(std::vector<std::byte> file, TestPattern::Settings settings) {
        auto made = TestPattern::create(clock, Bytes::copy_of(file), settings);
        EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().text());
        source = std::move(*made);
        const auto run = [this]() -> Task<void> { outcome = co_await source->run(sink, demand); };
        body = run;
        asio::co_spawn(context, body(), asio::detached);
        context.poll();
    }
    ~PatternRun() {
        demand.stop.ask("test over");
        for (int i = 0; i < 3 && !outcome; ++i) forward(1s);
        EXPECT_TRUE(outcome.has_value());
    }
    void forward(Micros by) {
        for (const auto end = clock.now() + by; clock.now() < end;) {
            const auto step = std::min<Micros>(std::chrono::duration_cast<Micros>(end - clock.now()), 10ms);
            clock.advance(step);
            context.restart();
            context.poll();
        }
    }

    asio::io_context context;
    SimulatedClock clock{context.get_executor()};
    Collector sink;
    Demand demand;
    std::unique_ptr<TestPattern> source;
    std::optional<Result<End>> outcome;
    std::function<Task<void>()> body;
};

TEST(TestPattern, PublishesAtItsOwnPace) {
    PatternRun run(pattern_file(60, 30), {});
    EXPECT_TRUE(run.sink.items.empty());
    run.forward(1s);
    const auto media = run.sink.chunks().back().dts.value() - run.sink.chunks().front().dts.value();
    EXPECT_LE(media, Micros(1s));
    EXPECT_GE(media, Micros(700ms));
    run.forward(9s);
    const auto later = run.sink.chunks().back().dts.value() - run.sink.chunks().front().dts.value();
    EXPECT_LE(later, Micros(10s));
    EXPECT_GE(later, Micros(9700ms));
}

TEST(TestPattern, BeginsWithWhatWentBefore) {
    TestPattern::Settings settings;
    settings.preroll = 3s;
    PatternRun run(pattern_file(60, 30), settings);
    const auto chunks = run.sink.chunks();
    ASSERT_FALSE(chunks.empty());
    EXPECT_GE(*chunks.back().dts - *chunks.front().dts, Micros(2600ms));
    EXPECT_LE(chunks.front().arrival, run.clock.now() - 2800ms);
    EXPECT_LE(chunks.back().arrival, run.clock.now());
}

TEST(TestPattern, TimesAndCountersGoOnFromLoopToLoop) {
    TestPattern::Settings settings;
    settings.duration = 10s;
    settings.preroll = 20s;
    // Begins shortly before the wrap of the 33 bits.
    PatternRun run(pattern_file(60, 30, (std::uint64_t{1} << 33) - 100'000), settings);
    run.forward(1s);
    ASSERT_TRUE(run.outcome && run.outcome->has_value());
    EXPECT_EQ((**run.outcome).reason, EndReason::duration);

    std::map<std::uint16_t, int> counters;
    std::optional<std::int64_t> last;
    int pictures = 0, raps = 0;
    for (const auto& chunk : run.sink.chunks()) {
        raps += chunk.rap;
        ASSERT_EQ(chunk.bytes.size() % 188, 0U);
        for (std::size_t at = 0; at < chunk.bytes.size(); at += 188) {
            const ts::Packet packet(chunk.bytes.data() + at);
            const int counter = static_cast<int>(chunk.bytes.data()[at + 3]) & 0x0f;
            const auto known = counters.find(packet.pid());
            // Our hand-made file counts nothing: what counts is done by the source.
            if (known != counters.end()) {
                ASSERT_EQ(counter, (known->second + 1) % 16);
            }
            counters[packet.pid()] = counter;
            if (packet.pid() != 0x100 || !packet.starts_unit()) continue;
            const auto head = ts::read_pes_head(packet.payload());
            ASSERT_TRUE(head && head->pts);
            const auto now = ts::unroll(last, *head->pts);
            if (last) {
                ASSERT_EQ(now - *last, 3000);
            }
            last = now;
            ++pictures;
        }
    }
    EXPECT_EQ(pictures, 300);
    EXPECT_EQ(raps, 10);
    for (const auto& item : run.sink.items)
        EXPECT_FALSE(std::holds_alternative<Discontinuity>(item) || std::holds_alternative<Gap>(item));
}

TEST(TestPattern, StopsWhenAsked) {
    PatternRun run(pattern_file(60, 30), {});
    run.forward(500ms);
    run.demand.stop.ask("enough");
    run.forward(200ms);
    ASSERT_TRUE(run.outcome && run.outcome->has_value());
    EXPECT_EQ((**run.outcome).reason, EndReason::stopped);
    EXPECT_EQ((**run.outcome).why, "enough");
}

TEST(TestPattern, RefusesAFileItCannotLoop) {
    asio::io_context context;
    SimulatedClock clock(context.get_executor());
    EXPECT_EQ(TestPattern::create(clock, Bytes::copy_of(std::string_view("not a stream")), {}).error().code,
              Errc::bad_input);
}

Result<Bytes> load(const Path& folder) {
    std::optional<Result<Bytes>> out;
    Shards shards(1);
    FileLane lane(real_file_system(), {});
    shards.run([&](Shards&) -> Task<int> {
        const media::PatternPlan plan;  // named: GCC 12 destroys some temporaries in co_await twice
        out = co_await load_pattern(lane, folder, plan);
        co_return 0;
    });
    return std::move(*out);
}

TEST(LoadPattern, ReadsWhatIsInTheCache) {
    const test::TempFolder folder;
    const auto content = pattern_file(4, 2);
    std::ofstream(folder.path() / "pattern-1-640x360-30fps-60s-gop30-1500000.ts", std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    const auto got = load(folder.path());
    ASSERT_TRUE(got.has_value()) << got.error().text();
    EXPECT_TRUE(std::equal(content.begin(), content.end(), got->view().begin(), got->view().end()));
}

TEST(LoadPattern, AFailedEncoderLeavesNothing) {
    const test::TempFolder folder;
    media::set_tool_executable("/bin/false");
    const auto got = load(folder.path() / "new");
    media::set_tool_executable("");
    EXPECT_FALSE(got.has_value());
    EXPECT_TRUE(std::filesystem::is_empty(folder.path() / "new"));
}

}  // namespace
}  // namespace weir
