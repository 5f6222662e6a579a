#pragma once
#include <string>

#include "base/error.h"

namespace weir::telemetry {

/// A file that profilers write by its name, and that is nowhere on a disk.
class MemoryFile {
public:
    static Result<MemoryFile> create(const char* name);
    MemoryFile(MemoryFile&& other) noexcept;
    MemoryFile& operator=(MemoryFile&& other) noexcept;
    ~MemoryFile();

    [[nodiscard]] std::string path() const;  ///< good in this process
    /// What was written. Errors: io, or bad_input above `most` bytes
    [[nodiscard]] Result<std::string> read(std::size_t most) const;

private:
    explicit MemoryFile(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace weir::telemetry
