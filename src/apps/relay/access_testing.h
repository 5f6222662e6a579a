// Requests and tokens for the tests of who may do what.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "apps/relay/access.h"

namespace weir::relay::rig {

inline constexpr std::int64_t now = 1'800'000'000;
inline const Secret viewer_secret("viewer-secret");

using Fields = std::vector<std::pair<std::string, std::string>>;

inline ServerRequest request_for(std::string path, Fields headers = {}, std::string query = "") {
    ServerRequest r;
    r.method = "GET";
    r.target = r.path = std::move(path);
    if (!query.empty()) r.target += "?" + query;
    r.query = std::move(query);
    r.headers = std::move(headers);
    if (!r.find("host")) r.headers.emplace_back("host", "127.0.0.1:8888");
    r.peer = "127.0.0.1";
    return r;
}

inline AccessSettings with_secrets() {
    AccessSettings s;
    s.push_secret = Secret("push-me");
    s.admin_token = Secret("rule-me");
    s.viewer_key.secret = viewer_secret;
    s.audience = "https://relay.example";
    return s;
}

/// practable's claims, good for `topic`.
inline jwt::Claims claims_for(std::string topic, std::vector<std::string> scopes = {"read", "write"}) {
    jwt::Claims c;
    c.audience = {"https://relay.example"};
    c.issued = c.not_before = now - 1;
    c.expires = now + 60;
    c.booking_id = "bid0";
    c.topic = std::move(topic);
    c.prefix = "session";
    c.scopes = std::move(scopes);
    return c;
}

inline std::string token_for(const jwt::Claims& c) {
    return jwt::sign(c, viewer_secret);
}

inline int refusal_status(const Result<Grant>& r) {
    return r ? 200 : r.error().status;
}

}  // namespace weir::relay::rig
