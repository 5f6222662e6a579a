#include "apps/sites/notifier.h"

#include <gmock/gmock.h>

#include "apps/sites/sites_rig.h"
#include "base/log.h"
#include "fake_http.h"
#include "proto/fc2/member.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Format = NotifierConfig::Format;

gotemplate::Value somebody() {
    const auto member =
        fc2::parse_member(R"({"status":1,"data":{"channel_data":{"channelid":"42","title":"a & b","is_publish":1},)"
                          R"("profile_data":{"name":"Somebody"},"user_data":{}}})");
    return member ? member->metadata : gotemplate::Value();
}

Event event_of(EventKind kind) {
    Event event;
    event.kind = kind;
    event.channel_id = "42";
    event.labels = {{"team", "red"}};
    event.metadata = somebody();
    event.text = "what happened";
    return event;
}

NotifierConfig with(const std::string& key, Format format) {
    NotifierConfig config;
    config.enabled = true;
    config.formats[key] = std::move(format);
    return config;
}

std::optional<notify::Message> sent(const Event& event, const NotifierConfig& config = {}) {
    auto message = message_of(event, config, fc2_words());
    EXPECT_TRUE(message) << message.error().text();
    return message ? std::move(*message) : std::nullopt;
}

// ---------------------------------------------------------------- the default texts

struct Words {
    EventKind kind;
    bool on;
    const char *title, *text;
    int priority;
};
std::ostream& operator<<(std::ostream& out, const Words& w) {
    return out << name_of(w.kind);
}

class FC2_129_DefaultWords : public testing::TestWithParam<Words> {};

TEST_P(FC2_129_DefaultWords, AreThoseOfTheReference) {
    const auto& [kind, on, title, text, priority] = GetParam();
    EXPECT_EQ(sent(event_of(kind)).has_value(), on);
    const auto message = sent(event_of(kind), with(std::string(name_of(kind)), {.enabled = true}));
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->title, std::string("fc2-live-dl-go: ") + title);
    EXPECT_EQ(message->text, text);
    EXPECT_EQ(message->priority, priority);
    EXPECT_FALSE(message->title_in_text);
    EXPECT_FALSE(sent(event_of(kind), with(std::string(name_of(kind)), {.enabled = false})).has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Events, FC2_129_DefaultWords,
    testing::Values(
        Words{EventKind::config_reloaded, true, "config reloaded", "config reloaded", 10},
        Words{EventKind::login_failed, true, "login failed", "what happened", 10},
        Words{EventKind::panicked, true, "panicked", "what happened", 10},
        Words{EventKind::idle, false, "watching 42", "watching 42", 0},
        Words{EventKind::preparing_files, false, "preparing files for Somebody", "preparing files for Somebody", 0},
        Words{EventKind::downloading, true, "Somebody is streaming", "a & b", 7},
        Words{EventKind::post_processing, false, "post-processing Somebody", "a & b", 7},
        Words{EventKind::finished, true, "Somebody stream ended", "a & b", 7},
        Words{EventKind::error, true, "stream download of 42 failed", "what happened", 10},
        Words{EventKind::canceled, true, "stream download of 42 canceled", "stream download of 42 canceled", 10},
        Words{EventKind::update_available, true, "update available (what happened)",
              "A new version (what happened) of fc2-live-dl is available. Please update.", 7},
        Words{EventKind::blind, true, "cannot tell whether 42 is live", "what happened", 7}),
    [](const auto& p) { return std::string(name_of(p.param.kind)); });

TEST(NotifierWords, EveryEventHasSome) {
    const auto words = fc2_words();
    for (int kind = 0; kind <= static_cast<int>(EventKind::update_available); ++kind)
        EXPECT_EQ(words.formats.count(std::string(name_of(static_cast<EventKind>(kind)))), 1u) << kind;
}

// ---------------------------------------------------------------- what a user says instead

struct Own {
    const char* name;
    EventKind kind;
    Format format;
    const char *title, *text;
    int priority = 10;
};
std::ostream& operator<<(std::ostream& out, const Own& o) {
    return out << o.name;
}

class FC2_130_OwnWords : public testing::TestWithParam<Own> {};

