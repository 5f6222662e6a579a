// The control websocket: opened, kept, renewed, ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/fc2/fc2_rig.h"

namespace weir::fc2 {
namespace {

using namespace rig;
using testing::ElementsAre;
using testing::HasSubstr;

/// A session of the live of channel 7, and all that it told.
struct Followed {
    explicit Followed(Fc2Rig& rig) : rig_(rig), channel(rig.channel()), tasks(rig.here().executor()) {}

    Task<Result<sites::Session::Opened>> open() {
        co_await make();
        if (!session) co_return Error{Errc::not_found, "not live"};
        auto got = co_await session->open();
        co_return got;
    }
    Task<void> make() {
        auto live = co_await channel->look();
        EXPECT_TRUE(live && *live);
        if (!live || !*live) co_return;
        sites::Session::Listener listener;
        listener.follow = [this](const Url& url, const std::string& quality) {
            followed.push_back(url.text());
            qualities.push_back(quality);
        };
        listener.comment = [this](std::string line) { comments.push_back(std::move(line)); };
        listener.over = [this](const Result<std::string>& why) {
            over.push_back(why ? "fine" : fmt::format("{} {}", name_of(why.error().code), why.error().status));
        };
        session = channel->open(**live, std::move(listener));
    }
    /// In a task of its own, to be stopped or looked at.
    void start_opening() { tasks.spawn(open_into()); }
    Task<void> open_into() { opened.emplace(co_await session->open()); }
    Task<void> close() {
        if (session) co_await session->close();
        co_await tasks.stop("test over");
    }

    Fc2Rig& rig_;
    std::shared_ptr<sites::Channel> channel;
    std::unique_ptr<sites::Session> session;
    std::vector<std::string> followed, qualities, comments, over;
    std::optional<Result<sites::Session::Opened>> opened;
    TaskGroup tasks;
};

TEST(Fc2Session, OpensOnTheWishedQualityAndSaysAsWhom) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        const auto got = co_await f.open();
        EXPECT_TRUE(got.has_value());
        if (got) {
            EXPECT_EQ(got->playlist.text(), rig.fake.address(52));
            EXPECT_EQ(got->quality, "3Mbps mid");
            EXPECT_TRUE(got->as_wished);
        }
        EXPECT_TRUE(f.session->status().connected);
        EXPECT_EQ(f.session->status().as_whom, "anonymous");
        EXPECT_EQ(f.session->status().quality, "3Mbps mid");
        co_await f.close();
        EXPECT_FALSE(f.session->status().connected);
        EXPECT_TRUE(f.over.empty());
    });
}

TEST(Fc2Session, AsksAsABrowserDoesAndStaysTheSameViewer) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.settings.user_agent = "agent/9";
        rig.fake.user_name = "somebody";
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        EXPECT_EQ(f.session->status().as_whom, "somebody");
        EXPECT_THAT(rig.fake.forms,
                    ElementsAre("channel_id=7&mode=play&orz=&channel_version=v1&client_version=2.2.1++%5B1%5D"
                                "&client_type=pc&client_app=browser_hls&ipv6="));
        auto& upgrade = rig.fake.upgrade;
        EXPECT_EQ(upgrade.find("origin") ? *upgrade.find("origin") + "/" : "", rig.fake.url());
        EXPECT_EQ(upgrade.find("user-agent") ? *upgrade.find("user-agent") : "", "agent/9");
        EXPECT_THAT(upgrade.find("cookie") ? *upgrade.find("cookie") : "", HasSubstr("l_ortkn=0123abcd"));
        EXPECT_THAT(upgrade.query, HasSubstr("control_token="));
        rig.fake.cut();
        const bool again = co_await rig.until([&] { return rig.fake.forms.size() == 2; });
        EXPECT_TRUE(again);
        if (again) {
            EXPECT_THAT(rig.fake.forms[1], HasSubstr("orz=0123abcd&"));
        }
        co_await f.close();
    });
}

struct QualityCase {
    const char* name;
    std::vector<int> first;  ///< modes offered at first
    std::vector<int> later;  ///< and from the second question on; empty: the same
    int tries;
    std::string quality;  ///< empty: none
    bool exact;
    long asked;
};

