#include "base/trace.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <span>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"

namespace weir::trace {

namespace {

struct Process {
    std::atomic<bool> wanted = false;
    std::mutex mutex;
    std::shared_ptr<const Sink> sink;  ///< under the mutex
};
/// Never destroyed: spans may end after any static of ours.
Process& process() {
    static Process* const only = new Process;
    return *only;
}

std::shared_ptr<const Sink> present_sink() {
    auto& p = process();
    const std::scoped_lock lock(p.mutex);
    return p.sink;
}

bool all_zero(std::span<const std::uint8_t> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

/// An id; all zero means none.
void fill_id(std::span<std::uint8_t> bytes) {
    do fill_random(std::as_writable_bytes(bytes));
    while (all_zero(bytes));
}

/// The first `characters` of `text`, which may be no UTF-8: then a byte is one.
void cut(std::string& text, std::size_t characters) {
    if (text.size() <= characters) return;
    std::size_t at = 0;
    while (characters-- > 0 && at < text.size())
        at += std::max<std::size_t>(utf8_length(std::string_view(text).substr(at)), 1);
    text.resize(at);
}

/// Sets or replaces; false: no room for one more.
bool put(std::vector<Attribute>& in, std::string_view key, Value value, std::size_t limit, std::size_t length) {
    if (auto* text = std::get_if<std::string>(&value)) cut(*text, length);
    const auto found = std::find_if(in.begin(), in.end(), [&](const Attribute& one) { return one.first == key; });
    if (found != in.end())
        found->second = std::move(value);
    else if (in.size() < limit)
        in.emplace_back(key, std::move(value));
    else
        return false;
    return true;
}

}  // namespace

struct Span::Live {
    std::shared_ptr<const Sink> sink;
    SpanData data;
    SteadyTime began;

    /// The wall clock may step: nothing happens before the span's start, and its length is true.
    [[nodiscard]] WallTime now() const {
        const auto since = std::chrono::steady_clock::now() - began;
        return data.start + std::chrono::duration_cast<WallTime::duration>(since);
    }
};

bool Context::valid() const noexcept {
    return !all_zero(trace_id) && !all_zero(span_id);
}

void set_sink(std::shared_ptr<const Sink> sink) {
    WEIR_ASSERT(!sink || sink->take);
    auto& p = process();
    {
        const std::scoped_lock lock(p.mutex);
        p.sink.swap(sink);
        p.wanted = p.sink != nullptr;
    }
    // What was the sink goes here, outside the lock.
}

bool wanted() noexcept {
    return process().wanted.load(std::memory_order_relaxed);
}

Span::Span() noexcept = default;
Span::Span(Span&&) noexcept = default;

Span& Span::operator=(Span&& other) noexcept {
    if (this == &other) return *this;
    end();
    context_ = other.context_;
    live_ = std::move(other.live_);
    return *this;
}

Span::~Span() {
    end();
}

Span::Span(const Context& context, std::unique_ptr<Live> live) : context_(context), live_(std::move(live)) {}

Context Span::context() const noexcept {
    return context_;
}

void Span::set(std::string_view key, Value value) {
    if (!live_) return;
    const auto& limits = live_->sink->limits;
    if (!put(live_->data.attributes, key, std::move(value), limits.attributes, limits.value_length))
        ++live_->data.dropped_attributes;
}

void Span::event(std::string_view name, std::initializer_list<Attribute> attributes) {
    if (!live_) return;
    const auto& limits = live_->sink->limits;
    auto& events = live_->data.events;
    // The latest stay: how it ended says more than how it began.
    if (events.size() >= limits.events) {
        ++live_->data.dropped_events;
        if (events.empty()) return;
        events.erase(events.begin());
    }
    auto& made = events.emplace_back(SpanData::Event{live_->now(), std::string(name), {}, 0});
    for (const auto& [key, value] : attributes)
        if (!put(made.attributes, key, value, limits.event_attributes, limits.value_length)) ++made.dropped_attributes;
}

void Span::fail(std::string_view type, std::string_view text) {
    if (!live_) return;
    event("exception", {{"exception.type", std::string(type)}, {"exception.message", std::string(text)}});
    live_->data.failed = true;
    live_->data.failure = text;
}

void Span::end() {
    if (!live_) return;
    const auto ended = std::move(live_);
    ended->data.end = ended->now();
    ended->sink->take(std::move(ended->data));
}

Span begin(std::string_view tracer, std::string_view name, const Context& parent,
           std::initializer_list<Attribute> attributes) {
    if (!wanted()) return {};
    auto sink = present_sink();
    if (!sink) return {};

    const bool child = parent.valid();
    Context own;
    if (child)
        own.trace_id = parent.trace_id;
    else
        fill_id(own.trace_id);
    fill_id(own.span_id);
    own.sampled = sink->sample ? sink->sample(parent, own) : !child || parent.sampled;
    if (!own.sampled) return Span(own, nullptr);

    auto live = std::make_unique<Span::Live>();
    live->sink = std::move(sink);
    live->began = std::chrono::steady_clock::now();
    live->data.start = std::chrono::system_clock::now();
    live->data.tracer = tracer;
    live->data.name = name;
    live->data.context = own;
    if (child) live->data.parent = parent.span_id;
    Span made(own, std::move(live));
    for (const auto& [key, value] : attributes) made.set(key, value);
    return made;
}

}  // namespace weir::trace
