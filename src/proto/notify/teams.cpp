#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.19: workflows of Power Automate; 14: the connectors of before
namespace weir::notify {
namespace {

constexpr std::size_t max_teams_lines = 200;

struct TeamsSettings {
    std::string host, title, color;
    bool old_form = false;
    std::string old_path;  ///< what follows the host in the old form's address
};

Options teams_options(TeamsSettings& s) {
    return Options().text("color", s.color).text("host", s.host).text("title", s.title);
}

Error unfit_webhook() {
    return unfit_for_service("invalid webhook URL format; host takes the workflow's whole URL, percent-encoded");
}

Result<> check_workflow(std::string_view text) {
    constexpr std::string_view https = "https://";
    const auto odd = [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '"' || c == '\\'; };
    if (!text.starts_with(https) || std::any_of(text.begin(), text.end(), odd)) return unfit_webhook();
    text.remove_prefix(https.size());
    const auto slash = text.find_first_of("/?#");
    if (slash == std::string_view::npos || text[slash] != '/') return unfit_webhook();
    const auto host = ascii_lowered(text.substr(0, text.find_first_of(":/")));
    const auto path = text.substr(slash);
    if (text.substr(0, slash).find('@') != std::string_view::npos || path.find("workflows/") == std::string_view::npos)
        return unfit_webhook();
    const bool logic = host.find(".logic.azure.") != std::string::npos;
    const bool platform =
        host.ends_with(".environment.api.powerplatform.com") && path.starts_with("/powerautomate/automations/direct/");
    return logic || platform ? Result<>() : unfit_webhook();
}

Result<> check_office_host(const std::string& host) {
    if (host.empty()) return unfit_for_service("option host is missing: ORG.webhook.office.com");
    const auto low = ascii_lowered(host);
    const bool plain = low.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
    if (!plain || !low.ends_with(".office.com"))
        return unfit_for_service("option host: accepted is ORG.webhook.office.com");
    return {};
}

Result<> check_teams(const TeamsSettings& s) {
    if (s.old_form) return check_office_host(s.host);
    if (s.host.empty()) return unfit_for_service("option host is missing: the workflow's whole URL, percent-encoded");
    return check_workflow(s.host);
}

std::string_view card_color(const std::string& color) {
    struct Named {
        std::string_view name, is;
    };
    static constexpr Named names[] = {{"red", "attention"},  {"attention", "attention"}, {"danger", "attention"},
                                      {"orange", "warning"}, {"yellow", "warning"},      {"warning", "warning"},
                                      {"warn", "warning"},   {"green", "good"},          {"good", "good"},
                                      {"success", "good"},   {"blue", "accent"},         {"accent", "accent"},
                                      {"dark", "dark"},      {"light", "light"}};
    const auto low = ascii_lowered(color);
    for (const auto& one : names)
        if (one.name == low) return one.is;
    return "default";
}

/// What is beyond the limit stays with the last line.
std::vector<std::string_view> teams_lines(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const auto end = out.size() + 1 < max_teams_lines ? std::min(text.find('\n'), text.size()) : text.size();
        out.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

boost::json::array card_blocks(const TeamsSettings& s, const std::string& title, std::string_view text) {
    boost::json::array out;
    if (!title.empty()) {
        boost::json::object head;
        head["type"] = "TextBlock";
        head["text"] = title;
        head["color"] = card_color(s.color);
        head["weight"] = "Bolder";
        head["size"] = "Medium";
        out.push_back(std::move(head));
    }
    for (const auto line : teams_lines(text)) {
        if (stripped(line).empty()) continue;
        boost::json::object block;
        block["type"] = "TextBlock";
        block["text"] = line;
        block["wrap"] = true;
        out.push_back(std::move(block));
    }
    return out;
}

std::string card_body(const TeamsSettings& s, const std::string& title, std::string_view text) {
    boost::json::object content;
    content["$schema"] = "http://adaptivecards.io/schemas/adaptive-card.json";
    content["type"] = "AdaptiveCard";
    content["version"] = "1.2";
    content["body"] = card_blocks(s, title, text);
    boost::json::object attachment;
    attachment["contentType"] = "application/vnd.microsoft.card.adaptive";
    attachment["contentUrl"] = nullptr;
    attachment["content"] = std::move(content);
    boost::json::array attachments;
    attachments.push_back(std::move(attachment));
    boost::json::object body;
    body["type"] = "message";
    body["attachments"] = std::move(attachments);
    return boost::json::serialize(body);
}

std::string connector_body(const TeamsSettings& s, const std::string& title, std::string_view text) {
    constexpr std::size_t max_summary = 21;
    const auto lines = teams_lines(text);
    boost::json::array sections;
    for (const auto line : lines) {
        boost::json::object section;
        section["text"] = line;
        section["startGroup"] = false;
        sections.push_back(std::move(section));
    }
    boost::json::object body;
    body["@type"] = "MessageCard";
    body["@context"] = "http://schema.org/extensions";
    body["markdown"] = true;
    if (!title.empty()) body["title"] = title;
    body["summary"] = !title.empty() ? title : lines.empty() ? std::string() : cut_bytes(lines.front(), max_summary);
    body["sections"] = std::move(sections);
    if (!s.color.empty()) body["themeColor"] = s.color;
    return boost::json::serialize(body);
}

Result<> judge_workflow(const Reply& reply) {
    if (reply.status == 200 || reply.status == 202) return {};
    const auto words = json_field(reply.body, "/error/message");
    return words && !words->empty() ? service_said(reply, *words) : bad_status(reply);
}

/// Connectors answer 200 with the failure as text; "1" is success.
Result<> judge_connector(const Reply& reply) {
    if (reply.status < 200 || reply.status > 299) return bad_status(reply);
    const auto words = stripped(reply.body);
    if (words.find("failed") != std::string_view::npos) return service_said(reply, words);
    return {};
}

Result<std::unique_ptr<Delivery>> deliver_teams(TeamsSettings s, const Message& message) {
    if (auto done = teams_options(s).apply(message.params); !done) return done.error();
    if (auto fit = check_teams(s); !fit) return fit.error();
    const auto& title = message.title.empty() ? s.title : message.title;
    if (!s.old_form) return known_call("teams", json_call(s.host, card_body(s, title, message.text)), judge_workflow);
    const auto folder = ascii_lowered(s.host) == "outlook.office.com" ? "webhook" : "webhookb2";
    return known_call(
        "teams",
        json_call(fmt::format("https://{}/{}/{}", s.host, folder, s.old_path), connector_body(s, title, message.text)),
        judge_connector);
}

}  // namespace

Made make_teams(const ServiceUrl& url) {
    TeamsSettings s;
    s.old_form = url.has_user || !url.host.empty();
    if (auto done = teams_options(s).apply(url.query, Options::Unknown::ignored); !done) return done.error();
    if (s.old_form) {
        const auto path = url.segments();
        if (url.user.empty() || url.host.empty() || path.size() != 2)
            return unfit_for_service(
                "the old form is teams://GROUP@TENANT/ALTID/GROUPOWNER?host=ORG.webhook.office.com");
        s.old_path = fmt::format("{}@{}/IncomingWebhook/{}/{}", percent_encoded(url.user), percent_encoded(url.host),
                                 percent_encoded(path[0]), percent_encoded(path[1]));
    }
    if (auto fit = check_teams(s); !fit) return fit.error();
    return service_of("teams", [s](const Message& message, const Surroundings&) { return deliver_teams(s, message); });
}

}  // namespace weir::notify
