#pragma once
#include <memory>

#include "base/error.h"
#include "faces/cli/telemetry_options.h"
#include "runtime/shard.h"
#include "telemetry/otlp/exporter.h"

namespace weir::faces {

/// What a command that runs for long sends to an OTLP collector, as its flags and the OTEL_… variables say; nothing when it is to
/// send nothing.
/// threads  the shard
class TelemetrySession {
public:
    /// Errors: bad_input: a variable that is wrong, named, or a file it names that cannot be read.
    static Result<TelemetrySession> create(Shard& shard, const TelemetryArguments& arguments);
    void start();
    /// After everything that spans and numbers come from: what is left is sent, in a few seconds at most.
    Task<void> stop();

private:
    explicit TelemetrySession(std::unique_ptr<telemetry::OtlpExporter> exporter) : exporter_(std::move(exporter)) {}
    std::unique_ptr<telemetry::OtlpExporter> exporter_;
};

}  // namespace weir::faces
