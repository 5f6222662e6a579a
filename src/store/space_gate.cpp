#include "store/space_gate.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/log.h"
#include "runtime/file_lane.h"

namespace weir::store {

SpaceGate::SpaceGate(FileSystem& fs, Path folder, Settings settings)
    : fs_(fs), folder_(std::move(folder)), settings_(settings) {}

std::shared_ptr<SpaceGate> SpaceGate::of(FileLane& lane, const Path& folder) {
    static std::mutex mutex;
    static std::map<FileLane*, std::weak_ptr<SpaceGate>> gates;
    const std::lock_guard lock(mutex);
    std::erase_if(gates, [](const auto& entry) { return entry.second.expired(); });
    auto gate = gates[&lane].lock();
    if (!gate) {
        gate = std::make_shared<SpaceGate>(lane.fs(), folder, Settings{});
        gates[&lane] = gate;
    }
    return gate;
}

void SpaceGate::close(const Error& why) {
    const std::lock_guard lock(mutex_);
    close_locked(why.text());
}

void SpaceGate::close_locked(const std::string& why) {
    if (!open_.exchange(false)) return;
    ++alarms_;
    const auto space = fs_.space(folder_);
    WEIR_LOG(error, "cannot write recordings: media is dropped and listed until it works again",
             {"folder", folder_.string()}, {"free", space ? size_text(space->free) : "unknown"}, {"error", why});
}

void SpaceGate::look(const Space* space, std::uint64_t reserve) {
    unlooked_ = 0;
    look_after_ = reserve / 4;
    if (space && space->free < reserve)
        close_locked(fmt::format("{} free, {} are kept in reserve", size_text(space->free), size_text(reserve)));
}

void SpaceGate::wrote(std::uint64_t bytes) {
    if (unlooked_.fetch_add(bytes) + bytes < look_after_ || !open()) return;
    const std::lock_guard lock(mutex_);
    const auto space = fs_.space(folder_);
    look(space ? &*space : nullptr, space ? std::min(settings_.reserve, space->total / 8) : 0);
}

void SpaceGate::check(SteadyTime now) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || now < next_) return;
    next_ = now + settings_.check_every;
    const auto space = fs_.space(folder_);
    const auto reserve = space ? std::min(settings_.reserve, space->total / 8) : 0;
    if (open()) return look(space ? &*space : nullptr, reserve);
    if (!space || space->free < reserve + reserve / 2) return;
    if (auto r = probe(); !r) return;
    open_ = true;
    WEIR_LOG(info, "recordings can be written again", {"folder", folder_.string()}, {"free", size_text(space->free)});
}

Result<> SpaceGate::probe() {
    const auto path = folder_ / fmt::format(".weir-probe-{}.tmp", ::getpid());
    auto file = fs_.create(path);
    if (!file && file.error().code == Errc::busy) {  // ours, from a probe that could not clean up
        if (auto r = fs_.remove(path); !r) return r;
        file = fs_.create(path);
    }
    if (!file) return file.error();
    const Bytes block = Bytes::copy_of(std::string(64u << 10, '\0'));
    auto wrote = (*file)->append(std::span(&block, 1));
    if (wrote) wrote = (*file)->sync();
    file->reset();
    auto removed = fs_.remove(path);
    return wrote ? removed : wrote;
}

}  // namespace weir::store
