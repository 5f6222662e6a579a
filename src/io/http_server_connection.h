#pragma once
// Inner parts of the HTTP server: one connection and the room it lives in. Nothing outside src/io/http_server* includes
// this.
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/http_head.h"
#include "io/http_server.h"
#include "io/transport.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::http_server {

struct Route {
    std::string methods, path;
    HttpServer::Handler handler;
};

/// What all shards of one server share. `routes` and `settings` are frozen once it has started.
struct Core {
    HttpServer::Settings settings;
    std::vector<Route> routes;
    std::atomic<std::size_t> connections{0}, refusals{0};
};

/// One place under a limit, given back when it goes.
class Seat {
public:
    Seat(std::shared_ptr<Core> core, std::atomic<std::size_t> Core::*counter)
        : core_(std::move(core)), counter_(counter) {
        ++(core_.get()->*counter_);
    }
    Seat(Seat&&) noexcept = default;
    ~Seat() {
        if (core_) --(core_.get()->*counter_);
    }

private:
    std::shared_ptr<Core> core_;
    std::atomic<std::size_t> Core::*counter_;
};

class Client;

/// The connections of one server on one shard, the tasks that serve them, and the sweeper that ends the overdue ones:
/// one timer for all of them, since a timer each would cost more memory than the rest of an idle connection. threads
/// its shard, but for the constructor
class Room : public std::enable_shared_from_this<Room> {
public:
    Room(Shard& shard, std::shared_ptr<Core> core);

    /// `tls`: what the connection is to speak, none: plain HTTP.
    void admit(asio::ip::tcp::socket socket, std::string peer, Seat seat, net::TlsContext tls);
    void refuse(asio::ip::tcp::socket socket, std::string peer, Seat seat);
    Task<void> stop();

    [[nodiscard]] Shard& shard() noexcept { return shard_; }
    [[nodiscard]] const Core& core() const noexcept { return *core_; }
    [[nodiscard]] bool stopping() const noexcept { return group_.stopping().asked(); }

private:
    friend class Client;
    Task<void> sweep(std::shared_ptr<Room> self);
    void start_sweeping();

    Shard& shard_;
    std::shared_ptr<Core> core_;
    std::list<Client*> clients_;
    Bell arrivals_;
    bool sweeping_ = false;
    TaskGroup group_;
};

/// One accepted connection: bounded reads and writes with a time limit each. Once ended (write
/// time, stop), it stays ended; after a read that took too long an answer may still be written.
/// threads  the shard of its room
class Client {
public:
    Client(std::shared_ptr<Room> room, asio::ip::tcp::socket socket, std::string peer, Seat seat);
    ~Client();
    Client(const Client&) = delete;

    [[nodiscard]] bool has_pending() const noexcept { return !pending_.empty(); }
    /// What was received and not used yet, else empty.
    [[nodiscard]] Bytes take_pending() noexcept { return std::exchange(pending_, {}); }
    void give_back(Bytes rest) noexcept { pending_ = rest.empty() ? Bytes{} : std::move(rest); }

    /// Within the time for a head; afterwards everything goes through TLS.
    Task<Result<>> start_tls(net::TlsContext context);

    Task<Result<>> wait_readable(SteadyTime by = SteadyTime::max());
    /// Nothing: would block. 0: the peer has closed its side.
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into);
    Result<std::optional<std::size_t>> drop_some() { return transport_.drop_some(); }
    /// Roughly how many bytes try_read would bring.
    [[nodiscard]] std::size_t waiting() const noexcept { return transport_.waiting(); }
    /// Reads what is there, at most the room of `into`, waiting for the first byte. 0: the end.
    Task<Result<std::size_t>> read(std::span<std::byte> into, SteadyTime by);

    Result<std::size_t> try_write(std::span<const Bytes> parts, std::size_t skip = 0) {
        if (ended_) return *ended_;
        return transport_.try_write(parts, skip);
    }
    Task<Result<>> wait_writable();
    Task<Result<>> write(std::span<const Bytes> parts);

    /// Ends with the peer's close, or when it has sent more than 64 KiB that nobody asked for.
    Task<Result<>> wait_closed();
    /// Says goodbye so that the peer can read our last answer: a close with unread input would destroy it (RFC
    /// 9112 9.6).
    Task<void> linger();
    void end(Error why);
    void shutdown();

    [[nodiscard]] SteadyTime in(Millis patience) const;
    [[nodiscard]] Room& room() const noexcept { return *room_; }
    [[nodiscard]] const HttpServer::Settings& settings() const noexcept { return room_->core().settings; }
    [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
    [[nodiscard]] int descriptor() const noexcept { return transport_.descriptor(); }
    [[nodiscard]] bool secure() const noexcept { return transport_.tls() != nullptr; }
    void sweep(SteadyTime now);
    /// Gives others on this shard their turn after a few steps without a wait.
    Task<void> breathe();

private:
    Task<Result<>> wait(asio::ip::tcp::socket::wait_type what, SteadyTime& due, SteadyTime by);
    Task<Result<>> go_on();

    std::shared_ptr<Room> room_;
    net::Transport transport_;
    std::string peer_;
    Seat seat_;
    Bytes pending_;
    SteadyTime read_due_ = SteadyTime::max(), write_due_ = SteadyTime::max();
    std::optional<Error> ended_;
    bool read_expired_ = false;  ///< told to the reader once; it may still answer
    int busy_steps_ = 0;  ///< reads and writes done without a wait: others on this shard get their turn after a few
    std::list<Client*>::iterator place_;
};

/// Serves requests on this connection until it closes.
Task<void> serve(std::shared_ptr<Client> client, net::TlsContext tls);

}  // namespace weir::http_server
