#include "apps/relay/rules_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

constexpr std::uint64_t largest_rules_file = 16u << 20;

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

Result<> write_synced(const Path& path, const std::string& text) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.ok()) return from_errno(errno, "open");
    if (::fchmod(file.get(), 0600) != 0) return from_errno(errno, "chmod");
    if (auto r = write_all(file.get(), text); !r) return r;
    if (::fsync(file.get()) != 0) return from_errno(errno, "sync");
    return {};
}

Result<std::optional<std::string>> read_whole(const Path& path) {
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
        if (text.size() > largest_rules_file)
            return Error{Errc::bad_input, "too large for a rules file", path.string()};
    }
}

}  // namespace

namespace {

Path beside_of(const Path& path) {
    auto beside = path;
    beside += ".new";
    return beside;
}

/// As a save would: a file beside it is made, and taken away.
Result<> try_to_write(const Path& path) {
    std::error_code ec;
    if (std::filesystem::is_directory(path, ec)) return from_errno(EISDIR, path.string());
    const auto beside = beside_of(path);
    auto written = write_synced(beside, "");
    ::unlink(beside.c_str());
    if (!written) return within(path.string(), written.error());
    return {};
}

}  // namespace

Result<> replace_file(const Path& path, const std::string& text) {
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

struct RulesFile::State {
    State(Shard& at, FileLane& l, Path p, Millis wait)
        : home(at), lane(l), strand(l.strand()), path(std::move(p)), again(wait), tasks(home.executor()) {}

    Task<void> save();
    Task<void> save_again();

    Shard& home;
    FileLane& lane;
    FileLane::Strand strand;
    const Path path;
    const Millis again;
    std::function<std::string()> text;
    std::uint64_t version = 0, saved = 0;
    bool saving = false, failed = false, patient = false;  ///< patient: save_again() is under way
    std::string error;
    std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting;
    TaskGroup tasks;
};

Task<void> RulesFile::State::save() {
    co_await uncancellable();
    do {
        const auto now = version;
        std::function<Result<>()> job = [at = path, all = text()] { return replace_file(at, all); };
        auto written = co_await lane.run(strand, std::move(job));
        saved = now;
        failed = !written;
        error = written ? std::string() : written.error().text();
        if (!written) WEIR_LOG(error, "the rules could not be saved", {"error", error});
        for (auto& [wanted, f] : std::exchange(waiting, {})) {
            if (wanted <= saved)
                f();
            else
                waiting.emplace_back(wanted, std::move(f));
        }
    } while (saved < version);
    saving = false;
    if (failed && !std::exchange(patient, true)) tasks.spawn(save_again(), "relay rules file");
}

Task<void> RulesFile::State::save_again() {
    while (failed) {
        const bool slept = co_await home.clock().sleep_for(again);
        if (!slept) break;
        if (failed && !std::exchange(saving, true)) co_await save();
    }
    patient = false;
}

RulesFile::RulesFile(Shard& home, FileLane& lane, Path path, Millis again)
    : state_(std::make_unique<State>(home, lane, std::move(path), again)) {}
RulesFile::~RulesFile() = default;

Task<Result<std::optional<Rules>>> RulesFile::read() {
    const auto found = std::make_shared<std::optional<Rules>>();
    std::function<Result<>()> job = [at = state_->path, found]() -> Result<> {
        auto text = read_whole(at);
        if (!text) return text.error();
        if (!*text) return {};
        auto rules = parse_rules_file(**text);
        if (!rules) return within(at.string(), rules.error());
        *found = std::move(*rules);
        return {};
    };
    auto done = co_await state_->lane.run(state_->strand, std::move(job));
    if (!done) co_return done.error();
    co_return std::move(*found);
}

Task<Result<std::optional<Rules>>> RulesFile::read_settled() {
    for (;;) {
        const auto version = state_->version;
        const bool settled = !state_->saving;
        auto found = co_await read();
        if (!found || (settled && version == state_->version)) co_return found;
    }
}

Task<Result<>> RulesFile::try_place() {
    std::function<Result<>()> job = [at = state_->path] { return try_to_write(at); };
    co_return co_await state_->lane.run(state_->strand, std::move(job));
}

void RulesFile::changed(std::function<std::string()> text) {
    state_->text = std::move(text);
    ++state_->version;
    if (!std::exchange(state_->saving, true)) state_->tasks.spawn(state_->save(), "relay rules file");
}

void RulesFile::when_saved(std::function<void()> f) {
    if (state_->saved >= state_->version) return f();
    state_->waiting.emplace_back(state_->version, std::move(f));
}

const std::string& RulesFile::error() const noexcept {
    return state_->error;
}

Task<void> RulesFile::stop() {
    co_await uncancellable();
    co_await state_->tasks.stop("the relay stops");  // one that is being written is written
    if (state_->failed || state_->saved < state_->version) co_await state_->save();
}

}  // namespace weir::relay
