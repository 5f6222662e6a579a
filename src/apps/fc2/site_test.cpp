// What FC2's HTTP side says of channels and of us.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <set>

#include "apps/fc2/fc2_rig.h"
#include "base/log.h"

namespace weir::fc2 {
namespace {

using namespace rig;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// ------------------------------------------------------------------ looks

TEST(Fc2Site, ALiveChannelIsToldWithWhatNamesNeed) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.channels["7"].title = "A &amp; B";
        rig.fake.channels["7"].name = "N &lt;3";
        const auto channel = rig.channel();
        const auto got = co_await channel->look();
        EXPECT_TRUE(got && *got);
        if (got && *got) {
            const auto& live = **got;
            EXPECT_EQ(live.channel_id, "7");
            EXPECT_EQ(live.title, "A & B");
            EXPECT_EQ(live.channel_name, "N <3");
            EXPECT_THAT(live.info_json, AllOf(StartsWith("{"), HasSubstr("\"channelid\": \"7\"")));
            EXPECT_THAT(live.metadata_json, HasSubstr("channel_data"));
            EXPECT_EQ(live.thumbnail ? live.thumbnail->text() : "", rig.fake.url("/thumb/7.jpg?1"));
        }
        EXPECT_EQ(channel->site(), "fc2");
        EXPECT_EQ(channel->chat_extension(), "fc2chat.json");
        const auto* type = rig.fake.last_member.find("content-type");
        EXPECT_EQ(type ? *type : "", "application/x-www-form-urlencoded");
    });
}

TEST(Fc2Site, OfflineAndUnknownChannelsAreOffline) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        const auto channel = rig.channel("12345");
        const auto got = co_await channel->look();
        EXPECT_TRUE(got && !*got);
        EXPECT_THAT(rig.fake.asked, ElementsAre("12345"));
    });
}

TEST(Fc2Site, ALiveKeepsItsIdAndTheNextOneHasAnother) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        auto& at_site = rig.fake.channels["7"];
        const auto channel = rig.channel();
        std::vector<std::string> ids;
        const auto look = [&]() -> Task<void> {
            auto got = co_await channel->look();
            ids.push_back(got && *got ? (*got)->id : "none");
        };
        co_await look();
        at_site.title = "another title";
        at_site.version = "v2";
        co_await look();
        at_site.start += 60;
        co_await look();
        at_site.start = 0;
        co_await look();
        at_site.title = "again";
        co_await look();
        EXPECT_EQ(ids[0], ids[1]);
        EXPECT_EQ(ids[3], ids[4]);
        EXPECT_EQ((std::set<std::string>{ids[0], ids[2], ids[3]}).size(), 3u);
        EXPECT_EQ((std::set<std::string>(ids.begin(), ids.end())).count("none"), 0u);
    });
}

struct FailedLook {
    const char* name;
    Answer answer;
    Errc code;
    const char* said;
};

TEST(Fc2Site, WhatCannotBeToldIsAnErrorAndNeverOffline_FC2_12) {
    const std::vector<FailedLook> cases{
        {"server error", {500, "", {}}, Errc::lost_peer, "http 500"},
        {"not found", {404, "", {}}, Errc::not_found, "http 404"},
        {"forbidden", {403, "", {}}, Errc::denied, "http 403"},
        {"a page", {200, "<html>busy</html>", {}}, Errc::bad_input, "channel 7"},
        {"empty", {200, "", {}}, Errc::bad_input, "channel 7"},
        {"its own error", {200, R"({"status":0,"msg":"closed for today"})", {}}, Errc::bad_input, "closed for today"},
        {"no is_publish",
         {200, R"({"status":1,"data":{"channel_data":{},"profile_data":{},"user_data":{}}})", {}},
         Errc::bad_input,
         "is_publish"}};
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        with_fc2([&c](Fc2Rig& rig) -> Task<void> {
            rig.fake.every_member = c.answer;
            const auto channel = rig.channel();
            const auto got = co_await channel->look();
            EXPECT_FALSE(got.has_value());
            if (!got) {
                EXPECT_EQ(got.error().code, c.code);
                EXPECT_THAT(got.error().text(), HasSubstr(c.said));
            }
        });
    }
}

