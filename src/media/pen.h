#pragma once
// Muxing and hashing beside reading, in a thread of its own; for the .cpp files of this folder.
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/time.h"
#include "media/libav.h"

namespace weir::media {

/// A packet with its final times, and what its track's sum wants to know of it.
struct Inked {
    Packet packet;
    std::size_t track = 0;
    Micros pts{0}, duration{0};
};

/// Hands packets to `store` in order, in one thread that nobody else's data meets until finish() returned.
/// limits  about 16 MiB wait at most; put() then waits too
class Pen {
public:
    explicit Pen(std::function<Result<>(Inked&)> store);
    /// What still waits is dropped.
    ~Pen();
    Pen(const Pen&) = delete;

    /// errors  that of an earlier packet
    Result<> put(Inked one);
    Result<> finish();

private:
    using Batch = std::vector<Inked>;
    void run();
    Result<> hand_over();
    Result<> store_all(Batch& batch);

    std::function<Result<>(Inked&)> store_;
    Batch filling_;
    std::size_t filling_bytes_ = 0;
    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<Batch> waiting_;
    bool working_ = false, ending_ = false;
    std::optional<Error> failure_;
    std::thread thread_;
};

}  // namespace weir::media
