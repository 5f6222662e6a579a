#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proto/gotemplate/value.h"

/// FC2's answers and messages, read without sockets or clocks, and tolerantly: a scalar may be of another kind, anything absent or
/// null; what is not understood is reported by its field, never taken for something else (FC2-8 to FC2-10).
/// limits  4 MiB of JSON, 64 levels
namespace weir::fc2 {

/// memberApi: what the recorder reads of it, and all of it for names, info file and page.
struct Member {
    bool live = false;                                    ///< is_publish > 0, whatever its JSON kind
    std::string channel_id, version, title, name, image;  ///< title and name unescaped once
    std::int64_t start = 0;                               ///< unix seconds; 0: not said
    bool login_only = false, paid = false;                ///< login_only 1 / 2; ticket_only
    gotemplate::Value metadata = {};  ///< under the Go names of FC2-69, FC2-70; absent numbers are 0
    std::string info_json =
        {};  ///< the info file: the keys of FC2-8 in order, two blanks, final newline (FC2-48); unknown keys are kept
             ///< after the known ones of their object
    std::vector<std::string> drifts = {};  ///< "channel_data.userid: a number where text was expected": to be told once
};
/// Errors: bad_input naming the field: not JSON; status is not 1 (its msg is in the text); data or is_publish missing or unreadable. An
/// offline channel is no error (FC2-6).
[[nodiscard]] Result<Member> parse_member(std::string_view json);

/// getControlServer (FC2-14 to FC2-17).
struct ControlServer {
    std::string url;                           ///< ws:// or wss://, with control_token in its query
    std::string orz_raw = {};                  ///< the viewer's identity: cookie l_ortkn
    std::string user_name = {};                ///< empty: anonymous
    std::optional<std::int64_t> expires = {};  ///< of the token, unix seconds
};
/// Errors: denied (status says so), bad_input naming the field.
[[nodiscard]] Result<ControlServer> parse_control_server(std::string_view json);

/// allchannellist.php (FC2-141): who is live now.
struct ListedChannel {
    std::string id, name, title;
    std::int64_t count = 0;
    bool login = false, pay = false;
};
[[nodiscard]] Result<std::vector<ListedChannel>> parse_channel_list(std::string_view json);

/// "91544481" of it, or of https://live.fc2.com/91544481/ and its kin (FC2-1); http and livechatfc2.com too. bad_input: neither.
[[nodiscard]] Result<std::string> parse_channel_id(std::string_view text);

/// &amp; &#39; &#x2F; … once; what is no reference stays.
[[nodiscard]] std::string html_unescaped(std::string_view text);

/// The login probe's second page: logged in when it holds "logout"; the name where it is shown (FC2-120).
struct HomePage {
    bool logged_in = false;
    std::string user_name;
};
[[nodiscard]] HomePage parse_home_page(std::string_view html);

}  // namespace weir::fc2
