// The body of a request being read.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "io/http_server_exchange.h"

namespace weir::http_server {
namespace {

/// What a handler left unread is read and dropped up to this much, to keep the connection; more closes it.
constexpr std::uint64_t drain_limit = 64u << 10;
constexpr std::size_t most_room = 64u << 10, first_room = 4u << 10, least_room = 4u << 10, least_read = 1u << 10;
/// A buffer is so many times the largest piece of the one before: who keeps a piece keeps its buffer, and pays for the piece.
constexpr std::size_t pieces_ahead = 4;
/// Fewer bytes than this may be the framing alone that ends a chunk and begins the next.
constexpr std::size_t most_framing = 32;

}  // namespace

bool ClientExchange::body_settled() const noexcept {
    if (body_ == Body::none || body_ == Body::done) return true;
    return body_ == Body::counted && left_ <= drain_limit && !continue_owed_;
}

Error ClientExchange::broken(Error e) {
    body_ = Body::broken;
    body_error_ = e;
    return e;
}

/// Fills raw_ with what comes next.
Task<Result<>> ClientExchange::more(SteadyTime by) {
    raw_ = client_->take_pending();
    if (!raw_.empty()) co_return Result<>{};
    if (continue_owed_) {
        if (auto r = co_await say_continue(); !r) co_return r;
    }
    make_room();
    const auto from = buffer_.size();
    auto got = co_await client_->read(buffer_.spare(), by);
    if (!got) co_return got.error();
    if (*got == 0) co_return Error{Errc::lost_peer, "the client closed in the middle of its body", "request body"};
    buffer_.commit(*got);
    note_piece(*got);
    raw_ = buffer_.slice(from, *got);
    co_return Result<>{};
}

/// Takes the framing off the front of raw_: a piece, or empty when raw_ is used up or the body has ended.
Result<Bytes> ClientExchange::next_piece() {
    if (body_ == Body::counted) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, raw_.size()));
        auto piece = raw_.slice(0, count);
        raw_ = raw_.slice(count);
        left_ -= count;
        if (left_ == 0) body_ = Body::done;
        return piece;
    }
    auto step = decoder_.feed(raw_.view());
    if (!step) return step.error();
    const auto at = step->data.empty() ? 0 : static_cast<std::size_t>(step->data.data() - raw_.data());
    auto piece = raw_.slice(at, step->data.size());
    raw_ = raw_.slice(step->consumed);
    if (step->done) body_ = Body::done;
    return piece;
}

Task<Result<Bytes>> ClientExchange::read_body_until(SteadyTime by) {
    if (body_ == Body::broken) co_return *body_error_;
    while (body_ == Body::counted || body_ == Body::chunked) {
        if (raw_.empty())
            if (auto r = co_await more(by); !r) co_return broken(r.error());
        auto piece = next_piece();
        if (!piece) co_return broken(piece.error());
        if (body_ == Body::done) {
            client_->give_back(std::exchange(raw_, {}));
            buffer_ = Buffer(0);
        }
        if (!piece->empty()) co_return std::move(*piece);
    }
    co_return Bytes{};
}

Task<Result<Bytes>> ClientExchange::read_body() {
    return read_body_until(body_due());
}

SteadyTime ClientExchange::body_due() const {
    return body_timeout_ > Millis(0) ? client_->in(body_timeout_) : SteadyTime::max();
}

