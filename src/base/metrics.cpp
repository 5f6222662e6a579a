#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace weir::metrics {

namespace {

enum class Kind { counter, gauge, histogram };

struct FamilyEntry {
    Kind kind;
    void* family;  ///< prometheus::Family of the kind's type; owned by the registry
    std::size_t limit;
    std::set<Labels> seen;
};

/// Never destroyed: handles are kept in objects that may go after any static of ours.
struct Process {
    std::mutex mutex;
    prometheus::Registry registry;
    std::map<std::string, FamilyEntry> families;
    std::map<std::string, std::size_t> limits;
    std::mutex looks_mutex;
    std::vector<std::function<void()>> looks;
};
Process& process() {
    static Process* const only = new Process;
    return *only;
}

Labels bounded(FamilyEntry& entry, const Labels& asked) {
    Labels labels;
    for (const auto& [name, value] : asked) labels[name] = valid_utf8(value);
    if (entry.seen.contains(labels)) return labels;
    if (!labels.empty() && entry.seen.size() >= entry.limit) {
        for (auto& [name, value] : labels) value = "other";
        return labels;
    }
    entry.seen.insert(labels);
    return labels;
}

template <class T, class Builder, class... Extra>
T* series(Kind kind, Builder builder, const std::string& name, const std::string& help, const Labels& asked,
          const Extra&... extra) {
    auto& p = process();
    const std::scoped_lock lock(p.mutex);
    auto found = p.families.find(name);
    if (found == p.families.end()) {
        auto& family = builder().Name(name).Help(help).Register(p.registry);
        const auto limit = p.limits.find(name);
        FamilyEntry entry{kind, &family, limit == p.limits.end() ? max_series : limit->second, {}};
        found = p.families.emplace(name, std::move(entry)).first;
    }
    WEIR_ASSERT(found->second.kind == kind);
    auto* family = static_cast<prometheus::Family<T>*>(found->second.family);
    return &family->Add(bounded(found->second, asked), extra...);
}

template <class T>
void remove(void* raw, const Labels& labels) {
    auto& family = *static_cast<prometheus::Family<T>*>(raw);
    if constexpr (std::is_same_v<T, prometheus::Histogram>)
        family.Remove(&family.Add(labels, prometheus::Histogram::BucketBoundaries{}));
    else
        family.Remove(&family.Add(labels));
}

std::vector<prometheus::MetricFamily> collected() {
    auto& p = process();
    std::vector<std::function<void()>> looks;
    {
        const std::scoped_lock lock(p.looks_mutex);
        looks = p.looks;
    }
    for (const auto& look : looks) look();
    auto all = p.registry.Collect();
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return all;
}

Family::Series series_of(const prometheus::ClientMetric& metric, Family::Kind kind) {
    Family::Series out;
    for (const auto& label : metric.label) out.labels.emplace(label.name, label.value);
    if (kind == Family::Kind::counter) out.value = metric.counter.value;
    if (kind == Family::Kind::gauge) out.value = metric.gauge.value;
    if (kind != Family::Kind::histogram) return out;
    out.value = metric.histogram.sample_sum;
    out.count = metric.histogram.sample_count;
    std::uint64_t below = 0;
    for (const auto& bucket : metric.histogram.bucket) {
        if (std::isfinite(bucket.upper_bound)) out.bounds.push_back(bucket.upper_bound);
        out.buckets.push_back(bucket.cumulative_count - std::exchange(below, bucket.cumulative_count));
    }
    return out;
}

Family::Kind kind_of(prometheus::MetricType type) {
    if (type == prometheus::MetricType::Counter) return Family::Kind::counter;
    return type == prometheus::MetricType::Histogram ? Family::Kind::histogram : Family::Kind::gauge;
}

}  // namespace

void Counter::add(double by) noexcept {
    of_->Increment(by);
}
double Counter::value() const {
    return of_->Value();
}
void Gauge::set(double value) noexcept {
    of_->Set(value);
}
void Gauge::add(double by) noexcept {
    of_->Increment(by);
}
double Gauge::value() const {
    return of_->Value();
}
void Histogram::observe(double value) noexcept {
    of_->Observe(value);
}

void allow_series(const std::string& name, std::size_t at_most) {
    auto& p = process();
    const std::scoped_lock lock(p.mutex);
    p.limits[name] = at_most;
}

const std::vector<double>& default_bounds() {
    static const std::vector<double> bounds{0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
    return bounds;
}

Counter counter(const std::string& name, const std::string& help, const Labels& labels) {
    return Counter(series<prometheus::Counter>(Kind::counter, prometheus::BuildCounter, name, help, labels));
}

Gauge gauge(const std::string& name, const std::string& help, const Labels& labels) {
    return Gauge(series<prometheus::Gauge>(Kind::gauge, prometheus::BuildGauge, name, help, labels));
}

Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                    const Labels& labels) {
    return Histogram(
        series<prometheus::Histogram>(Kind::histogram, prometheus::BuildHistogram, name, help, labels, bounds));
}

void remove_series(const std::string& name, const Labels& asked) {
    Labels labels;
    for (const auto& [label, value] : asked) labels[label] = valid_utf8(value);
    auto& p = process();
    const std::scoped_lock lock(p.mutex);
    const auto found = p.families.find(name);
    if (found == p.families.end() || found->second.seen.erase(labels) == 0) return;
    auto* const family = found->second.family;
    if (found->second.kind == Kind::counter) remove<prometheus::Counter>(family, labels);
    if (found->second.kind == Kind::gauge) remove<prometheus::Gauge>(family, labels);
    if (found->second.kind == Kind::histogram) remove<prometheus::Histogram>(family, labels);
}

std::string metrics_text() {
    return prometheus::TextSerializer().Serialize(collected());
}

void before_reading(std::function<void()> look) {
    const std::scoped_lock lock(process().looks_mutex);
    process().looks.push_back(std::move(look));
}

std::vector<Family> snapshot() {
    std::vector<Family> out;
    for (const auto& family : collected()) {
        auto& made = out.emplace_back();
        made.kind = kind_of(family.type);
        made.name = family.name;
        made.help = family.help;
        for (const auto& metric : family.metric) made.series.push_back(series_of(metric, made.kind));
        std::sort(made.series.begin(), made.series.end(),
                  [](const auto& a, const auto& b) { return a.labels < b.labels; });
    }
    return out;
}

}  // namespace weir::metrics
