#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

/// The numbers of this process, as Prometheus reads them. One registry for the process; the same name and labels give
/// the same series wherever they are asked for.
/// limits  1000 series a family; further label sets are counted together
/// under the value "other" for every label
/// threads  any
/// errors  a name or label that Prometheus forbids, or one name
/// in two kinds, is a bug and aborts
namespace weir::metrics {

using Labels = std::map<std::string, std::string>;

inline constexpr std::size_t max_series = 1000;  ///< per family
/// Another limit for a family whose labels only the user's own configuration makes. Before its first series.
void allow_series(const std::string& name, std::size_t at_most);

/// Cheap handles, valid for the life of the process: get one once, keep it.
class Counter {
public:
    explicit Counter(prometheus::Counter* of) : of_(of) {}
    void add(double by = 1) noexcept;  ///< never negative
    [[nodiscard]] double value() const;

private:
    prometheus::Counter* of_;
};

class Gauge {
public:
    explicit Gauge(prometheus::Gauge* of) : of_(of) {}
    void set(double value) noexcept;
    void add(double by) noexcept;
    [[nodiscard]] double value() const;

private:
    prometheus::Gauge* of_;
};

class Histogram {
public:
    explicit Histogram(prometheus::Histogram* of) : of_(of) {}
    void observe(double value) noexcept;

private:
    prometheus::Histogram* of_;
};

/// OpenTelemetry's default bounds, 0 to 10000: those of the reference's histograms, whatever their unit.
[[nodiscard]] const std::vector<double>& default_bounds();

/// A counter without labels is shown as 0 from the first call on: ask for it early.
[[nodiscard]] Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
[[nodiscard]] Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
/// `bounds`: upper bounds, rising; those of the first call for a series stand.
[[nodiscard]] Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                  const Labels& labels = {});

/// Takes away a series of a label set that is gone (a channel's old labels). Nothing when there is none.
/// limits  nobody may hold a handle to it, or use one that is being made
void remove_series(const std::string& name, const Labels& labels);

/// What metrics_text() is, for HTTP.
inline constexpr std::string_view text_type = "text/plain; version=0.0.4; charset=utf-8";

/// Everything in the text exposition format 0.0.4, families sorted by name.
[[nodiscard]] std::string metrics_text();

/// Called before each reading (metrics_text(), snapshot()): sets what is only known by looking, as this process's memory.
/// threads  the reader's; for the life of the process
void before_reading(std::function<void()> look);

/// What metrics_text() shows, for who writes it in another form.
struct Family {
    enum class Kind : std::uint8_t { counter, gauge, histogram } kind = Kind::counter;
    std::string name, help;
    struct Series {
        Labels labels = {};
        double value = 0;  ///< of a histogram: the sum
        std::uint64_t count = 0;
        std::vector<double> bounds = {};          ///< upper ones, without +Inf
        std::vector<std::uint64_t> buckets = {};  ///< not cumulative; one more than bounds
    };
    std::vector<Series> series = {};
};
/// Sorted by name.
[[nodiscard]] std::vector<Family> snapshot();

}  // namespace weir::metrics