Task<Result<>> ClientExchange::say_continue() {
    continue_owed_ = false;
    const auto text = Bytes::copy_of(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
    co_return co_await client_->write(std::span(&text, 1));
}

void ClientExchange::make_room() {
    const auto before = buffer_.capacity();
    if (before > 0 && buffer_.room() >= std::min(least_room, before / 4)) return;
    std::uint64_t wanted = std::clamp(std::max(largest_ * pieces_ahead, before / 2), first_room, most_room);
    // A counted body needs no more than its own size.
    if (body_ == Body::counted) wanted = std::clamp<std::uint64_t>(left_, least_read, wanted);
    buffer_ = Buffer(static_cast<std::size_t>(wanted));
    largest_ = 0;
}

void ClientExchange::note_piece(std::size_t size) noexcept {
    largest_ = std::max(largest_, size);
}

/// What came with the head, then what the socket has. Nothing: it has nothing. 0: the end of the connection.
Result<std::optional<std::size_t>> ClientExchange::take_some(std::span<std::byte> into) {
    if (raw_.empty()) raw_ = client_->take_pending();
    if (raw_.empty()) return client_->try_read(into);
    const auto count = std::min(raw_.size(), into.size());
    std::memcpy(into.data(), raw_.data(), count);
    raw_ = count < raw_.size() ? raw_.slice(count) : Bytes{};
    return std::optional(count);
}

/// All that is here by now, up to the room of the buffer, its framing taken off where it lies.
Result<> ClientExchange::gather_piece(BodyPiece& piece) {
    make_room();
    const auto room = buffer_.spare();
    std::size_t filled = 0;
    bool drained = false;
    while (!drained && body_ != Body::done && room.size() - filled >= std::min(room.size(), least_read)) {
        const auto into = room.subspan(filled);
        auto got = take_some(into);
        if ((!got || (*got && **got == 0)) && filled > 0) break;  // comes again
        if (!got) return got.error();
        drained = !*got;
        if (drained) break;
        if (**got == 0) return Error{Errc::lost_peer, "the client closed in the middle of its body", "request body"};
        continue_owed_ = false;  // it did not wait for it
        const auto fresh = into.first(**got);
        ChunkDecoder::Stripped step;
        if (body_ == Body::chunked) {
            step = decoder_.strip(fresh, filled, piece.borders);
        } else {
            step.data = step.consumed = static_cast<std::size_t>(std::min<std::uint64_t>(left_, fresh.size()));
            left_ -= step.data;
            step.done = left_ == 0;
        }
        filled += step.data;
        if (step.failed) {
            (void)broken(decoder_.feed({}).error());
            break;
        }
        if (!step.done) continue;
        body_ = Body::done;
        hand_back(fresh.subspan(step.consumed));
    }
    piece.bytes = filled > 0 ? buffer_.slice(buffer_.size(), filled) : Bytes{};
    buffer_.commit(filled);
    note_piece(filled);
    drained_ = drained && filled > 0;
    if (body_ == Body::done || body_ == Body::broken) {
        buffer_ = Buffer(0);
        return {};
    }
    piece.more = !drained && (!raw_.empty() || client_->waiting() > (body_ == Body::chunked ? most_framing : 0));
    return {};
}

/// Behind the body the next request may have come already.
void ClientExchange::hand_back(std::span<const std::byte> rest) {
    auto together = Bytes::copy_of(rest);
    if (!raw_.empty()) {
        Buffer both(rest.size() + raw_.size());
        both.append(rest);
        both.append(raw_.view());
        together = both.all();
        raw_ = {};
    }
    client_->give_back(std::move(together));
}

Task<Result<BodyPiece>> ClientExchange::read_piece() {
    BodyPiece piece;
    const auto by = body_due();
    co_await client_->breathe();
    for (;;) {
        if (body_ == Body::broken) co_return *body_error_;
        if (body_ != Body::counted && body_ != Body::chunked) co_return piece;
        if (std::exchange(drained_, false))  // by the piece before: a look would most likely find nothing
            if (auto r = co_await client_->wait_readable(by); !r) co_return broken(r.error());
        auto gathered = gather_piece(piece);
        if (!gathered) co_return broken(gathered.error());
        if (!piece.bytes.empty()) co_return piece;
        if (body_ != Body::counted && body_ != Body::chunked) continue;
        if (continue_owed_) {
            if (auto r = co_await say_continue(); !r) co_return broken(r.error());
        }
        if (auto r = co_await client_->wait_readable(by); !r) co_return broken(r.error());
    }
}

Task<Result<std::string>> ClientExchange::read_body_text(std::size_t limit) {
    const auto too_large = [limit] {
        return Error{Errc::bad_input, fmt::format("request body above {} bytes", limit), "request body", {}, 413};
    };
    if (head_.request.content_length.value_or(0) > limit) {
        body_error_ = too_large();
        co_return *body_error_;
    }
    const auto by = body_due();
    std::string out;
    for (;;) {
        auto piece = co_await read_body_until(by);
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return out;
        if (out.size() + piece->size() > limit) co_return broken(too_large());
        out += piece->text();
    }
}

Task<Result<>> ClientExchange::drain() {
    const auto by = client_->in(client_->settings().head_timeout);
    for (;;) {
        auto piece = co_await read_body_until(by);
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return Result<>{};
    }
}

}  // namespace weir::http_server
