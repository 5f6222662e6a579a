#include "proto/fc2/member.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "proto/fc2/fc2_test_data.h"
#include "proto/gotemplate/template.h"

namespace weir::fc2 {
namespace {

/// memberApi with these fields in channel_data and profile_data.
std::string member_with(std::string channel, std::string_view profile = R"("name":"A &amp; B")") {
    if (channel.find("is_publish") == std::string::npos) channel += R"(,"is_publish":1)";
    return R"({"status":1,"data":{"channel_data":{)" + channel + R"(},"profile_data":{)" + std::string(profile) +
           R"(},"user_data":{"is_login":0}}})";
}

std::string printed(const Member& member, const std::string& field) {
    const auto made = gotemplate::Template::parse("t", "{{ ." + field + " }}");
    if (!made) return made.error().text();
    const auto out = made->execute(member.metadata);
    return out ? *out : out.error().text();
}

bool mentions(const std::vector<std::string>& lines, std::string_view line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST(Fc2Member, ReadsAnOfflineChannel) {  // T6, FC2-6
    const auto member = parse_member(sample("member_offline.json"));
    ASSERT_TRUE(member) << member.error().text();
    EXPECT_FALSE(member->live);
    EXPECT_EQ(member->channel_id, "30000003");
    EXPECT_EQ(member->title, "");
    EXPECT_EQ(member->start, 0);
    EXPECT_TRUE(member->drifts.empty()) << member->drifts.front();
}

TEST(Fc2Member, ReadsWhatARecordingNeeds) {  // FC2-7
    const auto member = parse_member(member_with(
        R"("channelid":"91","version":"v1","title":"1 &lt; 2 &amp;amp; 3 &#39;x&#39;","image":"https://i/",)"
        R"("start":1700000000,"login_only":1,"is_publish":1)"));
    ASSERT_TRUE(member) << member.error().text();
    EXPECT_TRUE(member->live);
    EXPECT_EQ(member->channel_id, "91");
    EXPECT_EQ(member->version, "v1");
    EXPECT_EQ(member->title, "1 < 2 &amp; 3 'x'");
    EXPECT_EQ(member->name, "A & B");
    EXPECT_EQ(member->image, "https://i/");
    EXPECT_EQ(member->start, 1700000000);
    EXPECT_TRUE(member->login_only);
    EXPECT_FALSE(member->paid);
}

TEST(Fc2Member, KnowsWhatMustBePaid) {
    EXPECT_TRUE(parse_member(member_with(R"("login_only":2)"))->paid);
    EXPECT_TRUE(parse_member(member_with(R"("ticket_only":"1")"))->paid);
    EXPECT_FALSE(parse_member(member_with(R"("ticket_only":0)"))->paid);
}

TEST(Fc2Member, LivenessWhateverItsKind) {  // FC2-9, section 11.6
    struct {
        const char* sent;
        bool live;
    } const cases[] = {{"1", true},       {R"("1")", true}, {"1.0", true},      {"true", true},
                       {"2", true},       {"1e0", true},    {R"("1.0")", true}, {"0", false},
                       {R"("0")", false}, {"0.0", false},   {"false", false},   {"-1", false}};
    for (const auto& one : cases) {
        const auto member = parse_member(member_with(std::string(R"("is_publish":)") + one.sent));
        ASSERT_TRUE(member) << one.sent << ": " << member.error().text();
        EXPECT_EQ(member->live, one.live) << one.sent;
    }
}

TEST(Fc2Member, UnreadableLivenessIsNeverOffline) {  // FC2-12
    for (const auto* sent : {R"({"a":1})", R"("abc")", R"("")", "[]", "null", "1e300"}) {
        const auto member = parse_member(member_with(std::string(R"("is_publish":)") + sent));
        ASSERT_FALSE(member) << sent;
        EXPECT_EQ(member.error().code, Errc::bad_input);
        EXPECT_NE(member.error().what.find("channel_data.is_publish"), std::string::npos) << member.error().what;
    }
    EXPECT_FALSE(parse_member(R"({"status":1,"data":{"channel_data":{},"profile_data":{}}})"));
}

TEST(Fc2Member, ErrorsNameTheirField) {  // FC2-5
    struct {
        const char *sent, *text;
    } const cases[] = {
        {"<html>", "not JSON"},
        {"", "not JSON"},
        {R"({"status":1})", "data: missing"},
        {R"({"status":1,"data":null})", "data: missing"},
        {R"({"status":1,"data":[]})", "data.channel_data: missing"},
        {R"({"status":1,"data":{"channel_data":[]}})", "data.channel_data: missing"},
        {R"([1])", "the answer: a list"},
        {R"({"status":0,"msg":"no such channel\u001b"})", R"(status: 0 (no such channel\x1b))"},
        {R"({"status":"-1","msg":"busy","data":{"channel_data":{"is_publish":0}}})", "status: -1 (busy)"},
        {R"({"status":1,"data":{}} x)", "not JSON"},
    };
    for (const auto& one : cases) {
        const auto member = parse_member(one.sent);
        ASSERT_FALSE(member) << one.sent;
        EXPECT_EQ(member.error().code, Errc::bad_input);
        EXPECT_EQ(member.error().what.find(one.text), 0u) << member.error().what;
    }
}

TEST(Fc2Member, StatusOfAnotherKindIsToldAndReadOn) {
    for (const auto* status : {R"("status":"1",)", R"("status":{},)", R"("status":true,)", ""}) {
        const auto member = parse_member(std::string("{") + status +
                                         R"("data":{"channel_data":{"is_publish":1},"profile_data":null}})");
        ASSERT_TRUE(member) << status;
        EXPECT_TRUE(member->live);
        ASSERT_EQ(member->drifts.size(), 1u) << status;
        EXPECT_EQ(member->drifts.front().find("status: "), 0u);
    }
}

TEST(Fc2Member, DriftsAreReadAndTold) {  // FC2-8 to FC2-10
    struct {
        const char *field, *name, *printed, *drift;
    } const cases[] = {
        // what has drifted in 2025 and 2026 is known by now
        {R"("userid":5)", "ChannelData.UserID", "5", nullptr},
        {R"("userid":"5")", "ChannelData.UserID", "5", nullptr},
        {R"("category":7)", "ChannelData.Category", "7", nullptr},
        {R"("category":"7")", "ChannelData.Category", "7", nullptr},
        {R"("comment_limit":"")", "ChannelData.CommentLimit", "", nullptr},
        {R"("comment_limit":10)", "ChannelData.CommentLimit", "10", nullptr},
        {R"("video_mapping":1)", "ChannelData.VideoMapping", "1", nullptr},
        {R"("fc2_channel":{"fc2id":"8"})", "ChannelData.FC2Channel.Fc2ID", "8", nullptr},
        {R"("fc2_channel":{"fc2id":8})", "ChannelData.FC2Channel.Fc2ID", "8", nullptr},
        {R"("title":null)", "ChannelData.Title", "", nullptr},
        {R"("amount":null)", "ChannelData.Amount", "0", nullptr},
        // what would be new
        {R"("channelid":9)", "ChannelData.ChannelID", "9", "channel_data.channelid: a number where text was expected"},
        {R"("version":1.50)", "ChannelData.Version", "1.50", "channel_data.version: a number where text was expected"},
        {R"("title":true)", "ChannelData.Title", "true", "channel_data.title: true or false where text was expected"},
        {R"("count":"12")", "ChannelData.Count", "12", "channel_data.count: text where a number was expected"},
        {R"("count":false)", "ChannelData.Count", "0", "channel_data.count: true or false where a number was expected"},
        {R"("count":"many")", "ChannelData.Count", "many", "channel_data.count: text where a number was expected"},
        {R"("count":"")", "ChannelData.Count", "0", "channel_data.count: text where a number was expected"},
        {R"("info":{"a":1})", "ChannelData.Info", R"({"a":1})", "channel_data.info: an object where text was expected"},
        {R"("userid":[1])", "ChannelData.UserID", "[1]",
         "channel_data.userid: a list where a number or text was expected"},
        {R"("gift_list":{})", "ChannelData.GiftList", "[]",
         "channel_data.gift_list: an object where a list was expected"},
        {R"("gift_list":[{"id":"1"},{"id":"2"}])", "ChannelData.GiftList", "[{1 0 [] } {2 0 [] }]",
         "channel_data.gift_list[].id: text where a number was expected"},
        {R"("fc2_channel":[])", "ChannelData.FC2Channel.Title", "",
         "channel_data.fc2_channel: a list where an object was expected"},
        {R"("is_publish":"1")", "ChannelData.IsPublish", "1",
         "channel_data.is_publish: text where a number was expected"},
        {R"("is_publish":true)", "ChannelData.IsPublish", "1",
         "channel_data.is_publish: true or false where a number was expected"},
    };
    for (const auto& one : cases) {
        const auto member = parse_member(member_with(one.field));
        ASSERT_TRUE(member) << one.field << ": " << member.error().text();
        EXPECT_TRUE(member->live) << one.field;
        EXPECT_EQ(printed(*member, one.name), one.printed) << one.field;
        if (!one.drift) {
            EXPECT_TRUE(member->drifts.empty()) << member->drifts.front();
            continue;
        }
        ASSERT_EQ(member->drifts.size(), 1u) << one.field;
        EXPECT_EQ(member->drifts.front(), one.drift);
    }
}

TEST(Fc2Member, ProfileIsOfAnyKind) {  // FC2-8, FC2-10: issue 170
    for (const auto* profile : {R"("name":"n","userid":1,"fc2id":2,"age":3,"sex":1)",
                                R"("name":"n","userid":"1","fc2id":"2","age":"3","sex":"m","icon":[],"info":null)"}) {
        const auto member = parse_member(member_with(R"("title":"t")", profile));
        ASSERT_TRUE(member) << profile;
        EXPECT_EQ(member->name, "n");
        EXPECT_EQ(printed(*member, "ProfileData.UserID"), "1");
        EXPECT_EQ(printed(*member, "ProfileData.Age"), "3");
        EXPECT_TRUE(member->drifts.empty()) << member->drifts.front();
    }
    const auto member = parse_member(member_with(R"("title":"t")", R"("name":17)"));
    ASSERT_TRUE(member);
    EXPECT_EQ(member->name, "17");
    EXPECT_TRUE(mentions(member->drifts, "profile_data.name: a number where text was expected"));
}

TEST(Fc2Member, MetadataUnderGoNames) {  // FC2-69, FC2-70
    const auto member = parse_member(member_with(
        R"("channelid":"c","title":"a &amp; b","ticketid":123456789012345678,"is_rest":1,"start":1700000000,"fee":1.0,)"
        R"("fc2_channel":{"url":"u","images":["x",2]},"unknown":"u")"));
    ASSERT_TRUE(member) << member.error().text();
    const std::pair<const char*, const char*> cases[] = {{"ChannelData.ChannelID", "c"},
                                                         {"ChannelData.Title", "a & b"},
                                                         {"ProfileData.Name", "A &amp; B"},
                                                         {"ChannelData.Ticketid", "123456789012345678"},
                                                         {"ChannelData.IsREST", "1"},
                                                         {"ChannelData.IsPublish", "1"},
                                                         {"ChannelData.Start", "1700000000"},
                                                         {"ChannelData.Fee", "1.0"},
                                                         {"ChannelData.FC2Channel.URL", "u"},
                                                         {"ChannelData.FC2Channel.Images", "[x 2]"},
                                                         {"ChannelData.LoginOnly", "0"},
                                                         {"ChannelData.VideoStereo3D", ""},
                                                         {"ChannelData.GiftList", "[]"},
                                                         {"UserData.IsLogin", "0"},
                                                         {"UserData.GiftList", ""}};
    for (const auto& [name, text] : cases) EXPECT_EQ(printed(*member, name), text) << name;
    EXPECT_NE(printed(*member, "ChannelData.Unknown").find("can't evaluate field"), std::string::npos);
}

TEST(Fc2Member, InfoKeepsOrderAndUnknownKeys) {  // FC2-48
    const auto member = parse_member(member_with(
        R"("new":{"z":1,"a":[]},"title":"&lt;b&gt; &amp; \"x\"\u2028","channelid":"c","count":"3","fee":0.50,"userid":null)"));
    ASSERT_TRUE(member) << member.error().text();
    const auto& info = member->info_json;
    EXPECT_EQ(
        info.find("{\n  \"channel_data\": {\n    \"channelid\": \"c\",\n    \"userid\": null,\n    \"adult\": 0,\n"),
        0u)
        << info;
    EXPECT_NE(info.find("    \"title\": \"\\u003cb\\u003e \\u0026 \\\"x\\\"\\u2028\",\n"), std::string::npos) << info;
    EXPECT_NE(info.find("    \"count\": 3,\n    \"total\": 0,\n"), std::string::npos) << info;
    EXPECT_NE(info.find("    \"fee\": 0.50,\n"), std::string::npos) << info;
    EXPECT_NE(
        info.find(
            "    \"video_horizontal_view\": null,\n    \"new\": {\n      \"z\": 1,\n      \"a\": []\n    }\n  },\n"
            "  \"profile_data\": {"),
        std::string::npos)
        << info;
    EXPECT_TRUE(info.ends_with("\n}\n")) << info;
}

TEST(Fc2Member, InfoOfTheOfflineSampleSaysTheSame) {
    const auto member = parse_member(sample("member_offline.json"));
    ASSERT_TRUE(member);
    EXPECT_NE(member->info_json.find("\"\\\\/img\\\\/gift\\\\/ochako.png\"\n"), std::string::npos);
    const auto again = parse_member(R"({"status":1,"data":)" + member->info_json + "}");
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->info_json, member->info_json);
}

TEST(Fc2Member, BrokenTextDoesNotBreakTheAnswer) {
    struct {
        const char *sent, *title;
    } const cases[] = {{R"(a\ud83d)", "a\xef\xbf\xbd"},
                       {R"(a\ude00b)",
                        "a\xef\xbf\xbd"
                        "b"},
                       {R"(\ud83d\u0041)",
                        "\xef\xbf\xbd"
                        "A"},
                       {R"(\ud83d\ude00)", "\xf0\x9f\x98\x80"},
                       {R"(\\ud83d)", "\\ud83d"},
                       {"a\xff", "a\xef\xbf\xbd"}};
    for (const auto& one : cases) {
        const auto member = parse_member(member_with(std::string(R"("title":")") + one.sent + '"'));
        ASSERT_TRUE(member) << one.sent << member.error().text();
        EXPECT_EQ(member->title, one.title);
    }
    EXPECT_TRUE(parse_member("\xef\xbb\xbf" + member_with(R"("title":"")")));
}

TEST(Fc2Member, LimitsHold) {
    const std::string deep(65, '['), closed(65, ']');
    EXPECT_FALSE(parse_member(member_with(R"("x":)" + deep + closed)));
    EXPECT_FALSE(parse_member(member_with(R"("title":")" + std::string(4u << 20, 'x') + '"')));
    std::string many = "0";
    for (int i = 0; i < 500'000; ++i) many += ",0";
    EXPECT_FALSE(parse_member(member_with(R"("x":[)" + many + ']')));
}

TEST(Fc2ControlServer, ReadsBothSamples) {  // FC2-14 to FC2-17, T26
    const auto anonymous = parse_control_server(sample("control_anonymous.json"));
    ASSERT_TRUE(anonymous) << anonymous.error().text();
    EXPECT_EQ(anonymous->user_name, "");
    EXPECT_EQ(anonymous->orz_raw, "0123456789abcdef0123456789abcdef01234567");
    EXPECT_EQ(anonymous->expires, 1900000000);
    EXPECT_EQ(anonymous->url.find("wss://control.example.test/control/channels/30000003?control_token=eyJ0eXAi"), 0u)
        << anonymous->url;
    const auto known = parse_control_server(sample("control_logged_in.json"));
    ASSERT_TRUE(known) << known.error().text();
    EXPECT_FALSE(known->user_name.empty());
}

constexpr std::string_view small_token =
    "e30.eyJ1c2VyX25hbWUiOiJhIiwiZXhwIjoiNSJ9.c2ln";  // {"user_name":"a","exp":"5"}

std::string control_with(std::string_view fields) {
    return R"({"control_token":")" + std::string(small_token) + '"' + std::string(fields) + '}';
}

TEST(Fc2ControlServer, ReadsTolerantly) {
    const auto server = parse_control_server(control_with(R"(,"url":"ws://h/?a=1#f","status":"0","orz_raw":null)"));
    ASSERT_TRUE(server) << server.error().text();
    EXPECT_EQ(server->url, "ws://h/?a=1&control_token=" + std::string(small_token));
    EXPECT_EQ(server->user_name, "a");
    EXPECT_EQ(server->expires, 5);
    EXPECT_TRUE(parse_control_server(control_with(R"(,"url":"WSS://h/")")));
}

TEST(Fc2ControlServer, ErrorsNameTheirField) {
    struct {
        std::string sent;
        Errc code;
        const char* text;
    } const cases[] = {
        {"x", Errc::bad_input, "not JSON"},
        {control_with(R"(,"status":11,"url":"ws://h/")"), Errc::denied, "status: 11"},
        {R"({"status":"12","msg":"no"})", Errc::denied, "status: 12 (no)"},
        {control_with(""), Errc::bad_input, "url: missing"},
        {control_with(R"(,"url":"https://h/")"), Errc::bad_input, "url: not the address"},
        {control_with(R"(,"url":"ws://h/\r\nX: y")"), Errc::bad_input, "url: not the address"},
        {R"({"url":"ws://h/"})", Errc::bad_input, "control_token: missing"},
        {R"({"url":"ws://h/","control_token":"a.b"})", Errc::bad_input, "control_token: token contains"},
        {R"({"url":"ws://h/","control_token":"a.!!.c"})", Errc::bad_input, "control_token: token is malformed"},
        {R"({"url":"ws://h/","control_token":"a.MQ.c"})", Errc::bad_input, "control_token: no claims"},
    };
    for (const auto& one : cases) {
        const auto server = parse_control_server(one.sent);
        ASSERT_FALSE(server) << one.sent;
        EXPECT_EQ(server.error().code, one.code) << one.sent;
        EXPECT_EQ(server.error().what.find(one.text), 0u) << server.error().what;
    }
}

TEST(Fc2ChannelList, ReadsWhoIsLive) {  // FC2-141
    const auto list = parse_channel_list(
        R"({"link":"x","is_adult":0,"time":1,"channel":[{"id":"7","name":"A &amp; B","title":"&lt;t","count":"12","login":1,)"
        R"("pay":0},{"id":8,"fc2id":"1","pay":true},{"name":"no id"},"odd"]})");
    ASSERT_TRUE(list) << list.error().text();
    ASSERT_EQ(list->size(), 2u);
    EXPECT_EQ((*list)[0].id, "7");
    EXPECT_EQ((*list)[0].name, "A & B");
    EXPECT_EQ((*list)[0].title, "<t");
    EXPECT_EQ((*list)[0].count, 12);
    EXPECT_TRUE((*list)[0].login);
    EXPECT_FALSE((*list)[0].pay);
    EXPECT_EQ((*list)[1].id, "8");
    EXPECT_TRUE((*list)[1].pay);
}

TEST(Fc2ChannelList, AnEmptyListIsNotAnUnreadableOne) {
    EXPECT_TRUE(parse_channel_list(R"({"channel":[]})")->empty());
    EXPECT_EQ(parse_channel_list(R"({"channel":{"3":{"id":"1"}}})")->size(), 1u);
    for (const auto* sent : {"{}", R"({"channel":null})", R"({"channel":"x"})", R"({"channel":[1,2]})", "[]", "<html>"})
        EXPECT_FALSE(parse_channel_list(sent)) << sent;
}

TEST(Fc2ChannelId, TakesIdsAndAddresses) {  // FC2-1
    for (const auto* text :
         {"91544481", " 91544481\n", "https://live.fc2.com/91544481/", "http://live.fc2.com/91544481",
          "HTTPS://Live.FC2.com/91544481/?x=1#y", "live.fc2.com/91544481", "https://livechatfc2.com/91544481/",
          "https://live.livechatfc2.com/91544481"}) {
        const auto id = parse_channel_id(text);
        ASSERT_TRUE(id) << text;
        EXPECT_EQ(*id, "91544481");
    }
    for (const auto* text : {"", "abc", "-1", "https://live.fc2.com/", "https://live.fc2.com/abc",
                             "https://live.fc2.com", "https://evil.test/91544481", "ftp://live.fc2.com/1",
                             "https://live.fc2.com.evil.test/1", "123456789012345678901", "１２"})
        EXPECT_FALSE(parse_channel_id(text)) << text;
}

TEST(Fc2Html, UnescapesOnce) {
    const std::pair<const char*, const char*> cases[] = {
        {"a &amp;lt; b", "a &lt; b"},
        {"&#39;&#x2F;&#X2f;&quot;&apos;&nbsp;", "'//\"'\xc2\xa0"},
        {"&yuml;&Agrave;&hellip;", "ÿÀ…"},
        {"&#x1F600;&#128;", "😀€"},
        {"&#0;&#xD800;&#x110000;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"a & b &x; &; &# &#; &#x; &#xg; &am", "a & b &x; &; &# &#; &#x; &#xg; &am"},
        {"&", "&"},
        {"", ""},
        {"&&amp;;", "&&;"}};
    for (const auto& [in, out] : cases) EXPECT_EQ(html_unescaped(in), out) << in;
}

TEST(Fc2HomePage, TellsAsWhom) {  // FC2-120
    const auto known = parse_home_page(R"(<a href="/logout/">x</a><span class="m-hder01_uName"> A &amp; B </span>)");
    EXPECT_TRUE(known.logged_in);
    EXPECT_EQ(known.user_name, "A & B");
    EXPECT_FALSE(parse_home_page("<a>login</a>").logged_in);
    EXPECT_EQ(parse_home_page("logout m-hder01_uName").user_name, "");
    EXPECT_EQ(parse_home_page("logout m-hder01_uName\">open").user_name, "");
}

}  // namespace
}  // namespace weir::fc2
