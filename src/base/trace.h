#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"

/// Spans of work, for who watches weir from outside (OTLP). Without a sink nothing is made and nothing costs.
/// Attributes are for strangers' eyes: URLs go in by masked_url(), parameters without their secrets (telemetry.md 3.1).
/// threads  any; one Span has one owner
namespace weir::trace {

using Value = std::variant<std::string, bool, std::int64_t, double>;
using Attribute = std::pair<std::string, Value>;

/// Which span is the parent: handed on by value, since coroutines know no thread of their own.
struct Context {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{};
    bool sampled = false;
    [[nodiscard]] bool valid() const noexcept;
    bool operator==(const Context&) const = default;
};

/// A span that has ended.
struct SpanData {
    std::string tracer, name;  ///< "fc2", "fc2.DownloadLiveStream"
    Context context = {};
    std::array<std::uint8_t, 8> parent{};  ///< all zero: a root
    int kind = 1;                          ///< OTLP's: 1 internal, 3 client
    WallTime start = {}, end = {};
    std::vector<Attribute> attributes = {};
    struct Event {
        WallTime at;
        std::string name;
        std::vector<Attribute> attributes;
        std::uint32_t dropped_attributes = 0;
    };
    std::vector<Event> events = {};
    bool failed = false;
    std::string failure = {};
    std::uint32_t dropped_attributes = 0, dropped_events = 0;
};

/// What takes ended spans: at once, without waiting, from any thread.
struct Sink {
    std::function<void(SpanData&&)> take;
    /// Decides on a root (parent without a valid context) or a child; called for each span that begins. None: roots are
    /// sampled, children as their parent.
    std::function<bool(const Context& parent, const Context& own)> sample;
    /// OTEL_SPAN_… (telemetry.md 3.2). The first attributes stay, the latest events; a length is in characters.
    struct Limits {
        std::size_t attributes = 128, events = 128, event_attributes = 128;
        std::size_t value_length = static_cast<std::size_t>(-1);
    } limits = {};
};
/// Null: spans are no longer made. Spans that began before end in the sink that they began with.
void set_sink(std::shared_ptr<const Sink> sink);
[[nodiscard]] bool wanted() noexcept;

/// One piece of work; ends when it goes, or by end(). Empty (no allocation) where nobody samples it.
class Span {
public:
    Span() noexcept;
    Span(Span&&) noexcept;
    Span& operator=(Span&&) noexcept;
    ~Span();

    /// Also of one that nobody samples and of one that has ended, so that its children decide as it did.
    [[nodiscard]] Context context() const noexcept;
    void set(std::string_view key, Value value);
    void event(std::string_view name, std::initializer_list<Attribute> attributes = {});
    /// An event "exception" with exception.type and exception.message, and the status error.
    void fail(std::string_view type, std::string_view text);
    void end();

private:
    friend Span begin(std::string_view, std::string_view, const Context&, std::initializer_list<Attribute>);
    struct Live;
    Span(const Context& context, std::unique_ptr<Live> live);
    Context context_ = {};
    std::unique_ptr<Live> live_;
};
[[nodiscard]] Span begin(std::string_view tracer, std::string_view name, const Context& parent = {},
                         std::initializer_list<Attribute> attributes = {});

}  // namespace weir::trace
