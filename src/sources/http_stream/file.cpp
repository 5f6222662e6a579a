#include <algorithm>
#include <charconv>

#include "base/ids.h"
#include "base/log.h"
#include "base/numbers.h"
#include "base/secret.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sources/http_stream/connection.h"

namespace weir::http_stream {
namespace {

constexpr int tries_of_a_refusal = 3;
constexpr int most_fruitless = 20;

FileIdentity identity_of(const Detected& answer, std::uint64_t length) {
    FileIdentity id;
    id.length = length;
    if (const auto* etag = answer.head.find("etag")) id.etag = *etag;
    if (const auto* modified = answer.head.find("last-modified")) id.modified = *modified;
    return id;
}

/// "bytes 100-199/1000": first byte and whole length.
struct ContentRange {
    std::uint64_t first = 0, length = 0;
};
std::optional<ContentRange> content_range(const HttpHead& head) {
    const auto* text = head.find("content-range");
    if (!text || !text->starts_with("bytes ")) return std::nullopt;
    const auto dash = text->find('-'), slash = text->find('/');
    if (dash == std::string::npos || slash == std::string::npos || slash < dash) return std::nullopt;
    ContentRange out;
    const auto number = [&](std::size_t from, std::size_t to, std::uint64_t& into) {
        const auto* end = text->data() + to;
        const auto read = std::from_chars(text->data() + from, end, into);
        return read.ec == std::errc() && read.ptr == end;
    };
    if (!number(6, dash, out.first) || !number(slash + 1, text->size(), out.length)) return std::nullopt;
    return out;
}

class File final : public HttpStream {
public:
    File(Clock& clock, HttpClient& http, CookieJar* cookies, HttpStreamSettings settings, Detected opened)
        : clock_(clock),
          settings_(std::move(settings)),
          identity_(identity_of(opened, *opened.length)),
          backoff_({Millis{500}, Millis{15'000}, 2.0}, settings_.seed),
          connection_(http, cookies, settings_, std::move(opened)) {
        const auto named = settings_.url.without_query();
        uri_hash_ = hex16(content_hash(std::as_bytes(std::span(named))));
    }

    [[nodiscard]] Pace pace() const noexcept override { return Pace::demand; }
    [[nodiscard]] std::optional<FileIdentity> file() const override { return identity_; }
    void resume_live(Micros, Micros) override {}
    void resume_file(std::uint64_t whole_blocks) override {
        position_ = std::min(whole_blocks * file_block, identity_.length);
        if (position_ > 0) prefix_.reset();  // what the earlier run took is vouched for by the validator
    }
    [[nodiscard]] HttpStreamStats stats() const override {
        return {position_, connection_.opened(), outages_, identity_.length};
    }

    Task<Result<End>> run(ItemSink& sink, Demand& demand) override {
        co_await errors_not_throws();
        if (auto begun = co_await begin(sink); !begun) co_return begun.error();
        last_progress_ = clock_.now();
        while (position_ < identity_.length) {
            if (demand.stop.asked()) co_return stopped(demand);
            auto passed = co_await step(sink);
            if (passed) continue;
            if (demand.stop.asked()) co_return stopped(demand);
            if (auto again = co_await after(passed.error()); !again) {
                if (demand.stop.asked()) co_return stopped(demand);
                co_return again.error();
            }
        }
        co_return End{EndReason::endlist, {}};
    }

private:
    [[nodiscard]] static End stopped(const Demand& demand) { return {EndReason::stopped, demand.stop.reason()}; }

    Task<Result<>> begin(ItemSink& sink) {
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->format.container = Container::opaque;
        const std::vector<Item> items{Item(InitPtr(std::move(init)))};
        auto taken = co_await sink.accept(items);
        if (!taken) fatal_ = true;
        if (position_ > 0) connection_.drop();  // it began at the first byte
        co_return taken;
    }

    /// One piece, from an answer that is made when there is none.
    Task<Result<>> step(ItemSink& sink) {
        if (!connection_.is_open()) {
            auto opened = co_await reopen();
            if (!opened) co_return opened.error();
        }
        auto piece = co_await connection_.next();
        if (!piece) co_return piece.error();
        if (piece->empty())
            co_return Error{Errc::lost_peer, fmt::format("{} of {} bytes came", position_, identity_.length)};
        auto bytes = std::move(*piece);
        if (auto skipped = skip(bytes); !skipped) co_return skipped.error();
        if (bytes.empty()) co_return Result<>();
        if (bytes.size() > identity_.length - position_) co_return changed("more bytes come than it had");
        last_progress_ = clock_.now();
        backoff_.reset();
        refusals_ = fruitless_ = 0;
        const auto items = cut(bytes);
        auto taken = co_await sink.accept(items);
        if (!taken) fatal_ = true;
        co_return taken;
    }

    /// From the exact byte; the answer must be of the same file.
    Task<Result<>> reopen() {
        std::optional<Connection::Range> range;
        // Without a validator only the bytes themselves prove that it is the same file.
        if (position_ > 0 && identity_.has_validator()) range = {position_, identity_.length - 1};
        const bool strong = !identity_.etag.empty() && !identity_.etag.starts_with("W/");
        const auto validator = strong ? identity_.etag : identity_.etag.empty() ? identity_.modified : std::string();
        auto opened = co_await connection_.open(range, validator);
        if (!opened) {
            if (opened.error().status == 416) co_return changed("it is shorter now");
            co_return opened.error();
        }
        ++tries_;
        ++fruitless_;
        const auto& answer = connection_.answer();
        auto length = answer.length.value_or(identity_.length);
        skip_ = position_;
        if (answer.head.status == 206) {
            const auto got = content_range(answer.head);
            if (!got || got->first != position_)
                co_return Error{Errc::lost_peer, "the server answers another range than it was asked for"};
            length = got->length;
            skip_ = 0;
        }
        skipped_.reset();
        auto now = identity_of(answer, length);
        if (answer.head.status == 206 &&
            !validator.empty()) {  // the server has compared, and need not repeat it (RFC 9110 15.3.7)
            if (now.etag.empty()) now.etag = identity_.etag;
            if (now.modified.empty()) now.modified = identity_.modified;
        }
        if (!now.fits(identity_))
            co_return changed(length != identity_.length ? "another length" : "another validator");
        if (skip_ > 0 && !prefix_ && !identity_.has_validator())
            co_return changed("nothing proves that it is the same");
        co_return Result<>();
    }

    Error changed(std::string_view how) {
        fatal_ = true;
        return Error{Errc::bad_input, fmt::format("the file changed while it was being fetched ({}); {} of {} bytes "
                                                  "came before",
                                                  how, position_, identity_.length)};
    }

    /// A server without ranges sends all from the first byte: what was passed on is compared, not passed on twice.
    Result<> skip(Bytes& bytes) {
        if (skip_ == 0) return {};
        const auto count = std::min<std::uint64_t>(skip_, bytes.size());
        skipped_.update(bytes.view().first(count));
        skip_ -= count;
        last_progress_ = clock_.now();
        if (skip_ == 0 && prefix_ && prefix_->digest() != skipped_.digest()) return changed("other bytes come");
        bytes = bytes.slice(count);
        return {};
    }

    std::vector<Item> cut(Bytes bytes) {
        std::vector<Item> items;
        if (prefix_) prefix_->update(bytes.view());
        while (!bytes.empty()) {
            const auto unit = position_ / file_block;
            const auto end = std::min((unit + 1) * file_block, identity_.length);
            Chunk chunk;
            chunk.epoch = 1;
            chunk.unit = chunk.source_first = chunk.source_last = unit;
            chunk.unit_begin = position_ % file_block == 0;
            chunk.rap = chunk.unit_begin;
            chunk.arrival = clock_.now();
            if (chunk.unit_begin) items.emplace_back(UnitInfo{unit, 0, 0, std::nullopt, Micros{0}, uri_hash_, tries_});
            chunk.bytes = bytes.slice(0, std::min<std::uint64_t>(bytes.size(), end - position_));
            bytes = bytes.slice(chunk.bytes.size());
            position_ += chunk.bytes.size();
            chunk.unit_end = position_ == end;
            if (chunk.unit_end) tries_ = 1;
            items.emplace_back(std::move(chunk));
        }
        return items;
    }

    /// A pause before the next try, or the error that ends it.
    Task<Result<>> after(Error e) {
        connection_.drop();
        if (fatal_ || (e.code == Errc::denied && e.status == 0) || e.code == Errc::cancelled) co_return e;
        const auto idle = clock_.now() - last_progress_;
        refusals_ = is_refusal(e) ? refusals_ + 1 : 0;
        const bool over =
            fruitless_ > most_fruitless ||
            (refusals_ >= tries_of_a_refusal ? idle >= settings_.refusal_patience : idle >= settings_.file_patience);
        if (over) {
            e.what += fmt::format("; {} of {} bytes came", position_, identity_.length);
            co_return e;
        }
        ++outages_;
        WEIR_LOG(warn, "the file was cut off, trying again", {"url", masked_url(settings_.url.text())},
                 {"why", e.text()}, {"byte", position_});
        const auto pause = backoff_.next(e.retry_after);
        const bool slept = co_await clock_.sleep_for(pause);
        if (!slept) co_return Error{Errc::cancelled, "stopped"};
        co_return Result<>();
    }

    Clock& clock_;
    HttpStreamSettings settings_;
    FileIdentity identity_;
    Backoff backoff_;
    Connection connection_;
    std::string uri_hash_;
    std::uint64_t position_ = 0, skip_ = 0, outages_ = 0;
    std::optional<ContentHash> prefix_ = ContentHash();  ///< of all that was passed on; none after a resume
    ContentHash skipped_;
    SteadyTime last_progress_{};
    int tries_ = 1, refusals_ = 0;
    int fruitless_ = 0;  ///< answers in a row that brought nothing new
    bool fatal_ = false;
};

}  // namespace

std::unique_ptr<HttpStream> make_file(asio::any_io_executor, Clock& clock, HttpClient& http, CookieJar* cookies,
                                      HttpStreamSettings settings, Detected opened) {
    return std::make_unique<File>(clock, http, cookies, std::move(settings), std::move(opened));
}

}  // namespace weir::http_stream
