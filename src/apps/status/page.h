#pragma once
#include <string_view>

#include "io/http_server.h"

namespace weir::status {

/// Does this Accept field ask for a page rather than for JSON (RFC 9110, 12.5.1)? Browsers name HTML, programs say */* or nothing.
[[nodiscard]] bool prefers_html(const std::string* accept);

/// A file of the page, by its path below web/ ("status/index.html"); 404 when there is none. HTML comes with the page's policy
/// (nothing from elsewhere, no inline script).
Task<void> answer_file(Exchange& exchange, std::string_view path);
/// GET and HEAD /page/…: everything but the pages themselves.
void add_page_files(HttpServer& server);

}  // namespace weir::status
