#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/notify/service.h"

/// What most services share.
namespace weir::notify {

/// How one answer is judged; an Error is the service's own complaint.
using Judge = std::function<Result<>(const Reply&)>;
enum class AfterFailure : std::uint8_t { stop, go_on };

/// Calls that are known beforehand, each judged alike.
[[nodiscard]] std::unique_ptr<Delivery> known_calls(std::string scheme, std::vector<Call> calls, Judge judge,
                                                    AfterFailure then = AfterFailure::stop);

/// `from` <= status < `to`, else "http 503 Service Unavailable".
[[nodiscard]] Judge status_between(int from, int to);

/// "title", a blank line, "text"; the title left out where it is empty or stands in the text already.
[[nodiscard]] std::string titled(const Message& message, std::string_view between = "\n\n");

/// {Content-Type: application/json} and POST.
[[nodiscard]] HttpCall json_call(std::string url, std::string body);

/// Cut to at most `most` bytes at a character's border.
[[nodiscard]] std::string cut_bytes(std::string_view text, std::size_t most);

}  // namespace weir::notify