TEST(Fc2Session, WaitsForTheWishedQualityAndTakesWhatThereIsAtLast) {
    const std::vector<QualityCase> cases{
        {"there at once", {52, 32}, {}, 3, "3Mbps mid", true, 1},
        {"comes later", {32}, {32, 52}, 5, "3Mbps mid", true, 2},
        {"never comes", {32, 31, 92}, {}, 3, "1.2Mbps mid", false, 3},
        {"another latency only", {50, 30}, {}, 1, "3Mbps low", false, 1},
        {"nothing at first", {}, {52}, 4, "3Mbps mid", true, 2},
        {"only master playlists", {0, 1, 2}, {}, 2, "", false, 2},
        {"nothing ever", {}, {}, 3, "", false, 3},
        {"no tries are one try", {32}, {}, 0, "1.2Mbps mid", false, 1},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        with_fc2([&c](Fc2Rig& rig) -> Task<void> {
            rig.params.wait_for_quality_max_tries = c.tries;
            rig.settings.quality_pause = 20ms;
            rig.fake.offer(c.first);
            Followed f(rig);
            co_await f.make();
            f.start_opening();
            (void)co_await rig.until([&] { return rig.fake.times("get_hls_information") >= 1; });
            if (!c.later.empty()) rig.fake.offer(c.later);
            const bool done = co_await rig.until([&] { return f.opened.has_value(); });
            EXPECT_TRUE(done);
            if (done && f.opened->has_value()) {
                EXPECT_EQ((*f.opened)->quality, c.quality);
                EXPECT_EQ((*f.opened)->as_wished, c.exact);
            } else if (done) {
                EXPECT_EQ(c.quality, "");
                EXPECT_EQ(f.opened->error().code, Errc::not_found);
                EXPECT_EQ(f.opened->error().what, "no playlist yet");
            }
            EXPECT_EQ(rig.fake.times("get_hls_information"), c.asked);
            co_await f.close();
        });
    }
}

TEST(Fc2Session, ALastQuestionWithoutAnswerDoesNotTakeBackWhatWasThere) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.params.wait_for_quality_max_tries = 2;
        rig.settings.answer = 50ms;
        rig.settings.quality_pause = 20ms;
        rig.fake.offer({32});
        Followed f(rig);
        co_await f.make();
        f.start_opening();
        (void)co_await rig.until([&] { return rig.fake.times("get_hls_information") == 1; });
        rig.fake.answer_playlists = false;
        const bool done = co_await rig.until([&] { return f.opened.has_value(); });
        EXPECT_TRUE(done && f.opened->has_value());
        if (done && f.opened->has_value()) {
            EXPECT_EQ((*f.opened)->quality, "1.2Mbps mid");
        }
        co_await f.close();
    });
}

TEST(Fc2Session, ChangesToTheWishedQualityOnceItsPlaylistAnswers) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.params.allow_quality_upgrade = true;
        rig.params.wait_for_quality_max_tries = 1;
        rig.fake.offer({32});
        rig.fake.playlist_status = 404;
        Followed f(rig);
        const auto got = co_await f.open();
        EXPECT_TRUE(got && !got->as_wished);
        rig.fake.offer({32, 42});
        const auto asked = rig.fake.times("get_hls_information");
        (void)co_await rig.until([&] { return rig.fake.times("get_hls_information") > asked + 1; });
        EXPECT_TRUE(f.followed.empty()) << "better, and not what was wished";
        rig.fake.offer({32, 42, 52});
        (void)co_await rig.until([&] { return rig.fake.playlist_gets >= 2; });
        EXPECT_TRUE(f.followed.empty()) << "it is listed and not there yet";
        rig.fake.playlist_status = 200;
        (void)co_await rig.until([&] { return !f.followed.empty(); });
        EXPECT_THAT(f.followed, ElementsAre(rig.fake.address(52)));
        EXPECT_THAT(f.qualities, ElementsAre("3Mbps mid"));
        const auto quiet = rig.fake.times("get_hls_information");
        co_await rig.pass(30ms);
        EXPECT_EQ(rig.fake.times("get_hls_information"), quiet) << "there is nothing more to wish";
        co_await f.close();
    });
}

