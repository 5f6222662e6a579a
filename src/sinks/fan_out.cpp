#include "sinks/fan_out.h"

#include <boost/asio/post.hpp>

#include "io/websocket.h"

namespace weir::fan_out {
namespace {

constexpr std::size_t write_size = 64u << 10;
constexpr std::size_t write_items = 1024;   ///< of 188 bytes more would be over write_size anyway
constexpr int writes_in_a_row = 16;         ///< of a viewer that catches up, before others have their turn
constexpr std::uint64_t behind_share = 16;  ///< of its budget: less than that is no strain
constexpr auto relaxed = std::memory_order_relaxed;

Viewers::Settings with_pong_time(Viewers::Settings settings) {
    settings.pong = pong_time(settings.ping, settings.pong);
    return settings;
}

}  // namespace

FanOut::FanOut(Shard& shard, const Viewers::Settings& settings)
    : shard_(shard),
      settings_(with_pong_time(settings)),
      paced_(shard.executor()),
      timed_bell_(shard.executor()),
      emptied_(shard.executor()),
      tasks_(shard.executor()) {
    if (settings_.batch > Millis(0)) tasks_.spawn(pace(), "viewers pace");
    tasks_.spawn(tend(), "viewers times");
}

void FanOut::open(Stream& stream) {
    if (tasks_.stopping().asked()) return;
    stream_ = &stream;
    const auto early = all_;
    for (const auto& viewer : early) {
        if (!viewer->plan_.reads || viewer->last_ || viewer->ended_) continue;
        viewer->reader_ = stream.attach(settings_.policy);
        kick(viewer);
    }
}

std::shared_ptr<Viewer> FanOut::add(std::unique_ptr<Connection> connection, Viewers::Plan plan) {
    const auto viewer = std::make_shared<Viewer>(*this, shard_, std::move(connection), std::move(plan));
    viewer->seat_ = all_.size();
    all_.push_back(viewer);
    viewers_.fetch_add(1, relaxed);
    viewer->heard_ = viewer->pinged_ = shard_.clock().now();
    const auto& limits = viewer->plan_.on_message ? settings_.limits : settings_.quiet_limits;
    if (websocket()) viewer->decoder_.emplace(ws::Role::server, limits, settings_.budget);
    look_by(due(*viewer));
    if (stream_ && viewer->plan_.reads) viewer->reader_ = stream_->attach(settings_.policy);
    tasks_.spawn(listen(viewer), "viewer");
    kick(viewer);
    return viewer;
}

Viewers::Stats FanOut::stats() const noexcept {
    return {viewers_.load(relaxed), bytes_.load(relaxed),         blocked_.load(relaxed),
            skips_.load(relaxed),   skipped_bytes_.load(relaxed), strained_.load(relaxed)};
}

void FanOut::note_written(Viewer& viewer, std::size_t count) {
    viewer.bytes_.store(viewer.bytes_.load(relaxed) + count, relaxed);  // only this shard writes it
}

void FanOut::note_skips(Viewer& viewer, std::uint64_t times, std::uint64_t bytes) {
    if (times == 0 && bytes == 0) return;
    viewer.skips_.fetch_add(times, relaxed);
    viewer.skipped_bytes_.fetch_add(bytes, relaxed);
    skips_.fetch_add(times, relaxed);
    skipped_bytes_.fetch_add(bytes, relaxed);
}

/// Goes on with a viewer outside the group, unless a task does so already.
void FanOut::kick(const ViewerPtr& viewer) {
    if (viewer->feeding_ || viewer->gone_) return;
    const auto next = advance(viewer);
    if (next != Next::rest) feed_later(viewer, next);
}

void FanOut::feed_later(const ViewerPtr& viewer, Next next) {
    if (viewer->ended_ || tasks_.stopping().asked()) return;
    viewer->feeding_ = true;
    tasks_.spawn(feed(viewer, next), "viewer catches up");
}

/// Brings one viewer to where the stream is now, at the pace of its socket.
Task<void> FanOut::feed(ViewerPtr viewer, Next next) {
    while (next != Next::rest && !viewer->gone_) {
        if (next == Next::room) {
            auto room = co_await viewer->connection_->wait_writable();
            if (!room) {
                end(*viewer, room.error().text());
                break;
            }
            viewer->heard_ = shard_.clock().now();  // it takes what we write
        } else {
            co_await asio::post(shard_.executor(), asio::use_awaitable);
        }
        if (!viewer->gone_) next = advance(viewer);
    }
    viewer->feeding_ = false;
    let_go(viewer);
}

/// Writes what there is for a viewer outside the group, as far as nothing blocks.
FanOut::Next FanOut::advance(const ViewerPtr& viewer) {
    auto& v = *viewer;
    if (!stream_ && v.plan_.reads && !v.last_) return Next::rest;  // its answer says that it misses nothing from now on
    for (int writes = 0; !v.ended_;) {
        if (!v.rest_.empty()) {
            auto wrote = v.connection_->try_write(v.rest_);
            if (!wrote) {
                end(v, wrote.error().text());
                break;
            }
            note_written(v, *wrote);
            bytes_.fetch_add(*wrote, relaxed);
            drop_front(v.rest_, *wrote);
            if (!v.rest_.empty()) return Next::room;
            v.said_ = 0;
            if (++writes == writes_in_a_row) return Next::turn;
            continue;
        }
        if (v.last_) {
            if (!websocket() || v.peer_closed_) end(v, "the stream has ended");
            end_by(v, shard_.clock().now() + settings_.goodbye);
            break;
        }
        if (!v.reader_) break;
        auto batch = v.reader_->poll(write_size, write_items);
        if (!batch) {
            end(v, batch.error().text());
            break;
        }
        if ((*batch)->items.empty()) {
            rest_here(viewer);
            break;
        }
        read_on(v, **batch);
    }
    return Next::rest;
}

/// The next batch of a viewer's own Reader becomes its rest.
void FanOut::read_on(Viewer& viewer, const Batch& batch) {
    Gathered found;
    gather(batch, found, wanted(viewer.plan_.origin));
    if (viewer.reader_->lag_bytes() > settings_.policy.budget_bytes / behind_share)
        strained_.store(shard_.clock().now(), relaxed);
    const auto skipped = viewer.reader_->skipped_items();
    note_skips(viewer, std::exchange(viewer.skip_mark_, skipped) == skipped ? 0 : 1, found.skipped_bytes);
    viewer.rest_ = std::move(found.pieces);
    if (found.last) add_goodbye(viewer, 1000, "the stream has ended");
}

/// Nothing to read: into the group, or waiting for its own Reader when they would not get the same (one of them has nowhere to go
/// on at, or is not in a lane yet that the other one is in).
void FanOut::rest_here(const ViewerPtr& viewer) {
    viewer->rest_ = {};
    if (viewer->reader_->position() != 0) {
        if (leader_) flush();  // what waits in the batch is behind this viewer
        if (!leader_ || leader_->goes_on_like(*viewer->reader_)) return join(viewer);
    }
    viewer->reader_->on_ready([this, weak = std::weak_ptr(viewer)] {
        if (auto back = weak.lock()) kick(back);
    });
}

void FanOut::join(const ViewerPtr& viewer) {
    if (!leader_) {
        leader_ = std::move(viewer->reader_);
        leader_mark_ = leader_->skipped_items();
        leader_->on_ready([this] { news(); });
        leader_->arm();
    }
    viewer->reader_.reset();
    viewer->place_ = group_.size();
    group_.push_back(viewer);
}

void FanOut::leave(Viewer& viewer) {
    if (viewer.place_ == Viewer::nowhere) return;
    const auto place = std::exchange(viewer.place_, Viewer::nowhere);
    std::swap(group_[place], group_.back());
    group_[place]->place_ = group_[place].get() == &viewer ? Viewer::nowhere : place;
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
        batch_.pieces.clear();
        batch_.origins.clear();
        batch_.skipped_bytes = 0;
        batch_.last = false;
        gather(**batch, batch_, wanted(0));
        const auto skipped = leader_->skipped_items();
        const bool skips = std::exchange(leader_mark_, skipped) != skipped;
        if (skips || batch_.skipped_bytes != 0)
            for (const auto& viewer : group_) note_skips(*viewer, skips ? 1 : 0, batch_.skipped_bytes);
        write_to_all(**batch);
    }
}

