// Every request that the reference was seen to make is made by weir too, or the difference stands, with its reason, in
// tests/data/notify/weir_differences.json:
//     case, send   which send of which case of shoutrrr_requests.json
//     why          with the section of notify.md that says so
//     as_send      weir makes the requests of that other send of the case, and it ends well
//     requests     weir makes these, in the fixture's form, and it ends well
//     set, drop    members of the requests as this test compares them (see compared()), by JSON pointer: "/0/body/title"
//     fails        weir refuses, in words that hold these; with `requests`, after these
//     reply_body   what is answered, where the reference made no request that its fake could answer
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "base/numbers.h"
#include "base/text.h"
#include "proto/notify/service.h"
#include "proto/notify/service_url.h"

namespace weir::notify {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& object, std::string_view key, std::string_view otherwise = "") {
    const auto* at = object.if_contains(key);
    return std::string(at ? std::string_view(at->as_string()) : otherwise);
}

json::value data_file(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/notify/" + name);
    std::stringstream text;
    text << in.rdbuf();
    json::error_code failed;
    auto value = json::parse(text.str(), failed);
    return failed ? json::value(nullptr) : value;
}

const json::array& cases() {
    static const json::value file = data_file("shoutrrr_requests.json");
    static const json::array none;
    return file.is_object() ? file.at("cases").as_array() : none;
}

const json::array& differences() {
    static const json::value file = data_file("weir_differences.json");
    static const json::array none;
    return file.is_array() ? file.as_array() : none;
}

const json::object* difference_of(std::string_view name, std::size_t send) {
    for (const auto& one : differences())
        if (one.at("case").as_string() == name && one.at("send").as_int64() == static_cast<std::int64_t>(send))
            return &one.as_object();
    return nullptr;
}

// What is compared of a request: {method, origin, path: [decoded], query: [sorted], headers: {lower case}, body}.

ServiceUrl decoded(const std::string& rest) {
    auto url = read_service_url("x://h/" + rest);
    EXPECT_TRUE(url) << rest;
    return url ? *url : ServiceUrl{};
}

json::array path_parts(std::string_view path) {
    json::array out;
    while (!path.empty()) {
        path.remove_prefix(1);  // the slash
        const auto end = std::min(path.find('/'), path.size());
        out.emplace_back(decoded(std::string(path.substr(0, end))).path.substr(1));
        path.remove_prefix(end);
    }
    return out;
}

json::array sorted_query(const std::string& query) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : decoded("?" + query).query) pairs.push_back(key + "=" + value);
    std::sort(pairs.begin(), pairs.end());
    return json::array(pairs.begin(), pairs.end());
}

void add_url(json::object& out, std::string_view url) {
    const auto begin = url.find("://") + 3;
    const auto authority_end = std::min(url.find_first_of("/?", begin), url.size());
    auto authority = std::string(url.substr(begin, authority_end - begin));
    authority.erase(0, authority.rfind('@') + 1);  // Go makes a header of it
    for (const auto& [scheme, port] : {std::pair{"https://", ":443"}, std::pair{"http://", ":80"}})
        if (url.starts_with(scheme) && authority.ends_with(port)) authority.erase(authority.rfind(':'));
    const auto path_end = std::min(url.find('?', authority_end), url.size());
    out["origin"] = std::string(url.substr(0, begin)) + authority;
    out["path"] = path_parts(url.substr(authority_end, path_end - authority_end));
    out["query"] = sorted_query(std::string(url.substr(std::min(path_end + 1, url.size()))));
}

json::value compared_body(const std::string& type, const std::string& body) {
    if (type == "application/x-www-form-urlencoded") {
        json::object fields;
        for (const auto& [key, value] : decoded("?" + body).query) {
            EXPECT_FALSE(fields.contains(key)) << key;
            fields[key] = value;
        }
        return fields;
    }
    json::error_code failed;
    auto value = json::parse(body, failed);
    const bool structured = type.find("json") != std::string::npos && !failed;
    return structured ? value : json::value(body);
}

json::object compared(const std::string& method, const std::string& url,
                      const std::vector<std::pair<std::string, std::string>>& headers, const std::string& body) {
    json::object out{{"method", method}}, kept;
    add_url(out, url);
    for (const auto& [name, value] : headers) {
        EXPECT_FALSE(kept.contains(ascii_lowered(name))) << name << " twice";
        kept[ascii_lowered(name)] = value;
    }
    out["body"] = compared_body(text_at(kept, "content-type"), body);
    out["headers"] = std::move(kept);
    return out;
}

