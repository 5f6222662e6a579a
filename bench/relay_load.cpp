// Everything around a relay in one light process: a pusher with a clock of its own and N websocket viewers.
//
//   relay_load --push PORT|- --path /ts/bench --view PORT --view-path /ws/bench --viewers N --seconds S
//       --chunk picture|1316|188   body chunks of the push        --megabytes M   no pace: so much as fast as it is taken
//       --stalled N                more viewers that never read   --tls           everything over TLS
//       --silent                   the push falls silent          --sinks N       instead of viewers: N destinations that are
//       --checked N                viewers whose packets are all looked at;       dialled, on a port that is printed first
//                                  of the others the bytes are counted without a copy (never over TLS or for sinks)
//
// With --push - the port is read from standard input, once the viewers are there. Prints "begin" and "end" around what is
// to be measured, then one JSON line.
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <span>
#include <thread>

#include "bench/relay_pattern.h"
#include "bench/relay_peer.h"
#include "proto/websocket/frame.h"
#include "proto/websocket/handshake.h"

namespace {

using namespace weir;
using Options = std::map<std::string_view, std::string>;

constexpr std::uint64_t second = 1'000'000'000;

/// Websocket frames, cut anywhere, to packets. Masked ones too: sinks hear clients.
class Watcher {
public:
    bench::PictureCheck check;
    std::uint64_t messages = 0, unaligned = 0, payload = 0;
    bool closed = false;

    void feed(std::span<std::byte> in, bool measuring) {
        while (!in.empty() && !closed) {
            if (left_ == 0) {
                in = head(in);
                continue;
            }
            const auto part = in.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
            if (masked_) ws::apply_mask(part, key_, length_ - left_);
            if (media_) check.feed(part.data(), part.size(), measuring);
            if (media_) payload += part.size();
            left_ -= part.size();
            in = in.subspan(part.size());
        }
    }

private:
    std::span<std::byte> head(std::span<std::byte> in) {
        head_[have_++] = in[0];
        if (have_ < 2) return in.subspan(1);
        const auto second_byte = std::to_integer<std::uint8_t>(head_[1]);
        const std::size_t extra = (second_byte & 127) == 126 ? 2 : (second_byte & 127) == 127 ? 8 : 0;
        masked_ = (second_byte & 128) != 0;
        if (have_ < 2 + extra + (masked_ ? 4 : 0)) return in.subspan(1);
        length_ = extra ? 0 : second_byte & 127;
        for (std::size_t i = 0; i < extra; ++i) length_ = length_ << 8 | std::to_integer<std::uint64_t>(head_[2 + i]);
        if (masked_) std::copy_n(head_.begin() + 2 + static_cast<std::ptrdiff_t>(extra), 4, key_.begin());
        const auto opcode = std::to_integer<std::uint8_t>(head_[0]) & 15;
        closed = opcode == 8;
        media_ = opcode == 2 || opcode == 0;
        if (media_) ++messages;
        if (media_ && !check.between_packets()) ++unaligned;
        left_ = length_;
        have_ = 0;
        return in.subspan(1);
    }

