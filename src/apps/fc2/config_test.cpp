#include "apps/fc2/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "proto/yaml/document.h"

namespace weir::fc2 {
namespace {

using namespace std::chrono_literals;

std::string config_file(const std::string& name) {
    std::ifstream in(WEIR_SOURCE_DIR "/tests/data/fc2/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

LoadedConfig loaded_config(const std::string& text) {
    auto loaded = parse_config(text, "config.yaml");
    EXPECT_TRUE(loaded) << loaded.error().what;
    return loaded ? *loaded : LoadedConfig{};
}

/// The one channel of a file that holds no other.
Params only_channel(const std::string& text) {
    const auto config = loaded_config(text).config;
    EXPECT_EQ(config.channels.size(), 1u);
    return config.channels.empty() ? Params{} : config.channels[0].second;
}

TEST(Fc2Config, TheReferencesOwnSampleLoads) {
    const auto loaded = loaded_config(config_file("config.yaml"));
    const auto& config = loaded.config;
    ASSERT_EQ(config.channels.size(), 4u);
    const char* ids[] = {"40740626", "72364867", "81840800", "91544481"};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(config.channels[i].first, ids[i]);
    auto wanted = Params{};
    wanted.base.out_format = "{{ .ChannelName }} {{ .Labels.EnglishName }}/{{ .Date }} {{ .Title }}.{{ .Ext }}";
    wanted.base.concat = false;
    wanted.base.extract_audio = true;
    wanted.base.labels = {{"EnglishName", "Necoma Karin"}};
    EXPECT_EQ(config.channels[3].second, wanted);
    EXPECT_EQ(config.cookies_import_file, "");
    EXPECT_EQ(config.cookies_refresh_duration, 24h);
    EXPECT_EQ(config.polling_pacing, 500ms);
    EXPECT_FALSE(config.notifier.enabled);
    EXPECT_EQ(config.notifier.urls, std::vector<std::string>{"gotify://gotify.example.com/token"});
    EXPECT_EQ(config.notifier.formats.size(), 11u);
    EXPECT_EQ(config.notifier.formats.at("idle"),
              (NotifierConfig::Format{.enabled = false, .title = "watching {{.Labels.EnglishName }}"}));
    EXPECT_EQ(
        loaded.warnings,
        (std::vector<std::string>{
            "config.yaml:66:3: defaultParams.cookiesFile is deprecated; write cookiesImportFile at the top level",
            "config.yaml:69:3: defaultParams.cookiesRefreshDuration is deprecated; write cookiesRefreshDuration at the "
            "top level"}));
}

/// What config.every_key.yaml says under defaultParams.
Params every_param() {
    Params params;
    params.quality = "1.2Mbps";
    params.latency = "high";
    params.wait_for_quality_max_tries = 10;
    params.allow_quality_upgrade = true;
    params.poll_quality_upgrade_interval = 20s;
    params.base = {.out_format =
                       "{{ .Labels.dir }}/{{ .Date }}_{{ .Time }} {{ .MetaData.ChannelData.Title }} "
                       "{{ .ChannelID }}.{{ .Ext }}",
                   .packet_loss_max = 40,
                   .write_chat = true,
                   .write_info_json = true,
                   .write_thumbnail = true,
                   .wait_for_live = false,
                   .wait_poll_interval = 7s,
                   .remux = false,
                   .remux_format = "mkv",
                   .concat = false,
                   .keep_intermediates = true,
                   .scan_directory = "/var/lib/weir",
                   .eligible_for_cleaning_age = 90min,
                   .delete_corrupted = false,
                   .extract_audio = true,
                   .labels = {{"dir", "all"}, {"number", "7"}}};
    return params;
}

TEST(Fc2Config, EveryKeyIsRead) {
    const auto loaded = loaded_config(config_file("config.every_key.yaml"));
    EXPECT_EQ(loaded.warnings, std::vector<std::string>{});
    const auto& config = loaded.config;
    EXPECT_EQ(config.cookies_import_file, "cookies.txt");
    EXPECT_EQ(config.cookies_file, "cookies.json.enc");
    EXPECT_EQ(config.cookies_refresh_duration, 12h);
    EXPECT_EQ(config.polling_pacing, 750ms);

    ASSERT_EQ(config.channels.size(), 3u);
    EXPECT_EQ(config.channels[0], std::make_pair(std::string("40740626"), every_param()));
    auto second = every_param();
    second.base.labels = {{"EnglishName", "Uno Sakura"}, {"dir", "one"}, {"number", "7"}};
    second.base.out_format = "{{ .ChannelName }}/{{ .Title }}.{{ .Ext }}";
    second.base.extract_audio = false;
    second.base.packet_loss_max = 0;
    second.base.scan_directory = "";
    EXPECT_EQ(config.channels[1], std::make_pair(std::string("72364867"), second));
    auto third = every_param();
    third.quality = "sound";
    third.latency = "low";
    third.base.wait_for_live = true;
    third.base.wait_poll_interval = 1s;
    EXPECT_EQ(config.channels[2], std::make_pair(std::string("81840800"), third));
}

/// deploy/fc2/config.yaml says of itself that it has every key, each with its default.
TEST(Fc2Config, TheDeployedExampleHasEveryKeyAndItsDefault) {
    const auto text = config_file("../../../deploy/fc2/config.yaml");
    const auto loaded = loaded_config(text);
    EXPECT_THAT(loaded.warnings, testing::IsEmpty());
    ASSERT_EQ(loaded.config.channels.size(), 2u);
    auto plain = Params{};
    plain.base.labels = {{"EnglishName", "Sakura Example"}};
    EXPECT_EQ(loaded.config.channels[0], std::make_pair(std::string("40740626"), plain));
    std::istringstream every(config_file("config.every_key.yaml"));
    int keys = 0;
    for (std::string line; std::getline(every, line) && line != "channels:";) {
        const auto colon = line.find(':');
        if (colon == std::string::npos || line[0] == '#' || line.starts_with("    ")) continue;  // a label of its own
        const auto key = line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' '));
        EXPECT_THAT(text, testing::HasSubstr(key + ":"));
        ++keys;
    }
    EXPECT_EQ(keys, 27);
    EXPECT_EQ(loaded.config.notifier.formats.size(), 11u);
    for (const auto* key : {"enabled", "includeTitleInMessage", "noPriority", "urls", "title", "message", "priority"})
        EXPECT_THAT(text, testing::HasSubstr("  " + std::string(key) + ":"));
}

TEST(Fc2Config, EveryKeyOfTheNotifierIsRead) {
    const auto& notifier = loaded_config(config_file("config.every_key.yaml")).config.notifier;
    const std::map<std::string, NotifierConfig::Format> formats{
        {"configReloaded", {.enabled = false}},
        {"loginFailed", {.enabled = true, .title = "login: {{ .Error }}", .message = "m {{ .Error }}", .priority = 1}},
        {"panicked", {.title = "{{ .Capture }}", .priority = 2}},
        {"idle", {.enabled = true, .title = "{{ .Labels.EnglishName }} idle", .priority = 3}},
        {"preparingFiles", {.enabled = true, .title = "{{ .MetaData.ProfileData.Name }}"}},
        {"downloading", {.enabled = false, .message = "{{ .MetaData.ChannelData.Title }}", .priority = 4}},
        {"postProcessing", {.enabled = true}},
        {"finished", {.enabled = false, .priority = 5}},
        {"error", {.message = "{{ .ChannelID }}: {{ .Error }}", .priority = 6}},
        {"canceled", {.enabled = false, .priority = 8}},
        {"updateAvailable", {.enabled = false, .title = "{{ .Version }}", .priority = 9}},
    };
    EXPECT_TRUE(notifier.enabled && notifier.include_title_in_message && notifier.no_priority);
    EXPECT_EQ(notifier.urls, (std::vector<std::string>{"gotify://gotify.example.com/token", "discord://token@id"}));
    EXPECT_EQ(notifier.formats, formats);
}

/// The tree as JSON, so that both forms come from one file. Plain scalars other than words of JSON are quoted.
std::string as_json(const yaml::Node& node) {
    std::string out;
    const auto quoted = [](const std::string& text) {
        std::string made = "\"";
        for (const char c : text) made += (c == '"' || c == '\\' ? std::string("\\") : std::string()) + c;
        return made + "\"";
    };
    switch (node.kind()) {
        case yaml::Kind::null:
            return "null";
        case yaml::Kind::scalar: {
            const auto& text = node.text();
            const bool word = text == "true" || text == "false" || text.find_first_not_of("0123456789") == text.npos;
            return word && !text.empty() && !node.quoted() ? text : quoted(text);
        }
        case yaml::Kind::sequence:
            for (const auto& item : node.items()) out += (out.empty() ? "" : ",") + as_json(item);
            return "[" + out + "]";
        case yaml::Kind::mapping:
            for (const auto& entry : node.entries())
                out += (out.empty() ? "" : ",\n\t") + quoted(entry.key.text()) + ":" + as_json(entry.value);
            return "{" + out + "}";
    }
    return out;
}

TEST(Fc2Config, JsonLoadsTheSame) {
    for (const auto* name : {"config.yaml", "config.every_key.yaml"}) {
        const auto text = config_file(name);
        const auto root = yaml::parse(text, name);
        ASSERT_TRUE(root);
        EXPECT_EQ(loaded_config(as_json(*root)).config, loaded_config(text).config) << name;
    }
}

TEST(Fc2Config, WithoutKeysTheReferencesDefaultsCount) {
    EXPECT_EQ(only_channel("channels: {007: }"), Params{});
    const auto config = loaded_config("channels: {007: }").config;
    EXPECT_EQ(config.channels[0].first, "007");
    EXPECT_EQ(config.cookies_refresh_duration, 0s);
    EXPECT_EQ(config.polling_pacing, 500ms);
    EXPECT_EQ(config.notifier, NotifierConfig{});
    EXPECT_EQ(loaded_config("channels: {}").config, Config{});
    EXPECT_EQ(loaded_config("defaultParams:\nchannels: ~\nnotifier:\nrateLimitAvoidance:\n").config, Config{});
}

TEST(Fc2Config, OldKeysWinInDefaultParamsAndAreIgnoredInAChannel) {
    const auto config = loaded_config(R"(
cookiesImportFile: new.txt
cookiesRefreshDuration: 1h
defaultParams: {cookiesFile: old.txt, cookiesRefreshDuration: 2h}
channels: {1: {cookiesFile: none.txt, cookiesRefreshDuration: 3h}}
)")
                            .config;
    EXPECT_EQ(config.cookies_import_file, "old.txt");
    EXPECT_EQ(config.cookies_refresh_duration, 2h);
    EXPECT_EQ(config.cookies_file, "");
}

TEST(Fc2Config, SpecialValuesMeanTheDefault) {
    EXPECT_EQ(only_channel("{channels: {1: {eligibleForCleaningAge: 0s}}}").base.eligible_for_cleaning_age, 48h);
    EXPECT_EQ(loaded_config("{rateLimitAvoidance: {pollingPacing: 0s}, channels: {1: }}").config.polling_pacing, 500ms);
    EXPECT_EQ(only_channel("{channels: {1: {remuxFormat: .TS}}}").base.remux_format, "ts");
}

TEST(Fc2Config, AnchorsAndMergeKeysServe) {
    const auto config = loaded_config(R"(
x-common: &common
  quality: sound
  remux: false
channels:
  1: *common
  2:
    <<: *common
    remux: true
)")
                            .config;
    ASSERT_EQ(config.channels.size(), 2u);
    EXPECT_EQ(config.channels[0].second.quality, "sound");
    EXPECT_FALSE(config.channels[0].second.base.remux);
    EXPECT_EQ(config.channels[1].second.quality, "sound");
    EXPECT_TRUE(config.channels[1].second.base.remux);
}

TEST(Fc2Config, AMistakeOfTheDefaultsIsToldOnceWhateverTheChannels) {
    const auto loaded = parse_config("channels: {1: , 2: , 3: {}}\ndefaultParams: {quality: best, remux: 3}\n", "f");
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, Errc::bad_input);
    EXPECT_EQ(loaded.error().what,
              "f:2:26: defaultParams.quality: \"best\" is none of 150Kbps, 400Kbps, 1.2Mbps, 2Mbps, 3Mbps, sound; "
              "write one of "
              "these\n"
              "f:2:39: defaultParams.remux: the number 3 is neither true nor false; write remux: true or remux: false");
}

TEST(Fc2Config, ATemplateThatOnlyFailsWithoutRealDataIsTaken) {
    EXPECT_EQ(
        only_channel("{channels: {1: {outFormat: '{{ (index .MetaData.ChannelData.GiftList 0).Name }}.{{ .Ext }}'}}}")
            .base.out_format,
        "{{ (index .MetaData.ChannelData.GiftList 0).Name }}.{{ .Ext }}");
}

TEST(Fc2Config, NoUrlOfTheNotifierIsEverShown) {
    for (const auto* yaml : {"notifier: {urls: 'gotify://h/CANARY'}", "notifier: {urls: {CANARY: 1}}",
                             "notifier: {urls: [[CANARY]]}", "notifier: {urls: [{a: CANARY}]}"}) {
        const auto loaded = parse_config(yaml, "f");
        ASSERT_FALSE(loaded) << yaml;
        EXPECT_EQ(loaded.error().what.find("CANARY"), std::string::npos) << loaded.error().what;
    }
}

/// tests/data/fc2/mistakes.json, which the scenarios give to the program too.
TEST(Fc2Config, EachMistakeIsOneLineWithPlaceAndFix) {
    const auto table = yaml::parse(config_file("mistakes.json"), "mistakes.json");
    ASSERT_TRUE(table) << table.error().what;
    EXPECT_GE(table->items().size(), 30u);
    for (const auto& row : table->items()) {
        const auto of = [&](std::string_view key) { return row.find(key) ? row.find(key)->text() : ""; };
        const auto loaded = parse_config(of("yaml"), "config.yaml");
        EXPECT_EQ(loaded.has_value(), of("kind") == "warning") << of("name");
        std::string said = loaded ? "" : loaded.error().what;
        if (loaded)
            for (const auto& warning : loaded->warnings) said += (said.empty() ? "" : "\n") + warning;
        EXPECT_EQ(said, of("line")) << of("name");
    }
}

}  // namespace
}  // namespace weir::fc2
