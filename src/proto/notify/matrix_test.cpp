#include <gtest/gtest.h>

#include "proto/notify/notify_test_calls.h"

namespace weir::notify {
namespace {

constexpr auto password_url = "matrix://me:CANARY-password@hs.example.com/?rooms=!id:hs";

/// What was called, "METHOD path", with these answers one after the other.
struct MatrixTalk {
    std::vector<std::string> calls;
    std::vector<HttpCall> whole;
    std::string error;
};

MatrixTalk talk(Service& service, const Message& message, const std::vector<Result<Reply>>& answers) {
    MatrixTalk out;
    auto delivery = service.deliver(message, test_surroundings());
    if (!delivery) {
        out.error = delivery.error().text();
        return out;
    }
    std::size_t at = 0;
    while (const auto call = (*delivery)->next()) {
        const auto& http = std::get<HttpCall>(*call);
        out.whole.push_back(http);
        out.calls.push_back(http.method + " " + http.url.substr(http.url.find("/v3/") + 4));
        if (at == answers.size()) {
            out.error = "one answer more is needed";
            return out;
        }
        (*delivery)->take(answers[at++]);
    }
    const auto outcome = (*delivery)->outcome();
    if (!outcome) out.error = outcome.error().text();
    return out;
}

const Reply flows = answer_of(200, R"({"flows":[{"type":"m.login.sso"},{"type":"m.login.password"}]})");
const Reply token_1 = answer_of(200, R"({"access_token":"token-1"})"),
            token_2 = answer_of(200, R"({"access_token":"token-2"})");
const Reply sent = answer_of(200, R"({"event_id":"$e"})");
const Reply forgotten = answer_of(401, R"({"errcode":"M_UNKNOWN_TOKEN","error":"Unknown token"})");
const std::string put = "PUT rooms/%21id:hs/send/m.room.message/1795264244000000000-7272727272727272";

std::unique_ptr<Service> service_at(std::string_view url) {
    auto made = make_service(url);
    EXPECT_TRUE(made) << made.error().text();
    return made ? std::move(*made) : nullptr;
}

TEST(NotifyMatrix, LogsInAtTheFirstMessageAlone) {
    const auto service = service_at(password_url);
    const auto first = talk(*service, {.text = "a"}, {flows, token_1, sent});
    EXPECT_EQ(first.error, "");
    EXPECT_EQ(first.calls, (std::vector<std::string>{"GET login", "POST login", put}));
    EXPECT_EQ(
        first.whole[1].body,
        R"({"type":"m.login.password","identifier":{"type":"m.id.user","user":"me"},"password":"CANARY-password",)"
        R"("device_id":"SHSFP1SHYO"})");
    EXPECT_EQ(header(first.whole[0], "Authorization"), "none");
    EXPECT_EQ(header(first.whole[2], "Authorization"), "Bearer token-1");
    const auto second = talk(*service, {.text = "b"}, {sent});
    EXPECT_EQ(second.calls, (std::vector<std::string>{put}));
    EXPECT_EQ(header(second.whole[0], "Authorization"), "Bearer token-1");
}

TEST(NotifyMatrix, LogsInAgainWhenTheServerForgotTheToken) {
    const auto service = service_at(password_url);
    EXPECT_EQ(talk(*service, {.text = "a"}, {flows, token_1, sent}).error, "");
    const auto again = talk(*service, {.text = "b"}, {forgotten, flows, token_2, sent});
    EXPECT_EQ(again.error, "");
    EXPECT_EQ(again.calls, (std::vector<std::string>{put, "GET login", "POST login", put}));
    EXPECT_EQ(header(again.whole[3], "Authorization"), "Bearer token-2");
}

TEST(NotifyMatrix, LogsInAgainOnceAMessage) {
    const auto service = service_at(password_url);
    const auto tried = talk(*service, {.text = "a"}, {flows, token_1, forgotten, flows, token_2, forgotten});
    EXPECT_EQ(tried.error, "matrix: Unknown token");
    EXPECT_EQ(tried.calls.size(), 6u);
}

TEST(NotifyMatrix, CannotMendATokenOfTheUrl) {
    const auto service = service_at("matrix://:CANARY-token@hs.example.com/?rooms=!id:hs");
    const auto tried = talk(*service, {.text = "a"}, {forgotten});
    EXPECT_EQ(tried.error, "matrix: Unknown token");
    EXPECT_EQ(tried.calls, (std::vector<std::string>{put}));
}

TEST(NotifyMatrix, TellsWhyALoginFailed) {
    const auto service = service_at(password_url);
    EXPECT_EQ(talk(*service, {.text = "a"}, {answer_of(200, R"({"flows":[{"type":"m.login.sso"}]})")}).error,
              "matrix: the server takes no login with a password");
    EXPECT_EQ(talk(*service, {.text = "a"},
                   {flows, answer_of(403, R"({"errcode":"M_FORBIDDEN","error":"Invalid CANARY-password"})")})
                  .error,
              "matrix: Invalid ***");
    EXPECT_EQ(talk(*service, {.text = "a"}, {flows, answer_of(200, "{}")}).error, "matrix: the login gave no token");
    EXPECT_EQ(talk(*service, {.text = "a"}, {Error{Errc::unreachable, "cannot connect"}}).error,
              "matrix: cannot connect");
}

TEST(NotifyMatrix, TriesEachRoom) {
    const auto service = service_at("matrix://:CANARY-token@hs.example.com/?rooms=%23a:hs,!id:hs&disableTLS=yes");
    const auto tried =
        talk(*service, {.text = "a"}, {answer_of(404, R"({"errcode":"M_NOT_FOUND","error":"no such alias"})"), sent});
    EXPECT_EQ(tried.error, "matrix: no such alias");
    EXPECT_EQ(tried.calls, (std::vector<std::string>{"POST join/%23a:hs", put}));
    EXPECT_TRUE(tried.whole[0].url.starts_with("http://hs.example.com/_matrix/"));
}

TEST(NotifyMatrix, SendsToAllJoinedRoomsWithoutAny) {
    const auto service = service_at("matrix://:CANARY-token@hs.example.com/");
    const auto tried =
        talk(*service, {.text = "a"}, {answer_of(200, R"({"joined_rooms":["!id:hs",7,"!b/c:hs"]})"), sent, sent});
    EXPECT_EQ(tried.error, "");
    ASSERT_EQ(tried.calls.size(), 3u);
    EXPECT_EQ(tried.calls[0], "GET joined_rooms");
    EXPECT_TRUE(tried.calls[2].starts_with("PUT rooms/%21b%2Fc:hs/send/"));
    for (const auto* const body : {"{}", "no json", R"({"joined_rooms":[]})", R"({"joined_rooms":{}})", "[]"})
        EXPECT_EQ(talk(*service, {.text = "a"}, {answer_of(200, body)}).error, "matrix: the user has joined no room")
            << body;
}

TEST(NotifyMatrix, EndsWhenAJoinTellsNoRoom) {
    const auto service = service_at("matrix://:CANARY-token@hs.example.com/?room=a");
    EXPECT_EQ(talk(*service, {.text = "a"}, {answer_of(200, R"({"room_id":"#a"})")}).error,
              "matrix: the server joined a room and did not say which");
}

TEST(NotifyMatrix, RefusesWhatItCannotUse) {
    EXPECT_EQ(refusal("matrix://hs/"), "matrix: matrix://USER:PASSWORD@host or matrix://:TOKEN@host is needed");
    EXPECT_EQ(refusal("matrix://me@hs/"), "matrix: matrix://USER:PASSWORD@host or matrix://:TOKEN@host is needed");
    EXPECT_EQ(refusal("matrix://:token@hs/?rooms=a,,b"), "matrix: a room has no name");
    EXPECT_NE(refusal("matrix://:token@hs/?other=a"), "");
}

TEST(NotifyMatrix, CutsATextAboveWhatAnEventHolds) {
    const auto service = service_at("matrix://:CANARY-token@hs.example.com/?rooms=!id:hs");
    const auto tried = talk(*service, {.text = std::string(60'000, 'x')}, {sent});
    ASSERT_EQ(tried.whole.size(), 1u);
    EXPECT_LT(tried.whole[0].body.size(), 50'000u);
    EXPECT_TRUE(tried.whole[0].body.ends_with("x [...]\"}"));
}

}  // namespace
}  // namespace weir::notify
