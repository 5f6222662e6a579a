#pragma once
#include <string>
#include <string_view>

#include "base/time.h"

namespace weir::notify {

/// What a mail says, before it is written as RFC 5322 wants it.
struct MailText {
    std::string from, from_name, to;  ///< addresses without <>
    std::string subject, text;        ///< UTF-8, any line ends
    bool html = false;                ///< the text a second time, as HTML
    WallTime date;
    std::string message_id;  ///< without <>
    std::string boundary;    ///< of the parts, when there are two
};

/// Header and body with CRLF. What is not plain ASCII, or has lines above 900 bytes, becomes encoded words (RFC 2047) or base64, so that
/// no server needs extensions; control characters of header values become spaces.
[[nodiscard]] std::string mail_message(const MailText& mail);

/// "Fri, 21 Nov 2026 13:52:40 +0000"
[[nodiscard]] std::string mail_date(WallTime t);

/// A header's value: as it is, or as encoded words of at most 75 bytes, folded.
[[nodiscard]] std::string mail_words(std::string_view text);

}  // namespace weir::notify
