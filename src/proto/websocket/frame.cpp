#include "proto/websocket/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/text.h"

namespace weir::ws {
namespace {

constexpr std::size_t max_control = 125;
constexpr std::uint8_t fin_bit = 0x80, rsv_bits = 0x70, mask_bit = 0x80;
constexpr std::uint8_t two_byte_length = 126, eight_byte_length = 127;

using MaskKey = std::array<std::byte, 4>;

std::uint8_t number(std::byte b) {
    return std::to_integer<std::uint8_t>(b);
}

bool is_control(Opcode o) {
    return static_cast<std::uint8_t>(o) >= static_cast<std::uint8_t>(Opcode::close);
}

/// `from` masked into `to`, which may be the same place. Whole words: a register at a time once the compiler has seen it.
void mask_into(std::byte* to, const std::byte* from, std::size_t count, MaskKey key, std::uint64_t at) noexcept {
    MaskKey turned;
    for (std::size_t i = 0; i < 4; ++i) turned[i] = key[(at + i) & 3];
    std::uint32_t half = 0;
    std::memcpy(&half, turned.data(), 4);
    const std::uint64_t word = std::uint64_t{half} << 32 | half;
    std::array<std::uint64_t, 8> block;
    std::size_t i = 0;
    for (; count - i >= sizeof block; i += sizeof block) {
        std::memcpy(block.data(), from + i, sizeof block);
        for (auto& w : block) w ^= word;
        std::memcpy(to + i, block.data(), sizeof block);
    }
    for (; count - i >= 8; i += 8) {
        std::uint64_t w = 0;
        std::memcpy(&w, from + i, 8);
        w ^= word;
        std::memcpy(to + i, &w, 8);
    }
    for (; i < count; ++i) to[i] = from[i] ^ turned[i & 3];
}

/// The vector's own memory when little of it is unused, else a copy of the right size.
Bytes handed_over(std::vector<std::byte>&& from) {
    const std::size_t size = from.size(), spare = from.capacity() - size;
    if (spare > std::max<std::size_t>(256, size / 8)) return Bytes::copy_of(from);
    auto owner = std::make_shared<std::vector<std::byte>>(std::move(from));
    const std::byte* first = owner->data();
    return {std::shared_ptr<const std::byte[]>(std::move(owner), first), {first, size}};
}

/// Assigning {} would keep the capacity.
void give_back(std::vector<std::byte>& memory) {
    std::vector<std::byte>().swap(memory);
}

std::size_t head_size(std::uint64_t length, bool masked) {
    const std::size_t extra = length < two_byte_length ? 0 : length <= 0xffff ? 2 : 8;
    return 2 + extra + (masked ? 4u : 0u);
}

}  // namespace

Budget& incoming_budget() noexcept {
    static Budget one(64u << 20);
    return one;
}

Decoder::Decoder(Role role, Limits limits, Budget* budget) : role_(role), limits_(limits), share_(budget) {}

std::size_t Decoder::held_bytes() const noexcept {
    return body_.capacity() + control_.capacity();
}

Error Decoder::fail(std::uint16_t code, std::string what) {
    close_code_ = code;
    give_back(body_);
    give_back(control_);
    (void)share_.hold(0);
    whole_.reset();
    failed_ = Error{Errc::bad_input, std::move(what), "websocket"};
    return *failed_;
}

Result<> Decoder::feed(std::span<const std::byte> in, std::vector<Event>& out) {
    if (failed_) return *failed_;
    while (!closed_) {
        if (!in_payload_) {
            const auto part = in.first(std::min(in.size(), head_need_ - head_have_));
            std::copy(part.begin(), part.end(), head_.begin() + static_cast<std::ptrdiff_t>(head_have_));
            head_have_ += part.size();
            in = in.subspan(part.size());
            if (head_have_ < head_need_) return {};
            if (auto read = on_head(); !read) return read.error();
            if (!in_payload_) continue;
        }
        const auto part = in.first(static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), left_)));
        in = in.subspan(part.size());
        const bool whole = part.size() == frame_length_ && fin_ && body_.empty() && !is_control(opcode_);
        if (whole)
            take_whole(part);
        else if (auto taken = take_part(part); !taken)
            return taken;
        left_ -= part.size();
        if (left_ > 0) return {};
        in_payload_ = false;
        head_have_ = 0;
        head_need_ = 2;
        if (auto done = is_control(opcode_) ? on_control(out) : on_data(out); !done) return done.error();
    }
    return {};
}

