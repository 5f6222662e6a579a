#include "core/transmux.h"

#include "core/stream.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

/// One conversion: reads the source stream, publishes into its own.
struct Derived {
    std::unique_ptr<Transmuxer> convert;
    std::unique_ptr<Stream> stream;
    std::unique_ptr<Reader> reader;

    static Gap refused(const Chunk& chunk, const Error& why) {
        Gap gap;
        gap.lane = chunk.lane;
        gap.first_unit = gap.last_unit = chunk.unit;
        gap.from = gap.to = chunk.dts.value_or(Micros{0});
        gap.to += chunk.duration;
        gap.bytes = chunk.bytes.size();
        gap.partial = !chunk.unit_begin && chunk.unit != 0;
        gap.why = why.text();
        return gap;
    }

    /// Bad bytes are a Gap, and the conversion goes on; false when the End was passed on.
    bool feed(const Item& item, std::vector<Item>& out) const {
        if (auto fed = convert->feed(item, out); !fed)
            if (const auto* chunk = std::get_if<Chunk>(&item)) out.emplace_back(refused(*chunk, fed.error()));
        return !std::holds_alternative<End>(item);
    }

    Task<void> run() {
        std::vector<Item> out;
        for (bool going = true; going;) {
            auto batch = co_await reader->next_batch();
            if (!batch) break;
            out.clear();
            for (const auto& item : batch->items) going = feed(*item, out) && going;
            if (auto taken = stream->publish(out); !taken) {
                stream->close(End{EndReason::error, taken.error().text()});
                co_return;
            }
        }
        stream->close(End{EndReason::stopped, "its source has ended"});
    }
};

}  // namespace

struct DerivedStreams::State {
    State(asio::any_io_executor executor, Clock& c, Stream& s, const TransmuxerTable& t)
        : ex(std::move(executor)), clock(c), source(s), table(t), tasks(ex) {}
    asio::any_io_executor ex;
    Clock& clock;
    Stream& source;
    const TransmuxerTable& table;
    std::map<Format, std::unique_ptr<Derived>> made;
    TaskGroup tasks;
};

DerivedStreams::DerivedStreams(asio::any_io_executor ex, Clock& clock, Stream& source, const TransmuxerTable& table)
    : state_(std::make_unique<State>(std::move(ex), clock, source, table)) {}
DerivedStreams::~DerivedStreams() = default;

Result<Stream*> DerivedStreams::in(Format format) {
    const auto init = state_->source.init();
    if (!init) return Error{Errc::busy, "the stream has not begun", state_->source.settings().name};
    if (init->format == format) return &state_->source;
    auto& derived = state_->made[format];
    if (!derived) {
        const auto* make = state_->table.find(init->format, format);
        if (!make) {
            state_->made.erase(format);
            return Error{Errc::unsupported, "no conversion to the format that was asked for",
                         state_->source.settings().name};
        }
        derived = std::make_unique<Derived>();
        derived->convert = (*make)();
        derived->stream = Stream::create(state_->ex, state_->clock, state_->source.settings());
        derived->reader = state_->source.attach(Policy{});
        state_->tasks.spawn(derived->run(), "transmux");
    }
    return derived->stream.get();
}

Task<void> DerivedStreams::stop() {
    co_await state_->tasks.stop("stopped");
    for (auto& [format, derived] : state_->made) derived->reader.reset();
}

}  // namespace weir
