#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "proto/pprof/profile.h"

namespace weir::pprof {
namespace {

constexpr std::size_t max_file = 64u << 20, max_frames = 1024;

Error bad(std::string what, std::string_view form) {
    return Error{Errc::bad_input, std::move(what), std::string(form)};
}

std::string_view take_line(std::string_view& rest) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
    return text;
}

std::string_view take_word(std::string_view& rest) {
    rest = trimmed(rest);
    const auto end = std::min(rest.find(' '), rest.size());
    const auto word = rest.substr(0, end);
    rest.remove_prefix(end);
    return word;
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "start-end": two numbers of base 16.
std::optional<std::pair<std::uint64_t, std::uint64_t>> range(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto from = number(text.substr(0, dash), 16), to = number(text.substr(dash + 1), 16);
    if (!from || !to || *from >= *to) return std::nullopt;
    return std::pair(*from, *to);
}

/// The same stack twice becomes one sample.
class Merged {
public:
    void add(std::vector<std::uint64_t> stack, const std::vector<std::int64_t>& values) {
        const auto [at, fresh] = places_.emplace(std::move(stack), samples_.size());
        if (fresh) {
            samples_.push_back(Sample{.stack = at->first, .values = values});
            return;
        }
        auto& sum = samples_[at->second].values;
        for (std::size_t i = 0; i < sum.size(); ++i)
            if (__builtin_add_overflow(sum[i], values[i], &sum[i])) sum[i] = std::numeric_limits<std::int64_t>::max();
    }
    std::vector<Sample> take() { return std::move(samples_); }

private:
    std::map<std::vector<std::uint64_t>, std::size_t> places_;
    std::vector<Sample> samples_;
};

/// Machine words of this machine's kind.
class Words {
public:
    explicit Words(std::string_view bytes) : bytes_(bytes) {}
    std::optional<std::uint64_t> next() {
        std::uint64_t word = 0;
        if (bytes_.size() < sizeof word) return std::nullopt;
        std::memcpy(&word, bytes_.data(), sizeof word);
        bytes_.remove_prefix(sizeof word);
        return word;
    }
    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() / sizeof(std::uint64_t); }
    [[nodiscard]] std::string_view rest() const noexcept { return bytes_; }

private:
    std::string_view bytes_;
};

/// Header words: 0, how many follow (3 or more), version 0, the period in us, padding. Returns the period.
Result<std::int64_t> read_cpu_header(Words& words, std::string_view form) {
    const auto zero = words.next(), follow = words.next(), version = words.next(), period = words.next();
    if (!zero || !follow || !version || !period || *zero != 0 || *version != 0 || *follow < 3)
        return bad("this is no CPU profile of gperftools", form);
    constexpr std::uint64_t longest = 1'000'000'000;  // us
    if (*period == 0 || *period > longest) return bad(fmt::format("a period of {} us", *period), form);
    if (*follow - 2 > words.left()) return bad("the header is cut off", form);
    for (std::uint64_t i = 2; i < *follow; ++i) (void)words.next();
    return static_cast<std::int64_t>(*period);
}

constexpr std::int64_t largest_count = std::int64_t{1} << 40;

/// Records up to the trailer, which is one of count 0 with one address, 0.
Result<std::vector<Sample>> read_cpu_records(Words& words, std::int64_t nanoseconds, std::string_view form) {
    Merged samples;
    for (;;) {
        const auto count = words.next(), frames = words.next();
        if (!count || !frames) return bad("it has no end", form);
        if (*frames == 0 || *frames > max_frames) return bad(fmt::format("a stack of {} frames", *frames), form);
        if (*frames > words.left()) return bad("a stack is cut off", form);
        std::vector<std::uint64_t> stack(*frames);
        for (auto& address : stack) address = *words.next();
        if (*count == 0 && *frames == 1 && stack[0] == 0) return samples.take();
        if (*count == 0) continue;
        const auto times = static_cast<std::int64_t>(std::min<std::uint64_t>(*count, largest_count));
        std::int64_t spent = 0;
        if (__builtin_mul_overflow(times, nanoseconds, &spent)) return bad(fmt::format("{} times", *count), form);
        samples.add(std::move(stack), {times, spent});
    }
}

}  // namespace

Result<Profile> read_gperftools_cpu(std::string_view file) {
    constexpr std::string_view form = "gperftools profile";
    if (file.size() > max_file) return bad("above 64 MiB", form);
    Words words(file);
    const auto period = read_cpu_header(words, form);
    if (!period) return period.error();
    const std::int64_t nanoseconds = *period * 1000;
    auto samples = read_cpu_records(words, nanoseconds, form);
    if (!samples) return samples.error();
    Profile out{.sample_types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
                .samples = std::move(*samples),
                .mappings = read_maps(words.rest()),
                .period_type = {"cpu", "nanoseconds"},
                .period = nanoseconds,
                .default_type = "cpu"};
    return out;
}

