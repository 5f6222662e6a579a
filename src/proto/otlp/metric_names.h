#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/trace.h"

/// What a family that Prometheus reads is called in OpenTelemetry. (internal to proto/otlp)
namespace weir::otlp {

struct MetricName {
    std::string name, unit, description;
    std::string_view scope;  ///< lives as long as the process
};
/// Those of the reference by telemetry.md 1.1 and 1.3; others keep their name without unit and "_total", in the scope "weir".
[[nodiscard]] MetricName metric_name(std::string_view family, std::string_view help);

/// A label as an attribute: those of HTTP clients get their dots back, and ports and statuses are numbers.
[[nodiscard]] trace::Attribute metric_attribute(std::string_view scope, std::string_view label, std::string_view value);

/// About the exposition format and not about the measurement: "target_info" is the resource, "otel_scope_…" the scope.
[[nodiscard]] bool only_for_prometheus(std::string_view family_or_label) noexcept;

}  // namespace weir::otlp
