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
[[nodiscard]] std::unique_ptr<Delivery> known_call(std::string scheme, Call call, Judge judge);

/// `from` <= status < `to`, else "http 503 Service Unavailable".
[[nodiscard]] Judge status_between(int from, int to);

/// bad_input with this text.
[[nodiscard]] Error unfit_for_service(std::string what);
/// "http 503 Service Unavailable", with the status, the code that fits it, and Retry-After if there was one.
[[nodiscard]] Error bad_status(const Reply& reply);
/// The same with the service's own words instead: printable, cut to 300 bytes. Of a good status it is bad_input.
[[nodiscard]] Error service_said(const Reply& reply, std::string_view words);

/// "title", a blank line, "text"; the title left out where it is empty or stands in the text already.
[[nodiscard]] std::string titled(const Message& message, std::string_view between = "\n\n");

/// {Content-Type: application/json} and POST.
[[nodiscard]] HttpCall json_call(std::string url, std::string body);
/// {Content-Type: application/x-www-form-urlencoded} and POST.
[[nodiscard]] HttpCall form_call(std::string url, std::vector<std::pair<std::string, std::string>> fields);
/// "Basic …"
[[nodiscard]] std::string basic_authorization(std::string_view user, std::string_view password);
[[nodiscard]] std::string base64(std::string_view bytes);
/// Fit for a header's value: control characters as spaces.
[[nodiscard]] std::string header_value(std::string_view text);

/// Cut to at most `most` bytes at a character's border.
[[nodiscard]] std::string cut_bytes(std::string_view text, std::size_t most);

}  // namespace weir::notify
