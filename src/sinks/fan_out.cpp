#include "sinks/fan_out.h"

#include <boost/asio/post.hpp>

namespace weir::http_ts {
namespace {

constexpr std::size_t write_size = 64u << 10;
constexpr std::size_t write_items = 1024;  ///< of 188 bytes more would be over write_size anyway
constexpr std::size_t max_pieces = 8;      ///< more pieces than this are worth one copy for all viewers
constexpr int writes_in_a_row = 16;        ///< of a viewer that catches up, before others have their turn

constexpr std::string_view response_head =
    "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nCache-Control: no-store\r\nConnection: close\r\n"
    "X-Content-Type-Options: nosniff\r\n\r\n";

void append(std::vector<Bytes>& pieces, const Bytes& piece) {
    if (piece.empty()) return;
    if (!pieces.empty()) {
        auto& last = pieces.back();
        if (last.owner() == piece.owner() && last.data() + last.size() == piece.data()) {
            last = Bytes(last.owner(), {last.data(), last.size() + piece.size()});
            return;
        }
    }
    pieces.push_back(piece);
}

}  // namespace

std::uint64_t gather(const Batch& batch, std::vector<Bytes>& into, bool& last) {
    std::uint64_t gaps = 0;
    for (const auto& item : batch.items) {
        if (const auto* chunk = std::get_if<Chunk>(item.get()))
            append(into, chunk->bytes);
        else if (const auto* init = std::get_if<InitPtr>(item.get()))
            append(into, (*init)->header);
        else if (std::holds_alternative<Gap>(*item))
            ++gaps;
        else if (std::holds_alternative<End>(*item))
            last = true;
    }
    if (into.size() <= max_pieces) return gaps;
    std::size_t size = 0;
    for (const auto& piece : into) size += piece.size();
    Buffer whole(size);
    for (const auto& piece : into) whole.append(piece.view());
    into.assign(1, whole.all());
    return gaps;
}

void drop_front(std::vector<Bytes>& pieces, std::size_t count) {
    auto it = pieces.begin();
    for (; it != pieces.end() && count >= it->size(); ++it) count -= it->size();
    if (it != pieces.end()) *it = it->slice(count);
    pieces.erase(pieces.begin(), it);
}

FanOut::FanOut(Shard& shard, Stream& stream, const HttpTs::Settings& settings)
    : shard_(shard),
      stream_(stream),
      settings_(settings),
      head_(Bytes::copy_of(response_head)),
      paced_(shard.executor()),
      tasks_(shard.executor()) {
    if (settings_.batch > Millis(0)) tasks_.spawn(pace(), "http-ts pace");
}

void FanOut::add(std::unique_ptr<Connection> connection) {
    if (tasks_.stopping().asked()) return;
    auto viewer = std::make_shared<Viewer>(Viewer{std::move(connection), stream_.attach(settings_.policy), {head_}});
    ++viewers_;
    tasks_.spawn(watch(viewer), "http-ts viewer");
    tasks_.spawn(feed(std::move(viewer)), "http-ts feed");
}

Task<void> FanOut::stop() {
    co_await tasks_.stop("stopped");
    group_.clear();
    leader_.reset();
}

HttpTs::Stats FanOut::stats() const noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    return {viewers_.load(relaxed), bytes_.load(relaxed), blocked_.load(relaxed), skips_.load(relaxed)};
}

/// Lives as long as the connection; everything else of a viewer ends when this does.
Task<void> FanOut::watch(ViewerPtr viewer) {
    (void)co_await viewer->connection->wait_closed();
    viewer->gone = true;
    leave(*viewer);
    viewer->reader.reset();
    viewer->connection->shutdown();  // wakes a feed that waits for room
    --viewers_;
}

/// Brings one viewer to where the stream is now, at the pace of its socket.
Task<void> FanOut::feed(ViewerPtr viewer) {
    for (int writes = 0; !viewer->gone;) {
        if (!viewer->rest.empty()) {
            auto wrote = viewer->connection->try_write(viewer->rest);
            if (!wrote) break;
            bytes_.fetch_add(*wrote, std::memory_order_relaxed);
            drop_front(viewer->rest, *wrote);
            if (!viewer->rest.empty()) {
                if (auto room = co_await viewer->connection->wait_writable(); !room) break;
                writes = 0;
            } else if (++writes == writes_in_a_row) {
                co_await asio::post(shard_.executor(), asio::use_awaitable);
                writes = 0;
            }
            continue;
        }
        if (viewer->last || !viewer->reader) break;
        auto batch = viewer->reader->poll(write_size, write_items);
        if (!batch) break;
        if ((*batch)->items.empty() && rest_here(viewer)) co_return;
        skips_.fetch_add(gather(**batch, viewer->rest, viewer->last), std::memory_order_relaxed);
    }
    viewer->connection->shutdown();  // watch() sees it and ends
}

