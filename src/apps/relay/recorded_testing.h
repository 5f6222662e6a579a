// The steps recorded from a live vw, and where our answers differ by intent.
#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/relay/json_text.h"

namespace weir::relay::rig {

inline std::vector<JsonText> recorded(const std::string& name) {
    std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/data/relay/" + name);
    EXPECT_TRUE(in) << name;
    std::vector<JsonText> out;
    for (std::string line; std::getline(in, line);) {
        auto value = parse_json_text(line);
        EXPECT_TRUE(value) << line;
        if (value) out.push_back(std::move(*value));
    }
    return out;
}

inline std::string member(const JsonText& of, const char* name) {
    const auto* v = of.find(name);
    return v ? v->text : std::string();
}

struct RestStep {
    std::string key;  ///< "streams 7"
    std::string method, path, body;
    int status = 0;
    std::string type, location, response;
};

inline std::vector<RestStep> recorded_rest() {
    std::vector<RestStep> out;
    for (const auto& c : recorded("vw_rest_cases.jsonl")) {
        RestStep s;
        s.key = member(c, "group") + " " + member(c, "step");
        s.method = member(c, "method");
        s.path = member(c, "path");
        s.body = member(c, "body");
        s.status = std::stoi(member(c, "status"));
        s.type = member(c, "content_type");
        s.location = member(c, "location");
        s.response = member(c, "response");
        out.push_back(std::move(s));
    }
    return out;
}

/// What we answer where vw's answer is a defect by the facts. An empty response: any one line of text.
struct Difference {
    const char* fact;
    int status;
    std::string response;
};

inline const std::map<std::string, Difference>& rest_differences() {
    static const std::map<std::string, Difference> table{
        {"streams 9", {"VW-17: any name can be shown", 404, "Stream not found\n"}},
        {"streams 22", {"VW-22: 400 and our own line", 400, ""}},
        {"streams 23", {"VW-22", 400, ""}},
        {"streams 24", {"VW-22", 400, ""}},
        {"streams 25", {"VW-22", 400, ""}},
        {"streams 26", {"VW-22", 400, ""}},
        {"streams 27", {"VW-22", 400, ""}},
        {"streams 30", {"VW-7, WIN-9: all really are deleted", 200, "\"deleteAll\""}},
        {"streams 31", {"VW-7, WIN-9", 200, "{}"}},
        {"destinations 8",
         {"VW-17: any id can be shown", 200,
          R"({"id":"cam_1","stream":"video0","destination":"ws://127.0.0.1:1/x","token":""})"}},
        {"destinations 9", {"VW-17: and deleted", 200, "\"cam_1\""}},
        {"destinations 15",
         {"VW-17: it was deleted in step 9", 200,
          R"({"":{"id":"","stream":"","destination":"","token":""},)"
          R"("0":{"id":"0","stream":"stream/front/large","destination":"ws://127.0.0.1:1/in/video1","token":"abc"},)"
          R"("all":{"id":"all","stream":"video0","destination":"ws://127.0.0.1:1/x","token":""},)"
          R"("bad":{"id":"bad","stream":"video0","destination":"http://127.0.0.1:1/bad-scheme","token":""}})"}},
        {"destinations 16", {"VW-10, WIN-9: an unknown id is 404", 404, "Destination not found\n"}},
        {"destinations 17", {"VW-22", 400, ""}},
        {"destinations 18", {"VW-22", 400, ""}},
        {"destinations 22", {"VW-12, VW-24, WIN-9: all really are deleted", 200, "\"deleteAll\""}},
        {"destinations 23", {"VW-12, WIN-9", 200, "{}"}},
    };
    return table;
}

/// Compares one answer with the recorded one, or with ours where the table says so.
inline void expect_rest(const RestStep& step, int status, const std::string& type, const std::string& body) {
    const auto found = rest_differences().find(step.key);
    if (found == rest_differences().end()) {
        EXPECT_EQ(status, step.status) << step.key;
        EXPECT_EQ(type, step.type) << step.key;
        EXPECT_EQ(body, step.response) << step.key;
        return;
    }
    const auto& d = found->second;
    EXPECT_EQ(status, d.status) << step.key << " " << d.fact;
    EXPECT_TRUE(status != step.status || body != step.response) << step.key << " is no difference any more";
    if (d.response.empty()) {
        EXPECT_EQ(type, "text/plain; charset=utf-8") << step.key;
        EXPECT_TRUE(body.size() > 10 && body.find('\n') == body.size() - 1) << step.key << " " << body;
    } else {
        EXPECT_EQ(body, d.response) << step.key << " " << d.fact;
    }
}

}  // namespace weir::relay::rig
