#pragma once
// Helpers of core's tests: items by hand, and a stream on a context that runs only when told.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "core/stream.h"

namespace weir::test {

inline Item init(std::uint32_t epoch = 1, std::uint16_t lane = 0) {
    auto made = std::make_shared<Init>();
    made->epoch = epoch;
    made->lane = lane;
    made->format.container = Container::ts;
    made->tracks.push_back({.id = 0x100, .kind = TrackKind::video, .codec = "h264"});
    made->header = Bytes::copy_of("init" + std::to_string(epoch));
    return InitPtr(std::move(made));
}

/// An Init of another kind: 'v' video, 'a' audio, 'b' a transport stream without tables, 'm' messages, 'x' closed.
inline Item init_of(char kind, std::uint16_t lane = 0, std::uint32_t epoch = 1) {
    auto made = std::make_shared<Init>(*std::get<InitPtr>(init(epoch, lane)));
    if (kind == 'a') made->tracks[0] = {.id = 0x101, .kind = TrackKind::audio, .codec = "aac"};
    if (kind == 'b' || kind == 'm' || kind == 'x') made->tracks.clear();
    if (kind == 'm') made->format.container = Container::opaque;
    made->closed = kind == 'x';
    return InitPtr(std::move(made));
}

/// `what`: r random-access point, b unit begin, e unit end.
inline Chunk chunk(const std::string& what = "", std::uint64_t unit = 0, std::size_t size = 100,
                   std::uint16_t lane = 0) {
    Chunk made;
    made.epoch = 1;
    made.lane = lane;
    made.rap = what.find('r') != what.npos;
    made.unit_begin = what.find('b') != what.npos;
    made.unit_end = what.find('e') != what.npos;
    made.unit = unit;
    made.bytes = Bytes::copy_of(std::string(size, 'x'));
    return made;
}

inline Gap gap(std::uint64_t first, std::uint64_t last, std::uint16_t lane = 0) {
    Gap made;
    made.lane = lane;
    made.first_unit = first;
    made.last_unit = last;
    made.why = "http 404";
    return made;
}

inline UnitInfo info(std::uint64_t unit, std::uint16_t lane = 0) {
    UnitInfo made;
    made.unit = unit;
    made.lane = lane;
    return made;
}

/// One line per item: "i1" Init of epoch 1, "x2" a closed one, "u7" UnitInfo, "c5/7" chunk 5 of unit 7, "g3-4" Gap, "d" Discontinuity,
/// "end".
inline std::string text(const Item& item) {
    if (const auto* i = std::get_if<InitPtr>(&item)) return ((*i)->closed ? "x" : "i") + std::to_string((*i)->epoch);
    if (const auto* u = std::get_if<UnitInfo>(&item)) return "u" + std::to_string(u->unit);
    if (const auto* c = std::get_if<Chunk>(&item))
        return "c" + std::to_string(c->seq) + (c->unit ? "/" + std::to_string(c->unit) : "");
    if (const auto* g = std::get_if<Gap>(&item))
        return "g" + std::to_string(g->first_unit) + "-" + std::to_string(g->last_unit);
    if (std::holds_alternative<Discontinuity>(item)) return "d";
    return "end";
}

/// All a reader has now, in one line.
inline std::string drain(Reader& reader) {
    std::string all;
    for (;;) {
        auto batch = reader.poll();
        if (!batch) return all + "lost";
        if ((*batch)->items.empty()) return all;
        for (const auto& item : (*batch)->items) all += text(*item) + " ";
    }
}

inline std::vector<std::shared_ptr<const Item>> take_all(Reader& reader) {
    std::vector<std::shared_ptr<const Item>> all;
    for (;;) {
        auto batch = reader.poll();
        if (!batch || (*batch)->items.empty()) return all;
        all.insert(all.end(), (*batch)->items.begin(), (*batch)->items.end());
    }
}

struct Bench {
    asio::io_context context{1};
    SimulatedClock clock{context.get_executor()};
    Stream::Settings settings{.name = "test"};
    std::unique_ptr<Stream> stream;

    Stream& open() {
        stream = Stream::create(context.get_executor(), clock, settings);
        return *stream;
    }
    [[nodiscard]] bool put(std::vector<Item> items) const { return stream->publish(items).has_value(); }
    void turn() {
        context.restart();
        context.run();
    }
};

}  // namespace weir::test
