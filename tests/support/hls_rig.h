#pragma once
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/source.h"
#include "fake_live.h"
#include "sources/hls/hls_source.h"

namespace weir::test {

/// What came out, checked as it comes: order, Init before chunks, units bracketed.
struct LaneGot {
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
    std::vector<Micros> offsets;  ///< stream time minus raw time, each other value

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
    [[nodiscard]] std::string reasons() const {
        std::string out;
        for (const auto& b : breaks) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", b.unit, b.why);
        return out;
    }

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
            if (c->dts && c->raw_dts) {
                const auto offset = *c->dts - *c->raw_dts;
                if (offsets.empty() || std::chrono::abs(offsets.back() - offset) > Micros{20})
                    offsets.push_back(offset);
            }
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

/// All lanes; the main one is the collector itself.
class Collector final : public ItemSink, public LaneGot {
public:
    std::map<std::uint16_t, LaneGot> beside;
    std::function<Task<void>(const Item&)> on_item;  ///< a slow or curious sink
    std::optional<Error> refuse;

    [[nodiscard]] LaneGot& lane(std::uint16_t number) { return number == 0 ? *this : beside[number]; }

    Task<Result<>> accept(std::span<const Item> items) override {
        co_await errors_not_throws();
        EXPECT_FALSE(busy_) << "two calls at a time";
        if (refuse) co_return *refuse;
        busy_ = true;
        for (const auto& item : items) {
            if (on_item) co_await on_item(item);
            lane(lane_of(item)).take(item);
        }
        busy_ = false;
        co_return Result<>();
    }

private:
    static std::uint16_t lane_of(const Item& item) {
        if (const auto* i = std::get_if<InitPtr>(&item)) return (*i)->lane;
        if (const auto* d = std::get_if<Discontinuity>(&item)) return d->lane;
        if (const auto* u = std::get_if<UnitInfo>(&item)) return u->lane;
        if (const auto* c = std::get_if<Chunk>(&item)) return c->lane;
        if (const auto* g = std::get_if<Gap>(&item)) return g->lane;
        return 0;
    }
    bool busy_ = false;
};

/// One follower on one fake origin, run to its end in simulated time. Paths with a folder of `more` are answered by it,
/// master.m3u8 by `master`.
struct HlsRig {
    asio::io_context io;
    SimulatedClock clock{io.get_executor()};
    FakeLive live{clock};
    std::map<std::string, std::unique_ptr<FakeLive>> more;
    std::string master;
    FakeHttp http{clock, [this](const HttpRequest& r) { return serve(r); }};
    Collector sink;
    Demand demand;
    HlsSettings settings;
    std::unique_ptr<HlsSource> source;

    HlsRig() { settings.url = parse_url("https://live.example/a/live.m3u8").value(); }

    FakeLive& add(const std::string& folder, unsigned flavour) {
        auto& added = more[folder] = std::make_unique<FakeLive>(clock);
        added->flavour = flavour;
        return *added;
    }
    void use_master(std::string text) {
        master = std::move(text);
        settings.url = parse_url("https://live.example/a/master.m3u8").value();
    }

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
    /// As run(), asked to stop and cancelled after so long, as Ctrl-C does.
    Result<End> run_and_stop(Micros after) {
        if (!source) make();
        asio::cancellation_signal cancel;
        at(after, [&] {
            demand.stop.ask("ctrl-c");
            cancel.emit(asio::cancellation_type::all);
        });
        return run_simulated(io, clock, cancellable(*this, cancel));
    }
    /// Runs `f` at that simulated moment from now.
    void at(Micros when, std::function<void()> f) {
        asio::co_spawn(io, later(clock, clock.now() + when, std::move(f)), [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
    }

private:
    Reply serve(const HttpRequest& r) {
        if (!master.empty() && r.url.path.ends_with("master.m3u8")) return Reply{200, master};
        for (auto& [folder, origin] : more)
            if (r.url.path.find("/" + folder + "/") != std::string::npos) return origin->serve(r);
        return live.serve(r);
    }
    static Task<Result<End>> cancellable(HlsRig& rig, asio::cancellation_signal& cancel) {
        co_return co_await asio::co_spawn(rig.io, rig.source->run(rig.sink, rig.demand),
                                          asio::bind_cancellation_slot(cancel.slot(), asio::use_awaitable));
    }
    static Task<void> later(Clock& clock, SteadyTime when, std::function<void()> f) {
        (void)co_await clock.sleep_until(when);
        f();
    }
};

/// "103 104 105"
inline std::string numbers(std::uint64_t from, std::uint64_t to) {
    std::string out;
    for (; from <= to; ++from) out += fmt::format("{}{}", out.empty() ? "" : " ", from);
    return out;
}

/// The same distance between sound and picture at every moment: all lanes have moved the same clocks by the same
/// amounts, but for the rounding of their units.
inline void expect_one_clock(Collector& sink) {
    for (const auto& [number, lane] : sink.beside) {
        ASSERT_EQ(lane.offsets.size(), sink.offsets.size()) << "lane " << number;
        for (std::size_t i = 0; i < lane.offsets.size(); ++i)
            EXPECT_NEAR(static_cast<double>(lane.offsets[i].count()), static_cast<double>(sink.offsets[i].count()), 25)
                << "lane " << number << ", stretch " << i;
    }
}

/// Everything that came out is, byte for byte, what the origin handed out.
inline void expect_bytes(const LaneGot& lane, FakeLive& live) {
    for (const auto& g : lane.got) {
        const auto& sent = live.plain(g.gen, g.first);
        if (!g.gap) {
            EXPECT_EQ(g.bytes, sent) << g.first;
        } else if (g.partial) {
            EXPECT_EQ(g.bytes, sent.substr(0, g.bytes.size())) << g.first;
        }
    }
}
inline void expect_bytes(HlsRig& rig) {
    expect_bytes(rig.sink, rig.live);
}

inline void expect_end(const Result<End>& ended, EndReason reason) {
    ASSERT_TRUE(ended.has_value()) << ended.error().text();
    EXPECT_EQ(ended->reason, reason) << ended->why;
}

}  // namespace weir::test
