#include "sinks/hls_serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <mutex>

#include "base/log.h"

namespace weir {
namespace {

constexpr std::size_t kept_beyond_window = 3;

struct Segment {
    std::uint64_t sequence = 0;
    Micros start{0}, duration{0};
    bool discontinuity = false;
    std::uint64_t marks = 0;  ///< discontinuities up to here, its own included
    WallTime date{};
    Bytes bytes;
};

/// What is being served: replaced as a whole at each new segment, so a request never sees half a change.
struct Shown {
    std::string playlist;
    std::deque<Segment> segments;
};

/// "6.006" with as many digits as are needed: never rounded.
std::string seconds_text(Micros d) {
    auto text = fmt::format("{}.{:06}", d.count() / 1'000'000, d.count() % 1'000'000);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text += '0';
    return text;
}

std::int64_t rounded_seconds(Micros d) {
    return (d.count() + 500'000) / 1'000'000;
}

bool begins_with_tables(std::span<const std::byte> ts) {
    return ts.size() >= 3 && (ts[1] & std::byte{0x1f}) == std::byte{0} && ts[2] == std::byte{0};
}

}  // namespace

struct HlsServe::State {
    State(Clock& c, Settings s) : clock(c), settings(std::move(s)) {
        target = std::max<std::int64_t>(1, (settings.segment.count() + 999'999) / 1'000'000);
        next_sequence = settings.first_sequence;
    }

    void take(const Item& item) {
        if (const auto* fresh = std::get_if<InitPtr>(&item)) return on_init(*fresh);
        if (const auto* chunk = std::get_if<Chunk>(&item)) return on_chunk(*chunk);
        if (const auto* gap = std::get_if<Gap>(&item); gap && gap->lane == 0) return on_break();
        if (const auto* disc = std::get_if<Discontinuity>(&item); disc && disc->lane == 0) return on_break();
        if (std::holds_alternative<End>(item)) {
            close(last_time + last_step);
            ended = true;
            show();
        }
    }

    void on_init(const InitPtr& now) {
        if (now->lane != 0) return;
        if (init && init->epoch != now->epoch) on_break();
        init = now;
    }

    /// Time or content breaks here: what follows is a new segment with a mark, from a random-access point on.
    void on_break() {
        close(last_time + last_step);
        discontinuity = next_sequence > settings.first_sequence;
        date_known = false;
        waiting_for_rap = true;
    }

    void on_chunk(const Chunk& chunk) {
        if (chunk.lane != 0 || !chunk.dts) return;
        const auto now = *chunk.dts;
        if (chunk.rap && !parts.empty() && now - start >= settings.segment - slack()) close(now);
        if (bytes + chunk.bytes.size() > settings.max_segment_bytes && !parts.empty()) close(now);
        if (parts.empty()) {
            if (waiting_for_rap && !chunk.rap) return;
            open(chunk);
        }
        if (now > last_time) last_step = now - last_time;
        last_time = now;
        parts.push_back(chunk.bytes);
        bytes += chunk.bytes.size();
    }

    /// A group of pictures that is a hair shorter than asked for still ends its segment.
    [[nodiscard]] Micros slack() const { return settings.segment / 20; }

    void open(const Chunk& chunk) {
        start = last_time = *chunk.dts;
        last_step = Micros(0);
        waiting_for_rap = false;
        if (!date_known) {
            date_known = true;
            date_of_zero = clock.wall() - std::chrono::duration_cast<Micros>(clock.now() - chunk.arrival) - start;
        }
        if (init && !init->header.empty() && !begins_with_tables(chunk.bytes.view())) {
            parts.push_back(init->header);
            bytes += init->header.size();
        }
    }

    void close(Micros end) {
        if (parts.empty()) return;
        Segment made;
        made.sequence = next_sequence++;
        made.start = start;
        made.duration = end - start;
        made.discontinuity = std::exchange(discontinuity, false);
        made.marks = marks += made.discontinuity ? 1 : 0;
        made.date = date_of_zero + std::chrono::duration_cast<WallTime::duration>(start);
        Buffer whole(bytes);
        for (const auto& part : parts) whole.append(part.view());
        made.bytes = whole.all();
        parts.clear();
        bytes = 0;
        kept_bytes += made.bytes.size();
        kept.push_back(std::move(made));
        while (kept.size() > 1 &&
               (kept.size() > settings.window + kept_beyond_window || kept_bytes > settings.max_bytes))
            drop_oldest();
        target = std::max(target, rounded_seconds(kept.back().duration));
        show();
    }

    void drop_oldest() {
        kept_bytes -= kept.front().bytes.size();
        kept.pop_front();
    }

    [[nodiscard]] std::string write_playlist() {
        const auto listed = std::min(kept.size(), settings.window);
        const auto first = kept.end() - static_cast<std::ptrdiff_t>(listed);
        // Marks that left the window are counted, so that clients can match renditions (RFC 8216, 6.2.2).
        const auto marks_before = first->marks - (first->discontinuity ? 1 : 0);
        std::string text = fmt::format(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n", target, first->sequence);
        if (marks_before) text += fmt::format("#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", marks_before);
        text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
        for (auto s = first; s != kept.end(); ++s) {
            if (s->discontinuity) text += "#EXT-X-DISCONTINUITY\n";
            text += fmt::format("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{},\nsegment/{}.ts\n", utc_text(s->date),
                                seconds_text(s->duration), s->sequence);
        }
        if (ended) text += "#EXT-X-ENDLIST\n";
        return text;
    }

    void show() {
        if (kept.empty()) return;
        auto now = std::make_shared<Shown>();
        now->playlist = write_playlist();
        now->segments = kept;
        const std::lock_guard lock(mutex);
        shown = std::move(now);
    }

    [[nodiscard]] std::shared_ptr<const Shown> look() const {
        const std::lock_guard lock(mutex);
        return shown;
    }

    Clock& clock;
    Settings settings;

    InitPtr init;
    std::vector<Bytes> parts;  ///< of the open segment
    std::size_t bytes = 0;
    Micros start{0}, last_time{0}, last_step{0};
    bool discontinuity = false, waiting_for_rap = true, ended = false, date_known = false;
    WallTime date_of_zero{};
    std::int64_t target = 1;
    std::uint64_t next_sequence = 0, marks = 0, kept_bytes = 0;
    std::deque<Segment> kept;

    mutable std::mutex mutex;  ///< for `shown` only
    std::shared_ptr<const Shown> shown;
};

HlsServe::HlsServe(Clock& clock, Settings settings) : state_(std::make_shared<State>(clock, std::move(settings))) {}
HlsServe::~HlsServe() = default;

Task<Result<>> HlsServe::accept(std::span<const Item> items) {
    for (const auto& item : items) state_->take(item);
    co_return Result<>{};
}

std::string HlsServe::playlist() const {
    const auto shown = state_->look();
    return shown ? shown->playlist : "";
}

Bytes HlsServe::segment(std::uint64_t sequence) const {
    const auto shown = state_->look();
    if (!shown) return {};
    for (const auto& s : shown->segments)
        if (s.sequence == sequence) return s.bytes;
    return {};
}

std::size_t HlsServe::segments() const {
    const auto shown = state_->look();
    return shown ? shown->segments.size() : 0;
}

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

Headers headers_of(const char* name, const char* value) {
    Headers out;
    out.emplace_back(name, value);
    out.emplace_back("Access-Control-Allow-Origin", "*");
    return out;
}

Task<void> say(Exchange& exchange, int status, std::string text, Headers headers) {
    (void)co_await exchange.respond(status, "text/plain; charset=utf-8", Bytes::copy_of(text), std::move(headers));
}

Task<void> serve_playlist(const HlsServe& hls, const HlsServe::Before& before, Exchange& exchange) {
    const auto text = hls.playlist();
    if (text.empty()) co_return co_await say(exchange, 503, "no segment yet\n", headers_of("Retry-After", "1"));
    const auto body = Bytes::copy_of(text);
    bool answered = false;
    if (before) answered = co_await before(exchange, HlsServe::Asked::playlist, body);
    if (answered) co_return;
    (void)co_await exchange.respond(200, "application/vnd.apple.mpegurl", body,
                                    headers_of("Cache-Control", "no-cache"));
}

Task<void> serve_segment(const HlsServe& hls, const HlsServe::Before& before, std::string name, Exchange& exchange) {
    std::uint64_t sequence = 0;
    const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), sequence);
    const bool good = ec == std::errc() && std::string_view(end) == ".ts";
    const auto body = good ? hls.segment(sequence) : Bytes{};
    if (body.empty())
        co_return co_await say(exchange, 404, "no such segment\n", headers_of("Cache-Control", "no-cache"));
    bool answered = false;
    if (before) answered = co_await before(exchange, HlsServe::Asked::segment, body);
    if (answered) co_return;
    (void)co_await exchange.respond(200, "video/mp2t", body, headers_of("Cache-Control", "max-age=60"));
}

}  // namespace

void HlsServe::add_routes(HttpServer& server, std::string prefix) {
    server.route("GET HEAD", prefix + "/live.m3u8",
                 [this](Exchange& exchange) { return serve_playlist(*this, state_->settings.before, exchange); });
    const auto folder = prefix + "/segment/";
    server.route("GET HEAD", folder, [this, folder](Exchange& exchange) {
        return serve_segment(*this, state_->settings.before, exchange.request().path.substr(folder.size()), exchange);
    });
}

}  // namespace weir
