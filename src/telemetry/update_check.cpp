#include "telemetry/update_check.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "runtime/clock.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

#ifndef WEIR_RELEASE_URL
#define WEIR_RELEASE_URL ""
#endif

namespace weir::telemetry {
namespace {

constexpr Millis answer_limit{60'000};
constexpr std::size_t longest_tag = 100;

std::vector<std::string_view> parts_of(std::string_view text) {
    std::vector<std::string_view> out;
    while (true) {
        const auto dot = text.find('.');
        out.push_back(text.substr(0, dot));
        if (dot == text.npos) return out;
        text.remove_prefix(dot + 1);
    }
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// semver 2.0.0; "1.2" counts as "1.2.0".
struct Version {
    std::vector<std::uint64_t> numbers;
    std::vector<std::string_view> pre;

    static std::optional<Version> read(std::string_view text) {
        if (text.starts_with('v') || text.starts_with('V')) text.remove_prefix(1);
        text = text.substr(0, text.find('+'));
        Version out;
        if (const auto dash = text.find('-'); dash != text.npos) {
            out.pre = parts_of(text.substr(dash + 1));
            if (std::any_of(out.pre.begin(), out.pre.end(), [](auto p) { return p.empty(); })) return std::nullopt;
            text = text.substr(0, dash);
        }
        for (const auto part : parts_of(text)) {
            const auto number = number_of(part);
            if (!number || out.numbers.size() == 3) return std::nullopt;
            out.numbers.push_back(*number);
        }
        out.numbers.resize(3);
        return out;
    }
};

template <class T>
int order(const T& a, const T& b) {
    return a < b ? -1 : b < a ? 1 : 0;
}

/// Numbers by value and before words.
int order_of_parts(std::string_view a, std::string_view b) {
    const auto x = number_of(a), y = number_of(b);
    if (x && y) return order(*x, *y);
    if (x.has_value() != y.has_value()) return x ? -1 : 1;
    return order(a, b);
}

std::optional<std::string> tag_of(std::string_view body) {
    boost::json::error_code failed;
    const auto tree = boost::json::parse(body, failed);
    if (failed || !tree.is_object()) return std::nullopt;
    const auto* tag = tree.get_object().if_contains("tag_name");
    if (!tag || !tag->is_string() || tag->get_string().size() > longest_tag) return std::nullopt;
    return std::string(tag->get_string());
}

}  // namespace

std::string release_url() {
    const char* said = std::getenv("WEIR_RELEASE_URL");
    return said ? said : WEIR_RELEASE_URL;
}

std::optional<int> compare_versions(std::string_view a, std::string_view b) {
    const auto x = Version::read(a), y = Version::read(b);
    if (!x || !y) return std::nullopt;
    if (const int numbers = order(x->numbers, y->numbers); numbers != 0) return numbers;
    if (x->pre.empty() || y->pre.empty()) return order(x->pre.empty(), y->pre.empty());
    for (std::size_t i = 0; i < std::min(x->pre.size(), y->pre.size()); ++i)
        if (const int part = order_of_parts(x->pre[i], y->pre[i]); part != 0) return part;
    return order(x->pre.size(), y->pre.size());
}

Task<Result<std::string>> newer_version(HttpClient& http, std::string release_url, std::string own_version) {
    co_await errors_not_throws();
    const bool unreleased = own_version.find('-') != own_version.npos || own_version.find("dev") != own_version.npos;
    if (release_url.empty() || unreleased) co_return std::string();
    auto url = parse_url(release_url);
    if (!url) co_return within("the release address", url.error());
    HttpRequest request;
    request.url = std::move(*url);
    request.headers = {{"Accept", "application/vnd.github.v3+json"}};
    request.stall_timeout = answer_limit;
    request.max_body = 1u << 20;
    const auto clock = real_clock(co_await asio::this_coro::executor);
    auto fetching = http.fetch(std::move(request));
    auto answer = co_await with_deadline(*clock, clock->now() + answer_limit, std::move(fetching));
    if (!answer) co_return answer.error();
    if (answer->head.status != 200) co_return status_error(answer->head);
    auto tag = tag_of(answer->body);
    if (!tag) co_return Error{Errc::bad_input, "the release address answers no JSON with a tag_name"};
    const auto order = compare_versions(own_version, *tag);
    if (!order) co_return Error{Errc::bad_input, "the release address names no version"};
    co_return *order < 0 ? std::move(*tag) : std::string();
}

}  // namespace weir::telemetry
