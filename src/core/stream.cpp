#include "core/stream.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <limits>

#include "core/stream_core.h"

namespace weir {

std::unique_ptr<Stream> Stream::create(asio::any_io_executor ex, Clock& clock, Settings settings) {
    return std::make_unique<hub::StreamFace>(std::move(ex), clock, std::move(settings));
}

Task<Result<>> pump(Reader& from, ItemSink& to) {
    std::vector<Item> items;
    for (;;) {
        auto batch = co_await from.next_batch();
        if (!batch) co_return batch.error();
        items.clear();
        for (const auto& item : batch->items) items.push_back(*item);
        const bool last = !items.empty() && std::holds_alternative<End>(items.back());
        if (auto taken = co_await to.accept(items); !taken) co_return taken.error();
        if (last) co_return Result<>{};
    }
}

namespace hub {

StreamCore::StreamCore(asio::any_io_executor executor, Clock& time, Stream::Settings s)
    : ex(std::move(executor)), clock(time), settings(std::move(s)), room_(ex) {}

Result<> StreamCore::append(const Item& item) {
    if (closed) return Error{Errc::lost_peer, "the stream has ended", settings.name};
    if (const auto* end = std::get_if<End>(&item)) {
        close(*end);
        return {};
    }
    const auto* chunk = std::get_if<Chunk>(&item);
    if (chunk && !settings.topic) {
        const auto* init = init_of(chunk->lane);
        if (!init || init->init().epoch != chunk->epoch)
            return Error{Errc::bad_input,
                         fmt::format("a chunk of lane {} refers to epoch {}, which is not the lane's now", chunk->lane,
                                     chunk->epoch),
                         settings.name};
    }
    auto frozen = std::make_shared<Item>(item);
    std::size_t size = 0;
    if (auto* mine = std::get_if<Chunk>(frozen.get())) {
        mine->seq = ring.next();
        size = mine->bytes.size();
    }
    take(std::move(frozen), size);
    return {};
}

void StreamCore::append_shared(std::shared_ptr<const Item> item) {
    if (closed) return;
    if (std::holds_alternative<End>(*item)) closed = true;
    const auto* chunk = std::get_if<Chunk>(item.get());
    const auto size = chunk ? chunk->bytes.size() : 0;
    take(std::move(item), size);
}

void StreamCore::close(End end) {
    if (std::exchange(closed, true)) return;
    take(std::make_shared<const Item>(std::move(end)), 0);
    wake();
}

void StreamCore::take(std::shared_ptr<const Item> item, std::size_t size) {
    const auto pos = ring.next();
    const auto now = clock.now();
    ++counts.items;
    counts.bytes += size;
    const Item& published = *item;
    ring.push(std::move(item), size, now);
    note_start(published, pos);
    trim(now);
}

void StreamCore::wake() {
    while (armed.linked()) static_cast<StreamReader*>(armed.next())->wake_up(ready_);
    if (!ready_.linked() || std::exchange(round_posted_, true)) return;
    asio::post(ex, [self = shared_from_this()] { self->call_ready(); });
}

void StreamCore::call_ready() {
    round_posted_ = false;
    ReadyNode now;  // what is armed during the round waits for the next publish
    while (ready_.linked()) now.append(*ready_.next());
    while (now.linked()) {
        auto* reader = static_cast<StreamReader*>(now.next());
        reader->unlink();
        const auto f = reader->callback();  // it may destroy its reader, or any other
        if (f && *f) (*f)();
    }
}

bool StreamCore::has_room(std::size_t size) const {
    return std::all_of(waited_for.begin(), waited_for.end(), [&](const StreamReader* reader) {
        if (reader->needs_from() == ring.next()) return true;
        const auto lag = reader->lag_bytes();
        return lag + size <= reader->policy().budget_bytes && reader->lag_time() <= reader->policy().budget_time &&
               reader->lag_cost() + size + item_overhead <= settings.ring_bytes;
    });
}

void StreamCore::add(StreamReader& reader) {
    if (reader.policy().act == Act::wait) waited_for.push_back(&reader);
    readers_.push_back(&reader);
    reads_from(reader.needs_from());
    ++counts.readers;
    if (on_readers) on_readers(counts.readers);
}

void StreamCore::remove(StreamReader& reader) {
    std::erase(readers_, &reader);
    std::erase(seeking, &reader);
    if (std::erase(waited_for, &reader) != 0) reader_moved();
    --counts.readers;
    if (on_readers) on_readers(counts.readers);
}

std::unique_ptr<Reader> StreamFace::attach(Policy policy) {
    return std::make_unique<StreamReader>(core, policy);
}

Result<> StreamFace::publish(std::span<const Item> items) {
    Result<> outcome{};
    for (const auto& item : items) {
        outcome = core->append(item);
        if (!outcome) break;
    }
    core->wake();
    return outcome;
}

Task<Result<>> StreamFace::accept(std::span<const Item> items) {
    for (const auto& item : items) {
        const auto* chunk = std::get_if<Chunk>(&item);
        while (!core->waited_for.empty() && !core->has_room(chunk ? chunk->bytes.size() : 0)) {
            core->wake();
            if (!co_await core->wait_for_room()) co_return Error{Errc::cancelled, "stopped", settings().name};
        }
        if (auto taken = core->append(item); !taken) {
            core->wake();
            co_return taken;
        }
    }
    core->wake();
    co_return Result<>{};
}

Stream::Stats StreamFace::stats() const noexcept {
    auto now = core->counts;
    now.ring_items = core->ring.items();
    now.ring_bytes = core->ring.payload();
    return now;
}

std::uint64_t StreamFace::waiting_lag() const noexcept {
    std::uint64_t most = 0;
    for (const auto* reader : core->waited_for) most = std::max(most, reader->lag_bytes());
    return most;
}

InitPtr StreamFace::init(std::uint16_t lane) const {
    const auto* found = core->init_of(lane);
    return found ? std::get<InitPtr>(*found->item) : nullptr;
}

}  // namespace hub
}  // namespace weir
