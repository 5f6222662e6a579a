#include "io/http_server.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

#include "base/log.h"
#include "io/http_server_connection.h"
#include "io/tls_context.h"

namespace weir {
namespace {

using asio::ip::tcp;
using namespace http_server;

constexpr std::size_t most_refusals = 256;  ///< said goodbye to politely at once; beyond, the socket is just closed
constexpr Millis pause_when_full{200};

std::string numeric(const tcp::endpoint& peer) {
    const auto address = peer.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    return address.to_string();
}

std::string shown(const tcp::endpoint& at) {
    const auto address = at.address().to_string();
    return at.address().is_v6() ? fmt::format("[{}]:{}", address, at.port()) : fmt::format("{}:{}", address, at.port());
}

Result<asio::ip::address> parse_address(std::string_view text) {
    if (text == "localhost") return asio::ip::address(asio::ip::address_v4::loopback());
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    boost::system::error_code ec;
    auto address = asio::ip::make_address(std::string(text), ec);
    if (ec)
        return Error{Errc::bad_input,
                     fmt::format("cannot listen on '{}': give an IP address such as 127.0.0.1 or ::1", text)};
    return address;
}

/// A connection between the shard that accepted it and the shard that will serve it; std::function wants it copyable.
struct Arrival {
    tcp::socket socket;
    std::string peer;
    Seat seat;
    bool refused;
    net::TlsContext tls;
};

class Server final : public HttpServer {
public:
    Server(Shards& shards, Settings settings)
        : shards_(shards),
          core_(std::make_shared<Core>()),
          acceptor_(shards.at(0).executor()),
          accepting_(shards.at(0).executor()) {
        core_->settings = std::move(settings);
        const auto& set = core_->settings;
        if (!set.tls_certificate.empty() || !set.tls_key.empty())
            certificate_.emplace(set.tls_certificate, set.tls_key);
        for (std::size_t i = 0; i < shards.size(); ++i) rooms_.push_back(std::make_shared<Room>(shards.at(i), core_));
    }

    void route(std::string methods, std::string path, Handler handler) override {
        core_->routes.push_back({std::move(methods), std::move(path), std::move(handler)});
    }

    Result<> start() override {
        auto address = parse_address(core_->settings.address);
        if (!address) return address.error();
        if (certificate_) {
            if (auto r = certificate_->load(); !r) return r;
        }
        const tcp::endpoint at(*address, core_->settings.port);
        boost::system::error_code ec;
        acceptor_.open(at.protocol(), ec);
        if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
        if (!ec) acceptor_.bind(at, ec);
        if (!ec) acceptor_.listen(4096, ec);
        if (ec) {
            boost::system::error_code ignored;
            acceptor_.close(ignored);
            return complaint(at, ec);
        }
        port_ = acceptor_.local_endpoint(ec).port();
        accepting_.spawn(accept_all(), "http accept");
        return {};
    }

    [[nodiscard]] std::uint16_t port() const noexcept override { return port_; }

    Task<void> stop() override {
        co_await accepting_.stop("server stopped");
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        for (const auto& room : rooms_) {
            // A cancellation of the caller must not be emitted on another shard's thread: the slot stays empty.
            co_await asio::co_spawn(room->shard().executor(), room->stop(),
                                    asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
        }
    }

private:
    [[nodiscard]] Error complaint(const tcp::endpoint& at, boost::system::error_code ec) const {
        auto text = from_errno(ec.value(), "");
        auto why = text.what;
        if (!why.empty() && why[0] >= 'A' && why[0] <= 'Z') why[0] = static_cast<char>(why[0] - 'A' + 'a');
        if (ec == asio::error::address_in_use || ec == asio::error::access_denied) {
            why += core_->settings.port_option.empty()
                       ? "; give another port"
                       : fmt::format("; give another port with {}", core_->settings.port_option);
        }
        const auto code = ec == asio::error::address_in_use ? Errc::busy : text.code;
        return Error{code, fmt::format("cannot listen on {}: {}", shown(at), why)};
    }

    Task<void> accept_all() {
        bool complained = false;
        for (std::size_t turn = 0; !accepting_.stopping().asked(); ++turn) {
            const bool few = core_->connections < core_->settings.spread_from;
            auto& room = *rooms_[few ? 0 : turn % rooms_.size()];
            tcp::socket socket(room.shard().executor());
            tcp::endpoint peer;
            boost::system::error_code ec;
            co_await acceptor_.async_accept(socket, peer, asio::redirect_error(asio::use_awaitable, ec));
            if (!ec) {
                complained = false;
                hand_over(room, std::move(socket), numeric(peer));
                continue;
            }
            if (ec == asio::error::operation_aborted || ec == asio::error::connection_aborted) continue;
            // Out of descriptors or memory: the connection stays in the backlog, so another try at once would spin.
            if (!std::exchange(complained, true))
                WEIR_LOG(error, "cannot accept connections for now", {"port", port_}, {"error", ec.message()});
            (void)co_await shards_.at(0).clock().sleep_for(pause_when_full);
        }
    }

    void hand_over(Room& room, tcp::socket socket, std::string peer) {
        const bool full = core_->connections >= core_->settings.max_connections;
        // A handshake would cost more than the goodbye is worth.
        if (full && (certificate_ || core_->refusals >= most_refusals)) return;
        auto tls = certificate_ ? certificate_->current(shards_.at(0).clock().now()) : net::TlsContext{};
        Seat seat(core_, full ? &Core::refusals : &Core::connections);
        auto arrival = std::make_shared<Arrival>(
            Arrival{std::move(socket), std::move(peer), std::move(seat), full, std::move(tls)});
        room.shard().post([room = room.shared_from_this(), arrival] {
            if (arrival->refused)
                room->refuse(std::move(arrival->socket), std::move(arrival->peer), std::move(arrival->seat));
            else
                room->admit(std::move(arrival->socket), std::move(arrival->peer), std::move(arrival->seat),
                            std::move(arrival->tls));
        });
    }

    Shards& shards_;
    std::shared_ptr<Core> core_;
    std::vector<std::shared_ptr<Room>> rooms_;
    tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    std::optional<net::ServerCertificate> certificate_;
    TaskGroup accepting_;
};

}  // namespace

std::unique_ptr<HttpServer> HttpServer::create(Shards& shards, Settings settings) {
    return std::make_unique<Server>(shards, std::move(settings));
}

}  // namespace weir
