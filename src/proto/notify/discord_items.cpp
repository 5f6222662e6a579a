#include "proto/notify/discord_items.h"

#include <algorithm>

namespace weir::notify {
namespace {

constexpr std::size_t max_item = 2000, max_request = 6000, max_items = 10, max_requests = 10, look_back = 100;
constexpr std::string_view discord_cut = " [...]";

bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

}  // namespace

std::string_view first_characters(std::string_view text, std::size_t count) {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (begins_character(text[i]) && seen++ == count) return text.substr(0, i);
    return text;
}

std::size_t count_characters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

DiscordItems discord_lines(std::string_view text) {
    DiscordItems out;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) continue;
        if (count_characters(line) <= max_item)
            out.emplace_back(line);
        else
            out.push_back(std::string(first_characters(line, max_item - discord_cut.size())).append(discord_cut));
    }
    return out;
}

DiscordItems discord_pieces(std::string_view text) {
    DiscordItems out;
    while (!text.empty()) {
        const auto most = first_characters(text, max_item);
        if (most.size() == text.size()) {
            out.emplace_back(text);
            break;
        }
        const auto early = first_characters(most, max_item - look_back).size();
        const auto border = most.find_last_of(" \n");
        if (border != std::string_view::npos && border >= early) {
            if (border > 0) out.emplace_back(most.substr(0, border));
            text.remove_prefix(border + 1);
        } else {
            out.emplace_back(most);
            text.remove_prefix(most.size());
        }
    }
    return out;
}

std::vector<DiscordItems> discord_requests(DiscordItems items, std::string_view title) {
    std::vector<DiscordItems> out;
    std::size_t size = count_characters(title);
    for (auto& item : items) {
        const auto length = count_characters(item);
        if (out.empty()) {
            out.emplace_back();
        } else if (out.back().size() == max_items || size + length > max_request) {
            if (out.size() == max_requests) {
                out.back().back() = discord_cut.substr(1);
                break;
            }
            out.emplace_back();
            size = 0;
        }
        size += length;
        out.back().push_back(std::move(item));
    }
    return out;
}

}  // namespace weir::notify
