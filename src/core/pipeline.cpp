#include "core/pipeline.h"

#include <array>
#include <optional>

#include "runtime/deadline.h"

namespace weir {

struct Pipeline::State {
    State(const asio::any_io_executor& ex, Source& s, ItemSink& to) : source(s), sink(to), done(ex), tasks(ex) {}

    Task<Result<End>> source_run() {
        try {
            co_return co_await source.run(sink, demand);
        } catch (const std::exception& e) {
            co_return Error{Errc::internal, e.what(), "source"};
        }
    }

    Task<void> body() {
        outcome = co_await source_run();
        co_await uncancellable();  // the sink gets its End whatever happened, and may take its time to finish
        End last;
        if (*outcome)
            last = **outcome;
        else if (outcome->error().code == Errc::cancelled)
            last = {EndReason::stopped, demand.stop.reason()};
        else
            last = {EndReason::error, outcome->error().text()};
        co_await finish(std::move(last));
    }

    Task<void> finish(End last) {
        if (!outcome) outcome = Result<End>(last);
        const std::array<Item, 1> items{Item(std::move(last))};
        const auto taken = co_await sink.accept(items);
        if (!taken && *outcome) outcome = Result<End>(within("end", taken.error()));
        ended = true;
        done.notify();
    }

    Source& source;
    ItemSink& sink;
    Demand demand;
    std::optional<Result<End>> outcome;
    bool ended = false;
    Bell done;
    TaskGroup tasks;
};

Pipeline::Pipeline(asio::any_io_executor ex, Source& source, ItemSink& sink)
    : state_(std::make_unique<State>(ex, source, sink)) {}
Pipeline::~Pipeline() = default;

Demand& Pipeline::demand() noexcept {
    return state_->demand;
}

Task<Result<End>> Pipeline::run() {
    co_await errors_not_throws();
    state_->tasks.spawn(state_->body(), "pipeline");
    // A cancelled caller gets on with the source still running: its cancellation is our stop.
    if (!state_->ended) {
        const bool rung = co_await state_->done.wait();
        if (!rung) ask_stop("cancelled");
    }
    co_await state_->tasks.stop("ended");
    if (!state_->outcome) {  // stopped before it began
        co_await uncancellable();
        End never{EndReason::stopped, state_->demand.stop.reason()};
        co_await state_->finish(std::move(never));
    }
    co_return std::move(*state_->outcome);
}

void Pipeline::ask_stop(std::string reason) {
    state_->demand.stop.ask(reason);
    state_->tasks.ask_stop(std::move(reason));
    state_->done.notify();
}

}  // namespace weir
