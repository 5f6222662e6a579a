#include "proto/notify/telegram_text.h"

#include <algorithm>

#include "proto/notify/deliveries.h"

namespace weir::notify {
namespace {

constexpr std::size_t max_piece = 4096, max_headline = 600;
constexpr std::string_view cut_sign = " [...]";

std::string_view html_name(char c) {
    switch (c) {
        case '&':
            return "&amp;";
        case '<':
            return "&lt;";
        case '>':
            return "&gt;";
        case '\'':
            return "&#39;";
        case '"':
            return "&#34;";
        default:
            return "";
    }
}

std::size_t width_of(char c, bool escape) {
    const auto name = escape ? html_name(c) : std::string_view();
    return name.empty() ? 1 : name.size();
}

/// How much of `text` fits into `room` bytes once written.
std::size_t fitting(std::string_view text, std::size_t room, bool escape) {
    std::size_t used = 0, at = 0;
    while (at < text.size() && used + width_of(text[at], escape) <= room) used += width_of(text[at++], escape);
    if (at < text.size())
        while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return at;
}

/// Where to cut within the first `most` bytes, and how much of a border to leave out there.
std::pair<std::size_t, std::size_t> good_cut(std::string_view text, std::size_t most) {
    // A line that begins right after the limit is a border too.
    const auto reach = text.substr(0, std::min(text.size(), most + 1));
    if (const auto line = reach.rfind('\n'); line != std::string_view::npos && line > most / 4) return {line, 1};
    if (const auto space = reach.rfind(' '); space != std::string_view::npos && space > most / 2) return {space, 1};
    return {most, 0};
}

}  // namespace

std::string html_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto name = html_name(c);
        if (name.empty())
            out += c;
        else
            out += name;
    }
    return out;
}

std::vector<std::string> telegram_pieces(std::string_view head, std::string_view text, bool escape, std::size_t most) {
    const auto written = [&](std::string_view part) { return escape ? html_escaped(part) : std::string(part); };
    std::vector<std::string> out;
    std::string begun(head);
    while (true) {
        const auto room = max_piece - begun.size();
        const auto whole = fitting(text, room, escape);
        if (whole == text.size()) {
            out.push_back(begun + written(text));
            return out;
        }
        if (out.size() + 1 >= most) {
            out.push_back(begun + written(text.substr(0, fitting(text, room - cut_sign.size(), escape))));
            out.back() += cut_sign;
            return out;
        }
        const auto [cut, border] = good_cut(text, whole);
        out.push_back(begun + written(text.substr(0, cut)));
        text.remove_prefix(cut + border);
        begun.clear();
    }
}

std::string telegram_headline(std::string_view title, TelegramMode mode) {
    const auto fit = cut_bytes(title, max_headline);
    if (mode == TelegramMode::none || mode == TelegramMode::html) return "<b>" + html_escaped(fit) + "</b>\n";
    const std::string_view special = mode == TelegramMode::markdown ? "_*[`" : "_*[]()~`>#+-=|{}.!\\";
    std::string out;
    for (const char c : fit) {
        if (special.find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out + "\n";
}

}  // namespace weir::notify