std::vector<Mapping> read_maps(std::string_view maps) {
    std::vector<Mapping> out;
    while (!maps.empty()) {
        auto line = take_line(maps);
        const auto addresses = range(take_word(line));
        const auto rights = take_word(line);
        const auto offset = number(take_word(line), 16);
        take_word(line);  // device
        take_word(line);  // inode
        if (!addresses || !offset || rights.size() < 3 || rights[2] != 'x') continue;
        out.push_back(Mapping{.start = addresses->first,
                              .limit = addresses->second,
                              .offset = *offset,
                              .file = std::string(trimmed(line))});
    }
    return out;
}

namespace {

struct HeapCounts {
    double objects = 0, bytes = 0;
};
struct HeapLine {
    HeapCounts current, ever;
};

/// " t*: 1: 2 [3: 4]"; nothing when the line tells of one thread, or is none.
std::optional<HeapLine> heap_line(std::string_view line) {
    if (take_word(line) != "t*:") return std::nullopt;
    std::array<double, 4> values{};
    for (auto& value : values) {
        auto word = take_word(line);
        while (!word.empty() && (word.back() == ':' || word.back() == ']')) word.remove_suffix(1);
        if (word.starts_with('[')) word.remove_prefix(1);
        const auto read = number(word, 10);
        if (!read) return std::nullopt;
        value = static_cast<double>(*read);
    }
    return HeapLine{{values[0], values[1]}, {values[2], values[3]}};
}

std::int64_t rounded(double value) {
    constexpr double most = 9e18;  // below 2^63
    return static_cast<std::int64_t>(std::clamp(std::round(value), 0.0, most));
}

/// An allocation is sampled the likelier the larger it is: what was seen stands for so many.
double scale(const HeapCounts& seen, double interval) {
    if (seen.objects <= 0 || seen.bytes <= 0 || interval <= 1) return 1;
    return 1 / -std::expm1(-(seen.bytes / seen.objects) / interval);
}

std::vector<std::int64_t> estimates(const HeapLine& seen, double interval) {
    const double ever = scale(seen.ever, interval), now = scale(seen.current, interval);
    return {rounded(seen.ever.objects * ever), rounded(seen.ever.bytes * ever), rounded(seen.current.objects * now),
            rounded(seen.current.bytes * now)};
}

/// "@ 0x… 0x…"
Result<std::vector<std::uint64_t>> heap_stack(std::string_view line, std::string_view form) {
    std::vector<std::uint64_t> stack;
    take_word(line);
    for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
        if (word.starts_with("0x")) word.remove_prefix(2);
        const auto address = number(word, 16);
        if (!address) return bad("an address is no number", form);
        if (stack.size() == max_frames) return bad("a stack above 1024 frames", form);
        stack.push_back(*address);
    }
    return stack;
}

}  // namespace

Result<Profile> read_jemalloc_heap(std::string_view file) {
    constexpr std::string_view form = "jemalloc profile", head = "heap_v2/";
    if (file.size() > max_file) return bad("above 64 MiB", form);
    auto rest = file;
    const auto first = take_line(rest);
    const auto interval = first.starts_with(head) ? number(trimmed(first.substr(head.size())), 10) : std::nullopt;
    constexpr std::uint64_t largest = 1ull << 40;
    if (!interval || *interval == 0 || *interval > largest)
        return bad("it does not begin with heap_v2/ and a number", form);
    Merged samples;
    std::optional<std::vector<std::uint64_t>> stack;  // whose counts are to come
    bool ended = false;
    while (!rest.empty() && !ended) {
        const auto line = trimmed(take_line(rest));
        if (line.starts_with("MAPPED_LIBRARIES:")) {
            ended = true;
        } else if (line.starts_with("@")) {
            auto read = heap_stack(line, form);
            if (!read) return read.error();
            stack = std::move(*read);
        } else if (const auto counts = heap_line(line); counts && stack) {
            samples.add(std::move(*stack), estimates(*counts, static_cast<double>(*interval)));
            stack.reset();
        }
    }
    if (!ended) return bad("it is cut off", form);
    Profile out{.sample_types = {{"alloc_objects", "count"},
                                 {"alloc_space", "bytes"},
                                 {"inuse_objects", "count"},
                                 {"inuse_space", "bytes"}},
                .samples = samples.take(),
                .mappings = read_maps(rest),
                .period_type = {"space", "bytes"},
                .period = static_cast<std::int64_t>(*interval),
                .default_type = "inuse_space"};
    return out;
}

}  // namespace weir::pprof
