#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

/// The variables of telemetry.md 3.2, read one by one; the first complaint is kept. (internal to proto/otlp)
namespace weir::otlp {

class Environment {
public:
    using Get = std::function<std::optional<std::string>(const char*)>;
    explicit Environment(const Get& get) : get_(get) {}

    struct Found {
        std::string name, value;  ///< which variable it was; without spaces around, never empty
    };
    /// The first of `names` that is set and not empty.
    [[nodiscard]] std::optional<Found> first(std::initializer_list<std::string> names) const;

    /// Only "true", in any case, is true.
    [[nodiscard]] bool truth(std::initializer_list<std::string> names) const;
    [[nodiscard]] std::int64_t number(std::initializer_list<std::string> names, std::int64_t otherwise,
                                      std::int64_t least, std::int64_t most, std::string_view what);
    [[nodiscard]] Millis millis(std::initializer_list<std::string> names, Millis otherwise);
    /// Negative: no limit.
    [[nodiscard]] std::size_t limit(std::initializer_list<std::string> names, std::size_t otherwise);
    /// One of `words`, in any case; its place among them.
    [[nodiscard]] std::size_t choice(std::initializer_list<std::string> names, std::size_t otherwise,
                                     std::initializer_list<std::string_view> words);
    /// "k=v,k=v", percent-decoded, of a key given twice the last. `header`: keys and values are such as a header can hold.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> pairs(std::initializer_list<std::string> names,
                                                                         bool header);

    /// "NAME takes what", once; the value is never told: it may be a secret that went astray.
    void complain(std::string_view name, std::string_view takes);
    [[nodiscard]] const std::optional<Error>& complaint() const noexcept { return complaint_; }

private:
    const Get& get_;
    std::optional<Error> complaint_ = {};
};

}  // namespace weir::otlp
