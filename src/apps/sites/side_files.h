#pragma once
#include <optional>
#include <string>

#include "io/http_client.h"
#include "runtime/file_lane.h"

namespace weir::sites {

/// Writes a whole small file that must not exist: into .NAME.part, synced, then named. busy: the name is taken.
Task<Result<>> write_new_file(FileLane& lane, Path path, std::string content);

struct Picture {
    std::string bytes;
    std::string extension;  ///< by its first bytes: "jpg", "png", "webp", "gif", "avif"
};
/// A thumbnail; three tries, 10 s each, at most 20 MiB. Errors: status_error; bad_input: what came is no picture (FC2-49).
Task<Result<Picture>> fetch_picture(HttpClient& http, CookieJar* cookies, Clock& clock, Url url,
                                    std::vector<std::pair<std::string, std::string>> headers);

}  // namespace weir::sites
