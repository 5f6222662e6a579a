#include "apps/recorder/file_names.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "store/names.h"
#include "temp_folder.h"

namespace weir::apps {
namespace {

using gotemplate::Value;

NameData sample() {
    NameData data{.channel_id = "72364867", .channel_name = "Uno Sakura", .title = "雑談: お休み/今日 <1>"};
    data.labels = {
        {"EnglishName", "Uno Sakura"}, {"dir", "a/b"}, {"bad", "../../etc/x"}, {"empty", ""}, {"root", "/etc"}};
    data.metadata = Value::structure(
        "api.GetMetaData",
        {{"ChannelData", Value::structure("api.ChannelData", {{"Title", Value::text("../雑談: a/b\n")},
                                                              {"Category", Value::text("")},
                                                              {"Fee", Value::json_number("12.50")}})}});
    return data;
}

std::string plain(std::string_view out_format, const NameData& data = sample(), std::string_view extension = "mp4") {
    const auto names = FileNames::make(out_format, data);
    if (!names) return "error: " + names.error().text();
    const auto path = names->plain(extension);
    return path ? path->string() : "error: " + path.error().text();
}

TEST(FileNames, FC2_68_TheDefaultHasDateTitleAndChannel) {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    auto data = sample();
    data.time = from_unix_millis(1'722'819'723'000);  // 2024-08-05 01:02:03
    EXPECT_EQ(plain(default_out_format, data), "2024-08-05 雑談_ お休み_今日 _1_ (Uno Sakura).mp4");
    EXPECT_EQ(plain("{{.Date}}-{{.Time}}.{{.Ext}}", data), "2024-08-05-010203.mp4");
}

TEST(FileNames, FC2_68_ANameMayBeAPathOfItsOwn) {
    EXPECT_EQ(plain("/srv/{{ .ChannelID }}/{{ .Title }}.{{ .Ext }}"), "/srv/72364867/雑談_ お休み_今日 _1_.mp4");
    EXPECT_EQ(plain("{{/* root */}}/srv/x.{{ .Ext }}"), "/srv/x.mp4");
}

TEST(FileNames, FC2_69_MetadataHasGoNamesAndOnlyThose) {
    EXPECT_EQ(plain("{{ .MetaData.ChannelData.Fee }}.{{ .Ext }}"), "12.50.mp4");
    EXPECT_TRUE(plain("{{ .MetaData.ChannelData.Fees }}.{{ .Ext }}").starts_with("error: template: gotpl:1:"));
}

TEST(FileNames, FC2_69_MetadataMayBeSpeltAsTheManualDoes) {
    EXPECT_EQ(plain("{{ .Metadata.ChannelData.Fee }}.{{ .Ext }}"), "12.50.mp4");
}

TEST(FileNames, FC2_69_MetadataIsOnePathElement) {
    EXPECT_EQ(plain("{{ .MetaData.ChannelData.Title }}.{{ .Ext }}"), "_雑談_ a_b.mp4");
    EXPECT_EQ(plain("{{ if .MetaData.ChannelData.Category }}x{{ else }}none{{ end }}.{{ .Ext }}"), "none.mp4");
}

TEST(FileNames, FC2_70_GoNamesAreTakenAsTheSiteGivesThem) {
    auto data = sample();
    data.metadata = Value::structure(
        "api.GetMetaData", {{"ChannelData", Value::structure("api.ChannelData", {{"ChannelID", Value::text("7")},
                                                                                 {"IsREST", Value::text("r")},
                                                                                 {"VideoStereo3D", Value::text("3")},
                                                                                 {"TicketPrice", Value::text("5")}})}});
    const std::string front = "{{ with .MetaData.ChannelData }}", back = "{{ end }}.{{ .Ext }}";
    EXPECT_EQ(plain(front + "{{ .ChannelID }}{{ .IsREST }}{{ .VideoStereo3D }}{{ .TicketPrice }}" + back, data),
              "7r35.mp4");
    for (const auto* name : {"ChannelId", "IsRest", "VideoStereo3d", "ticket_price"})
        EXPECT_TRUE(plain(front + "{{ ." + name + " }}" + back, data).starts_with("error: template: ")) << name;
}

TEST(FileNames, FC2_71_ActionsVariablesPipesAndTrimMarksWork) {
    EXPECT_EQ(plain("{{- /* a name */ -}} {{ $t := .Labels.dir }}{{ if eq $t \"a/b\" }}{{ len $t | printf \"%03d\" }}"
                    "{{ else }}x{{ end }}{{ range $i, $e := .Labels }}{{ if eq $i \"root\" }}{{ break }}{{ end }}"
                    "{{ slice $i 0 1 }}{{ end }}.{{ .Ext }}"),
              "003Ebde.mp4");
}

TEST(FileNames, FC2_71_OnlyTheBuiltInFunctionsExist) {
    EXPECT_EQ(plain("{{ upper .Title }}"), "error: template: gotpl:1: function \"upper\" not defined");
}

TEST(FileNames, FC2_72_AnAbsentLabelIsSeenInTheNameWithoutForbiddenCharacters) {
    EXPECT_EQ(plain("{{ .Labels.Nope }}/{{ .ChannelID }}.{{ .Ext }}"), "_no value_/72364867.mp4");
}

TEST(FileNames, FC2_73_ALabelMayNameFoldersButNotClimb) {
    EXPECT_EQ(plain("{{ .Labels.dir }}/x.{{ .Ext }}"), "a/b/x.mp4");
    EXPECT_EQ(plain("{{ .Labels.bad }}.{{ .Ext }}"), "_/_/etc/x.mp4");
    EXPECT_EQ(plain("{{ .Labels.root }}/x.{{ .Ext }}"), "etc/x.mp4");
    EXPECT_EQ(plain("{{ .Labels.empty }}/x.{{ .Ext }}"), "x.mp4");
}

TEST(FileNames, FC2_73_FoldersInTheTemplateItselfWork) {
    EXPECT_EQ(plain("../videos/./{{ .ChannelID }}: {{ .Labels.EnglishName }}.{{ .Ext }}"),
              "../videos/./72364867: Uno Sakura.mp4");
}

TEST(FileNames, FC2_73_WhatAnActionPrintsDoesNotClimb) {
    EXPECT_EQ(plain("{{ \"..\" }}/{{ \"../..\" }}/{{ \"a/b\" }}/x.{{ .Ext }}"), "_/_/_/a/b/x.mp4");
    EXPECT_EQ(plain("{{ \"/etc\" }}/x.{{ .Ext }}"), "etc/x.mp4");
    EXPECT_EQ(plain(".{{ \".\" }}/x.{{ .Ext }}"), "_/x.mp4");
}

TEST(FileNames, FC2_74_T15_SlashesBecomeOneMarkAndTheRestStays) {
    auto data = sample();
    data.title = "配信/アーカイブ／第1回//!@#$%^&()/LPT1, PRN, .config";
    EXPECT_EQ(plain("{{ .Title }}.{{ .Ext }}", data), "配信_アーカイブ／第1回_!@#$%^&()_LPT1, PRN, .config.mp4");
}

TEST(FileNames, FC2_75_LongNamesAreCutOnACharacterBorder) {
    auto data = sample();
    data.title.clear();
    for (int i = 0; i < 300; ++i) data.title += "字";
    const auto names = FileNames::make("{{ .Title }}/{{ .Title }}.{{ .Ext }}", data);
    ASSERT_TRUE(names);
    const auto ts = *names->plain("ts"), last = *names->numbered("fc2chat.json", 9999),
               joined = *names->combined("m4a");
    EXPECT_EQ(ts.parent_path().string().size(), 255u);
    EXPECT_EQ(ts.stem().string().size() % 3, 0u);
    EXPECT_LE(last.filename().string().size(), store::max_name_bytes - store::room_for_endings);
    EXPECT_TRUE(last.string().ends_with("字.9999.fc2chat.json"));
    // All files of one recording have the same stem.
    EXPECT_TRUE(last.filename().string().starts_with(ts.stem().string() + "."));
    EXPECT_TRUE(joined.filename().string().starts_with(ts.stem().string() + "."));
}

TEST(FileNames, FC2_75_APathThatIsTooLongIsAnError) {
    auto data = sample();
    data.title = std::string(255, 'x');
    std::string out_format;
    for (int i = 0; i < 20; ++i) out_format += "{{ .Title }}/";
    EXPECT_EQ(plain(out_format + "x.{{ .Ext }}", data), "error: file name: longer than a path can be");
}

TEST(FileNames, FC2_76_T14_TheFirstFreeNumberIsFound) {
    const test::TempFolder folder;
    NameData data;
    data.title = "test";
    const auto names = FileNames::make(folder.path().string() + "/{{ .Title }}.{{ .Ext }}", data);
    ASSERT_TRUE(names);
    auto& files = real_file_system();
    EXPECT_EQ(first_free(*names, "mp4", files)->filename(), "test.mp4");
    ASSERT_TRUE(files.create(*first_free(*names, "mp4", files)));
    EXPECT_EQ(first_free(*names, "mp4", files)->filename(), "test.1.mp4");
    ASSERT_TRUE(files.create(*first_free(*names, "mp4", files)));
    EXPECT_EQ(first_free(*names, "mp4", files)->filename(), "test.2.mp4");
    EXPECT_EQ(first_free(*names, "info.json", files)->filename(), "test.info.json");
}

TEST(FileNames, FC2_76_ATemplateWithoutTheExtensionHasNoEndlessNumbers) {
    const test::TempFolder folder;
    const auto names = FileNames::make(folder.path().string() + "/{{ .ChannelID }}", sample());
    ASSERT_TRUE(names);
    ASSERT_TRUE(real_file_system().create(*first_free(*names, "ts", real_file_system())));
    const auto again = first_free(*names, "ts", real_file_system());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Errc::bad_input);
}

TEST(FileNames, FC2_76_AFolderThatCannotBeSearchedIsAnError) {
    const test::TempFolder folder;
    // A link to itself: no one may pass, root neither.
    std::filesystem::create_symlink(folder.path() / "loop", folder.path() / "loop");
    const auto names = FileNames::make(folder.path().string() + "/loop/{{ .ChannelID }}.{{ .Ext }}", sample());
    ASSERT_TRUE(names);
    EXPECT_FALSE(first_free(*names, "ts", real_file_system()));
}

TEST(FileNames, FC2_77_PlainNamesHaveNoNumber) {
    EXPECT_EQ(plain("{{ .ChannelID }}.{{ .Ext }}", sample(), "m4a"), "72364867.m4a");
}

TEST(FileNames, FC2_78_PartsBeginWithTheCombinedNamesFront) {
    const auto names = FileNames::make("d/{{ .ChannelID }}.{{ .Ext }}", sample());
    ASSERT_TRUE(names);
    EXPECT_EQ(*names->combined("mp4"), Path("d/72364867.combined.mp4"));
    EXPECT_EQ(*names->part_prefix("mp4"), Path("d/72364867"));
    const auto other = FileNames::make("{{ .Ext }}/{{ .ChannelID }}", sample());
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->part_prefix("mp4"));
}

TEST(FileNames, FC2_79_ANameIsNeverAnOption) {
    auto data = sample();
    data.title = "-rf x";
    EXPECT_EQ(plain("{{ .Title }}.{{ .Ext }}", data), "_-rf x.mp4");
    EXPECT_EQ(plain("d/{{ .Title }}.{{ .Ext }}", data), "d/-rf x.mp4");
}

TEST(FileNames, WhatIsNoFileIsRefused) {
    for (const char* out_format : {"", "{{ .ChannelID }}/", "..", "{{ .ChannelID }}/..", "a{{ \"\\x00\" }}b", "/"})
        EXPECT_TRUE(plain(out_format).starts_with("error: file name: ")) << out_format << ": " << plain(out_format);
}

}  // namespace
}  // namespace weir::apps
