#include "io/http_server_connection.h"

#include <algorithm>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

namespace weir {
namespace {
std::atomic<std::size_t> living{0};
}

std::size_t open_connections() noexcept {
    return living.load(std::memory_order_relaxed);
}

namespace http_server {
namespace {

using net::unasked_limit;
constexpr std::size_t drop_at_once = 256u << 10;  ///< of what a peer sends on after our last answer
constexpr Millis slow_drop{20};                   ///< beyond, a little each time
constexpr int steps_without_wait = 32;

Task<bool> was_cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() != asio::cancellation_type::none;
}

Task<void> turn_away(std::shared_ptr<Client> client) {
    const auto text = Bytes::copy_of(std::string_view(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 21\r\nRetry-After: 1\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\ntoo many connections\n"));
    if (auto r = co_await client->write(std::span(&text, 1)); r) co_await client->linger();
}

}  // namespace

Room::Room(Shard& shard, std::shared_ptr<Core> core)
    : shard_(shard), core_(std::move(core)), arrivals_(shard.executor()), group_(shard.executor()) {}

void Room::start_sweeping() {
    if (std::exchange(sweeping_, true)) return arrivals_.notify();
    group_.spawn(sweep(shared_from_this()), "http sweeper");
}

void Room::admit(asio::ip::tcp::socket socket, std::string peer, Seat seat, net::TlsContext tls) {
    if (stopping()) return;
    auto client = std::make_shared<Client>(shared_from_this(), std::move(socket), std::move(peer), std::move(seat));
    group_.spawn(serve(std::move(client), std::move(tls)), "http connection");
    start_sweeping();
}

void Room::refuse(asio::ip::tcp::socket socket, std::string peer, Seat seat) {
    if (stopping()) return;
    auto client = std::make_shared<Client>(shared_from_this(), std::move(socket), std::move(peer), std::move(seat));
    group_.spawn(turn_away(std::move(client)), "http refusal");
    start_sweeping();
}

Task<void> Room::sweep(std::shared_ptr<Room> self) {
    const auto& s = self->core_->settings;
    const auto shortest = std::min({s.head_timeout, s.idle_timeout, s.write_timeout, s.body_timeout});
    const auto tick = std::clamp(shortest / 8, Millis(5), Millis(500));
    while (!stopping()) {
        if (clients_.empty()) {
            (void)co_await arrivals_.wait();
            continue;
        }
        (void)co_await shard_.clock().sleep_for(tick);
        const auto now = shard_.clock().now();
        for (auto* client : clients_) client->sweep(now);
    }
}

Task<void> Room::stop() {
    for (auto* client : clients_) client->end(Error{Errc::cancelled, "the server stopped", "connection"});
    co_await group_.stop("server stopped");
}

Client::Client(std::shared_ptr<Room> room, asio::ip::tcp::socket socket, std::string peer, Seat seat)
    : room_(std::move(room)), transport_(std::move(socket)), peer_(std::move(peer)), seat_(std::move(seat)) {
    place_ = room_->clients_.insert(room_->clients_.end(), this);
    living.fetch_add(1, std::memory_order_relaxed);
}

Client::~Client() {
    room_->clients_.erase(place_);
    living.fetch_sub(1, std::memory_order_relaxed);
}

SteadyTime Client::in(Millis patience) const {
    return room_->shard_.clock().now() + patience;
}

void Client::end(Error why) {
    if (ended_) return;
    ended_ = std::move(why);
    transport_.cancel();
}

void Client::shutdown() {
    transport_.shutdown();
}

void Client::sweep(SteadyTime now) {
    if (now >= read_due_ && !ended_) {
        read_expired_ = true;
        transport_.cancel();
    }
    if (now >= write_due_) end(Error{Errc::timed_out, "the client took nothing for too long", "connection"});
}

Task<Result<>> Client::wait(asio::ip::tcp::socket::wait_type what, SteadyTime& due, SteadyTime by) {
    if (ended_) co_return *ended_;
    if (co_await was_cancelled()) co_return Error{Errc::cancelled, "stopped", "connection"};
    due = by;
    boost::system::error_code ec;
    co_await transport_.socket().async_wait(what, asio::redirect_error(asio::use_awaitable, ec));
    due = SteadyTime::max();
    busy_steps_ = 0;
    if (ended_) co_return *ended_;
    if (&due == &read_due_ && std::exchange(read_expired_, false))
        co_return Error{Errc::timed_out, "the client sent nothing for too long", "connection"};
    if (ec == asio::error::operation_aborted) co_return Error{Errc::cancelled, "stopped", "connection"};
    if (ec) co_return Error{Errc::lost_peer, ec.message(), "connection"};
    co_return Result<>{};
}

Task<void> Client::breathe() {
    if (++busy_steps_ < steps_without_wait) co_return;
    busy_steps_ = 0;
    co_await asio::post(room_->shard_.executor(), asio::use_awaitable);
}

Task<Result<>> Client::go_on() {
    co_await breathe();
    if (ended_) co_return *ended_;
    co_return Result<>{};
}

Task<Result<>> Client::wait_readable(SteadyTime by) {
    if (transport_.readable()) return go_on();
    return wait(transport_.reading_needs(), read_due_, by);
}

Task<Result<>> Client::wait_writable() {
    return wait(transport_.writing_needs(), write_due_, in(settings().write_timeout));
}

Task<Result<>> Client::start_tls(net::TlsContext context) {
    auto made = net::TlsStream::create(context, transport_.descriptor());
    if (!made) co_return made.error();
    transport_.secure_with(std::move(*made));
    const auto by = in(settings().head_timeout);
    for (;;) {
        auto step = transport_.tls()->handshake();
        if (!step) {
            // Whoever speaks HTTP to this port is told so in its own tongue.
            if (transport_.tls()->was_plain_http()) transport_.secure_with(nullptr);
            co_return step.error();
        }
        if (*step == net::Ready::nothing) co_return Result<>{};
        if (auto r = co_await wait(net::Transport::type_of(*step), read_due_, by); !r) co_return r;
    }
}

Result<std::optional<std::size_t>> Client::try_read(std::span<std::byte> into) {
    if (ended_) return *ended_;
    return transport_.try_read(into);
}

Task<Result<std::size_t>> Client::read(std::span<std::byte> into, SteadyTime by) {
    co_await breathe();
    for (;;) {
        auto got = try_read(into);
        if (!got) co_return got.error();
        if (*got) co_return **got;
        if (auto r = co_await wait_readable(by); !r) co_return r.error();
    }
}

Task<Result<>> Client::write(std::span<const Bytes> parts) {
    return net::write_all(*this, parts);
}

Task<Result<>> Client::wait_closed() {
    return net::drop_until_closed(*this);
}

Task<void> Client::linger() {
    transport_.shutdown_send();
    auto& clock = room_->shard_.clock();
    const auto by = in(std::min(settings().write_timeout, Millis(2000)));
    for (std::size_t dropped = 0;;) {
        // A peer that pours on without end gets slower instead of a reset that would destroy the answer.
        if (dropped >= drop_at_once) {
            dropped -= unasked_limit;
            const bool slept = co_await clock.sleep_for(slow_drop);
            if (!slept || clock.now() >= by) co_return;
        }
        if (auto r = co_await wait_readable(by); !r) co_return;
        auto got = drop_some();
        if (!got || (*got && **got == 0)) co_return;
        dropped += got->value_or(0);
    }
}

}  // namespace http_server
}  // namespace weir
