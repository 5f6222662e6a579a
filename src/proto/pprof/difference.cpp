#include <algorithm>
#include <limits>
#include <tuple>

#include "proto/pprof/profile.h"

namespace weir::pprof {
namespace {

using Key =
    std::tuple<std::vector<std::uint64_t>, std::map<std::string, std::string>, std::map<std::string, std::int64_t>>;
Key key_of(const Sample& sample) {
    return {sample.stack, sample.texts, sample.numbers};
}

bool is_in(const std::vector<std::size_t>& list, std::size_t value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

std::int64_t plus(std::int64_t a, std::int64_t b) {
    std::int64_t out = 0;
    if (__builtin_add_overflow(a, b, &out))
        return a < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
    return out;
}

std::int64_t minus(std::int64_t a, std::int64_t b) {
    std::int64_t out = 0;
    if (__builtin_sub_overflow(a, b, &out))
        return a < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
    return out;
}

}  // namespace

Profile difference(const Profile& now, const Profile& before, const std::vector<std::size_t>& absolute) {
    std::map<Key, std::vector<std::int64_t>> had;
    for (const auto& sample : before.samples) {
        auto& sum = had[key_of(sample)];
        sum.resize(std::max(sum.size(), sample.values.size()));
        for (std::size_t i = 0; i < sample.values.size(); ++i) sum[i] = plus(sum[i], sample.values[i]);
    }
    Profile out = now;
    out.samples.clear();
    const auto add = [&](Sample sample, const std::vector<std::int64_t>& old) {
        if (sample.values == old) return;
        for (std::size_t i = 0; i < std::min(old.size(), sample.values.size()); ++i)
            if (!is_in(absolute, i)) sample.values[i] = minus(sample.values[i], old[i]);
        if (std::any_of(sample.values.begin(), sample.values.end(), [](auto v) { return v != 0; }))
            out.samples.push_back(std::move(sample));
    };
    for (const auto& sample : now.samples) {
        const auto found = had.find(key_of(sample));
        add(sample, found == had.end() ? std::vector<std::int64_t>(sample.values.size()) : found->second);
        if (found != had.end()) had.erase(found);
    }
    for (const auto& [key, old] : had) {
        Sample gone{.stack = std::get<0>(key),
                    .values = std::vector<std::int64_t>(old.size()),
                    .numbers = std::get<2>(key),
                    .texts = std::get<1>(key)};
        add(std::move(gone), old);
    }
    return out;
}

}  // namespace weir::pprof
