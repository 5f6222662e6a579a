#include "apps/tools/proof_note.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "store/names.h"

namespace weir::apps {
namespace {

constexpr std::string_view note_ending = ".weir-clean";

template <class Number>
bool take(std::string_view& line, Number& into) {
    const auto [end, problem] = std::from_chars(line.data(), line.data() + line.size(), into);
    if (problem != std::errc{} || end == line.data() + line.size() || *end != ' ') return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()) + 1);
    return true;
}

void append(std::string& text, std::string_view kind, const std::vector<FileFacts>& files) {
    for (const auto& f : files)
        text += fmt::format("{} {} {} {} {}\n", kind, f.size, f.inode,
                            std::chrono::nanoseconds(f.modified.time_since_epoch()).count(), f.name);
}

}  // namespace

Path note_path(const Path& folder, std::string_view prefix) {
    return folder / ("." + store::shorten_name(prefix, store::max_name_bytes - store::room_for_endings) +
                     std::string(note_ending));
}

std::string note_text(const ProofNote& note) {
    std::string text;
    append(text, "all", note.all);
    append(text, "sound", note.sound);
    append(text, "part", note.parts);
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    return lines == note.all.size() + note.sound.size() + note.parts.size() ? text : std::string();
}

ProofNote parse_note(std::string_view text) {
    ProofNote note;
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
        auto line = text.substr(0, end);
        text.remove_prefix(end + 1);
        const auto space = line.find(' ');
        if (space == std::string_view::npos) continue;
        const auto kind = line.substr(0, space);
        line.remove_prefix(space + 1);
        FileFacts f;
        std::int64_t modified = 0;
        if (!take(line, f.size) || !take(line, f.inode) || !take(line, modified)) continue;
        f.modified = WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(modified)));
        f.name = line;
        if (kind == "all")
            note.all.push_back(std::move(f));
        else if (kind == "sound")
            note.sound.push_back(std::move(f));
        else if (kind == "part")
            note.parts.push_back(std::move(f));
    }
    return note;
}

bool has_same(const std::vector<FileFacts>& known, const FileFacts& file) {
    return std::any_of(known.begin(), known.end(), [&](const FileFacts& k) {
        return k.name == file.name && k.size == file.size && k.inode == file.inode && k.modified == file.modified;
    });
}

}  // namespace weir::apps
