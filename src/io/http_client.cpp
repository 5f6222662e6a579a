#include "io/http_client.h"

#include <algorithm>
#include <set>
#include <utility>

#include "io/http_client_multi.h"
#include "io/http_client_proxy.h"
#include "io/http_client_transfer.h"
#include "io/resolver.h"
#include "runtime/clock.h"

namespace weir {
namespace {

using http_detail::CurlMulti;
using http_detail::Hop;
using http_detail::Transfer;
using http_detail::TrustStore;

bool is_token(std::string_view text) {
    return !text.empty() &&
           text.find_first_not_of("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
               text.npos;
}

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

Result<> check_request(const HttpRequest& request) {
    if (!is_token(request.method)) return Error{Errc::bad_input, "http method is not a word"};
    for (const auto& [name, value] : request.headers) {
        if (!is_token(name)) return Error{Errc::bad_input, "header with a bad name"};
        // The value may be a secret: only its name is told.
        if (std::any_of(value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }))
            return Error{Errc::bad_input, fmt::format("header '{}' with a line break", name)};
    }
    if (request.range && request.range->first > request.range->second)
        return Error{Errc::bad_input, "range that ends before it begins"};
    return {};
}

bool is_redirect(const HttpHead& head) {
    return (head.status == 301 || head.status == 302 || head.status == 303 || head.status == 307 ||
            head.status == 308) &&
           head.find("location");
}

/// What is sent on this hop: a request changes its method and sheds its headers as it is led away.
struct Journey {
    std::string method;
    Url url;
    std::string first_origin;
    Bytes body;
    std::set<std::string> seen;
    int redirects = 0;
};

class BodyImpl final : public HttpBody {
public:
    explicit BodyImpl(std::unique_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
    const HttpHead& head() const noexcept override { return transfer_->head(); }
    Task<Result<Bytes>> next() override {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_return co_await transfer_->next();
    }

private:
    std::unique_ptr<Transfer> transfer_;
};

class CurlClient final : public HttpClient {
public:
    CurlClient(Shard& shard, std::shared_ptr<Resolver> resolver, Settings settings)
        : clock_(shard.clock()),
          resolver_(std::move(resolver)),
          settings_(std::move(settings)),
          multi_(CurlMulti::create(shard.executor(), settings_.max_connections_per_host)),
          trust_(TrustStore::from_environment()),
          proxies_(ProxyRules::from_environment()),
          detours_(ConnectTo::from_environment()) {
        trust_.verify = settings_.verify_tls;
        trust_.client_certificate = settings_.client_certificate;
        trust_.client_key = settings_.client_key;
        if (settings_.ca_file.empty()) return;
        trust_.file = settings_.ca_file;
        trust_.folder.clear();
    }
    CurlClient(const CurlClient&) = delete;
    CurlClient& operator=(const CurlClient&) = delete;
    ~CurlClient() override { multi_->close(); }

    Task<Result<HttpResponse>> fetch(HttpRequest request) override {
        auto body = co_await begin(std::move(request), true);
        if (!body) co_return body.error();
        HttpResponse response;
        response.head = (*body)->head();
        response.body.reserve(
            static_cast<std::size_t>(std::min<std::uint64_t>(response.head.content_length.value_or(0), 1u << 20)));
        for (;;) {
            auto piece = co_await (*body)->next();
            if (!piece) co_return piece.error();
            if (piece->empty()) break;
            response.body += piece->text();
        }
        response.head.trailers = (*body)->head().trailers;
        co_return response;
    }

    Task<Result<std::unique_ptr<HttpBody>>> open(HttpRequest request) override {
        return begin(std::move(request), false);
    }

private:
    Task<Result<std::unique_ptr<HttpBody>>> begin(HttpRequest request, bool whole) {
        co_await asio::this_coro::throw_if_cancelled(false);
        if (auto r = check_request(request); !r) co_return r.error();
        if (!proxies_) co_return proxies_.error();
        if (!detours_) co_return detours_.error();
        Journey journey{request.method, request.url, request.url.origin(), request.body, {}, 0};
        for (;;) {
            auto hop = co_await prepare(request, journey);
            if (!hop) co_return hop.error();
            hop->whole = whole;
            auto transfer = std::make_unique<Transfer>(multi_, clock_, std::move(*hop), trust_);
            if (auto r = transfer->start(); !r) co_return r.error();
            if (auto r = co_await transfer->wait_head(); !r) co_return r.error();
            remember_cookies(request, transfer->head());
            if (!is_redirect(transfer->head()) || request.max_redirects <= 0)
                co_return std::unique_ptr<HttpBody>(std::make_unique<BodyImpl>(std::move(transfer)));
            if (auto r = follow(request, transfer->head(), journey); !r) co_return r.error();
            co_await transfer->skip_body();
        }
    }

    static Result<> check_url(const HttpRequest& request, const Url& url) {
        if (request.guard) return request.guard->check(url);
        if (url.scheme == "http" || url.scheme == "https") return {};
        return Error{Errc::bad_input, fmt::format("scheme '{}' is neither http nor https", url.scheme)};
    }

