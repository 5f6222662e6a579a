#include "proto/notify/options.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace weir::notify {
namespace {

std::vector<std::string> parts_of(std::string_view text, char border) {
    std::vector<std::string> out;
    if (text.empty()) return out;
    while (true) {
        const auto end = std::min(text.find(border), text.size());
        out.emplace_back(text.substr(0, end));
        if (end == text.size()) return out;
        text.remove_prefix(end + 1);
    }
}

Error unfit(std::string what) {
    return Error{Errc::bad_input, std::move(what)};
}

Result<bool> flag_of(std::string_view text) {
    const auto low = ascii_lowered(text);
    for (const auto yes : {"true", "1", "yes", "y"})
        if (low == yes) return true;
    for (const auto no : {"false", "0", "no", "n"})
        if (low == no) return false;
    return unfit("accepted values are 1, true, yes or 0, false, no");
}

Result<int> number_of(std::string_view text, int least, int most, int base) {
    if (base == 16) {
        if (text.starts_with('#')) text.remove_prefix(1);
        if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
    }
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    int value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failed != std::errc() || end != text.data() + text.size() || value < least || value > most)
        return unfit(base == 16 ? fmt::format("a hexadecimal number from {:x} to {:x} is accepted", least, most)
                                : fmt::format("a number from {} to {} is accepted", least, most));
    return value;
}

Result<Options::Map> map_of(std::string_view text) {
    Options::Map out;
    for (const auto& pair : parts_of(text, ',')) {
        const auto colon = pair.find(':');
        if (colon == std::string::npos || pair.find(':', colon + 1) != std::string::npos)
            return unfit("accepted is key:value,key:value");
        out[pair.substr(0, colon)] = pair.substr(colon + 1);
    }
    return out;
}

}  // namespace

Options& Options::add(std::string_view keys, std::function<Result<>(const std::string&)> set) {
    options_.push_back({parts_of(ascii_lowered(keys), '|'), std::move(set)});
    return *this;
}

Options& Options::text(std::string_view keys, std::string& into) {
    return add(keys, [&into](const std::string& value) -> Result<> {
        into = value;
        return {};
    });
}

Options& Options::flag(std::string_view keys, bool& into) {
    return add(keys, [&into](const std::string& value) -> Result<> {
        const auto got = flag_of(value);
        if (!got) return got.error();
        into = *got;
        return {};
    });
}

Options& Options::number(std::string_view keys, int& into, int least, int most, int base) {
    return add(keys, [&into, least, most, base](const std::string& value) -> Result<> {
        const auto got = number_of(value, least, most, base);
        if (!got) return got.error();
        into = *got;
        return {};
    });
}

Options& Options::list(std::string_view keys, std::vector<std::string>& into, char border) {
    return add(keys, [&into, border](const std::string& value) -> Result<> {
        into = parts_of(value, border);
        return {};
    });
}

Options& Options::map(std::string_view keys, Map& into) {
    return add(keys, [&into](const std::string& value) -> Result<> {
        auto got = map_of(value);
        if (!got) return got.error();
        into = std::move(*got);
        return {};
    });
}

Options& Options::choice(std::string_view keys, int& into, std::initializer_list<std::string_view> names) {
    std::vector<std::vector<std::string>> choices;
    std::string accepted;
    for (const auto name : names) {
        choices.push_back(parts_of(ascii_lowered(name), '|'));
        accepted += accepted.empty() ? "" : " ";
        accepted += name.substr(0, name.find('|'));
    }
    return add(keys, [&into, choices, accepted](const std::string& value) -> Result<> {
        const auto low = ascii_lowered(value);
        const auto has = [&](const auto& choice) {
            return std::find(choice.begin(), choice.end(), low) != choice.end();
        };
        const auto at = std::find_if(choices.begin(), choices.end(), has);
        if (at == choices.end()) return unfit("accepted values are [" + accepted + "]");
        into = static_cast<int>(at - choices.begin());
        return {};
    });
}

Options& Options::other(std::string_view keys, std::function<Result<>(const std::string&)> set) {
    return add(keys, std::move(set));
}

const Options::Option* Options::find(std::string_view key) const {
    const auto low = ascii_lowered(key);
    const auto has = [&](const Option& option) {
        return std::find(option.keys.begin(), option.keys.end(), low) != option.keys.end();
    };
    const auto at = std::find_if(options_.begin(), options_.end(), has);
    return at == options_.end() ? nullptr : &*at;
}

bool Options::knows(std::string_view key) const {
    return find(key) != nullptr;
}

Result<> Options::apply(const Pairs& pairs, Unknown unknown) {
    std::vector<std::string> seen;
    std::size_t place = 0;
    for (const auto& [key, value] : pairs) {
        ++place;
        const auto* option = find(key);
        if (!option && unknown == Unknown::ignored) continue;
        if (!option) {
            // A key that nobody knows may be a token that lost its name: it is not repeated here.
            std::string known;
            for (const auto& one : options_) known += (known.empty() ? "" : " ") + one.keys.front();
            return unfit(fmt::format("option {} is not known here (there are: {})", place, known));
        }
        auto low = ascii_lowered(key);
        if (std::find(seen.begin(), seen.end(), low) != seen.end()) continue;
        if (auto done = option->set(value); !done) {
            auto failure = done.error();
            failure.what = fmt::format("option {}: {}", low, failure.what);
            return failure;
        }
        seen.push_back(std::move(low));
    }
    return {};
}

}  // namespace weir::notify
