#include "sinks/ws_push.h"

#include <boost/asio/awaitable.hpp>
#include <random>

#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sinks/ws_push_redial.h"
#include "sinks/ws_push_target.h"

namespace weir {
namespace ws_push {
namespace {

constexpr std::size_t batch_bytes = 64u << 10, batch_items = 1024;
constexpr std::size_t small_write = 4u << 10;  ///< what is smaller costs its system call, not its bytes
constexpr Millis goodbye{1'000};

std::uint64_t fresh_seed() {
    return (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
}

/// Of a batch, what becomes messages, and what is only counted.
struct Gathered {
    std::vector<WebSocket::Message> messages;
    std::uint64_t bytes = 0, lost_bytes = 0;
    const End* end = nullptr;
    std::vector<InitPtr> headers = {};  ///< not needed yet

    void add(const Item& item) {
        if (const auto* chunk = std::get_if<Chunk>(&item)) {
            std::erase_if(headers, [&](const InitPtr& init) {
                if (init->lane != chunk->lane) return false;
                if (!chunk->tables) add_header(*init);
                return true;
            });
            messages.push_back({chunk->text, chunk->bytes});
            bytes += chunk->bytes.size();
        } else if (const auto* init = std::get_if<InitPtr>(&item)) {
            if (!(*init)->closed && !(*init)->header.empty()) headers.push_back(*init);
        } else if (const auto* gap = std::get_if<Gap>(&item)) {
            if (gap->why.starts_with("skipped")) lost_bytes += gap->bytes.value_or(0);
        } else if (const auto* last = std::get_if<End>(&item)) {
            end = last;
        }
    }
    /// After the last item of a batch.
    void finish() {
        for (const auto& init : headers) add_header(*init);
        headers.clear();
    }

private:
    void add_header(const Init& init) {
        messages.push_back({false, init.header});
        bytes += init.header.size();
    }
};

/// One task dials, serves and waits in turn. What of that may be cut off at any point (dialling, waiting) runs as a step of
/// its own, which stop() cancels; a connection that lives is only told, so that its close frame does not fall into a message.
class Push final : public WsPush {
public:
    Push(Shard& shard, std::shared_ptr<Resolver> resolver, HttpClient& http, Stream& stream, Plan plan)
        : shard_(shard),
          resolver_(std::move(resolver)),
          http_(http),
          stream_(stream),
          plan_(std::move(plan)),
          redial_({plan_.first_wait, plan_.longest_wait, plan_.proven, plan_.jitter}, fresh_seed()),
          news_(shard.executor()),
          ended_(shard.executor()),
          steps_(shard.executor()),
          tasks_(shard.executor()) {
        enter(State::dialling);
        const auto entry = entry_of(plan_.url, plan_.token);
        if (!entry) {
            status_.last_error = shown(entry.error());
            enter(State::refused);
            return;
        }
        entry_ = *entry;
        running_ = true;
        tasks_.spawn(run(), "ws push");
    }

    [[nodiscard]] Status status() const override { return status_; }
    Task<void> stop() override;

private:
    void enter(State state);
    void note(const Error& why);
    [[nodiscard]] std::string shown(const Error& why) const;
    [[nodiscard]] SteadyTime now() const { return shard_.clock().now(); }

    Task<void> run();
    Task<bool> once(Millis& wait);
    Task<void> step(Task<void> body);
    Task<void> attempt();
    Task<Result<std::unique_ptr<WebSocket>>> connect();
    Task<void> pause(Millis wait);

    Task<void> serve();
    Task<void> listen();
    Task<void> feed();
    void count(const Gathered& sent);
    void on_end(const End& end);
    void lose(const Error& why);

    Shard& shard_;
    std::shared_ptr<Resolver> resolver_;
    HttpClient& http_;
    Stream& stream_;
    Plan plan_;
    Entry entry_ = Entry::plain;
    std::string target_;  ///< dialled last
    Redial redial_;
    Status status_;
    std::unique_ptr<WebSocket> socket_;
    std::optional<Error> lost_;  ///< why the connection ended
    std::optional<Millis> asked_for_;
    bool running_ = false, stopping_ = false, stream_ended_ = false, warned_ = false;
    Bell news_, ended_;
    TaskGroup steps_, tasks_;
};

void Push::enter(State state) {
    status_.state = state;
    status_.since = shard_.clock().wall();
    status_.next_try.reset();
}

std::string Push::shown(const Error& why) const {
    return without_secrets(without_secrets(why.text(), target_, plan_.token), plan_.url, plan_.token);
}

/// The first of a row of failures is worth a warning, the others are its repetition.
void Push::note(const Error& why) {
    if (why.code == Errc::cancelled) return;
    status_.last_error = shown(why);
    if (!std::exchange(warned_, true))
        WEIR_LOG(warn, "destination lost", {"url", masked_url(plan_.url)}, {"error", status_.last_error});
    else
        WEIR_LOG(debug, "destination still lost", {"url", masked_url(plan_.url)}, {"error", status_.last_error});
}

void Push::lose(const Error& why) {
    if (why.code == Errc::cancelled) return;
    if (!lost_) {
        lost_ = why;
        if (!stopping_ && !stream_ended_) note(why);
    }
    news_.notify();
}

Task<void> Push::run() {
    co_await errors_not_throws();
    while (!stopping_ && !stream_ended_) {
        Millis wait{0};
        const bool again = co_await once(wait);
        if (!again) break;
        enter(State::waiting);
        status_.next_try = shard_.clock().wall() + wait;
        co_await step(pause(wait));
    }
    enter(State::stopped);
    running_ = false;
    ended_.notify();
}

/// One attempt and the connection that comes of it; false when it was the last.
Task<bool> Push::once(Millis& wait) {
    enter(State::dialling);
    ++status_.attempts;
    co_await step(attempt());
    if (!socket_) {
        wait = redial_.after_failure(asked_for_);
        co_return !stopping_;
    }
    const auto since = now();
    co_await serve();
    socket_.reset();
    wait = redial_.after_loss(std::chrono::duration_cast<Millis>(now() - since));
    co_return !stopping_ && !stream_ended_;
}

Task<void> Push::step(Task<void> body) {
    steps_.spawn(std::move(body), "ws push step");
    co_await steps_.join();
}

Task<void> Push::pause(Millis wait) {
    (void)co_await shard_.clock().sleep_for(wait);
}

Task<void> Push::attempt() {
    co_await errors_not_throws();
    asked_for_.reset();
    auto socket = co_await connect();
    if (socket) {
        socket_ = std::move(*socket);
        co_return;
    }
    asked_for_ = socket.error().retry_after;
    note(socket.error());
}

Task<Result<std::unique_ptr<WebSocket>>> Push::connect() {
    target_ = plan_.url;
    if (entry_ == Entry::asks) {
        auto address = co_await exchange(shard_, http_, plan_.url, plan_.token);
        if (!address) co_return address.error();
        target_ = std::move(*address);
    }
    WebSocketPlan dialled;
    dialled.url = target_;
    dialled.tls = plan_.tls;
    dialled.use_proxy = plan_.use_proxy;
    dialled.timeout = plan_.timeout;
    dialled.write_timeout = plan_.write_timeout;
    dialled.settings = plan_.socket;
    auto socket = co_await connect_websocket(shard_, *resolver_, std::move(dialled));
    if (!socket) co_return socket.error();
    if (entry_ == Entry::greets) {
        auto welcome = co_await greet(shard_, **socket, plan_.token, plan_.timeout);
        if (!welcome) co_return welcome.error();
    }
    co_return std::move(*socket);
}

Task<void> Push::serve() {
    enter(State::connected);
    ++status_.connections;
    warned_ = false;
    WEIR_LOG(info, "destination connected", {"url", masked_url(plan_.url)});
    lost_.reset();
    TaskGroup listening(shard_.executor());
    listening.spawn(listen(), "ws push listener");
    co_await feed();
    if (!lost_) co_await socket_->close(1000, "", goodbye);
    co_await listening.stop("the connection ended");
}

Task<void> Push::listen() {
    co_await errors_not_throws();
    for (;;) {
        auto message = co_await socket_->read();
        if (!message) {
            lose(message.error());
            co_return;
        }
        ++status_.received;
        if (plan_.on_message) plan_.on_message(std::move(*message));
    }
}

/// A reader of its own for each connection: it begins at the newest random-access point, never with what is stale (VW-70).
Task<void> Push::feed() {
    const auto reader = stream_.attach(plan_.policy);
    reader->on_ready([this] { news_.notify(); });
    std::uint64_t skipped = 0;
    auto rested = now();
    while (!stopping_ && !stream_ended_ && !lost_) {
        const auto waiting = reader->lag_bytes();
        if (waiting > 0 && waiting < small_write && now() < rested) (void)co_await shard_.clock().sleep_until(rested);
        auto batch = reader->poll(batch_bytes, batch_items);
        if (!batch || (*batch)->items.empty()) {
            stream_ended_ = !batch;
            if (stream_ended_) break;
            const bool rung = co_await news_.wait();
            if (!rung) break;
            continue;
        }
        Gathered gathered;
        for (const auto& item : (*batch)->items) gathered.add(*item);
        gathered.finish();
        if (reader->skipped_items() != std::exchange(skipped, reader->skipped_items())) ++status_.skips;
        status_.skipped_bytes += gathered.lost_bytes;
        if (!gathered.messages.empty()) {
            auto sent = co_await socket_->send_all(gathered.messages);
            if (!sent) lose(sent.error());
            if (!sent) break;
            count(gathered);
            rested = now() + (gathered.bytes < small_write ? plan_.batch : Millis(0));
        }
        if (gathered.end) on_end(*gathered.end);
    }
}

/// The stream has ended, or its policy ends readers that are too slow: that is the peer's doing.
void Push::on_end(const End& end) {
    if (plan_.policy.act != Act::disconnect || end.reason != EndReason::error)
        stream_ended_ = true;
    else
        lose(Error{Errc::timed_out, fmt::format("ended: {}", end.why), "stream"});
}

void Push::count(const Gathered& sent) {
    status_.messages += sent.messages.size();
    status_.bytes += sent.bytes;
}

Task<void> Push::stop() {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await errors_not_throws();
    stopping_ = true;
    steps_.ask_stop("stopped");
    news_.notify();
    if (running_) (void)co_await with_deadline(shard_.clock(), now() + goodbye, ended_.wait());
    co_await tasks_.stop("stopped");
    co_await steps_.stop("stopped");
    if (status_.state != State::refused) enter(State::stopped);
    co_await asio::this_coro::throw_if_cancelled(throws);
}

}  // namespace
}  // namespace ws_push

std::unique_ptr<WsPush> WsPush::create(Shard& shard, std::shared_ptr<Resolver> resolver, HttpClient& http,
                                       Stream& stream, Plan plan) {
    return std::make_unique<ws_push::Push>(shard, std::move(resolver), http, stream, std::move(plan));
}

std::string_view name_of(WsPush::State state) noexcept {
    switch (state) {
        case WsPush::State::dialling:
            return "dialling";
        case WsPush::State::connected:
            return "connected";
        case WsPush::State::waiting:
            return "waiting";
        case WsPush::State::refused:
            return "refused";
        case WsPush::State::stopped:
            return "stopped";
    }
    return "";
}

}  // namespace weir