struct CallComparer {
    json::object operator()(const HttpCall& call) const {
        const auto authority = call.url.substr(0, call.url.find('/', call.url.find("://") + 3));
        EXPECT_EQ(authority.find('@'), std::string::npos) << "user info in " << call.url;
        return compared(call.method, call.url, call.headers, call.body);
    }
    json::object operator()(const MailCall& call) const {
        return {{"mail", json::object{{"host", call.host}, {"port", call.port}, {"from", call.from}, {"to", call.to}}}};
    }
    json::object operator()(const MqttCall& call) const {
        return {
            {"mqtt",
             json::object{{"host", call.host}, {"port", call.port}, {"topic", call.topic}, {"payload", call.payload}}}};
    }
    json::object operator()(const LogCall& call) const {
        return {{"log", json::object{{"title", call.title}, {"text", call.text}}}};
    }
};

json::array compared_fixture(const json::value& requests) {
    json::array out;
    for (const auto& one : requests.as_array()) {
        const auto& request = one.as_object();
        if (!request.contains("method")) {  // mail, mqtt, log
            out.push_back(request);
            continue;
        }
        std::vector<std::pair<std::string, std::string>> headers;
        if (const auto* all = request.if_contains("headers"))
            for (const auto& [name, value] : all->as_object()) headers.emplace_back(name, value.as_string());
        out.push_back(compared(text_at(request, "method"), text_at(request, "url"), headers, text_at(request, "body")));
    }
    return out;
}

// The expectation: the fixture, and what differs from it.

struct Expected {
    json::array requests;
    bool well = true;
    std::string words;  ///< of the refusal
    bool operator==(const Expected&) const = default;
};

json::value* parent_of(json::value& root, std::string_view pointer, std::string& key) {
    const auto slash = pointer.rfind('/');
    key = pointer.substr(slash + 1);
    json::error_code failed;
    auto* parent = root.find_pointer(pointer.substr(0, slash), failed);
    EXPECT_TRUE(parent && !failed) << pointer;
    return failed ? nullptr : parent;
}

void edit(json::array& requests, const json::object& difference) {
    json::value root(requests);
    std::string key;
    if (const auto* set = difference.if_contains("set"))
        for (const auto& [pointer, value] : set->as_object())
            if (auto* parent = parent_of(root, pointer, key)) {
                if (parent->is_object())
                    parent->as_object()[key] = value;
                else
                    parent->as_array().at(static_cast<std::size_t>(*parse_int(key))) = value;
            }
    if (const auto* drop = difference.if_contains("drop"))
        for (const auto& pointer : drop->as_array())
            if (auto* parent = parent_of(root, pointer.as_string(), key)) {
                EXPECT_EQ(parent->as_object().erase(key), 1u) << pointer;
            }
    requests = root.as_array();
}

Expected of_reference(const json::value& send) {
    return {compared_fixture(send.at("requests")), text_at(send.as_object(), "error").empty(), ""};
}

Expected of_weir(const json::value& one, std::size_t send) {
    const auto& sends = one.at("sends").as_array();
    auto out = of_reference(sends.at(send));
    const auto* difference = difference_of(one.at("name").as_string(), send);
    if (!difference) return out;
    if (const auto* other = difference->if_contains("as_send"))
        out = {compared_fixture(sends.at(static_cast<std::size_t>(other->as_int64())).at("requests")), true, ""};
    if (const auto* requests = difference->if_contains("requests")) out = {compared_fixture(*requests), true, ""};
    if (difference->contains("fails")) {
        if (!difference->contains("requests")) out.requests.clear();
        out.well = false;
        out.words = text_at(*difference, "fails");
    }
    edit(out.requests, *difference);
    return out;
}

void mask(json::array& requests, std::string_view what) {
    for (auto& one : requests) {
        auto& request = one.as_object();
        auto& path = request["path"].as_array();
        if (what == "url: transaction id (last path segment)") {
            if (std::count(path.begin(), path.end(), "send") > 0) path.back() = "*";
        } else if (what == "body.timestamp" || what == "body.sign") {
            auto& member = request["body"].as_object()[what.substr(5)];
            EXPECT_TRUE(member.is_string() && !member.as_string().empty()) << what;
            member = "*";
        } else {
            ADD_FAILURE() << "unknown dynamic part " << what;
        }
    }
}

// What weir does.

Message message_of(const json::value& send) {
    Message out;
    out.text = text_at(send.as_object(), "message");
    for (const auto& [key, value] : send.at("params").as_object()) {
        const std::string text(value.as_string());
        if (key == "title")
            out.title = text;
        else if (key == "priority")
            out.priority = static_cast<int>(*parse_int(text));
        else
            out.params.emplace_back(key, text);
    }
    return out;
}

