#include "apps/fc2/config_params.h"

#include <fmt/format.h>

#include <limits>

#include "apps/fc2/config_templates.h"
#include "apps/tools/names.h"
#include "base/text.h"
#include "proto/fc2/quality.h"

namespace weir::fc2 {
namespace {

using yaml::Complaints;
using yaml::MapReader;

constexpr Millis shortest_interval{1}, longest_interval = std::chrono::hours(24 * 366);
constexpr Millis usual_cleaning_age = std::chrono::hours(48);
constexpr int most_tries = 1'000'000;

/// A name out of a few; the nearest one is told.
Result<> one_of(std::string_view word, std::span<const std::string_view> names) {
    std::vector<std::string> known(names.begin(), names.end());
    if (std::find(known.begin(), known.end(), word) != known.end()) return {};
    const auto near = yaml::nearest(word, known);
    std::string all;
    for (const auto& name : known) all += (all.empty() ? "" : ", ") + name;
    return Error{.code = Errc::bad_input,
                 .what = near.empty() ? fmt::format("{} is none of {}; write one of these", yaml::shown(word), all)
                                      : fmt::format("{} is none of {}; write \"{}\"", yaml::shown(word), all, near)};
}

void read_names(MapReader& reader, Params& params) {
    reader.read_checked("quality", params.quality,
                        [](const std::string& word) { return one_of(word, quality_names()); });
    reader.read_checked("latency", params.latency,
                        [](const std::string& word) { return one_of(word, latency_names()); });
    auto& base = params.base;
    reader.read("labels", base.labels);
    reader.read_checked("outFormat", base.out_format,
                        [&](const std::string& text) { return check_out_format(text, base.labels); });
    const bool given = reader.read_checked("remuxFormat", base.remux_format, [](const std::string& word) -> Result<> {
        if (auto known = apps::format_named(word); !known)
            return Error{.code = Errc::bad_input, .what = known.error().what + "; write one of these"};
        return {};
    });
    if (!given) return;
    const auto begin = base.remux_format.find_first_not_of('.');
    base.remux_format = ascii_lowered(std::string_view(base.remux_format).substr(begin));
}

void read_cleaning_age(MapReader& reader, sites::Params& base, Complaints& complaints) {
    constexpr std::string_view key = "eligibleForCleaningAge";
    if (!reader.read_duration(key, base.eligible_for_cleaning_age, Millis(0), longest_interval)) return;
    auto& age = base.eligible_for_cleaning_age;
    if (age == Millis(0))
        age = usual_cleaning_age;  // FC2-97
    else if (age < std::chrono::hours(1))
        complaints.warning(reader.place_of(key),
                           fmt::format("{}: {} is shorter than many lives; write 48h, or at least 1h",
                                       reader.path_of(key), yaml::go_duration_text(age)));
}

std::map<std::string, std::string> all_with(std::initializer_list<const char*> keys, const std::string& said) {
    std::map<std::string, std::string> out;
    for (const auto* key : keys) out.emplace(key, said);
    return out;
}

void add(std::map<std::string, std::string>& to, std::map<std::string, std::string> more) {
    to.merge(more);
}

}  // namespace

void read_params(MapReader& reader, Params& params, Complaints& complaints) {
    auto& base = params.base;
    read_names(reader, params);
    reader.read("packetLossMax", base.packet_loss_max, 0, std::numeric_limits<int>::max());
    reader.read("waitForQualityMaxTries", params.wait_for_quality_max_tries, 1, most_tries);
    reader.read_duration("waitPollInterval", base.wait_poll_interval, shortest_interval, longest_interval);
    reader.read_duration("pollQualityUpgradeInterval", params.poll_quality_upgrade_interval, shortest_interval,
                         longest_interval);
    read_cleaning_age(reader, base, complaints);
    std::string folder = base.scan_directory.string();
    if (reader.read("scanDirectory", folder)) base.scan_directory = folder;
    const std::pair<const char*, bool*> switches[] = {
        {"writeChat", &base.write_chat},
        {"writeInfoJson", &base.write_info_json},
        {"writeThumbnail", &base.write_thumbnail},
        {"waitForLive", &base.wait_for_live},
        {"allowQualityUpgrade", &params.allow_quality_upgrade},
        {"remux", &base.remux},
        {"concat", &base.concat},
        {"keepIntermediates", &base.keep_intermediates},
        {"deleteCorrupted", &base.delete_corrupted},
        {"extractAudio", &base.extract_audio},
    };
    for (const auto& [key, value] : switches) reader.read(key, *value);
}

const std::map<std::string, std::string>& known_elsewhere_than_params() {
    static const auto all = [] {
        auto out = all_with({"cookiesImportFile", "defaultParams", "channels", "notifier", "rateLimitAvoidance"},
                            "write it at the top level");
        add(out, all_with({"pollingPacing"}, "write it under rateLimitAvoidance"));
        add(out, all_with({"urls", "notificationFormats", "includeTitleInMessage", "noPriority"},
                          "write it under notifier"));
        return out;
    }();
    return all;
}

const std::map<std::string, std::string>& known_elsewhere_than_top() {
    static const auto all = [] {
        auto out = all_with({"quality",
                             "latency",
                             "labels",
                             "outFormat",
                             "remuxFormat",
                             "packetLossMax",
                             "waitForQualityMaxTries",
                             "waitPollInterval",
                             "pollQualityUpgradeInterval",
                             "eligibleForCleaningAge",
                             "scanDirectory",
                             "writeChat",
                             "writeInfoJson",
                             "writeThumbnail",
                             "waitForLive",
                             "allowQualityUpgrade",
                             "remux",
                             "concat",
                             "keepIntermediates",
                             "deleteCorrupted",
                             "extractAudio"},
                            "write it under defaultParams or a channel");
        add(out, all_with({"pollingPacing"}, "write it under rateLimitAvoidance"));
        add(out, all_with({"urls", "notificationFormats", "includeTitleInMessage", "noPriority"},
                          "write it under notifier"));
        return out;
    }();
    return all;
}

}  // namespace weir::fc2
