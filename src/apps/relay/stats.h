#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/relay/destinations.h"
#include "apps/relay/hub.h"
#include "apps/relay/on_demand.h"
#include "apps/relay/recordings.h"

namespace weir::relay {

/// All that a relay says about itself; gathered on the home shard.
struct RelayNumbers {
    WallTime now, started;
    std::string version;
    std::size_t connections = 0;  ///< of all servers of this process
    std::vector<TopicStats> topics;
    std::vector<DestinationStatus> destinations;
    std::vector<OnDemand::Status> commands;
    std::vector<Recordings::Status> recordings;
    std::map<std::string, std::string> recording_errors;  ///< by id: why one did not begin
    std::size_t stream_rules = 0, destination_rules = 0, recording_rules = 0;
    std::string rules_file, rules_error;  ///< empty: none
    struct Console {
        std::string destination, state, why;
    };
    std::optional<Console> console;  ///< VW_API
};

/// GET /api/stats, and each event of /api/events:
///   {"now":"…Z","started":"…Z","uptime_seconds":1.5,"version":"…","connections":3,
///    "topics":[{"name":"video0","kind":"feed"|"stream","feeds":["…"],"tracks":[{"id":256,"kind":"video","codec":"h264","language":""}],
///               "messages":false,"bits_per_second":0,
///               "publishers":[{"kind":"http","peer":"…","user_agent":"…","since":"…Z"|null,"bytes":0,"packets":0,"messages":0,
///                              "dropped_bytes":0,"resyncs":0,"continuity_errors":0,"random_access_points":0}],
///               "in":{"chunks":0,"bytes":0,"gaps":0},"viewers":{"websocket":0,"http_ts":0},"out":{"bytes":0,"skips":0},
///               "message_bytes":{"count":0,"mean":0,"min":0,"max":0,"stddev":0},"message_gap_ms":{…}}],
///    "destinations":[{"id":"0","stream":"…","destination":"…","token":false,"state":"connected"|…,"since":"…Z"|null,
///                     "next_try":"…Z"|null,"connections":0,"attempts":0,"messages":0,"bytes":0,"received":0,"skips":0,
///                     "skipped_bytes":0,"last_error":""}],
///    "console":null|{"destination":"…","state":"…","last_error":"…"},
///    "recordings":[{"id":"…","stream":"…","state":"waiting"|…,"file":"…","since":"…Z"|null,"bytes":0,"seconds":0,"losses":0,
///                   "left_out":0,"waiting_for_space":false,"error":""}],"commands":[{"feed":"…","state":"idle"|…,"command":["…"],"pid":0,"since":"…Z"|null,"starts":0,
///                  "restarts":0,"last_error":"","last_lines":["…"]}],
///    "rules":{"streams":0,"destinations":0,"recordings":0,"file":"","error":""}}
/// No secrets: tokens and the values of queries are never in it.
[[nodiscard]] std::string stats_json(const RelayNumbers& numbers);

}  // namespace weir::relay
