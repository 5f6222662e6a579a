#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "runtime/file_system.h"

namespace weir::apps {

/// A plain file as it stood when it was looked at; equal facts mean that nobody has touched it since.
struct FileFacts {
    std::string name;
    std::uint64_t size = 0, device = 0, inode = 0;
    WallTime modified = {};
    bool operator==(const FileFacts&) const = default;
};

/// A folder without its symbolic links and special files.
struct FolderFacts {
    Path path;
    std::vector<FileFacts> files;      ///< by name
    std::vector<std::string> folders;  ///< by name
    [[nodiscard]] const FileFacts* file(const std::string& name) const;
    [[nodiscard]] std::vector<DirEntry> entries() const;  ///< the files
};

/// Blocking. Errors: denied, not_found, io; `path` itself is not followed either.
[[nodiscard]] Result<FolderFacts> look_into(const Path& path);
/// Blocking. Errors: not_found also for what is no plain file.
[[nodiscard]] Result<FileFacts> look_at_file(const Path& path);
/// Blocking. Somebody has it open for writing, or holds a lock on it; where the file system cannot tell: false.
[[nodiscard]] bool is_in_use(const Path& path);

/// What weir's own journals in a folder say about the files there.
struct Journals {
    struct Recording {
        std::string journal, file;  ///< file: the finished one
        std::vector<std::string> raws;
        bool only_sound = false;  ///< no track of it was anything else
    };
    std::vector<Recording> finished;
    std::set<std::string> raws_of_finished;  ///< their finished file stands for them
    std::set<std::string> spoken_of;         ///< targets and finished files of all journals
    /// Of recordings that another process writes, by the journal; and of those nobody finished yet.
    std::map<std::string, std::string> being_written, unfinished;  ///< file name, journal name
    std::vector<std::string> unreadable;                           ///< "NAME.weir.jsonl: why"
    std::set<std::string> unreadable_stems;                        ///< "NAME."
};
/// Blocking. Takes each journal's lock for a moment, to learn whether somebody has it.
[[nodiscard]] Journals read_journals(FileSystem& fs, const Path& folder, const std::vector<DirEntry>& entries);

}  // namespace weir::apps
