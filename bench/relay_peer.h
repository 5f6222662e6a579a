#pragma once
// Sockets of the relay's benches: plain or TLS, blocking while they begin, quick afterwards.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

struct Tls {
    SSL_CTX* server = nullptr;
    SSL_CTX* client = nullptr;

    void load(const char* certificate, const char* key) {
        server = SSL_CTX_new(TLS_server_method());
        if (SSL_CTX_use_certificate_chain_file(server, certificate) != 1 ||
            SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) != 1)
            die("certificate");
        modes(server);
    }
    void dial() {
        client = SSL_CTX_new(TLS_client_method());
        modes(client);
    }

private:
    static void modes(SSL_CTX* c) {
        SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_options(c, SSL_OP_IGNORE_UNEXPECTED_EOF);
    }
};

class Peer {
public:
    Peer() = default;
    explicit Peer(int socket) : fd(socket) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }

    int fd = -1;
    SSL* tls = nullptr;

    static Peer dial(std::uint16_t port, SSL_CTX* with, int receive_buffer = 0) {
        Peer peer(socket(AF_INET, SOCK_STREAM, 0));
        if (receive_buffer) setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(peer.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
        if (with) {
            peer.tls = SSL_new(with);
            SSL_set_fd(peer.tls, peer.fd);
            if (SSL_connect(peer.tls) != 1) die("tls");
        }
        return peer;
    }
    void accepted_with(SSL_CTX* with) {
        if (!with) return;
        tls = SSL_new(with);
        SSL_set_fd(tls, fd);
        if (SSL_accept(tls) != 1) die("tls accept");
    }
    void go_on_without_blocking() const { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

    /// Bytes, 0 at the end, -1 for "not now", -2 for an error.
    ssize_t read(void* into, std::size_t size) const {
        if (!tls) return result(recv(fd, into, size, 0));
        const int got = SSL_read(tls, into, static_cast<int>(size));
        return got > 0 ? got : again(got);
    }
    ssize_t write(const void* from, std::size_t size) const {
        if (!tls) return result(send(fd, from, size, MSG_NOSIGNAL));
        const int put = SSL_write(tls, from, static_cast<int>(size));
        return put > 0 ? put : again(put);
    }
    /// Waits until all is written; false when the other side has gone.
    bool write_all(const char* from, std::size_t size) const {
        while (size > 0) {
            const auto put = write(from, size);
            if (put == -2 || put == 0) return false;
            if (put == -1) {
                pollfd wait{fd, POLLOUT, 0};
                poll(&wait, 1, 1000);
                continue;
            }
            from += put, size -= static_cast<std::size_t>(put);
        }
        return true;
    }
    bool write_all(std::string_view text) const { return write_all(text.data(), text.size()); }

    /// Reads an HTTP head, blocking, and not a byte more.
    [[nodiscard]] std::string head() const {
        std::string text;
        for (char c = 0; !text.ends_with("\r\n\r\n"); text += c)
            if (read(&c, 1) != 1) die("http head");
        return text;
    }

private:
    [[nodiscard]] static ssize_t result(ssize_t got) {
        if (got >= 0) return got;
        return errno == EAGAIN || errno == EINTR ? -1 : -2;
    }
    [[nodiscard]] ssize_t again(int got) const {
        const int why = SSL_get_error(tls, got);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return -1;
        return why == SSL_ERROR_ZERO_RETURN ? 0 : -2;
    }
};

/// A listener on a free loopback port.
inline std::pair<int, std::uint16_t> listen_anywhere() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        die("listen");
    return {fd, ntohs(address.sin_port)};
}

inline std::string field(std::string_view head, std::string_view name) {
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
        const auto line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
        if (line.size() <= name.size() || line[name.size()] != ':') continue;
        bool same = true;
        for (std::size_t i = 0; i < name.size(); ++i) same = same && (line[i] | 0x20) == (name[i] | 0x20);
        if (!same) continue;
        const auto from = line.find_first_not_of(' ', name.size() + 1);
        return from == line.npos ? std::string() : std::string(line.substr(from));
    }
    return {};
}

}  // namespace bench
