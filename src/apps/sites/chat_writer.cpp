#include "apps/sites/chat_writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::sites {
namespace {

constexpr std::size_t most_waiting_chat = 8u << 20;
constexpr Millis between_chat_rounds{1'000};
constexpr std::size_t longest_torn_line = 64u << 10;

/// The file itself; only its strand's jobs touch it.
class ChatFile {
public:
    ChatFile(FileSystem& fs, Path path, bool append) : fs_(fs), path_(std::move(path)), append_(append) {}

    /// `text` behind what is on the disk surely; also when an earlier attempt left a part of it.
    Result<> write(std::string_view text) {
        if (auto r = open(); !r) return r.error();
        const Bytes bytes = Bytes::copy_of(text);
        auto written = text.empty() ? Result<>() : file_->append(std::span(&bytes, 1));
        if (written) written = file_->sync();
        if (!written) {  // nothing is known of what came after the last good sync
            file_.reset();
            return written;
        }
        good_ += text.size();
        return {};
    }

private:
    Result<> open() {
        if (file_) return {};
        auto file = made_ ? fs_.open(path_, true) : fs_.create(path_);
        const bool taken = !file && !made_ && append_ && file.error().code == Errc::busy;
        if (taken) file = fs_.open(path_, true);
        if (!file) return file.error();
        if (taken) {
            auto whole = whole_lines(**file);
            if (!whole) return whole.error();
            good_ = *whole;
        }
        auto size = (*file)->size();
        if (!size) return size.error();
        if (*size > good_)
            if (auto cut = (*file)->truncate(good_); !cut) return cut;
        if (!std::exchange(made_, true) && !taken) {
            auto synced = fs_.sync_folder(path_.parent_path());
            if (!synced) WEIR_LOG(warn, "a chat file's folder could not be synced", {"error", synced.error().text()});
        }
        file_ = std::move(*file);
        return {};
    }

    /// How much of it are lines with their ends. A tail that is no line is cut off, unless it is too long for one.
    static Result<std::uint64_t> whole_lines(File& file) {
        auto size = file.size();
        if (!size) return size.error();
        const auto look = static_cast<std::size_t>(std::min<std::uint64_t>(*size, longest_torn_line));
        std::string tail(look, '\0');
        auto got = file.pread(*size - look, std::as_writable_bytes(std::span(tail)));
        if (!got) return got.error();
        tail.resize(*got);
        const auto end = tail.rfind('\n');
        if (end != std::string::npos) return *size - look + end + 1;
        return look < longest_torn_line ? std::uint64_t{0} : *size;
    }

    FileSystem& fs_;
    const Path path_;
    const bool append_;
    bool made_ = false;
    std::uint64_t good_ = 0;  ///< bytes that are on the disk
    std::unique_ptr<File> file_;
};

}  // namespace

struct ChatWriter::Inner {
    Inner(asio::any_io_executor ex, Clock& c, FileLane& l, Path p, bool append)
        : clock(c),
          lane(l),
          strand(l.strand()),
          path(p),
          file(std::make_shared<ChatFile>(l.fs(), std::move(p), append)),
          tasks(std::move(ex)) {}

    Task<Result<>> round();
    Task<void> rounds();

    Clock& clock;
    FileLane& lane;
    FileLane::Strand strand;
    const Path path;
    const std::shared_ptr<ChatFile> file;
    std::string waiting;
    std::uint64_t lines = 0, dropped = 0;
    bool running = false, told = false, full_told = false, closed = false;
    TaskGroup tasks;
};

Task<Result<>> ChatWriter::Inner::round() {
    const auto text = std::make_shared<const std::string>(waiting);
    std::function<Result<>()> job = [text, to = file] { return to->write(*text); };
    auto written = co_await lane.run(strand, std::move(job));
    if (written) {
        waiting.erase(0, text->size());
        told = full_told = false;
    } else if (!std::exchange(told, true)) {
        WEIR_LOG(error, "comments cannot be written; they are kept and tried again", {"file", path.string()},
                 {"error", written.error().text()});
    }
    co_return written;
}

Task<void> ChatWriter::Inner::rounds() {
    while (!waiting.empty() && !tasks.stopping().asked()) {
        (void)(co_await round()).has_value();  // said, and tried again
        const bool slept = co_await clock.sleep_for(between_chat_rounds);
        if (!slept) break;
    }
    running = false;
}

ChatWriter::ChatWriter(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path path, bool append)
    : inner_(std::make_unique<Inner>(std::move(ex), clock, lane, std::move(path), append)) {}
ChatWriter::~ChatWriter() = default;

void ChatWriter::write(std::string line) {
    auto& in = *inner_;
    if (in.closed || in.waiting.size() + line.size() + 1 > most_waiting_chat) {
        ++in.dropped;
        if (!in.closed && !std::exchange(in.full_told, true))
            WEIR_LOG(warn, "comments are dropped: 8 MiB of them wait for the disk", {"file", in.path.string()});
        return;
    }
    in.waiting += line;
    in.waiting += '\n';
    ++in.lines;
    if (!std::exchange(in.running, true)) in.tasks.spawn(in.rounds(), "chat");
}

Task<Result<>> ChatWriter::close() {
    co_await uncancellable();
    inner_->closed = true;
    co_await inner_->tasks.stop("the chat file is closed");
    co_return co_await inner_->round();
}

std::uint64_t ChatWriter::lines() const noexcept {
    return inner_->lines;
}
std::uint64_t ChatWriter::dropped() const noexcept {
    return inner_->dropped;
}

}  // namespace weir::sites
