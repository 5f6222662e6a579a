#pragma once
// The words parent and child speak: one plan on standard input, lines with progress and one outcome on standard output.
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "media/tool.h"

namespace weir::media {

struct SummarisePlan {
    std::string path;
    bool index_only = false;
};
struct ProbePlan {
    std::string path;
};
using ToolPlan = std::variant<JoinPlan, SummarisePlan, ProbePlan, PatternPlan>;

/// What a child found out: the one that belongs to its plan.
using ToolOutcome = std::variant<Summary, Probe>;

[[nodiscard]] std::string plan_text(const ToolPlan& plan);
/// errors  bad_input; paths may be any bytes
[[nodiscard]] Result<ToolPlan> parse_plan(std::string_view text);

[[nodiscard]] std::string progress_line(double done);
[[nodiscard]] std::string outcome_line(const Result<ToolOutcome>& outcome);

/// One line of the child: progress (0 to 1), or the outcome.
struct ToolLine {
    double progress = 0;
    std::optional<Result<ToolOutcome>> outcome = {};
};
/// errors  internal: not what our own child writes
[[nodiscard]] Result<ToolLine> parse_line(std::string_view text);

}  // namespace weir::media
