#pragma once
#include <functional>

#include "io/http_server.h"

namespace weir::status {

/// /debug/pprof/, for whom `may` lets in (it answers the others).
void add_profiles(HttpServer& server, std::function<Task<bool>(Exchange&)> may);

}  // namespace weir::status
