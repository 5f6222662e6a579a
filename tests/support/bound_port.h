#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "base/error.h"

namespace weir::test {

/// Bound on 127.0.0.1, so that nobody else can have it: as a deaf port nobody listens there, as a mute one connections are taken and never
/// answered.
class BoundPort {
public:
    enum class Kind : std::uint8_t { deaf, mute };
    explicit BoundPort(Kind kind) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        WEIR_ASSERT(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        WEIR_ASSERT(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        if (kind == Kind::mute) WEIR_ASSERT(::listen(fd_, 4) == 0);
        port = ntohs(address.sin_port);
    }
    BoundPort(const BoundPort&) = delete;
    BoundPort& operator=(const BoundPort&) = delete;
    ~BoundPort() { ::close(fd_); }
    std::uint16_t port = 0;

private:
    int fd_;
};

}  // namespace weir::test