TEST(Fc2Site, TooManyRequestsPauseAllOfThem_FC2_11) {
    for (const int status : {503, 429}) {
        SCOPED_TRACE(status);
        with_fc2([status](Fc2Rig& rig) -> Task<void> {
            rig.fake.member_answers = {{status, "", {{"Retry-After", "77"}}}};
            const auto channel = rig.channel(), other = rig.channel("8");
            const auto got = co_await channel->look();
            EXPECT_FALSE(got.has_value());
            if (!got) {
                EXPECT_EQ(got.error().code, Errc::busy);
                EXPECT_EQ(got.error().status, status);
                EXPECT_GT(got.error().retry_after.value_or(0ms), 75s);
                EXPECT_LE(got.error().retry_after.value_or(0ms), 77s);
            }
            const auto next = co_await other->look();
            EXPECT_FALSE(next.has_value());
            if (!next) {
                EXPECT_EQ(next.error().code, Errc::busy);
            }
            EXPECT_EQ(rig.fake.members, 1) << "the others do not even ask";
        });
    }
}

TEST(Fc2Site, WithoutRetryAfterThePauseIsHalfAMinuteOrSo) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.every_member = Answer{503, "", {}};
        const auto channel = rig.channel();
        const auto got = co_await channel->look();
        EXPECT_FALSE(got.has_value());
        if (!got) {
            EXPECT_GE(got.error().retry_after.value_or(0ms), 19s);
            EXPECT_LE(got.error().retry_after.value_or(0ms), 40s);
        }
    });
}

std::vector<std::string>& told_lines() {
    static std::vector<std::string> lines;
    return lines;
}

TEST(Fc2Site, ADriftIsToldOnceForEachFieldAndChannelAndReadOn) {
    told_lines().clear();
    log::capture([](std::string_view line) { told_lines().emplace_back(line); });
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.every_member = Answer{
            200,
            R"({"status":1,"data":{"channel_data":{"channelid":7,"is_publish":"1","start":"1700000000","title":"t"},)"
            R"("profile_data":{"userid":5,"name":"n"},"user_data":{}}})",
            {}};
        const auto one = rig.channel("7"), two = rig.channel("8");
        for (int i = 0; i < 3; ++i) {
            for (const auto& channel : {one, two}) {
                const auto got = co_await channel->look();
                EXPECT_TRUE(got && *got);
            }
        }
    });
    log::capture(nullptr);
    const std::set<std::string> different(told_lines().begin(), told_lines().end());
    EXPECT_EQ(different.size(), told_lines().size()) << "none is told twice";
    const auto about = [](const char* field) {
        return std::count_if(told_lines().begin(), told_lines().end(),
                             [field](const std::string& line) { return line.find(field) != std::string::npos; });
    };
    EXPECT_EQ(about("is_publish"), 2);
}

// ------------------------------------------------------------------ lists

TEST(Fc2Site, FewChannelsAreAskedDirectly) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.settings.limit = {.interval = 10ms, .burst = 10};
        rig.params.base.wait_poll_interval = 1000ms;
        std::vector<std::shared_ptr<sites::Channel>> channels;
        for (int i = 0; i < 10; ++i) channels.push_back(rig.channel(std::to_string(100 + i)));
        for (const auto& channel : channels) (void)(co_await channel->look()).has_value();
        EXPECT_EQ(rig.fake.lists, 0);
        EXPECT_EQ(rig.fake.members, 10);
        EXPECT_EQ(channels[0]->pace(1000ms), 1000ms);
    });
}

struct Crowd {
    explicit Crowd(Fc2Rig& rig, int count = 1000) {
        rig.settings.limit = {.interval = 10ms, .burst = 4};
        rig.params.base.wait_poll_interval = 500ms;
        for (int i = 0; i < count; ++i) channels.push_back(rig.channel(std::to_string(1000 + i)));
    }
    Task<void> look_all() {
        live.clear();
        errors = 0;
        for (const auto& channel : channels) {
            auto got = co_await channel->look();
            if (!got) ++errors;
            if (got && *got) live.push_back((*got)->channel_id);
        }
    }
    std::vector<std::shared_ptr<sites::Channel>> channels;
    std::vector<std::string> live;
    int errors = 0;
};

