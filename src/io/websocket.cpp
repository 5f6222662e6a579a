#include "io/websocket.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <cstring>

#include "base/random.h"
#include "base/text.h"
#include "io/websocket_inner.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir {
namespace websocket {
namespace {

using ws::Event;
using ws::Opcode;

constexpr std::size_t largest_read = 64u << 10;
constexpr int reads_without_wait = 16;          ///< of a peer that is faster than we are, before others have their turn
constexpr std::size_t copied_below = 2u << 10;  ///< a server's payload of this size costs less copied than as a piece
constexpr std::size_t arena_size = 256u << 10;  ///< frames are built in pieces of at most this, but for larger ones
constexpr std::size_t longest_head = 14;        ///< of a frame
constexpr Millis retry_flush{250};              ///< for the rest of a ping that the socket did not take
constexpr Millis waited_for_room{10};           ///< a write that took so long did
constexpr Millis last_words{1000};              ///< for a peer that broke the rules to read why it is sent away

/// Keys nobody can foresee (RFC 6455 10.3), fetched many at a time.
class MaskKeys {
public:
    std::array<std::byte, 4> next() {
        if (at_ == pool_.size()) {
            fill_random(pool_);
            at_ = 0;
        }
        std::array<std::byte, 4> key{};
        std::memcpy(key.data(), pool_.data() + at_, key.size());
        at_ += key.size();
        return key;
    }

private:
    std::array<std::byte, 256> pool_{};
    std::size_t at_ = pool_.size();
};

/// Messages to frames, in few pieces.
class FrameWriter {
public:
    FrameWriter(MaskKeys* keys, std::vector<Bytes>& into) : keys_(keys), into_(into) {}

    void add(std::span<const WebSocket::Message> messages) {
        std::size_t wanted = 0;
        for (const auto& m : messages) wanted += longest_head + (copies(m.payload) ? m.payload.size() : 0);
        for (const auto& m : messages) {
            const bool copied = copies(m.payload);
            const auto need = longest_head + (copied ? m.payload.size() : 0);
            if (arena_.room() < need) {
                flush();
                arena_ = Buffer(std::max(need, std::min(wanted, arena_size)));
                begin_ = 0;
            }
            wanted -= need;
            frame(m.text ? Opcode::text : Opcode::binary, m.payload, copied);
        }
        flush();
    }

private:
    [[nodiscard]] bool copies(const Bytes& payload) const { return keys_ || payload.size() < copied_below; }

    void frame(Opcode opcode, const Bytes& payload, bool copied) {
        std::optional<std::array<std::byte, 4>> key;
        if (keys_) key = keys_->next();
        const auto spare = arena_.spare();
        const auto head = ws::write_head(spare.first<longest_head>(), opcode, payload.size(), key);
        if (!copied) {
            arena_.commit(head);
            flush();
            into_.push_back(payload);
            return;
        }
        if (!payload.empty()) std::memcpy(spare.data() + head, payload.data(), payload.size());
        if (key) ws::apply_mask(spare.subspan(head, payload.size()), *key);
        arena_.commit(head + payload.size());
    }

    void flush() {
        if (arena_.size() > begin_) into_.push_back(arena_.slice(begin_, arena_.size() - begin_));
        begin_ = arena_.size();
    }

    MaskKeys* keys_;
    std::vector<Bytes>& into_;
    Buffer arena_{0};
    std::size_t begin_ = 0;
};

void drop_front(std::vector<Bytes>& parts, std::size_t count) {
    auto it = parts.begin();
    for (; it != parts.end() && count >= it->size(); ++it) count -= it->size();
    if (it != parts.end() && count > 0) *it = it->slice(count);
    parts.erase(parts.begin(), it);
}

std::string goodbye_text(std::uint16_t code, const Bytes& reason) {
    std::string out = code == 1005 ? "closed by the peer" : fmt::format("closed by the peer with code {}", code);
    if (reason.empty()) return out;
    out += ": ";
    append_printable(out, reason.text());
    return out;
}

/// Everything of a websocket but its name: kept by its timer and by calls under way, too, for the moment they need to end
/// when it goes.
/// Who writes holds `writing`; control frames that come up meanwhile are written by the holder, between messages.
struct State : std::enable_shared_from_this<State> {
    State(std::unique_ptr<Connection> c, ws::Role r, Bytes e, WebSocket::Settings s)
        : connection(std::move(c)),
          clock(connection->shard().clock()),
          settings(s),
          early(std::move(e)),
          decoder(r, s.limits, r == ws::Role::server ? s.budget : nullptr),
          server(r == ws::Role::server),
          free(connection->executor()),
          done(connection->executor()),
          tick(connection->executor()) {
        settings.pong = pong_time(s.ping, s.pong);
    }

