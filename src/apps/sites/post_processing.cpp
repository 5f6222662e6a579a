#include "apps/sites/post_processing.h"

#include <algorithm>
#include <charconv>

#include "apps/recorder/download_audio.h"
#include "apps/recorder/finish.h"
#include "apps/recorder/mark.h"
#include "apps/sites/watcher_metrics.h"
#include "apps/tools/apart.h"
#include "apps/tools/joiner.h"
#include "apps/tools/names.h"
#include "base/log.h"
#include "runtime/task_group.h"

namespace weir::sites {
namespace {

Task<bool> file_is_there(FileLane& lane, Path path) {
    auto strand = lane.strand();
    bool there = false;
    (void)(co_await lane.run(strand, [&]() -> Result<> {
        const auto found = lane.fs().exists(path);
        there = found && *found;
        return {};
    })).has_value();
    co_return there;
}

Result<std::string> first_line(FileSystem& fs, const Path& path) {
    auto file = fs.open(path, false);
    if (!file) return file.error();
    std::string text(store::journal::max_line, '\0');
    const auto got = (*file)->pread(0, std::as_writable_bytes(std::span(text)));
    if (!got) return got.error();
    text.resize(*got);
    const auto end = text.find('\n');
    if (end == text.npos) return Error{Errc::bad_input, "no journal"};
    text.resize(end);
    return text;
}

}  // namespace

Result<JournalHead> read_journal_head(FileSystem& fs, const Path& journal) {
    const auto text = first_line(fs, journal);
    if (!text) return text.error();
    auto line = store::journal::parse(*text);
    if (!line) return line.error();
    auto* open = std::get_if<store::journal::Open>(&*line);
    if (!open) return Error{Errc::bad_input, "no journal"};
    return JournalHead{journal, std::move(*open)};
}

std::vector<JournalHead> journals_of_source(FileSystem& fs, const Path& folder, std::string_view source_id) {
    std::vector<JournalHead> found;
    const auto entries = fs.list(folder);
    if (!entries) return found;
    for (const auto& e : *entries) {
        if (e.is_directory || !store::is_journal_name(e.name)) continue;
        auto head = read_journal_head(fs, folder / e.name);
        if (head && head->open.source_id == source_id) found.push_back(std::move(*head));
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.open.t < b.open.t; });
    return found;
}

void PostProcessing::complain(LiveResult& result, std::string what, const Error& why) {
    if (why.code == Errc::cancelled) {
        cancelled_ = result.left_unfinished = true;
        return;
    }
    auto text = fmt::format("{}: {}", what, why.text());
    WEIR_LOG(error, "a step after the recording failed; nothing is lost by it", {"step", what}, {"why", why.text()});
    result.complaints.push_back(std::move(text));
}

Task<Result<>> PostProcessing::run(Path journal, LiveResult& result) {
    co_await errors_not_throws();
    const auto began = shard_.clock().now();
    const auto complaints = result.complaints.size();
    auto steps = all_steps(std::move(journal), result);
    auto done = co_await std::move(steps);
    const bool cancelled = cancelled_ || (!done && done.error().code == Errc::cancelled);
    auto errors = result.complaints.size() - complaints;
    if (!done && !cancelled && done.error().code != Errc::not_found) ++errors;
    std::optional<Micros> took;
    if (!cancelled) took = std::chrono::duration_cast<Micros>(shard_.clock().now() - began);
    count_post_processing(channel_, took, errors);
    co_return done;
}

Task<Result<>> PostProcessing::all_steps(Path journal, LiveResult& result) {
    result.journal = journal;
    JournalHead head;
    auto strand = lane_.strand();
    auto read = co_await lane_.run(strand, [&]() -> Result<> {
        auto h = read_journal_head(lane_.fs(), journal);
        if (!h) return h.error();
        head = std::move(*h);
        return {};
    });
    if (!read) co_return within("journal", read.error());
    if (const auto at = head.open.name.find("channel"); at != head.open.name.end()) channel_ = at->second;
    // A left-over may have none, and a kill from here on is to lose no step.
    co_await apps::set_mark(lane_, journal, todo_ending);
    const bool keep = params_.keep_intermediates && params_.remux;
    auto done = co_await apps::finish_recording(shard_.executor(), shard_.clock(), lane_, journal, keep, trace_);
    if (!done) {
        auto why = done.error();
        auto said = co_await final_file_failed(std::move(journal), std::move(why), result);
        co_return said;
    }
    result.file = done->file;
    result.bytes = done->bytes;
    result.duration = done->duration;
    result.asked = done->asked;
    result.got = done->got;
    result.missing = done->missing;
    result.gaps = done->gaps;
    if (keep) co_await keep_as_ts(journal, result);
    if (params_.extract_audio && (!params_.concat || params_.remux)) co_await sound_apart(result);
    const auto names = RecordingNames::from_journal(journal, done->file, head.open.name);
    if (params_.concat && !cancelled_) co_await join_parts(head, names, result);
    if (!cancelled_) co_await apps::clear_mark(lane_, journal, todo_ending);
    co_return Result<>();
}

