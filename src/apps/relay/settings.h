#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/relay/relay.h"
#include "base/log.h"

namespace weir::relay {

/// What the command line said, as text; empty: not said. The environment fills what was left out.
struct RelayWords {
    std::string listen, port, rules, push_secret, push_secret_file, admin_token, admin_token_file, viewer_secret,
        viewer_secret_file, viewer_key, audience, auth, viewers, tls_cert, tls_key, tls_ca, jsmpeg_secret,
        jsmpeg_secret_file, jsmpeg_ports, record_dir, api, ping, viewer_budget, viewer_budget_time, ingest_timeout,
        public_url;
    std::vector<std::string> allow_origins, commands;
    bool no_page = false, no_proxy = false, allow_no_booking_id = false;
    std::map<std::string, std::string> from;  ///< by flag: the variable that filled it
};

struct RelayVariable {
    std::string name, value;  ///< name as it is set: "Vw_Port"
};
using RelayVariables = std::map<std::string, RelayVariable>;

/// The variables that are a relay's own: VW_NAME, RELAYHOST_NAME (PR-19) or WEIR_RELAY_NAME, in any letter case; the last of these
/// counts most. Keys in lower case, without the prefix. `environment` as in environ: "NAME=value". A port that begins with "tcp://"
/// is Kubernetes' link to a service that happens to be called so, and none of ours.
[[nodiscard]] RelayVariables relay_environment(std::span<const char* const> environment);

/// Fills what `words` leaves out. Returns what people are to be told about single variables.
/// errors  bad_input: a value that is none, by the name of its variable (VW-84: exit)
Result<std::vector<std::string>> add_environment(RelayWords& words, const RelayVariables& variables);

/// VW_LOG_LEVEL, or VW_LOGLEVEL as the README says (VW-83): panic, fatal, error, warning or warn, info, debug, trace in any case;
/// anything else is info. None: neither is set.
[[nodiscard]] std::optional<log::Level> relay_log_level(const RelayVariables& variables);

/// Words to options; files of secrets are read here.
/// errors  bad_input with the name of the flag, or of the variable that filled it. Also where the listener is open to other machines and nothing says who may push
Result<RelayOptions> relay_options(const RelayWords& words);

/// What everybody who reaches the relay may do, "pushing, viewing"; empty: nothing.
[[nodiscard]] std::string open_rights(const RelayOptions& options);
/// The text of a file (called `file`) that holds a secret: one line, blanks around it taken off.
Result<Secret> secret_of(std::string_view text, const std::string& file);
[[nodiscard]] bool is_this_machine(std::string_view address) noexcept;  ///< 127.…, ::1, localhost

}  // namespace weir::relay
