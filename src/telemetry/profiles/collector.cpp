#include "telemetry/profiles/collector.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "telemetry/profiles/heap_profile.h"
#include "telemetry/profiles/thread_stacks.h"

namespace weir::telemetry {
namespace {

struct Named {
    std::string_view name, about;
};
constexpr std::array named{
    Named{"allocs", "all memory allocated since the start, sampled"},
    Named{"block", "waits for locks: always empty, weir's threads share none worth sampling"},
    Named{"goroutine", "where every thread is now"},
    Named{"heap", "memory in use, sampled"},
    Named{"mutex", "contended locks: always empty"},
    Named{"threadcreate", "the threads there are"},
};
constexpr std::array deltas{
    Named{"delta_heap", "memory allocated since this was last asked for"},
    Named{"delta_block", "always empty"},
    Named{"delta_mutex", "always empty"},
};

bool is_in(const auto& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(), [&](const Named& n) { return n.name == name; });
}

pprof::Profile no_contention() {
    return {.sample_types = {{"contentions", "count"}, {"delay", "nanoseconds"}},
            .period_type = {"contentions", "count"},
            .period = 1,
            .at = std::chrono::system_clock::now()};
}

ProfileAnswer failure(const Error& why) {
    return profile_error(why.code == Errc::unsupported ? 501 : 500, why.text());
}

std::string kind_of(std::string_view name) {
    return std::string(name.starts_with("delta_") ? name.substr(6) : name);
}

}  // namespace

bool Collector::knows(std::string_view name) {
    return is_in(named, name);
}

bool Collector::knows_delta(std::string_view name) {
    return is_in(deltas, name);
}

Result<pprof::Profile> Collector::take(std::string_view name) {
    if (name == "goroutine" || name == "threadcreate") return thread_stacks(name);
    if (name == "block" || name == "mutex") return no_contention();
    auto profile = heap_profile();
    if (!profile) return profile.error();
    if (heap_) keep_rising(*profile, *heap_);
    heap_ = *profile;
    profile->default_type = name == "allocs" ? "alloc_space" : "inuse_space";
    return profile;
}

ProfileAnswer Collector::written(pprof::Profile profile, const ProfileRequest& request, std::string_view file_name) {
    profile.mappings = own_mappings();
    const auto symbols = symbolizer_.look_up(addresses_of(profile));
    if (request.debug) return profile_text(pprof::text(profile, symbols, request.name));
    return profile_file(pprof::encode(profile, symbols), file_name);
}

ProfileAnswer Collector::answer(const ProfileRequest& request) {
    auto profile = take(request.name);
    if (!profile) return failure(profile.error());
    // Not in allocs: who subtracts one from the next does so by stack and labels, and an average changes.
    if (request.name == "heap") label_sizes(*profile);
    return written(std::move(*profile), request, request.name);
}

ProfileAnswer Collector::answer_since(const ProfileRequest& request, const pprof::Profile& before) {
    const auto now = take(request.name);
    if (!now) return failure(now.error());
    auto changed = pprof::difference(*now, before);
    changed.duration = std::chrono::duration_cast<Micros>(now->at - before.at);
    return written(std::move(changed), request, request.name + "-delta");
}

ProfileAnswer Collector::answer_delta(const ProfileRequest& request) {
    const auto kind = kind_of(request.name);
    auto now = take(kind);
    if (!now) return failure(now.error());
    auto changed = *now;
    if (kind == "heap") {
        const auto before = std::exchange(delta_, std::move(*now)).value_or(pprof::Profile{});
        changed = pprof::difference(changed, before, {2, 3});
        if (before.at != WallTime{}) changed.duration = std::chrono::duration_cast<Micros>(changed.at - before.at);
        label_sizes(changed);
    }
    return written(std::move(changed), request, kind + ".pprof.gz");
}

ProfileAnswer Collector::answer_cpu(const ProfileRequest& request, CpuProfile running) {
    auto profile = running.stop();
    if (!profile) return failure(profile.error());
    return written(std::move(*profile), request, "profile");
}

ProfileAnswer Collector::symbols(std::string_view addresses) {
    const auto asked = parse_addresses(addresses);
    const auto known = symbolizer_.look_up({asked.begin(), asked.end()});
    std::string body = "num_symbols: 1\n";  // any positive number: there are some to be had
    for (const auto address : asked)
        if (const auto found = known.find(address); found != known.end())
            body += fmt::format("{:#x} {}\n", address, found->second.back().function);
    return profile_text(std::move(body));
}

std::string Collector::index_page() {
    std::string rows;
    const auto row = [&](const Named& each, const std::string& count) {
        rows += fmt::format(
            "<tr><td class=n>{}</td><td><a href=\"{}?debug=1\">{}</a></td><td><a href=\"{}\">file</a></td>"
            "<td>{}</td></tr>\n",
            count, each.name, each.name, each.name, each.about);
    };
    for (const auto& each : named) {
        const auto taken = take(each.name);
        std::int64_t count = 0;
        const bool threads = each.name == "goroutine" || each.name == "threadcreate";
        if (taken)
            for (const auto& sample : taken->samples) count += threads ? sample.values.at(0) : 1;
        row(each, taken ? std::to_string(count) : "none");
    }
    for (const auto& each : deltas) row(each, "");
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>/debug/pprof/</title>\n"
        "<style>body{{font-family:sans-serif;margin:2em}}td{{padding:.2em 1em .2em 0}}.n{{text-align:right}}</style>"
        "</head>\n<body><h1>Profiles of weir</h1>\n"
        "<p><code>go tool pprof -http=: URL</code> shows what a link here answers; <code>?seconds=N</code> shows what "
        "changes in that time.</p>\n"
        "<table>\n{}</table>\n"
        "<p><a href=\"profile?seconds=10\">profile</a>: CPU time of the next 10 seconds (30 when not said). "
        "<a href=\"cmdline\">cmdline</a>: how weir was started.</p>\n</body></html>\n",
        rows);
}

}  // namespace weir::telemetry