void FanOut::write_to_all(const Batch& items) {
    std::uint64_t sent = 0;
    Gathered own;
    for (std::size_t i = 0; i < group_.size();) {
        const ViewerPtr& at = group_[i];
        const auto origin = at->origin_;
        const Gathered* found = &batch_;
        if (origin != 0 && batch_.has(origin)) {  // no echo
            own = {};
            gather(items, own, wanted(origin));
            found = &own;
        }
        const auto wrote = found->size == 0 ? Result<std::size_t>(0) : at->connection_->try_write(found->pieces);
        const auto count = wrote ? *wrote : 0;
        sent += count;
        note_written(*at, count);
        if (wrote && count == found->size && !batch_.last) {
            ++i;
            continue;
        }
        const ViewerPtr viewer = at;
        if (wrote)
            fall_behind(*viewer, found->pieces, count);
        else
            end(*viewer, wrote.error().text());
        leave(*viewer);  // also who has its End, or is lost
        fallen_.push_back(viewer);
    }
    bytes_.fetch_add(sent, relaxed);
    // Only now: these may come back here.
    for (const auto& viewer : std::exchange(fallen_, {}))
        viewer->rest_.empty() ? kick(viewer) : feed_later(viewer, Next::room);
}

/// The rest of this batch and all that follows is its own business now.
void FanOut::fall_behind(Viewer& viewer, const std::vector<Bytes>& pieces, std::size_t wrote) {
    viewer.rest_ = pieces;
    drop_front(viewer.rest_, wrote);
    if (batch_.last) return add_goodbye(viewer, 1000, "the stream has ended");
    go_alone(viewer);
}

void FanOut::go_alone(Viewer& viewer) {
    viewer.reader_ = leader_->fork();
    viewer.skip_mark_ = viewer.reader_->skipped_items();
    blocked_.fetch_add(1, relaxed);
    strained_.store(shard_.clock().now(), relaxed);
    leave(viewer);
}

}  // namespace weir::fan_out
