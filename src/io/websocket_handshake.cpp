
#include <algorithm>
#include <array>

#include "base/random.h"
#include "io/http_client.h"
#include "io/url.h"
#include "io/websocket_inner.h"
#include "runtime/deadline.h"

namespace weir {
namespace websocket {
namespace {

Result<Url> websocket_url(const std::string& text) {
    auto url = parse_url(text);
    if (!url) return within("websocket", url.error());
    if (url->scheme != "ws" && url->scheme != "wss")
        return Error{Errc::bad_input, fmt::format("url scheme '{}' is not ws or wss", url->scheme), "websocket"};
    if (!url->user.empty() || !url->password.empty())
        return Error{Errc::bad_input, "a websocket url with user name or password is refused", "websocket"};
    return std::move(*url);
}

ws::ClientHandshake begin_handshake(const Url& url, const WebSocketPlan& plan) {
    ws::ClientHandshake::Request request;
    request.host = url.host_header();
    request.target = url.query.empty() ? url.path : url.path + "?" + url.query;
    request.headers = plan.headers;
    request.protocols = plan.protocols;
    std::array<std::byte, 16> nonce{};
    fill_random(nonce);
    return ws::ClientHandshake(request, nonce);
}

struct Shaken {
    std::string protocol;
    Bytes early;  ///< came behind the answer
};

Error refusal_of(Url url, ws::ClientHandshake::Answer answer) {
    HttpHead head;
    head.status = answer.status;
    head.url = std::move(url);
    head.headers = std::move(answer.headers);
    return within("websocket handshake", status_error(head));
}

Task<Result<Shaken>> shake_hands(Connection& connection, ws::ClientHandshake& handshake, const Url& url) {
    const auto request = Bytes::copy_of(handshake.text());
    auto sent = co_await connection.write(std::span(&request, 1));
    if (!sent) co_return within("websocket handshake", sent.error());
    std::vector<std::byte> buffer(4096);
    auto early = connection.early();
    for (;;) {
        auto in = early.view();
        if (early.empty()) {
            auto got = co_await connection.read_some(buffer);
            if (!got) co_return within("websocket handshake", got.error());
            in = std::span(buffer).first(*got);
        }
        std::size_t used = 0;
        auto answer = handshake.feed(in, used);
        if (!answer) co_return answer.error();
        if (!*answer) {
            early = {};
            continue;
        }
        if ((*answer)->status != 101) co_return refusal_of(url, std::move(**answer));
        Shaken shaken;
        shaken.protocol = std::move((*answer)->protocol);
        shaken.early = Bytes::copy_of(in.subspan(used));
        co_return shaken;
    }
}

DialPlan dial_plan(const Url& url, const WebSocketPlan& plan) {
    DialPlan dialled;
    dialled.host = url.host;
    dialled.port = url.port;
    dialled.tls = url.scheme == "wss";
    dialled.tls_settings = plan.tls;
    if (plan.use_proxy) dialled.proxy = proxy_for(dialled.tls, url.host, url.port);
    dialled.timeout = plan.timeout;
    dialled.write_timeout = plan.write_timeout;
    dialled.guard = plan.guard;
    return dialled;
}

/// Browsers end a connection whose offer of sub-protocols got no answer; some players offer "null" (VW-41).
std::string agreed_protocol(const ws::Offer& offer, const std::string& wanted) {
    const auto offered = [&](const std::string& name) {
        return std::find(offer.protocols.begin(), offer.protocols.end(), name) != offer.protocols.end();
    };
    if (!wanted.empty()) return offered(wanted) ? wanted : "";
    return offered("null") ? "null" : "";
}

struct Refusal {
    int status = 400;
    std::string_view text = "Bad Request\n";
    ws::Headers headers;
};

Refusal refusal_for(const Error& why) {
    Refusal refusal;
    if (why.status != 0) refusal.status = why.status;
    if (refusal.status == 405) refusal.text = "Method Not Allowed\n";
    if (refusal.status == 431) refusal.text = "Request Header Fields Too Large\n";
    if (refusal.status == 426) {
        refusal.text = "Upgrade Required\n";
        refusal.headers.emplace_back("Upgrade", "websocket");
    }
    refusal.headers.emplace_back("Sec-Websocket-Version", "13");
    return refusal;
}

Result<ws::Offer> offer_of(const ServerRequest& request) {
    auto offer = ws::read_upgrade(request.method, request.headers);
    if (offer && (request.chunked || request.content_length.value_or(0) != 0))
        return Error{Errc::bad_input, "an upgrade with a body", "websocket", {}, 400};
    return offer;
}

}  // namespace
}  // namespace websocket

Task<Result<std::unique_ptr<WebSocket>>> connect_websocket(Shard& shard, Resolver& resolver, WebSocketPlan plan) {
    auto url = websocket::websocket_url(plan.url);
    if (!url) co_return url.error();
    const auto by = shard.clock().now() + plan.timeout;
    auto dialled = websocket::dial_plan(*url, plan);
    auto connection = co_await dial(shard, resolver, std::move(dialled));
    if (!connection) co_return connection.error();
    auto handshake = websocket::begin_handshake(*url, plan);
    bool late = false;
    auto shaken =
        co_await with_deadline(shard.clock(), by, websocket::shake_hands(**connection, handshake, *url), &late);
    if (late && !shaken)
        co_return Error{Errc::timed_out, fmt::format("{} did not answer the upgrade in time", url->host_header()),
                        "websocket handshake"};
    if (!shaken) co_return shaken.error();
    co_return websocket::make(std::move(*connection), ws::Role::client, std::move(shaken->early), plan.settings,
                              std::move(shaken->protocol));
}

Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(Exchange& exchange, std::string protocol,
                                                          WebSocket::Settings settings) {
    auto offer = websocket::offer_of(exchange.request());
    if (!offer) {
        auto refusal = websocket::refusal_for(offer.error());
        auto body = Bytes::copy_of(refusal.text);
        (void)co_await exchange.respond(refusal.status, "text/plain; charset=utf-8", std::move(body),
                                        std::move(refusal.headers));
        co_return offer.error();
    }
    auto agreed = websocket::agreed_protocol(*offer, protocol);
    auto connection = exchange.take();
    const auto answer = Bytes::copy_of(ws::accept_answer(*offer, agreed));
    auto sent = co_await connection->write(std::span(&answer, 1));
    if (!sent) co_return within("websocket", sent.error());
    auto early = connection->early();
    co_return websocket::make(std::move(connection), ws::Role::server, std::move(early), settings, std::move(agreed));
}

}  // namespace weir
