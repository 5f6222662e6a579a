#include "faces/cli/labels.h"

namespace weir::faces {

Result<std::map<std::string, std::string>> parse_labels(const std::vector<std::string>& texts) {
    std::map<std::string, std::string> labels;
    for (const auto& text : texts) {
        const auto equals = text.find('=');
        if (equals == std::string::npos || equals == 0)
            return Error{Errc::bad_input, fmt::format("--label {}: give KEY=VALUE", text.substr(0, 100))};
        labels[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return labels;
}

}  // namespace weir::faces
