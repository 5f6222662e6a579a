#include "apps/fc2/config.h"

#include <fmt/format.h>

#include <limits>

#include "apps/fc2/config_params.h"
#include "apps/fc2/config_templates.h"
#include "proto/fc2/member.h"
#include "proto/yaml/reader.h"

namespace weir::fc2 {
namespace {

using yaml::Complaints;
using yaml::MapReader;
using yaml::Node;

constexpr Millis longest_setting = std::chrono::hours(24 * 366);
constexpr Millis usual_pacing{500};
constexpr int usual_priority = 7;

/// One configuration on its way from the tree.
class ConfigReader {
public:
    ConfigReader(const std::string& file, Config& config) : complaints(file), config_(config) {}

    void read(const Node& root) {
        MapReader top(root, "", complaints);
        std::string import_file, cookies_file;
        top.read("cookiesImportFile", import_file);
        top.read("cookiesFile", cookies_file);
        config_.cookies_import_file = import_file;
        config_.cookies_file = cookies_file;
        top.read_duration("cookiesRefreshDuration", config_.cookies_refresh_duration, Millis(0), longest_setting);
        top.read("defaultParams", [&](const Node& node) { defaults(node); });
        top.read("rateLimitAvoidance", [&](const Node& node) { pacing(node); });
        top.read("notifier", [&](const Node& node) { notifier(node); });
        top.read("channels", [&](const Node& node) { channels(node); });
        if (config_.channels.empty() && complaints.errors().empty())
            complaints.warning(top.place_of("channels"),
                               "there are no channels: nothing is recorded; write \"ID:\" lines under channels");
        top.finish(known_elsewhere_than_top());
    }

    Complaints complaints;

private:
    void defaults(const Node& node) {
        MapReader reader(node, "defaultParams", complaints);
        read_params(reader, defaults_, complaints);
        std::string old_file;
        if (reader.read("cookiesFile", old_file) && !old_file.empty()) config_.cookies_import_file = old_file;
        reader.read_duration("cookiesRefreshDuration", config_.cookies_refresh_duration, Millis(0), longest_setting);
        reader.deprecated("cookiesFile", "write cookiesImportFile at the top level");
        reader.deprecated("cookiesRefreshDuration", "write cookiesRefreshDuration at the top level");
        reader.finish(known_elsewhere_than_params());
    }

    void pacing(const Node& node) {
        constexpr std::string_view key = "pollingPacing";
        MapReader reader(node, "rateLimitAvoidance", complaints);
        reader.read_duration(key, config_.polling_pacing, Millis(0), longest_setting);
        if (config_.polling_pacing == Millis(0)) {
            complaints.warning(
                reader.place_of(key),
                fmt::format("{}: 0s is taken as 500ms; write how far apart channels start", reader.path_of(key)));
            config_.polling_pacing = usual_pacing;
        }
        reader.finish();
    }

    void channels(const Node& node) {
        const MapReader whole(node, "channels", complaints);  // says so when it is no mapping
        std::map<std::string, yaml::Mark> seen;
        for (const auto& entry : node.entries()) {
            const auto id = parse_channel_id(entry.key.text());
            if (!id) {
                complaints.error(entry.key.mark(),
                                 fmt::format("channels: {} is no channel; write its number, or its address "
                                             "https://live.fc2.com/NUMBER/",
                                             yaml::shown(entry.key.text())));
                continue;
            }
            const auto [first, is_new] = seen.emplace(*id, entry.key.mark());
            if (!is_new) {
                complaints.error(entry.key.mark(),
                                 fmt::format("channels: {} is here a second time, the first is at {}:{}; keep one", *id,
                                             first->second.line, first->second.column));
                continue;
            }
            config_.channels.emplace_back(*id, channel(*id, entry.value));
        }
    }

    Params channel(const std::string& id, const Node& node) {
        auto params = defaults_;
        MapReader reader(node, "channels." + id, complaints);
        read_params(reader, params, complaints);
        reader.deprecated("cookiesFile", "it is ignored here, write cookiesImportFile at the top level");
        reader.deprecated("cookiesRefreshDuration", "it is ignored here, write it at the top level");
        reader.finish(known_elsewhere_than_params());
        return params;
    }

    void notifier(const Node& node) {
        auto& into = config_.notifier;
        MapReader reader(node, "notifier", complaints);
        reader.read("enabled", into.enabled);
        reader.read("includeTitleInMessage", into.include_title_in_message);
        reader.read("noPriority", into.no_priority);
        reader.read("urls", into.urls);
        reader.read("notificationFormats", [&](const Node& formats) { notices(formats); });
        if (into.enabled && into.urls.empty() && complaints.errors().empty())
            complaints.warning(reader.place_of("enabled"),
                               "notifier.enabled: there are no urls to send to; write notifier.urls");
        reader.finish();
    }

    void notices(const Node& node) {
        const std::string what = "notifier.notificationFormats";
        const MapReader whole(node, what, complaints);
        for (const auto& entry : node.entries()) {
            const auto& event = entry.key.text();
            const auto& known = event_names();
            if (std::find(known.begin(), known.end(), event) == known.end()) {
                const auto near = yaml::nearest(event, known);
                complaints.warning(entry.key.mark(), fmt::format("unknown event {} in {}; {}", yaml::shown(event), what,
                                                                 near.empty() ? "it is ignored, take it out"
                                                                              : fmt::format("write \"{}\"", near)));
                continue;
            }
            config_.notifier.formats[event] = notice(event, what + "." + event, entry.value);
        }
    }

    NotifierConfig::Format notice(const std::string& event, const std::string& what, const Node& node) {
        NotifierConfig::Format format;
        MapReader reader(node, what, complaints);
        if (bool enabled = false; reader.read("enabled", enabled)) format.enabled = enabled;
        const auto check = [&](const std::string& text) { return check_notice(event, text); };
        reader.read_checked("title", format.title, check);
        reader.read_checked("message", format.message, check);
        constexpr int any = std::numeric_limits<int>::max();
        int priority = usual_priority;
        if (reader.read("priority", priority, -any, any)) format.priority = priority;
        if (format.priority < 0 || format.priority > 10)
            complaints.warning(reader.place_of("priority"), fmt::format("{}: {} is not on the scale; write 0 to 10",
                                                                        reader.path_of("priority"), format.priority));
        reader.finish();
        return format;
    }

    Config& config_;
    Params defaults_ = {};
};

}  // namespace

Result<LoadedConfig> parse_config(std::string_view text, const std::string& file) {
    const auto root = yaml::parse(text, file);
    if (!root) return root.error();
    LoadedConfig loaded;
    ConfigReader reader(file, loaded.config);
    reader.read(*root);
    if (const auto result = reader.complaints.result(); !result) return result.error();
    loaded.warnings = reader.complaints.warnings();
    return loaded;
}

}  // namespace weir::fc2