    [[nodiscard]] bool owes() const noexcept { return pong || ping || goodbye || !rest.empty(); }
    void take_owed(std::vector<Bytes>& into);
    void owe_goodbye(std::uint16_t code, std::string_view reason);
    void end(Error why);
    void fail(Error why);

    Task<Result<>> lock();
    Task<Result<>> write(std::span<const Bytes> parts);
    Task<void> unlock();
    Task<void> flush();
    void try_flush();
    Task<Result<>> send_all(std::span<const WebSocket::Message> messages);

    Task<Result<WebSocket::Message>> read();
    std::optional<WebSocket::Message> next_message();
    Result<bool> take_some();
    void decode(std::span<const std::byte> in);
    Task<Result<>> receive();
    Task<Result<>> some();
    Task<Error> dismiss();
    Task<Error> answer_goodbye();
    Task<Result<>> drop_until_closed();

    Task<void> say_goodbye();
    Task<void> close(std::uint16_t code, std::string reason, Millis patience);

    std::unique_ptr<Connection> connection;
    Clock& clock;
    WebSocket::Settings settings;
    Bytes early;
    ws::Decoder decoder;
    bool server;
    MaskKeys keys;

    std::vector<Event> events;
    std::size_t next_event = 0;
    std::optional<Error> broken;  ///< the peer's, told when what came before it was delivered

