#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/item.h"

namespace weir::relay {

/// What of a topic goes into one recording, and at which time in it.
///
/// media     transport streams of all lanes; messages are left out. A publisher's own time begins anew when it connects: its first
///           picture is placed by when it came, and never before what its lane holds already, so lanes of different publishers
///           fit together, a reconnect goes on, and a pause of all stays as long as it was
/// verbatim  every byte in the order it came, on one lane: for messages, and for names like "x.bin"
/// lanes     that are closed only end; their next Init is a new stretch
/// threads   one owner; pure
class RecordingItems {
public:
    enum class Take : std::uint8_t { whatever, media, verbatim };  ///< whatever: the first chunk decides
    explicit RecordingItems(Take take) : take_(take) {}
    void take(const Item& item, std::vector<Item>& out);
    [[nodiscard]] Take what() const noexcept { return take_; }
    [[nodiscard]] bool text() const noexcept { return text_; }  ///< verbatim: the first message was text
    [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }  ///< messages

private:
    struct Lane {
        bool media = false, placed = false, may_jump = false;
        std::uint32_t origin = 0;
        Micros add{0};               ///< recording's time minus the publisher's
        std::optional<Micros> last;  ///< in the recording's time
    };
    void on_init(const InitPtr& init, std::vector<Item>& out);
    void on_chunk(const Chunk& chunk, std::vector<Item>& out);
    void on_gap(Gap gap, std::vector<Item>& out);
    void verbatim(const Chunk& chunk, std::vector<Item>& out);
    void place(Lane& lane, const Chunk& chunk);
    [[nodiscard]] bool any_media() const;

    Take take_;
    std::map<std::uint16_t, Lane> lanes_;
    std::optional<SteadyTime> began_;
    bool announced_ = false, text_ = false;
    std::uint64_t left_out_ = 0;
};

}  // namespace weir::relay
