#include "sources/http_stream/connection.h"

namespace weir::http_stream {

Connection::Connection(HttpClient& http, CookieJar* cookies, const HttpStreamSettings& settings, Detected opened)
    : http_(http), cookies_(cookies), settings_(settings), guard_(settings.url), answer_(std::move(opened)) {}

void Connection::drop() {
    answer_.reset();
}

Task<Result<>> Connection::open(std::optional<Range> range, const std::string& if_range) {
    drop();
    HttpRequest request;
    request.url = settings_.url;
    request.headers = settings_.headers;
    request.guard = &guard_;
    request.cookies = cookies_;
    request.media = true;
    request.stall_timeout = settings_.stall;
    request.range = range;
    if (range && !if_range.empty()) request.headers.emplace_back("If-Range", if_range);
    ++opened_;
    auto answer = co_await open_and_look(http_, std::move(request));
    if (!answer) co_return answer.error();
    answer_ = std::move(*answer);
    co_return Result<>();
}

Task<Result<Bytes>> Connection::next() {
    if (!answer_->first.empty()) co_return std::exchange(answer_->first, {});
    if (!answer_->body) co_return Bytes{};
    auto piece = co_await answer_->body->next();
    co_return piece;
}

std::string short_reason(const Error& e) {
    if (e.status != 0) return fmt::format("http {}", e.status);
    switch (e.code) {
        case Errc::timed_out:
            return "stalled";
        case Errc::lost_peer:
            return "cut off";
        case Errc::unreachable:
            return "unreachable";
        default:
            return e.what;
    }
}

bool is_refusal(const Error& e) noexcept {
    return e.status == 401 || e.status == 403 || e.status == 404 || e.status == 410;
}

}  // namespace weir::http_stream

namespace weir {

bool FileIdentity::fits(const FileIdentity& other) const noexcept {
    if (length != other.length) return false;
    if (!etag.empty() || !other.etag.empty()) return etag == other.etag;
    return modified == other.modified;
}

std::unique_ptr<HttpStream> HttpStream::create(asio::any_io_executor ex, Clock& clock, HttpClient& http,
                                               CookieJar* cookies, HttpStreamSettings settings, Detected opened) {
    if (opened.length)
        return http_stream::make_file(std::move(ex), clock, http, cookies, std::move(settings), std::move(opened));
    return http_stream::make_live(std::move(ex), clock, http, cookies, std::move(settings), std::move(opened));
}

}  // namespace weir
