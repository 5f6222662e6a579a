#pragma once
// What the tests of LiveRecording share: a site, a live and a server, in time that runs a hundred times as fast.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <set>
#include <thread>

#include "apps/sites/live_recording.h"
#include "fake_live.h"
#include "simulated_shard.h"
#include "temp_folder.h"

namespace weir::sites::test_support {

using namespace std::chrono_literals;
using test::FakeHttp;
using test::FakeLive;
using test::Reply;

/// What the site says, and what it was asked.
struct FakeSite {
    bool live = true;
    std::string id = "L1";
    std::optional<Error> look_error, open_error, fresh_error;
    bool open_throws = false;
    int looks = 0, opens = 0, closes = 0, fresh = 0;
    std::string address = "https://live.example/a/live.m3u8?key=1";
    Session::Listener listener;
};

class FakeSession final : public Session {
public:
    FakeSession(FakeSite& site, Listener listener) : site_(site) { site_.listener = std::move(listener); }
    Task<Result<Opened>> open() override {
        ++site_.opens;
        if (site_.open_throws) throw std::runtime_error("a bug");
        if (site_.open_error) co_return *site_.open_error;
        Opened opened{parse_url(site_.address).value(), "3Mbps", true};
        co_return opened;
    }
    Task<Result<Url>> fresh_address() override {
        ++site_.fresh;
        if (site_.fresh_error) co_return *site_.fresh_error;
        co_return parse_url(site_.address).value();
    }
    Task<void> close() override {
        ++site_.closes;
        co_return;
    }
    [[nodiscard]] Status status() const override { return {true, "3Mbps", "anonymous", 0}; }

private:
    FakeSite& site_;
};

class FakeChannel final : public Channel {
public:
    explicit FakeChannel(FakeSite& site) : site_(site) {}
    Task<Result<std::optional<Live>>> look() override {
        ++site_.looks;
        if (site_.look_error) co_return *site_.look_error;
        std::optional<Live> live;
        if (site_.live) live = of(site_.id);
        co_return live;
    }
    [[nodiscard]] std::unique_ptr<Session> open(const Live&, Session::Listener listener) override {
        return std::make_unique<FakeSession>(site_, std::move(listener));
    }
    [[nodiscard]] std::string_view site() const override { return "fc2"; }
    [[nodiscard]] std::string_view chat_extension() const override { return "fc2chat.json"; }

    static Live of(const std::string& id) {
        Live live;
        live.id = id;
        live.channel_id = "77";
        live.channel_name = "Somebody";
        live.title = "Title";
        live.info_json = "{}\n";
        return live;
    }

private:
    FakeSite& site_;
};

struct LiveRig {
    test::SimulatedShard shard;
    test::TempFolder folder;
    FileLane lane{real_file_system(), {}};
    FakeSite site;
    FakeLive live{shard.time};
    FakeHttp http{shard.time, [this](const HttpRequest& r) { return serve(r); }};
    Params params;
    std::vector<State> states;
    std::unique_ptr<LiveRecording> recording;
    std::string title = "Title";
    std::optional<Path> unfinished;
    std::uint64_t most_hurried_bytes = 128u << 20;
    std::set<std::string> good_keys{"key=1"};

    LiveRig() {
        live.window = 12;
        live.keep_old = true;
        params.out_format = (folder / "{{ .Title }}.{{ .Ext }}").string();
        params.remux = params.concat = false;
    }

    LiveRecording& make() {
        LiveRecording::Plan plan;
        plan.params = params;
        plan.live = FakeChannel::of(site.id);
        plan.live.title = title;
        plan.channel = std::make_shared<FakeChannel>(site);
        plan.unfinished = unfinished;
        plan.most_hurried_bytes = most_hurried_bytes;
        recording = std::make_unique<LiveRecording>(LiveRecording::Tools{shard, http, nullptr, lane}, std::move(plan),
                                                    [this](State s) { states.push_back(s); });
        return *recording;
    }
    Result<LiveResult> run() {
        auto& made = make();
        auto result = until_done(made.run());
        recording.reset();
        return result;
    }
    void at(Micros when, std::function<void()> f) {
        asio::co_spawn(shard.context, later(shard.time, shard.time.now() + when, std::move(f)),
                       [](std::exception_ptr e) {
                           if (e) std::rethrow_exception(e);
                       });
    }
    /// Time goes on while nothing else does; a little of the real one belongs to files and children.
    template <class T>
    T until_done(Task<T> task) {
        std::optional<T> result;
        asio::co_spawn(shard.context, std::move(task), [&](std::exception_ptr e, T value) {
            if (e) std::rethrow_exception(e);
            result.emplace(std::move(value));
        });
        const auto give_up = std::chrono::steady_clock::now() + 60s;
        while (!result) {
            shard.context.restart();
            if (shard.context.run_for(std::chrono::microseconds(200)) > 0 || result) continue;
            shard.time.advance(50ms);
            if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error("took too long");
        }
        return std::move(*result);
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& e : std::filesystem::recursive_directory_iterator(folder.path()))
            if (!e.is_directory()) names.push_back(e.path().lexically_relative(folder.path()).string());
        std::sort(names.begin(), names.end());
        return names;
    }
    /// The segments from `first` on to some last one, byte for byte; that last one.
    [[nodiscard]] std::uint64_t last_in(const Path& file, std::uint64_t first) {
        const auto bytes = test::read_file(file);
        std::size_t at = 0;
        for (auto n = first;; ++n) {
            if (at == bytes.size()) return n - 1;
            const auto& sent = live.plain(n);
            if (bytes.compare(at, sent.size(), sent) != 0) {
                ADD_FAILURE() << file << " holds something else at segment " << n;
                return n - 1;
            }
            at += sent.size();
        }
    }

private:
    static Task<void> later(Clock& clock, SteadyTime when, std::function<void()> f) {
        (void)co_await clock.sleep_until(when);
        f();
    }
    Reply serve(const HttpRequest& r) {
        if (r.url.path.ends_with(".m3u8") && !good_keys.contains(r.url.query)) return Reply{403, ""};
        return live.serve(r);
    }
};

}  // namespace weir::sites::test_support
