#include "apps/relay/sessions.h"

#include <algorithm>

namespace weir::relay {

Session::~Session() {
    list_->leave(this);
}

void Session::set_handle(std::shared_ptr<Viewers::Handle> handle) {
    {
        const std::lock_guard lock(mutex_);
        if (gone_ || !handle) return;
        handle_ = handle;
        if (!cut_) return;
    }
    handle->close(code_, reason_);  // written before cut_, and once only
}

void Session::set_end(std::function<void()> end) {
    {
        const std::lock_guard lock(mutex_);
        if (gone_) return;
        if (!cut_) {
            end_ = std::move(end);
            return;
        }
    }
    end();
}

std::string Session::booking_id() const {
    const std::lock_guard lock(mutex_);
    return info_.grant.booking_id;
}

void Session::cut(std::uint16_t code, const std::string& reason) {
    std::shared_ptr<Viewers::Handle> handle;
    std::function<void()> end;
    {
        const std::lock_guard lock(mutex_);
        if (cut_) return;
        code_ = code;
        reason_ = reason;
        cut_ = true;
        handle = handle_;
        end = std::exchange(end_, {});
    }
    if (handle) handle->close(code, reason);
    if (end) end();
}

void Session::gone() {
    std::shared_ptr<Viewers::Handle> handle;  // may own what called this: let go outside of the lock
    std::function<void()> end;
    const std::lock_guard lock(mutex_);
    gone_ = true;
    handle.swap(handle_);
    end.swap(end_);
}

SessionInfo Session::info() const {
    const std::lock_guard lock(mutex_);
    auto out = info_;
    out.received = received_;
    if (handle_) {
        out.sent = handle_->bytes();
        out.skips = handle_->skips();
    }
    return out;
}

std::shared_ptr<Session> Sessions::enter(SessionInfo info) {
    const bool publishes = info.grant.write && !info.grant.read;
    const std::lock_guard lock(mutex_);
    if (sessions_.size() >= most_ + (publishes ? more_ : 0)) return nullptr;
    std::shared_ptr<Session> session(new Session(shared_from_this(), std::move(info)));
    sessions_.emplace_back(session.get(), session);
    return session;
}

void Sessions::leave(const Session* session) {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& s) { return s.first == session; });
    if (found == sessions_.end()) return;
    *found = std::move(sessions_.back());
    sessions_.pop_back();
}

std::size_t Sessions::cut(const std::string& booking_id, const std::string& reason) {
    std::size_t hit = 0;
    for (const auto& session : all()) {
        if (session->booking_id() != booking_id) continue;
        session->cut(1008, reason);
        ++hit;
    }
    return hit;
}

/// Let go by the caller, without the lock: the last one to hold a session leaves the list.
std::vector<std::shared_ptr<Session>> Sessions::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Session>> out;
    for (const auto& [at, weak] : sessions_)
        if (auto session = weak.lock()) out.push_back(std::move(session));
    return out;
}

std::vector<SessionInfo> Sessions::list() const {
    std::vector<SessionInfo> out;
    for (const auto& session : all()) out.push_back(session->info());
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
    return out;
}

std::size_t Sessions::size() const {
    const std::lock_guard lock(mutex_);
    return sessions_.size();
}

}  // namespace weir::relay