/// First with two bytes, then with the whole head.
Result<> Decoder::on_head() {
    const std::uint8_t first = number(head_[0]), second = number(head_[1]);
    const std::uint8_t small = second & 0x7f;
    const std::size_t extra = small == two_byte_length ? 2 : small == eight_byte_length ? 8 : 0;
    if (head_have_ == 2) {
        if (auto fine = check_start(first, second); !fine) return fine;
        head_need_ = 2 + extra + (role_ == Role::server ? 4 : 0);
        if (head_need_ > 2) return {};
    }
    std::uint64_t length = small;
    if (extra) {
        length = 0;
        for (std::size_t i = 0; i < extra; ++i) length = length << 8 | number(head_[2 + i]);
    }
    if (length >> 63) return fail(1002, "frame length with its top bit set");
    if (extra && head_size(length, false) != 2 + extra) return fail(1002, "frame length not in its shortest form");
    if (!is_control(opcode_) && length > limits_.max_message - body_.size())
        return fail(1009, fmt::format("message above the limit of {} bytes", limits_.max_message));
    if (role_ == Role::server) std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(2 + extra), 4, key_.begin());
    frame_length_ = left_ = length;
    in_payload_ = true;
    return {};
}

Result<> Decoder::check_start(std::uint8_t first, std::uint8_t second) {
    if (first & rsv_bits) return fail(1002, "reserved bits set, but no extension was negotiated");
    fin_ = (first & fin_bit) != 0;
    opcode_ = static_cast<Opcode>(first & 0x0f);
    if (((second & mask_bit) != 0) != (role_ == Role::server)) return fail(1002, "incorrect mask flag");
    switch (opcode_) {
        case Opcode::continuation:
            if (!message_) return fail(1002, "continuation without a message");
            break;
        case Opcode::text:
        case Opcode::binary:
            if (message_) return fail(1002, "a new message inside a fragmented one");
            message_ = opcode_;
            break;
        case Opcode::close:
        case Opcode::ping:
        case Opcode::pong:
            if (!fin_) return fail(1002, "fragmented control frame");
            if ((second & 0x7f) > max_control) return fail(1002, "control frame above 125 bytes");
            if (message_ && ++controls_ > limits_.max_control_run)
                return fail(1008, fmt::format("more than {} control frames inside a message", limits_.max_control_run));
            return {};
        default:
            return fail(1002, fmt::format("unknown opcode {}", first & 0x0f));
    }
    if (++fragments_ > limits_.max_fragments)
        return fail(1009, fmt::format("message of more than {} fragments", limits_.max_fragments));
    return {};
}

/// One allocation of the right size, one pass over the bytes.
void Decoder::take_whole(std::span<const std::byte> part) {
    Buffer made(part.size());
    if (role_ == Role::server)
        mask_into(made.spare().data(), part.data(), part.size(), key_, 0);
    else if (!part.empty())
        std::memcpy(made.spare().data(), part.data(), part.size());
    made.commit(part.size());
    whole_ = made.all();
}

/// Memory follows what has come: at most twice that, and never beyond the end of the frame.
Result<> Decoder::take_part(std::span<const std::byte> part) {
    auto& into = is_control(opcode_) ? control_ : body_;
    const std::size_t have = into.size(), need = have + part.size();
    if (into.capacity() < need) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(have + left_, need * 2));
        if (!is_control(opcode_) && !share_.hold(wanted))
            return fail(1013, "too much is being received, try again later");
        into.reserve(wanted);
    }
    into.insert(into.end(), part.begin(), part.end());
    if (role_ == Role::server)
        mask_into(into.data() + have, into.data() + have, part.size(), key_, frame_length_ - left_);
    return {};
}

