#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "proto/otlp/exponential.h"
#include "proto/otlp/metric_names.h"
#include "proto/otlp/parts.h"

namespace weir::otlp {
namespace {

using metrics::Family;
using Kind = metrics::Family::Kind;

/// A series ready to be written: its part since the last export when that is wished.
struct Point {
    std::vector<trace::Attribute> attributes;
    Family::Series series;
};
struct Metric {
    Kind kind;
    MetricName name;
    bool whole = false;  ///< all values are integers
    std::vector<Point> points = {};
};
struct MetricScope {
    std::string_view name;
    std::vector<Metric> metrics;
};

/// What came since `before`; a series that is smaller than it was began anew.
void subtract(Family::Series& now, const Family::Series& before, Kind kind) {
    if (kind == Kind::counter) {
        if (now.value >= before.value) now.value -= before.value;
        return;
    }
    const bool grown =
        now.bounds == before.bounds && now.buckets.size() == before.buckets.size() &&
        std::equal(now.buckets.begin(), now.buckets.end(), before.buckets.begin(), std::greater_equal<>());
    if (!grown || now.count < before.count) return;
    now.value -= before.value;
    now.count -= before.count;
    for (std::size_t i = 0; i < now.buckets.size(); ++i) now.buckets[i] -= before.buckets[i];
}

const Family* find(const std::vector<Family>& in, std::string_view name) {
    const auto found = std::find_if(in.begin(), in.end(), [&](const Family& one) { return one.name == name; });
    return found == in.end() ? nullptr : &*found;
}

bool is_whole(double value) {
    constexpr double beyond = 9223372036854775808.0;
    return value == std::floor(value) && value >= -beyond && value < beyond;
}

Metric metric_of(const Family& family, const Family* before) {
    Metric out{.kind = family.kind, .name = metric_name(family.name, family.help)};
    std::map<metrics::Labels, const Family::Series*> old;
    if (before && before->kind == family.kind)
        for (const auto& series : before->series) old[series.labels] = &series;
    for (const auto& series : family.series) {
        auto& point = out.points.emplace_back(Point{{}, series});
        for (const auto& [label, value] : series.labels)
            if (!only_for_prometheus(label)) point.attributes.push_back(metric_attribute(out.name.scope, label, value));
        if (const auto found = old.find(series.labels); found != old.end() && family.kind != Kind::gauge)
            subtract(point.series, *found->second, family.kind);
    }
    // One kind of number for a metric: seconds are never whole but by chance.
    out.whole = out.name.unit != "s" && std::all_of(out.points.begin(), out.points.end(),
                                                    [](const Point& one) { return is_whole(one.series.value); });
    return out;
}

std::vector<MetricScope> by_scope(const std::vector<Family>& families, const std::vector<Family>* before) {
    std::vector<MetricScope> out;
    for (const auto& family : families) {
        if (family.series.empty() || only_for_prometheus(family.name)) continue;
        auto metric = metric_of(family, before ? find(*before, family.name) : nullptr);
        const auto scope = metric.name.scope;
        auto found = std::find_if(out.begin(), out.end(), [&](const MetricScope& one) { return one.name == scope; });
        if (found == out.end()) found = out.insert(out.end(), {scope, {}});
        found->metrics.push_back(std::move(metric));
    }
    return out;
}

template <class Writer>
void write_times(Writer& to, const MetricsOptions& options) {
    to.fixed(2, "startTimeUnixNano", unix_nanos(options.start));
    to.fixed(3, "timeUnixNano", unix_nanos(options.now));
}

template <class Writer>
void write_numbers(Writer& to, const Metric& metric, const MetricsOptions& options) {
    to.list(1, "dataPoints", metric.points, [&](Writer& inside, const Point& point) {
        write_times(inside, options);
        if (!metric.whole) inside.always_real(4, "asDouble", point.series.value);
        write_attributes(inside, 7, point.attributes);
        if (metric.whole) inside.always_fixed_signed(6, "asInt", static_cast<std::int64_t>(point.series.value));
    });
}

template <class Writer>
void write_histograms(Writer& to, const Metric& metric, const MetricsOptions& options) {
    to.list(1, "dataPoints", metric.points, [&](Writer& inside, const Point& point) {
        write_times(inside, options);
        inside.fixed(4, "count", point.series.count);
        inside.always_real(5, "sum", point.series.value);
        inside.all_fixed(6, "bucketCounts", point.series.buckets);
        inside.all_reals(7, "explicitBounds", point.series.bounds);
        write_attributes(inside, 9, point.attributes);
    });
}

template <class Writer>
void write_exponentials(Writer& to, const Metric& metric, const MetricsOptions& options) {
    to.list(1, "dataPoints", metric.points, [&](Writer& inside, const Point& point) {
        const auto made = exponential_of(point.series.bounds, point.series.buckets);
        write_attributes(inside, 1, point.attributes);
        write_times(inside, options);
        inside.fixed(4, "count", point.series.count);
        inside.always_real(5, "sum", point.series.value);
        inside.small_signed(6, "scale", made.scale);
        inside.fixed(7, "zeroCount", made.zero);
        inside.message(8, "positive", [&](Writer& buckets) {
            buckets.small_signed(1, "offset", made.offset);
            buckets.all_integers(2, "bucketCounts", made.buckets);
        });
    });
}

template <class Writer>
void write_metric(Writer& to, const Metric& metric, const MetricsOptions& options) {
    const std::uint32_t temporality = options.temporality == Temporality::delta ? 1 : 2;
    to.text(1, "name", metric.name.name);
    to.text(2, "description", metric.name.description);
    to.text(3, "unit", metric.name.unit);
    if (metric.kind == Kind::gauge) {
        to.message(5, "gauge", [&](Writer& inside) { write_numbers(inside, metric, options); });
    } else if (metric.kind == Kind::counter) {
        to.message(7, "sum", [&](Writer& inside) {
            write_numbers(inside, metric, options);
            inside.small(2, "aggregationTemporality", temporality);
            inside.truth(3, "isMonotonic", true);
        });
    } else {
        to.message(options.exponential ? 10 : 9, options.exponential ? "exponentialHistogram" : "histogram",
                   [&](Writer& inside) {
                       if (options.exponential)
                           write_exponentials(inside, metric, options);
                       else
                           write_histograms(inside, metric, options);
                       inside.small(2, "aggregationTemporality", temporality);
                   });
    }
}

}  // namespace

std::string metrics_request(const Resource& resource, const std::vector<Family>& families,
                            const std::vector<Family>& before, const MetricsOptions& options, Form form) {
    const auto scopes = by_scope(families, options.temporality == Temporality::delta ? &before : nullptr);
    return written(form == Form::json, [&]<class Writer>(Writer& to) {
        to.list(1, "resourceMetrics", std::span(&resource, 1), [&](Writer& inside, const Resource&) {
            write_resource(inside, resource);
            inside.list(2, "scopeMetrics", scopes, [&](Writer& one, const MetricScope& scope) {
                write_scope(one, scope.name);
                one.list(2, "metrics", scope.metrics,
                         [&](Writer& m, const Metric& metric) { write_metric(m, metric, options); });
            });
            inside.text(3, "schemaUrl", schema_url);
        });
    });
}

}  // namespace weir::otlp
