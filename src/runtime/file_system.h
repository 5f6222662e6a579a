#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace weir {

using Path = std::filesystem::path;

/// One open file. All calls block; they are made on a FileLane or a worker, never on a shard.
class File {
public:
    virtual ~File() = default;  ///< closes; whatever was not synced may be lost in a power cut
    /// Appends all of `parts` in order, as one writev where the kernel takes it whole; retries short writes. On an error the
    /// file may hold a torn tail; size() tells what was surely written before this call.
    virtual Result<> append(std::span<const Bytes> parts) = 0;
    virtual Result<> pwrite(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
    virtual Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) = 0;  ///< 0 at the end
    virtual Result<> sync() = 0;                                                             ///< fdatasync
    virtual Result<> truncate(std::uint64_t size) = 0;
    virtual Result<std::uint64_t> size() = 0;
    /// Takes the exclusive lock that says "a process is writing this" (flock, non-blocking). busy: another one holds it.
    virtual Result<> lock() = 0;
    [[nodiscard]] virtual int descriptor() const noexcept = 0;
};

struct DirEntry {
    std::string name;
    bool is_directory = false;
    std::uint64_t size = 0;
};

struct Space {
    std::uint64_t free = 0;  ///< bytes an ordinary user may still write
    std::uint64_t total = 0;
};

/// The few things weir does to a disk, so that tests can forget, fill and break it. Real paths in every implementation, so that
/// libav and ffmpeg see the same files.
/// threads  any
class FileSystem {
public:
    virtual ~FileSystem() = default;
    /// Creates a file that must not exist (O_EXCL); `busy` with "already exists" when it does. Makes missing folders (0755).
    virtual Result<std::unique_ptr<File>> create(const Path& path) = 0;
    virtual Result<std::unique_ptr<File>> open(const Path& path, bool writable) = 0;
    virtual Result<> make_folders(const Path& path) = 0;
    /// Never replaces: `busy` when `to` exists (renameat2 RENAME_NOREPLACE, or link+unlink where the file system lacks it).
    virtual Result<> rename(const Path& from, const Path& to) = 0;
    virtual Result<> remove(const Path& path) = 0;  ///< not_found is an error
    virtual Result<> sync_folder(const Path& folder) = 0;
    virtual Result<bool> exists(const Path& path) = 0;
    virtual Result<std::uint64_t> size_of(const Path& path) = 0;
    virtual Result<std::vector<DirEntry>> list(const Path& folder) = 0;  ///< sorted by name
    virtual Result<Space> space(const Path& folder) = 0;
};

/// The real one. Failure points file.create, file.write, file.sync, file.rename, file.remove are looked at here.
[[nodiscard]] FileSystem& real_file_system();

}  // namespace weir
