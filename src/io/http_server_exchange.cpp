#include "io/http_server_exchange.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/log.h"

namespace weir::http_server {
namespace {

constexpr std::size_t head_read = 8u << 10;

std::string_view reason_of(int status) {
    switch (status) {
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return "Status";
    }
}

bool bodyless(int status) {
    return status < 200 || status == 204 || status == 304;
}

/// Names and values may come from foreign text: nothing in them ends a line.
void add_field(std::string& out, std::string_view name, std::string_view value) {
    const auto harmless = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c; };
    std::transform(name.begin(), name.end(), std::back_inserter(out), harmless);
    out += ": ";
    std::transform(value.begin(), value.end(), std::back_inserter(out), harmless);
    out += "\r\n";
}

/// A connection that was taken away from the server.
class TakenConnection final : public Connection {
public:
    TakenConnection(std::shared_ptr<Client> client, Bytes early)
        : client_(std::move(client)), early_(std::move(early)) {}
    ~TakenConnection() override { client_->shutdown(); }

    [[nodiscard]] asio::any_io_executor executor() const noexcept override {
        return client_->room().shard().executor();
    }
    [[nodiscard]] Shard& shard() noexcept override { return client_->room().shard(); }
    Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
        auto got = co_await client_->read(into, SteadyTime::max());
        if (got && *got == 0 && !into.empty()) co_return Error{Errc::lost_peer, "the peer has closed", "connection"};
        co_return got;
    }
    Task<Result<>> wait_readable() override { return client_->wait_readable(SteadyTime::max()); }
    Result<std::optional<std::size_t>> try_read(std::span<std::byte> into) override { return client_->try_read(into); }
    Task<Result<>> write(std::span<const Bytes> parts) override { return client_->write(parts); }
    Result<std::size_t> try_write(std::span<const Bytes> parts) override { return client_->try_write(parts); }
    Task<Result<>> wait_writable() override { return client_->wait_writable(); }
    Task<Result<>> wait_closed() override { return client_->wait_closed(); }
    void shutdown() override { client_->shutdown(); }
    [[nodiscard]] const Bytes& early() const noexcept override { return early_; }
    [[nodiscard]] int descriptor() const noexcept override { return client_->descriptor(); }

private:
    std::shared_ptr<Client> client_;
    Bytes early_;
};

}  // namespace

ClientExchange::ClientExchange(std::shared_ptr<Client> client, ParsedHead head)
    : client_(std::move(client)),
      head_(std::move(head)),
      body_timeout_(client_->settings().body_timeout),
      continue_owed_(head_.expect_continue) {
    auto& request = head_.request;
    request.peer = client_->peer();
    request.secure = client_->secure();
    left_ = request.content_length.value_or(0);
    if (request.chunked)
        body_ = Body::chunked;
    else if (left_ > 0)
        body_ = Body::counted;
}

std::string ClientExchange::head_text(int status, std::string_view content_type, const Headers& headers) {
    stay_ = head_.keep_alive && body_settled() && !client_->room().stopping();
    std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_of(status));
    add_field(out, "Date",
              fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(client_->room().shard().clock().wall())));
    if (!content_type.empty()) {
        add_field(out, "Content-Type", content_type);
        add_field(out, "X-Content-Type-Options", "nosniff");
    }
    for (const auto& [name, value] : headers) add_field(out, name, value);
    return out;
}

Task<Result<>> ClientExchange::respond(int status, std::string_view content_type, Bytes body, Headers headers) {
    WEIR_ASSERT(answer_ == Answer::none);
    answer_ = Answer::whole;
    auto head = head_text(status, content_type, headers);
    if (!bodyless(status)) add_field(head, "Content-Length", std::to_string(body.size()));
    if (!stay_)
        add_field(head, "Connection", "close");
    else if (head_.http10)
        add_field(head, "Connection", "keep-alive");
    head += "\r\n";
    const bool silent = head_.request.method == "HEAD" || bodyless(status);
    const std::array<Bytes, 2> parts{Bytes::copy_of(head), silent ? Bytes{} : std::move(body)};
    auto sent = co_await client_->write(parts);
    if (!sent) stay_ = false;
    co_return sent;
}

Task<Result<>> ClientExchange::respond_line(int status, std::string_view line, Headers headers) {
    return respond(status, "text/plain; charset=utf-8", Bytes::copy_of(fmt::format("{}\n", line)), std::move(headers));
}

