#include "apps/sites/config_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/stop.h"
#include "runtime/task_group.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t largest_config = 1u << 20;
constexpr Millis quiet_time = 1s;
constexpr Millis poll_time = 10s;
constexpr int most_links = 40;  // as the kernel has it
constexpr std::uint32_t watched_changes = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_TO |
                                          IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/// What to look at in each folder.
using NamesInFolders = std::map<Path, std::set<std::string>>;

std::optional<Path> link_target(const Path& path) {
    std::error_code ec;
    auto target = std::filesystem::read_symlink(path, ec);
    if (ec) return std::nullopt;
    return target;
}

/// Every step of the way to the file: the folders' names, and those of links and what they lead to. Blocks.
NamesInFolders steps_to(const Path& file) {
    NamesInFolders found;
    std::error_code ec;
    auto rest = std::filesystem::absolute(file, ec);
    if (ec) return found;
    Path at = "/";
    for (int links = 0; links < most_links;) {
        rest = rest.relative_path();
        if (rest.empty()) break;
        const Path name = *rest.begin();
        Path behind;
        for (auto it = std::next(rest.begin()); it != rest.end(); ++it) behind /= *it;
        if (name == "." || name.empty()) {
            rest = behind;
            continue;
        }
        if (name == "..") {
            at = at.parent_path();
            rest = behind;
            continue;
        }
        found[at].insert(name.string());
        if (const auto target = link_target(at / name)) {
            ++links;
            if (target->is_absolute()) at = "/";
            rest = *target / behind;
            continue;
        }
        if (behind.empty()) break;
        at /= name;
        rest = behind;
        if (!std::filesystem::is_directory(at, ec)) break;
    }
    return found;
}

/// On these another machine's changes are not told.
bool is_remote(const Path& folder) {
    constexpr std::array<std::uint32_t, 8> remote{0x6969,       // NFS
                                                  0x517B,       // SMB
                                                  0xFF534D42,   // CIFS
                                                  0xFE534D42,   // SMB2
                                                  0x65735546,   // FUSE
                                                  0x01021997,   // 9P
                                                  0x00C36400,   // Ceph
                                                  0x5346414F};  // AFS
    struct statfs about {};
    if (::statfs(folder.c_str(), &about) != 0) return false;
    return std::find(remote.begin(), remote.end(), static_cast<std::uint32_t>(about.f_type)) != remote.end();
}

struct Watches {
    std::map<int, std::set<std::string>> by_number;
    std::string cannot;  ///< why changes would be missed
};

/// Blocks. What is watched already keeps its number.
Watches watch_steps(int fd, const Path& file) {
    Watches made;
    for (const auto& [folder, names] : steps_to(file)) {
        const int number = ::inotify_add_watch(fd, folder.c_str(), watched_changes);
        if (number >= 0)
            made.by_number[number].insert(names.begin(), names.end());
        else if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            made.cannot = fmt::format("{}: {}", folder.string(), std::strerror(errno));
        const bool has_file = names.count(file.filename().string()) > 0;
        if (has_file && is_remote(folder)) made.cannot = folder.string() + " is on another machine";
    }
    return made;
}

Result<std::string> read_config(FileSystem& fs, const Path& path) {
    std::error_code ec;
    const auto kind = std::filesystem::status(path, ec);
    if (std::filesystem::exists(kind) && !std::filesystem::is_regular_file(kind))
        return Error{Errc::bad_input, fmt::format("'{}' is not a file", path.string())};
    auto file = fs.open(path, false);
    if (!file) return file.error();
    auto size = (*file)->size();
    if (!size) return size.error();
    if (*size > largest_config)
        return Error{Errc::bad_input, fmt::format("'{}' is larger than 1 MiB: no configuration", path.string())};
    std::string text(static_cast<std::size_t>(*size), '\0');
    auto got = (*file)->pread(0, std::as_writable_bytes(std::span(text)));
    if (!got) return got.error();
    text.resize(*got);
    return text;
}

}  // namespace

struct ConfigFile::Inner {
    Inner(Shard& s, FileLane& l, Path p)
        : shard(s),
          lane(l),
          strand(l.strand()),
          path(std::move(p)),
          clock(s.clock()),
          woken(s.executor()),
          tasks(s.executor()) {}

    using Tell = std::function<Task<void>(Result<std::string>)>;

    Task<Result<std::string>> read();
    Task<void> watch(Tell changed);
    Task<void> listen();
    Task<void> place();
    Task<void> wait();
    Task<void> look(const Tell& changed, bool whatever);
    void take_events();
    [[nodiscard]] bool concerns(const inotify_event& event) const;
    void poll_from_now_on(const std::string& why);

    Shard& shard;
    FileLane& lane;
    FileLane::Strand strand;
    const Path path;
    Clock& clock;
    Bell woken;
    Stop stop;
    std::optional<asio::posix::stream_descriptor> events;
    Watches watches;
    bool polling = false, dirty = false, now = false;
    SteadyTime last_event{};
    std::optional<std::string> told;  ///< the content
    std::string told_error;
    TaskGroup tasks;
};

