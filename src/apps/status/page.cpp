#include "apps/status/page.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/text.h"
#include "web/assets.h"

namespace weir::status {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char* content_policy =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
constexpr std::string_view root = "/page/";

/// The weight of a media range such as "text/html;q=0.9", in thousandths.
int weight_of(std::string_view range) {
    auto rest = range;
    while (true) {
        const auto semicolon = rest.find(';');
        if (semicolon == std::string_view::npos) return 1000;
        rest = stripped(rest.substr(semicolon + 1));
        if (rest.size() < 3 || ascii_lowered(rest.substr(0, 2)) != "q=") continue;
        const std::string number(stripped(
            rest.substr(2, rest.find(';') == std::string_view::npos ? std::string_view::npos : rest.find(';') - 2)));
        return static_cast<int>(std::clamp(std::strtod(number.c_str(), nullptr), 0.0, 1.0) * 1000);
    }
}

}  // namespace

bool prefers_html(const std::string* accept) {
    if (accept == nullptr) return false;
    int html = 0, json = 0;
    std::string_view rest = *accept;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(','), rest.size());
        const auto range = stripped(rest.substr(0, end));
        const auto type = ascii_lowered(stripped(range.substr(0, std::min(range.find(';'), range.size()))));
        if (type == "text/html" || type == "application/xhtml+xml") html = std::max(html, weight_of(range));
        if (type == "application/json") json = std::max(json, weight_of(range));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return html > 0 && html >= json;
}

Task<void> answer_file(Exchange& exchange, std::string_view path) {
    const auto asset = web::find_asset(path);
    Headers headers{{"Referrer-Policy", "no-referrer"}};
    if (!asset) {
        auto none = Bytes::copy_of(std::string_view("there is no such file\n"));
        auto told = co_await exchange.respond(404, "text/plain; charset=utf-8", std::move(none), std::move(headers));
        (void)told.has_value();
        co_return;
    }
    headers.emplace_back("ETag", std::string(asset->etag));
    const bool html = asset->content_type.starts_with("text/html");
    // A page depends on who asks for it and how: it is never kept.
    headers.emplace_back("Cache-Control", html ? "no-store" : "no-cache");
    if (html) headers.emplace_back("Vary", "Accept, Cookie, Authorization");
    if (html) headers.emplace_back("Content-Security-Policy", content_policy);
    const auto* known = exchange.request().find("if-none-match");
    const bool unchanged = !html && known != nullptr && *known == asset->etag;
    Bytes body;
    if (!unchanged) body = asset->body;
    const int status = unchanged ? 304 : 200;
    const std::string_view type = unchanged ? std::string_view() : asset->content_type;
    auto sent = co_await exchange.respond(status, type, std::move(body), std::move(headers));
    (void)sent.has_value();
}

void add_page_files(HttpServer& server) {
    server.route("GET HEAD", std::string(root), [](Exchange& exchange) -> Task<void> {
        const auto& path = exchange.request().path;
        const bool page = path.ends_with(".html");
        return answer_file(exchange, page ? std::string_view() : std::string_view(path).substr(root.size()));
    });
}

}  // namespace weir::status