Expected run(Service& service, const json::value& one, std::size_t number) {
    const auto& object = one.as_object();
    const auto& send = one.at("sends").as_array().at(number);
    const auto* difference = difference_of(one.at("name").as_string(), number);
    const auto* status = object.if_contains("reply_status");
    const Reply reply{.status = status ? static_cast<int>(status->as_int64()) : 200,
                      .headers = {},
                      .body = difference && difference->contains("reply_body") ? text_at(*difference, "reply_body")
                                                                               : text_at(object, "reply_body", "{}")};
    const Surroundings around{.now = from_unix_millis(1'795'264'244'000),
                              .random_bytes = [](std::size_t count) { return std::string(count, 'r'); },
                              .host_name = "host"};
    Expected out;
    auto delivery = service.deliver(message_of(send), around);
    if (!delivery) return {{}, false, delivery.error().text()};
    while (const auto call = (*delivery)->next()) {
        EXPECT_LT(out.requests.size(), 100u);
        if (out.requests.size() >= 100) break;
        out.requests.push_back(std::visit(CallComparer(), *call));
        (*delivery)->take(reply);
    }
    const auto outcome = (*delivery)->outcome();
    out.well = outcome.has_value();
    if (!outcome) out.words = outcome.error().text();
    return out;
}

/// Headers that are not expected are allowed.
void keep_expected_headers(json::array& actual, const json::array& expected) {
    for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
        auto* has = actual[i].as_object().if_contains("headers");
        const auto* wanted = expected[i].as_object().if_contains("headers");
        if (!has || !wanted) continue;
        json::object kept;
        for (const auto& [name, value] : wanted->as_object())
            if (const auto* found = has->as_object().if_contains(name)) kept[name] = *found;
        *has = std::move(kept);
    }
}

class FixtureReplay : public testing::TestWithParam<std::size_t> {};

TEST_P(FixtureReplay, SendsWhatTheReferenceSent) {
    const auto& one = cases().at(GetParam());
    const auto service = make_service(text_at(one.as_object(), "url"));
    if (one.as_object().contains("init_error")) {
        EXPECT_FALSE(service);
        return;
    }
    ASSERT_TRUE(service) << service.error().text();
    const auto& sends = one.at("sends").as_array();
    ASSERT_FALSE(sends.empty());
    for (std::size_t i = 0; i < sends.size(); ++i) {
        SCOPED_TRACE(fmt::format("send {}", i));
        auto expected = of_weir(one, i), actual = run(**service, one, i);
        if (const auto* dynamic = one.as_object().if_contains("dynamic"))
            for (const auto& what : dynamic->as_array())
                for (auto* requests : {&expected.requests, &actual.requests}) mask(*requests, what.as_string());
        keep_expected_headers(actual.requests, expected.requests);
        EXPECT_TRUE(actual.requests == expected.requests)
            << "weir     " << json::serialize(actual.requests) << "\nexpected " << json::serialize(expected.requests);
        EXPECT_EQ(actual.well, expected.well) << actual.words;
        EXPECT_NE(actual.words.find(expected.words), std::string::npos) << actual.words;
    }
}

std::string test_name(const testing::TestParamInfo<std::size_t>& info) {
    auto name = text_at(cases().at(info.param).as_object(), "name");
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, FixtureReplay, testing::Range(std::size_t{0}, cases().size()), test_name);

TEST(FixtureReplayTable, HasEveryCase) {
    EXPECT_EQ(cases().size(), 82u);
    std::set<std::string> schemes;
    for (const auto& one : cases()) {
        const auto url = text_at(one.as_object(), "url");
        schemes.insert(ascii_lowered(url.substr(0, url.find_first_of(":+"))));
    }
    schemes.erase("foo");  // the one that must not be known
    for (const auto scheme : service_schemes()) schemes.erase(std::string(scheme));
    EXPECT_TRUE(schemes.empty()) << "no service for " << *schemes.begin();
}

TEST(FixtureReplayTable, GivesAReasonForEveryDifference) {
    std::set<std::string> seen;
    for (const auto& one : differences()) {
        const auto name = text_at(one.as_object(), "case"), why = text_at(one.as_object(), "why");
        const auto send = static_cast<std::size_t>(one.at("send").as_int64());
        SCOPED_TRACE(fmt::format("{} {}", name, send));
        EXPECT_TRUE(seen.insert(fmt::format("{}/{}", name, send)).second) << "twice";
        EXPECT_NE(why.find("notify.md "), std::string::npos) << "no section is named";
        const auto at = std::find_if(cases().begin(), cases().end(),
                                     [&](const auto& it) { return it.at("name").as_string() == name; });
        ASSERT_NE(at, cases().end());
        ASSERT_LT(send, at->at("sends").as_array().size());
        EXPECT_FALSE(of_weir(*at, send) == of_reference(at->at("sends").as_array()[send])) << "is none";
    }
}

TEST(FixtureReplayTable, HasAnAnswerToEveryNote) {
    for (const auto& one : cases()) {
        if (!one.as_object().contains("note")) continue;
        bool answered = false;
        for (std::size_t i = 0; i < one.at("sends").as_array().size(); ++i)
            answered = answered || difference_of(one.at("name").as_string(), i);
        EXPECT_TRUE(answered) << one.at("name");
    }
}

}  // namespace
}  // namespace weir::notify
