#pragma once
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "io/http_client.h"
#include "runtime/clock.h"
#include "runtime/task_group.h"

namespace weir::test {

/// What a scripted server answers.
struct Reply {
    enum class How {
        whole,  ///< the body and a clean end
        cut,  ///< the connection ends after `at` bytes: lost_peer, as the real client says when Content-Length is known
        stall,   ///< nothing more after `at` bytes: the client's stall timer ends it
        refuse,  ///< no connection at all
        silent,  ///< accepted, no answer
    };
    int status = 200;
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> headers = {};
    How how = How::whole;
    std::size_t at = 0;
    std::size_t piece = 16u << 10;                     ///< bytes a piece
    Micros before_head{20'000}, between{0};            ///< how long the head takes, and each piece
    std::optional<std::uint64_t> content_length = {};  ///< as announced; none: as it is
    std::string redirected_to = {};                    ///< the URL after redirects
    bool no_length = false;                            ///< chunked, as live streams are
    std::vector<std::pair<std::string, std::string>> trailers = {};
};

/// An HttpClient whose server is a function, in simulated time. Looks at the guard, the deadline and the limits as the
/// real one does.
class FakeHttp final : public HttpClient {
public:
    using Server = std::function<Reply(const HttpRequest&)>;
    FakeHttp(Clock& clock, Server server) : clock_(clock), server_(std::move(server)) {}

    Task<Result<HttpResponse>> fetch(HttpRequest request) override {
        const auto limit = request.max_body;
        auto body = co_await open(std::move(request));
        if (!body) co_return body.error();
        HttpResponse out{(*body)->head(), {}};
        while (true) {
            auto piece = co_await (*body)->next();
            if (!piece) co_return piece.error();
            if (piece->empty()) co_return out;
            out.body += piece->text();
            if (out.body.size() > limit) co_return Error{Errc::bad_input, "the answer is above the limit"};
        }
    }

    Task<Result<std::unique_ptr<HttpBody>>> open(HttpRequest request) override {
        co_await errors_not_throws();
        if (request.guard)
            if (auto ok = request.guard->check(request.url); !ok) co_return ok.error();
        requests.push_back(request);
        auto reply = server_(request);
        const auto stalled = clock_.now() + request.stall_timeout;
        const auto limit = std::min(request.deadline.value_or(stalled), stalled);
        if (reply.how == Reply::How::refuse) {
            if (!co_await clock_.sleep_for(Millis{1})) co_return cancelled();
            co_return Error{Errc::unreachable, "cannot connect: connection refused"};
        }
        const auto head_at = reply.how == Reply::How::silent ? limit : clock_.now() + reply.before_head;
        if (!co_await clock_.sleep_until(std::min(head_at, limit))) co_return cancelled();
        if (head_at >= limit) co_return Error{Errc::timed_out, "no answer"};
        co_return std::make_unique<Body>(*this, std::move(request), std::move(reply));
    }

    std::vector<HttpRequest> requests;
    int open_bodies = 0;

    [[nodiscard]] int count(std::string_view in_path) const {
        return static_cast<int>(std::count_if(requests.begin(), requests.end(), [&](const auto& r) {
            return r.url.path.find(in_path) != std::string::npos;
        }));
    }

private:
    static Error cancelled() { return Error{Errc::cancelled, "cancelled"}; }

    class Body final : public HttpBody {
    public:
        Body(FakeHttp& owner, HttpRequest request, Reply reply)
            : owner_(owner), request_(std::move(request)), reply_(std::move(reply)) {
            ++owner_.open_bodies;
            head_.status = reply_.status;
            head_.url = request_.url;
            if (!reply_.redirected_to.empty()) head_.url = parse_url(reply_.redirected_to).value();
            head_.headers = reply_.headers;
            head_.trailers = reply_.trailers;
            if (!reply_.no_length) head_.content_length = reply_.content_length.value_or(reply_.body.size());
        }
        ~Body() override { --owner_.open_bodies; }
        [[nodiscard]] const HttpHead& head() const noexcept override { return head_; }

        Task<Result<Bytes>> next() override {
            co_await errors_not_throws();
            auto& clock = owner_.clock_;
            const auto stalled = clock.now() + request_.stall_timeout;
            const auto limit = std::min(request_.deadline.value_or(stalled), stalled);
            const bool breaks = reply_.how == Reply::How::cut || reply_.how == Reply::How::stall;
            const auto end = breaks ? std::min(reply_.at, reply_.body.size()) : reply_.body.size();
            if (sent_ == end && reply_.how == Reply::How::cut) co_return Error{Errc::lost_peer, "connection cut"};
            const bool never = sent_ == end && reply_.how == Reply::How::stall;
            const auto when = never ? limit : clock.now() + reply_.between;
            if (when > clock.now()) {
                const bool came = co_await clock.sleep_until(std::min(when, limit));
                if (!came) co_return cancelled();
            }
            if (when >= limit) co_return Error{Errc::timed_out, "the peer stalled"};
            const auto count = std::min(reply_.piece, end - sent_);
            auto out = Bytes::copy_of(std::string_view(reply_.body).substr(sent_, count));
            sent_ += count;
            co_return out;
        }

    private:
        FakeHttp& owner_;
        HttpRequest request_;
        Reply reply_;
        HttpHead head_;
        std::size_t sent_ = 0;
    };

    Clock& clock_;
    Server server_;
};

/// Runs one coroutine to its end in simulated time; throws when it can never end.
template <class T>
T run_simulated(asio::io_context& io, SimulatedClock& clock, Task<T> task, Micros at_most = std::chrono::hours(48)) {
    std::optional<T> result;
    std::exception_ptr failure;
    const auto until = clock.now() + at_most;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr e, T value) {
        failure = e;
        result.emplace(std::move(value));
    });
    while (!result) {
        io.restart();
        io.poll();
        if (result) break;
        if (clock.waiting() == 0) throw std::runtime_error("nobody waits for time and nothing is ready: stuck");
        if (clock.now() > until) throw std::runtime_error("took too long");
        const auto next = clock.next();
        clock.advance(next > clock.now() ? std::chrono::ceil<Micros>(next - clock.now()) : Micros{0});
    }
    io.restart();
    io.poll();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
}

}  // namespace weir::test
