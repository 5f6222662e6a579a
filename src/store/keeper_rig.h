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
        RecordingPlan plan{dir / name, "hls", "src", {{"title", "a title"}}};
        auto made = Keeper::create(fs, gate, plan, now().wall);
        if (!made) return made.error();
        keeper = std::move(*made);
        keeper->take(std::vector<Item>{weir::test::ts_init()}, now());
        return {};
    }
    Result<> resume(std::string name = "N") {
        auto made = Keeper::resume(fs, gate, dir / (name + ".weir.jsonl"), now().wall);
        if (!made) return made.error();
        keeper = std::move(*made);
        keeper->take(std::vector<Item>{weir::test::ts_init()}, now());
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
    static std::vector<Item> items_of(std::uint64_t unit) {
        return weir::test::unit_items(unit, dts_of(unit), {24, 8, Micros{250'000}, 0});
    }
    static std::string bytes_of(std::uint64_t unit) { return ts_bytes(unit, 24); }
    /// Units first to last, a quarter of a second each, with a sync round each second.
    void record(std::uint64_t first, std::uint64_t last) {
        for (auto u = first; u <= last && !fs.is_off(); ++u) {
            take(items_of(u));
            if (u % 4 == 0) second();
        }
    }
    void second() {
        time += Micros{1'000'000};
        keeper->round(now());
    }
    static Item gap(std::uint64_t first, std::uint64_t last, std::string why = "left the window") {
        Gap g;
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
    std::string raw(std::uint32_t f) const { return weir::test::read_file(dir / fmt::format("N.{}.ts", f)); }
    /// What the journal says is there, in order, is byte for byte what was handed out. Returns the whole units.
    std::vector<std::uint64_t> check_bytes() {
        std::vector<std::uint64_t> units;
        const auto b = book();
        for (const auto& p : b.pieces) {
            if (!p.counts()) continue;
            const auto* file = b.raw(p.f);
            EXPECT_NE(file, nullptr);
            const auto content = weir::test::read_file(dir / file->path);
            EXPECT_LE(p.end(), content.size());
            if (p.end() > content.size()) continue;
            EXPECT_TRUE(content.substr(p.off, p.n) == bytes_of(p.u).substr(0, p.n)) << "unit " << p.u;
            if (p.kind == Piece::Kind::unit) {
                EXPECT_EQ(p.n, bytes_of(p.u).size());
                units.push_back(p.u);
            }
        }
        return units;
    }

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
