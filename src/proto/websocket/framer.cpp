#include "proto/websocket/framer.h"

#include <array>

#include "proto/websocket/frame.h"

namespace weir::ws {
namespace {

constexpr std::size_t arena_bytes = 64u << 10, large = 16u << 10;

class Framer final : public Transmuxer {
public:
    Result<> feed(const Item& item, std::vector<Item>& out) override {
        if (const auto* init = std::get_if<InitPtr>(&item)) {
            auto framed = std::make_shared<Init>(**init);
            framed->format.framing = Framing::websocket;
            if (!framed->header.empty()) framed->header = frame(Opcode::binary, framed->header.view());
            out.emplace_back(InitPtr(std::move(framed)));
        } else if (const auto* chunk = std::get_if<Chunk>(&item)) {
            Chunk framed = *chunk;
            framed.bytes = frame(chunk->text ? Opcode::text : Opcode::binary, chunk->bytes.view());
            out.emplace_back(std::move(framed));
        } else {
            out.push_back(item);
        }
        return {};
    }

private:
    Bytes frame(Opcode opcode, std::span<const std::byte> payload) {
        std::array<std::byte, 14> room;
        const auto head = std::span(room).first(write_head(room, opcode, payload.size()));
        const std::size_t whole = head.size() + payload.size();
        if (arena_.room() < whole) {
            if (whole > large) return make_frame(opcode, payload);
            arena_ = Buffer(arena_bytes);
        }
        const std::size_t from = arena_.size();
        arena_.append(head);
        arena_.append(payload);
        return arena_.slice(from, whole);
    }

    Buffer arena_;
};

}  // namespace

std::unique_ptr<Transmuxer> make_framer() {
    return std::make_unique<Framer>();
}

}  // namespace weir::ws
