#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/secret.h"
#include "io/http_server.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::status {

/// "HOST:PORT", ":PORT", "PORT" or "" (127.0.0.1:3000); "localhost" is 127.0.0.1. Errors: bad_input naming `option`.
struct Listen {
    std::string address = "127.0.0.1";
    std::uint16_t port = 3000;
    bool asked_for = false;  ///< not the default: that it cannot be had is an error, not a warning
    [[nodiscard]] bool loopback() const;
};
[[nodiscard]] Result<Listen> parse_listen(const std::string& text, const std::string& option);

/// Who may look. On loopback everybody of this machine (but not another site's page: Host and Origin are looked at); off it who brings
/// the token: `Authorization: Bearer`, Basic with it as password, `?token=`, or the cookie of the sign-in page.
struct Access {
    enum class Ask : std::uint8_t { token, nobody } all = Ask::token;  ///< --auth none
    Ask metrics = Ask::token;                                          ///< --metrics-auth none: of /metrics alone
    Secret token = {};     ///< given; empty: made at the first start off loopback, kept in token_file, shown once
    Path token_file = {};  ///< mode 0600; one that cannot be kept is one of this run alone
};

/// The one page of a recorder: /, its JSON, /health, /metrics, /debug/pprof/, and the reference's habit that every other path is the status
/// (FC2-124, FC2-125).
///
/// GET /         HTML when the client prefers it (web/status); else the JSON. Without a right: HTML sign-in page, 200
/// /health       always: 200 "ok"
/// /page/        the page's files: they hold nothing that is ours to keep
/// /api/status   the JSON, for the page
/// /api/session  GET: {"signed_in": …}; POST with the token as body: 204, sets the cookie; DELETE: takes it away
/// others        the JSON. Without a right: 401; from another site's page or under a foreign name: 403; too many wrong tokens: 429
/// threads  shard 0 of `shards`; `json` is called on whatever shard has the connection: it must be safe there
class StatusServer {
public:
    struct Settings {
        Listen listen;
        Access access;
        std::string program = "weir";  ///< the page's title: "weir fc2"
        std::string version = {};
        std::function<std::string()> json;              ///< FC2-125's, with our further keys
        std::function<std::string()> page_json;         ///< what the page needs of it, without line breaks; none: json
        std::string option = "--pprof.listen-address";  ///< named when the address cannot be had
    };
    static std::unique_ptr<StatusServer> create(Shards& shards, FileLane& lane, Settings settings);
    virtual ~StatusServer() = default;
    /// Errors: the address cannot be had.
    virtual Task<Result<>> start() = 0;
    virtual Task<void> stop() = 0;
    [[nodiscard]] virtual std::string url() const = 0;  ///< "http://127.0.0.1:3000/"
    /// "http://127.0.0.1:3000/#token=…", to be shown once, when start() made a new token; else empty. A browser sends what follows
    /// a '#' to nobody: the page takes it from there.
    [[nodiscard]] virtual Secret sign_in_url() const = 0;
};

}  // namespace weir::status
