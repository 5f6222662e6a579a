#pragma once
#include <fmt/core.h>

#include <string>
#include <string_view>

namespace weir {

/// A token, key, cookie or password: prints as "***" wherever it is printed by accident, and is wiped when it goes.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    Secret(const Secret&) = default;
    Secret(Secret&&) = default;
    Secret& operator=(const Secret&) = default;
    Secret& operator=(Secret&&) = default;
    ~Secret();

    /// The one way to the text itself; easy to search for.
    [[nodiscard]] const std::string& reveal() const noexcept { return value_; }
    [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

private:
    std::string value_;
};

/// 32 hexadecimal digits from the system.
[[nodiscard]] Secret random_token();

/// A URL fit for logs: user info, and the value of every query parameter, become "***"; scheme, host and path stay.
[[nodiscard]] std::string masked_url(std::string_view url);

}  // namespace weir

template <>
struct fmt::formatter<weir::Secret> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const weir::Secret& s, Context& ctx) const {
        return fmt::formatter<std::string_view>::format(s.empty() ? "" : "***", ctx);
    }
};
