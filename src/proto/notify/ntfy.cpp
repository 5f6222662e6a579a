#include <array>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.11
namespace weir::notify {
namespace {

struct NtfySettings {
    std::string host, path, authorization, title, click, attach, filename, delay, email, icon;
    std::vector<std::string> tags, actions;
    int priority = 2, tls = 0;
    bool priority_set = false, markdown = false, cache = true, firebase = true, plain_http = false,
         any_certificate = false;
};

Options ntfy_options(NtfySettings& s) {
    return Options()
        .list("actions", s.actions, ';')
        .text("attach", s.attach)
        .flag("cache", s.cache)
        .text("click", s.click)
        .text("delay|at|in", s.delay)
        .flag("disabletls", s.plain_http)
        .flag("disabletlsverification", s.any_certificate)
        .text("email", s.email)
        .text("filename", s.filename)
        .flag("firebase", s.firebase)
        .text("icon", s.icon)
        .flag("markdown", s.markdown)
        .choice("priority", s.priority, {"Min|1", "Low|2", "Default|3", "High|4", "Max|5|urgent"})
        .choice("scheme", s.tls, {"https", "http"})
        .list("tags", s.tags)
        .text("title", s.title);
}

std::string joined(const std::vector<std::string>& parts, char border) {
    std::string out;
    for (const auto& part : parts) {
        if (&part != &parts.front()) out += border;
        out += part;
    }
    return out;
}

Result<> judge_ntfy(const Reply& reply) {
    if (reply.status >= 200 && reply.status < 300) return {};
    const auto error = json_field(reply.body, "/error");
    if (!error) return bad_status(reply);
    const auto code = json_field(reply.body, "/code"), link = json_field(reply.body, "/link");
    auto words = fmt::format("{} ({})", *error, code.value_or("0"));
    if (link && !link->empty()) words += ", see: " + *link;
    return service_said(reply, words);
}

Result<std::unique_ptr<Delivery>> deliver_ntfy(NtfySettings s, const Message& message) {
    static constexpr std::array<std::string_view, 5> names{"Min", "Low", "Default", "High", "Max"};
    if (auto done = ntfy_options(s).apply(message.params); !done) return done.error();
    if (message.priority && !s.priority_set && !has_key(message.params, "priority"))
        s.priority = priority_step(*message.priority);
    HttpCall call;
    call.url = fmt::format("{}://{}{}", s.plain_http || s.tls == 1 ? "http" : "https", s.host, s.path);
    call.body = message.text;
    call.verify_tls = !s.any_certificate;
    const auto set = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) call.headers.emplace_back(name, header_value(value));
    };
    set("Content-Type", s.markdown ? "text/markdown" : "text/plain; charset=utf-8");
    set("User-Agent", "shoutrrr/dev");
    set("Title", message.title.empty() ? s.title : message.title);
    set("Priority", names[static_cast<std::size_t>(s.priority)]);
    set("Tags", joined(s.tags, ','));
    set("Delay", s.delay);
    set("Actions", joined(s.actions, ';'));
    set("Click", s.click);
    set("Attach", s.attach);
    set("X-Icon", s.icon);
    set("Filename", s.filename);
    set("Email", s.email);
    set("Cache", s.cache ? "" : "no");
    set("Firebase", s.firebase ? "" : "no");
    set("Authorization", s.authorization);
    return known_call("ntfy", std::move(call), judge_ntfy);
}

}  // namespace

Made make_ntfy(const ServiceUrl& url) {
    NtfySettings s;
    if (url.segments().empty()) return unfit_for_service("no topic; it stands as ntfy://host/TOPIC");
    s.host = url.host.empty() ? "ntfy.sh" : url.authority();
    s.path = safe_path(url.raw_path);
    if (!url.user.empty() || !url.password.empty()) s.authorization = basic_authorization(url.user, url.password);
    s.priority_set = has_key(url.query, "priority");
    if (auto done = ntfy_options(s).apply(url.query); !done) return done.error();
    return service_of("ntfy", [s](const Message& message, const Surroundings&) { return deliver_ntfy(s, message); });
}

}  // namespace weir::notify