// ------------------------------------------------------------------ cuts

struct CutCase {
    const char* name;
    std::uint16_t code;  ///< 0: without a close frame
};

TEST(Fc2Session, ComesBackFromEveryCutAndFollowsTheNewAddress_FC2_27) {
    for (const CutCase& c : {CutCase{"fin", 0}, {"1000", 1000}, {"going away", 1001}, {"1011", 1011}, {"4000", 4000}}) {
        SCOPED_TRACE(c.name);
        with_fc2([&c](Fc2Rig& rig) -> Task<void> {
            Followed f(rig);
            (void)(co_await f.open()).has_value();
            rig.fake.offer({52, 32}, 2);
            if (c.code == 0)
                rig.fake.cut();
            else
                co_await rig.fake.close(c.code);
            const bool followed = co_await rig.until([&] { return !f.followed.empty(); });
            EXPECT_TRUE(followed);
            EXPECT_THAT(f.followed, ElementsAre(rig.fake.address(52, 2)));
            EXPECT_EQ(f.session->status().reconnects, 1u);
            EXPECT_TRUE(f.session->status().connected);
            EXPECT_TRUE(f.over.empty());
            co_await f.close();
        });
    }
}

TEST(Fc2Session, KeepsItsQualityOverAReconnectWhenItMayNotChangeIt) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.params.wait_for_quality_max_tries = 1;
        rig.fake.offer({32});
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.offer({52, 32}, 2);
        rig.fake.cut();
        (void)co_await rig.until([&] { return !f.followed.empty(); });
        EXPECT_THAT(f.qualities, ElementsAre("1.2Mbps mid"));
        co_await f.close();
    });
}

TEST(Fc2Session, RidesOutALongOutageOfTheControlServer) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.every_control = Answer{502, "<html>", {}};
        rig.fake.every_member = Answer{500, "<html>", {}};
        rig.fake.cut();
        (void)co_await rig.until([&] { return rig.fake.control_servers > 8; });
        EXPECT_TRUE(f.over.empty());
        EXPECT_FALSE(f.session->status().connected);
        rig.fake.every_control.reset();
        rig.fake.offer({52}, 3);
        const bool back = co_await rig.until([&] { return !f.followed.empty(); });
        EXPECT_TRUE(back);
        EXPECT_TRUE(f.over.empty());
        co_await f.close();
    });
}

TEST(Fc2Session, AGatewayThatForbidsForAWhileIsNoRefusal) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.every_control = Answer{403, "<html>", {}};
        rig.fake.every_member = Answer{403, "<html>", {}};
        rig.fake.cut();
        (void)co_await rig.until([&] { return rig.fake.control_servers > 8; });
        EXPECT_TRUE(f.over.empty());
        rig.fake.every_control.reset();
        rig.fake.offer({52}, 3);
        const bool back = co_await rig.until([&] { return !f.followed.empty(); });
        EXPECT_TRUE(back);
        EXPECT_TRUE(f.over.empty());
        co_await f.close();
    });
}

TEST(Fc2Session, FC2sOwnNoIsARefusal) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.every_control = Answer{200, R"({"status":11,"msg":"members only"})", {}};
        rig.fake.cut();
        (void)co_await rig.until([&] { return !f.over.empty(); });
        EXPECT_THAT(f.over, ElementsAre("denied 0"));
        co_await f.close();
    });
}

TEST(Fc2Session, BeatsAtOnceAndOnAndAnUnansweredBeatEndsNothing_FC2_23) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.settings.heartbeat = 20ms;
        rig.fake.answer_heartbeats = false;
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        const bool beats = co_await rig.until([&] { return rig.fake.times("heartbeat") >= 8; });
        EXPECT_TRUE(beats);
        EXPECT_EQ(rig.fake.lines, 1);
        EXPECT_EQ(f.session->status().reconnects, 0u);
        auto ids = rig.fake.ids;
        std::sort(ids.begin(), ids.end());
        EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end()) << "no id is used twice (FC2-29)";
        co_await f.close();
    });
}

