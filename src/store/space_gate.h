#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "runtime/file_system.h"

namespace weir {
class FileLane;
}

namespace weir::store {

/// One gate per root folder: closed while media must not be written, because the disk is full, fails, or has less than
/// the reserve left that closing files and journals needs. One alarm when it closes, one line when it opens. threads
/// any
class SpaceGate {
public:
    struct Settings {
        std::uint64_t reserve = 32u << 20;  ///< never more than an eighth of the file system
        Millis check_every{1'000};
    };
    SpaceGate(FileSystem& fs, Path folder, Settings settings);
    /// The gate of everything that records through `lane`.
    static std::shared_ptr<SpaceGate> of(FileLane& lane, const Path& folder);

    [[nodiscard]] bool open() const noexcept { return open_.load(std::memory_order_relaxed); }
    /// A write failed so. The first caller's error is the alarm.
    void close(const Error& why);
    /// So much more was written: a burst must not use up the reserve between two checks. Blocks when it looks.
    void wrote(std::uint64_t bytes);
    /// Looks at the free space, and while closed tries a small write; blocks. Costs nothing before `check_every` is
    /// over.
    void check(SteadyTime now);
    [[nodiscard]] int alarms() const noexcept { return alarms_.load(); }

private:
    void look(const Space* space, std::uint64_t reserve);
    void close_locked(const std::string& why);
    Result<> probe();

    FileSystem& fs_;
    Path folder_;
    Settings settings_;
    std::mutex mutex_;
    std::atomic<bool> open_{true};
    std::atomic<int> alarms_{0};
    std::atomic<std::uint64_t> unlooked_{0}, look_after_{0};
    SteadyTime next_ = SteadyTime::min();
};

}  // namespace weir::store
