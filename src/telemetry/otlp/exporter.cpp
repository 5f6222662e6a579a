#include "telemetry/otlp/exporter.h"

#include <unistd.h>

#include <optional>
#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "base/trace.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "telemetry/otlp/delivery.h"
#include "telemetry/otlp/exporter_inner.h"
#include "telemetry/otlp/span_queue.h"

namespace weir::telemetry {
namespace {

class Exporter final : public OtlpExporter {
public:
    Exporter(Shard& shard, otlp::Settings settings, What what)
        : shard_(shard),
          clock_(shard.clock()),
          settings_(std::move(settings)),
          what_(what),
          started_at_(clock_.wall()),
          spans_wake_(std::make_shared<Bell>(shard.executor())),
          metrics_wake_(shard.executor()),
          tasks_(shard.executor()),
          timers_(shard.executor()) {}
    ~Exporter() override {
        if (queue_) queue_->close();
    }

    void send_traces_by(std::unique_ptr<Delivery> delivery) { traces_ = std::move(delivery); }
    void send_metrics_by(std::unique_ptr<Delivery> delivery) { metrics_ = std::move(delivery); }
    void start() override;
    Task<void> stop() override;

private:
    void install_sink();
    Task<void> send_spans();
    Task<void> send_metrics();
    Task<void> send_snapshot();
    Task<void> end_drain(SteadyTime until);
    /// False: cancelled.
    Task<bool> wait_for_spans();