TEST(Fc2Session, ALineOnWhichNothingComesAnyMoreIsReplaced) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.settings.heartbeat = 20ms;
        rig.settings.answer = 50ms;
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.answer_heartbeats = rig.fake.answer_playlists = false;
        const bool replaced = co_await rig.until([&] { return rig.fake.lines >= 2; });
        EXPECT_TRUE(replaced);
        EXPECT_TRUE(f.over.empty());
        co_await f.close();
    });
}

TEST(Fc2Session, WhatItCannotReadHurtsNobody_FC2_28) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        for (const char* text : {"", "not json", "[]", "{\"name\":5}", R"({"name":"comment","arguments":"x"})",
                                 R"({"name":"_response_","id":"?"})", R"({"name":"new thing","arguments":[1]})"})
            co_await rig.fake.say(text);
        co_await rig.fake.say(R"({"name":"comment","arguments":{"comments":[{"comment":"after","hash":"h"}]}})");
        (void)co_await rig.until([&] { return !f.comments.empty(); });
        EXPECT_EQ(f.comments.size(), 1u);
        EXPECT_EQ(rig.fake.lines, 1);
        co_await f.close();
    });
}

TEST(Fc2Session, ACommentIsToldOnceAlsoWhenItIsReplayedOnANewLine) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        const auto comment = [](int n, int history) {
            return fmt::format(
                R"({{"name":"comment","arguments":{{"comments":[{{"user_name":"u","comment":"c{0}","timestamp":{0},"hash":"h{0}","history":{1}}}]}}}})",
                n, history);
        };
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        co_await rig.fake.say(comment(1, 0));
        co_await rig.fake.say(comment(2, 0));
        (void)co_await rig.until([&] { return f.comments.size() == 2; });
        rig.fake.offer({52}, 2);
        rig.fake.cut();
        (void)co_await rig.until([&] { return !f.followed.empty(); });
        for (const int n : {1, 2, 3}) co_await rig.fake.say(comment(n, 1));
        (void)co_await rig.until([&] { return f.comments.size() == 3; });
        EXPECT_EQ(f.comments.size(), 3u);
        if (f.comments.size() == 3) {
            EXPECT_THAT(f.comments[2], HasSubstr("\"c3\""));
        }
        co_await f.close();
    });
}

// ------------------------------------------------------------------ ends

TEST(Fc2Session, PublishStopIsTheEndAndToldOnce) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        co_await rig.fake.say(R"({"name":"publish_stop","arguments":{}})");
        (void)co_await rig.until([&] { return !f.over.empty(); });
        EXPECT_THAT(f.over, ElementsAre("fine"));
        EXPECT_EQ(rig.fake.lines, 1);
        const auto fresh = co_await f.session->fresh_address();
        EXPECT_FALSE(fresh.has_value());
        co_await f.close();
        EXPECT_EQ(f.over.size(), 1u);
    });
}

struct RefusalCase {
    int code;
    const char* over;
};

TEST(Fc2Session, ARefusalWhileItRecordsIsTold_FC2_24) {
    for (const RefusalCase& c : {RefusalCase{4101, "denied 4101"}, {4507, "denied 4507"}}) {
        SCOPED_TRACE(c.code);
        with_fc2([&c](Fc2Rig& rig) -> Task<void> {
            Followed f(rig);
            (void)(co_await f.open()).has_value();
            co_await rig.fake.say_code(c.code);
            (void)co_await rig.until([&] { return !f.over.empty(); });
            EXPECT_THAT(f.over, ElementsAre(c.over));
            EXPECT_EQ(rig.fake.lines, 1);
            co_await f.close();
        });
    }
}

TEST(Fc2Session, ARefusalAtTheDoorIsOpensError) {
    for (const int code : {4101, 4507}) {
        SCOPED_TRACE(code);
        with_fc2([code](Fc2Rig& rig) -> Task<void> {
            rig.fake.refuse_with = code;
            rig.fake.refusals_left = 100;
            rig.fake.answer_playlists = false;
            Followed f(rig);
            const auto got = co_await f.open();
            EXPECT_FALSE(got.has_value());
            if (!got) {
                EXPECT_EQ(got.error().code, Errc::denied);
                EXPECT_EQ(got.error().status, code);
            }
            EXPECT_TRUE(f.over.empty()) << "open() has told it";
            co_await f.close();
        });
    }
}

