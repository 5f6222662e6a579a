#pragma once
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weir::notify {

/// The options of one service: each is declared with the variable it sets, then a URL's query, or the params of one message, are
/// applied to them. Keys are compared without regard to case; of a repeated key the first value counts.
///
///     struct Bark { std::string sound, title; int badge = 0; };
///     Options options(Bark& b) { return Options().text("sound", b.sound).number("badge", b.badge, 0, 1 << 30).text("title", b.title); }
///
/// A message's params are applied to a copy of the service's settings, so that nothing of one message shows in the next (notify.md 4).
/// errors  bad_input naming the key and what it takes, never the value
/// source  protocols/notify.md 3, "Value syntax by field type"
class Options {
public:
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    using Map = std::map<std::string, std::string>;
    /// `keys`: the name and its aliases, "avatar|avatarurl".
    Options& text(std::string_view keys, std::string& into);
    Options& flag(std::string_view keys, bool& into);
    Options& number(std::string_view keys, int& into, int least, int most, int base = 10);
    Options& list(std::string_view keys, std::vector<std::string>& into, char border = ',');
    Options& map(std::string_view keys, Map& into);
    /// One of `names`; `into` becomes its index. Aliases follow their name after '|': "Default|normal".
    Options& choice(std::string_view keys, int& into, std::initializer_list<std::string_view> names);
    Options& other(std::string_view keys, std::function<Result<>(const std::string&)> set);

    enum class Unknown : std::uint8_t { refused, ignored };
    [[nodiscard]] Result<> apply(const Pairs& pairs, Unknown unknown = Unknown::refused);
    [[nodiscard]] bool knows(std::string_view key) const;

private:
    struct Option {
        std::vector<std::string> keys;  ///< in lower case
        std::function<Result<>(const std::string&)> set;
    };
    Options& add(std::string_view keys, std::function<Result<>(const std::string&)> set);
    [[nodiscard]] const Option* find(std::string_view key) const;
    std::vector<Option> options_;
};

}  // namespace weir::notify
