#pragma once
#include <map>
#include <string>

#include "apps/recorder/file_names.h"
#include "base/time.h"
#include "runtime/file_system.h"

namespace weir::sites {

/// What is kept of a live and how: of every site recorder, for one channel. Values are the reference programs' (FC2-106).
struct Params {
    std::string out_format{apps::default_out_format};
    int packet_loss_max = 20;  ///< read for old configs; losses are listed, they never end a recording (FC2-67)
    bool write_chat = false, write_info_json = false, write_thumbnail = false;
    bool wait_for_live = true;  ///< false: a channel that is not live is looked at once and left alone
    Millis wait_poll_interval{5'000};
    bool remux = true;
    std::string remux_format = "mp4";  ///< in lower case, one that format_named() knows
    bool concat = true;
    bool keep_intermediates = false;
    Path scan_directory = {};  ///< empty: no cleaning
    Millis eligible_for_cleaning_age = std::chrono::hours(48);
    bool delete_corrupted = true;
    bool extract_audio = false;
    std::map<std::string, std::string> labels = {};

    bool operator==(const Params&) const = default;
};

}  // namespace weir::sites