TEST(Fc2Session, OtherCodesAreCuts) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        co_await rig.fake.say_code(9999);
        const bool back = co_await rig.until([&] { return rig.fake.lines == 2 && f.session->status().connected; });
        EXPECT_TRUE(back);
        EXPECT_TRUE(f.over.empty());
        co_await f.close();
    });
}

TEST(Fc2Session, BeingWatchedElsewhereIsTriedAgainAFewTimes) {
    for (const int refusals : {2, 100}) {
        SCOPED_TRACE(refusals);
        with_fc2([refusals](Fc2Rig& rig) -> Task<void> {
            rig.params.wait_for_quality_max_tries = 1;
            rig.fake.refuse_with = 4512;
            rig.fake.refusals_left = refusals;
            rig.fake.answer_playlists = false;
            Followed f(rig);
            co_await f.make();
            f.start_opening();
            (void)co_await rig.until([&] { return rig.fake.lines >= 2; });
            if (refusals < 100) rig.fake.answer_playlists = true;
            (void)co_await rig.until([&] { return f.opened.has_value(); });
            EXPECT_TRUE(f.opened.has_value());
            if (f.opened && refusals < 100) {
                EXPECT_TRUE(f.opened->has_value());
            }
            if (f.opened && refusals == 100) {
                EXPECT_TRUE(f.opened->has_error());
                if (f.opened->has_error()) {
                    EXPECT_EQ(f.opened->error().code, Errc::busy);
                    EXPECT_EQ(f.opened->error().status, 4512);
                }
                EXPECT_EQ(rig.fake.lines, 6);
            }
            co_await f.close();
        });
    }
}

TEST(Fc2Session, OfflineWhileItReconnectsIsTheEnd) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.channels["7"].live = false;
        rig.fake.every_control = Answer{500, "", {}};
        rig.fake.cut();
        (void)co_await rig.until([&] { return !f.over.empty(); });
        EXPECT_THAT(f.over, ElementsAre("fine"));
        co_await f.close();
    });
}

TEST(Fc2Session, ANewLineWithoutPlaylistsOfAnOfflineChannelIsTheEnd) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.channels["7"].live = false;
        rig.fake.offer({});
        co_await rig.fake.close(1000);
        (void)co_await rig.until([&] { return !f.over.empty(); });
        EXPECT_THAT(f.over, ElementsAre("fine"));
        co_await f.close();
    });
}

TEST(Fc2Session, TheNextLiveOfTheChannelIsNotThisOne) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.channels["7"].start += 5000;
        rig.fake.every_control = Answer{500, "", {}};
        rig.fake.cut();
        (void)co_await rig.until([&] { return !f.over.empty(); });
        EXPECT_THAT(f.over, ElementsAre("fine"));
        co_await f.close();
    });
}

// ------------------------------------------------------------------ fresh addresses

TEST(Fc2Session, AFreshAddressComesOverTheLineThatIsThere) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.offer({52}, 2);
        const auto fresh = co_await f.session->fresh_address();
        EXPECT_TRUE(fresh.has_value());
        if (fresh) {
            EXPECT_EQ(fresh->text(), rig.fake.address(52, 2));
        }
        EXPECT_EQ(rig.fake.lines, 1);
        EXPECT_TRUE(f.followed.empty()) << "the answer is enough";
        co_await f.close();
    });
}

TEST(Fc2Session, AnAddressThatIsRefusedTwiceTakesANewSession) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        const auto same = co_await f.session->fresh_address();
        EXPECT_TRUE(same.has_value());
        if (same) {
            EXPECT_EQ(same->text(), rig.fake.address(52));
        }
        EXPECT_EQ(rig.fake.lines, 1);
        const auto again = co_await f.session->fresh_address();
        EXPECT_TRUE(again.has_value());
        EXPECT_EQ(rig.fake.lines, 2);
        EXPECT_EQ(f.session->status().reconnects, 1u);
        EXPECT_TRUE(f.followed.empty());
        co_await f.close();
    });
}