/// Nothing in it had a time when it came, and libav finds no media in it either: nobody will ever see anything of it (FC2-53).
bool is_hollow(const store::Book& book, const Error& why) {
    const bool timed = std::any_of(book.pieces.begin(), book.pieces.end(),
                                   [](const store::Piece& p) { return p.raw_dts.has_value(); });
    return !timed && why.code == Errc::bad_input;
}

Task<Result<>> PostProcessing::final_file_failed(Path journal, Error why, LiveResult& result) {
    if (why.code == Errc::not_found) {
        co_await apps::clear_mark(lane_, journal, todo_ending);
        co_return why;
    }
    bool hollow = false;
    auto strand = lane_.strand();
    auto looked = co_await lane_.run(strand, [&]() -> Result<> {
        auto file = lane_.fs().open(journal, false);
        if (!file) return file.error();
        auto loaded = store::load_book(**file);
        if (!loaded) return loaded.error();
        hollow = is_hollow(loaded->book, why);
        if (!hollow || !params_.delete_corrupted) return {};
        for (const auto& raw : loaded->book.raws)
            if (auto gone = lane_.fs().remove(store::folder_of(journal) / raw.path);
                !gone && gone.error().code != Errc::not_found)
                return gone;
        return lane_.fs().remove(journal);
    });
    if (!looked || !hollow) {
        result.left_unfinished = true;
        complain(result, "final file", why);
        co_return Result<>();
    }
    co_await apps::clear_mark(lane_, journal, todo_ending);
    co_return Error{Errc::bad_input,
                    params_.delete_corrupted
                        ? "nothing that came was sound or pictures; it was deleted (deleteCorrupted)"
                        : "nothing that came is sound or pictures; it stays beside " + journal.string()};
}

/// One raw file that stays is called as people expect it beside NAME.mp4: NAME.ts. Several keep their numbers.
Task<void> PostProcessing::keep_as_ts(Path journal, LiveResult& result) {
    auto strand = lane_.strand();
    auto renamed = co_await lane_.run(strand, [&]() -> Result<> {
        auto file = lane_.fs().open(journal, false);
        if (!file) return file.error();
        auto loaded = store::load_book(**file);
        if (!loaded) return loaded.error();
        std::vector<const store::RawFile*> raws;
        for (const auto& raw : loaded->book.raws)
            if (raw.end > 0) raws.push_back(&raw);
        if (raws.size() != 1) return {};
        const auto folder = store::folder_of(journal);
        auto wished = store::stem_of_journal(journal);
        wished += std::string(store::ending_of(raws.front()->format));
        if (wished == result.file) return {};
        auto r = lane_.fs().rename(folder / raws.front()->path, wished);
        if (!r && (r.error().code == Errc::busy || r.error().code == Errc::not_found)) return {};
        return r;
    });
    if (!renamed) complain(result, "name of the file that stays", renamed.error());
}

Task<void> PostProcessing::sound_apart(LiveResult& result) {
    auto wished = apps::output_beside(result.file, ".m4a");
    // The name was free when the recording began: an earlier try made it.
    const bool there = co_await file_is_there(lane_, wished);
    if (there) {
        result.audio = std::move(wished);
        co_return;
    }
    auto work = apps::extract_audio(shard_.executor(), lane_, result.file, trace_);
    auto audio = co_await apps::apart(shard_.executor(), std::move(work));
    if (audio)
        result.audio = std::move(*audio);
    else
        complain(result, "sound apart", audio.error());
}

/// The finished ones, in the order they were begun.
Task<PostProcessing::LiveParts> PostProcessing::parts_of(std::string source_id, Path folder) {
    LiveParts parts;
    auto strand = lane_.strand();
    (void)(co_await lane_.run(strand, [&]() -> Result<> {
        for (const auto& head : journals_of_source(lane_.fs(), folder, source_id)) {
            auto file = lane_.fs().open(head.journal, false);
            if (!file) continue;
            const auto loaded = store::load_book(**file);
            if (!loaded) continue;
            const auto* done = loaded->book.finished();
            if (!done || done->n == 0) continue;
            const auto path = folder / done->path;
            const auto there = lane_.fs().exists(path);
            if (!there || !*there) continue;  // taken away by its owner, or by the cleaner
            parts.journals.push_back(head.journal);
            parts.files.push_back(path);
        }
        return {};
    })).has_value();
    co_return parts;
}

