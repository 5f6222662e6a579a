#include "proto/fc2/messages.h"

#include <gtest/gtest.h>

#include <sstream>

#include "proto/fc2/fc2_test_data.h"

namespace weir::fc2 {
namespace {

std::string server_message(std::string_view name, std::string_view arguments) {
    return R"({"name":")" + std::string(name) + R"(","arguments":)" + std::string(arguments) + '}';
}

std::vector<Comment> comments_in(std::string_view list) {
    const auto message = parse_message(server_message("comment", R"({"comments":)" + std::string(list) + '}'));
    const auto* comments = std::get_if<Comments>(&message);
    EXPECT_TRUE(comments) << list;
    return comments ? comments->comments : std::vector<Comment>();
}

/// The messages that the server sends in the sample, in order.
std::vector<Message> received_sample() {
    std::vector<Message> out;
    std::istringstream lines(sample("ws_messages.jsonl"));
    constexpr std::string_view head = R"({"dir": "received", "message": )";
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(head))
            out.push_back(parse_message(line.substr(head.size(), line.size() - head.size() - 1)));
    return out;
}

TEST(Fc2Messages, ReadsTheSample) {  // FC2-21
    const auto all = received_sample();
    ASSERT_EQ(all.size(), 11u);
    EXPECT_EQ(std::get<Other>(all[0]).name, "initial_connect");
    EXPECT_TRUE(std::holds_alternative<ConnectComplete>(all[1]));
    EXPECT_EQ(std::get<Other>(all[2]).name, "user_count");
    EXPECT_EQ(std::get<Other>(all[2]).why, "");
    const auto& response = std::get<Response>(all[3]);
    EXPECT_EQ(response.id, 1);
    EXPECT_EQ(response.status, 0);
    EXPECT_EQ(response.playlists.size(), 12u);
    EXPECT_EQ(std::get<Comments>(all[4]).comments.size(), 3u);
    EXPECT_EQ(std::get<Comments>(all[5]).comments.size(), 1u);
    EXPECT_EQ(std::get<Response>(all[6]).id, 2);
    EXPECT_TRUE(std::get<Response>(all[6]).playlists.empty());
    EXPECT_EQ(std::get<Disconnection>(all[7]).code, 4101);
    EXPECT_EQ(std::get<Disconnection>(all[9]).code, 4512);
    EXPECT_TRUE(std::holds_alternative<PublishStop>(all[10]));
}

TEST(Fc2Messages, JoinsTheListsInOrder) {  // T7
    const auto message =
        parse_message(R"({"name":"_response_","id":3,"arguments":{"playlists_middle_latency":[{"mode":52,"url":"c"}],)"
                      R"("playlists":[{"mode":50,"url":"a"}],"playlists_high_latency":[{"mode":51,"url":"b"}]}})");
    const auto& list = std::get<Response>(message).playlists;
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[0].mode, 50);
    EXPECT_EQ(list[1].mode, 51);
    EXPECT_EQ(list[2].mode, 52);
}

TEST(Fc2Messages, ResponsesOfAnotherShape) {  // FC2-25
    struct {
        const char* sent;
        std::int64_t id;
        std::optional<int> status;
        std::size_t playlists;
    } const cases[] = {
        {R"({"name":"_response_","id":"4","arguments":{"status":"0","playlists":null}})", 4, 0, 0},
        {R"({"name":"_response_","id":4,"arguments":{}})", 4, {}, 0},
        {R"({"name":"_response_","id":4})", 4, {}, 0},
        {R"({"name":"_response_","id":4,"arguments":[]})", 4, {}, 0},
        {R"({"name":"_response_","id":4,"arguments":{"playlists":"x","playlists_high_latency":[1,{"url":"u"},null]}})",
         4,
         {},
         0},
        {R"({"name":"_response_","id":4.0,"arguments":{"status":7,"playlists":[{"mode":"52","status":"0","url":"u"}]}})",
         4, 7, 1},
        {R"({"name":"_response_","id":4,"arguments":{"playlists":{"0":{"mode":52,"status":null,"url":null}}}})",
         4,
         {},
         1},
    };
    for (const auto& one : cases) {
        const auto message = parse_message(one.sent);
        const auto* response = std::get_if<Response>(&message);
        ASSERT_TRUE(response) << one.sent;
        EXPECT_EQ(response->id, one.id) << one.sent;
        EXPECT_EQ(response->status, one.status) << one.sent;
        EXPECT_EQ(response->playlists.size(), one.playlists) << one.sent;
    }
}