    Task<Result<Hop>> prepare(const HttpRequest& request, Journey& journey) {
        if (auto r = check_url(request, journey.url); !r) co_return r.error();
        Hop hop;
        hop.method = journey.method;
        hop.url = journey.url;
        hop.body = journey.body;
        hop.user_agent = settings_.user_agent;
        hop.range = request.range;
        hop.media = request.media;
        hop.http2_only = request.http2_only;
        hop.guard = request.guard;
        hop.connect_timeout = request.connect_timeout;
        hop.stall_timeout = request.stall_timeout;
        hop.deadline = request.deadline;
        hop.max_body = request.max_body;
        if (request.cookies) hop.cookie = request.cookies->header_for(journey.url, clock_.wall());
        add_headers(request, journey, hop);
        if (!journey.seen.insert(fmt::format("{} {}\n{}", journey.method, journey.url.text(), hop.cookie)).second)
            co_return Error{Errc::bad_input,
                            fmt::format("redirects go round in circles at {}", journey.url.without_query())};
        hop.verify_tls = request.verify_tls;
        hop.instead = detours_->instead_of(journey.url.host, journey.url.port);
        if (!hop.instead) hop.proxy = proxies_->proxy_for(journey.url);
        auto addresses = co_await addresses_for(request, hop);
        if (!addresses) co_return addresses.error();
        hop.addresses = std::move(*addresses);
        co_return hop;
    }

    static void add_headers(const HttpRequest& request, const Journey& journey, Hop& hop) {
        const bool home = journey.url.origin() == journey.first_origin;
        for (const auto& header : request.headers) {
            const bool about_body = same_name(header.first, "content-type");
            if (about_body ? hop.body.empty() && journey.redirects > 0 : !home) continue;
            if (same_name(header.first, "cookie")) {  // one header, ours behind the caller's
                hop.cookie = hop.cookie.empty() ? header.second : fmt::format("{}; {}", header.second, hop.cookie);
                continue;
            }
            if (same_name(header.first, "user-agent")) hop.user_agent.clear();
            hop.headers.push_back(header);
        }
    }

    Task<Result<std::vector<std::string>>> addresses_for(const HttpRequest& request, const Hop& hop) {
        auto patience = request.connect_timeout;
        if (hop.deadline) patience = std::min(patience, std::chrono::ceil<Millis>(*hop.deadline - clock_.now()));
        if (patience <= Millis(0)) co_return Error{Errc::timed_out, fmt::format("no time left for {}", hop.url.host)};
        const std::string host = hop.proxy ? hop.proxy->host : hop.instead ? hop.instead->host : hop.url.host;
        auto found = co_await resolver_->resolve(host, patience);
        if (!found || hop.proxy || !request.guard) co_return found;
        std::vector<std::string> allowed;
        std::optional<Error> refused;
        for (auto& address : *found) {
            if (auto r = request.guard->check_address(hop.url, address); r)
                allowed.push_back(std::move(address));
            else
                refused = r.error();
        }
        if (allowed.empty() && refused) co_return std::move(*refused);
        co_return allowed;
    }

    void remember_cookies(const HttpRequest& request, const HttpHead& head) {
        if (!request.cookies) return;
        for (const auto& [name, value] : head.headers)
            if (name == "set-cookie") request.cookies->store(head.url, value, clock_.wall());
    }

    static Result<> follow(const HttpRequest& request, const HttpHead& head, Journey& journey) {
        auto next = resolve_url(journey.url, *head.find("location"));
        if (!next) return within(fmt::format("redirect from {}", journey.url.host), next.error());
        if (request.guard)
            if (auto r = request.guard->check_redirect(journey.url, *next); !r)
                return within(fmt::format("redirect from {}", journey.url.host), r.error());
        if (auto r = check_url(request, *next); !r)
            return within(fmt::format("redirect from {}", journey.url.host), r.error());
        if (++journey.redirects > request.max_redirects)
            return Error{Errc::bad_input, fmt::format("more than {} redirects, the last to {}", request.max_redirects,
                                                      next->without_query())};
        const bool to_get = (head.status == 303 && journey.method != "HEAD") ||
                            ((head.status == 301 || head.status == 302) && journey.method == "POST");
        if (to_get) {
            journey.method = "GET";
            journey.body = {};
        }
        journey.url = std::move(*next);
        return {};
    }

    Clock& clock_;
    std::shared_ptr<Resolver> resolver_;
    Settings settings_;
    std::shared_ptr<CurlMulti> multi_;
    TrustStore trust_;
    Result<ProxyRules> proxies_;
    Result<ConnectTo> detours_;
};

}  // namespace

std::unique_ptr<HttpClient> HttpClient::create(Shard& shard, std::shared_ptr<Resolver> resolver, Settings settings) {
    return std::make_unique<CurlClient>(shard, std::move(resolver), std::move(settings));
}

}  // namespace weir
