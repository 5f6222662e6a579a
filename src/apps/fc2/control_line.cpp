#include "apps/fc2/control_line.h"

#include <utility>

#include "runtime/task_group.h"

namespace weir::fc2 {
namespace {

constexpr Millis line_goodbye{500};
constexpr std::uint16_t normal_close = 1000;

}  // namespace

ControlLine::ControlLine(Shard& shard, std::unique_ptr<WebSocket> socket, Settings settings)
    : shard_(shard),
      socket_(std::move(socket)),
      settings_(settings),
      heard_(shard.clock().now()),
      stir_(shard.executor()),
      free_(shard.executor()) {}

void ControlLine::end(End why) {
    if (ended_) return;
    ended_ = std::move(why);
    for (const auto& [id, waiter] : waiters_) waiter->bell.notify();
    stir_.notify();
    free_.notify();
}

Task<ControlLine::End> ControlLine::serve(const Hears& hears) {
    while (!ended_) {
        auto got = co_await socket_->read();
        if (!got) {
            end({false, got.error()});
            break;
        }
        heard_ = shard_.clock().now();
        if (!std::exchange(heard_any_, true)) stir_.notify();
        take(parse_message(got->payload.text()), hears);
    }
    if (ended_->why.code == Errc::cancelled) co_await uncancellable();
    std::string reason = "ended connection";
    co_await socket_->close(normal_close, std::move(reason), line_goodbye);
    co_return *ended_;
}

void ControlLine::take(const Message& message, const Hears& hears) {
    if (const auto* response = std::get_if<Response>(&message)) {
        const auto found = waiters_.find(response->id);
        if (found == waiters_.end()) return;
        found->second->answer = *response;
        found->second->bell.notify();
    } else if (const auto* comments = std::get_if<Comments>(&message)) {
        hears.comments(*comments);
    } else if (const auto* refusal = std::get_if<Disconnection>(&message)) {
        end({false, disconnection_error(refusal->code)});
    } else if (std::holds_alternative<PublishStop>(message)) {
        if (!hears.over || !hears.over()) end({true, Error{Errc::not_found, "the live is over"}});
    } else if (const auto* other = std::get_if<Other>(&message); other && !other->why.empty()) {
        hears.odd(*other);
    }
}

Task<Result<>> ControlLine::send(std::string text) {
    bool on = true;
    while (sending_ && !ended_ && on) on = co_await free_.wait();
    if (!on) co_return Error{Errc::cancelled, "stopped"};
    if (ended_) co_return ended_->why;
    sending_ = true;
    auto bytes = Bytes::copy_of(text);
    auto sent = co_await socket_->send(ws::Opcode::text, std::move(bytes));
    sending_ = false;
    free_.notify();
    co_return sent;
}

Task<void> ControlLine::beat() {
    co_await errors_not_throws();
    auto next = shard_.clock().now() + settings_.heartbeat;
    if (!heard_any_ && !ended_) (void)co_await stir_.wait_until(next);
    while (!ended_) {
        const bool on = co_await shard_.clock().sleep_for(Micros(0));
        if (!on) co_return;
        auto text = heartbeat(next_id_++);
        auto sent = co_await send(std::move(text));
        if (!sent) co_return;  // serve() sees it too
        next = shard_.clock().now() + settings_.heartbeat;
        bool rung = true;
        while (!ended_ && rung) rung = co_await stir_.wait_until(next);
        if (ended_ || shard_.clock().now() - heard_ < settings_.heartbeat * 5 / 2) continue;
        const auto asked = shard_.clock().now();
        (void)(co_await playlists()).has_value();
        if (ended_ || heard_ >= asked) continue;
        Error dead{Errc::timed_out, "nothing was received for too long", "control connection"};
        co_await cut(std::move(dead));
    }
}

Task<Result<std::vector<Playlist>>> ControlLine::playlists() {
    if (ended_) co_return ended_->why;
    const auto id = next_id_++;
    const auto waiter = std::make_shared<Waiter>(shard_.executor());
    waiters_.emplace(id, waiter);
    auto text = get_hls_information(id);
    auto sent = co_await send(std::move(text));
    bool on = sent.has_value();
    const auto by = shard_.clock().now() + settings_.answer;
    while (on && !waiter->answer && !ended_) on = co_await waiter->bell.wait_until(by);
    waiters_.erase(id);
    if (waiter->answer) co_return std::move(waiter->answer->playlists);
    if (!sent) co_return sent.error();
    if (ended_) co_return ended_->why;
    co_return Error{Errc::timed_out, "no answer to get_hls_information", "control connection"};
}

Task<void> ControlLine::cut(Error why) {
    if (ended_) co_return;
    end({false, std::move(why)});
    std::string reason = "ended connection";
    co_await socket_->close(normal_close, std::move(reason), line_goodbye);
}

}  // namespace weir::fc2
