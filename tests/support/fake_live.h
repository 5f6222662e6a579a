#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/source.h"
#include "fake_http.h"
#include "proto/aes/cbc.h"
#include "sources/hls/hls_source.h"
#include "ts_maker.h"

namespace weir::test {

using namespace std::chrono_literals;

/// A live HLS origin in simulated time: a new one-second segment each second, a window of the newest ones, and whatever
/// goes wrong.
class FakeLive {
public:
    explicit FakeLive(Clock& clock) : clock_(clock), began_(clock.now()) {}

    std::size_t window = 6;
    std::uint64_t first_sequence = 100;
    std::optional<std::uint64_t> ends_after;  ///< last sequence number; then ENDLIST
    std::string name = "seg";
    std::string query;
    bool dates = false;
    std::set<std::uint64_t> discontinuities, gaps;
    std::optional<aes::Block> key;
    int pictures = 3;
    std::size_t picture = 400;
    bool keep_old = false;  ///< segments stay after they left the window

    /// Looked at first; an answer replaces the usual one.
    std::function<std::optional<Reply>(const HttpRequest&)> faults;
    /// For segments alone, with number and how often it was asked for before.
    std::function<std::optional<Reply>(std::uint64_t sequence, int asked, const std::string& body)> segment_faults;

    /// As a new origin does: it begins with one segment, and the window grows.
    void restart(std::uint64_t sequence, std::string new_name = {}) {
        first_sequence = sequence;
        at_first_ = 1;
        began_ = clock_.now();
        old_names_[name] = generation++;
        if (!new_name.empty()) name = std::move(new_name);
    }
    unsigned generation = 0;

    [[nodiscard]] std::uint64_t newest() const {
        const auto n =
            first_sequence + at_first_.value_or(window) - 1 + static_cast<std::uint64_t>((clock_.now() - began_) / 1s);
        return ends_after ? std::min(n, *ends_after) : n;
    }
    [[nodiscard]] std::uint64_t oldest() const {
        return std::max(first_sequence, newest() + 1 - std::min<std::uint64_t>(window, newest() + 1));
    }

    [[nodiscard]] const std::string& plain(std::uint64_t sequence) { return plain(generation, sequence); }
    [[nodiscard]] const std::string& plain(unsigned gen, std::uint64_t sequence) {
        auto& s = segments_[{gen, sequence}];
        if (s.empty()) {
            const auto start = (static_cast<std::int64_t>(sequence) + 1000 * gen) * 90'000;
            s = TsMaker().segment(start + breaks_before(sequence) * 90'000'000, pictures, picture,
                                  static_cast<unsigned>(sequence * 31 + gen));
        }
        return s;
    }

    [[nodiscard]] std::string playlist() const {
        std::string out = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n";
        out += fmt::format("#EXT-X-MEDIA-SEQUENCE:{}\n", oldest());
        for (auto n = oldest(); n <= newest(); ++n) {
            if (discontinuities.contains(n)) out += "#EXT-X-DISCONTINUITY\n";
            if (gaps.contains(n)) out += "#EXT-X-GAP\n";
            if (key) out += fmt::format("#EXT-X-KEY:METHOD=AES-128,URI=\"key{}.bin\"\n", n / 10);
            if (dates)
                out += fmt::format("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T{:02}:{:02}:{:02}.000Z\n", n / 3600 % 24,
                                   n / 60 % 60, n % 60);
            out += fmt::format("#EXTINF:1.000,\n{}{}.ts{}\n", name, n, query);
        }
        if (ends_after && newest() == *ends_after) out += "#EXT-X-ENDLIST\n";
        return out;
    }

    Reply serve(const HttpRequest& request) {
        if (faults)
            if (auto reply = faults(request)) return *reply;
        const auto& path = request.url.path;
        if (path.ends_with(".m3u8")) return Reply{200, playlist()};
        if (path.find("/key") != std::string::npos && key)
            return Reply{200, std::string(reinterpret_cast<const char*>(key->data()), key->size())};
        const auto n = number_of(path);
        if (!n) return Reply{404, "nothing here"};
        const int before = asked_[*n]++;
        auto body = plain(generation_of(path), *n);
        if (key)
            body =
                std::string(aes::cbc_encrypt(*key, aes::iv_from_sequence(*n), std::as_bytes(std::span(body))).text());
        if (segment_faults)
            if (auto reply = segment_faults(*n, before, body)) return *reply;
        if (path.find("/" + name) == std::string::npos || *n > newest() || (!keep_old && *n < oldest()))
            return Reply{404, "gone"};
        return Reply{200, std::move(body)};
    }

    [[nodiscard]] int asked(std::uint64_t n) const {
        const auto at = asked_.find(n);
        return at == asked_.end() ? 0 : at->second;
    }

    static std::optional<std::uint64_t> number_of(const std::string& path) {
        const auto dot = path.rfind(".ts");
        if (dot == std::string::npos) return std::nullopt;
        auto from = dot;
        while (from > 0 && path[from - 1] >= '0' && path[from - 1] <= '9') --from;
        if (from == dot) return std::nullopt;
        return std::stoull(path.substr(from, dot - from));
    }

private:
    [[nodiscard]] std::int64_t breaks_before(std::uint64_t sequence) const {
        return std::distance(discontinuities.begin(), discontinuities.upper_bound(sequence));
    }

