#include "apps/fc2/config_templates.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "apps/recorder/file_names.h"
#include "apps/sites/events.h"
#include "proto/fc2/member.h"
#include "proto/yaml/reader.h"

namespace weir::fc2 {
namespace {

using gotemplate::Value;
using Fields = std::vector<std::string>;

struct NoticeKind {
    std::string name;
    Fields fields;
};
const std::vector<NoticeKind>& notice_kinds() {
    static const Fields live{"ChannelID", "MetaData", "Labels"}, failed{"ChannelID", "Error", "Labels"},
        channel{"ChannelID", "Labels"};
    using Event = sites::EventKind;
    static const std::vector<std::pair<Event, Fields>> events{
        {Event::config_reloaded, {}}, {Event::login_failed, {"Error"}}, {Event::panicked, {"Capture"}},
        {Event::idle, channel},       {Event::blind, failed},           {Event::preparing_files, live},
        {Event::downloading, live},   {Event::post_processing, live},   {Event::finished, live},
        {Event::error, failed},       {Event::canceled, channel},       {Event::update_available, {"Version"}},
    };
    static const auto kinds = [] {
        std::vector<NoticeKind> out;
        for (const auto& [event, fields] : events) out.push_back({std::string(sites::name_of(event)), fields});
        return out;
    }();
    return kinds;
}

/// memberApi's answer with nothing in it: every known field is there.
Value empty_metadata() {
    static const auto member =
        parse_member(R"({"status":1,"data":{"channel_data":{"is_publish":1},"profile_data":{},"user_data":{}}})");
    return member ? member->metadata : Value();
}

std::string between(const std::string& text, std::string_view before, std::string_view after) {
    const auto from = text.find(before);
    if (from == std::string::npos) return "";
    const auto begin = from + before.size();
    return text.substr(begin, std::min(text.find(after, begin), text.size()) - begin);
}

/// Go's message as one sentence with what to do; nothing for what fails only with this trial's data.
std::optional<Error> template_mistake(const std::string& said, const Fields& fields) {
    const auto wrong = [](std::string what) { return Error{.code = Errc::bad_input, .what = std::move(what)}; };
    if (!said.starts_with("template: ")) return wrong(said);
    if (said.find(": executing ") == std::string::npos) {
        const auto at = said.find(':', std::string_view("template: ").size());
        return wrong(fmt::format("the template cannot be read, line {}; write fields like {{{{ .{} }}}}",
                                 at == std::string::npos ? said : said.substr(at + 1),
                                 fields.empty() ? "ChannelID" : fields.front()));
    }
    const auto field = between(said, "can't evaluate field ", " ");
    if (field.empty()) return std::nullopt;
    const bool at_the_top = between(said, " at <", ">").starts_with("." + field);
    if (!at_the_top)
        return wrong(fmt::format(
            "there is no field \"{}\" where the template looks for it; mend its name or take it out", field));
    if (fields.empty()) return wrong(fmt::format("there is no field .{} here; write a text without fields", field));
    const auto near = yaml::nearest(field, fields);
    if (!near.empty()) return wrong(fmt::format("there is no field .{}; write .{}", field, near));
    return wrong(fmt::format("there is no field .{}; there are .{}", field, fmt::join(fields, ", .")));
}

}  // namespace

const std::vector<std::string>& event_names() {
    static const auto names = [] {
        std::vector<std::string> out;
        for (const auto& kind : notice_kinds()) out.push_back(kind.name);
        return out;
    }();
    return names;
}

Result<> check_out_format(const std::string& text, const std::map<std::string, std::string>& labels) {
    static const Fields fields{"ChannelID", "ChannelName", "Title", "Date", "Time", "Ext", "MetaData", "Labels"};
    const apps::NameData trial{.channel_id = "1",
                               .channel_name = "name",
                               .title = "title",
                               .time = WallTime(std::chrono::seconds(1'700'000'000)),
                               .labels = labels,
                               .metadata = empty_metadata()};
    const auto names = apps::FileNames::make(text, trial);
    if (names) return {};
    if (auto mistake = template_mistake(names.error().what, fields)) {
        if (mistake->what.starts_with("file name: "))
            mistake->what += "; end it in a name like {{ .Title }}.{{ .Ext }}";
        return std::move(*mistake);
    }
    return {};
}

Result<> check_notice(const std::string& event, const std::string& text) {
    const auto& kinds = notice_kinds();
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const NoticeKind& k) { return k.name == event; });
    const auto fields = kind == kinds.end() ? Fields{} : kind->fields;
    const auto parsed = gotemplate::Template::parse(event, text);
    if (!parsed) return std::move(*template_mistake(parsed.error().what, fields));
    if (kind == kinds.end()) return {};
    std::vector<std::pair<std::string, Value>> data;
    for (const auto& field : fields)
        data.emplace_back(field, field == "Labels"     ? Value::labels({})
                                 : field == "MetaData" ? empty_metadata()
                                 : field == "Error"    ? Value::error("error")
                                                       : Value::text("text"));
    if (std::find(fields.begin(), fields.end(), "MetaData") != fields.end())
        data.emplace_back("Metadata", empty_metadata());
    if (const auto made = parsed->run(Value::structure("", std::move(data))); made.error)
        if (auto mistake = template_mistake(made.error->what, fields)) return std::move(*mistake);
    return {};
}

}  // namespace weir::fc2
