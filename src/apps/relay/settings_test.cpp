#include "apps/relay/settings.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace weir::relay {
namespace {

RelayVariables variables(std::vector<const char*> environment) {
    return relay_environment(environment);
}

Result<RelayOptions> with(std::vector<const char*> environment, RelayWords words = {}) {
    auto notes = add_environment(words, variables(std::move(environment)));
    if (!notes) return notes.error();
    return relay_options(words);
}

TEST(RelaySettings, TheEnvironmentIsVws_VW_82_PR_19) {
    struct Case {
        std::vector<const char*> environment;
        std::uint16_t port;
    };
    const std::vector<Case> cases{
        {{}, 8888},
        {{"VW_PORT=9000"}, 9000},
        {{"vw_port=9001"}, 9001},
        {{"Vw_Port=9002"}, 9002},
        {{"RELAYHOST_PORT=9003"}, 9003},
        {{"WEIR_RELAY_PORT=9004", "VW_PORT=9000", "RELAYHOST_PORT=9003"}, 9004},
        {{"VW_PORT="}, 8888},
        {{"PORT=1", "XVW_PORT=2", "VW_PORTS=3", "VW_PORT"}, 8888},
        {{"VW_PORT=0"}, 0},
        {{"WEIR_RELAY_PORT=tcp://10.0.0.7:8888", "WEIR_RELAY_PORT_8888_TCP=tcp://10.0.0.7:8888"}, 8888},
        {{"VW_PORT=9005", "WEIR_RELAY_PORT=tcp://10.0.0.7:8888"}, 9005},
        {{"VW_HTTPWAITMS=5000", "VW_MUXBUFFERLENGTH=10", "VW_CLIENTBUFFERLENGTH=5", "VW_CLIENTTIMEOUTMS=1000",
          "VW_HTTPFLUSHMS=5", "VW_HTTPTIMEOUTMS=1000"},
         8888},
    };
    for (const auto& c : cases) {
        const auto options = with(c.environment);
        ASSERT_TRUE(options) << options.error().text();
        EXPECT_EQ(options->port, c.port) << (c.environment.empty() ? "" : c.environment.front());
        EXPECT_EQ(options->address, "127.0.0.1");
        EXPECT_TRUE(options->access.loopback_only);
    }
}

TEST(RelaySettings, AVariableThatIsNoneIsOneClearLine_VW_84) {
    const std::vector<std::pair<const char*, std::string>> cases{
        {"VW_PORT=abc", "VW_PORT: 'abc' is no port (0 to 65535)"},
        {"VW_PORT=65536", "VW_PORT: '65536' is no port (0 to 65535)"},
        {"vw_httpwaitms=long", "vw_httpwaitms: 'long' is no number"},
        {"WEIR_RELAY_PORT=udp://x", "WEIR_RELAY_PORT: 'udp://x' is no port (0 to 65535)"},
        {"RELAYHOST_PING=soon", "RELAYHOST_PING: "},
        {"VW_VIEWER_KEY=/nowhere/key.pem", "VW_VIEWER_KEY: cannot read /nowhere/key.pem"},
    };
    for (const auto& [variable, text] : cases) {
        const auto options = with({variable});
        ASSERT_FALSE(options) << variable;
        EXPECT_TRUE(options.error().text().starts_with(text)) << options.error().text();
        EXPECT_EQ(options.error().code, Errc::bad_input);
    }
}

TEST(RelaySettings, BothNamesOfTheLogLevelWork_VW_83) {
    using log::Level;
    const std::vector<std::pair<const char*, Level>> cases{
        {"VW_LOGLEVEL=ERROR", Level::error},         {"VW_LOG_LEVEL=trace", Level::trace},
        {"vw_log_level=Warning", Level::warn},       {"VW_LOG_LEVEL=warn", Level::warn},
        {"VW_LOG_LEVEL=PANIC", Level::fatal},        {"VW_LOG_LEVEL=fatal", Level::fatal},
        {"VW_LOG_LEVEL=info", Level::info},          {"VW_LOG_LEVEL=nonsense", Level::info},
        {"RELAYHOST_LOG_LEVEL=debug", Level::debug},
    };
    for (const auto& [variable, level] : cases) EXPECT_EQ(relay_log_level(variables({variable})), level) << variable;
    EXPECT_EQ(relay_log_level(variables({"VW_LOGLEVEL=trace", "VW_LOG_LEVEL=error"})), Level::error);
    EXPECT_EQ(relay_log_level(variables({"VW_PORT=1"})), std::nullopt);
}

TEST(RelaySettings, AFlagCountsMoreThanItsVariable) {
    RelayWords words;
    words.port = "7000";
    words.push_secret = "flag";
    const auto options = with({"VW_PORT=9000", "VW_PUSH_SECRET_FILE=/nowhere", "VW_PUSH_SECRET=variable"}, words);
    ASSERT_TRUE(options) << options.error().text();
    EXPECT_EQ(options->port, 7000);
    EXPECT_EQ(options->access.push_secret.reveal(), "flag");
}

TEST(RelaySettings, AProfileIsNotedAndListsAreTaken_VW_85) {
    RelayWords words;
    const auto notes = add_environment(
        words, variables({"VW_CPUPROFILE=x.prof", "VW_ALLOW_ORIGIN=https://a.example, https://b.example"}));
    ASSERT_TRUE(notes);
    EXPECT_EQ(notes->size(), 1U);
    EXPECT_EQ(words.allow_origins, (std::vector<std::string>{"https://a.example", "https://b.example"}));
}

TEST(RelaySettings, SwitchesAreVariablesToo) {
    const auto options = with({"VW_NO_PAGE=true", "VW_ALLOW_NO_BOOKING_ID=1", "VW_NO_PROXY=false"});
    ASSERT_TRUE(options) << options.error().text();
    EXPECT_FALSE(options->page);
    EXPECT_TRUE(options->access.allow_no_booking_id);
    EXPECT_TRUE(options->use_proxy);
    EXPECT_EQ(with({"VW_NO_PAGE=maybe"}).error().text(), "VW_NO_PAGE: 'maybe' is neither true nor false");
}

TEST(RelaySettings, AnOpenListenerNeedsASecretOrTheWordNone) {
    for (const char* listen : {"VW_LISTEN=0.0.0.0", "VW_LISTEN=::", "VW_LISTEN=192.0.2.1", "VW_LISTEN=*"}) {
        const auto refused = with({listen});
        ASSERT_FALSE(refused) << listen;
        EXPECT_NE(refused.error().text().find("add --push-secret SECRET"), std::string::npos);
        EXPECT_TRUE(with({listen, "VW_PUSH_SECRET=s"})) << listen;
        EXPECT_TRUE(with({listen, "VW_VIEWER_SECRET=s"})) << listen;
        const auto none = with({listen, "VW_AUTH=none"});
        ASSERT_TRUE(none) << listen;
        EXPECT_FALSE(none->access.loopback_only);
        EXPECT_TRUE(none->access.auth_none);
    }
    for (const char* listen : {"VW_LISTEN=127.0.0.1", "VW_LISTEN=localhost", "VW_LISTEN=[::1]", "VW_LISTEN=127.9.9.9"})
        EXPECT_TRUE(with({listen})) << listen;
}

TEST(RelaySettings, WordsOfChoiceAreTakenInAnyLetterCase) {
    const auto options = with({"VW_LISTEN=0.0.0.0", "VW_AUTH=NONE", "VW_VIEWERS=Anyone"});
    ASSERT_TRUE(options) << options.error().text();
    EXPECT_TRUE(options->access.auth_none);
    EXPECT_TRUE(options->access.open_view);
}

TEST(RelaySettings, WhatIsNoAddressIsSaidBeforeAnythingElse) {
    for (const char* listen : {"relay.example", "0.0.0", "1.2.3.4.5", "[::1", "eth0", "0.0.0.0:x"}) {
        RelayWords words;
        words.listen = listen;
        const auto options = relay_options(words);
        ASSERT_FALSE(options) << listen;
        EXPECT_TRUE(options.error().text().starts_with("--listen: '")) << options.error().text();
    }
}

TEST(RelaySettings, AConsoleThatCanNeverBeDialledIsWrongUse_VW_50) {
    for (const char* url : {"VW_API=http://host/x", "VW_API=host/x", "VW_API=ws://", "VW_API=wss://u:p@host/x"}) {
        const auto options = with({url});
        ASSERT_FALSE(options) << url;
        EXPECT_TRUE(options.error().text().starts_with("VW_API: needs a websocket address")) << options.error().text();
    }
    EXPECT_TRUE(with({"VW_API=wss://host/x"}));
}

TEST(RelaySettings, WhatIsOpenToAllIsToldByRight) {
    struct Case {
        std::vector<const char*> environment;
        const char* open;
    };
    for (const auto& c : {Case{{"VW_AUTH=none"}, "pushing, viewing, rules and statistics"},
                          Case{{"VW_AUTH=none", "VW_PUSH_SECRET=p"}, "viewing, rules and statistics"},
                          Case{{"VW_AUTH=none", "VW_ADMIN_TOKEN=a"}, "pushing, viewing"},
                          Case{{"VW_AUTH=none", "VW_VIEWER_SECRET=v", "VW_ADMIN_TOKEN=a"}, "pushing by plain HTTP"},
                          Case{{"VW_PUSH_SECRET=p", "VW_VIEWERS=anyone"}, "viewing"}, Case{{"VW_PUSH_SECRET=p"}, ""}}) {
        auto environment = c.environment;
        environment.push_back("VW_LISTEN=0.0.0.0");
        const auto options = with(environment);
        ASSERT_TRUE(options) << options.error().text();
        EXPECT_EQ(open_rights(*options), c.open);
    }
}

TEST(RelaySettings, TheJsmpegSecretAndThePublicNameGoToTheDoors) {
    const auto options = with({"VW_JSMPEG_SECRET=s3cret", "VW_PUBLIC_URL=https://Cam.example:8443/relay"});
    ASSERT_TRUE(options) << options.error().text();
    EXPECT_EQ(options->access.jsmpeg_secret.reveal(), "s3cret");
    EXPECT_EQ(options->access.public_host, "cam.example");
    EXPECT_EQ(with({"VW_PUBLIC_URL=cam.example"})->access.public_host, "cam.example");
    EXPECT_EQ(with({})->access.public_host, "");
}

TEST(RelaySettings, AnAddressMayBringItsPort) {
    struct Case {
        std::string word, address;
        std::uint16_t port;
    };
    for (const Case& c : {Case{"127.0.0.1:99", "127.0.0.1", 99}, Case{"[::1]:98", "::1", 98}, Case{"::1", "::1", 8888},
                          Case{"[::1]", "::1", 8888}, Case{"localhost:97", "127.0.0.1", 97}}) {
        RelayWords words;
        words.listen = c.word;
        const auto options = relay_options(words);
        ASSERT_TRUE(options) << c.word;
        EXPECT_EQ(options->address, c.address) << c.word;
        EXPECT_EQ(options->port, c.port) << c.word;
    }
}

TEST(RelaySettings, CommandsAreListsOfArguments_ASK_10) {
    RelayWords words;
    words.commands = {R"(cam=["ffmpeg","-i","a b","{url}"])", R"(mic=["arecord"])"};
    const auto options = relay_options(words);
    ASSERT_TRUE(options) << options.error().text();
    EXPECT_EQ(options->commands.at("cam"), (std::vector<std::string>{"ffmpeg", "-i", "a b", "{url}"}));
    for (const char* bad : {"cam", "=[\"x\"]", "cam=ffmpeg -i x", "cam=[]", "cam=[1]", "cam={}", "cam=[\"\"]"}) {
        words.commands = {bad};
        const auto refused = relay_options(words);
        ASSERT_FALSE(refused) << bad;
        EXPECT_TRUE(refused.error().text().starts_with("--command: ")) << refused.error().text();
    }
}

TEST(RelaySettings, SecretsComeFromFilesToo) {
    const auto path = std::filesystem::path(::testing::TempDir()) / "weir_relay_secret";
    std::ofstream(path) << "  from file \n";
    RelayWords words;
    words.push_secret_file = path;
    auto options = relay_options(words);
    ASSERT_TRUE(options) << options.error().text();
    EXPECT_EQ(options->access.push_secret.reveal(), "from file");
    words.push_secret = "both";
    EXPECT_FALSE(relay_options(words));
    words.push_secret.clear();
    std::ofstream(path) << "\n";
    EXPECT_FALSE(relay_options(words));
    std::filesystem::remove(path);
    EXPECT_FALSE(relay_options(words));
}

TEST(RelaySettings, WrongWordsNameTheirFlag) {
    struct Case {
        std::string RelayWords::*word;
        const char* value;
        const char* begin;
    };
    for (const Case& c :
         {Case{&RelayWords::ping, "soon", "--ping"}, Case{&RelayWords::viewer_budget, "4X", "--viewer-budget"},
          Case{&RelayWords::jsmpeg_ports, "8081", "--jsmpeg-ports"},
          Case{&RelayWords::jsmpeg_secret, "a/b", "--jsmpeg-secret"}, Case{&RelayWords::auth, "basic", "--auth"},
          Case{&RelayWords::viewers, "all", "--viewers"}, Case{&RelayWords::tls_cert, "c.pem", "--tls-cert"},
          Case{&RelayWords::viewer_key, "/dev/null", "--viewer-key"}}) {
        RelayWords words;
        words.*(c.word) = c.value;
        const auto options = relay_options(words);
        ASSERT_FALSE(options) << c.begin;
        EXPECT_TRUE(options.error().text().starts_with(c.begin)) << options.error().text();
    }
    RelayWords words;
    words.viewer_budget = "512k";
    EXPECT_EQ(relay_options(words)->viewer_budget_bytes, 512U << 10);
}

TEST(RelaySettings, ATokenIsNeverTheSame) {
    EXPECT_EQ(random_token().reveal().size(), 32U);
    EXPECT_NE(random_token().reveal(), random_token().reveal());
}

}  // namespace
}  // namespace weir::relay
