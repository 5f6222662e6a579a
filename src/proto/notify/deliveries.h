#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/notify/service.h"
#include "proto/notify/service_url.h"

/// What most services share.
namespace weir::notify {

/// How one answer is judged; an Error is the service's own complaint.
using Judge = std::function<Result<>(const Reply&)>;
enum class AfterFailure : std::uint8_t { stop, go_on };

/// Calls that are known beforehand, each judged alike.
[[nodiscard]] std::unique_ptr<Delivery> known_calls(std::string scheme, std::vector<Call> calls, Judge judge,
                                                    AfterFailure then = AfterFailure::stop);
[[nodiscard]] std::unique_ptr<Delivery> known_call(std::string scheme, Call call, Judge judge);

/// A service whose settings a closure holds.
using Deliver = std::function<Result<std::unique_ptr<Delivery>>(const Message&, const Surroundings&)>;
[[nodiscard]] std::unique_ptr<Service> service_of(std::string_view scheme, Deliver deliver);

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

/// The recorders' 0 to 10 in five steps (11): 0; 1 to 3; 4 to 7; 8 and 9; 10.
[[nodiscard]] int priority_step(int priority) noexcept;
/// There is such a key, whatever its case.
[[nodiscard]] bool has_key(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view key);

/// What stands at this JSON pointer ("/error/message") of `body`: a string as it is, a number or boolean as JSON writes it.
/// limits  depth 32, 1 MiB
[[nodiscard]] std::optional<std::string> json_field(std::string_view body, std::string_view pointer);
[[nodiscard]] bool is_json(std::string_view body);

/// A path as written in a URL, "/a%20b/c", with whatever may not stand there percent-encoded too.
[[nodiscard]] std::string safe_path(std::string_view raw_path);

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
