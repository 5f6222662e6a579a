#include <utility>

#include "apps/sites/notifier.h"
#include "proto/gotemplate/template.h"

namespace weir::sites {
namespace {

using gotemplate::Template;
using gotemplate::Value;
using Format = NotifierConfig::Format;

Value error_value(const std::string& text) {
    return Value::interface(gotemplate::types::error(), text.empty() ? Value() : Value::error(text));
}

/// What the templates see, under Go's names (FC2-129).
Value data_of(const Event& event) {
    std::vector<std::pair<std::string, Value>> fields;
    const auto add = [&](const char* name, Value value) { fields.emplace_back(name, std::move(value)); };
    const auto channel = [&] { add("ChannelID", Value::text(event.channel_id)); };
    const auto labels = [&] { add("Labels", Value::labels(event.labels)); };
    switch (event.kind) {
        case EventKind::config_reloaded:
            break;
        case EventKind::login_failed:
            add("Error", error_value(event.text));
            break;
        case EventKind::panicked:
            add("Capture", Value::any(Value::text(event.text)));
            break;
        case EventKind::update_available:
            add("Version", Value::text(event.text));
            break;
        case EventKind::idle:
        case EventKind::canceled:
            channel();
            labels();
            break;
        case EventKind::error:
        case EventKind::blind:
            channel();
            add("Error", error_value(event.text));
            labels();
            break;
        case EventKind::preparing_files:
        case EventKind::downloading:
        case EventKind::post_processing:
        case EventKind::finished:
            channel();
            add("MetaData", event.metadata);
            add("Metadata", event.metadata);  // files that spell it so are read, too
            labels();
            break;
    }
    return Value::structure("", std::move(fields));
}

Result<std::string> printed(const std::string& name, const std::string& text, const Value& data) {
    const auto parsed = Template::parse(name, text);
    if (!parsed) return parsed.error();
    return parsed->execute(data);
}

Result<> check(const std::string& key, const char* part, const std::string& text) {
    const auto parsed = Template::parse(key, text);
    if (!parsed) return within(fmt::format("notificationFormats.{}.{}", key, part), parsed.error());
    return {};
}

}  // namespace

NotifierWords fc2_words() {
    const std::string whose = "{{ .MetaData.ProfileData.Name }}", live = "{{ .MetaData.ChannelData.Title }}",
                      channel = "{{ .ChannelID }}", why = "{{ .Error }}";
    NotifierWords words;
    words.formats = {
        {"configReloaded", {true, "config reloaded", "", 10}},
        {"loginFailed", {true, "login failed", why, 10}},
        {"panicked", {true, "panicked", "{{ .Capture }}", 10}},
        {"idle", {false, "watching " + channel, "", 0}},
        {"preparingFiles", {false, "preparing files for " + whose, "", 0}},
        {"downloading", {true, whose + " is streaming", live, 7}},
        {"postProcessing", {false, "post-processing " + whose, live, 7}},
        {"finished", {true, whose + " stream ended", live, 7}},
        {"error", {true, "stream download of " + channel + " failed", why, 10}},
        {"canceled", {true, "stream download of " + channel + " canceled", "", 10}},
        {"updateAvailable",
         {true, "update available ({{ .Version }})",
          "A new version ({{ .Version }}) of fc2-live-dl is available. Please update.", 7}},
        {"blind", {true, "cannot tell whether " + channel + " is live", why, 7}},
    };
    return words;
}

Format format_of(const std::string& event, const NotifierConfig& config, const NotifierWords& words) {
    Format format;
    if (const auto usual = words.formats.find(event); usual != words.formats.end()) format = usual->second;
    const auto wished = config.formats.find(event);
    if (wished == config.formats.end()) return format;
    if (wished->second.enabled) format.enabled = wished->second.enabled;
    if (!wished->second.title.empty()) format.title = wished->second.title;
    if (!wished->second.message.empty()) format.message = wished->second.message;
    if (wished->second.priority != 0) format.priority = wished->second.priority;
    return format;
}

Result<std::optional<notify::Message>> message_of(const Event& event, const NotifierConfig& config,
                                                  const NotifierWords& words) {
    const std::string key(name_of(event.kind));
    const auto format = format_of(key, config, words);
    if (!format.enabled.value_or(false)) return std::optional<notify::Message>();
    const auto data = data_of(event);
    const auto title = printed(key, format.title, data);
    if (!title) return title.error();
    auto text = printed(key, format.message, data);
    if (!text) return text.error();
    notify::Message message;
    message.title = fmt::format("{}: {}", words.program, *title);
    message.text = text->empty() ? *title : std::move(*text);
    if (config.include_title_in_message) message.text = fmt::format("**{}**\n\n{}", *title, message.text);
    message.title_in_text = config.include_title_in_message;
    if (!config.no_priority) message.priority = format.priority;
    return std::optional<notify::Message>(std::move(message));
}

Result<> check_formats(const NotifierConfig& config, const NotifierWords& words) {
    std::string wrong;
    const auto note = [&](const Result<>& result) {
        if (!result) wrong += (wrong.empty() ? "" : "\n") + result.error().text();
    };
    for (const auto& [key, usual] : words.formats) {
        const auto format = format_of(key, config, words);
        note(check(key, "title", format.title));
        note(check(key, "message", format.message));
    }
    if (!wrong.empty()) return Error{Errc::bad_input, std::move(wrong)};
    return {};
}

}  // namespace weir::sites
