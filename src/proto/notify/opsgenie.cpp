#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.12 and 11
namespace weir::notify {
namespace {

constexpr std::size_t max_opsgenie_message = 130, max_opsgenie_description = 15'000;
constexpr std::string_view opsgenie_priorities[] = {"P1", "P2", "P3", "P4", "P5"};

struct OpsgenieSettings {
    std::string host, key, alias, description, entity, source, note, user, title;
    std::vector<std::string> tags, actions;
    boost::json::array responders, visible;
    Options::Map details;
    int priority = -1;
};

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : hex_value(text[i]) < 0) return false;
    }
    return true;
}

/// "team:ops,user:a@b.c"
Result<boost::json::array> opsgenie_entities(std::string_view text) {
    boost::json::array out;
    while (!text.empty()) {
        const auto end = std::min(text.find(','), text.size());
        const auto one = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto colon = one.find(':');
        if (colon == std::string_view::npos) return unfit_for_service("accepted is type:name,type:name");
        const auto type = one.substr(0, colon), name = one.substr(colon + 1);
        boost::json::object entity;
        entity["type"] = type;
        if (is_uuid(name))
            entity["id"] = name;
        else if (type == "team")
            entity["name"] = name;
        else if (type == "user")
            entity["username"] = name;
        else
            return unfit_for_service("of other types than team and user the id (a UUID) is needed");
        out.push_back(std::move(entity));
    }
    return out;
}

std::function<Result<>(const std::string&)> entities_into(boost::json::array& into) {
    return [&into](const std::string& text) -> Result<> {
        auto got = opsgenie_entities(text);
        if (!got) return got.error();
        into = std::move(*got);
        return {};
    };
}

Options opsgenie_options(OpsgenieSettings& s) {
    return Options()
        .list("actions", s.actions)
        .text("alias", s.alias)
        .text("description", s.description)
        .map("details", s.details)
        .text("entity", s.entity)
        .text("note", s.note)
        .choice("priority", s.priority, {"P1", "P2", "P3", "P4", "P5"})
        .other("responders", entities_into(s.responders))
        .text("source", s.source)
        .list("tags", s.tags)
        .text("title", s.title)
        .text("user", s.user)
        .other("visibleTo", entities_into(s.visible));
}

/// The headline is short: what does not fit goes below it.
void set_opsgenie_texts(boost::json::object& body, const OpsgenieSettings& s, const Message& message) {
    const auto& title = message.title.empty() ? s.title : message.title;
    const auto& headline = title.empty() ? message.text : title;
    auto description = title.empty() && headline.size() <= max_opsgenie_message ? std::string() : message.text;
    if (!s.description.empty()) description += (description.empty() ? "" : "\n") + s.description;
    body["message"] = cut_bytes(headline, max_opsgenie_message);
    if (!description.empty()) body["description"] = cut_bytes(description, max_opsgenie_description);
}

void set_opsgenie_lists(boost::json::object& body, const OpsgenieSettings& s) {
    if (!s.responders.empty()) body["responders"] = s.responders;
    if (!s.visible.empty()) body["visibleTo"] = s.visible;
    if (!s.actions.empty()) body["actions"] = boost::json::array(s.actions.begin(), s.actions.end());
    if (!s.tags.empty()) body["tags"] = boost::json::array(s.tags.begin(), s.tags.end());
    boost::json::object details;
    for (const auto& [key, value] : s.details) details[key] = value;
    if (!details.empty()) body["details"] = std::move(details);
}

Result<> judge_opsgenie(const Reply& reply) {
    if (reply.status >= 200 && reply.status < 300) return {};
    const auto words = json_field(reply.body, "/message");
    return words && !words->empty() ? service_said(reply, *words) : bad_status(reply);
}

Result<std::unique_ptr<Delivery>> deliver_opsgenie(OpsgenieSettings s, const Message& message) {
    if (auto done = opsgenie_options(s).apply(message.params); !done) return done.error();
    if (s.priority < 0 && message.priority) s.priority = 4 - priority_step(*message.priority);
    boost::json::object body;
    set_opsgenie_texts(body, s, message);
    set_opsgenie_lists(body, s);
    const std::pair<const char*, const std::string*> texts[] = {
        {"alias", &s.alias}, {"entity", &s.entity}, {"source", &s.source}, {"note", &s.note}, {"user", &s.user}};
    for (const auto& [name, value] : texts)
        if (!value->empty()) body[name] = *value;
    if (s.priority >= 0) body["priority"] = opsgenie_priorities[s.priority];
    auto call = json_call(fmt::format("https://{}/v2/alerts", s.host), boost::json::serialize(body));
    call.headers.emplace_back("Authorization", "GenieKey " + header_value(s.key));
    return known_call("opsgenie", std::move(call), judge_opsgenie);
}

}  // namespace

Made make_opsgenie(const ServiceUrl& url) {
    ServiceUrl where = url;
    if (where.host.empty()) where.host = "api.opsgenie.com";
    if (!where.port) where.port = std::uint16_t{443};
    const auto path = url.segments();
    if (path.size() != 1) return unfit_for_service("the API key is needed: opsgenie://api.opsgenie.com/KEY");
    OpsgenieSettings s;
    s.host = where.authority();
    s.key = path[0];
    if (auto done = opsgenie_options(s).apply(url.query); !done) return done.error();
    return service_of("opsgenie",
                      [s](const Message& message, const Surroundings&) { return deliver_opsgenie(s, message); });
}

}  // namespace weir::notify
