#include "apps/recorder/download_audio.h"

#include <algorithm>

#include "apps/tools/names.h"
#include "base/log.h"
#include "media/tool.h"
#include "runtime/failpoint.h"
#include "runtime/task_group.h"
#include "store/book.h"

namespace weir::apps {
namespace {

constexpr std::string_view mark_ending = ".weir-audio";
Failpoint audio_point("audio.checked");

Result<> remove_if_there(FileSystem& fs, const Path& path) {
    auto removed = fs.remove(path);
    if (!removed && removed.error().code == Errc::not_found) return {};
    return removed;
}

Result<> sync_file(FileSystem& fs, const Path& path) {
    auto file = fs.open(path, true);
    if (!file) return file.error();
    return (*file)->sync();
}

/// Gives the part its name, or the next free number of it.
Result<Path> name_it(FileSystem& fs, const Path& part, const Path& wished) {
    if (auto synced = sync_file(fs, part); !synced) return synced.error();
    constexpr unsigned most = 100'000;
    for (unsigned number = 0; number < most; ++number) {
        const auto name = store::numbered(wished, number);
        auto renamed = fs.rename(part, name);
        if (!renamed && renamed.error().code == Errc::busy) continue;
        if (!renamed) return renamed.error();
        if (auto synced = fs.sync_folder(store::folder_of(name)); !synced) return synced.error();
        return name;
    }
    return Error{Errc::busy, "all numbered names are taken"};
}

Task<Result<>> write_and_compare(asio::any_io_executor ex, media::JoinPlan plan) {
    const auto output = plan.output;
    auto read = co_await media::join(ex, std::move(plan));
    if (!read) co_return read.error();
    auto made = co_await media::summarise(ex, output);
    if (!made) co_return made.error();
    if (auto same = media::same_content(*read, *made); !same) co_return same;
    co_return audio_point.hit();
}

}  // namespace

Task<Result<Path>> extract_audio(asio::any_io_executor ex, FileLane& lane, Path file) {
    const auto wished = output_beside(file, ".m4a");
    const auto part = part_name(wished);
    auto strand = lane.strand();
    std::uint64_t size = 0;
    auto looked = co_await lane.run(strand, [&]() -> Result<> {
        if (auto gone = remove_if_there(lane.fs(), part); !gone) return gone;
        auto bytes = lane.fs().size_of(file);
        if (!bytes) return bytes.error();
        size = *bytes;
        return {};
    });
    if (!looked) co_return within("extract audio", looked.error());
    media::JoinPlan plan;
    media::Stretch all;
    all.path = file.string();
    all.size = size;
    plan.input = {std::move(all)};
    plan.output = part.string();
    plan.format = media::OutputFormat::m4a;
    plan.audio_only = true;
    auto written = co_await write_and_compare(ex, std::move(plan));
    co_await uncancellable();
    Path made;
    auto named = co_await lane.run(strand, [&]() -> Result<> {
        if (!written) return remove_if_there(lane.fs(), part);
        auto name = name_it(lane.fs(), part, wished);
        if (!name) return name.error();
        made = std::move(*name);
        return {};
    });
    if (!written) co_return within("extract audio", written.error());
    if (!named) co_return within("extract audio", named.error());
    co_return made;
}

Path audio_mark(const Path& journal) {
    const auto stem = store::stem_of_journal(journal);
    return stem.parent_path() / fmt::format(".{}{}", stem.filename().string(), mark_ending);
}

Task<void> set_audio_mark(FileLane& lane, Path journal) {
    auto strand = lane.strand();
    const auto made = co_await lane.run(strand, [&]() -> Result<> {
        auto file = lane.fs().create(audio_mark(journal));
        if (!file && file.error().code != Errc::busy) return file.error();
        return lane.fs().sync_folder(store::folder_of(journal));
    });
    if (!made)
        WEIR_LOG(warn, "a start after a kill would not know that the sound is wanted too",
                 {"error", made.error().text()});
}

Task<bool> has_audio_mark(FileLane& lane, Path journal) {
    auto strand = lane.strand();
    bool there = false;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        auto found = lane.fs().exists(audio_mark(journal));
        there = found && *found;
        return {};
    })).has_value();
    co_return there;
}

Task<void> clear_audio_mark(FileLane& lane, Path journal) {
    auto strand = lane.strand();
    (void)(co_await lane.run(strand, [&] { return remove_if_there(lane.fs(), audio_mark(journal)); })).has_value();
}

Task<std::vector<Path>> marked_journals(FileLane& lane, Path folder) {
    auto strand = lane.strand();
    std::vector<Path> found;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        auto entries = lane.fs().list(folder);
        if (!entries) return entries.error();
        for (const auto& e : *entries) {
            const std::string_view name = e.name;
            if (e.is_directory || !name.starts_with('.') || !name.ends_with(mark_ending)) continue;
            const auto stem = name.substr(1, name.size() - 1 - std::min(name.size() - 1, mark_ending.size()));
            const auto journal = folder / (std::string(stem) + std::string(store::journal_ending));
            const auto there = lane.fs().exists(journal);
            if (there && *there)
                found.push_back(journal);
            else if (there)
                (void)remove_if_there(lane.fs(), folder / e.name).has_value();
        }
        return {};
    })).has_value();
    co_return found;
}

}  // namespace weir::apps
