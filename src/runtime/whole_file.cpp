#include "runtime/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace weir {
namespace {

/// A descriptor that closes itself.
class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }

private:
    int fd_;
};

Result<> write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return from_errno(errno, "write");
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<> write_synced(const Path& path, std::string_view text) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.ok()) return from_errno(errno, "open");
    if (::fchmod(file.get(), 0600) != 0) return from_errno(errno, "chmod");
    if (auto r = write_all(file.get(), text); !r) return r;
    if (::fsync(file.get()) != 0) return from_errno(errno, "sync");
    return {};
}

Path beside_of(const Path& path) {
    auto beside = path;
    beside += ".new";
    return beside;
}

}  // namespace

Result<std::optional<std::string>> read_whole_file(const Path& path, std::size_t most) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.ok() && errno == ENOENT) return std::optional<std::string>();
    if (!file.ok()) return from_errno(errno, path.string());
    std::string text;
    for (;;) {
        char piece[16u << 10];
        const auto n = ::read(file.get(), piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return from_errno(errno, path.string());
        if (n == 0) return std::optional(std::move(text));
        text.append(piece, static_cast<std::size_t>(n));
        if (text.size() > most) return Error{Errc::bad_input, fmt::format("above {} bytes", most), path.string()};
    }
}

Result<> replace_file(const Path& path, std::string_view text) {
    const auto beside = beside_of(path);
    if (auto r = write_synced(beside, text); !r) {
        ::unlink(beside.c_str());
        return within(path.string(), r.error());
    }
    if (std::rename(beside.c_str(), path.c_str()) != 0) return from_errno(errno, path.string());
    const auto folder = path.has_parent_path() ? path.parent_path() : Path(".");
    const Descriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (at.ok()) (void)::fsync(at.get());  // some file systems know no sync of a folder
    return {};
}

Result<> try_to_replace_file(const Path& path) {
    std::error_code ec;
    if (std::filesystem::is_directory(path, ec)) return from_errno(EISDIR, path.string());
    const auto beside = beside_of(path);
    auto written = write_synced(beside, "");
    ::unlink(beside.c_str());
    if (!written) return within(path.string(), written.error());
    return {};
}

}  // namespace weir
