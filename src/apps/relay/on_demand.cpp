#include "apps/relay/on_demand.h"

#include <algorithm>
#include <deque>

#include "base/env.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "runtime/child.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

constexpr std::size_t most_lines = 10, longest_line = 400;

/// What a program for cameras, sound and pictures may need, and no more.
std::map<std::string, std::string> plain_environment() {
    static constexpr const char* names[] = {"PATH",
                                            "HOME",
                                            "USER",
                                            "LANG",
                                            "LC_ALL",
                                            "LC_CTYPE",
                                            "TZ",
                                            "TMPDIR",
                                            "DISPLAY",
                                            "XAUTHORITY",
                                            "WAYLAND_DISPLAY",
                                            "XDG_RUNTIME_DIR",
                                            "PULSE_SERVER",
                                            "ALSA_CARD",
                                            "LIBVA_DRIVER_NAME"};
    std::map<std::string, std::string> some;
    for (const auto* name : names)
        if (auto value = env(name)) some.emplace(name, std::move(*value));
    return some;
}

/// The last lines of a text that comes in pieces; a progress line that ends with a carriage return is followed by its
/// successor.
class Tail {
public:
    void add(std::string_view text) {
        for (const char c : text) {
            if (c == '\n' || c == '\r')
                end_line();
            else if (open_.size() < longest_line)
                open_ += c;
        }
    }
    void clear() {
        open_.clear();
        lines_.clear();
    }
    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> all(lines_.begin(), lines_.end());
        if (!open_.empty()) all.push_back(open_);
        return all;
    }

private:
    void end_line() {
        if (open_.empty()) return;
        lines_.push_back(std::exchange(open_, {}));
        if (lines_.size() > most_lines) lines_.pop_front();
    }
    std::string open_;
    std::deque<std::string> lines_;
};

/// One command with what it is doing.
struct CommandJob {
    CommandJob(Shard& home, std::string name, const std::vector<std::string>& arguments, const OnDemand::Settings& s)
        : feed(std::move(name)), given(arguments), settings(s), bell(home.executor()), backoff(s.backoff) {}

    const std::string feed;
    const std::vector<std::string> given;
    const OnDemand::Settings& settings;
    Bell bell;  ///< wanted, not wanted, or it ended
    Backoff backoff;
    bool wanted = false, supervised = false;
    SteadyTime unwanted_since{};

    std::shared_ptr<Child> child;
    std::optional<ChildExit> ended;
    OnDemand::State state = OnDemand::State::idle;
    std::optional<WallTime> since;
    std::uint64_t starts = 0, restarts = 0;
    std::string url, last_error;
    Tail tail;

    [[nodiscard]] std::vector<std::string> arguments(const std::string& with_url) const {
        auto all = given;
        for (auto& argument : all) {
            replace_all(argument, "{feed}", feed);
            replace_all(argument, "{url}", with_url);
        }
        return all;
    }
    /// For people: URLs may hold tokens and passwords.
    [[nodiscard]] std::string shown(std::string text) const {
        const auto hide = [&](const std::string& secret) {
            const auto masked = masked_url(secret);
            if (masked != secret && !masked.empty()) replace_all(text, secret, masked);
        };
        hide(url);
        for (const auto& argument : given)
            if (argument.find("://") != argument.npos) hide(argument);
        return text;
    }
};

}  // namespace

struct OnDemand::Impl {
    Impl(Shard& at, Settings s) : home(at), settings(std::move(s)), tasks(home.executor()) {
        for (const auto& [feed, arguments] : settings.commands)
            if (!arguments.empty()) jobs.emplace(feed, std::make_unique<CommandJob>(home, feed, arguments, settings));
    }

    void become(CommandJob& job, State state) const {
        job.state = state;
        job.since = home.clock().wall();
    }

    bool launch(CommandJob& job) {
        job.url = settings.url ? settings.url(job.feed) : std::string();
        ChildOptions options;
        options.argv = job.arguments(job.url);
        options.clean_env = true;
        options.env = plain_environment();
        options.pipe_stderr = true;
        job.ended.reset();
        job.tail.clear();
        ++job.starts;
        auto child = Child::start(home.executor(), options);
        if (!child) {
            job.last_error = job.shown(child.error().text());
            WEIR_LOG(warn, "the command of a feed could not be started", {"feed", job.feed}, {"error", job.last_error});
            return false;
        }
        job.child = std::move(*child);
        become(job, State::running);
        WEIR_LOG(info, "someone watches: the feed's command was started", {"feed", job.feed},
                 {"pid", job.child->pid()});
        tasks.spawn(reap(job, job.child), "relay command");
        tasks.spawn(listen(job, job.child), "relay command output");
        return true;
    }

