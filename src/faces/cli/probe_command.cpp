#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "faces/cli/tool_session.h"

namespace weir::faces {
namespace {

std::string rate_text(std::uint64_t bits_per_second) {
    if (bits_per_second >= 10'000'000) return fmt::format("{:.1f} Mb/s", static_cast<double>(bits_per_second) / 1e6);
    return fmt::format("{:.0f} kb/s", static_cast<double>(bits_per_second) / 1e3);
}

std::uint64_t overall_rate(const media::Probe& p) {
    if (p.duration <= Micros{0}) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(p.bytes) * 8e6 / static_cast<double>(p.duration.count()));
}

std::string track_text(const media::ProbeTrack& t) {
    auto text = t.codec;
    if (!t.profile.empty()) text += fmt::format(" ({})", t.profile);
    const auto add = [&](std::string part) { text += ", " + std::move(part); };
    if (t.width > 0) add(fmt::format("{}x{}", t.width, t.height));
    if (t.frames_per_second > 0) add(fmt::format("{:.5g} fps", t.frames_per_second));
    if (t.sample_rate > 0) add(fmt::format("{} Hz", t.sample_rate));
    if (t.channels > 0) add(fmt::format("{} {}", t.channels, t.channels == 1 ? "channel" : "channels"));
    if (t.bit_rate > 0) add(rate_text(t.bit_rate));
    if (!t.language.empty()) add(t.language);
    return text;
}

void print_text(const apps::InputFile& input) {
    const auto& p = input.probe;
    auto about = fmt::format("{}, {}, {}", p.format, duration_text(p.duration), size_text(p.bytes));
    if (const auto rate = overall_rate(p)) about += ", " + rate_text(rate);
    std::string text;
    append_printable(text, input.path.string());
    fmt::print("{}\n  format  {}\n", text, about);
    for (const auto& t : p.tracks) fmt::print("  {:<6}  {}\n", name_of(t.kind), track_text(t));
}

std::string track_json(const media::ProbeTrack& t) {
    return fmt::format(
        R"({{"kind":{},"codec":{},"profile":{},"language":{},"width":{},"height":{},"fps":{},"sample_rate":{},"channels":{},"bit_rate":{}}})",
        json_quoted(name_of(t.kind)), json_quoted(t.codec), json_quoted(t.profile), json_quoted(t.language), t.width,
        t.height, t.frames_per_second, t.sample_rate, t.channels, t.bit_rate);
}

std::string file_json(const apps::InputFile& input) {
    const auto& p = input.probe;
    std::string tracks;
    for (const auto& t : p.tracks) tracks += (tracks.empty() ? "" : ",") + track_json(t);
    return fmt::format(
        R"({{"file":{},"format":{},"duration_s":{:.6f},"start_s":{:.6f},"bytes":{},"bit_rate":{},"tracks":[{}]}})",
        json_quoted(input.path.string()), json_quoted(p.format), static_cast<double>(p.duration.count()) / 1e6,
        static_cast<double>(p.start.count()) / 1e6, p.bytes, overall_rate(p), tracks);
}

Task<int> probe_all(Shard& shard, FileLane& lane, const ProbeArguments& a) {
    apps::Joiner joiner(shard.executor(), lane);
    int code = exit_ok;
    std::string objects;
    for (const auto& file : a.files) {
        const std::vector<Path> one{Path(file)};
        auto inputs = co_await joiner.look_at(one);
        for (const auto& input : inputs.good) {
            if (a.json)
                objects += (objects.empty() ? "" : ",") + file_json(input);
            else
                print_text(input);
        }
        for (const auto& broken : inputs.broken) {
            code = complain(broken_text(broken), exit_failed);
            if (a.json)
                objects += fmt::format(R"({}{{"file":{},"error":{}}})", objects.empty() ? "" : ",",
                                       json_quoted(broken.path.string()), json_quoted(broken.why.text()));
            if (broken.why.code == Errc::cancelled) co_return exit_failed;
        }
    }
    if (a.json)
        fmt::print(R"({{"files":[{}]}})"
                   "\n",
                   objects);
    co_return code;
}

}  // namespace

int run_probe(const ProbeArguments& arguments) {
    return run_tool([&](Shard& shard, FileLane& lane) { return probe_all(shard, lane, arguments); });
}

}  // namespace weir::faces
