#include <algorithm>

#include "apps/recorder/finish.h"
#include "apps/recorder/mark.h"
#include "apps/sites/post_processing.h"
#include "base/log.h"
#include "runtime/task_group.h"
#include "store/recording.h"

namespace weir::sites {
namespace {

constexpr int deepest_folder = 12;
constexpr std::size_t most_entries = 100'000;

struct FoldersWalk {
    FileSystem& fs;
    std::size_t entries = 0;
    std::vector<Path> with_journals, marked;  ///< folders; journals of marks
    bool cut = false;

    void below(const Path& folder, int depth, const std::vector<DirEntry>& list) {
        entries += list.size();
        const bool any = std::any_of(list.begin(), list.end(), [](const DirEntry& e) {
            return !e.is_directory && store::is_journal_name(e.name);
        });
        if (any) with_journals.push_back(folder);
        for (auto& journal : apps::marked_in(fs, folder, list, todo_ending)) marked.push_back(std::move(journal));
        for (const auto& e : list) {
            if (!e.is_directory) continue;
            if (depth >= deepest_folder || entries >= most_entries) {
                cut = true;
                return;
            }
            const auto path = folder == "." ? Path(e.name) : folder / e.name;
            std::error_code failed;
            if (std::filesystem::is_symlink(path, failed) || failed) continue;
            if (const auto inside = fs.list(path)) below(path, depth + 1, *inside);
        }
    }
};

/// With a final file, and steps after it to be done.
void add_marked(FileSystem& fs, const std::vector<Path>& marked, const std::string& site,
                std::vector<LeftOver>& found) {
    for (const auto& journal : marked) {
        const bool known = std::any_of(found.begin(), found.end(), [&](const auto& f) { return f.journal == journal; });
        if (known) continue;
        auto head = read_journal_head(fs, journal);
        if (!head || head->open.source_kind != site) continue;
        auto file = fs.open(journal, true);
        if (!file || !(*file)->lock()) continue;  // another process is at it
        const auto loaded = store::load_book(**file);
        if (loaded && loaded->book.finished()) found.push_back({journal, head->open.source_id, true});
    }
}

}  // namespace

Path literal_folder(const std::string& out_format) {
    const auto literal = out_format.substr(0, out_format.find("{{"));
    const auto slash = literal.rfind('/');
    if (slash == literal.npos) return ".";
    return slash == 0 ? Path("/") : Path(literal.substr(0, slash));
}

std::string source_id_of(std::string_view site, std::string_view channel, std::string_view live) {
    return fmt::format("{}:{}:{}", site, channel, live);
}

Task<Result<std::vector<LeftOver>>> find_unfinished_below(FileLane& lane, std::string out_format, std::string site) {
    std::vector<LeftOver> found;
    FoldersWalk walk{lane.fs(), 0, {}, {}, false};
    auto strand = lane.strand();
    const auto root = literal_folder(out_format);
    auto walked = co_await lane.run(strand, [&]() -> Result<> {
        const auto list = lane.fs().list(root);
        if (!list && list.error().code == Errc::not_found) return {};  // nothing was ever recorded there
        if (!list) return within(fmt::format("folder '{}'", root.string()), list.error());
        walk.below(root, 0, *list);
        return {};
    });
    if (!walked) co_return walked.error();
    if (walk.cut)
        WEIR_LOG(warn, "not all folders were looked through for unfinished recordings", {"below", root.string()});
    std::vector<std::string> complaints;
    std::vector<std::pair<WallTime, LeftOver>> by_age;
    for (const auto& folder : walk.with_journals) {
        const auto unfinished = co_await store::find_unfinished(lane, folder, &complaints);
        if (!unfinished) continue;
        for (const auto& u : *unfinished)
            if (u.source_kind == site) by_age.push_back({u.at.last_written, {u.journal, u.source_id, u.ended}});
    }
    std::stable_sort(by_age.begin(), by_age.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (auto& [when, left] : by_age) found.push_back(std::move(left));
    for (const auto& complaint : complaints) WEIR_LOG(warn, complaint);
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        add_marked(lane.fs(), walk.marked, site, found);
        return {};
    })).has_value();
    co_return found;
}

Task<Result<LiveResult>> finish_left_over(LiveRecording::Tools tools, LeftOver left, Params params) {
    co_await errors_not_throws();
    LiveResult result;
    result.resumed = true;
    result.end = End{EndReason::endlist, "finished after an interruption"};
    std::function<Task<Result<store::Unfinished>>()> work = [&] {
        return store::recover(tools.lane, tools.shard.clock(), left.journal);
    };
    auto recovering = apps::while_busy(tools.shard.clock(), std::move(work));
    auto recovered = co_await std::move(recovering);
    if (!recovered) co_return within("recover", recovered.error());
    PostProcessing after(tools, params);
    auto done = co_await after.run(left.journal, result);
    if (!done) co_return done.error();
    co_return result;
}

}  // namespace weir::sites
