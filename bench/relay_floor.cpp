// The least a program can do to relay a push to websockets: reads the same chunked body, writes one frame for each body
// chunk. Nothing is checked, bounded, kept for late joiners or served beside.
//
//   relay_floor [--mode each|batch] [--wait-ms N] [--drop] [--cert FILE --key FILE] [--dial PORT --count N [--tls]]
//
// each: every frame is written to every client as it comes; batch: all frames that wait, in one writev. --wait-ms: and they
// wait so long for more. --drop: a client that is 1 MiB behind is let go; otherwise the push waits for it. --dial: clients
// are destinations on that port, and what they get is masked.
#include <sys/epoll.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "bench/relay_peer.h"
#include "bench/ts_pattern.h"
#include "proto/websocket/frame.h"
#include "proto/websocket/handshake.h"

namespace {

using namespace weir;

constexpr std::size_t ring_bytes = 8u << 20, far_behind = 1u << 20;

/// Takes the chunks out of a chunked body.
class Body {
public:
    template <class OnChunk>
    void feed(std::span<const std::byte> in, OnChunk on_chunk) {
        while (!in.empty()) {
            if (left_ == 0) {
                const char c = static_cast<char>(in[0]);
                in = in.subspan(1);
                if (c != '\n') {
                    line_ += c;
                } else if (line_.size() > 1) {
                    left_ = std::stoul(line_, nullptr, 16);
                    chunk_.clear();
                    line_.clear();
                } else {
                    line_.clear();
                }
                continue;
            }
            const auto part = in.first(std::min(left_, in.size()));
            in = in.subspan(part.size());
            left_ -= part.size();
            if (left_ == 0 && chunk_.empty()) {
                on_chunk(part);
            } else {
                chunk_.insert(chunk_.end(), part.begin(), part.end());
                if (left_ == 0) on_chunk(std::span<const std::byte>(chunk_));
            }
        }
    }

private:
    std::string line_;
    std::size_t left_ = 0;
    std::vector<std::byte> chunk_;
};

struct Client {
    bench::Peer peer;
    std::uint64_t at;
    bool blocked = false;
};

class Floor {
public:
    explicit Floor(std::map<std::string_view, std::string> o) : o_(std::move(o)) {
        each_ = o_["--mode"] == "each";
        drop_ = o_.contains("--drop");
        dialled_ = o_.contains("--dial");
        wait_ns_ = std::stoull("0" + o_["--wait-ms"]) * 1'000'000;
        if (o_.contains("--cert")) tls_.load(o_["--cert"].c_str(), o_["--key"].c_str());
        if (o_.contains("--tls")) tls_.dial();
    }

    int run() {
        const auto [listener, port] = bench::listen_anywhere();
        listener_ = listener;
        watch(listener, EPOLLIN, EPOLL_CTL_ADD);
        if (dialled_) dial();
        std::printf("listening on 127.0.0.1:%d\n", int{port});
        std::fflush(stdout);
        for (;;) turn();
    }

private:
    void watch(int fd, std::uint32_t what, int how) const {
        epoll_event event{};
        event.events = what;
        event.data.fd = fd;
        epoll_ctl(poller_, how, fd, &event);
    }

    void dial() {
        const auto port = static_cast<std::uint16_t>(std::stoul(o_["--dial"]));
        for (std::size_t i = 0; i < std::stoul(o_["--count"]); ++i) {
            auto peer = bench::Peer::dial(port, tls_.client);
            const std::array<std::byte, 16> nonce{};
            peer.write_all(ws::ClientHandshake({"127.0.0.1", "/", {}, {}}, nonce).text());
            (void)peer.head();
            clients_.push_back({peer, 0});
        }
    }

    void turn() {
        int wait = -1;
        if (write_at_ != 0)
            wait = static_cast<int>((write_at_ - std::min(write_at_, bench::now_ns()) + 999'999) / 1'000'000);
        std::array<epoll_event, 64> events;
        const int ready = epoll_wait(poller_, events.data(), static_cast<int>(events.size()), wait);
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener_)
                take();
            else if (fd == push_.fd)
                read_push();
            else
                unblock(fd);
        }
        if (write_at_ != 0 && bench::now_ns() >= write_at_) {
            write_at_ = 0;
            write_all();
        }
    }

    void take() {
        bench::Peer peer(accept(listener_, nullptr, nullptr));
        peer.accepted_with(tls_.server);
        const auto head = peer.head();
        const auto key = bench::field(head, "sec-websocket-key");
        if (key.empty()) {
            push_ = peer;
            push_.go_on_without_blocking();
            watch(push_.fd, EPOLLIN, EPOLL_CTL_ADD);
            return;
        }
        peer.write_all(ws::accept_answer({key, {}, {}, {}}));
        peer.go_on_without_blocking();
        clients_.push_back({peer, head_});
        watch(peer.fd, 0, EPOLL_CTL_ADD);
    }

    void read_push() {
        bool more = true;
        for (int round = 0; more && round < 16 && !paused_; ++round) {
            const auto got = push_.read(scratch_.data(), scratch_.size());
            more = got > 0;
            if (got == 0 || got == -2) watch(push_.fd, 0, EPOLL_CTL_DEL);
            if (got <= 0) break;
            body_.feed(std::span(scratch_).first(static_cast<std::size_t>(got)), [this](auto chunk) { frame(chunk); });
        }
        if (each_) return;
        if (wait_ns_ == 0)
            write_all();
        else if (write_at_ == 0)
            write_at_ = bench::now_ns() + wait_ns_;
    }