    bool writing = false, reading = false, waiting = false, closing = false, goodbye_sent = false, gone = false;
    bool failed = false;  ///< nothing can be written any more
    std::optional<Bytes> pong;
    bool ping = false;
    std::optional<Bytes> goodbye;
    std::vector<Bytes> rest;  ///< of what a try did not bring out whole: goes before anything else
    bool drained = true;      ///< the last read took all there was
    int reads_in_a_row = 0;
    std::optional<Event> peer_close;
    std::optional<Error> ended;
    SteadyTime quiet_since{};
    Bell free, done, tick;
};

void State::take_owed(std::vector<Bytes>& into) {
    const auto key = [this]() -> std::optional<std::array<std::byte, 4>> {
        if (server) return std::nullopt;
        return keys.next();
    };
    for (auto& part : std::exchange(rest, {})) into.push_back(std::move(part));
    if (goodbye_sent) {
        pong.reset();
        ping = false;
        goodbye.reset();
        return;
    }
    if (pong) into.push_back(ws::make_frame(Opcode::pong, std::exchange(pong, {})->view(), key()));
    if (std::exchange(ping, false)) into.push_back(ws::make_frame(Opcode::ping, {}, key()));
    if (goodbye) {
        into.push_back(*std::exchange(goodbye, {}));
        goodbye_sent = true;
    }
}

/// 1005 stands for a close frame without a code.
void State::owe_goodbye(std::uint16_t code, std::string_view reason) {
    if (goodbye_sent || goodbye) return;
    std::optional<std::array<std::byte, 4>> key;
    if (!server) key = keys.next();
    goodbye = code == 1005 ? ws::make_frame(Opcode::close, {}, key) : ws::make_close(code, reason, key);
}

/// Nothing more is read or sent; what is owed may still go out.
void State::end(Error why) {
    if (!ended) ended = std::move(why);
    done.notify();
    tick.notify();
}

void State::fail(Error why) {
    failed = true;
    end(std::move(why));
    if (connection) connection->shutdown();
}

Task<Result<>> State::lock() {
    while (writing) {
        const bool rung = co_await free.wait();
        if (!rung) co_return Error{Errc::cancelled, "stopped", "websocket"};
    }
    if (ended) co_return *ended;
    writing = true;
    co_return Result<>{};
}

/// One that had to wait and then went out tells of life: the answer to our ping is behind what the peer takes so slowly.
Task<Result<>> State::write(std::span<const Bytes> parts) {
    const auto begun = clock.now();
    auto sent = co_await connection->write(parts);
    if (clock.now() - begun >= waited_for_room) quiet_since = clock.now();
    co_return sent;
}

/// Writes what came up meanwhile first.
Task<void> State::unlock() {
    while (owes() && !failed) {
        std::vector<Bytes> parts;
        take_owed(parts);
        if (parts.empty()) break;
        auto sent = co_await write(parts);
        if (!sent) fail(sent.error());
    }
    writing = false;
    free.notify();
}

Task<void> State::flush() {
    if (writing || failed || !owes()) co_return;
    writing = true;
    co_await unlock();
}

/// For the timer, which must not wait for a socket.
void State::try_flush() {
    if (writing || failed || !owes()) return;
    std::vector<Bytes> parts;
    take_owed(parts);
    auto sent = connection->try_write(parts);
    if (!sent) return fail(sent.error());
    drop_front(parts, *sent);
    rest = std::move(parts);
}

Task<Result<>> State::send_all(std::span<const WebSocket::Message> messages) {
    const auto self = shared_from_this();
    auto mine = co_await lock();
    if (!mine) co_return mine;
    std::vector<Bytes> parts;
    take_owed(parts);
    if (goodbye_sent) {
        rest = std::move(parts);
        co_await unlock();
        co_return Error{Errc::lost_peer, "the websocket is being closed", "websocket"};
    }
    FrameWriter(server ? nullptr : &keys, parts).add(messages);
    auto sent = co_await write(parts);
    // What of a frame went out is not known: nothing may follow it.
    if (!sent) fail(within("websocket", sent.error()));
    co_await unlock();
    if (!sent && ended) co_return *ended;
    co_return Result<>{};
}

/// Not a coroutine, so that one buffer serves all websockets of a thread: an idle one holds none. False: nothing is there.
Result<bool> State::take_some() {
    static thread_local std::array<std::byte, largest_read> scratch;
    auto got = connection->try_read(scratch);
    if (!got) return got.error();
    drained = got->value_or(0) < scratch.size();
    if (!*got) return false;
    if (**got == 0) return Error{Errc::lost_peer, "the peer has closed", "connection"};
    if (!ended) decode(std::span(scratch).first(**got));
    return true;
}

void State::decode(std::span<const std::byte> in) {
    auto fine = decoder.feed(in, events);
    if (!fine) broken = fine.error();
}

/// What came in up to the first message, which is returned; pings are noted, a close too.
std::optional<WebSocket::Message> State::next_message() {
    while (next_event < events.size() && !peer_close) {
        auto& event = events[next_event++];
        switch (event.kind) {
            case Event::Kind::ping:
                pong = std::move(event.payload);  // of several, the newest is enough (RFC 6455 5.5.3)
                break;
            case Event::Kind::pong:
                break;
            case Event::Kind::close:
                peer_close = std::move(event);
                break;
            case Event::Kind::message:
                if (!closing) return WebSocket::Message{event.text, std::move(event.payload)};
        }
    }
    events.clear();
    next_event = 0;
    return {};
}

Task<Result<>> State::receive() {
    if (!early.empty()) {
        decode(std::exchange(early, {}).view());
        co_return Result<>{};
    }
    auto got = co_await some();
    if (got) co_return Result<>{};
    if (ended) co_return *ended;
    auto why = within("websocket", got.error());
    if (why.code != Errc::cancelled) fail(why);
    co_return why;
}

/// Waits for bytes and takes them to the decoder.
Task<Result<>> State::some() {
    for (;;) {
        if (!drained && ++reads_in_a_row == reads_without_wait) {
            reads_in_a_row = 0;
            co_await asio::post(connection->executor(), asio::use_awaitable);
        }
        if (drained) {
            reads_in_a_row = 0;
            quiet_since = clock.now();
            waiting = true;
            auto ready = co_await connection->wait_readable();
            waiting = false;
            if (!ready) co_return ready;
        }
        auto got = take_some();
        if (!got) co_return got.error();
        if (*got) co_return Result<>{};
    }
}

Task<Result<WebSocket::Message>> State::read() {
    for (;;) {
        auto message = next_message();
        if (owes()) co_await flush();
        if (message) co_return std::move(*message);
        if (peer_close) co_return co_await answer_goodbye();
        if (broken) co_return co_await dismiss();
        if (ended) co_return *ended;
        auto more = co_await receive();
        if (!more) co_return more.error();
    }
}

Task<Error> State::answer_goodbye() {
    auto why = Error{Errc::lost_peer, goodbye_text(peer_close->code, peer_close->payload), "websocket"};
    owe_goodbye(peer_close->code, {});
    end(why);
    co_await flush();
    if (server && !writing) connection->shutdown();  // the server's part (RFC 6455 7.1.1)
    co_return why;
}

/// The peer broke the protocol: it is told so, and given the time to read it, since a close with unread input would
/// destroy our last frame.
Task<Error> State::dismiss() {
    auto why = *broken;
    owe_goodbye(decoder.close_code(), broken->what);
    end(why);
    co_await flush();
    if (!failed) (void)co_await with_deadline(clock, clock.now() + last_words, drop_until_closed());
    fail(why);
    co_return why;
}

Task<Result<>> State::drop_until_closed() {
    for (;;) {
        auto got = co_await some();
        if (!got) co_return got;
    }
}

Task<void> State::say_goodbye() {
    auto mine = co_await lock();
    if (!mine) co_return;
    co_await unlock();
    while (!ended) {
        if (reading) {
            const bool rung = co_await done.wait();
            if (!rung) co_return;
            continue;
        }
        reading = true;
        auto got = co_await read();
        reading = false;
        if (!got && got.error().code == Errc::cancelled) co_return;
    }
}

/// The task that reads may let the websocket go when the close comes, before this one has seen it.
Task<void> State::close(std::uint16_t code, std::string reason, Millis patience) {
    const auto self = shared_from_this();
    if (!std::exchange(closing, true) && !ended) {
        owe_goodbye(code, reason);
        co_await with_deadline(clock, clock.now() + patience, say_goodbye());
    }
    fail(Error{Errc::lost_peer, "the websocket was closed", "websocket"});
}

/// Sends pings, and ends a connection that shows no sign of life while somebody waits for one.
Task<void> keep_alive(std::shared_ptr<State> state) {
    co_await errors_not_throws();
    const auto& s = state->settings;
    auto next_ping = s.ping > Millis(0) ? state->clock.now() + s.ping : SteadyTime::max();
    while (!state->gone && !state->ended) {
        const auto now = state->clock.now();
        if (now >= next_ping) {
            state->ping = !state->goodbye_sent;
            next_ping = now + s.ping;
        }
        state->try_flush();
        auto due = state->rest.empty() ? next_ping : std::min<SteadyTime>(next_ping, now + retry_flush);
        if (s.pong > Millis(0)) {
            const auto lost = (state->waiting && !state->writing ? state->quiet_since : now) + s.pong;
            if (now >= lost) {
                state->fail(Error{Errc::timed_out, "the peer gave no sign of life for too long", "websocket"});
                break;
            }
            due = std::min<SteadyTime>(due, lost);
        }
        // When the websocket goes it rings, so that this ends with it.
        (void)co_await with_deadline(state->clock, due, state->tick.wait());
    }
}

class Socket final : public WebSocket {
public:
    Socket(std::shared_ptr<State> state, std::string protocol)
        : state_(std::move(state)), protocol_(std::move(protocol)) {
        if (state_->settings.ping > Millis(0))
            asio::co_spawn(state_->connection->executor(), keep_alive(state_), asio::detached);
    }
    ~Socket() override {
        state_->gone = true;
        state_->fail(Error{Errc::lost_peer, "the websocket is gone", "websocket"});
        // A call that is still under way ends now, and the connection with it.
        if (!state_->reading && !state_->writing) state_->connection.reset();
    }

