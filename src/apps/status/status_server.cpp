#include "apps/status/status_server.h"

#include <fmt/format.h>

#include <utility>

#include "apps/status/guard.h"
#include "apps/status/page.h"
#include "apps/status/profile_routes.h"
#include "apps/status/token_file.h"
#include "base/text.h"
#include "io/standard_routes.h"

namespace weir::status {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char* plain = "text/plain; charset=utf-8";
constexpr std::size_t longest_token_body = 4096;

Task<void> answer(Exchange& exchange, int status, std::string_view type, std::string_view body, Headers headers) {
    headers.emplace_back("Cache-Control", "no-store");
    auto bytes = Bytes::copy_of(body);
    auto sent = co_await exchange.respond(status, type, std::move(bytes), std::move(headers));
    (void)sent.has_value();
}

Task<void> answer_json(Exchange& exchange, std::string text) {
    if (!text.ends_with('\n')) text += '\n';
    Headers headers{{"Vary", "Accept"}};
    co_await answer(exchange, 200, "application/json", text, std::move(headers));
}

Task<void> refuse(Exchange& exchange, Verdict verdict) {
    Headers headers;
    if (verdict == Verdict::foreign) {
        co_await answer(exchange, 403, plain,
                        "not from here: another site's page asks, or this address under a name that is not this "
                        "machine's, or a proxy; a token opens it (--auth-token-file)\n",
                        std::move(headers));
        co_return;
    }
    if (verdict == Verdict::limited) {
        headers.emplace_back("Retry-After", "6");
        co_await answer(exchange, 429, plain, "too many wrong tokens from this address: wait a little\n",
                        std::move(headers));
        co_return;
    }
    headers.emplace_back("WWW-Authenticate", "Bearer realm=\"weir\"");
    // A browser asks for a password by itself, which our own page must not make it do.
    if (!exchange.request().path.starts_with("/api/")) headers.emplace_back("WWW-Authenticate", "Basic realm=\"weir\"");
    co_await answer(exchange, 401, plain, "a token is asked for: sign in at /, or send Authorization: Bearer\n",
                    std::move(headers));
}

class Server final : public StatusServer {
public:
    Server(Shards& shards, FileLane& lane, Settings settings)
        : shards_(shards), lane_(lane), settings_(std::move(settings)) {}

    Task<Result<>> start() override {
        auto& access = settings_.access;
        const bool wanted = !settings_.listen.loopback() && access.all == Access::Ask::token && access.token.empty();
        if (wanted) {
            auto kept = co_await kept_token(lane_, access.token_file);
            access.token = std::move(kept.token);
            made_token_ = kept.made;
        }
        HttpServer::Settings wishes;
        wishes.address = settings_.listen.address;
        wishes.port = settings_.listen.port;
        wishes.port_option = settings_.option;
        server_ = HttpServer::create(shards_, std::move(wishes));
        add_routes();
        auto started = server_->start();
        // Before anybody can have asked: connections are accepted on this shard.
        if (started)
            guard_ = std::make_unique<Guard>(Guard::Settings{settings_.listen.loopback(), access, server_->port()});
        co_return started;
    }

    Task<void> stop() override {
        if (server_) co_await server_->stop();
    }

    [[nodiscard]] std::string url() const override { return url_at(settings_.listen.address); }

    [[nodiscard]] Secret sign_in_url() const override {
        if (!made_token_) return {};
        const auto& at = settings_.listen.address;
        const bool any = at == "0.0.0.0" || at == "::";
        return Secret(url_at(any ? "127.0.0.1" : at) + "#token=" + settings_.access.token.reveal());
    }

private:
    void add_routes() {
        add_health_route(*server_);
        add_page_files(*server_);
        server_->route("GET HEAD", "/metrics", [this](Exchange& e) { return metrics(e); });
        server_->route("GET HEAD", "/api/status", [this](Exchange& e) { return page_json(e); });
        server_->route("GET HEAD POST DELETE", "/api/session", [this](Exchange& e) { return session(e); });
        add_profiles(*server_, [this](Exchange& e) { return admitted(e); });
        server_->route("*", "/", [this](Exchange& e) { return others(e); });
    }