TEST(Fc2Session, WithItsLineGoneAFreshAddressWaitsForTheNext) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.offer({52}, 2);
        rig.fake.control_answers = {{502, "", {}}, {502, "", {}}};
        rig.fake.cut();
        (void)co_await rig.until([&] { return !f.session->status().connected; });
        const auto fresh = co_await f.session->fresh_address();
        EXPECT_TRUE(fresh.has_value());
        if (fresh) {
            EXPECT_EQ(fresh->text(), rig.fake.address(52, 2));
        }
        co_await f.close();
    });
}

// ------------------------------------------------------------------ stops

struct StopCase {
    const char* name;
    bool hang_control_server, answer_playlists, cancel;
};

TEST(Fc2Session, EndsAtOnceWhereverItIs) {
    const std::vector<StopCase> cases{{"asking for the control server, closed", true, true, false},
                                      {"asking for the control server, cancelled", true, true, true},
                                      {"asking for playlists, closed", false, false, false},
                                      {"asking for playlists, cancelled", false, false, true}};
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        with_fc2([&c](Fc2Rig& rig) -> Task<void> {
            rig.settings.answer = 60s;
            rig.fake.hang_control_server = c.hang_control_server;
            rig.fake.answer_playlists = c.answer_playlists;
            Followed f(rig);
            co_await f.make();
            f.start_opening();
            (void)co_await rig.until([&] {
                return c.hang_control_server ? rig.fake.control_servers == 1
                                             : rig.fake.times("get_hls_information") == 1;
            });
            const auto begun = rig.here().clock().now();
            if (c.cancel) co_await f.tasks.stop("cancelled");
            co_await f.session->close();
            (void)co_await rig.until([&] { return f.opened.has_value(); });
            EXPECT_LT(rig.here().clock().now() - begun, 1s);
            EXPECT_TRUE(f.opened.has_value());
            if (f.opened) {
                EXPECT_TRUE(f.opened->has_error() && f.opened->error().code == Errc::cancelled);
            }
            rig.fake.hang_control_server = false;
            co_await f.close();
        });
    }
}

TEST(Fc2Session, AnErrorOfTheFirstRequestIsOpensError) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.every_control = Answer{500, "", {}};
        Followed f(rig);
        const auto got = co_await f.open();
        EXPECT_FALSE(got.has_value());
        if (!got) {
            EXPECT_EQ(got.error().status, 500);
            EXPECT_THAT(got.error().text(), HasSubstr("channel 7"));
        }
        EXPECT_EQ(rig.fake.control_servers, 1);
        co_await f.close();
    });
}

TEST(Fc2Session, AHandshakeThatIsRefusedIsNoWordAboutLogin) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.fake.upgrades_refused = 1;
        Followed f(rig);
        const auto got = co_await f.open();
        EXPECT_FALSE(got.has_value());
        if (!got) {
            EXPECT_EQ(got.error().code, Errc::lost_peer);
            EXPECT_EQ(got.error().status, 403);
        }
        co_await f.close();
    });
}

TEST(Fc2Session, HandshakesRefusedWhileItRecordsAreTriedAgain) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        Followed f(rig);
        (void)(co_await f.open()).has_value();
        rig.fake.upgrades_refused = 7;
        rig.fake.offer({52}, 2);
        rig.fake.cut();
        const bool back = co_await rig.until([&] { return !f.followed.empty(); });
        EXPECT_TRUE(back);
        EXPECT_TRUE(f.over.empty());
        co_await f.close();
    });
}

TEST(Fc2Session, AnUnknownWishIsOpensError) {
    with_fc2([](Fc2Rig& rig) -> Task<void> {
        rig.params.quality = "4K";
        Followed f(rig);
        const auto got = co_await f.open();
        EXPECT_FALSE(got.has_value());
        if (!got) {
            EXPECT_EQ(got.error().code, Errc::bad_input);
        }
        co_await f.close();
    });
}

}  // namespace
}  // namespace weir::fc2