Task<Result<>> ClientExchange::begin_stream(int status, std::string_view content_type, Headers headers) {
    WEIR_ASSERT(answer_ == Answer::none);
    answer_ = Answer::streaming;
    if (content_type == "text/event-stream") headers.emplace_back("Cache-Control", "no-store");
    auto head = head_text(status, content_type, headers);
    chunked_answer_ = !head_.http10;
    if (!chunked_answer_) stay_ = false;  // its end is the close
    if (chunked_answer_) add_field(head, "Transfer-Encoding", "chunked");
    if (!stay_) add_field(head, "Connection", "close");
    head += "\r\n";
    const auto part = Bytes::copy_of(head);
    co_return co_await client_->write(std::span(&part, 1));
}

Task<Result<>> ClientExchange::write(Bytes piece) {
    WEIR_ASSERT(answer_ == Answer::streaming);
    if (piece.empty() || head_.request.method == "HEAD") co_return Result<>{};
    if (!chunked_answer_) co_return co_await client_->write(std::span(&piece, 1));
    const auto frame = Bytes::copy_of(fmt::format("{:x}\r\n\r\n", piece.size()));
    const std::array<Bytes, 3> parts{frame.slice(0, frame.size() - 2), std::move(piece), frame.slice(frame.size() - 2)};
    co_return co_await client_->write(parts);
}

Task<Result<>> ClientExchange::finish() {
    WEIR_ASSERT(answer_ == Answer::streaming);
    if (!chunked_answer_ || head_.request.method == "HEAD") {
        answer_ = Answer::finished;
        co_return Result<>{};
    }
    const auto last = Bytes::copy_of(std::string_view("0\r\n\r\n"));
    auto sent = co_await client_->write(std::span(&last, 1));
    if (sent) answer_ = Answer::finished;
    co_return sent;
}

Task<Result<>> ClientExchange::event(std::string_view name, std::string_view data) {
    std::string text;
    if (!name.empty()) {
        text = "event: ";
        std::copy_if(name.begin(), name.end(), std::back_inserter(text), [](char c) { return c != '\r' && c != '\n'; });
        text += '\n';
    }
    for (;;) {
        const auto end = data.find_first_of("\r\n");
        text.append("data: ").append(data.substr(0, end)).append("\n");
        if (end == std::string_view::npos) break;
        data.remove_prefix(end + (data.substr(end, 2) == "\r\n" ? 2 : 1));
    }
    text += '\n';
    return write(Bytes::copy_of(text));
}

std::unique_ptr<Connection> ClientExchange::take() {
    WEIR_ASSERT(answer_ == Answer::none);
    answer_ = Answer::taken;
    auto early = raw_.empty() ? client_->take_pending() : std::exchange(raw_, {});
    return std::make_unique<TakenConnection>(client_, std::move(early));
}

Task<bool> ClientExchange::conclude(bool failed) {
    if (answer_ == Answer::taken) co_return false;
    if (answer_ == Answer::none) {
        const bool ours = failed || !body_error_;
        if (ours && !failed) WEIR_LOG(error, "a request was left unanswered", {"path", head_.request.path});
        if (!ours && body_error_->code == Errc::lost_peer) co_return false;
        const int status = ours                                   ? 500
                           : body_error_->status                  ? body_error_->status
                           : body_error_->code == Errc::timed_out ? 408
                                                                  : 400;
        // GCC 12 destroys a temporary of a conditional expression inside co_await twice: hence the name.
        const std::string line = ours ? std::string("internal error") : body_error_->what;
        auto sent = co_await respond_line(status, line);
        if (!sent) co_return false;
    }
    if (answer_ == Answer::streaming) co_return false;  // cut off: the client must see that it is not whole
    if (stay_ && body_ == Body::counted) {
        if (auto r = co_await drain(); !r) co_return false;
    }
    if (!stay_ && body_ != Body::none && body_ != Body::done) co_await client_->linger();
    co_return stay_;
}

