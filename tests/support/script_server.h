#pragma once
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace weir::test {

/// One connection of a ScriptServer, from the server's side. Blocking: it has a thread to itself.
class Talk {
public:
    Talk(int fd, SSL_CTX* tls) : fd_(fd), ssl_(tls ? SSL_new(tls) : nullptr) {
        if (!ssl_) return;
        SSL_set_fd(ssl_, fd_);
        open_ = SSL_accept(ssl_) == 1;
    }
    Talk(const Talk&) = delete;
    Talk& operator=(const Talk&) = delete;
    ~Talk() {
        if (ssl_) SSL_free(ssl_);
    }

    [[nodiscard]] bool open() const { return open_; }
    [[nodiscard]] int descriptor() const { return fd_; }

    /// Request line, fields and the empty line; empty when the client has gone.
    std::string read_head() {
        while (ahead_.find("\r\n\r\n") == ahead_.npos)
            if (!fill()) return {};
        return take(ahead_.find("\r\n\r\n") + 4);
    }
    std::string read(std::size_t count) {
        while (ahead_.size() < count)
            if (!fill()) break;
        return take(std::min(count, ahead_.size()));
    }
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ssl_ ? static_cast<ssize_t>(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())))
                                : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            sent_ += static_cast<std::size_t>(n);
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    /// Stalls until the client goes away.
    void wait_closed() {
        while (fill()) ahead_.clear();
    }
    /// Reads nothing, until the client has gone.
    void wait_for_end() const {
        pollfd gone{fd_, POLLRDHUP, 0};
        (void)poll(&gone, 1, -1);
    }
    /// The connection ends with a reset instead of a goodbye.
    void reset() {
        const linger now{1, 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    void small_send_buffer() {
        const int bytes = 64 << 10;
        setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    [[nodiscard]] std::size_t sent() const { return sent_; }

private:
    bool fill() {
        std::array<char, 16384> some;
        const auto n = ssl_ ? static_cast<ssize_t>(SSL_read(ssl_, some.data(), static_cast<int>(some.size())))
                            : recv(fd_, some.data(), some.size(), 0);
        if (n <= 0) return false;
        ahead_.append(some.data(), static_cast<std::size_t>(n));
        return true;
    }
    std::string take(std::size_t count) {
        auto out = ahead_.substr(0, count);
        ahead_.erase(0, count);
        return out;
    }

    int fd_;
    SSL* ssl_;
    bool open_ = true;
    std::string ahead_;
    std::atomic<std::size_t> sent_{0};
};

/// A server on a loopback port of its own that plays whatever `script` does with each connection.
class ScriptServer {
public:
    using Script = std::function<void(Talk&)>;

    explicit ScriptServer(Script script, SSL_CTX* tls = nullptr) : script_(std::move(script)), tls_(tls) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 128) != 0)
            std::abort();
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        accepting_ = std::thread([this] { accept_all(); });
    }
    ScriptServer(const ScriptServer&) = delete;
    ScriptServer& operator=(const ScriptServer&) = delete;
    ~ScriptServer() {
        shutdown(listener_, SHUT_RDWR);
        accepting_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int fd : open_) shutdown(fd, SHUT_RDWR);
        }
        for (auto& t : threads_) t.join();
        close(listener_);
    }

    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] std::string url(std::string_view path, std::string_view host = "127.0.0.1") const {
        return std::string(tls_ ? "https://" : "http://") + std::string(host) + ":" + std::to_string(port_) +
               std::string(path);
    }
    [[nodiscard]] int accepted() const { return accepted_; }
    [[nodiscard]] int most_at_once() const { return most_; }
    [[nodiscard]] int open_now() const { return now_; }

    /// The heads a script noted down, in the order of their coming.
    void note(std::string head) {
        const std::lock_guard lock(mutex_);
        notes_.push_back(std::move(head));
    }
    [[nodiscard]] std::vector<std::string> notes() const {
        const std::lock_guard lock(mutex_);
        return notes_;
    }

private:
    void accept_all() {
        for (;;) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            ++accepted_;
            const std::lock_guard lock(mutex_);
            open_.push_back(fd);
            most_ = std::max(most_.load(), ++now_);
            threads_.emplace_back([this, fd] { serve(fd); });
        }
    }
    void serve(int fd) {
        {
            Talk talk(fd, tls_);
            if (talk.open()) script_(talk);
        }
        const std::lock_guard lock(mutex_);
        open_.remove(fd);
        close(fd);
        --now_;
    }

    Script script_;
    SSL_CTX* tls_;
    int listener_ = -1, port_ = 0;
    std::atomic<int> accepted_{0}, now_{0}, most_{0};
    mutable std::mutex mutex_;
    std::list<int> open_;
    std::vector<std::string> notes_;
    std::vector<std::thread> threads_;
    std::thread accepting_;
};

inline std::string reply(int status, std::string_view body, std::string_view fields = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(fields) + "\r\n" + std::string(body);
}

/// The target of a request head: "/path?query", or a whole URL when a proxy is asked.
inline std::string target_of(std::string_view head) {
    const auto from = head.find(' ') + 1;
    return std::string(head.substr(from, head.find(' ', from) - from));
}

/// The value of a field of a head, or "" when it is missing; `name` as it is sent.
inline std::string field_of(std::string_view head, std::string_view name) {
    const auto at = head.find("\r\n" + std::string(name) + ": ");
    if (at == head.npos) return {};
    const auto from = at + 4 + name.size();
    return std::string(head.substr(from, head.find("\r\n", from) - from));
}

}  // namespace weir::test
