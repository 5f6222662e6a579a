#pragma once
// For the tests of this folder: a keeper on a forgetting disk, fed with units whose every byte is known.
#include <gtest/gtest.h>

#include "base/log.h"
#include "forgetting_fs.h"
#include "media_items.h"
#include "store/keeper.h"
#include "store/recovery.h"
#include "store/verify.h"
#include "temp_folder.h"

namespace weir::store {

using weir::test::ForgettingFs;
using weir::test::ts_bytes;

struct Rig {
    Rig() {
        log::Settings quiet;
        quiet.level = log::Level::fatal;
        log::configure(quiet);
        new_gate();
    }
    void new_gate() { gate = std::make_shared<SpaceGate>(fs, dir.path(), SpaceGate::Settings{}); }

    [[nodiscard]] Moment now() const {
        return {SteadyTime(time),
                from_unix_millis(1'763'700'000'000) + std::chrono::duration_cast<WallTime::duration>(time)};
    }
    Result<> open(std::string name = "N.mp4") {
        RecordingPlan plan{dir / name, "hls", "src", name_data};
        plan.remux = remux;
        auto made = Keeper::create(fs, gate, plan, now().wall);
        if (!made) return made.error();
        keeper = std::move(*made);
        begin_lanes();
        return {};
    }
    void begin_lanes() {
        for (std::uint16_t lane = 0; lane < lanes; ++lane)
            keeper->take(std::vector<Item>{weir::test::init_of(container, lane)}, now());
    }
    Result<> resume(std::string name = "N") {
        auto made = Keeper::resume(fs, gate, dir / (name + ".weir.jsonl"), now().wall);
        if (!made) return made.error();
        keeper = std::move(*made);
        begin_lanes();
        return {};
    }
    void take(std::vector<Item> items) {  // a part each, as the recording hands them on
        std::vector<Item> part;
        for (auto& i : items) {
            const bool chunk = std::holds_alternative<Chunk>(i);
            part.push_back(std::move(i));
            if (chunk) keeper->take(std::exchange(part, {}), now());
        }
        if (!part.empty()) keeper->take(part, now());
    }
    static Micros dts_of(std::uint64_t unit) { return Micros{250'000} * static_cast<std::int64_t>(unit); }
    [[nodiscard]] static weir::test::UnitShape shape(Container c = Container::ts, std::uint16_t lane = 0) {
        return {24, 8, Micros{250'000}, 0, c, lane};
    }
    static std::vector<Item> items_of(std::uint64_t unit) {
        return weir::test::unit_items(unit, dts_of(unit), shape());
    }
    static std::string bytes_of(std::uint64_t unit) { return weir::test::unit_bytes(unit, shape()); }
    [[nodiscard]] std::vector<Item> items_in(std::uint16_t lane, std::uint64_t unit) const {
        return weir::test::unit_items(unit, dts_of(unit), shape(container, lane));
    }
    [[nodiscard]] std::string bytes_in(std::uint16_t lane, std::uint64_t unit) const {
        return weir::test::unit_bytes(unit, shape(container, lane));
    }
    [[nodiscard]] std::string bytes_in(std::uint16_t lane, std::uint64_t first, std::uint64_t last) const {
        std::string all;
        for (auto u = first; u <= last; ++u) all += bytes_in(lane, u);
        return all;
    }
    /// Units first to last of all lanes, a quarter of a second each, with a sync round each second.
    void record(std::uint64_t first, std::uint64_t last) {
        for (auto u = first; u <= last && !fs.is_off(); ++u) {
            for (std::uint16_t lane = 0; lane < lanes; ++lane) take(items_in(lane, u));
            if (u % 4 == 0) second();
        }
    }
    /// The first chunks of a unit, and no end of it.
    void record_beginning(std::uint64_t unit, std::uint16_t lane = 0, std::size_t chunks = 2) {
        auto items = items_in(lane, unit);
        items.resize(1 + chunks);
        take(std::move(items));
    }
    /// The whole of it, closed and let go of.
    void record_and_close(std::uint64_t first, std::uint64_t last) {
        ASSERT_TRUE(open());
        record(first, last);
        ASSERT_TRUE(keeper->close(now()));
        keeper.reset();
    }
    void second() {
        time += Micros{1'000'000};
        keeper->round(now());
    }
    static Item gap(std::uint64_t first, std::uint64_t last, std::string why = "left the window",
                    std::uint16_t lane = 0) {
        Gap g;
        g.lane = lane;
        g.first_unit = first;
        g.last_unit = last;
        g.from = dts_of(first);
        g.to = dts_of(last + 1);
        g.why = std::move(why);
        return g;
    }
    [[nodiscard]] Path journal(std::string name = "N") const { return dir / (name + ".weir.jsonl"); }
    Book book(std::string name = "N") {
        auto file = fs.open(journal(name), false);
        EXPECT_TRUE(file);
        auto loaded = load_book(**file);
        EXPECT_TRUE(loaded);
        EXPECT_FALSE(loaded->scan.damage) << loaded->scan.damage->text();
        return std::move(loaded->book);
    }
    Verdict verify(std::string name = "N.weir.jsonl") { return verify_blocking(real_file_system(), dir / name); }
    [[nodiscard]] Path raw_path(std::uint32_t f) const { return dir / fmt::format("N.{}{}", f, ending_of(container)); }
    std::string raw(std::uint32_t f) const { return weir::test::read_file(raw_path(f)); }
    /// As a kill in the middle of a write leaves it.
    void cut_raw(std::uint32_t f, std::uint64_t size) {
        auto file = fs.open(raw_path(f), true);
        ASSERT_TRUE(file);
        ASSERT_TRUE((*file)->truncate(size));
    }
    /// What the journal says is there, in order, is byte for byte what was handed out. Returns the whole units of a lane.
    std::vector<std::uint64_t> check_bytes(std::uint16_t lane = 0) {
        std::vector<std::uint64_t> units;
        const auto b = book();
        for (const auto& p : b.pieces) {
            if (!p.counts() || p.lane != lane) continue;
            const auto* file = b.raw(p.f);
            EXPECT_NE(file, nullptr);
            const auto content = weir::test::read_file(dir / file->path);
            EXPECT_LE(p.end(), content.size());
            if (p.end() > content.size()) continue;
            if (p.kind == Piece::Kind::header) {
                EXPECT_EQ(p.off, 0u);
                EXPECT_EQ(content.substr(0, p.n), weir::test::header_bytes(container));
                continue;
            }
            EXPECT_TRUE(content.substr(p.off, p.n) == bytes_in(lane, p.u).substr(0, p.n)) << "unit " << p.u;
            if (p.kind == Piece::Kind::unit) {
                EXPECT_EQ(p.n, bytes_in(lane, p.u).size());
                units.push_back(p.u);
            }
        }
        return units;
    }

    Container container = Container::ts;
    std::uint16_t lanes = 1;
    bool remux = true;
    std::map<std::string, std::string> name_data{{"title", "a title"}};
    weir::test::TempFolder dir;
    ForgettingFs fs;
    std::shared_ptr<SpaceGate> gate;
    std::unique_ptr<Keeper> keeper;
    Micros time{100'000'000};
};

inline std::string text_of(const Verdict& v) {
    return verdict_text(v);
}

}  // namespace weir::store
