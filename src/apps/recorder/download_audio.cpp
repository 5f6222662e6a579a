#include "apps/recorder/download_audio.h"

#include "apps/recorder/mark.h"
#include "apps/tools/concat_metrics.h"
#include "apps/tools/media_spans.h"
#include "apps/tools/names.h"
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

Task<Result<>> write_and_compare(asio::any_io_executor ex, media::JoinPlan plan, trace::Context trace) {
    const auto output = plan.output;
    auto span = concat_span(plan, trace);
    auto joining = media::join(ex, std::move(plan));
    auto counted = counted_concat(std::move(joining), true);
    auto read = co_await traced(std::move(span), std::move(counted));
    if (!read) co_return read.error();
    auto made = co_await media::summarise(ex, output);
    if (!made) co_return made.error();
    if (auto same = media::same_content(*read, *made); !same) co_return same;
    co_return audio_point.hit();
}

}  // namespace

Task<Result<Path>> extract_audio(asio::any_io_executor ex, FileLane& lane, Path file, trace::Context trace) {
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
    auto written = co_await write_and_compare(ex, std::move(plan), trace);
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
    return mark_beside(journal, mark_ending);
}

Task<void> set_audio_mark(FileLane& lane, Path journal) {
    return set_mark(lane, std::move(journal), std::string(mark_ending));
}

Task<bool> has_audio_mark(FileLane& lane, Path journal) {
    std::string ending(mark_ending);
    const auto text = co_await read_mark(lane, std::move(journal), std::move(ending));
    co_return text.has_value();
}

Task<void> clear_audio_mark(FileLane& lane, Path journal) {
    return clear_mark(lane, std::move(journal), std::string(mark_ending));
}

Task<std::vector<Path>> marked_journals(FileLane& lane, Path folder) {
    auto strand = lane.strand();
    std::vector<Path> found;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        auto entries = lane.fs().list(folder);
        if (!entries) return entries.error();
        found = marked_in(lane.fs(), folder, *entries, mark_ending);
        return {};
    })).has_value();
    co_return found;
}

}  // namespace weir::apps
