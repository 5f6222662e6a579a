#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <boost/json.hpp>
#include <boost/version.hpp>

#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "media/tool.h"
#include "runtime/failpoint.h"

namespace weir::faces {

int run_version(bool json) {
    std::vector<std::pair<std::string, std::string>> libraries{
        {"boost", fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
        {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)}};
    for (auto& each : media::library_versions()) libraries.push_back(std::move(each));
    if (json) {
        boost::json::object names;
        for (const auto& [name, version] : libraries) names[name] = version;
        fmt::print("{}\n",
                   boost::json::serialize(boost::json::object{{"version", WEIR_VERSION}, {"libraries", names}}));
        return exit_ok;
    }
    fmt::print("weir {}\n", WEIR_VERSION);
    for (const auto& [name, version] : libraries) fmt::print("  {:<12} {}\n", name, version);
    return exit_ok;
}

int run_failpoints() {
    for (const auto& name : failpoint_names()) fmt::print("{}\n", name);
    return exit_ok;
}

}  // namespace weir::faces
