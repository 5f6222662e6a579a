// What comes from the viewers, what is said to one of them alone, and how they end.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>

#include "sinks/fan_out.h"

namespace weir::fan_out {
namespace {

constexpr std::size_t said_most = 64u << 10;  ///< waiting for one viewer alone
constexpr std::size_t said_overhead = 64;     ///< what keeping a frame costs besides its bytes

Bytes frame_of(ws::Opcode opcode, const Bytes& payload = {}) {
    return ws::make_frame(opcode, payload.view());
}

}  // namespace

Viewer::Viewer(FanOut& out, Shard& shard, std::unique_ptr<Connection> connection, Viewers::Plan plan)
    : connection_(std::move(connection)), origin_(plan.origin), out_(out), shard_(shard), plan_(std::move(plan)) {
    if (!plan_.head.empty()) rest_.push_back(std::exchange(plan_.head, {}));
}

void Viewer::close(std::uint16_t code, std::string reason) {
    shard_.post([self = shared_from_this(), code, reason = std::move(reason)] {
        if (!self->gone_) self->out_.close(self, code, reason);
    });
}

void Viewer::send(bool text, Bytes payload) {
    shard_.post([self = shared_from_this(), text, payload = std::move(payload)] {
        if (self->gone_ || !self->decoder_) return;
        self->out_.say(self, frame_of(text ? ws::Opcode::text : ws::Opcode::binary, payload));
    });
}

/// Lives as long as the connection; everything else of a viewer ends when this does.
Task<void> FanOut::listen(ViewerPtr viewer) {
    co_await asio::post(shard_.executor(), asio::use_awaitable);  // nothing is told before add() has returned
    auto& connection = *viewer->connection_;
    if (!websocket()) {
        auto closed = co_await connection.wait_closed();
        if (!closed) end(*viewer, closed.error().text());
    } else if (take(viewer, connection.early().view())) {
        for (bool open = true; open;) {
            if (viewer->plan_.may_read && !viewer->closing_) {
                const bool may = co_await viewer->plan_.may_read();
                if (!may) close(viewer, 1013, "nothing more is taken from it");
                viewer->heard_ = shard_.clock().now();  // it was we who did not listen
            }
            auto ready = co_await connection.wait_readable();
            if (!ready) {
                end(*viewer, ready.error().text());
                break;
            }
            open = receive(viewer);
        }
    }
    end(*viewer, "nobody listens to it any more");
    if (viewer->plan_.may_read) (void)co_await viewer->plan_.may_read();  // what came with its goodbye is taken in
    viewer->gone_ = true;
    leave(*viewer);
    viewer->reader_.reset();
    let_go(viewer);
}

/// Not in a coroutine: its buffer would stay in the frame of every viewer.
bool FanOut::receive(const ViewerPtr& viewer) {
    std::array<std::byte, 64u << 10> buffer;
    auto got = viewer->connection_->try_read(buffer);
    if (!got) {
        end(*viewer, got.error().text());
        return false;
    }
    if (!*got) return true;
    if (**got == 0) {
        end(*viewer, "the peer has closed");
        return false;
    }
    return take(viewer, std::span(buffer.data(), **got));
}

/// False when the viewer has ended.
bool FanOut::take(const ViewerPtr& viewer, std::span<const std::byte> bytes) {
    if (bytes.empty()) return !viewer->ended_;
    viewer->heard_ = shard_.clock().now();
    auto events = std::exchange(events_, {});
    const auto fed = viewer->decoder_->feed(bytes, events);
    std::optional<Bytes> asked;  // of several pings, the newest is enough (RFC 6455 5.5.3)
    for (auto& event : events) {
        if (event.kind == ws::Event::Kind::ping)
            asked = std::move(event.payload);
        else
            on_event(viewer, std::move(event));
    }
    if (asked) say(viewer, frame_of(ws::Opcode::pong, *asked));
    events.clear();
    events_ = std::move(events);
    if (!fed) close(viewer, viewer->decoder_->close_code(), fed.error().what);
    return !viewer->ended_;
}

void FanOut::on_event(const ViewerPtr& viewer, ws::Event event) {
    auto& v = *viewer;
    switch (event.kind) {
        case ws::Event::Kind::message:
            if (!v.closing_ && v.plan_.on_message) v.plan_.on_message({event.text, std::move(event.payload)});
            return;
        case ws::Event::Kind::ping:
        case ws::Event::Kind::pong:
            return;
        case ws::Event::Kind::close:
            break;
    }
    v.peer_closed_ = true;
    if (v.closing_) {
        if (v.rest_.empty()) end(v, "closed");
        return;
    }
    if (v.why_.empty()) v.why_ = fmt::format("closed by the peer, code {}", event.code);
    close(viewer, event.code, "");
}

/// One frame to one viewer, at a frame border of what it gets.
void FanOut::say(const ViewerPtr& viewer, Bytes frame) {
    auto& v = *viewer;
    if (v.last_ || v.ended_) return;
    if (v.place_ == Viewer::nowhere) {
        if (v.said_ >= said_most) return end(v, "too much waits for it");
        v.said_ += frame.size() + said_overhead;
        v.rest_.push_back(std::move(frame));
        return kick(viewer);
    }
    const auto wrote = v.connection_->try_write(std::span(&frame, 1));
    if (!wrote) {
        leave(v);
        return end(v, wrote.error().text());
    }
    note_written(v, *wrote);
    bytes_.fetch_add(*wrote, std::memory_order_relaxed);
    if (*wrote == frame.size()) return;
    go_alone(v);
    v.said_ = frame.size() + said_overhead;
    v.rest_.push_back(frame.slice(*wrote));
    feed_later(viewer, Next::room);
}

void FanOut::close(const ViewerPtr& viewer, std::uint16_t code, const std::string& reason) {
    auto& v = *viewer;
    if (v.last_ || v.ended_) return;
    if (!websocket()) return end(v, reason);
    leave(v);
    end_by(v, shard_.clock().now() + settings_.goodbye);
    add_goodbye(v, code, reason);
    kick(viewer);
}

/// Behind what is on its way: the last frame, where frames are.
void FanOut::add_goodbye(Viewer& viewer, std::uint16_t code, std::string_view reason) {
    viewer.last_ = true;
    viewer.reader_.reset();
    end_by(viewer, shard_.clock().now() + settings_.last_write + settings_.goodbye);
    if (viewer.why_.empty()) viewer.why_ = reason;
    if (!websocket()) return;
    viewer.closing_ = true;
    viewer.rest_.push_back(ws::make_close(code, reason));
}

void FanOut::end(Viewer& viewer, const std::string& why) {
    if (std::exchange(viewer.ended_, true)) return;
    if (viewer.why_.empty()) viewer.why_ = why;
    viewer.connection_->shutdown();  // wakes its tasks
}

/// Once no task uses it.
void FanOut::let_go(const ViewerPtr& viewer) {
    auto& v = *viewer;
    if (!v.gone_ || v.feeding_ || !v.connection_) return;
    v.connection_.reset();
    v.decoder_.reset();  // who holds the handle holds no half message
    v.rest_ = {};
    std::swap(all_[v.seat_], all_.back());
    all_[v.seat_]->seat_ = v.seat_;
    const auto keep = viewer;
    all_.pop_back();
    viewers_.fetch_sub(1, std::memory_order_relaxed);
    if (all_.empty()) emptied_.notify();
    const auto plan = std::exchange(v.plan_, {});
    if (plan.on_gone) plan.on_gone(v.why_);
}

void FanOut::end_by(Viewer& viewer, SteadyTime when) {
    viewer.goodbye_by_ = std::min(viewer.goodbye_by_, when);
    look_by(viewer.goodbye_by_);
}

/// The next time at which look_at_times() may have something to do.
SteadyTime FanOut::due(const Viewer& viewer) const {
    if (viewer.ended_) return SteadyTime::max();
    if (viewer.last_) return viewer.goodbye_by_;
    auto when = viewer.plan_.until.value_or(SteadyTime::max());
    if (!websocket() || settings_.ping == Millis(0)) return when;
    when = std::min<SteadyTime>(when, viewer.pinged_ + settings_.ping);
    if (settings_.pong > Millis(0)) when = std::min<SteadyTime>(when, viewer.heard_ + settings_.pong);
    return when;
}

void FanOut::look_by(SteadyTime when) {
    when = std::max<SteadyTime>(when, looked_ + tick());
    if (when >= look_at_) return;
    look_at_ = when;
    timed_bell_.notify();
}

Millis FanOut::tick() const noexcept {
    auto shortest = settings_.goodbye;
    for (const auto time : {settings_.ping, settings_.pong})
        if (time > Millis(0)) shortest = std::min(shortest, time);
    return std::clamp(shortest / 2, Millis(5), Millis(500));
}

/// One timer for all viewers: one each would cost more than the rest of an idle one.
Task<void> FanOut::tend() {
    while (!tasks_.stopping().asked()) {
        if (shard_.clock().now() < look_at_) {
            const auto by = look_at_;
            (void)co_await with_deadline(shard_.clock(), by, timed_bell_.wait());
            continue;
        }
        looked_ = shard_.clock().now();
        look_at_ = SteadyTime::max();
        for (std::size_t i = 0; i < all_.size(); ++i) {
            const auto viewer = all_[i];
            look_at_times(viewer, looked_);
            look_by(due(*viewer));
        }
        if (stopping_) emptied_.notify();
    }
}

void FanOut::look_at_times(const ViewerPtr& viewer, SteadyTime now) {
    auto& v = *viewer;
    if (v.ended_) return;
    if (now >= v.goodbye_by_) return end(v, "said goodbye to, and no answer");
    if (v.plan_.until && now >= *v.plan_.until) return close(viewer, 4401, "token expired");
    if (!websocket() || v.closing_ || settings_.ping == Millis(0)) return;  // who is never asked may be silent
    if (v.feeding_)
        v.heard_ = now;  // our ping waits behind what it takes so slowly; it is the write that has a time limit
    if (settings_.pong > Millis(0) && now - v.heard_ >= settings_.pong) return end(v, "no sign of life");
    if (now - v.pinged_ < settings_.ping) return;
    v.pinged_ = now;
    say(viewer, frame_of(ws::Opcode::ping));
}

Task<void> FanOut::stop() {
    stopping_ = true;
    flush();
    const auto by = shard_.clock().now() + settings_.goodbye;
    const auto present = all_;
    for (const auto& viewer : present) {
        close(viewer, 1001, "going away");
        end_by(*viewer, by);
    }
    while (websocket() && !all_.empty() && shard_.clock().now() < by) {
        const bool rung = co_await emptied_.wait();
        if (!rung) break;
    }
    co_await tasks_.stop("stopped");
    while (!all_.empty()) {  // whose tasks had no first step
        const auto viewer = all_.back();
        end(*viewer, "stopped");
        viewer->gone_ = true;
        viewer->feeding_ = false;
        leave(*viewer);
        viewer->reader_.reset();
        let_go(viewer);
    }
}

}  // namespace weir::fan_out
