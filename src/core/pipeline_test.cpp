#include "core/pipeline.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <stdexcept>

#include "core/testing.h"
#include "core/transmux.h"
#include "runtime/deadline.h"

namespace weir {
namespace {

using namespace weir::test;

class Notebook final : public ItemSink {
public:
    std::string seen;
    bool refuse = false;
    Task<Result<>> accept(std::span<const Item> items) override {
        if (refuse) co_return Error{Errc::io, "full"};
        for (const auto& item : items) {
            seen += text(item) + " ";
            if (const auto* end = std::get_if<End>(&item)) seen += std::string(name_of(end->reason)) + " " + end->why;
        }
        co_return Result<>{};
    }
};

enum class Way { ends, fails, throws, waits };

class Script final : public Source {
public:
    Script(asio::any_io_executor ex, Way way) : bell_(ex), way_(way) {}
    [[nodiscard]] Pace pace() const noexcept override { return Pace::live; }
    Task<Result<End>> run(ItemSink& sink, Demand& demand) override {
        std::vector<Item> items;
        items.push_back(init());
        if (auto taken = co_await sink.accept(items); !taken) co_return taken.error();
        if (way_ == Way::fails) co_return Error{Errc::unreachable, "no route", "fetch"};
        if (way_ == Way::throws) throw std::runtime_error("a bug");
        while (way_ == Way::waits && !demand.stop.asked()) (void)co_await bell_.wait();
        co_return End{demand.stop.asked() ? EndReason::stopped : EndReason::endlist, demand.stop.reason()};
    }

private:
    Bell bell_;
    Way way_;
};

struct Outcome {
    bool done = false;
    std::string text;
};

Task<void> run_to(Pipeline& pipeline, Outcome& into) {
    const auto outcome = co_await pipeline.run();
    into.text = outcome ? std::string(name_of(outcome->reason)) : outcome.error().text();
    into.done = true;
}

class PipelineTest : public ::testing::Test {
protected:
    asio::io_context context{1};
    Notebook sink;
    Outcome outcome;
    void spawn(Pipeline& pipeline) {
        asio::co_spawn(context, run_to(pipeline, outcome), [](std::exception_ptr) {});
        context.poll();
    }
    void turn() {
        context.restart();
        context.poll();
    }
};

struct Case {
    const char* name;
    Way way;
    const char *seen, *outcome;
};
void PrintTo(const Case& c, std::ostream* os) {
    *os << c.name;
}
class PipelineEnds : public PipelineTest, public ::testing::WithParamInterface<Case> {};

TEST_P(PipelineEnds, SinkGetsTheEndAsItsLastItem) {
    Script source(context.get_executor(), GetParam().way);
    Pipeline pipeline(context.get_executor(), source, sink);
    spawn(pipeline);
    EXPECT_TRUE(outcome.done);
    EXPECT_EQ(sink.seen, GetParam().seen);
    EXPECT_EQ(outcome.text, GetParam().outcome);
}

INSTANTIATE_TEST_SUITE_P(Ways, PipelineEnds,
                         ::testing::Values(Case{"Ended", Way::ends, "i1 end endlist ", "endlist"},
                                           Case{"Failed", Way::fails, "i1 end error fetch: no route",
                                                "fetch: no route"},
                                           Case{"Threw", Way::throws, "i1 end error source: a bug", "source: a bug"}),
                         [](const auto& c) { return c.param.name; });

TEST_F(PipelineTest, StopWakesTheSourceAndTheSinkStillGetsItsEnd) {
    Script source(context.get_executor(), Way::waits);
    Pipeline pipeline(context.get_executor(), source, sink);
    spawn(pipeline);
    EXPECT_FALSE(outcome.done);
    pipeline.ask_stop("enough");
    pipeline.ask_stop("again");
    turn();
    EXPECT_TRUE(outcome.done);
    EXPECT_EQ(sink.seen, "i1 end stopped enough");
}

TEST_F(PipelineTest, StoppedBeforeItBeganStillGivesTheEnd) {
    Script source(context.get_executor(), Way::ends);
    Pipeline pipeline(context.get_executor(), source, sink);
    pipeline.ask_stop("early");
    spawn(pipeline);
    EXPECT_TRUE(outcome.done);
    EXPECT_EQ(sink.seen, "end stopped early");
}

TEST_F(PipelineTest, CancellingTheOwnerStopsTheSource) {
    Script source(context.get_executor(), Way::waits);
    Pipeline pipeline(context.get_executor(), source, sink);
    TaskGroup owner(context.get_executor());
    owner.spawn(run_to(pipeline, outcome));
    context.poll();
    owner.ask_stop("shutdown");
    turn();
    EXPECT_TRUE(outcome.done);
    EXPECT_EQ(sink.seen, "i1 end stopped cancelled");
}

TEST_F(PipelineTest, ErrorOfTheSinkEndsTheSource) {
    Script source(context.get_executor(), Way::waits);
    sink.refuse = true;
    Pipeline pipeline(context.get_executor(), source, sink);
    spawn(pipeline);
    EXPECT_TRUE(outcome.done);
    EXPECT_EQ(outcome.text, "full");
}

Task<void> pump_to(Reader& reader, ItemSink& sink, Outcome& into) {
    const auto done = co_await pump(reader, sink);
    into.text = done ? "ok" : done.error().text();
    into.done = true;
}

TEST_F(PipelineTest, PumpCarriesEverythingThroughTheEnd) {
    Bench bench;
    auto& stream = bench.open();
    const auto reader = stream.attach({});
    asio::co_spawn(bench.context, pump_to(*reader, sink, outcome), [](std::exception_ptr) {});
    ASSERT_TRUE(bench.put({init(), chunk("r")}));
    bench.context.poll();
    stream.close(End{EndReason::endlist});
    bench.turn();
    EXPECT_EQ(sink.seen, "i1 c2 end endlist ");
    EXPECT_EQ(outcome.text, "ok");
}

/// Doubles every chunk; refuses those of 13 bytes.
class Doubler final : public Transmuxer {
public:
    Result<> feed(const Item& item, std::vector<Item>& out) override {
        if (const auto* i = std::get_if<InitPtr>(&item)) {
            auto flv = std::make_shared<Init>(**i);
            flv->format.container = Container::flv;
            out.emplace_back(InitPtr(std::move(flv)));
            return {};
        }
        const auto* c = std::get_if<Chunk>(&item);
        if (c && c->bytes.size() == 13) return Error{Errc::bad_input, "unlucky"};
        out.push_back(item);
        if (c) out.push_back(item);
        return {};
    }
};

TEST_F(PipelineTest, DerivedStreamIsMadeOnceAndKeepsOrderAndLoss) {
    Bench bench;
    auto& stream = bench.open();
    TransmuxerTable table;
    table.add({Container::ts}, {Container::flv}, [] { return std::make_unique<Doubler>(); });
    DerivedStreams derived(bench.context.get_executor(), bench.clock, stream, table);
    EXPECT_EQ(derived.in({Container::flv}).error().code, Errc::busy);
    ASSERT_TRUE(bench.put({init()}));
    EXPECT_EQ(derived.in({Container::fmp4}).error().code, Errc::unsupported);
    EXPECT_EQ(*derived.in({Container::ts}), &stream);
    auto* flv = *derived.in({Container::flv});
    EXPECT_EQ(*derived.in({Container::flv}), flv);
    const auto reader = flv->attach({});
    ASSERT_TRUE(bench.put({chunk("r"), gap(3, 3), chunk("", 9, 13)}));
    bench.context.poll();
    EXPECT_EQ(drain(*reader), "i1 c2 c3 g3-3 g9-9 ");
    stream.close(End{});
    bench.turn();
    EXPECT_EQ(drain(*reader), "end lost");
    asio::co_spawn(bench.context, derived.stop(), [](std::exception_ptr) {});
    bench.turn();
}

}  // namespace
}  // namespace weir
