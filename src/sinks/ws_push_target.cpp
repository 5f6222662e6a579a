#include "sinks/ws_push_target.h"

#include <boost/json.hpp>

#include "base/text.h"
#include "io/url.h"
#include "runtime/deadline.h"

namespace weir::ws_push {
namespace {

namespace json = boost::json;

constexpr Millis exchange_limit{10'000};  // PR-20
constexpr std::size_t longest_answer = 64u << 10, longest_reason = 200;
constexpr std::size_t shortest_secret = 4;  ///< what is shorter hides nothing, and would spoil every text

bool is_websocket(const Url& url) {
    return url.scheme == "ws" || url.scheme == "wss";
}

Result<json::object> object_in(std::string_view text) {
    if (text.size() > longest_answer) return Error{Errc::bad_input, "an answer above 64 KiB"};
    json::parse_options options;
    options.max_depth = 16;
    boost::system::error_code ec;
    auto value = json::parse(json::string_view(text.data(), text.size()), ec, {}, options);
    if (ec || !value.is_object()) return Error{Errc::bad_input, "an answer that is no json object"};
    return std::move(value.get_object());
}

Result<std::string> address_in(const std::string& body) {
    auto answer = object_in(body);
    if (!answer) return answer.error();
    const auto* uri = answer->if_contains("uri");
    if (!uri || !uri->is_string()) return Error{Errc::bad_input, "an answer without `uri`"};
    std::string text(uri->get_string());
    const auto url = parse_url(text);
    if (!url || !is_websocket(*url) || !url->user.empty() || !url->password.empty())
        return Error{Errc::bad_input, "an answer whose `uri` is no websocket url"};
    return text;
}

void hide(std::string& text, std::string_view secret) {
    if (secret.size() >= shortest_secret) replace_all(text, secret, "***");
}

}  // namespace

Result<Entry> entry_of(const std::string& text, const Secret& token) {
    if (text.empty()) return Error{Errc::bad_input, "no url", "destination"};
    const auto url = parse_url(text);
    if (!url) return within("destination", url.error());
    if (!url->user.empty() || !url->password.empty())
        return Error{Errc::bad_input, "user name and password in the url are refused; use a token", "destination"};
    if (is_websocket(*url)) return token.empty() ? Entry::plain : Entry::greets;
    if (!token.empty()) return Entry::asks;
    return Error{Errc::bad_input,
                 fmt::format("{}:// is an access url and needs a token; a websocket is ws:// or wss://", url->scheme),
                 "destination"};
}

Task<Result<std::string>> exchange(Shard& shard, HttpClient& http, std::string url, Secret token) {
    auto parsed = parse_url(url);
    if (!parsed) co_return within("access", parsed.error());
    HttpRequest request;
    request.method = "POST";
    request.url = std::move(*parsed);
    request.headers.emplace_back("Authorization", token.reveal());
    request.headers.emplace_back("Accept", "application/json");
    request.deadline = shard.clock().now() + exchange_limit;
    request.max_body = longest_answer;
    auto response = co_await http.fetch(std::move(request));
    if (!response) co_return within("access", response.error());
    if (response->head.status != 200) co_return within("access", status_error(response->head));
    auto address = address_in(response->body);
    if (!address) co_return within("access", address.error());
    co_return address;
}

Result<> read_greeting(const WebSocket::Message& answer) {
    if (!answer.text) return Error{Errc::bad_input, "a binary message as answer to the token", "token"};
    auto said = object_in(answer.payload.text());
    if (!said) return within("token", said.error());
    const auto* authorised = said->if_contains("authorised");
    if (!authorised || !authorised->is_bool()) return Error{Errc::bad_input, "an answer without `authorised`", "token"};
    if (authorised->get_bool()) return {};
    std::string what = "not authorised";
    const auto* reason = said->if_contains("reason");
    if (reason && reason->is_string() && !reason->get_string().empty()) {
        what += ": ";
        append_printable(what, std::string_view(reason->get_string()).substr(0, longest_reason));
    }
    return Error{Errc::denied, std::move(what), "token"};
}

Task<Result<>> greet(Shard& shard, WebSocket& socket, Secret token, Millis timeout) {
    const auto by = shard.clock().now() + timeout;
    auto text = Bytes::copy_of(token.reveal());
    auto sent = co_await socket.send(ws::Opcode::text, std::move(text));
    if (!sent) co_return within("token", sent.error());
    bool late = false;
    auto answer = co_await with_deadline(shard.clock(), by, socket.read(), &late);
    if (!answer && late) co_return Error{Errc::timed_out, "the peer did not answer the token in time", "token"};
    if (!answer) co_return within("token", answer.error());
    co_return read_greeting(*answer);
}

std::string without_secrets(std::string text, std::string_view url, const Secret& secret) {
    hide(text, secret.reveal());
    const auto question = url.find('?');
    if (question == url.npos) return text;
    auto query = url.substr(question + 1);
    query = query.substr(0, query.find('#'));
    while (!query.empty()) {
        const auto pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        const auto equals = pair.find('=');
        hide(text, equals == pair.npos ? pair : pair.substr(equals + 1));
    }
    return text;
}

}  // namespace weir::ws_push
