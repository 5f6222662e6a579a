#include "telemetry/profiles/memory_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace weir::telemetry {

Result<MemoryFile> MemoryFile::create(const char* name) {
    const int fd = ::memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) return from_errno(errno, "memory file");
    return MemoryFile(fd);
}

MemoryFile::MemoryFile(MemoryFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

MemoryFile& MemoryFile::operator=(MemoryFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

MemoryFile::~MemoryFile() {
    if (fd_ >= 0) ::close(fd_);
}

std::string MemoryFile::path() const {
    return fmt::format("/proc/self/fd/{}", fd_);
}

Result<std::string> MemoryFile::read(std::size_t most) const {
    struct stat about {};
    if (::fstat(fd_, &about) != 0) return from_errno(errno, "memory file");
    const auto size = static_cast<std::size_t>(about.st_size);
    if (size > most) return Error{Errc::bad_input, fmt::format("a profile of {} bytes", size)};
    std::string out(size, '\0');
    for (std::size_t had = 0; had < size;) {
        const auto got = ::pread(fd_, out.data() + had, size - had, static_cast<off_t>(had));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return from_errno(errno, "memory file");
        if (got == 0) out.resize(had), had = size;
        if (got > 0) had += static_cast<std::size_t>(got);
    }
    return out;
}

}  // namespace weir::telemetry
