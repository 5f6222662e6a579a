#include "telemetry/profiles/symbols.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "telemetry/profiles/thread_stacks.h"

namespace weir::telemetry {

/// Functions to be found by their names: not in an unnamed namespace, not merged, not inlined.
[[gnu::noinline]] std::uint64_t here_is_where_the_test_stands() {
    return reinterpret_cast<std::uint64_t>(__builtin_extract_return_addr(__builtin_return_address(0)));
}
[[gnu::noinline]] std::uint64_t who_calls_the_other() {
    const auto address = here_is_where_the_test_stands();
    asm volatile("" ::: "memory");
    return address;
}
[[gnu::noinline]] void wait_under_this_name(std::mutex& lock, std::condition_variable& go, const bool& gone) {
    std::unique_lock held(lock);
    go.wait(held, [&] { return gone; });
    asm volatile("" ::: "memory");
}

namespace {

using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;

TEST(Symbolizer, KnowsFunctionsFilesAndLines) {
    const auto address = pprof::call_address(who_calls_the_other(), false);
    Symbolizer symbolizer;
    const auto found = symbolizer.look_up({address, 1});
    ASSERT_EQ(found.size(), 1U) << "address 1 is nothing";
    const auto& frame = found.at(address).back();
    EXPECT_EQ(frame.function, "weir::telemetry::who_calls_the_other()");
    EXPECT_THAT(frame.system_name, HasSubstr("who_calls_the_other"));
    EXPECT_THAT(frame.file, EndsWith("symbols_test.cpp"));
    EXPECT_GT(frame.line, 0);
    const auto again = symbolizer.look_up({address});
    EXPECT_EQ(again.at(address).back().function, frame.function);
    EXPECT_EQ(again.at(address).back().line, frame.line);
}

TEST(Symbolizer, KnowsTheLibrariesFunctionsToo) {
    const auto address = reinterpret_cast<std::uint64_t>(&std::strtoul);
    const auto found = Symbolizer().look_up({address});
    ASSERT_TRUE(found.contains(address));
    EXPECT_THAT(found.at(address).back().function, HasSubstr("strtoul"));
}

TEST(Symbolizer, MappingsHaveTheProgramFirstAndBuildIds) {
    const auto maps = own_mappings();
    ASSERT_FALSE(maps.empty());
    EXPECT_EQ(maps[0].file, std::filesystem::read_symlink("/proc/self/exe").string());
    const auto address = reinterpret_cast<std::uint64_t>(&std::strtoul);
    const auto libc =
        std::find_if(maps.begin(), maps.end(), [&](const auto& m) { return m.start <= address && address < m.limit; });
    ASSERT_NE(libc, maps.end());
    EXPECT_EQ(libc->build_id.size(), 40U) << "Debian's libraries have one";
}

/// How many threads of that name stand in that function.
std::int64_t standing(const pprof::Profile& profile, const std::string& name, const std::string& function) {
    const auto symbols = Symbolizer().look_up(addresses_of(profile));
    const auto is_it = [&](std::uint64_t address) {
        const auto found = symbols.find(address);
        return found != symbols.end() && std::any_of(found->second.begin(), found->second.end(),
                                                     [&](const auto& f) { return f.function.starts_with(function); });
    };
    std::int64_t found = 0;
    for (const auto& sample : profile.samples) {
        bool here = false;
        for (std::size_t i = 0; i < sample.stack.size(); ++i)
            here = here || is_it(pprof::call_address(sample.stack[i], i == 0));
        if (here && sample.texts.at("thread") == name) found += sample.values.at(0);
    }
    return found;
}

class WaitingThreads {
public:
    explicit WaitingThreads(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            threads_.emplace_back([this] {
                ::pthread_setname_np(::pthread_self(), "waits-here");
                {
                    const std::lock_guard held(lock_);
                    ++begun_;
                }
                came_.notify_all();
                wait_under_this_name(lock_, go_, gone_);
            });
        }
        std::unique_lock held(lock_);
        came_.wait(held, [&] { return begun_ == count; });
    }
    ~WaitingThreads() {
        {
            const std::lock_guard held(lock_);
            gone_ = true;
        }
        go_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

private:
    std::mutex lock_;
    std::condition_variable go_, came_;
    bool gone_ = false;
    std::size_t begun_ = 0;
    std::vector<std::thread> threads_;
};

TEST(ThreadStacks, EveryThreadWithItsNameAndFunctions) {
    const WaitingThreads threads(3);
    EXPECT_GE(thread_count(), 4U);
    for (int round = 0; round < 50; ++round) {
        const auto profile = thread_stacks("goroutine");
        EXPECT_EQ(profile.sample_types.at(0).type, "goroutine");
        std::int64_t all = 0;
        for (const auto& sample : profile.samples) all += sample.values.at(0);
        EXPECT_GE(all, 4);
        if (round == 49) {
            EXPECT_EQ(standing(profile, "waits-here", "weir::telemetry::wait_under_this_name("), 3);
        }
    }
}

TEST(ThreadStacks, AThreadThatHoldsItsSignalsIsShownWhereItWaits) {
    std::mutex lock;
    std::condition_variable go;
    bool gone = false, begun = false;
    std::thread deaf([&] {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
        ::pthread_setname_np(::pthread_self(), "deaf");
        {
            const std::lock_guard held(lock);
            begun = true;
        }
        go.notify_all();
        wait_under_this_name(lock, go, gone);
    });
    {
        std::unique_lock held(lock);
        go.wait(held, [&] { return begun; });
    }
    const auto profile = thread_stacks("threadcreate");
    {
        const std::lock_guard held(lock);
        gone = true;
    }
    go.notify_all();
    deaf.join();
    std::vector<std::string> names;
    for (const auto& sample : profile.samples) names.push_back(sample.texts.at("thread"));
    EXPECT_THAT(names, Contains("deaf"));
}

}  // namespace
}  // namespace weir::telemetry
