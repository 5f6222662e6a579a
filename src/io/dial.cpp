#include "io/dial.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cctype>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "io/dialed_connection.h"
#include "io/http_client_proxy.h"
#include "io/tls_context.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir {
namespace {

using asio::ip::tcp;
using net::Dialed;

constexpr std::size_t most_answer = 8u << 10;  ///< of a proxy
constexpr Millis least_share{500};             ///< of the time for one of several addresses

/// Where the first connection goes, and what for.
struct Way {
    std::string host;
    std::uint16_t port = 0;
    std::optional<Proxy> proxy;
    [[nodiscard]] std::string text() const {
        return proxy ? fmt::format("proxy {} port {}", host, port) : fmt::format("{} port {}", host, port);
    }
};

bool is_literal_host(const std::string& host) {
    boost::system::error_code ec;
    (void)asio::ip::make_address(host, ec);
    return !ec;
}

bool fit_for_a_line(std::string_view host) {
    return !host.empty() && host.size() <= 255 &&
           std::none_of(host.begin(), host.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

std::string authority(const std::string& host, std::uint16_t port) {
    return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::string base64(std::string_view text) {
    std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

Result<Way> plan_way(const DialPlan& plan) {
    if (!fit_for_a_line(plan.host) || plan.port == 0)
        return Error{Errc::bad_input, "there is no host and port to connect to"};
    auto proxy = parse_proxy(plan.proxy, "the proxy");
    if (!proxy) return proxy.error();
    if (!*proxy) return Way{plan.host, plan.port, {}};
    if ((*proxy)->scheme != "http")
        return Error{Errc::unsupported,
                     fmt::format("a proxy of the kind {}:// is not supported here", (*proxy)->scheme)};
    if (plan.guard && is_literal_host(plan.host)) {
        Url url;
        url.host = plan.host;
        if (auto r = plan.guard->check_address(url, plan.host); !r) return r.error();
    }
    return Way{(*proxy)->host, (*proxy)->port, *proxy};
}

Result<std::vector<std::string>> allowed(const DialPlan& plan, const Way& way, std::vector<std::string> found) {
    if (!plan.guard || way.proxy) return found;
    Url url;
    url.host = plan.host;
    std::optional<Error> refused;
    std::erase_if(found, [&](const std::string& address) {
        auto r = plan.guard->check_address(url, address);
        if (!r) refused = r.error();
        return !r;
    });
    if (found.empty() && refused) return std::move(*refused);
    return found;
}

Error cannot_connect(const Way& way, std::string why) {
    if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    return Error{Errc::unreachable, fmt::format("cannot connect to {}: {}", way.text(), why)};
}

Task<boost::system::error_code> connect_to(tcp::socket& socket, tcp::endpoint at) {
    co_await errors_not_throws();
    boost::system::error_code ec;
    co_await socket.async_connect(at, asio::redirect_error(asio::use_awaitable, ec));
    co_return ec;
}

/// Each address has its share of the time that is left, so that one that swallows everything leaves some to the others.
Task<Result<tcp::socket>> connect_any(Shard& shard, Way way, std::vector<std::string> addresses, SteadyTime by) {
    std::string why = "no address";
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        boost::system::error_code ec;
        const auto address = asio::ip::make_address(addresses[i], ec);
        if (ec) continue;
        tcp::socket socket(shard.executor());
        const auto now = shard.clock().now();
        const auto left = addresses.size() - i;
        const auto until = std::max(now + (by - now) / static_cast<int>(left), now + least_share);
        const tcp::endpoint at(address, way.port);
        bool late = false;
        ec = co_await with_deadline(shard.clock(), std::min(until, by), connect_to(socket, at), &late);
        if (!ec) co_return std::move(socket);
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            co_return Error{Errc::cancelled, fmt::format("connecting to {} was stopped", way.text())};
        why = late ? fmt::format("{} did not answer", addresses[i]) : ec.message();
    }
    co_return cannot_connect(way, why);
}

std::string connect_request(const DialPlan& plan, const Proxy& proxy) {
    const auto target = authority(plan.host, plan.port);
    auto out = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target);
    if (!proxy.user.empty() || !proxy.password.empty())
        out += fmt::format("Proxy-Authorization: Basic {}\r\n", base64(proxy.user + ':' + proxy.password));
    return out + "\r\n";
}

Result<> judge_answer(std::string_view head, const Way& way, const DialPlan& plan) {
    const auto line = head.substr(0, head.find("\r\n"));
    const auto digit = [&](std::size_t at) { return line.size() > at && line[at] >= '0' && line[at] <= '9'; };
    if (!line.starts_with("HTTP/1.") || !digit(9) || !digit(10) || !digit(11))
        return Error{Errc::unreachable, fmt::format("{} does not speak HTTP", way.text())};
    const int status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (status / 100 == 2) return {};
    Error error{Errc::unreachable,
                fmt::format("{} answered {} for {}", way.text(), status, authority(plan.host, plan.port))};
    if (status == 407) {
        error.code = Errc::denied;
        error.what = fmt::format("{} wants another user and password (407)", way.text());
    } else if (status == 403) {
        error.code = Errc::denied;
    }
    error.status = status;
    return error;
}

/// Reads exactly to the end of the head: what comes behind it belongs to the target.
Task<Result<std::string>> read_answer(Dialed& connection, const Way& way) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
        if (head.size() >= most_answer)
            co_return Error{Errc::unreachable, fmt::format("{} answered with a head above 8 KiB", way.text())};
        auto got = connection.take_line(head, most_answer);
        if (!got) co_return within(way.text(), got.error());
        if (*got) continue;
        if (auto r = co_await connection.wait_readable(); !r) co_return within(way.text(), r.error());
    }
    co_return head;
}

Task<Result<>> ask_proxy(Dialed& connection, const Way& way, const DialPlan& plan) {
    const auto request = Bytes::copy_of(connect_request(plan, *way.proxy));
    if (auto r = co_await connection.write(std::span(&request, 1)); !r) co_return within(way.text(), r.error());
    for (;;) {
        auto head = co_await read_answer(connection, way);
        if (!head) {
            auto error = head.error();
            if (error.code == Errc::lost_peer) error.code = Errc::unreachable;
            co_return error;
        }
        const bool interim = head->starts_with("HTTP/1.1 1") || head->starts_with("HTTP/1.0 1");
        if (!interim) co_return judge_answer(*head, way, plan);
    }
}

Task<Result<std::unique_ptr<Connection>>> dial_steps(Shard& shard, Resolver& resolver, const DialPlan& plan,
                                                     SteadyTime by) {
    co_await errors_not_throws();
    auto way = plan_way(plan);
    if (!way) co_return way.error();
    auto found = co_await resolver.resolve(way->host, plan.timeout);
    if (!found) co_return found.error();
    auto addresses = allowed(plan, *way, std::move(*found));
    if (!addresses) co_return addresses.error();
    auto socket = co_await connect_any(shard, *way, std::move(*addresses), by);
    if (!socket) co_return socket.error();
    auto connection = std::make_unique<Dialed>(shard, std::move(*socket), plan.write_timeout);
    if (way->proxy) {
        if (auto r = co_await ask_proxy(*connection, *way, plan); !r) co_return r.error();
    }
    if (plan.tls) {
        auto context = net::client_context(plan.tls_settings.ca_file);
        if (!context) co_return context.error();
        if (auto r = co_await connection->start_tls(*context, plan.host, plan.tls_settings.verify); !r)
            co_return within(authority(plan.host, plan.port), r.error());
    }
    co_return std::unique_ptr<Connection>(std::move(connection));
}

std::string escaped_user(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~").find(c) != std::string_view::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
    return out;
}

std::string value_of(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

}  // namespace

Task<Result<std::unique_ptr<Connection>>> dial(Shard& shard, Resolver& resolver, DialPlan plan) {
    co_await errors_not_throws();
    const auto by = shard.clock().now() + plan.timeout;
    bool late = false;
    auto steps = dial_steps(shard, resolver, plan, by);
    auto connection = co_await with_deadline(shard.clock(), by, std::move(steps), &late);
    if (!connection && (late || connection.error().code == Errc::timed_out)) {
        co_return Error{Errc::timed_out, fmt::format("connecting to {} took longer than {}",
                                                     authority(plan.host, plan.port), duration_text(plan.timeout))};
    }
    co_return connection;
}

std::string proxy_for(bool tls, const std::string& host, std::uint16_t port) {
    const std::string_view ours = tls ? "HTTPS_PROXY" : "HTTP_PROXY", other = tls ? "HTTP_PROXY" : "HTTPS_PROXY";
    auto rules = ProxyRules::from(
        [&](const char* name) { return ascii_lowered(name) == ascii_lowered(other) ? std::string() : value_of(name); });
    if (!rules) {
        // Never round a proxy that somebody wanted: dial() says what is wrong with it.
        auto raw = value_of(ours.data());
        return raw.empty() ? value_of(ascii_lowered(ours).c_str()) : raw;
    }
    Url target;
    target.scheme = tls ? "wss" : "ws";
    target.host = host;
    target.port = port;
    const auto proxy = rules->proxy_for(target);
    if (!proxy) return {};
    std::string user;
    if (!proxy->user.empty() || !proxy->password.empty())
        user = fmt::format("{}:{}@", escaped_user(proxy->user), escaped_user(proxy->password));
    return fmt::format("{}://{}{}", proxy->scheme, user, authority(proxy->host, proxy->port));
}

}  // namespace weir