namespace {

const Route* find_route(const Core& core, const std::string& path) {
    const Route* best = nullptr;
    for (const auto& route : core.routes) {
        const bool prefix = route.path.ends_with('/') && path.starts_with(route.path);
        if ((prefix || path == route.path) && (!best || route.path.size() > best->path.size())) best = &route;
    }
    return best;
}

bool allows(std::string_view methods, std::string_view method) {
    if (methods == "*") return true;
    while (!methods.empty()) {
        const auto end = methods.find(' ');
        if (methods.substr(0, end) == method) return true;
        if (end == std::string_view::npos) return false;
        methods.remove_prefix(end + 1);
    }
    return false;
}

std::string comma_separated(std::string methods) {
    for (std::size_t at = 0; (at = methods.find(' ', at)) != std::string::npos; at += 2) methods.replace(at, 1, ", ");
    return methods;
}

Task<void> run_handler(ClientExchange& exchange, const Core& core) {
    const auto& request = exchange.request();
    const auto* route = find_route(core, request.path);
    if (!exchange.clean_target().empty()) {
        Headers location;
        location.emplace_back("Location", exchange.clean_target());
        (void)co_await exchange.respond(301, "", {}, std::move(location));
    } else if (!route) {
        (void)co_await exchange.respond_line(404, "not found");
    } else if (!allows(route->methods, request.method) && !core.settings.allow_header) {
        (void)co_await exchange.respond(405, "", {}, {});
    } else if (!allows(route->methods, request.method)) {
        Headers allow;
        allow.emplace_back("Allow", comma_separated(route->methods));
        (void)co_await exchange.respond_line(405, "method not allowed", std::move(allow));
    } else {
        co_await route->handler(exchange);
    }
}

Task<bool> answer(std::shared_ptr<Client> client, ParsedHead head) {
    ClientExchange exchange(client, std::move(head));
    bool failed = false;
    try {
        co_await run_handler(exchange, client->room().core());
    } catch (const std::exception& e) {
        failed = true;
        WEIR_LOG(error, "a request handler threw; please report this", {"path", exchange.request().path},
                 {"error", e.what()});
    }
    co_return co_await exchange.conclude(failed);
}

struct HeadStep {
    std::optional<ParsedHead> head = {};
    bool closed = false, progress = false;
};

/// Feeds the parser with what is there. Not a coroutine, so that one buffer serves all connections of a thread: an idle
/// one, and one that sends its head byte by byte, holds none.
Result<HeadStep> feed_head(Client& client, HeadParser& parser) {
    static thread_local std::array<std::byte, head_read> scratch;
    const auto pending = client.take_pending();
    auto in = pending.view();
    HeadStep step;
    if (pending.empty()) {
        auto got = client.try_read(scratch);
        if (!got) return got.error();
        if (!*got) return step;
        step.closed = **got == 0;
        in = std::span(scratch).first(**got);
    }
    std::size_t used = 0;
    auto head = parser.feed(in, used);
    if (!head) return head.error();
    step.head = std::move(*head);
    step.progress = true;
    if (step.head && used < in.size())
        client.give_back(pending.empty() ? Bytes::copy_of(in.subspan(used)) : pending.slice(used));
    return step;
}

/// The next request head; nothing when the client is done with this connection.
Task<Result<std::optional<ParsedHead>>> read_head(Client& client, bool first) {
    const auto& settings = client.settings();
    HeadParser parser(settings.clean_paths);
    auto by = client.in(first ? settings.head_timeout : settings.idle_timeout);
    for (bool begun = false;;) {
        if (!client.has_pending()) {
            if (auto r = co_await client.wait_readable(by); !r) {
                if (begun && r.error().code == Errc::timed_out)
                    co_return Error{Errc::timed_out, "the head came too slowly", "", {}, 408};
                co_return r.error();
            }
        }
        auto step = feed_head(client, parser);
        if (!step) co_return step.error();
        if (step->head || step->closed) co_return std::move(step->head);
        if (step->progress && !std::exchange(begun, true)) by = client.in(settings.head_timeout);
    }
}

Task<void> refuse_head(std::shared_ptr<Client> client, Error why) {
    const auto text =
        Bytes::copy_of(fmt::format("HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Length: {}\r\nX-Content-Type-Options: nosniff\r\n"
                                   "Connection: close\r\n\r\n{}\n",
                                   why.status, reason_of(why.status), why.what.size() + 1, why.what));
    if (auto r = co_await client->write(std::span(&text, 1)); r) co_await client->linger();
}

/// Apart from serve(), whose frame lives as long as the connection.
Task<bool> secured(std::shared_ptr<Client> client, net::TlsContext tls) {
    auto open = co_await client->start_tls(std::move(tls));
    if (!open && !client->secure() && open.error().code == Errc::unreachable) {
        Error why{Errc::bad_input, "this port speaks TLS: the URL begins with https://", "", {}, 400};
        co_await refuse_head(std::move(client), std::move(why));
    }
    co_return open.has_value();
}

}  // namespace

Task<void> serve(std::shared_ptr<Client> client, net::TlsContext tls) {
    if (tls) {
        const bool open = co_await secured(client, std::move(tls));
        if (!open) co_return;
    }
    for (bool first = true;; first = false) {
        auto head = co_await read_head(*client, first);
        if (!head) {
            if (head.error().status) co_await refuse_head(std::move(client), head.error());
            co_return;
        }
        if (!*head) co_return;
        const bool stays = co_await answer(client, std::move(**head));
        if (!stays) co_return;
    }
}

}  // namespace weir::http_server
