#include "apps/fc2/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/env.h"
#include "base/log.h"
#include "base/secret.h"

namespace weir::fc2 {
namespace {

constexpr Millis api_time{20'000}, page_time{60'000};
constexpr std::uint64_t most_answer = 4u << 20;
constexpr std::size_t most_told = 10'000;
constexpr Millis longest_penalty = std::chrono::minutes(10);
constexpr std::string_view identity_cookie = "l_ortkn";
const Backoff::Settings penalty_steps{Millis(40'000), longest_penalty, 2.0};  // 20 … 40 s at first (FC2-11)

std::string form_encoded(const std::vector<std::pair<std::string_view, std::string>>& fields) {
    std::string out;
    const auto add = [&out](std::string_view text) {
        for (const char c : text) {
            const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                               c == '_' || c == '.' || c == '*';
            if (plain)
                out += c;
            else if (c == ' ')
                out += '+';
            else
                out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    };
    for (const auto& [name, value] : fields) {
        if (!out.empty()) out += '&';
        add(name);
        out += '=';
        add(value);
    }
    return out;
}

Result<Url> host_from(const char* name, std::string_view otherwise) {
    const auto given = env(name);
    auto url = parse_url(given && !given->empty() ? std::string_view(*given) : otherwise);
    if (!url) return Error{Errc::bad_input, fmt::format("{}: {}", name, url.error().what)};
    if ((url->scheme != "http" && url->scheme != "https") || !url->user.empty() || !url->password.empty() ||
        !url->query.empty())
        return Error{Errc::bad_input, fmt::format("{}: '{}' is not an http or https address without user and query",
                                                  name, masked_url(*given))};
    return url;
}

}  // namespace

Result<Hosts> hosts_from_environment() {
    auto live = host_from("WEIR_FC2_URL", "https://live.fc2.com/");
    if (!live) return live.error();
    auto id = host_from("WEIR_FC2_ID_URL", "https://id.fc2.com/");
    if (!id) return id.error();
    return Hosts{std::move(*live), std::move(*id)};
}

Api::Api(Shard& shard, HttpClient& http, CookieJar& cookies, const Site::Settings& settings)
    : shard_(shard),
      http_(http),
      cookies_(cookies),
      hosts_(settings.hosts),
      user_agent_(settings.user_agent),
      limiter_(shard.executor(), shard.clock(), settings.limit, settings.seed),
      penalties_(penalty_steps, settings.seed) {}

Url Api::at(std::string_view path) const {
    auto url = hosts_.live;
    while (url.path.ends_with('/')) url.path.pop_back();
    url.path += path;
    return url;
}

std::vector<std::pair<std::string, std::string>> Api::agent_header() const {
    std::vector<std::pair<std::string, std::string>> headers;
    if (!user_agent_.empty()) headers.emplace_back("User-Agent", user_agent_);
    return headers;
}

std::vector<std::pair<std::string, std::string>> Api::socket_headers(const Url& to) const {
    auto headers = agent_header();
    headers.emplace_back("Origin", fmt::format("{}://{}", hosts_.live.scheme, hosts_.live.host_header()));
    if (auto cookie = cookies_.header_for(to, shard_.clock().wall()); !cookie.empty())
        headers.emplace_back("Cookie", std::move(cookie));
    return headers;
}

/// One request in its turn; the body of a good answer, whatever its content type (FC2-5).
Task<Result<std::string>> Api::ask(HttpRequest request, bool urgent) {
    if (const auto closed = limiter_.closed_for(); closed > Millis(1000)) {
        Error why{Errc::busy,
                  fmt::format("rate limited; nothing is asked for another {} s", closed.count() / 1000 + 1)};
        why.retry_after = closed;
        co_return why;
    }
    const bool on = co_await limiter_.pass(urgent);
    if (!on) co_return Error{Errc::cancelled, "stopped"};
    ++requests_;
    for (auto& header : agent_header()) request.headers.push_back(std::move(header));
    request.cookies = &cookies_;
    request.deadline = shard_.clock().now() + api_time;
    request.max_body = most_answer;
    auto answer = co_await http_.fetch(std::move(request));
    if (!answer) co_return answer.error();
    if (const int status = answer->head.status; status < 200 || status > 299) {
        auto why = status_error(answer->head);
        if (why.code == Errc::busy) {
            refused(why);
            why.retry_after = limiter_.closed_for();
        }
        co_return why;
    }
    if (limiter_.closed_for() == Millis(0)) penalties_.reset();
    co_return std::move(answer->body);
}

/// Of several that were under way, the first one closes the limiter; the others say nothing new.
void Api::refused(const Error& why) {
    if (limiter_.closed_for() > Millis(0)) return;
    auto pause = penalties_.next();
    if (why.retry_after) pause = std::clamp(*why.retry_after, Millis(1000), longest_penalty);
    limiter_.penalise(pause);
    WEIR_LOG(warn, "fc2 says that we ask too much; pausing all requests", {"status", why.status},
             {"seconds", (pause.count() + 999) / 1000});
}

Task<Result<Member>> Api::member(const std::string& channel, bool urgent) {
    HttpRequest request;
    request.method = "POST";
    request.url = at("/api/memberApi.php");
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.body =
        Bytes::copy_of(form_encoded({{"channel", "1"}, {"profile", "1"}, {"user", "1"}, {"streamid", channel}}));
    const auto step = fmt::format("memberApi for channel {}", channel);
    auto body = co_await ask(std::move(request), urgent);
    if (!body) co_return within(step, body.error());
    auto member = parse_member(*body);
    if (!member) co_return within(step, member.error());
    for (const auto& drift : member->drifts) {
        if (told_.size() >= most_told || !told_.insert(fmt::format("{} {}", channel, drift)).second) continue;
        WEIR_LOG(warn, "fc2's answer has changed; reading goes on", {"channel", channel}, {"field", drift});
    }
    co_return std::move(*member);
}

Task<Result<ControlServer>> Api::control_server(const std::string& channel, const std::string& version) {
    HttpRequest request;
    request.method = "POST";
    request.url = at("/api/getControlServer.php");
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.headers.emplace_back("X-Requested-With", "XMLHttpRequest");
    request.body = Bytes::copy_of(form_encoded({{"channel_id", channel},
                                                {"mode", "play"},
                                                {"orz", identity()},
                                                {"channel_version", version},
                                                {"client_version", "2.2.1  [1]"},
                                                {"client_type", "pc"},
                                                {"client_app", "browser_hls"},
                                                {"ipv6", ""}}));
    const auto step = fmt::format("getControlServer for channel {}", channel);
    auto body = co_await ask(std::move(request), true);
    if (!body) co_return within(step, body.error());
    auto server = parse_control_server(*body);
    if (!server) co_return within(step, server.error());
    keep_identity(server->orz_raw);
    co_return std::move(*server);
}

Task<Result<std::unordered_set<std::string>>> Api::live_channels(bool adult) {
    HttpRequest request;
    request.url = at(adult ? "/adult/contents/allchannellist.php" : "/contents/allchannellist.php");
    const std::string step = adult ? "list of live channels (adult)" : "list of live channels";
    auto body = co_await ask(std::move(request), true);
    if (!body) co_return within(step, body.error());
    auto list = parse_channel_list(*body);
    if (!list) co_return within(step, list.error());
    std::unordered_set<std::string> ids;
    ids.reserve(list->size());
    for (auto& channel : *list) ids.insert(std::move(channel.id));
    co_return ids;
}

Task<Result<HttpResponse>> Api::page(std::string_view path) {
    return fetch(at(path));
}

Task<Result<HttpResponse>> Api::fetch(Url url) {
    HttpRequest request;
    request.url = std::move(url);
    request.headers = agent_header();
    request.cookies = &cookies_;
    request.deadline = shard_.clock().now() + page_time;
    request.max_body = 2 * most_answer;
    auto answer = co_await http_.fetch(std::move(request));
    co_return answer;
}

std::string Api::identity() const {
    const auto header = cookies_.header_for(at("/api/getControlServer.php"), shard_.clock().wall());
    for (std::string_view rest = header; !rest.empty();) {
        const auto one = rest.substr(0, rest.find("; "));
        rest.remove_prefix(std::min(one.size() + 2, rest.size()));
        const auto equals = one.find('=');
        if (equals != one.npos && one.substr(0, equals) == identity_cookie) return std::string(one.substr(equals + 1));
    }
    return {};
}

void Api::keep_identity(const std::string& raw) {
    const bool fit = std::all_of(raw.begin(), raw.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    });
    if (raw.empty() || !fit || raw == identity()) return;
    auto set = fmt::format("{}={}; path=/", identity_cookie, raw);
    // One that the user brought for the whole domain is replaced, not doubled.
    for (const auto& cookie : cookies_.all())
        if (cookie.name == identity_cookie && !cookie.host_only && cookie.path == "/" &&
            hosts_.live.host.ends_with(cookie.domain))
            set += "; domain=" + cookie.domain;
    cookies_.store(hosts_.live, set, shard_.clock().wall());
}

}  // namespace weir::fc2
