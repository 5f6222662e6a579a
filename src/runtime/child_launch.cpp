#include "runtime/child_launch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/env.h"

extern "C" char** environ;

namespace weir::detail {

namespace {

class Fd {
public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

struct Ends {
    Fd read, write;
};

Result<Ends> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return from_errno(errno, "pipe");
    return Ends{Fd(ends[0]), Fd(ends[1])};
}

/// Everything the new process needs, made before fork: between fork and exec nothing may allocate or lock.
struct Plan {
    std::string program;
    std::vector<std::string> env_text;
    std::vector<char*> argv, envp;
    std::array<int, 3> stdio{-1, -1, -1};  ///< to become 0, 1, 2; -1 leaves ours
    const char* folder = nullptr;
    std::vector<std::pair<__rlimit_resource_t, rlimit>> limits;
    int nice = 0;
    pid_t parent = 0;
    int report = -1;  ///< closes at exec, or carries an errno
};

Result<std::string> find_program(const std::string& name) {
    if (name.empty()) return Error{Errc::bad_input, "no program to start"};
    if (name.find('/') != std::string::npos) return name;
    const auto path = env("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
    std::string_view rest = path;
    while (true) {
        const auto end = std::min(rest.find(':'), rest.size());
        const auto folder = rest.substr(0, end);
        const auto candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
        struct stat st {};
        if (::access(candidate.c_str(), X_OK) == 0 && ::stat(candidate.c_str(), &st) == 0 && S_ISREG(st.st_mode))
            return candidate;
        if (end == rest.size()) break;
        rest.remove_prefix(end + 1);
    }
    return Error{Errc::not_found, fmt::format("no program '{}' in PATH", name)};
}

std::vector<std::string> environment(const ChildOptions& options) {
    std::vector<std::string> out;
    if (!options.clean_env)
        for (char** entry = environ; *entry; ++entry) {
            const std::string_view text = *entry;
            if (!options.env.contains(std::string(text.substr(0, text.find('='))))) out.emplace_back(text);
        }
    for (const auto& [name, value] : options.env) out.push_back(name + "=" + value);
    return out;
}

void keep_from_exec() {
#ifdef SYS_close_range
    if (::syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0) return;
#endif
    for (int fd = 3; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);  // kernels before 5.11
}

/// In the child. Async-signal-safe calls only; returns the errno of what failed.
int become(const Plan& plan) {
    ::setpgid(0, 0);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (::getppid() != plan.parent) ::_exit(127);  // it died before the line above
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    // First above 2, so that no dup2 overwrites a descriptor that is still to be placed.
    std::array<int, 3> from{};
    for (std::size_t i = 0; i < 3; ++i) {
        from[i] = plan.stdio[i] < 0 ? -1 : ::fcntl(plan.stdio[i], F_DUPFD_CLOEXEC, 3);
        if (plan.stdio[i] >= 0 && from[i] < 0) return errno;
    }
    for (std::size_t i = 0; i < 3; ++i)
        if (from[i] >= 0 && ::dup2(from[i], static_cast<int>(i)) < 0) return errno;
    keep_from_exec();
    if (plan.folder && ::chdir(plan.folder) != 0) return errno;
    for (const auto& [what, limit] : plan.limits)
        if (::setrlimit(what, &limit) != 0) return errno;
    if (plan.nice) ::setpriority(PRIO_PROCESS, 0, plan.nice);  // a wish: refused below zero without rights
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(plan.program.c_str(), plan.argv.data(), plan.envp.data());
    return errno;
}

void fill_limits(const ChildOptions& options, Plan& plan) {
    const auto add = [&](__rlimit_resource_t what, std::optional<std::uint64_t> value) {
        if (value) plan.limits.push_back({what, rlimit{*value, *value}});
    };
    add(RLIMIT_AS, options.max_memory);
    add(RLIMIT_CPU, options.max_cpu_seconds);
    add(RLIMIT_FSIZE, options.max_file_size);
}

void reap(pid_t pid) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

/// Forks with all signals held, so that no handler of ours runs in the copy. 0: failed, with errno set.
pid_t fork_quietly(const Plan& plan) {
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const auto pid = ::fork();
    if (pid == 0) {
        const int err = become(plan);
        [[maybe_unused]] const auto wrote = ::write(plan.report, &err, sizeof err);
        ::_exit(127);
    }
    const int err = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = err;
    return pid;
}

}  // namespace

Result<Launched> launch(const ChildOptions& options) {
    Plan plan;
    auto program = find_program(!options.program.empty() ? options.program
                                : options.argv.empty()   ? std::string()
                                                         : options.argv.front());
    if (!program) return program.error();
    plan.program = std::move(*program);
    for (const auto& argument : options.argv) plan.argv.push_back(const_cast<char*>(argument.c_str()));
    plan.argv.push_back(nullptr);
    plan.env_text = environment(options);
    for (auto& entry : plan.env_text) plan.envp.push_back(entry.data());
    plan.envp.push_back(nullptr);
    if (!options.working_folder.empty()) plan.folder = options.working_folder.c_str();
    fill_limits(options, plan);
    plan.nice = options.nice;
    plan.parent = ::getpid();

    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (null.get() < 0) return from_errno(errno, "/dev/null");
    std::array<Ends, 4> pipes;  // in, out, err, report
    const std::array<bool, 4> wanted{options.pipe_stdin, options.pipe_stdout, options.pipe_stderr, true};
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        if (!wanted[i]) continue;
        auto made = make_pipe();
        if (!made) return made.error();
        pipes[i] = std::move(*made);
    }
    plan.stdio = {options.pipe_stdin ? pipes[0].read.get() : null.get(),
                  options.pipe_stdout ? pipes[1].write.get() : null.get(),
                  options.pipe_stderr ? pipes[2].write.get() : -1};
    plan.report = pipes[3].write.get();

    ::signal(SIGPIPE, SIG_IGN);  // a child that closes its input must not end us
    const auto pid = fork_quietly(plan);
    if (pid < 0) return from_errno(errno, "fork");
    ::setpgid(pid, pid);  // both sides set it: whoever comes first

    pipes[3].write = Fd();
    int err = 0;
    ssize_t got = 0;
    do got = ::read(pipes[3].read.get(), &err, sizeof err);
    while (got < 0 && errno == EINTR);
    if (got == sizeof err) {
        reap(pid);
        return from_errno(err, plan.program);
    }
    const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0u));
    if (pidfd < 0) {
        const auto e = from_errno(errno, "pidfd_open");  // kernels before 5.3
        ::kill(-pid, SIGKILL);
        reap(pid);
        return e;
    }
    ::fcntl(pidfd, F_SETFD, FD_CLOEXEC);
    return Launched{pid, pidfd, pipes[0].write.release(), pipes[1].read.release(), pipes[2].read.release()};
}

}  // namespace weir::detail
