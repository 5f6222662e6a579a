#include "runtime/file_system.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "runtime/failpoint.h"

namespace weir {

namespace {

Failpoint create_point("file.create"), write_point("file.write"), sync_point("file.sync"), rename_point("file.rename"),
    remove_point("file.remove");

template <class Call>
auto retried(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

Error exists_already(const Path& path, std::string_view step) {
    return Error{Errc::busy, fmt::format("'{}' already exists", path.string()), std::string(step)};
}

Error failed(int err, const char* step, const Path& path) {
    auto e = from_errno(err, step);
    e.what = fmt::format("'{}': {}", path.string(), e.what);
    return e;
}

Result<std::uint64_t> length_of(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return from_errno(errno, "stat");
    return static_cast<std::uint64_t>(st.st_size);
}

class RealFile final : public File {
public:
    RealFile(int fd, bool writable, std::uint64_t size) : fd_(fd), writable_(writable), size_(size) {}
    ~RealFile() override {
        // A child that is being started holds copies of our descriptors until it runs; closing ours alone would leave it the lock.
        if (locked_) (void)::flock(fd_, LOCK_UN);
        ::close(fd_);
    }
    RealFile(const RealFile&) = delete;

    Result<> append(std::span<const Bytes> parts) override {
        if (auto r = write_point.hit(); !r) return r.error();
        std::size_t next = 0, skip = 0;  // skip: bytes of parts[next] already written
        auto offset = size_;
        while (true) {
            std::array<iovec, 64> vectors;
            static_assert(std::tuple_size_v<decltype(vectors)> <= IOV_MAX);
            int count = 0;
            for (auto i = next; i < parts.size() && count < static_cast<int>(vectors.size()); ++i) {
                const auto from = i == next ? skip : 0;
                if (parts[i].size() == from) continue;
                // writev does not write through this pointer, but its type lacks the const
                vectors[static_cast<std::size_t>(count++)] = {const_cast<std::byte*>(parts[i].data() + from),
                                                              parts[i].size() - from};
            }
            if (count == 0) break;
            const auto wrote =
                retried([&] { return ::pwritev(fd_, vectors.data(), count, static_cast<off_t>(offset)); });
            if (wrote < 0) return from_errno(errno, "write");
            if (wrote == 0) return from_errno(EIO, "write");
            offset += static_cast<std::uint64_t>(wrote);
            for (auto left = static_cast<std::size_t>(wrote) + skip; next < parts.size(); ++next) {
                skip = left;
                if (left < parts[next].size()) break;
                left -= parts[next].size();
                skip = 0;
            }
        }
        size_ = offset;
        return {};
    }

    Result<> pwrite(std::uint64_t offset, std::span<const std::byte> bytes) override {
        if (auto r = write_point.hit(); !r) return r.error();
        while (!bytes.empty()) {
            const auto wrote =
                retried([&] { return ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
            if (wrote < 0) return from_errno(errno, "write");
            if (wrote == 0) return from_errno(EIO, "write");
            offset += static_cast<std::uint64_t>(wrote);
            bytes = bytes.subspan(static_cast<std::size_t>(wrote));
        }
        size_ = std::max(size_, offset);
        return {};
    }

    Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override {
        std::size_t total = 0;
        while (total < into.size()) {
            const auto got = retried([&] {
                return ::pread(fd_, into.data() + total, into.size() - total, static_cast<off_t>(offset + total));
            });
            if (got < 0) return from_errno(errno, "read");
            if (got == 0) break;
            total += static_cast<std::size_t>(got);
        }
        return total;
    }

    Result<> sync() override {
        if (auto r = sync_point.hit(); !r) return r.error();
        // No retry after a failure, not even of EINTR's kin: the kernel may have dropped the dirty pages.
        if (::fdatasync(fd_) != 0) return from_errno(errno, "sync");
        return {};
    }

    Result<> truncate(std::uint64_t size) override {
        if (retried([&] { return ::ftruncate(fd_, static_cast<off_t>(size)); }) != 0)
            return from_errno(errno, "truncate");
        size_ = size;
        return {};
    }

    Result<std::uint64_t> size() override {
        if (writable_) return size_;
        return length_of(fd_);  // somebody else may be writing it
    }

    Result<> lock() override {
        if (retried([&] { return ::flock(fd_, LOCK_EX | LOCK_NB); }) == 0) {
            locked_ = true;
            return {};
        }
        if (errno == EWOULDBLOCK) return Error{Errc::busy, "locked by another process", "lock"};
        return from_errno(errno, "lock");
    }

    [[nodiscard]] int descriptor() const noexcept override { return fd_; }

private:
    bool locked_ = false;
    const int fd_;
    const bool writable_;
    std::uint64_t size_;  ///< where the next append goes; a torn tail beyond it is overwritten
};

/// Moves where neither renameat2 nor hard links work (FAT, some network mounts): an empty place holder, made
/// exclusively, is then replaced by the ordinary rename.
Result<> rename_over_placeholder(const Path& from, const Path& to) {
    struct stat st {};
    if (::lstat(from.c_str(), &st) != 0) return failed(errno, "rename", from);
    const bool folder = S_ISDIR(st.st_mode);
    if (folder) {
        if (::mkdir(to.c_str(), 0755) != 0)
            return errno == EEXIST ? exists_already(to, "rename") : failed(errno, "rename", to);
    } else {
        const int fd = retried([&] { return ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644); });
        if (fd < 0) return errno == EEXIST ? exists_already(to, "rename") : failed(errno, "rename", to);
        ::close(fd);
    }
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    const int err = errno;
    if (folder)
        ::rmdir(to.c_str());
    else
        ::unlink(to.c_str());
    return failed(err, "rename", from);
}

Result<> rename_by_link(const Path& from, const Path& to) {
    if (::link(from.c_str(), to.c_str()) == 0) {
        if (::unlink(from.c_str()) == 0) return {};
        return failed(errno, "rename", from);
    }
    if (errno == EEXIST) return exists_already(to, "rename");
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
        return rename_over_placeholder(from, to);
    return failed(errno, "rename", from);
}

class RealFileSystem final : public FileSystem {
public:
    Result<std::unique_ptr<File>> create(const Path& path) override {
        if (auto r = create_point.hit(); !r) return r.error();
        const auto open_new = [&] {
            return retried([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644); });
        };
        int fd = open_new();
        if (fd < 0 && errno == ENOENT && path.has_parent_path()) {
            if (auto r = make_folders(path.parent_path()); !r) return r.error();
            fd = open_new();
        }
        if (fd >= 0) return std::unique_ptr<File>(std::make_unique<RealFile>(fd, true, 0));
        if (errno == EEXIST) return exists_already(path, "create");
        return failed(errno, "create", path);
    }

    Result<std::unique_ptr<File>> open(const Path& path, bool writable) override {
        const int fd = retried([&] { return ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC); });
        if (fd < 0) return failed(errno, "open", path);
        auto size = length_of(fd);
        if (!size) {
            ::close(fd);
            return size.error();
        }
        return std::unique_ptr<File>(std::make_unique<RealFile>(fd, writable, *size));
    }

    Result<> make_folders(const Path& path) override {
        Path made;
        for (const auto& part : path) {
            made /= part;
            if (::mkdir(made.c_str(), 0755) == 0 || errno == EEXIST) continue;
            const int err = errno;
            struct stat st {};  // a read-only parent says EROFS or EACCES even where the folder exists
            if (::stat(made.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) continue;
            return failed(err, "make folder", made);
        }
        struct stat st {};
        if (path.empty() || (::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode))) return {};
        return failed(ENOTDIR, "make folder", path);
    }

    Result<> rename(const Path& from, const Path& to) override {
        if (auto r = rename_point.hit(); !r) return r.error();
        if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
        if (errno == EEXIST) return exists_already(to, "rename");
        if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return rename_by_link(from, to);
        return failed(errno, "rename", from);
    }

    Result<> remove(const Path& path) override {
        if (auto r = remove_point.hit(); !r) return r.error();
        if (::remove(path.c_str()) == 0) return {};
        return failed(errno, "remove", path);
    }

    Result<> sync_folder(const Path& folder) override {
        const Path name = folder.empty() ? Path(".") : folder;
        const int fd = retried([&] { return ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
        if (fd < 0) return failed(errno, "sync folder", name);
        const int err = ::fsync(fd) == 0 ? 0 : errno;
        ::close(fd);
        // EINVAL: this file system does not sync folders (some network and FUSE mounts)
        if (err != 0 && err != EINVAL) return failed(err, "sync folder", name);
        return {};
    }

    Result<bool> exists(const Path& path) override {
        struct stat st {};
        if (::stat(path.c_str(), &st) == 0) return true;
        if (errno == ENOENT || errno == ENOTDIR) return false;
        return failed(errno, "look for", path);
    }

    Result<std::uint64_t> size_of(const Path& path) override {
        struct stat st {};
        if (::stat(path.c_str(), &st) != 0) return failed(errno, "stat", path);
        return static_cast<std::uint64_t>(st.st_size);
    }

    Result<std::vector<DirEntry>> list(const Path& folder) override {
        std::error_code ec;
        std::vector<DirEntry> entries;
        std::filesystem::directory_iterator it(folder, ec);
        for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
            struct stat st {};
            if (::stat(it->path().c_str(), &st) != 0) continue;  // gone meanwhile, or a link to nowhere
            entries.push_back({it->path().filename().string(), S_ISDIR(st.st_mode),
                               S_ISREG(st.st_mode) ? static_cast<std::uint64_t>(st.st_size) : 0});
        }
        if (ec) return failed(ec.value(), "list", folder);
        std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
        return entries;
    }

    Result<Space> space(const Path& folder) override {
        const Path name = folder.empty() ? Path(".") : folder;
        struct statvfs vfs {};
        if (retried([&] { return ::statvfs(name.c_str(), &vfs); }) != 0) return failed(errno, "free space", name);
        return Space{std::uint64_t{vfs.f_bavail} * vfs.f_frsize, std::uint64_t{vfs.f_blocks} * vfs.f_frsize};
    }
};

}  // namespace

FileSystem& real_file_system() {
    static RealFileSystem only;
    return only;
}

}  // namespace weir