TEST(Fc2Site, ManyChannelsAreLookedUpInTheListsAndWhoIsListedIsConfirmed_FC2_141) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        for (const char* id : {"1005", "1006", "1007"}) rig.fake.channels[id];
        rig.fake.channels["1007"].live = false;  // the list lags
        rig.fake.listed = {"1005", "1007", "99"};
        rig.fake.listed_adult = {"1006"};
        Crowd crowd(rig);
        co_await crowd.look_all();
        EXPECT_THAT(crowd.live, ElementsAre("1005", "1006"));
        EXPECT_EQ(crowd.errors, 0);
        EXPECT_LE(rig.fake.lists, 4);
        EXPECT_LE(rig.fake.members, 3 + 10) << "the rest costs no requests, but for a few spread out";
        EXPECT_EQ(crowd.channels[0]->pace(500ms), 500ms);
    });
}

TEST(Fc2Site, TheListsAreReadOnceForAllWhoAskAtTheSameTime) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.params.base.wait_poll_interval = 500ms;
        Crowd crowd(rig, 200);
        int done = 0;
        TaskGroup tasks(rig.here().executor());
        const auto one = [&done](std::shared_ptr<sites::Channel> channel) -> Task<void> {
            auto got = co_await channel->look();
            if (got && !*got) ++done;
        };
        for (const auto& channel : crowd.channels) tasks.spawn(one(channel));
        co_await tasks.join();
        co_await tasks.stop("done");
        EXPECT_EQ(done, 200);
        EXPECT_EQ(rig.fake.lists, 2);
    });
}

TEST(Fc2Site, AListThatCannotBeReadMeansAskingDirectlyAndMoreSlowly) {
    for (const auto& answer : {Answer{500, "", {}}, Answer{200, "<html>", {}}}) {
        with_fc2([&answer](Fc2Rig& rig) -> Task<void> {
            rig.fake.every_list = answer;
            rig.fake.channels["1003"];
            Crowd crowd(rig, 100);
            co_await crowd.look_all();
            EXPECT_THAT(crowd.live, ElementsAre("1003"));
            EXPECT_EQ(crowd.errors, 0);
            EXPECT_EQ(rig.fake.members, 100);
            EXPECT_EQ(rig.fake.lists, 2) << "they are not tried again for each of them";
            EXPECT_GT(crowd.channels[0]->pace(500ms), 1000ms);
        });
    }
}

TEST(Fc2Site, OneListThatCannotBeReadDoesNotCostTheOther) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.adult_list_fails = true;
        rig.fake.channels["1003"];
        rig.fake.listed = {"1003"};
        Crowd crowd(rig, 100);
        co_await crowd.look_all();
        EXPECT_THAT(crowd.live, ElementsAre("1003"));
        EXPECT_LT(rig.fake.members, 50);
        EXPECT_EQ(crowd.channels[0]->pace(500ms), 500ms);
    });
}

TEST(Fc2Site, ALiveThatNoListHasIsAskedAboutAsLongAsItIsLive) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.channels["1003"];
        Crowd crowd(rig, 100);
        const auto channel = crowd.channels[3];
        bool live = false;
        const auto look = [&]() -> Task<void> {
            auto got = co_await channel->look();
            live = got && *got;
        };
        for (int i = 0; i < 2000 && !live; ++i) {
            co_await look();
            co_await rig.pass(2ms);
        }
        EXPECT_TRUE(live);
        for (int i = 0; i < 20; ++i) {
            co_await look();
            EXPECT_TRUE(live) << "a recording would end";
        }
        rig.fake.channels["1003"].live = false;
        co_await look();
        EXPECT_FALSE(live);
        const auto asked = rig.fake.members;
        for (int i = 0; i < 20; ++i) co_await look();
        EXPECT_EQ(rig.fake.members, asked) << "now the lists are enough again";
    });
}

TEST(Fc2Site, ALiveIsThatOfTheChannelThatIsWatchedWhateverTheAnswerSays) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.every_member = Answer{
            200,
            fmt::format(
                R"({{"status":1,"data":{{"channel_data":{{"channelid":"../x:y","is_publish":1,"version":"{}"}},"profile_data":{{}},"user_data":{{}}}}}})",
                std::string(5000, 'v')),
            {}};
        const auto channel = rig.channel();
        const auto got = co_await channel->look();
        EXPECT_TRUE(got && *got);
        if (got && *got) {
            EXPECT_EQ((*got)->channel_id, "7");
            EXPECT_THAT((*got)->id, StartsWith("7-v"));
            EXPECT_LT((*got)->id.size(), 100u);
        }
    });
}

