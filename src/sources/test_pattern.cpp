#include "sources/test_pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "base/log.h"
#include "proto/ts/cutter.h"
#include "proto/ts/ts_restamp.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

Micros micros_of(std::int64_t ticks) {
    return Micros(ticks * 100 / 9);
}

}  // namespace

struct TestPattern::State {
    Clock& clock;
    Bytes file;
    Settings settings;
    ts::LoopMap map;
    std::vector<std::size_t> pieces = {};  ///< indices into map.steps where a piece begins

    /// A piece begins at every random-access point, and where the one before has `step` of media.
    void divide() {
        const auto& steps = map.steps;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const bool due =
                pieces.empty() || steps[i].rap || micros_of(steps[i].time - steps[pieces.back()].time) >= settings.step;
            if (due) pieces.push_back(i);
        }
    }
    [[nodiscard]] std::span<const std::byte> piece(std::size_t index) const {
        const auto from = map.steps[pieces[index]].offset;
        const auto to = index + 1 < pieces.size() ? map.steps[pieces[index + 1]].offset : file.size();
        return file.view().subspan(from, to - from);
    }
};

TestPattern::TestPattern(std::unique_ptr<State> state) : state_(std::move(state)) {}
TestPattern::~TestPattern() = default;

Result<std::unique_ptr<TestPattern>> TestPattern::create(Clock& clock, Bytes file, Settings settings) {
    auto map = ts::map_loop(file.view());
    if (!map) return within("test pattern", map.error());
    if (auto trimmed = ts::trim_loop(file.view(), map->period); trimmed.size() != file.size()) {
        file = Bytes::copy_of(std::span<const std::byte>(trimmed));
        map = ts::map_loop(file.view());
        if (!map) return within("test pattern", map.error());
    }
    auto state = std::make_unique<State>(State{clock, std::move(file), settings, std::move(*map)});
    state->divide();
    return std::unique_ptr<TestPattern>(new TestPattern(std::move(state)));
}

Task<Result<End>> TestPattern::run(ItemSink& sink, Demand& demand) {
    auto& s = *state_;
    ts::Restamper restamper;
    ts::Cutter cutter;
    std::vector<Item> items;
    const auto start = s.clock.now() - s.settings.preroll;
    End end{EndReason::stopped, ""};
    bool over = false;
    for (std::int64_t shift = 0; !over; shift += s.map.period) {
        restamper.set_shift(shift);
        for (std::size_t i = 0; i < s.pieces.size() && !over; ++i) {
            const auto time = micros_of(shift + s.map.steps[s.pieces[i]].time);
            if (s.settings.duration.count() > 0 && time >= s.settings.duration) {
                end = {EndReason::duration, ""};
                over = true;
                break;
            }
            // A piece exists once its last picture was shown, as with a real encoder: so its time is its end.
            const auto next = i + 1 < s.pieces.size() ? s.map.steps[s.pieces[i + 1]].time : s.map.period;
            const auto due = start + micros_of(shift + next);
            bool came = true;
            if (due > s.clock.now()) came = co_await s.clock.sleep_until(due);
            if (!came) over = true;
            if (over || demand.stop.asked()) {
                over = true;
                break;
            }
            const auto piece = s.piece(i);
            Buffer buffer(piece.size());
            std::copy(piece.begin(), piece.end(), buffer.spare().begin());
            auto changed = restamper.restamp(buffer.spare());
            buffer.commit(piece.size());
            if (!changed) co_return within("test pattern", changed.error());
            items.clear();
            if (auto r = cutter.feed(buffer.all(), due, items); !r) co_return within("test pattern", r.error());
            if (items.empty()) continue;
            if (auto r = co_await sink.accept(items); !r) co_return r.error();
        }
    }
    if (end.reason == EndReason::stopped) end.why = demand.stop.reason();
    items.clear();
    if (auto r = cutter.end_unit(items); r && !items.empty()) {
        if (auto taken = co_await sink.accept(items); !taken) co_return taken.error();
    }
    co_return end;
}

namespace {

Result<Bytes> read_whole(FileSystem& fs, const Path& path) {
    auto file = fs.open(path, false);
    if (!file) return file.error();
    auto size = (*file)->size();
    if (!size) return size.error();
    Buffer buffer(static_cast<std::size_t>(*size));
    while (buffer.room() > 0) {
        auto got = (*file)->pread(buffer.size(), buffer.spare());
        if (!got) return got.error();
        if (*got == 0) return Error{Errc::io, "the file became shorter", "read"};
        buffer.commit(*got);
    }
    return buffer.all();
}

/// Moves a finished pattern into place; another process may have been first, with the same content.
Result<> keep(FileSystem& fs, const Path& made, const Path& path) {
    auto renamed = fs.rename(made, path);
    if (renamed) return renamed;
    if (renamed.error().code != Errc::busy) return renamed;
    return fs.remove(made);
}

}  // namespace

Task<Result<Bytes>> load_pattern(FileLane& lane, Path folder, media::PatternPlan plan) {
    co_await errors_not_throws();
    const auto name = fmt::format("pattern-1-{}x{}-{}fps-{}s-gop{}-{}.ts", plan.width, plan.height, plan.fps,
                                  plan.seconds, plan.gop, plan.bitrate);
    auto& fs = lane.fs();
    auto strand = lane.strand();
    const auto path = folder / name;
    const auto content = std::make_shared<Bytes>();
    const std::function<Result<>()> read = [&fs, path, content]() -> Result<> {
        auto bytes = read_whole(fs, path);
        if (!bytes) return bytes.error();
        *content = std::move(*bytes);
        return {};
    };
    auto found = co_await lane.run(strand, read);
    if (found) co_return *content;
    if (found.error().code != Errc::not_found) co_return within("pattern cache", found.error());

    const std::function<Result<>()> prepare = [&fs, folder] { return fs.make_folders(folder); };
    if (auto r = co_await lane.run(strand, prepare); !r) co_return within("pattern cache", r.error());
    const auto made = folder / fmt::format("{}.{}.part", name, new_ulid());
    plan.output = made.string();
    WEIR_LOG(info, "making the test pattern, once", {"file", path.string()});
    const auto here = co_await asio::this_coro::executor;
    auto encoded = co_await media::make_pattern(here, plan);
    const std::function<Result<>()> settle = [&fs, made, path, good = encoded.has_value()]() -> Result<> {
        if (good) return keep(fs, made, path);
        if (auto r = fs.remove(made); !r && r.error().code != Errc::not_found) return r;
        return {};
    };
    auto settled = co_await lane.run(strand, settle);
    if (!encoded) co_return within("pattern", encoded.error());
    if (!settled) co_return within("pattern cache", settled.error());
    auto again = co_await lane.run(strand, read);
    if (!again) co_return within("pattern cache", again.error());
    co_return *content;
}

}  // namespace weir
