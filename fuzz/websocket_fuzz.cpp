// Frames of both roles and both sides of the opening handshake, whole and cut in pieces: both ways must come to the same.
// The first byte chooses what is read, the second the piece size.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proto/websocket/frame.h"
#include "proto/websocket/handshake.h"

namespace {

using namespace weir;
using Input = std::span<const std::byte>;

void must(bool good) {
    if (!good) std::abort();
}

constexpr ws::Limits limits{4096, 16, 8};

struct Heard {
    std::vector<ws::Event> events;
    std::string error;
    std::uint16_t code = 0;
};

bool same(const ws::Event& a, const ws::Event& b) {
    return a.kind == b.kind && a.text == b.text && a.code == b.code && a.payload.text() == b.payload.text();
}

Heard decode(ws::Role role, Input in, std::size_t piece) {
    Heard out;
    ws::Decoder decoder(role, limits);
    std::size_t fed = 0;
    while (fed < in.size()) {
        const auto part = in.subspan(fed, std::min(piece, in.size() - fed));
        fed += part.size();
        const auto taken = decoder.feed(part, out.events);
        must(decoder.held_bytes() <= 2 * fed);
        if (taken) continue;
        out.error = taken.error().what;
        const auto before = out.events.size();
        must(!decoder.feed(part, out.events) && out.events.size() == before && decoder.held_bytes() == 0);
        break;
    }
    out.code = decoder.close_code();
    must((out.code == 0) == out.error.empty());
    return out;
}

/// What was heard, said again by the other side's rules, is heard the same.
void check_said_again(ws::Role role, const Heard& heard) {
    constexpr std::array key{std::byte{1}, std::byte{0x80}, std::byte{0}, std::byte{0xff}};
    std::optional<std::array<std::byte, 4>> mask;
    if (role == ws::Role::server) mask = key;
    std::string again;
    for (const auto& e : heard.events) {
        must(e.payload.size() <= limits.max_message);
        using Kind = ws::Event::Kind;
        Bytes frame;
        if (e.kind == Kind::message)
            frame = ws::make_frame(e.text ? ws::Opcode::text : ws::Opcode::binary, e.payload.view(), mask);
        else if (e.kind == Kind::close)
            frame = ws::make_close(e.code, e.payload.text(), mask);
        else
            frame = ws::make_frame(e.kind == Kind::ping ? ws::Opcode::ping : ws::Opcode::pong, e.payload.view(), mask);
        again += frame.text();
    }
    const auto other = decode(role, std::as_bytes(std::span(again)), std::max<std::size_t>(again.size(), 1));
    must(other.error.empty());
    must(std::equal(heard.events.begin(), heard.events.end(), other.events.begin(), other.events.end(), same));
}

void frames(ws::Role role, Input in, std::size_t piece) {
    const auto whole = decode(role, in, std::max<std::size_t>(in.size(), 1)), cut = decode(role, in, piece);
    must(whole.error == cut.error && whole.code == cut.code);
    must(std::equal(whole.events.begin(), whole.events.end(), cut.events.begin(), cut.events.end(), same));
    check_said_again(role, whole);
}

struct Shaken {
    int status = 0;
    std::string error, protocol;
    ws::Headers headers;
    std::size_t consumed = 0;
    bool operator==(const Shaken&) const = default;
};

Shaken shake(Input in, std::size_t piece) {
    std::array<std::byte, 16> nonce;
    std::copy_n(std::as_bytes(std::span(std::string_view("the sample nonce"))).begin(), 16, nonce.begin());
    ws::ClientHandshake client({"host", "/", {}, {"chat", "null"}}, nonce);
    Shaken out;
    while (out.consumed < in.size()) {
        const auto part = in.subspan(out.consumed, std::min(piece, in.size() - out.consumed));
        std::size_t used = 0;
        auto answer = client.feed(part, used);
        out.consumed += used;
        must(out.consumed <= 8193);
        if (!answer) {
            out.error = answer.error().what;
            break;
        }
        must(used == part.size() || *answer);
        if (!*answer) continue;
        out.status = (**answer).status;
        out.protocol = (**answer).protocol;
        out.headers = (**answer).headers;
        must(out.status >= 101 && out.status <= 599 && out.headers.size() <= 100);
        break;
    }
    return out;
}

/// Lines of "name: value" as the HTTP server hands them over.
void upgrade(Input in) {
    std::string_view rest(reinterpret_cast<const char*>(in.data()), in.size());
    ws::Headers headers;
    while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto colon = std::min(line.find(": "), line.size());
        headers.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
    }
    const auto offer = ws::read_upgrade("GET", headers);
    if (!offer) {
        const int status = offer.error().status;
        must(status == 400 || status == 426 || status == 431);
        return;
    }
    must(offer->key.size() == 24 && offer->protocols.size() <= 32);
    const auto answer = ws::accept_answer(*offer, offer->protocols.empty() ? "" : offer->protocols.front());
    must(std::count(answer.begin(), answer.end(), '\n') == (offer->protocols.empty() ? 5 : 6));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto in = std::as_bytes(std::span(data + 2, size - 2));
    const std::size_t piece = std::size_t{1} + data[1];
    switch (data[0] & 3) {
        case 0:
            frames(ws::Role::server, in, piece);
            break;
        case 1:
            frames(ws::Role::client, in, piece);
            break;
        case 2:
            must(shake(in, std::max<std::size_t>(in.size(), 1)) == shake(in, piece));
            break;
        default:
            upgrade(in);
    }
    return 0;
}
