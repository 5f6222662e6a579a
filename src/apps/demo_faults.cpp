#include "apps/demo_faults.h"

#include <array>

#include "base/log.h"

namespace weir::apps {
namespace {

struct Known {
    std::string_view name;
    Fault::Kind kind;
    Micros lasts;
};
constexpr std::array<Known, 4> known{{{"503-burst", Fault::Kind::burst, std::chrono::seconds(2)},
                                      {"stall", Fault::Kind::stall, std::chrono::seconds(20)},
                                      {"cut", Fault::Kind::cut, Micros(0)},
                                      {"404", Fault::Kind::not_found, Micros(0)}}};

Error bad(std::string_view part, std::string_view why) {
    return Error{Errc::bad_input, fmt::format("fault '{}': {}; write NAME@WHEN[+LENGTH], as in "
                                              "503-burst@5s,stall@9s+4s; known are 503-burst, stall, cut, 404",
                                              part, why)};
}

Result<Fault> parse_one(std::string_view part) {
    const auto sign = part.find('@');
    if (sign == std::string_view::npos) return bad(part, "says not when");
    const auto name = part.substr(0, sign);
    const Known* kind = nullptr;
    for (const auto& k : known)
        if (k.name == name) kind = &k;
    if (!kind) return bad(part, "is not known");
    auto when = part.substr(sign + 1);
    Fault fault{kind->kind, std::string(name), {}, kind->lasts};
    if (const auto plus = when.find('+'); plus != std::string_view::npos) {
        const auto length = parse_duration(when.substr(plus + 1));
        if (!length) return bad(part, "has no such length");
        fault.lasts = *length;
        when = when.substr(0, plus);
    }
    const auto at = parse_duration(when);
    if (!at) return bad(part, "has no such time");
    fault.at = *at;
    return fault;
}

}  // namespace

Result<std::vector<Fault>> parse_faults(std::string_view text) {
    std::vector<Fault> out;
    while (!text.empty()) {
        const auto comma = text.find(',');
        auto fault = parse_one(text.substr(0, comma));
        if (!fault) return fault.error();
        out.push_back(std::move(*fault));
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
        if (text.empty()) return bad("", "is missing after the comma");
    }
    return out;
}

FaultInjector::FaultInjector(std::vector<Fault> faults) {
    for (auto& fault : faults) armed_.push_back({std::move(fault)});
}

bool FaultInjector::applies(Armed& armed, bool is_segment, Micros now) {
    const auto& fault = armed.fault;
    if (armed.over || now < fault.at) return false;
    const bool burst = fault.kind == Fault::Kind::burst;
    if (!burst && !is_segment) return false;
    if (!armed.fired) {
        armed.fired = now;
        armed.over = !burst;
        WEIR_LOG(warn, "injected fault fires", {"fault", fault.name}, {"at", duration_text(now)});
    }
    if (burst && now >= *armed.fired + fault.lasts) {
        armed.over = true;
        WEIR_LOG(warn, "injected fault is over", {"fault", fault.name}, {"requests", armed.hits});
        return false;
    }
    ++armed.hits;
    return true;
}

std::optional<Fault> FaultInjector::meet(bool is_segment, Micros now) {
    const std::lock_guard lock(mutex_);
    for (auto& armed : armed_)
        if (applies(armed, is_segment, now)) return armed.fault;
    return std::nullopt;
}

}  // namespace weir::apps
