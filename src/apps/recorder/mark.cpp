#include "apps/recorder/mark.h"

#include <algorithm>

#include "base/log.h"
#include "store/book.h"

namespace weir::apps {
namespace {

constexpr std::uint64_t longest_mark = 1u << 20;

Result<> drop_mark(FileSystem& fs, const Path& path) {
    auto removed = fs.remove(path);
    if (!removed && removed.error().code == Errc::not_found) return {};
    return removed;
}

Result<> write_mark(FileSystem& fs, const Path& path, const std::string& text) {
    const auto there = fs.exists(path);
    if (there && *there && text.empty()) return {};
    if (auto gone = drop_mark(fs, path); !gone) return gone;
    auto file = fs.create(path);
    if (!file) return file.error();
    if (!text.empty()) {
        const Bytes bytes = Bytes::copy_of(text);
        if (auto r = (*file)->append(std::span(&bytes, 1)); !r) return r;
        if (auto r = (*file)->sync(); !r) return r;
    }
    return fs.sync_folder(store::folder_of(path));
}

Result<std::string> text_of_mark(FileSystem& fs, const Path& path) {
    auto file = fs.open(path, false);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    std::string text(static_cast<std::size_t>(std::min(*size, longest_mark)), '\0');
    const auto got = (*file)->pread(0, std::as_writable_bytes(std::span(text)));
    if (!got) return got.error();
    text.resize(*got);
    return text;
}

}  // namespace

Path mark_beside(const Path& journal, std::string_view ending) {
    const auto stem = store::stem_of_journal(journal);
    return stem.parent_path() / fmt::format(".{}{}", stem.filename().string(), ending);
}

Task<void> set_mark(FileLane& lane, Path journal, std::string ending, std::string text) {
    auto strand = lane.strand();
    const auto path = mark_beside(journal, ending);
    const auto made = co_await lane.run(strand, [&] { return write_mark(lane.fs(), path, text); });
    if (!made)
        WEIR_LOG(warn, "a start after a kill would not know what else is wanted of a recording",
                 {"mark", path.string()}, {"error", made.error().text()});
}

Task<std::optional<std::string>> read_mark(FileLane& lane, Path journal, std::string ending) {
    auto strand = lane.strand();
    std::optional<std::string> text;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        auto read = text_of_mark(lane.fs(), mark_beside(journal, ending));
        if (!read) return read.error();
        text = std::move(*read);
        return {};
    })).has_value();
    co_return text;
}

Task<void> clear_mark(FileLane& lane, Path journal, std::string ending) {
    auto strand = lane.strand();
    (void)(co_await lane.run(strand, [&] { return drop_mark(lane.fs(), mark_beside(journal, ending)); })).has_value();
}

std::vector<Path> marked_in(FileSystem& fs, const Path& folder, const std::vector<DirEntry>& entries,
                            std::string_view ending) {
    std::vector<Path> found;
    for (const auto& e : entries) {
        const std::string_view name = e.name;
        if (e.is_directory || !name.starts_with('.') || !name.ends_with(ending)) continue;
        const auto stem = name.substr(1, name.size() - 1 - std::min(name.size() - 1, ending.size()));
        const auto journal = folder / (std::string(stem) + std::string(store::journal_ending));
        const auto there = fs.exists(journal);
        if (there && *there)
            found.push_back(journal);
        else if (there)
            (void)drop_mark(fs, folder / e.name).has_value();
    }
    return found;
}

}  // namespace weir::apps
