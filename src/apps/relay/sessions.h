#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/relay/access.h"
#include "sinks/viewers.h"

namespace weir::relay {

/// One connection that lives longer than its request, as others see it.
struct SessionInfo {
    std::string kind;  ///< "websocket", "http-ts", "push"
    std::string topic;
    std::string remote, user_agent;
    Grant grant;  ///< what it may do here
    WallTime since{};
    std::uint64_t sent = 0, received = 0, skips = 0;  ///< bytes, bytes, times it was too slow
};

class Sessions;

/// A place in the list; leaves it when it goes.
/// threads  any
class Session {
public:
    ~Session();
    /// What shows its numbers and ends it; nothing any more once gone() was called.
    void set_handle(std::shared_ptr<Viewers::Handle> handle);
    /// For connections without a handle: called once, from any thread, when it is to end.
    void set_end(std::function<void()> end);
    void count_received(std::uint64_t bytes) noexcept { received_ += bytes; }
    [[nodiscard]] bool is_cut() const noexcept { return cut_; }
    void cut(std::uint16_t code, const std::string& reason);
    void gone();
    [[nodiscard]] SessionInfo info() const;
    [[nodiscard]] std::string booking_id() const;

private:
    friend class Sessions;
    Session(std::shared_ptr<Sessions> list, SessionInfo info) : list_(std::move(list)), info_(std::move(info)) {}

    const std::shared_ptr<Sessions> list_;
    std::atomic<bool> cut_{false};
    std::atomic<std::uint64_t> received_{0};
    mutable std::mutex mutex_;  ///< for what follows
    SessionInfo info_;
    bool gone_ = false;
    std::uint16_t code_ = 0;
    std::string reason_;
    std::shared_ptr<Viewers::Handle> handle_;
    std::function<void()> end_;
};

/// All of them, bounded: `most`, and `more` of those that only publish.
/// threads  any
class Sessions : public std::enable_shared_from_this<Sessions> {
public:
    explicit Sessions(std::size_t most, std::size_t more = 0) : most_(most), more_(more) {}
    /// Null when there are too many.
    std::shared_ptr<Session> enter(SessionInfo info);
    /// Ends all with that booking id (PR-14); how many there were.
    std::size_t cut(const std::string& booking_id, const std::string& reason);
    [[nodiscard]] std::vector<SessionInfo> list() const;
    [[nodiscard]] std::size_t size() const;

private:
    friend class Session;
    void leave(const Session* session);
    [[nodiscard]] std::vector<std::shared_ptr<Session>> all() const;

    const std::size_t most_, more_;
    mutable std::mutex mutex_;
    std::vector<std::pair<const Session*, std::weak_ptr<Session>>> sessions_;
};

}  // namespace weir::relay
