#include "apps/tools/media_spans.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace weir::apps {
namespace {

/// What is written as .NAME.part.EXT is NAME.EXT to everybody.
std::string final_name(const std::string& file) {
    const std::filesystem::path path(file);
    auto name = path.filename().string();
    const auto part = name.rfind(".part.");
    if (!name.starts_with('.') || part == name.npos || part == 0) return file;
    name.erase(part, std::string_view(".part").size());
    name.erase(0, 1);
    return (path.parent_path() / name).string();
}

}  // namespace

trace::Span concat_span(const media::JoinPlan& plan, const trace::Context& parent) {
    auto span = trace::begin("video/concat", "concat.Do", parent);
    if (!span.context().sampled) return span;
    std::size_t files = 0;
    const std::string* last = nullptr;
    for (const auto& stretch : plan.input) {
        if (last && *last == stretch.path) continue;
        last = &stretch.path;
        span.set(fmt::format("input{}", files++), stretch.path);
    }
    span.set("output", final_name(plan.output));
    span.set("audio_only", plan.audio_only);
    span.set("numbered", files > 1);
    return span;
}

trace::Span probe_span(const std::string& file, const trace::Context& parent) {
    return trace::begin("video/probe", "probe.Do", parent, {{"input0", file}});
}

}  // namespace weir::apps
