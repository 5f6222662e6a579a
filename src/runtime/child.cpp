#include "runtime/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <climits>

#include "base/log.h"
#include "runtime/child_launch.h"
#include "runtime/wait_impl.h"

namespace weir {

namespace {

using Pipe = asio::posix::stream_descriptor;

/// What outlives the Child object: the watch on the process, until it is reaped.
struct Process : std::enable_shared_from_this<Process> {
    Process(const asio::any_io_executor& ex, int p, int fd)
        : pid(p), watch(ex, fd), grace(ex), ended(detail::never_timer(ex)) {}

    void begin() {
        watch.async_wait(Pipe::wait_read, [self = shared_from_this()](boost::system::error_code ec) {
            if (!ec) self->reap();
        });
    }

    void reap() {
        siginfo_t info{};
        // Left as a zombie at first: so long as it is there its group's number belongs to nobody else.
        const int asked = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG);
        if (asked == 0 ? info.si_pid == 0 : errno == EINTR) return begin();
        ::kill(-pid, SIGKILL);  // nothing of the group stays behind
        int status = 0;
        pid_t got = 0;
        do got = ::waitpid(pid, &status, 0);
        while (got < 0 && errno == EINTR);
        exit.emplace();
        if (got == pid && WIFEXITED(status)) exit->code = WEXITSTATUS(status);
        if (got == pid && WIFSIGNALED(status)) exit->signal = WTERMSIG(status);
        watch.close();
        grace.cancel();
        ended.cancel();
    }

    void signal(int number) const {
        if (!exit) ::kill(-pid, number);
    }

    const int pid;
    Pipe watch;  ///< a pidfd
    asio::steady_timer grace, ended;
    std::optional<ChildExit> exit;
};

Error pipe_error(boost::system::error_code ec, const char* step) {
    if (ec == asio::error::operation_aborted) return Error{Errc::cancelled, "asked to stop", step};
    if (ec == asio::error::broken_pipe || ec == asio::error::eof || ec == asio::error::bad_descriptor)
        return Error{Errc::lost_peer, "the child closed its end", step};
    return Error{Errc::io, ec.message(), step};
}

/// One output of the child, read in lines or whole.
class Output {
public:
    Output(const asio::any_io_executor& ex, int fd) : pipe_(ex) {
        if (fd >= 0) pipe_.assign(fd);
    }

    Task<Result<std::string>> line(std::size_t limit) {
        std::size_t looked = 0;
        while (true) {
            const auto end = held_.find('\n', looked);
            if (end <= limit && end != std::string::npos) {
                auto line = held_.substr(0, end);
                held_.erase(0, end + 1);
                co_return line;
            }
            if (held_.size() > limit)
                co_return Error{Errc::bad_input, fmt::format("a line above {} bytes", limit), "read"};
            looked = held_.size();
            const auto ec = co_await more();
            if (ec == asio::error::eof && !held_.empty()) co_return std::exchange(held_, {});
            if (ec) co_return pipe_error(ec, "read");
        }
    }

    Task<Result<std::string>> all(std::size_t limit) {
        while (true) {
            if (held_.size() > limit)
                co_return Error{Errc::bad_input, fmt::format("more than {} bytes of output", limit), "read"};
            const auto ec = co_await more();
            if (ec == asio::error::eof) co_return std::exchange(held_, {});
            if (ec) co_return pipe_error(ec, "read");
        }
    }

    Task<Result<std::string>> some() {
        if (held_.empty()) {
            const auto ec = co_await more();
            if (ec) co_return pipe_error(ec, "read");
        }
        co_return std::exchange(held_, {});
    }

private:
    Task<boost::system::error_code> more() {
        if (!pipe_.is_open()) co_return asio::error::bad_descriptor;
        boost::system::error_code ec;
        const auto before = held_.size();
        constexpr std::size_t step = 16384;
        held_.resize(before + step);
        const auto got = co_await pipe_.async_read_some(asio::buffer(held_.data() + before, step),
                                                        asio::redirect_error(asio::use_awaitable, ec));
        held_.resize(before + got);
        co_return ec;
    }

    Pipe pipe_;
    std::string held_;
};

class ChildImpl final : public Child {
public:
    ChildImpl(const asio::any_io_executor& ex, const detail::Launched& from)
        : process_(std::make_shared<Process>(ex, from.pid, from.pidfd)),
          in_(ex),
          out_(ex, from.out),
          err_(ex, from.err) {
        if (from.in >= 0) in_.assign(from.in);
        process_->begin();
    }

    ~ChildImpl() override {
        if (process_->exit) return;
        WEIR_LOG(error, "a child was still running when its owner went; please report this", {"pid", process_->pid});
        process_->signal(SIGKILL);
    }

    [[nodiscard]] int pid() const noexcept override { return process_->pid; }

    Task<Result<>> write(std::string_view bytes) override {
        if (!in_.is_open()) co_return Error{Errc::lost_peer, "standard input is closed", "write"};
        boost::system::error_code ec;
        co_await asio::async_write(in_, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, ec));
        if (ec) co_return pipe_error(ec, "write");
        co_return Result<>{};
    }

    void close_stdin() override {
        boost::system::error_code ignored;
        in_.close(ignored);
    }

    Task<Result<std::string>> read_line(std::size_t limit) override { return out_.line(limit); }
    Task<Result<std::string>> read_all(std::size_t limit) override { return out_.all(limit); }
    Task<Result<std::string>> read_all_stderr(std::size_t limit) override { return err_.all(limit); }

    Task<Result<std::string>> read_some_stderr() override { return err_.some(); }

    Task<ChildExit> wait() override {
        const auto process = process_;
        const bool throws = co_await asio::this_coro::throw_if_cancelled();
        co_await asio::this_coro::throw_if_cancelled(false);
        boost::system::error_code ignored;
        while (!process->exit) co_await process->ended.async_wait(detail::unreached(ignored));
        co_await asio::this_coro::throw_if_cancelled(throws);
        co_return *process->exit;
    }

    void signal(int number) override { process_->signal(number); }

    Task<ChildExit> kill(Millis grace) override {
        if (!process_->exit) {
            process_->signal(SIGTERM);
            process_->grace.expires_after(grace);
            process_->grace.async_wait([process = process_](boost::system::error_code ec) {
                if (!ec) process->signal(SIGKILL);
            });
        }
        return wait();
    }

private:
    std::shared_ptr<Process> process_;
    Pipe in_;
    Output out_, err_;
};

}  // namespace

std::string ChildExit::text() const {
    return signal ? fmt::format("killed by signal {}", signal) : fmt::format("exit status {}", code);
}

Result<std::unique_ptr<Child>> Child::start(asio::any_io_executor ex, const ChildOptions& options) {
    auto launched = detail::launch(options);
    if (!launched) return within("start child", launched.error());
    return std::unique_ptr<Child>(std::make_unique<ChildImpl>(ex, *launched));
}

std::string own_executable() {
    std::array<char, PATH_MAX> path;
    const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
    return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string(own_program);
}

}  // namespace weir