Result<> Decoder::on_control(std::vector<Event>& out) {
    const auto payload = Bytes::copy_of(control_);
    control_.clear();
    if (opcode_ == Opcode::ping) out.push_back({Event::Kind::ping, false, 1005, payload});
    if (opcode_ == Opcode::pong) out.push_back({Event::Kind::pong, false, 1005, payload});
    if (opcode_ != Opcode::close) return {};

    if (payload.size() == 1) return fail(1002, "close frame with half a code");
    Event event{Event::Kind::close};
    if (payload.size() >= 2) {
        event.code = static_cast<std::uint16_t>(number(payload.view()[0]) << 8 | number(payload.view()[1]));
        event.payload = payload.slice(2);
        if (!is_close_code(event.code)) return fail(1002, fmt::format("close code {}", event.code));
        if (!is_utf8(event.payload.view())) return fail(1007, "close reason is no UTF-8");
    }
    closed_ = true;  // whatever follows a close is not looked at (RFC 6455 5.5.1)
    give_back(body_);
    give_back(control_);
    (void)share_.hold(0);
    out.push_back(std::move(event));
    return {};
}

Result<> Decoder::on_data(std::vector<Event>& out) {
    if (!fin_) return {};
    const bool text = message_ == Opcode::text;
    Bytes payload = whole_ ? std::move(*whole_) : handed_over(std::exchange(body_, std::vector<std::byte>()));
    (void)share_.hold(0);
    whole_.reset();
    message_.reset();
    fragments_ = controls_ = 0;
    if (text && !is_utf8(payload.view())) return fail(1007, "text message is no UTF-8");
    out.push_back({Event::Kind::message, text, 1005, std::move(payload)});
    return {};
}

std::size_t write_head(std::span<std::byte, 14> into, Opcode opcode, std::uint64_t length,
                       std::optional<std::array<std::byte, 4>> mask, bool fin) noexcept {
    const std::size_t size = head_size(length, mask.has_value());
    const std::size_t extra = size - 2 - (mask ? 4u : 0u);
    const auto small = extra == 0   ? static_cast<std::uint8_t>(length)
                       : extra == 2 ? two_byte_length
                                    : eight_byte_length;
    into[0] = static_cast<std::byte>(static_cast<std::uint8_t>(opcode) | (fin ? fin_bit : 0));
    into[1] = static_cast<std::byte>(small | (mask ? mask_bit : 0));
    for (std::size_t i = 0; i < extra; ++i) into[2 + i] = static_cast<std::byte>(length >> 8 * (extra - 1 - i) & 0xff);
    if (mask) std::copy(mask->begin(), mask->end(), into.begin() + static_cast<std::ptrdiff_t>(2 + extra));
    return size;
}

void apply_mask(std::span<std::byte> bytes, std::array<std::byte, 4> key, std::uint64_t at) noexcept {
    mask_into(bytes.data(), bytes.data(), bytes.size(), key, at);
}

Bytes make_frame(Opcode opcode, std::span<const std::byte> payload, std::optional<std::array<std::byte, 4>> mask) {
    std::array<std::byte, 14> head;
    const std::size_t size = write_head(head, opcode, payload.size(), mask);
    Buffer frame(size + payload.size());
    frame.append(std::span(head).first(size));
    if (mask) {
        mask_into(frame.spare().data(), payload.data(), payload.size(), *mask, 0);
        frame.commit(payload.size());
    } else {
        frame.append(payload);
    }
    return frame.all();
}

Bytes make_close(std::uint16_t code, std::string_view reason, std::optional<std::array<std::byte, 4>> mask) {
    std::string payload;
    if (code != 1005) {
        payload = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
        while (!reason.empty()) {
            const std::size_t length = utf8_length(reason);
            if (payload.size() + std::max<std::size_t>(length, 1) > max_control) break;
            payload += length ? reason.substr(0, length) : std::string_view("?");
            reason.remove_prefix(std::max<std::size_t>(length, 1));
        }
    }
    return make_frame(Opcode::close, std::as_bytes(std::span(payload)), mask);
}

bool is_close_code(std::uint16_t code) noexcept {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

bool is_utf8(std::span<const std::byte> text) noexcept {
    constexpr std::uint64_t high_bits = 0x8080'8080'8080'8080;
    std::string_view rest(reinterpret_cast<const char*>(text.data()), text.size());
    while (!rest.empty()) {
        std::uint64_t word = high_bits;
        if (rest.size() >= 8) std::memcpy(&word, rest.data(), 8);
        const std::size_t step = word & high_bits ? utf8_length(rest) : 8;
        if (step == 0) return false;
        rest.remove_prefix(step);
    }
    return true;
}

}  // namespace weir::ws
