#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/clock.h"
#include "runtime/file_lane.h"

namespace weir::sites {

/// A file of lines that grows while a live is recorded: chat. Every line that returned from close() or a sync round is on the disk.
///
/// rounds   at once for a first line, then one a second while there is something to write; what a round could not write is kept
///          and written by a later one
/// limits   8 MiB wait in memory; beyond, lines are dropped, counted and told once
/// threads  one shard; file work on the lane
class ChatWriter {
public:
    /// `path` is created by the first line or by close(), never overwritten: an existing one (of the recording that goes on) is
    /// appended to when `append`; a torn last line in it goes.
    ChatWriter(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path path, bool append);
    ~ChatWriter();                 ///< close() was awaited, when there was a line
    void write(std::string line);  ///< at once; without its line end
    /// Everything is written and synced; the file is there, be it empty (FC2-51). Errors: busy: the name is taken; io, no_space,
    /// denied; what was written stays.
    Task<Result<>> close();
    [[nodiscard]] std::uint64_t lines() const noexcept;
    [[nodiscard]] std::uint64_t dropped() const noexcept;

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