/// Nothing to read: true when the viewer needs no task now, because it is in the group or waits for something to begin
/// at.
bool FanOut::rest_here(const ViewerPtr& viewer) {
    if (viewer->reader->position() == 0) {
        viewer->reader->on_ready([this, weak = std::weak_ptr(viewer)] {
            if (auto back = weak.lock()) tasks_.spawn(feed(std::move(back)), "http-ts feed");
        });
        return true;
    }
    if (leader_) flush();  // what waits in the batch is behind this viewer
    if (leader_ && leader_->position() != viewer->reader->position()) return false;
    join(viewer);
    return true;
}

void FanOut::join(const ViewerPtr& viewer) {
    if (!leader_) {
        leader_ = std::move(viewer->reader);
        leader_->on_ready([this] { news(); });
        leader_->arm();
    }
    viewer->reader.reset();
    viewer->rest = {};
    viewer->place = group_.size();
    group_.push_back(viewer);
}

void FanOut::leave(Viewer& viewer) {
    if (viewer.place == SIZE_MAX) return;
    const auto place = std::exchange(viewer.place, SIZE_MAX);
    std::swap(group_[place], group_.back());
    if (group_[place].get() != &viewer) group_[place]->place = place;
    group_.pop_back();
    if (group_.empty()) leader_.reset();
}

/// Something new for the group: to be written at once, or a little later together with what follows.
void FanOut::news() {
    if (!leader_) return;
    const bool at_once = settings_.batch == Millis(0) || group_.size() < settings_.batch_from_viewers ||
                         leader_->lag_bytes() >= settings_.batch_bytes;
    if (at_once) return flush();
    leader_->arm();
    if (!std::exchange(waiting_, true)) paced_.notify();
}

/// Each write costs the same whatever its size, so that a crowd is worth a longer wait.
Micros FanOut::patience() const {
    constexpr std::size_t crowd = 50;
    const Micros grown = Micros(settings_.batch) * std::max(group_.size(), crowd) / crowd;
    return std::min(grown, std::max<Micros>(settings_.batch, settings_.batch_most));
}

Task<void> FanOut::pace() {
    while (!tasks_.stopping().asked()) {
        const bool rung = co_await paced_.wait();
        if (!rung) continue;
        (void)co_await shard_.clock().sleep_for(patience());
        waiting_ = false;
        flush();
    }
}

void FanOut::flush() {
    while (leader_) {
        auto batch = leader_->poll(write_size, write_items);
        if (!batch || (*batch)->items.empty()) return;
        batch_.clear();
        skips_.fetch_add(gather(**batch, batch_, last_) * group_.size(), std::memory_order_relaxed);
        write_to_all();
    }
}

void FanOut::write_to_all() {
    std::size_t size = 0;
    for (const auto& piece : batch_) size += piece.size();
    std::uint64_t sent = 0;
    for (std::size_t i = 0; i < group_.size();) {
        const auto wrote = size == 0 ? Result<std::size_t>(0) : group_[i]->connection->try_write(batch_);
        const auto count = wrote ? *wrote : 0;
        sent += count;
        if (wrote && count == size && !last_) {
            ++i;
            continue;
        }
        const ViewerPtr viewer = group_[i];
        if (wrote)
            fall_behind(viewer, count);
        else
            viewer->connection->shutdown();
        leave(*viewer);
    }
    bytes_.fetch_add(sent, std::memory_order_relaxed);
    // Only now: a task may begin at once, and come back here.
    for (auto& viewer : std::exchange(fallen_, {})) tasks_.spawn(feed(std::move(viewer)), "http-ts feed");
}

/// The rest of this batch and all that follows is its own business now.
void FanOut::fall_behind(const ViewerPtr& viewer, std::size_t wrote) {
    viewer->rest = batch_;
    drop_front(viewer->rest, wrote);
    viewer->last = last_;
    if (!last_) {
        viewer->reader = leader_->fork();
        blocked_.fetch_add(1, std::memory_order_relaxed);
    }
    fallen_.push_back(viewer);
}

}  // namespace weir::http_ts
