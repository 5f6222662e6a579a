#include "store/ledger.h"

#include <boost/json.hpp>

namespace weir::store {
namespace {

std::string_view name_of(Verdict::State s) {
    switch (s) {
        case Verdict::State::whole:
            return "whole";
        case Verdict::State::losses_listed:
            return "losses_listed";
        case Verdict::State::damaged:
            return "damaged";
    }
    return "damaged";
}

double seconds(Micros t) {
    return static_cast<double>(t.count()) / 1e6;
}

std::string gap_text(const LedgerGap& g) {
    std::string units = "media";
    if (g.first_unit || g.last_unit)
        units = g.first_unit == g.last_unit ? fmt::format("unit {}", g.first_unit)
                                            : fmt::format("units {}-{}", g.first_unit, g.last_unit);
    const auto lane = g.lane ? fmt::format("lane {}, ", g.lane) : std::string();
    auto line = fmt::format("  at {}: {}{}, {}{:.1f} s, {}", duration_text(g.from), lane, units,
                            g.exact ? "" : "about ", seconds(g.to - g.from), g.why);
    if (g.tries > 0) line += fmt::format(" ({} tries)", g.tries);
    return line;
}

}  // namespace

std::string verdict_json(const Verdict& v) {
    namespace json = boost::json;
    json::array gaps;
    for (const auto& g : v.gaps)
        gaps.push_back({{"id", g.id},
                        {"lane", g.lane},
                        {"gen", g.gen},
                        {"u", json::array{g.first_unit, g.last_unit}},
                        {"from_s", seconds(g.from)},
                        {"to_s", seconds(g.to)},
                        {"exact", g.exact},
                        {"why", g.why},
                        {"tries", g.tries}});
    json::array complaints;
    for (const auto& c : v.complaints) complaints.push_back(json::string(c));
    json::object o;
    o["file"] = v.file;
    o["journal"] = v.journal;
    o["state"] = json::string_view(name_of(v.state).data(), name_of(v.state).size());
    o["exit"] = v.exit_code();
    o["unfinished"] = v.unfinished;
    o["asked"] = v.asked;
    o["got"] = v.got;
    o["missing"] = v.missing;
    o["bytes"] = v.bytes;
    o["duration_s"] = seconds(v.duration);
    o["gaps"] = std::move(gaps);
    o["complaints"] = std::move(complaints);
    return json::serialize(o);
}

std::string verdict_text(const Verdict& v) {
    std::string out = v.file + ": ";
    switch (v.state) {
        case Verdict::State::whole:
            out += "whole";
            break;
        case Verdict::State::losses_listed:
            out += "losses, all of them listed";
            break;
        case Verdict::State::damaged:
            out += "DAMAGED, or losses that are not listed";
            break;
    }
    if (v.unfinished) out += " (not finished: still recording, or to be finished by the next start)";
    out += '\n';
    if (!v.journal.empty()) {
        out += fmt::format("{} of media, {}", duration_text(v.duration), size_text(v.bytes));
        if (v.asked) out += fmt::format(", {} of {} units", v.got, v.asked);
        out += '\n';
    }
    if (!v.gaps.empty()) out += "missing:\n";
    for (const auto& g : v.gaps) out += gap_text(g) + '\n';
    if (!v.complaints.empty()) out += "wrong:\n";
    for (const auto& c : v.complaints) out += "  " + c + '\n';
    return out;
}

}  // namespace weir::store
