#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace weir::fc2 {

/// A playlist of get_hls_information: `mode` = quality code + latency code (FC2-25, FC2-31).
struct Playlist {
    int mode = 0;
    int status = 0;
    std::string url = {};
};

struct Comment {
    std::string line;  ///< as the chat file has it: FC2-51, without its line end; unknown fields follow the known ones
    std::uint64_t key = 0;  ///< equal for the same comment, also when it is replayed from history
};

struct ConnectComplete {};
struct Response {
    std::int64_t id = 0;
    std::vector<Playlist> playlists;  ///< low, high, mid joined in that order; of another request: empty
    std::optional<int> status = {};
};
struct Comments {
    std::vector<Comment> comments;
};
struct Disconnection {
    int code = 0;
};
struct PublishStop {};
/// Known to be of no use, or unknown (FC2-21), or not understood (`why` is then said, and that is all: FC2-28).
struct Other {
    std::string name, why;
};
using Message = std::variant<ConnectComplete, Response, Comments, Disconnection, PublishStop, Other>;

/// One text message from the server. Never an error: a recording does not end by what it cannot read.
[[nodiscard]] Message parse_message(std::string_view json);

[[nodiscard]] std::string heartbeat(std::int64_t id);
[[nodiscard]] std::string get_hls_information(std::int64_t id);

/// What a code of control_disconnection means (FC2-24), as an error: 4101 and 4507 denied, 4512 busy, others lost_peer; its
/// `status` is the code.
[[nodiscard]] Error disconnection_error(int code);

}  // namespace weir::fc2