Task<Result<std::string>> ConfigFile::Inner::read() {
    const auto text = std::make_shared<std::string>();
    std::function<Result<>()> job = [text, &fs = lane.fs(), at = path]() -> Result<> {
        auto content = read_config(fs, at);
        if (!content) return content.error();
        *text = std::move(*content);
        return {};
    };
    auto done = co_await lane.run(strand, std::move(job));
    if (!done) co_return done.error();
    co_return std::move(*text);
}

void ConfigFile::Inner::poll_from_now_on(const std::string& why) {
    if (std::exchange(polling, true)) return;
    WEIR_LOG(warn, "changes of the configuration file are looked for every 10 s: they are not told of",
             {"file", path.string()}, {"why", why});
}

/// The watches as the way to the file is now.
Task<void> ConfigFile::Inner::place() {
    if (!events) co_return;
    const auto made = std::make_shared<Watches>();
    std::function<Result<>()> job = [made, fd = events->native_handle(), at = path]() -> Result<> {
        *made = watch_steps(fd, at);
        return {};
    };
    (void)(co_await lane.run(strand, std::move(job))).has_value();
    for (const auto& [number, names] : watches.by_number)
        if (made->by_number.count(number) == 0) (void)::inotify_rm_watch(events->native_handle(), number);
    watches = std::move(*made);
    if (!watches.cannot.empty()) poll_from_now_on(watches.cannot);
}

bool ConfigFile::Inner::concerns(const inotify_event& event) const {
    if (event.mask & IN_IGNORED) return false;
    if (event.mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) return true;
    const auto folder = watches.by_number.find(event.wd);
    if (folder == watches.by_number.end()) return true;  // placed this moment
    return event.len > 0 && folder->second.count(event.name) > 0;
}

void ConfigFile::Inner::take_events() {
    alignas(inotify_event) std::array<char, 16u << 10> room;
    for (;;) {
        const auto got = ::read(events->native_handle(), room.data(), room.size());
        if (got <= 0) return;
        for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
            const auto* event = reinterpret_cast<const inotify_event*>(room.data() + at);
            at += sizeof(inotify_event) + event->len;
            if (!concerns(*event)) continue;
            dirty = true;
            last_event = clock.now();
        }
    }
}

Task<void> ConfigFile::Inner::listen() {
    while (!tasks.stopping().asked()) {
        boost::system::error_code ec;
        co_await events->async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, ec));
        if (ec) break;
        take_events();
        if (dirty) woken.notify();
    }
}

/// Until there is reason to look.
Task<void> ConfigFile::Inner::wait() {
    auto poll_at = clock.now() + poll_time;
    while (!stop.asked() && !now) {
        auto until = SteadyTime::max();
        if (polling) until = poll_at;
        if (dirty) until = last_event + quiet_time;
        if (clock.now() >= until) break;
        Task<bool> ring = woken.wait();
        const bool rung = co_await with_deadline(clock, until, std::move(ring));
        if (!rung && clock.now() < until) stop.ask("cancelled");
    }
}

Task<void> ConfigFile::Inner::look(const Tell& changed, bool whatever) {
    co_await place();
    auto content = co_await read();
    if (stop.asked()) co_return;
    if (content) {
        told_error.clear();
        if (told == *content && !whatever) co_return;
        told = *content;
    } else {
        const auto text = content.error().text();
        if (std::exchange(told_error, text) == text && !whatever) co_return;
    }
    Task<void> telling = changed(std::move(content));
    co_await std::move(telling);
}

Task<void> ConfigFile::Inner::watch(Tell changed) {
    co_await errors_not_throws();
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        poll_from_now_on(std::strerror(errno));
    else
        events.emplace(shard.executor(), fd);
    if (events) tasks.spawn(listen(), "configuration file");
    bool whatever = false;  // what changed between the first reading and now is found at once
    while (!stop.asked()) {
        co_await look(changed, whatever);
        co_await wait();
        dirty = false;
        whatever = std::exchange(now, false);
    }
    co_await tasks.stop("the configuration is no longer watched");
    events.reset();
}

ConfigFile::ConfigFile(Shard& shard, FileLane& lane, Path path)
    : inner_(std::make_unique<Inner>(shard, lane, std::move(path))) {}
ConfigFile::~ConfigFile() = default;

Task<Result<std::string>> ConfigFile::read() {
    auto content = co_await inner_->read();
    if (content) inner_->told = *content;
    co_return content;
}

Task<void> ConfigFile::watch(std::function<Task<void>(Result<std::string> content)> changed) {
    return inner_->watch(std::move(changed));
}

void ConfigFile::look_now() {
    inner_->now = true;
    inner_->woken.notify();
}

void ConfigFile::ask_stop() {
    inner_->stop.ask("asked to stop");
    inner_->woken.notify();
}

}  // namespace weir::sites