Task<void> PostProcessing::join_parts(const JournalHead& head, const RecordingNames& names, LiveResult& result) {
    if (names.combined().empty()) {
        const Error why{Errc::unsupported, "parts are found only when \".{{ .Ext }}\" ends the template"};
        complain(result, "joined file", why);
        co_return;
    }
    const auto parts = co_await parts_of(head.open.source_id, store::folder_of(head.journal));
    std::vector<Joined> older;
    for (const auto& journal : parts.journals) {
        const auto text = co_await apps::read_mark(lane_, journal, joined_ending);
        if (text) older.push_back(parse(*text));
    }
    Joined made;
    for (const auto& file : parts.files) made.parts.push_back(file.filename().string());
    apps::Joiner joiner(shard_.executor(), lane_);
    joiner.trace_under(trace_);
    auto inputs = co_await joiner.look_at(parts.files);
    for (const auto& broken : inputs.broken)
        complain(result, fmt::format("part {} is left out of the joined file", broken.path.string()), broken.why);
    if (cancelled_ || inputs.good.empty()) co_return;
    made.parts.clear();
    for (const auto& good : inputs.good) made.parts.push_back(good.path.filename().string());
    apps::JoinWish wish;
    wish.output = names.combined();
    if (const auto format = media::format_for(wish.output.filename().string()); format) wish.format = *format;
    wish.inputs = std::move(inputs.good);
    wish.also_audio = params_.extract_audio;
    for (const auto* key : {"title", "artist"})
        if (const auto at = head.open.name.find(key); at != head.open.name.end()) wish.metadata[key] = at->second;
    const auto outcome = co_await joiner.make(std::move(wish));
    for (const auto& note : outcome.notes) WEIR_LOG(warn, "about the joined file", {"note", note});
    if (!outcome.made.empty()) {
        result.combined = outcome.made.front().file;
        made.all = result.combined.filename().string();
        made.all_size = outcome.made.front().summary.bytes;
    }
    if (outcome.made.size() > 1) {
        result.combined_audio = outcome.made[1].file;
        made.sound = result.combined_audio.filename().string();
        made.sound_size = outcome.made[1].summary.bytes;
    }
    if (outcome.failed) complain(result, "joined file", *outcome.failed);
    if (outcome.made.empty()) co_return;
    auto text = text_of(made);
    co_await apps::set_mark(lane_, head.journal, joined_ending, std::move(text));
    co_await supersede(std::move(older), made, names.combined(), result);
    for (const auto& journal : parts.journals)
        if (journal != head.journal) co_await apps::clear_mark(lane_, journal, joined_ending);
    auto settled = text_of(made);
    co_await apps::set_mark(lane_, head.journal, joined_ending, std::move(settled));
}

/// Joined files of the same live go when the new one holds all that they hold, and it gets the name that is free then.
Task<void> PostProcessing::supersede(std::vector<Joined> older, Joined& made, const Path& wished, LiveResult& result) {
    const auto folder = store::folder_of(wished);
    auto strand = lane_.strand();
    (void)(co_await lane_.run(strand, [&]() -> Result<> {
        auto& fs = lane_.fs();
        const auto remove = [&](const std::string& name, std::uint64_t size, const std::string& keep) {
            if (name.empty() || name == keep) return;
            const auto now = fs.size_of(folder / name);
            if (now && *now == size) (void)fs.remove(folder / name).has_value();
        };
        for (const auto& old : older) {
            const bool all = std::all_of(old.parts.begin(), old.parts.end(), [&](const std::string& part) {
                return std::find(made.parts.begin(), made.parts.end(), part) != made.parts.end();
            });
            if (!all || old.parts.empty()) continue;
            remove(old.all, old.all_size, made.all);
            if (!made.sound.empty()) remove(old.sound, old.sound_size, made.sound);
        }
        const auto rename = [&](Path& file, std::string& name, const Path& to) {
            if (name.empty() || file == to || !fs.rename(file, to)) return;
            file = to;
            name = to.filename().string();
        };
        rename(result.combined, made.all, wished);
        const auto bare = result.combined == wished;
        if (bare) rename(result.combined_audio, made.sound, apps::output_beside(wished, ".m4a"));
        return fs.sync_folder(folder);
    })).has_value();
}

std::string PostProcessing::text_of(const Joined& joined) {
    auto out = fmt::format("all {} {}\n", joined.all_size, joined.all);
    if (!joined.sound.empty()) out += fmt::format("sound {} {}\n", joined.sound_size, joined.sound);
    for (const auto& part : joined.parts) out += fmt::format("part 0 {}\n", part);
    return out;
}

PostProcessing::Joined PostProcessing::parse(std::string_view text) {
    Joined joined;
    while (text.find('\n') != text.npos) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() + 1);
        const auto one = line.find(' '), two = line.find(' ', one + 1);
        if (one == line.npos || two == line.npos) continue;
        const auto kind = line.substr(0, one), name = line.substr(two + 1);
        std::uint64_t size = 0;
        (void)std::from_chars(line.data() + one + 1, line.data() + two, size);
        if (kind == "part") joined.parts.emplace_back(name);
        if (kind == "all") joined.all = name, joined.all_size = size;
        if (kind == "sound") joined.sound = name, joined.sound_size = size;
    }
    return joined;
}

}  // namespace weir::sites