    /// What it says. A stop ends this: someone of its kin may keep the pipe open for ever.
    Task<void> listen(CommandJob& job, std::shared_ptr<Child> child) {
        while (true) {
            const auto text = co_await child->read_some_stderr();
            if (!text) break;
            if (job.child == child) job.tail.add(*text);
        }
    }

    Task<void> reap(CommandJob& job, std::shared_ptr<Child> child) {
        const auto exit = co_await child->wait();
        job.ended = exit;
        job.bell.notify();
    }

    /// Until it has ended by itself, or is to end. True: by itself.
    Task<bool> follow(CommandJob& job) {
        while (!job.ended && !tasks.stopping().asked()) {
            if (job.wanted) {
                (void)co_await job.bell.wait();
            } else {
                const auto until = job.unwanted_since + settings.keep;
                if (std::chrono::steady_clock::now() >= until) break;
                (void)co_await job.bell.wait_until(until);
            }
        }
        co_return job.ended.has_value();
    }

    Task<void> end(CommandJob& job) {
        become(job, State::stopping);
        WEIR_LOG(info, "nobody watches: the feed's command is ended", {"feed", job.feed});
        (void)co_await job.child->kill(settings.grace);
        while (!job.ended) (void)co_await job.bell.wait();
        job.child.reset();
    }

    /// What is left to do for one that ended by itself: how long to wait before it is started again.
    Millis note_end(CommandJob& job, SteadyTime began) {
        job.last_error = job.ended->text();
        job.child.reset();
        WEIR_LOG(warn, "the command of a feed ended", {"feed", job.feed}, {"exit", job.last_error});
        if (std::chrono::steady_clock::now() - began >= settings.healthy) job.backoff.reset();
        return job.backoff.next();
    }

    Task<void> pause(CommandJob& job, Millis wait) {
        become(job, State::waiting);
        const auto until = std::chrono::steady_clock::now() + wait;
        while (job.wanted && !tasks.stopping().asked() && std::chrono::steady_clock::now() < until)
            (void)co_await job.bell.wait_until(until);
    }

    /// Not cancelled but told by the bell: what it started must be ended in good order.
    Task<void> supervise(CommandJob& job) {
        co_await uncancellable();
        while (job.wanted && !tasks.stopping().asked()) {
            const auto began = std::chrono::steady_clock::now();
            Millis wait{0};
            if (launch(job)) {
                const bool by_itself = co_await follow(job);
                if (!by_itself) {
                    co_await end(job);
                    job.backoff.reset();
                    continue;
                }
                wait = note_end(job, began);
            } else {
                wait = job.backoff.next();
            }
            co_await pause(job, wait);
            if (job.wanted && !tasks.stopping().asked()) ++job.restarts;
        }
        become(job, State::idle);
        job.supervised = false;
    }

    Shard& home;
    const Settings settings;
    std::map<std::string, std::unique_ptr<CommandJob>> jobs;
    TaskGroup tasks;
};

OnDemand::OnDemand(Shard& home, Settings settings) : impl_(std::make_unique<Impl>(home, std::move(settings))) {}
OnDemand::~OnDemand() = default;

void OnDemand::wanted(const std::string& feed, bool wanted) {
    const auto found = impl_->jobs.find(feed);
    if (found == impl_->jobs.end()) return;
    auto& job = *found->second;
    if (job.wanted == wanted) return;
    job.wanted = wanted;
    job.unwanted_since = std::chrono::steady_clock::now();
    job.bell.notify();
    if (!wanted || std::exchange(job.supervised, true)) return;
    impl_->tasks.spawn(impl_->supervise(job), "relay command");
}

std::vector<OnDemand::Status> OnDemand::status() const {
    std::vector<Status> all;
    for (const auto& [feed, job] : impl_->jobs) {
        Status s;
        s.feed = feed;
        s.state = job->state;
        s.command = job->arguments(masked_url(impl_->settings.url ? impl_->settings.url(feed) : std::string()));
        for (auto& argument : s.command) argument = job->shown(std::move(argument));
        s.pid = job->child ? job->child->pid() : 0;
        s.since = job->since;
        s.starts = job->starts;
        s.restarts = job->restarts;
        s.last_error = job->last_error;
        s.last_lines = job->tail.lines();
        for (auto& line : s.last_lines) line = job->shown(std::move(line));
        all.push_back(std::move(s));
    }
    return all;
}

Task<void> OnDemand::stop() {
    impl_->tasks.ask_stop("the relay stops");
    for (const auto& [feed, job] : impl_->jobs) job->bell.notify();
    co_await impl_->tasks.stop("the relay stops");
}

std::string_view name_of(OnDemand::State state) noexcept {
    switch (state) {
        case OnDemand::State::idle:
            return "idle";
        case OnDemand::State::running:
            return "running";
        case OnDemand::State::waiting:
            return "waiting";
        case OnDemand::State::stopping:
            return "stopping";
    }
    return "idle";
}

}  // namespace weir::relay
