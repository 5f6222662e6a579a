#include "proto/notify/deliveries.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/numbers.h"
#include "base/text.h"
#include "proto/notify/service_url.h"

namespace weir::notify {
namespace {

class KnownCalls final : public Delivery {
public:
    KnownCalls(std::string scheme, std::vector<Call> calls, Judge judge, AfterFailure then)
        : scheme_(std::move(scheme)), calls_(std::move(calls)), judge_(std::move(judge)), then_(then) {}

    std::optional<Call> next() override {
        if (at_ == calls_.size()) return std::nullopt;
        return calls_[at_];
    }
    void take(const Result<Reply>& reply) override {
        if (at_ == calls_.size()) return;
        const auto judged = reply ? judge_(*reply) : Result<>(reply.error());
        if (!judged && outcome_) outcome_ = within(scheme_, judged.error());
        at_ = !judged && then_ == AfterFailure::stop ? calls_.size() : at_ + 1;
    }
    Result<> outcome() const override { return outcome_; }

private:
    std::string scheme_;
    std::vector<Call> calls_;
    Judge judge_;
    AfterFailure then_;
    std::size_t at_ = 0;
    Result<> outcome_;
};

class ServiceOf final : public Service {
public:
    ServiceOf(std::string_view scheme, Deliver deliver) : scheme_(scheme), deliver_(std::move(deliver)) {}
    std::string_view scheme() const noexcept override { return scheme_; }
    Result<std::unique_ptr<Delivery>> deliver(const Message& message, const Surroundings& around) override {
        return deliver_(message, around);
    }

private:
    std::string scheme_;
    Deliver deliver_;
};

std::optional<boost::json::value> json_of(std::string_view body) {
    constexpr std::size_t max_json = 1024 * 1024, max_depth = 32;
    if (body.size() > max_json) return std::nullopt;
    boost::json::parse_options limits;
    limits.max_depth = max_depth;
    boost::json::error_code failed;
    auto out = boost::json::parse(body, failed, {}, limits);
    if (failed) return std::nullopt;
    return out;
}

std::string_view reason_of(int status) {
    struct Reason {
        int status;
        std::string_view text;
    };
    static constexpr Reason reasons[] = {
        {301, "Moved Permanently"},
        {302, "Found"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Request Entity Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (const auto& reason : reasons)
        if (reason.status == status) return reason.text;
    return "";
}

Errc code_of(int status) {
    switch (status) {
        case 401:
        case 403:
            return Errc::denied;
        case 404:
            return Errc::not_found;
        case 429:
            return Errc::busy;
        default:
            return status >= 500 ? Errc::busy : Errc::bad_input;
    }
}

}  // namespace

std::unique_ptr<Delivery> known_calls(std::string scheme, std::vector<Call> calls, Judge judge, AfterFailure then) {
    return std::make_unique<KnownCalls>(std::move(scheme), std::move(calls), std::move(judge), then);
}

std::unique_ptr<Delivery> known_call(std::string scheme, Call call, Judge judge) {
    std::vector<Call> calls;
    calls.push_back(std::move(call));
    return known_calls(std::move(scheme), std::move(calls), std::move(judge));
}

std::unique_ptr<Service> service_of(std::string_view scheme, Deliver deliver) {
    return std::make_unique<ServiceOf>(scheme, std::move(deliver));
}

Judge status_between(int from, int to) {
    return [from, to](const Reply& reply) -> Result<> {
        if (reply.status >= from && reply.status < to) return {};
        return bad_status(reply);
    };
}

Error unfit_for_service(std::string what) {
    return Error{Errc::bad_input, std::move(what)};
}

Error bad_status(const Reply& reply) {
    auto text = fmt::format("http {}", reply.status);
    if (const auto reason = reason_of(reply.status); !reason.empty()) text += fmt::format(" {}", reason);
    return service_said(reply, text);
}

Error service_said(const Reply& reply, std::string_view words) {
    Error out{.code = code_of(reply.status), .what = {}, .trail = {}, .retry_after = {}, .status = reply.status};
    append_printable(out.what, cut_bytes(words, 300));
    for (const auto& [name, value] : reply.headers) {
        if (name != "retry-after") continue;
        if (const auto seconds = parse_number(value); seconds && *seconds >= 0 && *seconds < 1e6)
            out.retry_after = Millis(static_cast<std::int64_t>(*seconds * 1000));
    }
    return out;
}

std::string titled(const Message& message, std::string_view between) {
    if (message.title.empty() || message.title_in_text) return message.text;
    if (message.text.empty()) return message.title;
    return fmt::format("{}{}{}", message.title, between, message.text);
}

int priority_step(int priority) noexcept {
    if (priority <= 0) return 0;
    if (priority <= 3) return 1;
    if (priority <= 7) return 2;
    return priority <= 9 ? 3 : 4;
}

bool has_key(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view key) {
    const auto low = ascii_lowered(key);
    return std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) { return ascii_lowered(pair.first) == low; });
}

std::optional<std::string> json_field(std::string_view body, std::string_view pointer) {
    const auto root = json_of(body);
    if (!root) return std::nullopt;
    boost::json::error_code failed;
    const auto* at = root->find_pointer(pointer, failed);
    if (!at || failed) return std::nullopt;
    if (at->is_string()) return std::string(at->get_string());
    if (at->is_number() || at->is_bool()) return boost::json::serialize(*at);
    return std::nullopt;
}

bool is_json(std::string_view body) {
    return json_of(body).has_value();
}

std::string safe_path(std::string_view raw_path) {
    std::string out;
    for (const char c : raw_path) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte >= 0x7f || std::string_view("\"<>\\^`{|}?#[]").find(c) != std::string_view::npos)
            out += percent_encoded({&c, 1});
        else
            out += c;
    }
    return out;
}

HttpCall json_call(std::string url, std::string body) {
    return {.method = "POST",
            .url = std::move(url),
            .headers = {{"Content-Type", "application/json"}},
            .body = std::move(body)};
}

HttpCall form_call(std::string url, std::vector<std::pair<std::string, std::string>> fields) {
    return {.method = "POST",
            .url = std::move(url),
            .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
            .body = form_encoded(std::move(fields))};
}

std::string base64(std::string_view bytes) {
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto byte = [&](std::size_t n) {
            return i + n < bytes.size() ? static_cast<unsigned char>(bytes[i + n]) : 0u;
        };
        const unsigned bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out += letters[bits >> 18];
        out += letters[bits >> 12 & 63];
        out += i + 1 < bytes.size() ? letters[bits >> 6 & 63] : '=';
        out += i + 2 < bytes.size() ? letters[bits & 63] : '=';
    }
    return out;
}

std::string basic_authorization(std::string_view user, std::string_view password) {
    return "Basic " + base64(fmt::format("{}:{}", user, password));
}

std::string header_value(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return out;
}

std::string cut_bytes(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string(text);
    auto end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string(text.substr(0, end));
}

}  // namespace weir::notify