    std::array<std::byte, 14> head_{};
    std::size_t have_ = 0;
    std::uint64_t length_ = 0, left_ = 0;
    std::array<std::byte, 4> key_{};
    bool masked_ = false, media_ = false;
};

struct Viewer {
    bench::Peer peer;
    bool checked = true, lost = false;
    std::uint64_t bytes = 0, bytes_before = 0, payload_before = 0, messages_before = 0;
    Watcher watcher;
};

bench::Peer open_viewer(std::uint16_t port, const std::string& path, SSL_CTX* tls, int receive_buffer) {
    auto peer = bench::Peer::dial(port, tls, receive_buffer);
    std::array<std::byte, 16> nonce{};
    ws::ClientHandshake handshake({"127.0.0.1", path, {}, {}}, nonce);
    peer.write_all(handshake.text());
    std::size_t used = 0;
    const auto answer = handshake.feed(std::as_bytes(std::span(std::string_view(peer.head()))), used);
    if (!answer || !*answer || (**answer).status != 101) {
        std::fprintf(stderr, "relay_load: the viewer was refused: %s\n",
                     answer ? std::to_string(*answer ? (**answer).status : 0).c_str() : answer.error().what.c_str());
        std::exit(1);
    }
    return peer;
}

bench::Peer take_sink(int listener, SSL_CTX* tls) {
    pollfd wait{listener, POLLIN, 0};
    if (poll(&wait, 1, 20'000) != 1) bench::die("nobody dials");
    bench::Peer peer(accept(listener, nullptr, nullptr));
    peer.accepted_with(tls);
    const auto answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: " +
        ws::accept_key(bench::field(peer.head(), "sec-websocket-key")) + "\r\n\r\n";
    peer.write_all(answer);
    return peer;
}

/// Of this process, all threads.
double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Pushes on a thread of its own, so that a relay that does not read is not hidden by viewers that do.
class Pusher {
public:
    Pusher(bench::Peer peer, const Options& o) : peer_(peer) {
        const auto& chunk = o.at("--chunk");
        chunk_ = chunk == "picture" ? SIZE_MAX : std::stoul(chunk);
        megabytes_ = std::stoul(o.at("--megabytes"));
        peer_.write_all("POST " + o.at("--path") +
                        " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    void start() {
        thread_ = std::thread([this] { run(); });
    }
    void fall_silent() { silent_ = true; }
    void stop() {
        stopped_ = true;
        shutdown(peer_.fd, SHUT_RDWR);
        thread_.join();
    }
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }
    [[nodiscard]] std::uint64_t late_ns() const { return late_; }

private:
    void run() {
        bench::Pictures pictures;
        std::vector<std::byte> picture;
        auto due = bench::now_ns();
        std::uint64_t pushed = 0;
        while (!stopped_ && (megabytes_ == 0 || pushed < megabytes_ * 1'000'000)) {
            if (megabytes_ == 0) {
                const auto now = bench::now_ns();
                late_ = std::max<std::uint64_t>(late_, now > due ? now - due : 0);
                if (now < due) std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
                due += bench::picture_ns;
                if (silent_) continue;
            }
            pictures.next(picture);
            if (!send(picture)) break;
            pushed += picture.size();
            packets_ = pictures.packets();
        }
        done_ = true;
    }
    bool send(const std::vector<std::byte>& picture) {
        for (std::size_t at = 0; at < picture.size(); at += std::min(chunk_, picture.size())) {
            const auto size = std::min(chunk_, picture.size() - at);
            char head[24];
            const int length = std::snprintf(head, sizeof head, "%zx\r\n", size);
            text_.assign(head, static_cast<std::size_t>(length));
            text_.append(reinterpret_cast<const char*>(picture.data()) + at, size).append("\r\n");
            if (!peer_.write_all(text_)) return false;
        }
        return true;
    }

    bench::Peer peer_;
    std::size_t chunk_ = 0, megabytes_ = 0;
    std::string text_;
    std::thread thread_;
    std::atomic<bool> silent_ = false, stopped_ = false, done_ = false;
    std::atomic<std::uint64_t> packets_ = 0, late_ = 0;
};

class Load {
public:
    explicit Load(Options options) : o_(std::move(options)) {
        if (o_.contains("--tls")) tls_.dial();
        if (o_.contains("--cert")) tls_.load(o_["--cert"].c_str(), o_["--key"].c_str());
    }

    int run() {
        open();
        Pusher pusher(bench::Peer::dial(push_port(), tls_.client), o_);
        const bool paced = o_["--megabytes"] == "0";
        if (!paced) say("begin");
        pusher.start();
        if (paced)
            measure(pusher);
        else
            drain(pusher);
        cpu_ = cpu_seconds() - cpu_before_;
        say("end");
        pusher.stop();
        report(pusher);
        return 0;
    }

private:
    std::uint16_t number(std::string_view name) { return static_cast<std::uint16_t>(std::stoul(o_.at(name))); }
    std::uint16_t push_port() {
        unsigned port = 0;
        if (o_["--push"] != "-") return number("--push");
        if (std::scanf("%u", &port) != 1) bench::die("no port to push to");
        return static_cast<std::uint16_t>(port);
    }
    static void say(const char* word) {
        std::puts(word);
        std::fflush(stdout);
    }

    void open() {
        const std::size_t sinks = std::stoul(o_["--sinks"]), count = sinks ? sinks : std::stoul(o_["--viewers"]);
        const std::size_t stalled = std::stoul(o_["--stalled"]), checked = std::stoul(o_["--checked"]);
        viewers_.resize(count);
        int listener = -1;
        if (sinks) {
            const auto made = bench::listen_anywhere();
            listener = made.first;
            std::printf("port %d\n", int{made.second});
            std::fflush(stdout);
        }
        for (std::size_t i = 0; i < stalled; ++i)
            stalled_.push_back(open_viewer(number("--view"), o_["--view-path"], tls_.client, 4096));
        for (std::size_t i = 0; i < count; ++i) {
            auto& v = viewers_[i];
            v.peer = sinks ? take_sink(listener, tls_.server)
                           : open_viewer(number("--view"), o_["--view-path"], tls_.client, 0);
            v.checked = i < checked || sinks || tls_.client;
            v.peer.go_on_without_blocking();
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = i;
            epoll_ctl(poller_, EPOLL_CTL_ADD, v.peer.fd, &event);
        }
    }

    void turn() {
        std::array<epoll_event, 128> events;
        const int ready = epoll_wait(poller_, events.data(), static_cast<int>(events.size()), 20);
        for (int e = 0; e < ready; ++e) read(viewers_[events[static_cast<std::size_t>(e)].data.u64]);
    }
    void read(Viewer& v) {
        do {
            const auto got = v.checked ? v.peer.read(scratch_.data(), scratch_.size())
                                       : recv(v.peer.fd, scratch_.data(), scratch_.size(), MSG_TRUNC | MSG_DONTWAIT);
            if (got == -1) return;
            if (got > 0) v.bytes += static_cast<std::uint64_t>(got);
            if (got > 0 && v.checked)
                v.watcher.feed(std::span(scratch_).first(static_cast<std::size_t>(got)), measuring_);
            if (got > 0) last_byte_ = bench::now_ns();
            if (got <= 0 || v.watcher.closed) {
                v.lost = true;
                epoll_ctl(poller_, EPOLL_CTL_DEL, v.peer.fd, nullptr);
                return;
            }
        } while (v.peer.tls && SSL_pending(v.peer.tls) > 0);
    }
    void until(std::uint64_t when) {
        while (bench::now_ns() < when) turn();
    }

    void measure(Pusher& pusher) {
        until(bench::now_ns() + second * 3 / 2);
        if (o_.contains("--silent")) {
            pusher.fall_silent();
            until(bench::now_ns() + second);
        }
        for (auto& v : viewers_)
            v.bytes_before = v.bytes, v.payload_before = v.watcher.payload, v.messages_before = v.watcher.messages;
        measuring_ = true;
        began_ = bench::now_ns();
        cpu_before_ = cpu_seconds();
        say("begin");
        until(began_ + static_cast<std::uint64_t>(std::stod(o_["--seconds"]) * 1e9));
        ended_ = bench::now_ns();
        measuring_ = false;
    }

    /// Until all have all, or nothing has come for two seconds.
    void drain(Pusher& pusher) {
        began_ = last_byte_ = bench::now_ns();
        const auto behind = [&] {
            return std::any_of(viewers_.begin(), viewers_.end(),
                               [&](const Viewer& v) { return !v.lost && v.watcher.check.next < pusher.packets(); });
        };
        while (bench::now_ns() - last_byte_ < 2 * second && (!pusher.done() || behind())) turn();
        ended_ = last_byte_;
        total_ = pusher.packets();
    }

    void report(const Pusher& pusher) {
        std::uint64_t payload = 0, raw = 0, raw_checked = 0, messages = 0, unaligned = 0, missing = 0, broken = 0;
        std::uint64_t lost = 0, least = UINT64_MAX, most = 0, checked = 0;
        std::vector<std::uint32_t> latency;
        for (auto& v : viewers_) {
            const auto bytes = v.bytes - v.bytes_before;
            raw += bytes;
            least = std::min(least, bytes);
            most = std::max(most, bytes);
            lost += v.lost;
            if (!v.checked) continue;
            ++checked;
            raw_checked += bytes;
            payload += v.watcher.payload - v.payload_before;
            messages += v.watcher.messages - v.messages_before;
            unaligned += v.watcher.unaligned;
            missing += v.watcher.check.missing;
            if (total_) missing += total_ - std::min(total_, v.watcher.check.next);
            if (total_)
                missing += std::min(total_, v.watcher.check.next) -
                           std::min(v.watcher.check.packets + v.watcher.check.missing, v.watcher.check.next);
            broken += v.watcher.check.broken;
            latency.insert(latency.end(), v.watcher.check.latency_us.begin(), v.watcher.check.latency_us.end());
        }
        std::sort(latency.begin(), latency.end());
        const auto at = [&latency](double share) {
            return latency.empty()
                       ? 0.0
                       : latency[static_cast<std::size_t>(share * static_cast<double>(latency.size() - 1))] / 1e3;
        };
        const double whole =
            raw_checked ? static_cast<double>(payload) * static_cast<double>(raw) / static_cast<double>(raw_checked)
                        : 0;
        std::printf(
            "{\"payload\": %.0f, \"least\": %llu, \"most\": %llu, \"lost\": %llu, \"checked\": %llu, \"messages\": "
            "%llu, "
            "\"unaligned\": %llu, \"missing\": %llu, \"broken\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
            "\"seconds\": %.3f, \"late_ms\": %.1f, \"load_cpu\": %.3f, \"pushed_packets\": %llu}\n",
            whole, ull(least), ull(most), ull(lost), ull(checked), ull(messages), ull(unaligned), ull(missing),
            ull(broken), at(0.5), at(0.99), static_cast<double>(ended_ - began_) / 1e9,
            static_cast<double>(pusher.late_ns()) / 1e6, cpu_, ull(pusher.packets()));
    }
    static unsigned long long ull(std::uint64_t n) { return n; }

    Options o_;
    bench::Tls tls_;
    std::vector<Viewer> viewers_;
    std::vector<bench::Peer> stalled_;
    std::vector<std::byte> scratch_ = std::vector<std::byte>(256u << 10);
    int poller_ = epoll_create1(0);
    bool measuring_ = false;
    double cpu_before_ = 0, cpu_ = 0;
    std::uint64_t began_ = 0, ended_ = 0, last_byte_ = 0, total_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    Options options{{"--viewers", "0"},   {"--stalled", "0"},      {"--sinks", "0"},
                    {"--megabytes", "0"}, {"--seconds", "3"},      {"--chunk", "picture"},
                    {"--checked", "64"},  {"--path", "/ts/bench"}, {"--view-path", "/ws/bench"}};
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--tls" || name == "--silent")
            options[name] = "yes";
        else if (i + 1 < argc)
            options[name] = argv[++i];
    }
    return Load(std::move(options)).run();
}
