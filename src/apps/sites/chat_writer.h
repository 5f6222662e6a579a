#pragma once
#include <memory>
#include <string>

#include "runtime/file_lane.h"

namespace weir::sites {

/// A file of lines that grows while a live is recorded: chat. Every line that returned from close() or a sync round is on the disk.
/// limits   8 MiB wait in memory; beyond, lines are dropped, counted and told once
/// threads  one shard; file work on the lane
class ChatWriter {
public:
    /// `path` is created by the first line or by close(), never overwritten: an existing one (of the recording that goes on) is
    /// appended to when `append`.
    ChatWriter(FileLane& lane, Path path, bool append);
    ~ChatWriter();
    void write(std::string line);  ///< at once; without its line end
    /// Everything is written and synced. Errors: io, no_space, denied; what was written stays.
    Task<Result<>> close();
    [[nodiscard]] std::uint64_t lines() const noexcept;
    [[nodiscard]] std::uint64_t dropped() const noexcept;

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
