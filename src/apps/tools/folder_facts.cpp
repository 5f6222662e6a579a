#include "apps/tools/folder_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>

#include "store/book.h"

namespace weir::apps {
namespace {

struct Descriptor {
    explicit Descriptor(int number) : fd(number) {}
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
    Descriptor(const Descriptor&) = delete;
    int fd;
};

FileFacts facts_of(std::string name, const struct stat& st) {
    FileFacts f;
    f.name = std::move(name);
    f.size = static_cast<std::uint64_t>(st.st_size);
    f.device = st.st_dev;
    f.inode = st.st_ino;
    f.modified = WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::seconds(st.st_mtim.tv_sec) +
                                                                         std::chrono::nanoseconds(st.st_mtim.tv_nsec)));
    return f;
}

}  // namespace

const FileFacts* FolderFacts::file(const std::string& name) const {
    const auto it = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.name == name; });
    return it == files.end() ? nullptr : &*it;
}

std::vector<DirEntry> FolderFacts::entries() const {
    std::vector<DirEntry> out;
    for (const auto& f : files) out.push_back({f.name, false, f.size});
    return out;
}

Result<FolderFacts> look_into(const Path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return from_errno(errno, fmt::format("read folder '{}'", path.string()));
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), ::closedir);
    if (!dir) {
        ::close(fd);
        return from_errno(errno, fmt::format("read folder '{}'", path.string()));
    }
    FolderFacts facts;
    facts.path = path;
    for (;;) {
        errno = 0;
        const auto* entry = ::readdir(dir.get());
        if (!entry) break;
        std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        struct stat st {};
        if (::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;  // it has just gone
        if (S_ISDIR(st.st_mode))
            facts.folders.push_back(std::move(name));
        else if (S_ISREG(st.st_mode))
            facts.files.push_back(facts_of(std::move(name), st));
    }
    if (errno != 0) return from_errno(errno, fmt::format("read folder '{}'", path.string()));
    std::sort(facts.files.begin(), facts.files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    std::sort(facts.folders.begin(), facts.folders.end());
    return facts;
}

Result<FileFacts> look_at_file(const Path& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return from_errno(errno, path.string());
    if (!S_ISREG(st.st_mode)) return Error{Errc::not_found, fmt::format("'{}' is no plain file", path.string())};
    return facts_of(path.filename().string(), st);
}

bool is_in_use(const Path& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (file.fd < 0) return false;
    if (::flock(file.fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return true;
    } else {
        ::flock(file.fd, LOCK_UN);
    }
    // A read lease is given only while nobody has the file open for writing. Who opens it in this moment is told by
    // SIGURG, which nobody minds, and not by SIGIO, which kills.
    ::fcntl(file.fd, F_SETSIG, SIGURG);
    if (::fcntl(file.fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
    ::fcntl(file.fd, F_SETLEASE, F_UNLCK);
    return false;
}

Journals read_journals(FileSystem& fs, const Path& folder, const std::vector<DirEntry>& entries) {
    Journals out;
    for (const auto& entry : entries) {
        if (entry.is_directory || !store::is_journal_name(entry.name)) continue;
        const auto stem = store::stem_of_journal(Path(entry.name)).string();
        const auto complain = [&](const Error& e) {
            out.unreadable.push_back(fmt::format("{}: {}", entry.name, e.text()));
            out.unreadable_stems.insert(stem + ".");
        };
        auto file = fs.open(folder / entry.name, false);
        if (!file) {
            complain(file.error());
            continue;
        }
        const bool busy = !(*file)->lock().has_value();
        const auto loaded = store::load_book(**file);
        if (!loaded || loaded->scan.damage) {
            complain(loaded ? *loaded->scan.damage : loaded.error());
            continue;
        }
        const auto& book = loaded->book;
        if (book.open.target.empty()) {
            complain(Error{Errc::bad_input, "its first line is not whole"});
            continue;
        }
        const auto* done = busy ? nullptr : book.finished();
        out.spoken_of.insert(book.open.target);
        for (const auto& f : book.finals)
            if (f.step >= store::journal::Final::Step::verified) out.spoken_of.insert(f.path);
        Journals::Recording recording{entry.name, done ? done->path : book.open.target, {}};
        recording.only_sound =
            !book.inits.empty() && std::all_of(book.inits.begin(), book.inits.end(), [](const auto& init) {
                return !init.tracks.empty() && std::all_of(init.tracks.begin(), init.tracks.end(),
                                                           [](const Track& t) { return t.kind == TrackKind::audio; });
            });
        auto& waiting = busy ? out.being_written : out.unfinished;
        for (const auto& raw : book.raws) {
            recording.raws.push_back(raw.path);
            if (done)
                out.raws_of_finished.insert(raw.path);
            else
                waiting.emplace(raw.path, entry.name);
        }
        if (done) out.finished.push_back(std::move(recording));
    }
    return out;
}

}  // namespace weir::apps
