#include "telemetry/profiles/thread_stacks.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/log.h"

namespace weir::telemetry {
namespace {

constexpr std::size_t max_threads = 256, max_frames = 64;
constexpr Millis patience{500};

/// Written by the thread that is asked, inside its signal handler; read after `round` names the present one.
struct Slot {
    std::atomic<std::uint32_t> round{0};
    int count = 0;
    std::array<void*, max_frames> frames{};
};
struct Answers {
    std::array<Slot, max_threads> slots;
    std::atomic<std::uint32_t> round{0};
    std::atomic<int> answering{0};  ///< handlers that run now
};
/// Made by the first question and kept: a thread that held the signal answers when it likes.
std::atomic<Answers*> answers{nullptr};
std::mutex one_at_a_time;

int signal_number() {
    return SIGRTMIN + 6;
}

void* interrupted_at(const void* context) {
    const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return reinterpret_cast<void*>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return reinterpret_cast<void*>(machine.pc);
#else
    return nullptr;
#endif
}

/// Only what may be done in a handler: backtrace() was called once before, so that its library is there.
void answer(int, siginfo_t* info, void* context) {
    const int saved = errno;
    auto* all = answers.load(std::memory_order_acquire);
    const auto said = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr));
    const auto round = static_cast<std::uint32_t>(said >> 32), index = static_cast<std::uint32_t>(said);
    if (!all) return;
    ++all->answering;
    if (index < max_threads && all->round.load() == round) {
        auto& slot = all->slots[index];
        std::array<void*, max_frames> seen{};
        const int count = ::backtrace(seen.data(), static_cast<int>(seen.size()));
        const auto end = seen.begin() + count;
        // Above the place that was interrupted lie this handler and the kernel's way into it.
        auto from = std::find(seen.begin(), end, interrupted_at(context));
        if (from == end) from = seen.begin() + std::min(count, 2);
        std::copy(from, end, slot.frames.begin());
        slot.count = static_cast<int>(end - from);
        slot.round.store(round, std::memory_order_release);
    }
    --all->answering;
    errno = saved;
}

/// Kept for good: a signal that comes late must find it.
bool be_ready() {
    static const bool ready = [] {
        std::array<void*, 2> first{};
        (void)::backtrace(first.data(), static_cast<int>(first.size()));
        answers = new Answers;
        struct sigaction before {};
        if (::sigaction(signal_number(), nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return false;
        struct sigaction act {};
        act.sa_sigaction = answer;
        act.sa_flags = SA_SIGINFO | SA_RESTART;
        sigfillset(&act.sa_mask);
        return ::sigaction(signal_number(), &act, nullptr) == 0;
    }();
    return ready;
}

std::vector<pid_t> all_threads() {
    std::vector<pid_t> out;
    std::error_code ec;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ec)) {
        const auto name = entry.path().filename().string();
        pid_t id = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), id).ec == std::errc()) out.push_back(id);
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::string text_of(pid_t thread, const char* file) {
    std::ifstream in(fmt::format("/proc/self/task/{}/{}", thread, file));
    std::string line;
    std::getline(in, line);
    return line;
}

/// It would answer when it likes, and everybody would wait.
bool holds_the_signal(pid_t thread) {
    std::ifstream in(fmt::format("/proc/self/task/{}/status", thread));
    constexpr std::string_view label = "SigBlk:\t";
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with(label)) continue;
        std::uint64_t held = 0;
        std::from_chars(line.data() + label.size(), line.data() + line.size(), held, 16);
        return (held >> (signal_number() - 1) & 1) != 0;
    }
    return false;
}

bool ask(pid_t thread, std::uint32_t round, std::size_t slot) {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    info.si_pid = ::getpid();
    info.si_uid = ::getuid();
    info.si_value.sival_ptr = reinterpret_cast<void*>(std::uintptr_t{round} << 32 | slot);
    return ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, signal_number(), &info) == 0;
}

std::vector<std::uint64_t> stack_in(const Slot& slot) {
    std::vector<std::uint64_t> out;
    for (int i = 0; i < slot.count; ++i)
        out.push_back(reinterpret_cast<std::uintptr_t>(slot.frames[static_cast<std::size_t>(i)]));
    return out;
}

/// "… sp pc" of a thread that waits in the kernel; empty: it runs.
std::vector<std::uint64_t> kernel_place(pid_t thread) {
    const auto line = text_of(thread, "syscall");
    const auto last = line.rfind("0x");
    std::uint64_t address = 0;
    if (last == std::string::npos) return {};
    std::from_chars(line.data() + last + 2, line.data() + line.size(), address, 16);
    return address ? std::vector{address} : std::vector<std::uint64_t>{};
}

void wait_for(const Answers& all, const std::vector<std::size_t>& asked, std::uint32_t round) {
    const auto until = std::chrono::steady_clock::now() + patience;
    const auto came = [&](std::size_t slot) { return all.slots[slot].round.load(std::memory_order_acquire) == round; };
    while (!std::all_of(asked.begin(), asked.end(), came) && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::microseconds(200));
}

/// Who answers from now on answers nobody; who does so already is waited for, so that no slot has two writers.
void end_round(Answers& all) {
    ++all.round;
    while (all.answering.load() != 0) std::this_thread::yield();
}

}  // namespace

std::size_t thread_count() {
    return all_threads().size();
}

pprof::Profile thread_stacks(std::string_view sample_type) {
    const std::lock_guard lock(one_at_a_time);
    const pprof::ValueType type{std::string(sample_type), "count"};
    pprof::Profile out{
        .sample_types = {type}, .period_type = type, .period = 1, .at = std::chrono::system_clock::now()};
    auto threads = all_threads();
    if (threads.size() > max_threads) {
        WEIR_LOG(warn, "more threads than a profile shows", {"threads", std::to_string(threads.size())});
        threads.resize(max_threads);
    }
    const bool ready = be_ready();
    auto& all = *answers.load();
    const auto round = all.round.fetch_add(1) + 1;
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < threads.size(); ++i)
        if (ready && !holds_the_signal(threads[i]) && ask(threads[i], round, i)) asked.push_back(i);
    wait_for(all, asked, round);
    std::map<std::pair<std::vector<std::uint64_t>, std::string>, std::int64_t> merged;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        const auto& slot = all.slots[i];
        const bool answered = slot.round.load(std::memory_order_acquire) == round;
        auto stack = answered ? stack_in(slot) : kernel_place(threads[i]);
        const auto name = text_of(threads[i], "comm");
        if (!name.empty()) ++merged[{std::move(stack), name}];  // else it has ended since
    }
    end_round(all);
    for (auto& [key, count] : merged)
        out.samples.push_back(
            pprof::Sample{.stack = key.first, .values = {count}, .numbers = {}, .texts = {{"thread", key.second}}});
    return out;
}

}  // namespace weir::telemetry
