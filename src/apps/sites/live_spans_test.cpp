#include <map>
#include <mutex>

#include "apps/sites/live_rig.h"
#include "base/trace.h"

namespace weir::sites {
namespace {

using test_support::LiveRig;
using namespace std::chrono_literals;

/// All spans that end while it lives.
struct SpansKept {
    SpansKept() {
        auto sink = std::make_shared<trace::Sink>();
        sink->take = [kept = kept](trace::SpanData&& span) {
            const std::scoped_lock lock(kept->mutex);
            kept->spans.push_back(std::move(span));
        };
        trace::set_sink(std::move(sink));
    }
    ~SpansKept() { trace::set_sink(nullptr); }

    [[nodiscard]] const trace::SpanData* find(std::string_view name) const {
        for (const auto& span : kept->spans)
            if (span.name == name) return &span;
        return nullptr;
    }
    /// "weir.downloadStream < weir.Process": a line a span whose name was not seen before, sorted.
    [[nodiscard]] std::string tree() const {
        std::map<std::string, std::string> lines;
        for (const auto& span : kept->spans) {
            std::string above = "-";
            for (const auto& other : kept->spans)
                if (other.context.span_id == span.parent) above = other.name;
            lines.emplace(span.name, above);
        }
        std::string out;
        for (const auto& [name, above] : lines) out += fmt::format("{} < {}\n", name, above);
        return out;
    }

    struct Kept {
        std::mutex mutex;
        std::vector<trace::SpanData> spans;
    };
    std::shared_ptr<Kept> kept = std::make_shared<Kept>();
};

std::string events_of(const trace::SpanData& span) {
    std::string out;
    for (const auto& event : span.events) out += (out.empty() ? "" : ", ") + event.name;
    return out;
}

TEST(LiveSpans, OfARecordingAreOneTreeWithoutSecrets) {
    const SpansKept kept;
    LiveRig rig;
    rig.at(5s, [&] { rig.site.listener.follow(parse_url("https://live.example/a/live.m3u8?key=1").value(), "3Mbps"); });
    rig.at(10s, [&] { rig.recording->ask_stop("interrupted", false); });
    const auto result = rig.run();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(kept.tree(),
              "hls.Read < weir.downloadStream\n"
              "hls.fillQueue < hls.Read\n"
              "weir.Process < -\n"
              "weir.downloadStream < weir.Process\n");
    const auto* process = kept.find("weir.Process");
    EXPECT_EQ(process->tracer, "weir");
    EXPECT_EQ(events_of(*process), "preparing files, downloading, post-processing, done");
    EXPECT_FALSE(process->failed);
    const auto* stream = kept.find("weir.downloadStream");
    EXPECT_EQ(events_of(*stream), "playlist received, downloading, stream alive, cancel old downloader");
    EXPECT_EQ(std::get<std::string>(stream->events[0].attributes[0].second),
              "https://live.example/a/live.m3u8?key=***");
}

TEST(LiveSpans, WhatFailsIsMarkedAsFailed) {
    const SpansKept kept;
    LiveRig rig;
    rig.site.open_error = Error{Errc::denied, "for subscribers"};
    ASSERT_FALSE(rig.run());
    const auto* process = kept.find("weir.Process");
    ASSERT_NE(process, nullptr);
    EXPECT_TRUE(process->failed);
    EXPECT_EQ(process->failure, "for subscribers");
    EXPECT_EQ(events_of(*process), "preparing files, exception");
    EXPECT_EQ(kept.find("weir.downloadStream"), nullptr);
}

TEST(LiveSpans, WithoutASinkThereAreNone) {
    LiveRig rig;
    rig.at(5s, [&] { rig.recording->ask_stop("interrupted", false); });
    ASSERT_TRUE(rig.run());
    EXPECT_FALSE(trace::wanted());
}

}  // namespace
}  // namespace weir::sites