    void frame(std::span<const std::byte> payload) {
        if (dialled_) {
            frames_.push_back({head_, payload.size()});
            put(payload);
        } else {
            std::array<std::byte, 14> room;
            put(std::span(room).first(ws::write_head(room, ws::Opcode::binary, payload.size())));
            put(payload);
        }
        if (each_) write_all();
    }
    void put(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const std::size_t at = head_ % ring_bytes, part = std::min(bytes.size(), ring_bytes - at);
            std::copy_n(bytes.begin(), part, ring_.begin() + static_cast<std::ptrdiff_t>(at));
            bytes = bytes.subspan(part);
            head_ += part;
        }
    }

    void write_all() {
        if (dialled_) return write_masked();
        for (auto& client : clients_)
            if (client.blocked)
                mind(client);
            else
                write_to(client);
        forget();
    }
    void forget() {
        std::erase_if(clients_, [](const Client& c) { return c.peer.fd < 0; });
    }
    void write_to(Client& client) {
        while (client.at < head_) {
            const std::size_t from = client.at % ring_bytes, all = static_cast<std::size_t>(head_ - client.at);
            const std::size_t first = std::min(all, ring_bytes - from);
            ssize_t put = 0;
            if (client.peer.tls) {
                put = client.peer.write(&ring_[from], first);
            } else {
                iovec pieces[2] = {{&ring_[from], first}, {ring_.data(), all - first}};
                put = writev(client.peer.fd, pieces, first < all ? 2 : 1);
                if (put < 0) put = errno == EAGAIN ? -1 : -2;
            }
            if (put > 0) client.at += static_cast<std::uint64_t>(put);
            if (put == -2) return let_go(client);
            if (put == -1) return block(client);
        }
    }
    void let_go(Client& client) const {
        close(client.peer.fd);
        client.peer.fd = -1;
    }
    void block(Client& client) {
        client.blocked = true;
        watch(client.peer.fd, EPOLLOUT, EPOLL_CTL_MOD);
        mind(client);
    }
    /// Who is far behind is let go, or the push waits for it.
    void mind(Client& client) {
        if (head_ - client.at <= far_behind) return;
        if (drop_) return let_go(client);
        if (paused_ || push_.fd < 0) return;
        paused_ = true;
        watch(push_.fd, 0, EPOLL_CTL_MOD);
    }
    void unblock(int fd) {
        std::uint64_t slowest = head_;
        for (auto& client : clients_) {
            if (client.peer.fd == fd && !client.blocked) {
                let_go(client);  // it has gone itself
            } else if (client.peer.fd == fd) {
                client.blocked = false;
                watch(fd, 0, EPOLL_CTL_MOD);
                write_to(client);
            }
            slowest = std::min(slowest, client.at);
        }
        if (paused_ && head_ - slowest < far_behind / 2) {
            paused_ = false;
            watch(push_.fd, EPOLLIN, EPOLL_CTL_MOD);
        }
        forget();
    }

    /// Every destination has a mask of its own, so every one needs a copy.
    void write_masked() {
        for (std::size_t c = 0; c < clients_.size(); ++c) {
            masked_.clear();
            for (const auto& [at, size] : frames_) {
                const auto n = static_cast<std::uint32_t>(at * 2'654'435'761u + c);
                std::array<std::byte, 4> key;
                std::memcpy(key.data(), &n, 4);
                std::array<std::byte, 14> room;
                const auto length = ws::write_head(room, ws::Opcode::binary, size, key);
                masked_.insert(masked_.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(length));
                const auto start = masked_.size(), from = static_cast<std::size_t>(at % ring_bytes);
                const auto first = std::min(size, ring_bytes - from);
                masked_.insert(masked_.end(), ring_.begin() + static_cast<std::ptrdiff_t>(from),
                               ring_.begin() + static_cast<std::ptrdiff_t>(from + first));
                masked_.insert(masked_.end(), ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(size - first));
                ws::apply_mask(std::span(masked_).subspan(start), key);
            }
            clients_[c].peer.write_all({reinterpret_cast<const char*>(masked_.data()), masked_.size()});
        }
        frames_.clear();
    }

    std::map<std::string_view, std::string> o_;
    bool each_ = false, drop_ = false, dialled_ = false, paused_ = false;
    std::uint64_t wait_ns_ = 0, write_at_ = 0, head_ = 0;
    bench::Tls tls_;
    int listener_ = -1, poller_ = epoll_create1(0);
    bench::Peer push_;
    Body body_;
    std::vector<Client> clients_;
    std::vector<std::byte> ring_ = std::vector<std::byte>(ring_bytes), scratch_ = std::vector<std::byte>(64u << 10),
                           masked_;
    std::vector<std::pair<std::uint64_t, std::size_t>> frames_;
};

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    std::map<std::string_view, std::string> options{{"--mode", "batch"}};
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--tls" || name == "--drop")
            options[name] = "yes";
        else if (i + 1 < argc)
            options[name] = argv[++i];
    }
    return Floor(std::move(options)).run();
}
