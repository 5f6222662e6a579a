#include "media/pen.h"

#include <new>

namespace weir::media {

Pen::Pen(std::function<Result<>(Inked&)> store) : store_(std::move(store)), thread_([this] { run(); }) {}

Pen::~Pen() {
    {
        const std::lock_guard guard(lock_);
        ending_ = true;
        waiting_.clear();
    }
    changed_.notify_all();
    thread_.join();
}

Result<> Pen::put(Inked one) {
    constexpr std::size_t batch_packets = 256, batch_bytes = 2u << 20;
    filling_bytes_ += static_cast<std::size_t>(one.packet->size);
    filling_.push_back(std::move(one));
    return filling_.size() < batch_packets && filling_bytes_ < batch_bytes ? Result<>{} : hand_over();
}

Result<> Pen::hand_over() {
    constexpr std::size_t most_waiting = 6;
    {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [this] { return waiting_.size() < most_waiting || failure_; });
        if (failure_) return *failure_;
        waiting_.push_back(std::move(filling_));
    }
    changed_.notify_all();
    filling_.clear();
    filling_bytes_ = 0;
    return {};
}

Result<> Pen::finish() {
    if (auto r = hand_over(); !r) return r;
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return (waiting_.empty() && !working_) || failure_; });
    return failure_ ? Result<>(*failure_) : Result<>{};
}

Result<> Pen::store_all(Batch& batch) {
    try {
        for (auto& one : batch)
            if (auto r = store_(one); !r) return r;
    } catch (const std::bad_alloc&) {
        return Error{Errc::bad_input, "wants more memory than the media tool may have"};
    }
    return {};
}

void Pen::run() {
    std::unique_lock guard(lock_);
    for (;;) {
        changed_.wait(guard, [this] { return ending_ || (!waiting_.empty() && !failure_); });
        if (ending_) return;
        Batch batch = std::move(waiting_.front());
        waiting_.pop_front();
        working_ = true;
        guard.unlock();
        auto stored = store_all(batch);
        batch.clear();
        guard.lock();
        working_ = false;
        if (!stored) failure_ = stored.error();
        changed_.notify_all();
    }
}

}  // namespace weir::media
