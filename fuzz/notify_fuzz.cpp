// Notification services. Fields with a NUL between them: URL, title, text, name=value of a param, and then one answer each (a
// letter for the status, then the body). Whatever the URL and the answers say: calls are well formed and come to an end, and no
// password is told.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/text.h"
#include "proto/notify/service.h"
#include "proto/notify/service_url.h"

namespace {

using namespace weir;
using namespace weir::notify;

void must(bool good) {
    if (!good) std::abort();
}

std::string field(std::string_view& in) {
    const auto end = std::min(in.find('\0'), in.size());
    std::string out(in.substr(0, end));
    in.remove_prefix(std::min(end + 1, in.size()));
    return out;
}

bool one_line(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void must_be_told_well(const Error& error, const ServiceUrl& url) {
    const auto text = error.text();
    must(!error.what.empty() && one_line(text) && text.size() < 1000);
    for (const auto& secret : {url.password, url.user})
        if (secret.size() >= 8 && secret.find('*') == std::string::npos)
            must(error.what.find(secret) == std::string::npos);
}

struct WellFormed {
    void operator()(const HttpCall& call) const {
        must(call.url.starts_with("https://") || call.url.starts_with("http://"));
        must(one_line(call.url) && call.url.find(' ') == std::string::npos);
        must(!call.method.empty() && one_line(call.method) && call.method.find(' ') == std::string::npos);
        for (const auto& [name, value] : call.headers) must(!name.empty() && one_line(name) && one_line(value));
        must(valid_utf8(call.body) == call.body);
    }
    void operator()(const MailCall& call) const {
        must(!call.host.empty() && one_line(call.from) && one_line(call.to) && one_line(call.client_host));
        for (std::size_t at = call.message.find('\n'); at != std::string::npos; at = call.message.find('\n', at + 1))
            must(at > 0 && call.message[at - 1] == '\r');
    }
    void operator()(const MqttCall& call) const { must(!call.host.empty() && !call.topic.empty()); }
    void operator()(const LogCall&) const {}
};

Result<Reply> answer(std::string text) {
    constexpr int status[] = {200, 200, 201, 204, 301, 400, 401, 403, 404, 429, 500, 503};
    if (text.empty()) return Error{Errc::unreachable, "no connection"};
    const auto kind = static_cast<unsigned char>(text[0]) % std::size(status);
    return Reply{.status = status[kind], .headers = {{"retry-after", text.substr(1, 8)}}, .body = text.substr(1)};
}

void deliver(Service& service, const ServiceUrl& url, const Message& message, std::string_view in) {
    const Surroundings around{.now = from_unix_millis(1'795'264'244'000),
                              .random_bytes = [](std::size_t count) { return std::string(count, 'r'); },
                              .host_name = "host"};
    auto delivery = service.deliver(message, around);
    if (!delivery) return must_be_told_well(delivery.error(), url);
    int calls = 0;
    while (const auto call = (*delivery)->next()) {
        must(++calls <= 200);
        std::visit(WellFormed(), *call);
        (*delivery)->take(answer(field(in)));
    }
    if (const auto outcome = (*delivery)->outcome(); !outcome) must_be_told_well(outcome.error(), url);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view in(reinterpret_cast<const char*>(data), size);
    const auto text = field(in);
    const auto url = read_service_url(text);
    const auto service = make_service(text);
    if (!url) {
        must(!service);
        must_be_told_well(url.error(), {});
        return 0;
    }
    if (!service) {
        must_be_told_well(service.error(), service.error().what.starts_with("unknown service") ? ServiceUrl{} : *url);
        return 0;
    }
    Message message;
    message.title = field(in);
    message.text = field(in);
    const auto param = field(in);
    if (!param.empty()) message.priority = param[0] % 12;
    if (const auto equals = param.find('='); equals != std::string::npos)
        message.params.emplace_back(param.substr(0, equals), param.substr(equals + 1));
    deliver(**service, *url, message, in);
    message.params.clear();
    deliver(**service, *url, message, in);
    return 0;
}
