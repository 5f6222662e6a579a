#pragma once
#include <map>
#include <string>

namespace weir::telemetry {

/// process_*, go_* (as far as dashboards read them, from C++ sources) and target_info, read when somebody reads the metrics
/// (telemetry.md 1.2, 1.4). Once a process; more calls change nothing.
/// `program`: service_name "weir"; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
void add_process_metrics(const std::string& program, const std::string& version);

/// The labels of target_info. `resource`, `service`: those variables' texts; what is no "key=value" in them is left out.
[[nodiscard]] std::map<std::string, std::string> target_labels(const std::string& program, const std::string& version,
                                                               const std::string& resource, const std::string& service);

}  // namespace weir::telemetry
