#include "io/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace weir {
namespace {

using Addresses = std::vector<std::string>;
using Steady = std::chrono::steady_clock;

constexpr std::chrono::seconds keep_answer{30}, keep_failure{2};
constexpr std::size_t max_names = 1024;

bool is_numeric(const std::string& host) {
    in_addr four{};
    in6_addr six{};
    return inet_pton(AF_INET, host.c_str(), &four) == 1 || inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

Addresses interleaved(const Addresses& six, const Addresses& four) {
    Addresses out;
    for (std::size_t i = 0; i < std::max(six.size(), four.size()); ++i) {
        if (i < six.size()) out.push_back(six[i]);
        if (i < four.size()) out.push_back(four[i]);
    }
    return out;
}

Result<Addresses> system_lookup(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int rc = getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (rc != 0) {
        const char* why = rc == EAI_SYSTEM ? "system error" : gai_strerror(rc);
        return Error{Errc::unreachable, fmt::format("cannot resolve {}: {}", host, why)};
    }
    Addresses six, four;
    for (const addrinfo* a = list; a; a = a->ai_next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        auto& kind = a->ai_family == AF_INET6 ? six : four;
        const void* bytes = nullptr;
        if (a->ai_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6*>(a->ai_addr)->sin6_addr;
        if (a->ai_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in*>(a->ai_addr)->sin_addr;
        if (!bytes || !inet_ntop(a->ai_family, bytes, text.data(), text.size())) continue;
        if (std::find(kind.begin(), kind.end(), text.data()) == kind.end()) kind.emplace_back(text.data());
    }
    freeaddrinfo(list);
    if (six.empty() && four.empty()) return Error{Errc::unreachable, fmt::format("{} has no address", host)};
    return interleaved(six, four);
}

/// One coroutine that waits. Lives in its frame; the threads know it only while it is listed, under the lock.
struct Waiter {
    explicit Waiter(asio::any_io_executor e) : executor(std::move(e)), wake(executor) {
        wake.expires_at(wake.expiry().max());
    }
    asio::any_io_executor executor;
    asio::steady_timer wake;
    std::optional<Result<Addresses>> answer;
};

struct Name {
    std::optional<Result<Addresses>> answer;
    Steady::time_point until = {};
    bool asked = false;
    std::vector<std::shared_ptr<Waiter>> waiters;
};

/// Shared with the threads, which outlive the Resolver when a name server hangs.
struct Board {
    std::mutex mutex;
    std::condition_variable work;
    std::deque<std::string> queue;
    std::map<std::string, Name> names;
    Resolver::Lookup lookup;
    bool closed = false;

    void forget_old(Steady::time_point now) {
        std::erase_if(
            names, [&](const auto& n) { return !n.second.asked && n.second.waiters.empty() && n.second.until <= now; });
    }

    void settle(const std::string& host, const Result<Addresses>& answer) {
        const std::lock_guard lock(mutex);
        const auto found = names.find(host);
        if (found == names.end()) return;
        auto& name = found->second;
        name.asked = false;
        name.answer = answer;
        name.until = Steady::now() + (answer ? Steady::duration(keep_answer) : Steady::duration(keep_failure));
        // Posting under the lock: a waiter that is still listed has a living executor.
        for (const auto& waiter : name.waiters)
            asio::post(waiter->executor, [weak = std::weak_ptr(waiter), answer] {
                if (const auto w = weak.lock()) {
                    w->answer = answer;
                    w->wake.cancel();
                }
            });
        name.waiters.clear();
    }
};

void work(const std::shared_ptr<Board>& board) {
    for (;;) {
        std::string host;
        {
            std::unique_lock lock(board->mutex);
            board->work.wait(lock, [&] { return board->closed || !board->queue.empty(); });
            if (board->closed) return;
            host = std::move(board->queue.front());
            board->queue.pop_front();
        }
        board->settle(host, board->lookup(host));
    }
}

/// Takes the waiter off the board however its coroutine ends.
class Listed {
public:
    Listed(std::shared_ptr<Board> board, std::string host, std::shared_ptr<Waiter> waiter)
        : board_(std::move(board)), host_(std::move(host)), waiter_(std::move(waiter)) {}
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;
    ~Listed() {
        const std::lock_guard lock(board_->mutex);
        if (const auto found = board_->names.find(host_); found != board_->names.end())
            std::erase(found->second.waiters, waiter_);
    }

private:
    std::shared_ptr<Board> board_;
    std::string host_;
    std::shared_ptr<Waiter> waiter_;
};

class PoolResolver final : public Resolver {
public:
    PoolResolver(std::size_t threads, Lookup lookup) {
        board_->lookup = std::move(lookup);
        // The threads must not take the signals that the process waits for elsewhere.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i)
            std::thread([board = board_] { work(board); }).detach();
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    PoolResolver(const PoolResolver&) = delete;
    PoolResolver& operator=(const PoolResolver&) = delete;
    ~PoolResolver() override {
        const std::lock_guard lock(board_->mutex);
        board_->closed = true;
        board_->work.notify_all();
    }

    Task<Result<Addresses>> resolve(std::string host, Millis timeout) override {
        co_await asio::this_coro::throw_if_cancelled(false);
        if (is_numeric(host)) co_return Addresses{host};
        const auto board = board_;
        const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
        if (auto known = ask(*board, host, waiter)) co_return std::move(*known);
        const Listed listed(board, host, waiter);

        waiter->wake.expires_after(timeout);
        boost::system::error_code ignored;
        if ((co_await asio::this_coro::cancellation_state).cancelled() == asio::cancellation_type::none &&
            !waiter->answer)
            co_await waiter->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
            co_return Error{Errc::cancelled, "cancelled while resolving a name"};
        if (waiter->answer) co_return std::move(*waiter->answer);
        co_return Error{Errc::timed_out, fmt::format("resolving {} took more than {} ms", host, timeout.count())};
    }

private:
    /// A fresh answer, or nothing once the waiter is listed.
    static std::optional<Result<Addresses>> ask(Board& board, const std::string& host,
                                                const std::shared_ptr<Waiter>& waiter) {
        const std::lock_guard lock(board.mutex);
        const auto now = Steady::now();
        if (board.names.size() >= max_names) board.forget_old(now);
        if (board.names.size() >= max_names && !board.names.contains(host))
            return Result<Addresses>(Error{Errc::busy, fmt::format("{} names are being resolved", board.names.size())});
        auto& name = board.names[host];
        if (name.answer && name.until > now) return name.answer;
        name.waiters.push_back(waiter);
        if (!std::exchange(name.asked, true)) {
            board.queue.push_back(host);
            board.work.notify_one();
        }
        return std::nullopt;
    }

    std::shared_ptr<Board> board_ = std::make_shared<Board>();
};

}  // namespace

std::shared_ptr<Resolver> Resolver::create(std::size_t threads) {
    return create(threads, system_lookup);
}

std::shared_ptr<Resolver> Resolver::create(std::size_t threads, Lookup lookup) {
    return std::make_shared<PoolResolver>(threads, std::move(lookup));
}

}  // namespace weir
