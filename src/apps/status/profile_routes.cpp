#include "apps/status/profile_routes.h"

#include "telemetry/profiles/profiles.h"

namespace weir::status {

void add_profiles(HttpServer& server, std::function<Task<bool>(Exchange&)> may) {
    telemetry::add_profile_routes(server, std::move(may));
}

}  // namespace weir::status
