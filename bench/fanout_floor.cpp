// The least a program can do to send the same bytes to the same clients: epoll, a ring of chunks, writev. Nothing else
// is served, checked or bounded. --batch-ms 0: each chunk is written as it comes; otherwise what came in that time goes
// together.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "bench/ts_pattern.h"

namespace {

constexpr std::size_t ring_chunks = 1024, most_pieces = 64;

struct Client {
    int fd;
    std::uint64_t chunk;  ///< the next one to write
    std::size_t offset;
};

struct Floor {
    std::size_t size;
    std::vector<std::byte> ring;
    std::uint64_t head = 0, number = 0;
    std::vector<Client> clients;

    void make() {
        bench::fill(&ring[(head % ring_chunks) * size], size / bench::packet_size, number);
        ++head;
    }

    void write_all() {
        for (auto& client : clients) {
            while (client.chunk < head) {
                std::array<iovec, most_pieces> pieces;
                std::size_t count = 0, asked = 0, offset = client.offset;
                for (auto c = client.chunk; c < head && count < most_pieces && asked < (64u << 10); ++c) {
                    pieces[count++] = {&ring[(c % ring_chunks) * size] + offset, size - offset};
                    asked += size - offset;
                    offset = 0;
                }
                const auto wrote = writev(client.fd, pieces.data(), static_cast<int>(count));
                if (wrote <= 0) break;  // again with the next batch
                const auto done = client.offset + static_cast<std::size_t>(wrote);
                client.chunk += done / size;
                client.offset = done % size;
                if (static_cast<std::size_t>(wrote) < asked) break;
            }
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    std::size_t chunk = 1316;
    std::uint64_t batch_ns = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const auto value = std::strtoul(argv[i + 1], nullptr, 10);
        if (name == "--chunk") chunk = value;
        if (name == "--batch-ms") batch_ns = value * 1'000'000;
    }
    chunk -= chunk % bench::packet_size;
    Floor floor{chunk, std::vector<std::byte>(chunk * ring_chunks), 0, 0, {}};

    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        std::perror("listen");
        return 1;
    }
    std::printf("port %d\n", int{ntohs(address.sin_port)});
    std::fflush(stdout);

    const int poller = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (const int fd : {listener, timer}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
    const std::uint64_t step = chunk * 8 * 1'000'000'000 / bench::bits_per_second;
    std::uint64_t next_chunk = bench::now_ns(), next_write = UINT64_MAX;
    for (;;) {
        const auto until = std::min(next_chunk, next_write);
        itimerspec when{};
        when.it_value.tv_sec = static_cast<time_t>(until / 1'000'000'000);
        when.it_value.tv_nsec = static_cast<long>(until % 1'000'000'000);
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr);
        std::array<epoll_event, 64> events;
        const int ready = epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < ready; ++i) {
            if (events[static_cast<std::size_t>(i)].data.fd != listener) continue;
            const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
            if (fd < 0) continue;
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            constexpr std::string_view response = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n";
            if (write(fd, response.data(), response.size()) > 0) floor.clients.push_back({fd, floor.head, 0});
        }
        const auto now = bench::now_ns();
        if (now >= next_chunk) {
            floor.make();
            next_chunk += step;
            if (batch_ns == 0)
                floor.write_all();
            else
                next_write = std::min(next_write, now + (chunk >= (48u << 10) ? 0 : batch_ns));
        }
        if (now >= next_write) {
            floor.write_all();
            next_write = UINT64_MAX;
        }
    }
}