    [[nodiscard]] std::string url_at(const std::string& address) const {
        const bool v6 = address.find(':') != std::string::npos;
        return fmt::format("http://{}{}{}:{}/", v6 ? "[" : "", address, v6 ? "]" : "", server_ ? server_->port() : 0);
    }

    [[nodiscard]] Guard::Now now() {
        auto& clock = shards_.at(0).clock();
        return {clock.now(), unix_millis(clock.wall()) / 1000};
    }

    Task<void> metrics(Exchange& exchange) {
        const auto verdict = guard_->check(exchange.request(), Guard::Door::metrics, now());
        if (verdict != Verdict::welcome)
            co_await refuse(exchange, verdict);
        else
            co_await answer_metrics(exchange);
    }

    Task<void> page_json(Exchange& exchange) {
        const bool may = co_await admitted(exchange);
        if (!may) co_return;
        const auto& json = settings_.page_json ? settings_.page_json : settings_.json;
        auto text = json();
        co_await answer_json(exchange, std::move(text));
    }

    Task<bool> admitted(Exchange& exchange) {
        const auto verdict = guard_->check(exchange.request(), Guard::Door::pages, now());
        if (verdict == Verdict::welcome) co_return true;
        co_await refuse(exchange, verdict);
        co_return false;
    }

    /// The page for people, the JSON for programs, and the sign-in page at "/" for who has no right: probes stay green.
    Task<void> others(Exchange& exchange) {
        const auto& request = exchange.request();
        const bool root = request.path == "/";
        const bool reads = request.method == "GET" || request.method == "HEAD";
        const auto verdict = guard_->check(request, Guard::Door::pages, now());
        if (verdict == Verdict::unknown && root && reads) {
            co_await answer_file(exchange, "status/sign-in.html");
        } else if (verdict != Verdict::welcome) {
            co_await refuse(exchange, verdict);
        } else if (root && reads && prefers_html(request.find("accept"))) {
            co_await answer_welcome(exchange);
        } else {
            auto text = settings_.json();
            co_await answer_json(exchange, std::move(text));
        }
    }

    /// A token in the address becomes a session, and leaves the address.
    Task<void> answer_welcome(Exchange& exchange) {
        const auto& request = exchange.request();
        if (request.query.find("token=") == std::string::npos) {
            co_await answer_file(exchange, "status/index.html");
            co_return;
        }
        Headers headers{{"Location", "/"}, {"Referrer-Policy", "no-referrer"}};
        if (!settings_.access.token.empty()) headers.emplace_back("Set-Cookie", guard_->session_cookie(request, now()));
        co_await answer(exchange, 303, plain, "/\n", std::move(headers));
    }

    Task<void> session(Exchange& exchange) {
        const auto& request = exchange.request();
        Headers headers;
        if (!guard_->own_page(request)) {
            co_await refuse(exchange, Verdict::foreign);
        } else if (request.method == "POST") {
            co_await sign_in(exchange);
        } else if (request.method == "DELETE") {
            headers.emplace_back("Set-Cookie", guard_->no_cookie(request));
            co_await answer(exchange, 204, "", "", std::move(headers));
        } else {
            const bool has = guard_->has_session(request, now());
            auto text = fmt::format("{{\"signed_in\": {}}}", has);
            co_await answer_json(exchange, std::move(text));
        }
    }

    Task<void> sign_in(Exchange& exchange) {
        auto body = co_await exchange.read_body_text(longest_token_body);
        const auto given = body ? Secret(std::string(stripped(*body))) : Secret();
        Verdict verdict = Verdict::unknown;
        if (!settings_.access.token.empty()) verdict = guard_->check_token(exchange.request(), given.reveal(), now());
        if (verdict != Verdict::welcome) {
            co_await refuse(exchange, verdict);
            co_return;
        }
        Headers headers{{"Set-Cookie", guard_->session_cookie(exchange.request(), now())}};
        co_await answer(exchange, 204, "", "", std::move(headers));
    }

    Shards& shards_;
    FileLane& lane_;
    Settings settings_;
    bool made_token_ = false;
    std::unique_ptr<HttpServer> server_;
    std::unique_ptr<Guard> guard_;
};

}  // namespace

std::unique_ptr<StatusServer> StatusServer::create(Shards& shards, FileLane& lane, Settings settings) {
    return std::make_unique<Server>(shards, lane, std::move(settings));
}

}  // namespace weir::status
