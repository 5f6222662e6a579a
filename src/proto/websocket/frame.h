#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "proto/websocket/budget.h"

/// The websocket protocol without sockets and clocks. No extensions are ever negotiated, so RSV bits are errors.
/// source  RFC 6455
namespace weir::ws {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
enum class Role : std::uint8_t { server, client };  ///< who we are: a server's peer masks, a client's does not

struct Limits {
    std::uint64_t max_message = 10u << 20;  ///< payload of one message, all fragments together (VW-45)
    std::uint32_t max_fragments = 4096;     ///< frames of one message, empty ones too (reliability.md lessons 27, 31)
    std::uint32_t max_control_run = 1024;  ///< control frames inside one unfinished message; outside they leave nothing
};

/// Something whole that came in.
struct Event {
    enum class Kind : std::uint8_t { message, ping, pong, close } kind = Kind::message;
    bool text = false;          ///< message: its kind
    std::uint16_t code = 1005;  ///< close: 1005 when none was sent
    Bytes payload = {};         ///< message, ping, pong; close: the reason
};

/// Bytes of one direction, in any pieces, to messages and control frames.
/// in        any cut of the byte stream; all of it is consumed, or the decoder has failed for good
/// limits    checked on the frame head, before anything is allocated: 63-bit length (lesson 25), control frames of at most
///           125 bytes and whole (26), fragments and their bookkeeping (27, 31). What an unfinished message holds grows with
///           the bytes received, never with the length promised
/// errors    bad_input, and the same again for ever; close_code() says what to answer: 1002 protocol, 1007 text that is no
///           UTF-8, 1008 too many control frames, 1009 too big or too many fragments, 1013 the budget that it shares with others
///           is used up; `what` is fit for a close reason
/// end       what follows a close frame is not looked at
/// cost      a message that lies whole in one piece is unmasked in one copy; nothing is zero-filled
/// threads   one owner; pure
class Decoder {
public:
    /// `budget` outlives it; none: only the limits hold.
    explicit Decoder(Role role, Limits limits = {}, Budget* budget = nullptr);
    Result<> feed(std::span<const std::byte> in, std::vector<Event>& out);
    [[nodiscard]] std::uint16_t close_code() const noexcept { return close_code_; }
    [[nodiscard]] std::size_t held_bytes() const noexcept;  ///< memory that unfinished frames and messages take

private:
    [[nodiscard]] Error fail(std::uint16_t code, std::string what);
    Result<> on_head();
    Result<> check_start(std::uint8_t first, std::uint8_t second);
    void take_whole(std::span<const std::byte> part);
    Result<> take_part(std::span<const std::byte> part);
    Result<> on_control(std::vector<Event>& out);
    Result<> on_data(std::vector<Event>& out);

    Role role_;
    Limits limits_;
    std::uint16_t close_code_ = 0;
    std::optional<Error> failed_;
    std::array<std::byte, 14> head_{};
    std::size_t head_have_ = 0, head_need_ = 2;
    bool in_payload_ = false, fin_ = false, closed_ = false;
    Opcode opcode_ = Opcode::continuation;
    std::optional<Opcode> message_;  ///< the kind of the message under way
    std::uint64_t left_ = 0, frame_length_ = 0;
    std::array<std::byte, 4> key_{};
    std::uint32_t fragments_ = 0, controls_ = 0;
    std::vector<std::byte> control_, body_;
    BudgetShare share_;           ///< of body_
    std::optional<Bytes> whole_;  ///< a message that came in one piece
};

/// Writes the head of a frame; returns its length (2 to 14 bytes).
std::size_t write_head(std::span<std::byte, 14> into, Opcode opcode, std::uint64_t length,
                       std::optional<std::array<std::byte, 4>> mask = {}, bool fin = true) noexcept;
/// Masks or unmasks in place; `at` is the place of the first byte in the frame's payload.
void apply_mask(std::span<std::byte> bytes, std::array<std::byte, 4> key, std::uint64_t at = 0) noexcept;
/// One whole frame in one piece, as a server sends it; with a key, as a client does.
[[nodiscard]] Bytes make_frame(Opcode opcode, std::span<const std::byte> payload,
                               std::optional<std::array<std::byte, 4>> mask = {});
/// `reason` is cut to what a control frame holds, at a border of UTF-8.
[[nodiscard]] Bytes make_close(std::uint16_t code, std::string_view reason,
                               std::optional<std::array<std::byte, 4>> mask = {});
/// May stand in a close frame that came in (RFC 6455 7.4).
[[nodiscard]] bool is_close_code(std::uint16_t code) noexcept;
/// Is it UTF-8 (RFC 3629: no surrogates, no overlong forms)?
[[nodiscard]] bool is_utf8(std::span<const std::byte> text) noexcept;

}  // namespace weir::ws
