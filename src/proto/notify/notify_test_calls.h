#pragma once
#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "proto/notify/service.h"

/// For the tests of single services: one message through a URL, with one answer to each call.
namespace weir::notify {

struct Tried {
    std::vector<Call> calls;
    Result<> outcome;

    [[nodiscard]] HttpCall http(std::size_t at = 0) const {
        return at < calls.size() && std::holds_alternative<HttpCall>(calls[at]) ? std::get<HttpCall>(calls[at])
                                                                                : HttpCall{};
    }
    [[nodiscard]] std::string error() const { return outcome ? "" : outcome.error().text(); }
};

inline Surroundings test_surroundings() {
    return {.now = from_unix_millis(1'795'264'244'000),
            .random_bytes = [](std::size_t count) { return std::string(count, 'r'); },
            .host_name = "host"};
}

inline Tried try_message(Service& service, const Message& message, const Reply& reply = {.status = 200}) {
    Tried out;
    auto delivery = service.deliver(message, test_surroundings());
    if (!delivery) {
        out.outcome = delivery.error();
        return out;
    }
    while (const auto call = (*delivery)->next()) {
        out.calls.push_back(*call);
        (*delivery)->take(reply);
        if (out.calls.size() > 1000) {
            ADD_FAILURE() << "no end of calls";
            break;
        }
    }
    out.outcome = (*delivery)->outcome();
    return out;
}

inline Tried try_url(std::string_view url, const Message& message, const Reply& reply = {.status = 200}) {
    const auto service = make_service(url);
    if (service) return try_message(**service, message, reply);
    Tried out;
    out.outcome = service.error();
    return out;
}

inline std::string refusal(std::string_view url) {
    const auto service = make_service(url);
    return service ? "" : service.error().text();
}

inline std::string header(const HttpCall& call, std::string_view name) {
    const auto at = std::find_if(call.headers.begin(), call.headers.end(),
                                 [&](const auto& one) { return ascii_lowered(one.first) == ascii_lowered(name); });
    return at == call.headers.end() ? "none" : at->second;
}

inline Reply answer_of(int status, std::string body = {}) {
    return {.status = status, .headers = {}, .body = std::move(body)};
}

}  // namespace weir::notify
