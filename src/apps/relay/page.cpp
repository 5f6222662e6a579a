#include "apps/relay/page.h"

#include <array>

#include "apps/relay/rest.h"
#include "base/text.h"
#include "web/assets.h"

namespace weir::relay {
namespace {

/// Scripts and styles are ours alone; media go through blobs; a jsmpeg decoder may be WebAssembly.
constexpr std::string_view content_policy =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; media-src "
    "blob:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A browser that asks for a page names HTML first; curl and programs say */* or nothing.
bool prefers_html(const ServerRequest& request) {
    const auto* accept = request.find("accept");
    return accept != nullptr && accept->find("text/html") != std::string::npos;
}

Task<void> answer_file(Exchange& exchange, web::Asset asset) {
    std::vector<std::pair<std::string, std::string>> headers;
    headers.emplace_back("ETag", std::string(asset.etag));
    headers.emplace_back("Cache-Control", "no-cache");
    headers.emplace_back("X-Content-Type-Options", "nosniff");
    headers.emplace_back("Referrer-Policy", "no-referrer");
    if (asset.content_type.starts_with("text/html"))
        headers.emplace_back("Content-Security-Policy", std::string(content_policy));
    const auto* known = exchange.request().find("if-none-match");
    if (known != nullptr && *known == asset.etag) {
        (void)co_await exchange.respond(304, "", Bytes(), std::move(headers));
        co_return;
    }
    (void)co_await exchange.respond(200, asset.content_type, asset.body, std::move(headers));
}

Task<void> answer_missing(Exchange& exchange) {
    const auto none = page_not_found();
    const auto body = Bytes::copy_of(none.body);
    (void)co_await exchange.respond(none.status, none.type, body);
}

/// What a path below /page/ names. The pages themselves are at "/" alone, where the Host and the Origin are looked at.
std::optional<web::Asset> asset_at(std::string_view path) {
    constexpr std::string_view root = "/page/";
    return path.starts_with(root) && !path.ends_with(".html") ? web::find_asset(path.substr(root.size()))
                                                              : std::nullopt;
}

Task<void> answer_page(Exchange& exchange, const Access& access) {
    const auto& request = exchange.request();
    const bool root = request.path == "/";
    const auto asset = root ? web::find_asset("relay/index.html") : asset_at(request.path);
    const bool welcome = !root || (prefers_html(request) && access.check_origin(request));
    const bool shown = asset && welcome;
    if (!shown) {
        co_await answer_missing(exchange);
        co_return;
    }
    co_await answer_file(exchange, *asset);
}

}  // namespace

void add_page_routes(HttpServer& server, const Access& access) {
    const HttpServer::Handler handler = [&access](Exchange& exchange) { return answer_page(exchange, access); };
    server.route("GET HEAD", "/page/", handler);
    server.route("*", "/", handler);
}

Task<bool> answer_jsmpeg_page(Exchange& exchange) {
    const auto& request = exchange.request();
    const bool root = request.path == "/";
    const bool asked = request.method == "GET" && (!root || prefers_html(request));
    const auto asset = root ? web::find_asset("jsmpeg/index.html") : asset_at(request.path);
    if (!asked || !asset) co_return false;
    co_await answer_file(exchange, *asset);
    co_return true;
}

}  // namespace weir::relay
