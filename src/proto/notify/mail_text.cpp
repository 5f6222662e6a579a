#include "proto/notify/mail_text.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/telegram_text.h"

namespace weir::notify {
namespace {

constexpr std::size_t longest_line = 900;

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x7f && (c >= 0x20 || c == '\t'); });
}

std::string with_crlf(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
        if (text[i] == '\n' || text[i] == '\r')
            out += "\r\n";
        else
            out += text[i];
    }
    if (!out.ends_with("\r\n")) out += "\r\n";
    return out;
}

bool fits_unencoded(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        const auto line = text.substr(0, end);
        if (line.size() > longest_line || !is_plain(line)) return false;
        text.remove_prefix(std::min(end, text.size() - 2) + 2);
    }
    return true;
}

/// Header fields of a part, and its body.
std::string part_of(std::string_view type, std::string_view text) {
    constexpr std::size_t line = 76;
    const auto lines = with_crlf(text);
    auto out = fmt::format("Content-Type: {}; charset=\"UTF-8\"\r\n", type);
    if (fits_unencoded(lines)) return out + "Content-Transfer-Encoding: 7bit\r\n\r\n" + lines;
    out += "Content-Transfer-Encoding: base64\r\n\r\n";
    const auto encoded = base64(lines);
    for (std::size_t at = 0; at < encoded.size(); at += line) out += encoded.substr(at, line) + "\r\n";
    return out;
}

/// A name as a phrase: quoted where it has more than letters.
std::string phrase_of(const std::string& name) {
    const auto clean = header_value(name);
    const auto words = mail_words(clean);
    if (words != clean) return words;
    const bool letters =
        std::all_of(clean.begin(), clean.end(), [](unsigned char c) { return std::isalnum(c) || c == ' '; });
    if (letters) return clean;
    std::string out = "\"";
    for (const char c : clean) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

}  // namespace

std::string mail_date(WallTime t) {
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto seconds = std::chrono::system_clock::to_time_t(t);
    std::tm at{};
    gmtime_r(&seconds, &at);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", days[at.tm_wday], at.tm_mday, months[at.tm_mon],
                       at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

std::string mail_words(std::string_view text) {
    constexpr std::size_t bytes_a_word = 45;  // 60 letters of base64, and 12 around them
    const auto clean = header_value(text);
    if (is_plain(clean) && clean.size() <= longest_line && clean.find("=?") == std::string::npos) return clean;
    std::string out;
    for (std::string_view rest = clean; !rest.empty();) {
        const auto word = cut_bytes(rest, bytes_a_word);
        if (!out.empty()) out += "\r\n ";
        out += fmt::format("=?UTF-8?B?{}?=", base64(word));
        rest.remove_prefix(word.size());
    }
    return out;
}

std::string mail_message(const MailText& mail) {
    const auto from = header_value(mail.from), to = header_value(mail.to);
    std::string out = fmt::format("Date: {}\r\n", mail_date(mail.date));
    out += mail.from_name.empty() ? fmt::format("From: {}\r\n", from)
                                  : fmt::format("From: {} <{}>\r\n", phrase_of(mail.from_name), from);
    out += fmt::format("To: {}\r\nSubject: {}\r\nMessage-ID: <{}>\r\nMIME-Version: 1.0\r\n", to,
                       mail_words(mail.subject), header_value(mail.message_id));
    if (!mail.html) return out + part_of("text/plain", mail.text);
    const auto html = fmt::format("<pre>{}</pre>", html_escaped(mail.text));
    const auto border = header_value(mail.boundary);
    out += fmt::format("Content-Type: multipart/alternative; boundary=\"{}\"\r\n\r\n", border);
    out += fmt::format("--{}\r\n{}--{}\r\n{}--{}--\r\n", border, part_of("text/plain", mail.text), border,
                       part_of("text/html", html), border);
    return out;
}

}  // namespace weir::notify
