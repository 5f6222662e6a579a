#pragma once
#include <poll.h>

#include <array>

#include "script_server.h"

namespace weir::test {

/// What a CONNECT proxy does once it has said yes: carries bytes both ways until one side has enough. Blocking.
inline void tunnel_to(Talk& talk, int port) {
    const int target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    bool open = connect(target, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    while (open) {
        std::array<pollfd, 2> ends{pollfd{talk.descriptor(), POLLIN, 0}, pollfd{target, POLLIN, 0}};
        open = poll(ends.data(), ends.size(), -1) > 0;
        for (std::size_t i = 0; open && i < ends.size(); ++i) {
            if (ends[i].revents == 0) continue;
            std::array<char, 16384> some;
            const auto n = recv(ends[i].fd, some.data(), some.size(), 0);
            open = n > 0 && send(ends[1 - i].fd, some.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
        }
    }
    close(target);
}

}  // namespace weir::test