    /// Another name is another generation's segment, whether it is still there or not.
    [[nodiscard]] unsigned generation_of(const std::string& path) const {
        if (path.find("/" + name) != std::string::npos) return generation;
        for (const auto& [old, number] : old_names_)
            if (path.find("/" + old) != std::string::npos) return number;
        return generation;
    }

    Clock& clock_;
    SteadyTime began_;
    std::optional<std::size_t> at_first_;  ///< segments listed at `began_`; none: the whole window
    std::map<std::string, unsigned> old_names_;
    std::map<std::pair<unsigned, std::uint64_t>, std::string> segments_;
    std::map<std::uint64_t, int> asked_;
};

/// What came out, checked as it comes: order, Init before chunks, units bracketed.
class Collector final : public ItemSink {
public:
    struct Got {
        std::uint32_t gen = 0;
        std::uint64_t first = 0, last = 0;
        bool gap = false, partial = false, whole = false;
        std::string bytes, why;
        int tries = 0;
        Micros from{0}, to{0};
    };
    std::vector<Got> got;
    std::vector<Discontinuity> breaks;
    std::vector<InitPtr> inits;
    std::vector<Micros> times;
    std::function<Task<void>(const Item&)> on_item;  ///< a slow or curious sink
    std::optional<Error> refuse;

    Task<Result<>> accept(std::span<const Item> items) override {
        co_await errors_not_throws();
        if (refuse) co_return *refuse;
        for (const auto& item : items) {
            if (on_item) co_await on_item(item);
            take(item);
        }
        co_return Result<>();
    }

    [[nodiscard]] std::string text() const {
        std::string out;
        for (const auto& g : got) {
            if (!out.empty()) out += ' ';
            if (g.gap)
                out += g.first == g.last ? fmt::format("[{}{} {}]", g.partial ? "~" : "", g.first, g.why)
                                         : fmt::format("[{}-{} {}]", g.first, g.last, g.why);
            else
                out += fmt::format("{}", g.first);
        }
        return out;
    }

private:
    void take(const Item& item) {
        if (const auto* i = std::get_if<InitPtr>(&item)) inits.push_back(*i);
        if (const auto* d = std::get_if<Discontinuity>(&item)) breaks.push_back(*d);
        if (const auto* u = std::get_if<UnitInfo>(&item)) {
            EXPECT_TRUE(got.empty() || got.back().gap || got.back().whole)
                << "unit " << u->unit << " begins inside another";
            got.push_back({u->gen, u->unit, u->unit, false, false, false, {}, {}, u->tries, {}, {}});
        }
        if (const auto* c = std::get_if<Chunk>(&item)) {
            ASSERT_FALSE(inits.empty());
            ASSERT_FALSE(got.empty());
            auto& g = got.back();
            EXPECT_EQ(c->unit, g.first);
            EXPECT_EQ(c->epoch, inits.back()->epoch);
            EXPECT_EQ(c->unit_begin, g.bytes.empty());
            EXPECT_FALSE(g.whole);
            g.bytes += c->bytes.text();
            g.whole = c->unit_end;
            if (c->dts) {
                EXPECT_TRUE(times.empty() || *c->dts >= times.back())
                    << c->dts->count() << " after " << times.back().count();
                times.push_back(*c->dts);
            }
        }
        if (const auto* gap = std::get_if<Gap>(&item)) {
            EXPECT_LE(gap->from, gap->to);
            if (!got.empty() && !got.back().gap && !got.back().whole) {
                EXPECT_EQ(gap->first_unit, got.back().first);
                if (got.back().bytes.empty()) {
                    EXPECT_FALSE(gap->partial);
                } else {
                    EXPECT_TRUE(gap->partial);
                }
                auto& g = got.back();
                g.gap = g.partial = true;
                g.why = gap->why;
                g.tries = gap->tries;
                return;
            }
            got.push_back({gap->gen,
                           gap->first_unit,
                           gap->last_unit,
                           true,
                           gap->partial,
                           false,
                           {},
                           gap->why,
                           gap->tries,
                           gap->from,
                           gap->to});
        }
    }
};

/// One follower on one fake origin, run to its end in simulated time.
struct HlsRig {
    asio::io_context io;
    SimulatedClock clock{io.get_executor()};
    FakeLive live{clock};
    FakeHttp http{clock, [this](const HttpRequest& r) { return live.serve(r); }};
    Collector sink;
    Demand demand;
    HlsSettings settings;
    std::unique_ptr<HlsSource> source;

    HlsRig() { settings.url = parse_url("https://live.example/a/live.m3u8").value(); }

    HlsSource& make() {
        source = HlsSource::create(io.get_executor(), clock, http, nullptr, settings);
        return *source;
    }
    Result<> prepare() {
        if (!source) make();
        return run_simulated(io, clock, source->prepare(demand));
    }
    Result<End> run() {
        if (!source) make();
        auto ended = run_simulated(io, clock, source->run(sink, demand));
        EXPECT_EQ(http.open_bodies, 0) << "a transfer was left behind";
        return ended;
    }
    /// Runs `f` at that simulated moment from now.
    void at(Micros when, std::function<void()> f) {
        asio::co_spawn(io, later(clock, clock.now() + when, std::move(f)), [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
    }

private:
    static Task<void> later(Clock& clock, SteadyTime when, std::function<void()> f) {
        (void)co_await clock.sleep_until(when);
        f();
    }
};

}  // namespace weir::test
