#pragma once
// For exporter.cpp and its tests.
#include "telemetry/otlp/exporter.h"

namespace weir::telemetry {

using HttpClientFor = std::function<std::unique_ptr<HttpClient>(const otlp::Endpoint&)>;

/// As OtlpExporter::create(), over clients of the caller's.
Result<std::unique_ptr<OtlpExporter>> make_otlp_exporter(Shard& shard, const HttpClientFor& client,
                                                         otlp::Settings settings, OtlpExporter::What what);

}  // namespace weir::telemetry
