#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/http_client.h"

namespace weir::telemetry {

/// Asks a release address once (FC2-136): JSON with `tag_name`, Accept: application/vnd.github.v3+json, within 1 min.
/// The newer version, empty when there is none newer: versions compare as semver, an older one is no update. A version of our own with
/// '-' or "dev" in it, or no address, asks nothing.
/// Errors: the address cannot be reached, or answers no such JSON.
Task<Result<std::string>> newer_version(HttpClient& http, std::string release_url, std::string own_version);

/// WEIR_RELEASE_URL, else the one built in (-DWEIR_RELEASE_URL=…); empty: never ask.
[[nodiscard]] std::string release_url();

/// -1, 0, 1 as semver orders them ("v1.8.0" < "1.10.0"; a pre-release before its release; build metadata ignored); none: no version.
[[nodiscard]] std::optional<int> compare_versions(std::string_view a, std::string_view b);

}  // namespace weir::telemetry