TEST(Fc2Site, AChannelThatGoesFreesItsPlace) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Crowd crowd(rig, 100);
        crowd.channels.resize(10);
        co_await crowd.look_all();
        EXPECT_EQ(rig.fake.lists, 0);
        EXPECT_EQ(rig.fake.members, 10);
    });
}

// ------------------------------------------------------------------ login

struct ProbeCase {
    const char* name;
    Answer login, account, home;
    const char* expected;  ///< "nobody", "error", or the name
};

TEST(Fc2Site, TheProbeTellsAsWhom_FC2_120) {
    const Answer to_account{302, "", {{"Location", "/account"}}};
    const Answer nickname{200, "<p>nickname</p>", {}};
    const Answer logged_in{200, R"(<span class="m-hder01_uName">Some &amp; One</span><a>logout</a>)", {}};
    const std::vector<ProbeCase> cases{
        {"logged in", to_account, nickname, logged_in, "Some & One"},
        {"no name shown", to_account, nickname, {200, "logout", {}}, ""},
        {"no nickname", to_account, {200, "please log in", {}}, logged_in, "nobody"},
        {"no logout", to_account, nickname, {200, "login", {}}, "nobody"},
        {"refused", {403, "", {}}, nickname, logged_in, "nobody"},
        {"elsewhere", {302, "", {{"Location", "http://localhost:1/"}}}, nickname, logged_in, "error"},
        {"server error", to_account, {503, "", {}}, logged_in, "error"},
        {"home fails", to_account, nickname, {500, "", {}}, "error"}};
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        with_fc2([&c](Fc2Rig& rig) -> Task<void> {
            rig.fake.login_page = c.login;
            rig.fake.account_page = c.account;
            rig.fake.home_page = c.home;
            const auto got = co_await rig.site().probe();
            EXPECT_EQ(!got ? "error" : !*got ? "nobody" : **got, c.expected);
        });
    }
}

TEST(Fc2Site, TheProbeEndsAtTheIdHostAndNowhereElse) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.settings.hosts.id.host = "id.fc2.com";
        rig.fake.login_page = {200, "nickname", {{"Set-Cookie", "PHPSESSID=abc; path=/"}}};
        rig.fake.home_page = {200, "logout", {}};
        const auto got = co_await rig.site().probe();
        EXPECT_TRUE(got && !*got);
        EXPECT_THAT(rig.cookies.export_netscape(), HasSubstr("PHPSESSID")) << "what it sets is kept";
    });
}

// ------------------------------------------------------------------ hosts

struct HostCase {
    const char *live, *id;
    const char* expected;  ///< the live host's address, or a word of the error
};

TEST(Fc2Site, HostsComeFromTheEnvironment) {
    const std::vector<HostCase> cases{{nullptr, nullptr, "https://live.fc2.com/"},
                                      {"", "", "https://live.fc2.com/"},
                                      {"http://127.0.0.1:8080", nullptr, "http://127.0.0.1:8080/"},
                                      {"http://mirror/fc2/", "http://id", "http://mirror/fc2/"},
                                      {"live.fc2.com", nullptr, "WEIR_FC2_URL"},
                                      {"ftp://live.fc2.com/", nullptr, "WEIR_FC2_URL"},
                                      {"http://user:secret@host/", nullptr, "WEIR_FC2_URL"},
                                      {nullptr, "wss://id/", "WEIR_FC2_ID_URL"}};
    for (const auto& c : cases) {
        SCOPED_TRACE(c.live ? c.live : "not set");
        const auto set = [](const char* name, const char* value) {
            if (value)
                ::setenv(name, value, 1);
            else
                ::unsetenv(name);
        };
        set("WEIR_FC2_URL", c.live);
        set("WEIR_FC2_ID_URL", c.id);
        const auto hosts = hosts_from_environment();
        const auto said = hosts ? hosts->live.text() : hosts.error().text();
        EXPECT_THAT(said, HasSubstr(c.expected));
        EXPECT_EQ(hosts.has_value(), std::string_view(c.expected).starts_with("http"));
        EXPECT_EQ(said.find("secret"), std::string::npos);
    }
    ::unsetenv("WEIR_FC2_URL");
    ::unsetenv("WEIR_FC2_ID_URL");
}

}  // namespace
}  // namespace weir::fc2