TEST(Fc2Messages, WhatCannotBeReadIsSaidAndNoMore) {  // FC2-28
    for (const auto* sent :
         {"", "x", "{", "[]", "1", "null", R"({"arguments":{}})", R"({"name":5})", R"({"name":"_response_"})",
          R"({"name":"_response_","id":{}})", R"({"name":"comment"})",
          R"({"name":"comment","arguments":{"comments":"x"}})", R"({"name":"comment","arguments":{"comments":[1]}})"}) {
        const auto message = parse_message(sent);
        const auto* other = std::get_if<Other>(&message);
        ASSERT_TRUE(other) << sent;
        EXPECT_FALSE(other->why.empty()) << sent;
    }
    const auto other = std::get<Other>(parse_message(server_message("gift", "{}")));
    EXPECT_EQ(other.name, "gift");
    EXPECT_EQ(other.why, "");
}

TEST(Fc2Messages, CommentLines) {  // FC2-30, FC2-51
    const std::pair<const char*, const char*> cases[] = {
        {R"([{"comment":"<b>&\u2028 \"x\" こ","history":1,"user_name":"v"}])",
         R"({"user_name":"v","comment":"\u003cb\u003e\u0026\u2028 \"x\" こ","timestamp":0,"encrypted_user_id":"","orz_token":"",)"
         R"("hash":"","color":"","size":"","lang":"","anonymous":0,"history":1})"},
        {R"([{"new":{"x":[1,null]},"timestamp":"17","color":255,"anonymous":true,"comment":null,"user_name":"a\nb"}])",
         R"({"user_name":"a\nb","comment":"","timestamp":17,"encrypted_user_id":"","orz_token":"","hash":"","color":"255",)"
         R"("size":"","lang":"","anonymous":1,"history":0,"new":{"x":[1,null]}})"},
        {R"([{"timestamp":"soon","comment":["x"],"history":""}])",
         R"({"user_name":"","comment":["x"],"timestamp":"soon","encrypted_user_id":"","orz_token":"","hash":"","color":"",)"
         R"("size":"","lang":"","anonymous":0,"history":0})"},
    };
    for (const auto& [sent, line] : cases) {
        const auto comments = comments_in(sent);
        ASSERT_EQ(comments.size(), 1u) << sent;
        EXPECT_EQ(comments[0].line, line);
    }
}

TEST(Fc2Messages, ACommentAloneAndEmptyLists) {
    EXPECT_EQ(comments_in(R"({"comment":"x"})").size(), 1u);
    EXPECT_TRUE(comments_in("[]").empty());
    EXPECT_TRUE(comments_in("null").empty());
    EXPECT_EQ(comments_in(R"([null,{"comment":"x"},5])").size(), 1u);
}

TEST(Fc2Messages, CommentKeys) {
    const auto key = [](const char* fields) {
        return comments_in(R"([{"comment":"c","timestamp":5,"hash":"h","user_name":"u",)" + std::string(fields) + "}]")
            .at(0)
            .key;
    };
    const auto live = key(R"("history":0)");
    EXPECT_EQ(key(R"("history":1)"), live);
    EXPECT_EQ(key(R"("color":"red")"), live);
    EXPECT_EQ(key(R"("timestamp":"5")"), live);
    EXPECT_NE(key(R"("comment":"d")"), live);
    EXPECT_NE(key(R"("timestamp":6)"), live);
    EXPECT_NE(key(R"("hash":"i")"), live);
    EXPECT_NE(key(R"("orz_token":"o")"), live);
    EXPECT_NE(key(R"("encrypted_user_id":"o")"), live);
    EXPECT_NE(key(R"("comment":"cu","user_name":"")"), live);
    const auto all = received_sample();
    const auto& sample_comments = std::get<Comments>(all[4]).comments;
    EXPECT_NE(sample_comments[0].key, sample_comments[1].key);
    EXPECT_EQ(sample_comments[1].key, sample_comments[2].key);
}

TEST(Fc2Messages, Disconnections) {  // FC2-24, T31
    EXPECT_EQ(
        std::get<Disconnection>(parse_message(server_message("control_disconnection", R"({"code":"4507"})"))).code,
        4507);
    EXPECT_EQ(std::get<Disconnection>(parse_message(server_message("control_disconnection", R"({"code":{}})"))).code,
              0);
    EXPECT_EQ(std::get<Disconnection>(parse_message(R"({"name":"control_disconnection"})")).code, 0);
    const std::pair<int, Errc> cases[] = {
        {4101, Errc::denied}, {4507, Errc::denied}, {4512, Errc::busy}, {9999, Errc::lost_peer}, {0, Errc::lost_peer}};
    for (const auto& [code, kind] : cases) {
        EXPECT_EQ(disconnection_error(code).code, kind) << code;
        EXPECT_EQ(disconnection_error(code).status, code);
        EXPECT_NE(disconnection_error(code).what.find(std::to_string(code)), std::string::npos);
    }
}

TEST(Fc2Messages, Requests) {  // FC2-20
    EXPECT_EQ(heartbeat(7), R"({"name":"heartbeat","arguments":{},"id":7})");
    EXPECT_EQ(get_hls_information(1), R"({"name":"get_hls_information","arguments":{},"id":1})");
}

}  // namespace
}  // namespace weir::fc2
