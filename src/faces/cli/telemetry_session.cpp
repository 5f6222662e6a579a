#include "faces/cli/telemetry_session.h"

#include <CLI/CLI.hpp>

#include "base/env.h"
#include "base/log.h"
#include "io/resolver.h"

namespace weir::faces {
namespace {

/// Little of a container's ten seconds, of which the recordings get five.
constexpr Millis drain{3'000};

}  // namespace

void add_telemetry_options(CLI::App& app, TelemetryArguments& arguments) {
    app.add_flag("--traces.export", arguments.traces,
                 "send traces to the OTLP collector that the OTEL_EXPORTER_OTLP_… variables name (localhost:4317)")
        ->envname("OTEL_EXPORTER_OTLP_TRACES_ENABLED");
    app.add_flag("--metrics.export", arguments.metrics, "send it the metrics too, each OTEL_METRIC_EXPORT_INTERVAL")
        ->envname("OTEL_EXPORTER_OTLP_METRICS_ENABLED");
}

Result<TelemetrySession> TelemetrySession::create(Shard& shard, const TelemetryArguments& arguments) {
    if (!arguments.traces && !arguments.metrics) return TelemetrySession(nullptr);
    auto settings = otlp::read_settings(env, "weir", WEIR_VERSION);
    if (!settings) return settings.error();
    if (settings->disabled) {
        WEIR_LOG(info, "nothing is exported: OTEL_SDK_DISABLED is set");
        return TelemetrySession(nullptr);
    }
    telemetry::OtlpExporter::What what;
    what.traces = arguments.traces;
    what.metrics = arguments.metrics;
    what.drain = drain;
    auto exporter = telemetry::OtlpExporter::create(shard, Resolver::create(1), std::move(*settings), what);
    if (!exporter) return exporter.error();
    return TelemetrySession(std::move(*exporter));
}

void TelemetrySession::start() {
    if (exporter_) exporter_->start();
}

Task<void> TelemetrySession::stop() {
    if (exporter_) co_await exporter_->stop();
}

}  // namespace weir::faces