    Task<Result<Message>> read() override {
        const auto state = state_;
        auto& s = *state;
        if (s.ended) co_return *s.ended;
        if (s.closing) co_return Error{Errc::lost_peer, "the websocket is being closed", "websocket"};
        s.reading = true;
        auto got = co_await s.read();
        s.reading = false;
        if (s.closing) s.done.notify();
        co_return got;
    }
    Task<Result<>> send(Opcode opcode, Bytes payload) override {
        WEIR_ASSERT(opcode == Opcode::text || opcode == Opcode::binary);
        const Message one{opcode == Opcode::text, std::move(payload)};
        const auto state = state_;
        co_return co_await state->send_all(std::span(&one, 1));
    }
    Task<Result<>> send_all(std::span<const Message> messages) override { return state_->send_all(messages); }
    Task<void> close(std::uint16_t code, std::string reason, Millis patience) override {
        return state_->close(code, std::move(reason), patience);
    }
    [[nodiscard]] std::optional<std::uint16_t> close_code() const noexcept override {
        if (!state_->peer_close) return {};
        return state_->peer_close->code;
    }
    [[nodiscard]] const std::string& protocol() const noexcept override { return protocol_; }

private:
    std::shared_ptr<State> state_;
    std::string protocol_;
};

}  // namespace

std::unique_ptr<WebSocket> make(std::unique_ptr<Connection> connection, ws::Role role, Bytes early,
                                WebSocket::Settings settings, std::string protocol) {
    auto state = std::make_shared<State>(std::move(connection), role, std::move(early), settings);
    return std::make_unique<Socket>(std::move(state), std::move(protocol));
}

}  // namespace websocket

Millis pong_time(Millis ping, Millis pong) noexcept {
    if (ping <= Millis(0) || pong <= Millis(0)) return Millis(0);
    return std::max(pong, ping + std::min(ping, Millis(6'000)));
}

std::unique_ptr<WebSocket> WebSocket::create(std::unique_ptr<Connection> connection, ws::Role role, Bytes early,
                                             Settings settings) {
    return websocket::make(std::move(connection), role, std::move(early), settings, {});
}

}  // namespace weir
