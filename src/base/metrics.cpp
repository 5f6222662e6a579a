#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace weir::metrics {

namespace {

enum class Kind { counter, gauge, histogram };

struct FamilyEntry {
    Kind kind;
    void* family;  ///< prometheus::Family of the kind's type; owned by the registry
    std::set<Labels> seen;
};

/// Never destroyed: handles are kept in objects that may go after any static of ours.
struct Process {
    std::mutex mutex;
    prometheus::Registry registry;
    std::map<std::string, FamilyEntry> families;
};
Process& process() {
    static Process* const only = new Process;
    return *only;
}

Labels bounded(FamilyEntry& entry, const Labels& asked) {
    Labels labels;
    for (const auto& [name, value] : asked) labels[name] = valid_utf8(value);
    if (entry.seen.contains(labels)) return labels;
    if (!labels.empty() && entry.seen.size() >= max_series) {
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
        found = p.families.emplace(name, FamilyEntry{kind, &family, {}}).first;
    }
    WEIR_ASSERT(found->second.kind == kind);
    auto* family = static_cast<prometheus::Family<T>*>(found->second.family);
    return &family->Add(bounded(found->second, asked), extra...);
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

std::string metrics_text() {
    return prometheus::TextSerializer().Serialize(process().registry.Collect());
}

}  // namespace weir::metrics
