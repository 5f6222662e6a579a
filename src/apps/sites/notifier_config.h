#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::sites {

/// The notifier's keys as they stand in both recorders' files (FC2-105, FC2-130).
struct NotifierConfig {
    bool enabled = false, include_title_in_message = false, no_priority = false;
    std::vector<std::string> urls = {};
    struct Format {
        std::optional<bool> enabled = {};
        std::string title = {}, message = {};
        int priority = 0;
        bool operator==(const Format&) const = default;
    };
    std::map<std::string, Format> formats = {};  ///< by event: "configReloaded"

    bool operator==(const NotifierConfig&) const = default;
};

}  // namespace weir::sites
