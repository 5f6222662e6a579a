#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::telemetry {

inline constexpr std::string_view profile_folder = "/debug/pprof/";

/// What a request below /debug/pprof/ asks for, read as Go's net/http/pprof reads it.
struct ProfileRequest {
    std::string name;  ///< behind /debug/pprof/; empty: the index
    std::optional<std::string> seconds_text;
    std::optional<std::int64_t> seconds;  ///< when it is a positive number
    bool debug = false;
};
[[nodiscard]] ProfileRequest parse_profile_request(std::string_view path, std::string_view query);

struct ProfileAnswer {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> headers = {};
};
/// One line of text with X-Go-Pprof: 1, by which the tool knows that it may show it.
[[nodiscard]] ProfileAnswer profile_error(int status, std::string_view text);
[[nodiscard]] ProfileAnswer profile_file(std::string body, std::string_view file_name);
[[nodiscard]] ProfileAnswer profile_text(std::string body);

/// Why the request cannot be answered: Go's texts.
[[nodiscard]] std::optional<ProfileAnswer> refused(const ProfileRequest& request);

/// The arguments of this process, joined by NUL. What follows an option whose name speaks of a secret is masked, and so are URLs.
[[nodiscard]] std::string masked_arguments(std::string_view nul_joined);

/// "0x401000+0x402000", at most 65536 of them; what is no number is left out.
[[nodiscard]] std::vector<std::uint64_t> parse_addresses(std::string_view text);

}  // namespace weir::telemetry