TEST_P(FC2_130_OwnWords, TakeThePlaceOfTheUsual) {
    const auto& own = GetParam();
    const auto message = sent(event_of(own.kind), with(std::string(name_of(own.kind)), own.format));
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->title, std::string("fc2-live-dl-go: ") + own.title);
    EXPECT_EQ(message->text, own.text);
    EXPECT_EQ(message->priority, own.priority);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, FC2_130_OwnWords,
    testing::Values(
        Own{"OnlyATitle", EventKind::error, {.title = "oh {{ .ChannelID }}"}, "oh 42", "what happened"},
        Own{"OnlyAMessage",
            EventKind::canceled,
            {.message = "{{ .Labels.team }}"},
            "stream download of 42 canceled",
            "red"},
        Own{"EmptyTextsChangeNothing",
            EventKind::error,
            {.title = "", .message = ""},
            "stream download of 42 failed",
            "what happened"},
        Own{"PriorityZeroChangesNothing",
            EventKind::error,
            {.priority = 0},
            "stream download of 42 failed",
            "what happened",
            10},
        Own{"APriority", EventKind::error, {.priority = -2}, "stream download of 42 failed", "what happened", -2},
        Own{"NoSuchLabel",
            EventKind::error,
            {.message = "{{ .Labels.nobody }}"},
            "stream download of 42 failed",
            "<no value>"},
        Own{"TheErrorsMethod",
            EventKind::error,
            {.message = "{{ .Error.Error }}"},
            "stream download of 42 failed",
            "what happened"},
        Own{"AMessageThatPrintsNothing",
            EventKind::error,
            {.message = "{{ if false }}x{{ end }}"},
            "stream download of 42 failed",
            "stream download of 42 failed"},
        Own{"MetaData",
            EventKind::finished,
            {.message = "{{ .MetaData.ChannelData.ChannelID }} {{ .Metadata.ProfileData.Name }}"},
            "Somebody stream ended",
            "42 Somebody",
            7}),
    [](const auto& p) { return p.param.name; });

TEST(NotifierMessage, AnAbsentErrorPrintsAsGosNil) {
    auto event = event_of(EventKind::error);
    event.text.clear();
    EXPECT_EQ(sent(event)->text, "<nil>");
}

TEST(NotifierMessage, TheTitleMayStandInTheMessage) {
    NotifierConfig config;
    config.include_title_in_message = true;
    const auto with_text = sent(event_of(EventKind::error), config);
    EXPECT_EQ(with_text->text, "**stream download of 42 failed**\n\nwhat happened");
    EXPECT_EQ(with_text->title, "fc2-live-dl-go: stream download of 42 failed");
    EXPECT_TRUE(with_text->title_in_text);
    EXPECT_EQ(sent(event_of(EventKind::canceled), config)->text,
              "**stream download of 42 canceled**\n\nstream download of 42 canceled");
}

TEST(NotifierMessage, NoPriorityWhenNoneIsWanted) {
    NotifierConfig config;
    config.no_priority = true;
    EXPECT_EQ(sent(event_of(EventKind::error), config)->priority, std::nullopt);
}

TEST(NotifierMessage, ATemplateThatFailsIsAnErrorByItsEvent) {
    const auto message =
        message_of(event_of(EventKind::error), with("error", {.message = "{{ .Nobody }}"}), fc2_words());
    ASSERT_FALSE(message);
    EXPECT_THAT(message.error().text(), testing::StartsWith("template: error:1:3: executing \"error\" at <.Nobody>"));
}

// ---------------------------------------------------------------- the notifier

std::string notifier_log;

constexpr const char *first_hook = "generic+http://hook.test/CANARY-a?template=json",
                     *other_hook = "generic+http://other.test/CANARY-b?template=json";

struct NotifierRig {
    NotifierRig() {
        notifier_log.clear();
        log::capture([](std::string_view line) { notifier_log.append(line).push_back('\n'); });
    }
    ~NotifierRig() {
        stop();
        log::capture(nullptr);
    }
    void stop() {
        bool done = false;
        shard.start([](Notifier& n, bool& flag) -> Task<void> {
            co_await n.stop();
            flag = true;
        }(notifier, done));
        for (int i = 0; i < 1000 && !done; ++i) shard.advance(10ms);
        EXPECT_TRUE(done);
    }
    Result<> configure(std::vector<std::string> urls, bool enabled = true) {
        NotifierConfig config;
        config.enabled = enabled;
        config.urls = std::move(urls);
        auto taken = notifier.configure(config);
        shard.turn();
        return taken;
    }
    void tell(EventKind kind, Millis then = 100ms) {
        notifier.sink()(event_of(kind));
        for (; then > Millis{0}; then -= 10ms) shard.advance(10ms);
    }
    /// "HOST TITLE" of each request.
    [[nodiscard]] std::vector<std::string> told() const {
        std::vector<std::string> all;
        for (const auto& r : http.requests) {
            const auto body = std::string(r.body.text());
            const std::string before = R"("title":"fc2-live-dl-go: )";
            const auto from = body.find(before);
            const auto title = from == body.npos ? body : body.substr(from + before.size());
            all.push_back(r.url.host + " " + title.substr(0, title.find('"')));
        }
        return all;
    }

    RigShard shard;
    test::Reply reply;
    test::FakeHttp http{shard.time, [this](const HttpRequest&) { return reply; }};
    Notifier notifier{shard, http, fc2_words()};
};

TEST(Notifier, SendsNothingBeforeItIsConfigured) {
    NotifierRig rig;
    rig.tell(EventKind::error);
    EXPECT_THAT(rig.told(), ElementsAre());
    EXPECT_THAT(notifier_log, HasSubstr("what happened")) << "it is notifier_log all the same";
}

