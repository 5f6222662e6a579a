#include <algorithm>

#include "proto/pprof/profile.h"

namespace weir::pprof {
namespace {

std::string type_text(const ValueType& type) {
    return type.unit.empty() ? type.type : fmt::format("{}/{}", type.type, type.unit);
}

void add_frames(std::string& out, std::uint64_t address, const Symbols& symbols) {
    const auto found = symbols.find(address);
    if (found == symbols.end() || found->second.empty()) {
        out += fmt::format("#\t{:#x}\n", address);
        return;
    }
    for (const auto& frame : found->second) {
        out += fmt::format("#\t{:#x}\t{}", address, frame.function);
        if (!frame.file.empty()) out += fmt::format("\t{}:{}", frame.file, frame.line);
        out += '\n';
    }
}

void add_sample(std::string& out, const Sample& sample, const Symbols& symbols) {
    out += fmt::format("{} @", fmt::join(sample.values, " "));
    for (std::size_t i = 0; i < sample.stack.size(); ++i)
        out += fmt::format(" {:#x}", call_address(sample.stack[i], i == 0));
    out += '\n';
    for (const auto& [key, value] : sample.texts) out += fmt::format("# {}: {}\n", key, value);
    for (const auto& [key, value] : sample.numbers) out += fmt::format("# {}: {}\n", key, value);
    for (std::size_t i = 0; i < sample.stack.size(); ++i)
        add_frames(out, call_address(sample.stack[i], i == 0), symbols);
    out += '\n';
}

/// Which value a person looks at first.
std::size_t main_value(const Profile& profile) {
    const auto& types = profile.sample_types;
    const auto found =
        std::find_if(types.begin(), types.end(), [&](const ValueType& t) { return t.type == profile.default_type; });
    if (found != types.end()) return static_cast<std::size_t>(found - types.begin());
    return types.empty() ? 0 : types.size() - 1;
}

}  // namespace

std::string text(const Profile& profile, const Symbols& symbols, std::string_view name) {
    std::string out = fmt::format("{} profile: {} stacks\n# values:", name, profile.samples.size());
    for (const auto& type : profile.sample_types) out += ' ' + type_text(type);
    out += '\n';
    if (profile.period) out += fmt::format("# period: {} {}\n", type_text(profile.period_type), profile.period);
    if (profile.at != WallTime{}) out += fmt::format("# time: {}\n", utc_text(profile.at));
    out += '\n';
    std::vector<const Sample*> order;
    for (const auto& sample : profile.samples) order.push_back(&sample);
    const auto by = main_value(profile);
    const auto weight = [by](const Sample* s) { return by < s->values.size() ? s->values[by] : 0; };
    std::stable_sort(order.begin(), order.end(), [&](auto* a, auto* b) { return weight(a) > weight(b); });
    for (const auto* sample : order) add_sample(out, *sample, symbols);
    return out;
}

}  // namespace weir::pprof
