// N viewers in one light process: counts the bytes of each without copying them, and checks the packets of a few in
// full. fanout_load PORT VIEWERS SECONDS [WEDGED]; prints "begin" two seconds after all have joined, "end", and one
// JSON line.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/ts_pattern.h"

namespace {

constexpr std::size_t checked_viewers = 4;

/// Reads a response head and then packets, across any cut.
class Checker {
public:
    std::uint64_t packets = 0, missing = 0, broken = 0;
    std::vector<std::uint64_t> latency_ns;

    void feed(const std::byte* data, std::size_t size, bool measuring) {
        held_.append(reinterpret_cast<const char*>(data), size);
        std::size_t at = 0;
        if (!body_) {
            const auto end = held_.find("\r\n\r\n");
            if (end == held_.npos) return;
            body_ = true;
            at = end + 4;
        }
        const auto now = bench::now_ns();
        for (; held_.size() - at >= bench::packet_size; at += bench::packet_size) packet(&held_[at], now, measuring);
        held_.erase(0, at);
    }

private:
    void packet(const char* p, std::uint64_t now, bool measuring) {
        std::uint64_t number, made;
        std::memcpy(&number, p + 4, 8);
        std::memcpy(&made, p + 12, 8);
        const bool whole = p[0] == 0x47 && (p[3] & 15) == static_cast<char>(number & 15) &&
                           p[bench::packet_size - 1] == static_cast<char>(number & 0xff);
        if (!whole) ++broken;
        if (packets++ != 0 && number != next_) missing += number - next_;
        next_ = number + 1;
        if (measuring && number % 7 == 0) latency_ns.push_back(now - made);
    }

    std::string held_;
    bool body_ = false;
    std::uint64_t next_ = 0;
};

struct Viewer {
    int fd = -1;
    std::uint64_t bytes = 0;
    bool lost = false;
};

int open_viewer(std::uint16_t port, bool wedged) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int small = 4096;
    if (wedged) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    constexpr std::string_view request = "GET /bench.ts HTTP/1.1\r\nHost: bench\r\n\r\n";
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
        std::perror("connect");
        std::exit(1);
    }
    return fd;
}

double millis(const std::vector<std::uint64_t>& sorted, double share) {
    if (sorted.empty()) return 0;
    return static_cast<double>(sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))]) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    const auto count = std::strtoul(argv[2], nullptr, 10);
    const double seconds = std::atof(argv[3]);
    const auto wedged = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 0;
    std::vector<Viewer> viewers(count);
    std::vector<Checker> checkers(std::min<std::size_t>(checked_viewers, count));
    const int poller = epoll_create1(0);
    for (unsigned long i = 0; i < wedged; ++i) (void)open_viewer(port, true);
    for (std::size_t i = 0; i < count; ++i) {
        viewers[i].fd = open_viewer(port, false);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        epoll_ctl(poller, EPOLL_CTL_ADD, viewers[i].fd, &event);
    }
    std::vector<std::byte> scratch(256u << 10);
    const auto opened = bench::now_ns();
    const auto begin = opened + 2'000'000'000, end = begin + static_cast<std::uint64_t>(seconds * 1e9);
    bool measuring = false;
    std::vector<std::uint64_t> at_begin(count);
    for (;;) {
        const auto now = bench::now_ns();
        if (!measuring && now >= begin) {
            measuring = true;
            for (std::size_t i = 0; i < count; ++i) at_begin[i] = viewers[i].bytes;
            std::puts("begin");
            std::fflush(stdout);
        }
        if (now >= end) break;
        std::array<epoll_event, 128> events;
        const int ready = epoll_wait(poller, events.data(), static_cast<int>(events.size()), 50);
        for (int e = 0; e < ready; ++e) {
            const auto i = events[static_cast<std::size_t>(e)].data.u64;
            const bool checked = i < checkers.size();
            const auto got =
                recv(viewers[i].fd, scratch.data(), scratch.size(), MSG_DONTWAIT | (checked ? 0 : MSG_TRUNC));
            if (got > 0) {
                viewers[i].bytes += static_cast<std::uint64_t>(got);
                if (checked) checkers[i].feed(scratch.data(), static_cast<std::size_t>(got), measuring);
            } else if (got == 0 || errno != EAGAIN) {
                viewers[i].lost = true;
                epoll_ctl(poller, EPOLL_CTL_DEL, viewers[i].fd, nullptr);
            }
        }
    }
    std::puts("end");
    std::fflush(stdout);
    std::uint64_t total = 0, least = UINT64_MAX, most = 0, missing = 0, broken = 0, packets = 0, lost = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto bytes = viewers[i].bytes - at_begin[i];
        total += bytes;
        least = std::min(least, bytes);
        most = std::max(most, bytes);
        lost += viewers[i].lost;
    }
    std::vector<std::uint64_t> latency;
    for (const auto& c : checkers) {
        missing += c.missing;
        broken += c.broken;
        packets += c.packets;
        latency.insert(latency.end(), c.latency_ns.begin(), c.latency_ns.end());
    }
    std::sort(latency.begin(), latency.end());
    std::printf(
        "{\"bytes\": %llu, \"least\": %llu, \"most\": %llu, \"lost\": %llu, \"checked\": %llu, \"missing\": %llu, "
        "\"broken\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
        static_cast<unsigned long long>(total), static_cast<unsigned long long>(least),
        static_cast<unsigned long long>(most), static_cast<unsigned long long>(lost),
        static_cast<unsigned long long>(packets), static_cast<unsigned long long>(missing),
        static_cast<unsigned long long>(broken), millis(latency, 0.5), millis(latency, 0.99));
}