TEST(Notifier, SendsToEveryService) {
    NotifierRig rig;
    ASSERT_TRUE(rig.configure({first_hook, other_hook}));
    rig.tell(EventKind::canceled);
    EXPECT_THAT(rig.told(), testing::UnorderedElementsAre("hook.test stream download of 42 canceled",
                                                          "other.test stream download of 42 canceled"));
}

TEST(Notifier, FC2_116_SwitchedOffItStops) {
    NotifierRig rig;
    ASSERT_TRUE(rig.configure({first_hook}));
    ASSERT_TRUE(rig.configure({first_hook}, false));
    rig.tell(EventKind::error);
    EXPECT_THAT(rig.told(), ElementsAre());
    ASSERT_TRUE(rig.configure({first_hook}));
    rig.tell(EventKind::canceled);
    EXPECT_EQ(rig.told().size(), 1u);
}

TEST(Notifier, WhatIsQueuedStillGoesOutWhenAnotherConfigurationComes) {
    NotifierRig rig;
    rig.reply.before_head = 2s;
    ASSERT_TRUE(rig.configure({first_hook}));
    rig.tell(EventKind::error);
    rig.tell(EventKind::canceled);
    ASSERT_TRUE(rig.configure({other_hook}));
    rig.tell(EventKind::config_reloaded, 10s);
    EXPECT_THAT(rig.told(),
                testing::UnorderedElementsAre("hook.test stream download of 42 failed",
                                              "hook.test stream download of 42 canceled", "other.test config reloaded"))
        << notifier_log;
}

TEST(Notifier, WrongUrlsAreNamedByNumberAndSchemeWithoutSecrets) {
    NotifierRig rig;
    ASSERT_TRUE(rig.configure({first_hook}));
    const auto wrong = rig.configure({first_hook, "gotify://CANARY-host", "nosuch://CANARY@CANARY/CANARY", "CANARY"});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, Errc::bad_input);
    EXPECT_THAT(wrong.error().text(), HasSubstr("url 2: gotify: "));
    EXPECT_THAT(wrong.error().text(), HasSubstr("url 3: unknown service: \"nosuch\""));
    EXPECT_THAT(wrong.error().text(), HasSubstr("url 4: "));
    EXPECT_THAT(wrong.error().text(), Not(HasSubstr("url 1")));
    EXPECT_THAT(wrong.error().text(), Not(HasSubstr("CANARY")));
    rig.tell(EventKind::canceled);
    EXPECT_EQ(rig.told().size(), 1u) << "the one before stays";
}

TEST(Notifier, WrongTemplatesAreNamedByEvent) {
    NotifierRig rig;
    auto config = with("finished", {.title = "{{ .", .message = "{{ nosuch }}"});
    config.formats["error"].message = "{{ end }}";
    config.urls = {first_hook};
    const auto wrong = rig.notifier.configure(config);
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, Errc::bad_input);
    for (const char* place : {"notificationFormats.finished.title: template: finished:1",
                              "notificationFormats.finished.message: template: finished:1",
                              "notificationFormats.error.message: template: error:1"})
        EXPECT_THAT(wrong.error().text(), HasSubstr(place));
    rig.tell(EventKind::error);
    EXPECT_THAT(rig.told(), ElementsAre());
}

TEST(Notifier, ATemplateThatFailsIsLoggedAndNothingIsSent) {
    NotifierRig rig;
    auto config = with("error", {.message = "{{ .Nobody }}"});
    config.urls = {first_hook};
    ASSERT_TRUE(rig.notifier.configure(config));
    rig.tell(EventKind::error);
    EXPECT_THAT(rig.told(), ElementsAre());
    EXPECT_THAT(notifier_log, HasSubstr("notify failed"));
    rig.tell(EventKind::canceled);
    EXPECT_EQ(rig.told().size(), 1u);
}

TEST(Notifier, NewWordsCountAtOnceAndTheQueueStays) {
    NotifierRig rig;
    ASSERT_TRUE(rig.configure({first_hook}));
    auto config = with("canceled", {.title = "other words"});
    config.urls = {first_hook};
    ASSERT_TRUE(rig.notifier.configure(config));
    rig.tell(EventKind::canceled);
    EXPECT_THAT(rig.told(), ElementsAre("hook.test other words"));
}

TEST(Notifier, AtTheEndWhatCannotBeSentIsDroppedAndTold) {
    NotifierRig rig;
    rig.reply.how = test::Reply::How::silent;
    ASSERT_TRUE(rig.configure({first_hook}));
    rig.tell(EventKind::error);
    rig.tell(EventKind::canceled);
    const auto before = rig.shard.time.now();
    rig.stop();
    EXPECT_LE(rig.shard.time.now() - before, 3100ms);
    EXPECT_THAT(notifier_log, HasSubstr("notifications were not sent in time"));
    EXPECT_THAT(notifier_log, HasSubstr("count=2"));
    EXPECT_THAT(notifier_log, Not(HasSubstr("CANARY")));
}

}  // namespace
}  // namespace weir::sites
