#include "telemetry/notify/caller.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "base/text.h"
#include "io/mqtt.h"
#include "io/resolver.h"
#include "io/smtp.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/service_url.h"
#include "runtime/task_group.h"
#include "runtime/worker_pool.h"

namespace weir::telemetry {
namespace {

constexpr Millis call_limit{10'000};
constexpr std::size_t shortest_secret = 5, longest_text = 300;

Mail mail_of(const notify::MailCall& call) {
    Mail mail;
    mail.host = call.host;
    mail.port = call.port;
    mail.tls = static_cast<Mail::Tls>(call.tls);
    mail.verify_tls = call.verify_tls;
    mail.auth = static_cast<Mail::Auth>(call.auth);
    mail.user = call.user;
    mail.secret = call.password;
    mail.client_host = call.client_host;
    mail.from = call.from;
    mail.to = call.to;
    mail.message = call.message;
    mail.timeout = call.timeout;
    return mail;
}
static_assert(static_cast<int>(Mail::Tls::implicit) == static_cast<int>(notify::MailCall::Tls::implicit));
static_assert(static_cast<int>(Mail::Auth::oauth2) == static_cast<int>(notify::MailCall::Auth::oauth2));

MqttPublish publish_of(const notify::MqttCall& call) {
    MqttPublish publish;
    publish.host = call.host;
    publish.port = call.port;
    publish.tls = call.tls;
    publish.verify_tls = call.verify_tls;
    publish.user = call.user;
    publish.password = call.password;
    publish.client_id = call.client_id;
    publish.clean = call.clean;
    publish.topic = call.topic;
    publish.payload = call.payload;
    publish.qos = call.qos;
    publish.retain = call.retain;
    publish.timeout = call_limit;
    return publish;
}

/// "https://user@host/path?query" to "https://host".
std::string without_paths(std::string_view text) {
    std::string out;
    for (auto at = text.find("://"); at != text.npos; at = text.find("://")) {
        out += text.substr(0, at + 3);
        text.remove_prefix(at + 3);
        const auto end = std::min(text.find_first_of(" \t\"'<>,"), text.size());
        auto authority = text.substr(0, std::min(text.find_first_of("/?#"), end));
        authority.remove_prefix(std::min(authority.rfind('@') + 1, authority.size()));
        out += authority;
        text.remove_prefix(end);
    }
    return out += text;
}

}  // namespace

Scrubber::Scrubber(std::string_view service_url) {
    const auto url = notify::read_service_url(service_url);
    if (!url) return;
    secrets_ = url->segments();
    secrets_.insert(secrets_.end(), {url->user, url->password, url->fragment});
    for (const auto& [key, value] : url->query) secrets_.push_back(value);
    // The other services have a key where the host stands, or nothing that errors name.
    static constexpr std::string_view with_address[] = {"bark",       "generic", "gotify", "matrix",
                                                        "mattermost", "mqtt",    "mqtts",  "ntfy",
                                                        "rocketchat", "signal",  "smtp",   "zulip"};
    const bool address =
        url->host.find_first_of(".:") != std::string::npos || url->host == "localhost" ||
        std::find(std::begin(with_address), std::end(with_address), url->scheme) != std::end(with_address);
    if (!address) secrets_.push_back(url->host);
    const auto raw = secrets_;
    for (const auto& secret : raw) secrets_.push_back(notify::percent_encoded(secret));
    std::erase_if(secrets_, [](const auto& s) { return s.size() < shortest_secret; });
    std::sort(secrets_.begin(), secrets_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string Scrubber::clean(std::string_view text) const {
    auto out = without_paths(text);
    for (const auto& secret : secrets_)
        for (auto at = out.find(secret); at != out.npos; at = out.find(secret, at + 3))
            out.replace(at, secret.size(), "***");
    for (auto& c : out)
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    return notify::cut_bytes(out, longest_text);
}

Caller::Caller(Shard& shard, HttpClient& http, std::shared_ptr<Resolver> resolver)
    : shard_(shard), http_(http), resolver_(std::move(resolver)) {}
Caller::~Caller() = default;

Task<Result<notify::Reply>> Caller::make(notify::Call call, std::optional<Millis>* retry_after) {
    if (retry_after) retry_after->reset();
    if (auto* http = std::get_if<notify::HttpCall>(&call)) return http_call(std::move(*http), retry_after);
    if (auto* mail = std::get_if<notify::MailCall>(&call)) return mail_call(std::move(*mail));
    if (auto* mqtt = std::get_if<notify::MqttCall>(&call)) return mqtt_call(std::move(*mqtt));
    struct Told {
        static Task<Result<notify::Reply>> tell(notify::LogCall line) {
            WEIR_LOG(info, "notification", {"title", line.title}, {"text", line.text});
            co_return notify::Reply{200};
        }
    };
    return Told::tell(std::get<notify::LogCall>(std::move(call)));
}

Task<Result<notify::Reply>> Caller::http_call(notify::HttpCall call, std::optional<Millis>* retry_after) {
    co_await errors_not_throws();
    auto url = parse_url(call.url);
    if (!url) co_return Error{Errc::bad_input, "the address cannot be used"};
    HttpRequest request;
    request.method = std::move(call.method);
    request.url = std::move(*url);
    request.headers = std::move(call.headers);
    request.body = Bytes::copy_of(call.body);
    request.verify_tls = call.verify_tls;
    request.deadline = shard_.clock().now() + call_limit;
    request.max_body = 1u << 20;
    auto answer = co_await http_.fetch(std::move(request));
    if (!answer) co_return answer.error();
    if (retry_after && answer->head.status >= 400) *retry_after = status_error(answer->head).retry_after;
    notify::Reply reply;
    reply.status = answer->head.status;
    reply.headers = std::move(answer->head.headers);
    reply.body = std::move(answer->body);
    co_return reply;
}

/// Takes the time it needed off `patience`.
Task<Result<std::vector<std::string>>> Caller::addresses_of(std::string host, Millis& patience) {
    if (!resolver_) resolver_ = Resolver::create(1);
    const auto until = shard_.clock().now() + patience;
    auto found = co_await resolver_->resolve(std::move(host), patience);
    patience = std::max(Millis{1}, std::chrono::ceil<Millis>(until - shard_.clock().now()));
    co_return found;
}

Task<Result<notify::Reply>> Caller::mail_call(notify::MailCall call) {
    co_await errors_not_throws();
    Mail mail = mail_of(call);
    auto addresses = co_await addresses_of(mail.host, mail.timeout);
    if (!addresses) co_return addresses.error();
    mail.addresses = std::move(*addresses);
    std::function<Result<>(const std::atomic<bool>&)> job = [mail](const auto& cancelled) {
        return send_mail(mail, cancelled);
    };
    auto done = co_await blocking(std::move(job));
    co_return done;
}

Task<Result<notify::Reply>> Caller::mqtt_call(notify::MqttCall call) {
    co_await errors_not_throws();
    MqttPublish publish = publish_of(call);
    auto addresses = co_await addresses_of(publish.host, publish.timeout);
    if (!addresses) co_return addresses.error();
    publish.addresses = std::move(*addresses);
    std::function<Result<>(const std::atomic<bool>&)> job = [publish](const auto& cancelled) {
        return publish_mqtt(publish, cancelled);
    };
    auto done = co_await blocking(std::move(job));
    co_return done;
}

Task<Result<notify::Reply>> Caller::blocking(std::function<Result<>(const std::atomic<bool>&)> job) {
    co_await errors_not_throws();
    if (!thread_) thread_ = std::make_unique<WorkerPool>(1, "notify");
    auto done = co_await run_blocking<void>(*thread_, std::move(job));
    if (!done) co_return done.error();
    notify::Reply reply;
    reply.status = 200;
    co_return reply;
}

}  // namespace weir::telemetry
