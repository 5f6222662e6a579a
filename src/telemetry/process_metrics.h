#pragma once
#include <string>

namespace weir::telemetry {

/// process_*, go_* (as far as dashboards read them, from C++ sources) and target_info, read when somebody reads the metrics
/// (telemetry.md 1.2, 1.4). Once a process; more calls change nothing.
/// `program`: service_name "weir"; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
void add_process_metrics(const std::string& program, const std::string& version);

}  // namespace weir::telemetry