    Shard& shard_;
    Clock& clock_;
    const otlp::Settings settings_;
    const What what_;
    const WallTime started_at_;
    std::unique_ptr<Delivery> traces_, metrics_;
    std::shared_ptr<SpanQueue> queue_;
    std::shared_ptr<Bell> spans_wake_;
    Bell metrics_wake_;
    bool started_ = false, stopping_ = false;
    std::vector<metrics::Family> exported_;  ///< as of the last export that was taken, when delta is wished
    std::optional<WallTime> exported_at_;
    TaskGroup tasks_, timers_;
};

void Exporter::start() {
    if (std::exchange(started_, true)) return;
    if (traces_) {
        install_sink();
        tasks_.spawn(send_spans(), "otlp traces");
    }
    if (metrics_) tasks_.spawn(send_metrics(), "otlp metrics");
}

void Exporter::install_sink() {
    SpanQueue::Settings wishes;
    wishes.most = settings_.queue;
    wishes.batch = settings_.batch;
    wishes.on_batch = [this, wake = std::weak_ptr<Bell>(spans_wake_)] {
        shard_.post([wake] {
            if (const auto bell = wake.lock()) bell->notify();
        });
    };
    wishes.on_drop = [dropped = metrics::counter("weir_otlp_spans_dropped_total",
                                                 "Spans that found the queue to the OTLP collector full")]() mutable {
        dropped.add();
    };
    queue_ = std::make_shared<SpanQueue>(std::move(wishes));
    auto sink = std::make_shared<trace::Sink>();
    sink->take = [queue = queue_](trace::SpanData&& span) { queue->put(std::move(span)); };
    sink->sample = Sampling{settings_.sampler != otlp::Settings::Sampler::always_off, settings_.parent_based,
                            settings_.sampler == otlp::Settings::Sampler::ratio ? settings_.ratio : 1.0};
    sink->limits = settings_.limits;
    trace::set_sink(std::move(sink));
}

/// For a batch, for the oldest span to have waited long enough, or for the end.
Task<bool> Exporter::wait_for_spans() {
    const auto until = clock_.now() + settings_.batch_delay;
    while (!stopping_ && queue_->size() < settings_.batch && clock_.now() < until) {
        auto ring = spans_wake_->wait();
        const bool rung = co_await with_deadline(clock_, until, std::move(ring));
        if (!rung && clock_.now() < until) co_return false;
    }
    co_return true;
}

Task<void> Exporter::send_spans() {
    co_await errors_not_throws();
    bool on = true;
    while (on) {
        on = co_await wait_for_spans();
        const bool last = stopping_;
        bool more = on;
        while (more) {
            const auto batch = queue_->take();
            if (batch.empty()) break;
            auto message = otlp::trace_request(settings_.resource, batch, traces_->form());
            (void)co_await traces_->send(std::move(message));
            more = last || queue_->size() >= settings_.batch;
        }
        if (last) on = false;
    }
}

Task<void> Exporter::send_metrics() {
    co_await errors_not_throws();
    bool on = true;
    while (on) {
        const auto until = clock_.now() + settings_.metric_interval;
        while (on && !stopping_ && clock_.now() < until) {
            auto ring = metrics_wake_.wait();
            const bool rung = co_await with_deadline(clock_, until, std::move(ring));
            if (!rung && clock_.now() < until) on = false;
        }
        const bool last = stopping_;
        if (on) co_await send_snapshot();
        if (last) on = false;
    }
}

Task<void> Exporter::send_snapshot() {
    auto now = metrics::snapshot();
    const bool delta = settings_.temporality == otlp::Temporality::delta;
    otlp::MetricsOptions options;
    options.temporality = settings_.temporality;
    options.exponential = settings_.exponential;
    options.now = clock_.wall();
    options.start = delta ? exported_at_.value_or(started_at_) : started_at_;
    auto message = otlp::metrics_request(settings_.resource, now, exported_, options, metrics_->form());
    const bool taken = co_await metrics_->send(std::move(message));
    if (!taken || !delta) co_return;
    exported_ = std::move(now);
    exported_at_ = options.now;
}

Task<void> Exporter::end_drain(SteadyTime until) {
    co_await errors_not_throws();
    const bool came = co_await clock_.sleep_until(until);
    if (came) tasks_.ask_stop("the time to send what was left is over");
}

Task<void> Exporter::stop() {
    co_await uncancellable();
    if (!started_ || std::exchange(stopping_, true)) co_return;
    if (traces_) trace::set_sink(nullptr);
    const auto until = clock_.now() + what_.drain;
    for (auto* delivery : {traces_.get(), metrics_.get()})
        if (delivery) delivery->hurry(until);
    timers_.spawn(end_drain(until), "otlp drain");
    spans_wake_->notify();
    metrics_wake_.notify();
    co_await tasks_.join();
    co_await timers_.stop("done");
    co_await tasks_.stop("done");
    if (queue_) queue_->close();
}

Result<> check_readable(const std::string& file, const char* what) {
    if (file.empty() || ::access(file.c_str(), R_OK) == 0) return {};
    return Error{Errc::bad_input, fmt::format("the OTLP {} cannot be read: {}", what, file)};
}

Result<std::unique_ptr<Delivery>> delivery_for(Shard& shard, const HttpClientFor& client,
                                               const otlp::Endpoint& endpoint, Delivery::Settings settings) {
    if (auto r = check_readable(endpoint.ca_file, "certificate"); !r) return r.error();
    if (auto r = check_readable(endpoint.client_certificate, "client certificate"); !r) return r.error();
    if (auto r = check_readable(endpoint.client_key, "client key"); !r) return r.error();
    auto exchange = Exchange::create(endpoint);
    if (!exchange) return exchange.error();
    return std::make_unique<Delivery>(shard, client(endpoint), std::move(*exchange), std::move(settings));
}

}  // namespace

Result<std::unique_ptr<OtlpExporter>> make_otlp_exporter(Shard& shard, const HttpClientFor& client,
                                                         otlp::Settings settings, OtlpExporter::What what) {
    if (settings.disabled) what.traces = what.metrics = false;
    auto made = std::make_unique<Exporter>(shard, settings, what);
    if (what.traces) {
        auto by = delivery_for(shard, client, settings.traces,
                               {"traces", std::min(settings.traces.timeout, settings.batch_timeout)});
        if (!by) return by.error();
        made->send_traces_by(std::move(*by));
    }
    if (what.metrics) {
        auto by = delivery_for(shard, client, settings.metrics,
                               {"metrics", std::min(settings.metrics.timeout, settings.metric_timeout)});
        if (!by) return by.error();
        made->send_metrics_by(std::move(*by));
    }
    return Result<std::unique_ptr<OtlpExporter>>(std::move(made));
}

Result<std::unique_ptr<OtlpExporter>> OtlpExporter::create(Shard& shard, std::shared_ptr<Resolver> resolver,
                                                           otlp::Settings settings, What what) {
    const auto client = [&](const otlp::Endpoint& endpoint) {
        HttpClient::Settings wishes;
        wishes.user_agent = "OTel-OTLP-Exporter-weir";
        wishes.max_connections_per_host = 2;
        wishes.ca_file = endpoint.ca_file;
        wishes.client_certificate = endpoint.client_certificate;
        wishes.client_key = endpoint.client_key;
        return HttpClient::create(shard, resolver, std::move(wishes));
    };
    return make_otlp_exporter(shard, client, std::move(settings), what);
}

}  // namespace weir::telemetry
