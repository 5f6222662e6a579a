#include "apps/fc2/watch.h"

#include "apps/sites/sites_rig.h"
#include "fake_http.h"
#include "temp_folder.h"

namespace weir::fc2 {
namespace {

using namespace std::chrono_literals;
using sites::EventKind;

constexpr const char* two_channels = "channels:\n  '1': {waitPollInterval: 10s}\n  '2':\n    labels: {k: v}\n";

/// The app over a file, with an FC2 where nobody is live.
struct AppRig {
    test::TempFolder dir;
    sites::RigShard shard;
    FileLane lane{real_file_system(), {.threads = 1}};
    int members = 0, logins = 0;
    bool logged_in = false;
    std::function<Result<>(const NotifierConfig&)> notify_by;
    std::string release_url, release = "v1.9.0";
    int release_looks = 0;
    test::FakeHttp http{shard.time, [this](const HttpRequest& request) { return answer(request); }};
    std::vector<sites::Event> events;
    std::unique_ptr<WatchApp> app;
    std::optional<Result<>> started;

    ~AppRig() {
        if (!app) return;
        EXPECT_TRUE(shard.finish(stop_it(*app)));
    }
    static Task<void> stop_it(WatchApp& app) { co_await app.stop("the test is over"); }

    test::Reply answer(const HttpRequest& request) {
        if (request.url.path == "/api/memberApi.php") {
            ++members;
            return {.body = R"({"status":1,"data":{"channel_data":{"channelid":"","is_publish":0},)"
                            R"("profile_data":{},"user_data":{}}})"};
        }
        if (request.url.path == "/latest") {
            ++release_looks;
            return {.body = R"({"tag_name":")" + release + "\"}"};
        }
        ++logins;
        if (request.url.path == "/login/" && logged_in)
            return {.body = "nickname", .redirected_to = "http://id.fc2.test/account"};
        return {.body = logged_in ? R"(logout <span class="m-hder01_uName">taro</span>)" : "hello"};
    }
    void write(const std::string& text) const { test::write_file(dir / "config.yaml", text); }
    void start() {
        WatchApp::Settings settings;
        settings.config = dir / "config.yaml";
        settings.hosts = {parse_url("http://live.fc2.test/").value(), parse_url("http://id.fc2.test/").value()};
        settings.cookie_secret = Secret("s");
        settings.notify_by = notify_by;
        settings.release_url = release_url;
        settings.version = "1.8.0";
        auto sink = [this](const sites::Event& e) { events.push_back(e); };
        app = std::make_unique<WatchApp>(shard, http, nullptr, lane, std::move(settings), sink);
        shard.start([](AppRig& rig) -> Task<void> {
            auto done = co_await rig.app->start();
            rig.started.emplace(std::move(done));
        }(*this));
        ASSERT_TRUE(until([this] { return started.has_value(); }));
    }
    /// Time passes meanwhile, but no more than it must.
    [[nodiscard]] bool until(const std::function<bool()>& so) {
        for (int i = 0; i < 3000 && !so(); ++i) {
            shard.context.restart();
            shard.context.run_one_for(2ms);
            shard.advance(20ms);
        }
        return so();
    }
    [[nodiscard]] int count(EventKind kind) const {
        return static_cast<int>(
            std::count_if(events.begin(), events.end(), [&](const sites::Event& e) { return e.kind == kind; }));
    }
    [[nodiscard]] std::string ids() const {
        std::string all;
        for (const auto& s : app->statuses()) all += s.channel_id + " ";
        return all;
    }
    void reload() {
        shard.start([](WatchApp& a) -> Task<void> { (void)(co_await a.reload()).has_value(); }(*app));
        shard.turn();
    }
};

TEST(WatchApp, WatchesWhatTheFileSays) {
    AppRig rig;
    rig.write(two_channels);
    rig.start();
    ASSERT_TRUE(*rig.started) << rig.started->error().text();
    EXPECT_TRUE(rig.until([&] { return rig.members >= 2; }));
    EXPECT_EQ(rig.ids(), "1 2 ");
    EXPECT_NE(rig.app->status_json().find("\"k\": \"v\""), std::string::npos);
    EXPECT_EQ(rig.count(EventKind::config_reloaded), 1);
    EXPECT_EQ(rig.logins, 0) << "without cookies there is no login to look at";
}

TEST(WatchApp, FC2_107_AFirstConfigurationWithMistakesIsAnError) {
    AppRig rig;
    rig.write("channels:\n  '1': {quality: 9Gbps}\n");
    rig.start();
    ASSERT_FALSE(*rig.started);
    EXPECT_EQ(rig.started->error().code, Errc::bad_input);
    EXPECT_NE(rig.started->error().text().find("config.yaml:2"), std::string::npos) << rig.started->error().text();
}

TEST(WatchApp, AMissingConfigurationIsAnError) {
    AppRig rig;
    rig.start();
    ASSERT_FALSE(*rig.started);
    EXPECT_EQ(rig.started->error().code, Errc::not_found);
}

TEST(WatchApp, FC2_110_ChangesAreTakenOverAndMistakesAreNot) {
    AppRig rig;
    rig.write(two_channels);
    rig.start();
    ASSERT_TRUE(*rig.started);
    rig.write("channels:\n  '2': {quality: nonsense}\n");
    ASSERT_TRUE(rig.until([&] { return rig.members >= 8; }));
    EXPECT_EQ(rig.ids(), "1 2 ");
    rig.write("channels:\n  '2':\n  '3':\n");
    ASSERT_TRUE(rig.until([&] { return rig.ids() == "2 3 "; }));
    EXPECT_EQ(rig.count(EventKind::config_reloaded), 2);
}

TEST(WatchApp, ANotifierThatWillNotRefusesTheConfiguration) {
    AppRig rig;
    std::vector<std::size_t> urls;
    rig.notify_by = [&](const NotifierConfig& c) -> Result<> {
        urls.push_back(c.urls.size());
        if (c.urls.size() == 2) return Error{Errc::bad_input, "url 2: nonsense"};
        return {};
    };
    rig.write("notifier: {enabled: true, urls: ['logger://']}\nchannels:\n  '1':\n");
    rig.start();
    ASSERT_TRUE(*rig.started);
    rig.write("notifier: {enabled: true, urls: ['logger://', 'x://']}\nchannels:\n  '2':\n");
    rig.reload();
    ASSERT_TRUE(rig.until([&] { return urls.size() >= 2; }));
    EXPECT_EQ(rig.ids(), "1 ");
    EXPECT_EQ(rig.count(EventKind::config_reloaded), 1);
    rig.write("notifier: {enabled: true}\nchannels:\n  '3':\n");
    rig.reload();
    ASSERT_TRUE(rig.until([&] { return rig.ids() == "3 "; }));
    EXPECT_EQ(urls.back(), 0u);
}

TEST(WatchApp, ANotifierThatWillNotIsAMistakeOfTheFirstConfiguration) {
    AppRig rig;
    rig.notify_by = [](const NotifierConfig&) -> Result<> { return Error{Errc::bad_input, "url 2: nonsense"}; };
    rig.write(two_channels);
    rig.start();
    ASSERT_FALSE(*rig.started);
    EXPECT_EQ(rig.started->error().code, Errc::bad_input);
    EXPECT_NE(rig.started->error().text().find("config.yaml: url 2: nonsense"), std::string::npos)
        << rig.started->error().text();
    EXPECT_TRUE(rig.events.empty());
}

TEST(WatchApp, FC2_136_ANewerVersionIsToldOnce) {
    AppRig rig;
    rig.release_url = "http://releases.test/latest";
    rig.write(two_channels);
    rig.start();
    ASSERT_TRUE(*rig.started);
    ASSERT_TRUE(rig.until([&] { return rig.count(EventKind::update_available) == 1; }));
    for (int looks = 2; looks <= 4; ++looks) {
        if (looks == 4) rig.release = "v1.10.0";
        rig.reload();
        ASSERT_TRUE(rig.until([&] { return rig.release_looks == looks; })) << looks;
        rig.shard.advance(1s);  // the answer arrives
    }
    ASSERT_TRUE(rig.until([&] { return rig.count(EventKind::update_available) == 2; }));
    const auto last = std::find_if(rig.events.rbegin(), rig.events.rend(),
                                   [](const auto& e) { return e.kind == EventKind::update_available; });
    EXPECT_EQ(last->text, "v1.10.0");
}

TEST(WatchApp, FC2_136_WithoutAnAddressNobodyIsAsked) {
    AppRig rig;
    rig.write(two_channels);
    rig.start();
    ASSERT_TRUE(*rig.started);
    EXPECT_TRUE(rig.until([&] { return rig.members >= 2; }));
    EXPECT_EQ(rig.release_looks, 0);
}

TEST(WatchApp, AHangupLooksAtTheFileNow) {
    AppRig rig;
    rig.write(two_channels);
    rig.start();
    ASSERT_TRUE(*rig.started);
    rig.reload();
    ASSERT_TRUE(rig.until([&] { return rig.count(EventKind::config_reloaded) == 2; }));
    EXPECT_EQ(rig.ids(), "1 2 ");
}

TEST(WatchApp, FC2_121_AFailedLoginIsToldOnceAStreak) {
    AppRig rig;
    rig.write(std::string("cookiesRefreshDuration: 1m\ncookiesFile: ") + (rig.dir / "jar").string() + "\n" +
              two_channels);
    rig.start();
    ASSERT_TRUE(*rig.started);
    ASSERT_TRUE(rig.until([&] { return rig.logins > 0; }));
    for (int i = 0; i < 300; ++i) rig.shard.advance(1s);
    ASSERT_TRUE(rig.until([&] { return rig.logins > 3; }));
    EXPECT_EQ(rig.count(EventKind::login_failed), 1);
    rig.logged_in = true;
    const auto before = rig.logins;
    for (int i = 0; i < 130; ++i) rig.shard.advance(1s);
    ASSERT_TRUE(rig.until([&] { return rig.logins >= before + 2; }));
    rig.logged_in = false;
    for (int i = 0; i < 130; ++i) rig.shard.advance(1s);
    EXPECT_TRUE(rig.until([&] { return rig.count(EventKind::login_failed) == 2; }));
}

}  // namespace
}  // namespace weir::fc2
