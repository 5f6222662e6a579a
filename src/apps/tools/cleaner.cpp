#include "apps/tools/cleaner.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "apps/tools/apart.h"
#include "apps/tools/folder_facts.h"
#include "apps/tools/parts.h"
#include "apps/tools/proof.h"
#include "apps/tools/proof_note.h"
#include "base/log.h"
#include "base/trace.h"
#include "runtime/task_group.h"
#include "store/recording.h"

namespace weir::apps {
namespace {

using What = CleanStep::What;

/// All joined files of one prefix in one folder, and its parts.
struct Set {
    std::string prefix;
    std::vector<std::pair<CombinedName, FileFacts>> joined;  ///< highest number first
    std::vector<FileFacts> parts;
};

/// What became of one joined file when it was held against the parts.
struct Judged {
    FileFacts file;
    CombinedName name;
    bool all = false;        ///< proved to hold all that the parts do
    bool sound = false;      ///< proved to hold their sound
    bool corrupted = false;  ///< no media can be read from it
    bool foreign = false;    ///< something else than media
    std::string why;
};

}  // namespace

std::string_view name_of(What what) noexcept {
    switch (what) {
        case What::deleted:
            return "deleted";
        case What::renamed:
            return "renamed";
        case What::kept:
            return "kept";
        case What::failed:
            return "failed";
    }
    return "failed";
}

bool CleanReport::complete() const noexcept {
    return !cancelled && std::none_of(steps.begin(), steps.end(), [](const auto& s) { return s.what == What::failed; });
}

std::function<Task<Result<store::Verdict>>(asio::any_io_executor, FileLane&, Path)> CleanTools::store_verify() {
    return store::verify;
}
std::function<bool(const Path&)> CleanTools::default_in_use() {
    return is_in_use;
}

struct Cleaner::State {
    State(asio::any_io_executor e, const Clock& c, FileLane& l, CleanOptions o, CleanTools t)
        : ex(std::move(e)), clock(c), lane(l), strand(l.strand()), options(std::move(o)), tools(std::move(t)) {}

    Task<CleanReport> run();
    [[nodiscard]] trace::Span begin_span() const;
    Task<void> clean_folder();
    Task<void> clean_recording(Journals::Recording recording);
    Task<void> clean_set(Set set);
    Task<std::optional<Error>> read_parts(const Set& set, std::vector<ReadMedia>& into);
    Task<Result<ReadMedia>> read(std::string name);
    Task<Judged> judge(const Set& set, std::size_t which, const std::vector<ReadMedia>& parts);
    Task<void> settle(const Set& set, std::vector<Judged> judged, bool has_parts, bool from_note);
    Task<std::optional<std::vector<Judged>>> proved_before(const Set& set);
    Task<void> write_note(const Set& set, const std::vector<Judged>& judged);
    Task<void> remove_note(const Set& set);
    Task<std::size_t> delete_parts(const Set& set, const std::vector<Judged>& judged);
    Task<Result<>> delete_file(FileFacts file, std::vector<FileFacts> holders);
    Task<void> rename(Judged judged);
    Task<Result<>> blocking(std::function<Result<>()> job) { return lane.run(strand, std::move(job)); }

    [[nodiscard]] std::vector<Set> sets() const;
    [[nodiscard]] std::string not_yet(const Set& set) const;
    [[nodiscard]] Path in_folder(const std::string& name) const { return facts.path / name; }
    void say(What what, const Path& file, std::string why, std::uint64_t bytes = 0, Path to = {});

    asio::any_io_executor ex;
    const Clock& clock;
    FileLane& lane;
    FileLane::Strand strand;
    CleanOptions options;
    CleanTools tools;
    std::function<void(const CleanStep&)> on_step;
    CleanReport report;
    FolderFacts facts;  ///< the folder it is in
    Journals journals;
};

void Cleaner::State::say(What what, const Path& file, std::string why, std::uint64_t bytes, Path to) {
    report.steps.push_back({what, file, std::move(to), std::move(why), bytes});
    if (on_step) on_step(report.steps.back());
}

std::vector<Set> Cleaner::State::sets() const {
    std::map<std::string, Set> found;
    for (const auto& file : facts.files)
        if (auto name = parse_combined(file.name); name && named_like_media(file.name)) {
            auto& set = found[name->prefix];
            set.prefix = name->prefix;
            set.joined.emplace_back(std::move(*name), file);
        }
    auto entries = facts.entries();
    std::erase_if(entries, [&](const DirEntry& e) { return journals.raws_of_finished.contains(e.name); });
    std::vector<Set> out;
    for (auto& [prefix, set] : found) {
        std::stable_sort(set.joined.begin(), set.joined.end(),
                         [](const auto& a, const auto& b) { return a.first.number > b.first.number; });
        // Of files that differ in their ending only, the one in the best container was joined (FC2-89).
        for (const auto& choice : part_choices(entries, prefix))
            if (named_like_media(choice.names.front())) set.parts.push_back(*facts.file(choice.names.front()));
        out.push_back(std::move(set));
    }
    return out;
}

/// Why this set is left alone for now; empty: it may be looked at.
std::string Cleaner::State::not_yet(const Set& set) const {
    for (const auto& [name, file] : set.joined)
        if (auto why = too_young(file, set.parts, clock.wall(), options.age); !why.empty()) return why;
    for (const auto& part : set.parts) {
        if (auto why = forbidden_by(journals, part.name); !why.empty()) return why;
        if (tools.in_use(in_folder(part.name))) return fmt::format("{} is in use", part.name);
    }
    return {};
}

Task<Result<ReadMedia>> Cleaner::State::read(std::string name) {
    const std::string path = in_folder(name).string();
    auto probing = tools.media.probe(ex, path);
    auto probe = co_await apart(ex, std::move(probing));
    if (!probe) co_return probe.error();
    if (!is_part_media(*probe)) co_return Error{Errc::unsupported, "has neither sound nor pictures"};
    auto reading = tools.media.summarise(ex, path);
    auto summary = co_await apart(ex, std::move(reading));
    if (!summary) co_return summary.error();
    ReadMedia media;
    media.name = std::move(name);
    media.summary = std::move(*summary);
    for (const auto& t : probe->tracks)
        if (t.kind == TrackKind::video) media.frames_per_second = t.frames_per_second;
    co_return media;
}

/// Every part, read from beginning to end. The first that cannot be read ends it.
Task<std::optional<Error>> Cleaner::State::read_parts(const Set& set, std::vector<ReadMedia>& into) {
    for (const auto& part : set.parts) {
        auto media = co_await read(part.name);
        if (!media) co_return within(fmt::format("part {}", part.name), media.error());
        into.push_back(std::move(*media));
    }
    co_return std::nullopt;
}

Task<Judged> Cleaner::State::judge(const Set& set, std::size_t which, const std::vector<ReadMedia>& parts) {
    Judged j;
    j.name = set.joined[which].first;
    j.file = set.joined[which].second;
    auto media = co_await read(j.file.name);
    if (!media) {
        report.cancelled = report.cancelled || media.error().code == Errc::cancelled;
        j.corrupted = media.error().code == Errc::bad_input;
        j.foreign = media.error().code == Errc::unsupported;
        j.why = j.corrupted ? fmt::format("is corrupted ({})", media.error().text()) : media.error().text();
        co_return j;
    }
    if (parts.empty()) {  // an earlier clean took them away, or there never were any here
        j.all = true;
        co_return j;
    }
    const auto proved = proves(*media, parts, false);
    const auto sound = proves(*media, parts, true);
    j.all = proved.has_value();
    j.sound = sound.has_value();
    if (!proved) j.why = fmt::format("is not proved to hold its parts: {}", proved.error().text());
    co_return j;
}

/// `holders` hold what is in it; one of them at least must still be what it was when that was proved, however long ago.
Task<Result<>> Cleaner::State::delete_file(FileFacts file, std::vector<FileFacts> holders) {
    const auto path = in_folder(file.name);
    co_return co_await blocking([&]() -> Result<> {
        const bool held = holders.empty() || std::any_of(holders.begin(), holders.end(), [&](const FileFacts& h) {
                              const auto still = look_at_file(in_folder(h.name));
                              return still && *still == h;
                          });
        if (!held) return Error{Errc::busy, "what holds it has changed since it was looked at"};
        const auto now = look_at_file(path);
        if (!now) return now.error();
        if (*now != file) return Error{Errc::busy, "it has changed since it was looked at"};
        if (tools.in_use(path)) return Error{Errc::busy, "it is in use"};
        if (options.dry_run) return {};
        return lane.fs().remove(path);
    });
}

/// All of them, or as many as can be; how many stayed.
Task<std::size_t> Cleaner::State::delete_parts(const Set& set, const std::vector<Judged>& judged) {
    std::vector<FileFacts> holders;
    for (const auto& j : judged)
        if (j.all) holders.push_back(j.file);
    std::size_t left = 0;
    for (const auto& part : set.parts) {
        auto gone = co_await delete_file(part, holders);
        if (gone) {
            report.freed += part.size;
            say(What::deleted, in_folder(part.name), fmt::format("{} holds it", set.prefix + ".combined"), part.size);
        } else {
            ++left;
            say(What::failed, in_folder(part.name), fmt::format("cannot be deleted: {}", gone.error().text()));
        }
    }
    co_return left;
}

/// PREFIX.combined.mp4 becomes PREFIX.mp4, unless that name is taken, by a file or by what a journal says (FC2-95).
Task<void> Cleaner::State::rename(Judged judged) {
    const auto from = in_folder(judged.file.name);
    const auto name = judged.name.prefix + judged.name.ending;
    const auto to = in_folder(name);
    if (journals.spoken_of.contains(name)) {
        say(What::kept, from, fmt::format("keeps its name: a journal speaks of another {}", name));
        co_return;
    }
    auto done = co_await blocking([&]() -> Result<> {
        const auto now = look_at_file(from);
        if (!now) return now.error();
        if (*now != judged.file) return Error{Errc::io, "it has changed since it was looked at"};
        if (options.dry_run) {
            const auto there = look_at_file(to);
            const bool going = std::any_of(report.steps.begin(), report.steps.end(),
                                           [&](const CleanStep& s) { return s.what == What::deleted && s.file == to; });
            if (there && !going) return Error{Errc::busy, "the name is taken"};
            return {};
        }
        if (auto r = lane.fs().rename(from, to); !r) return r;
        return lane.fs().sync_folder(facts.path);
    });
    if (done)
        say(What::renamed, from, "", 0, to);
    else if (done.error().code == Errc::busy)
        say(What::kept, from, fmt::format("keeps its name: {} exists", name));
    else
        say(What::failed, from, fmt::format("cannot be renamed: {}", done.error().text()));
}

/// An earlier clean proved this very set and was cut short while it deleted the parts.
Task<std::optional<std::vector<Judged>>> Cleaner::State::proved_before(const Set& set) {
    constexpr std::uint64_t largest_note = 16u << 20;
    std::string text;
    auto read = co_await blocking([&]() -> Result<> {
        auto file = lane.fs().open(note_path(facts.path, set.prefix), false);
        if (!file) return file.error();
        const auto size = (*file)->size();
        if (!size) return size.error();
        if (*size > largest_note) return Error{Errc::bad_input, "too large for a note"};
        text.resize(static_cast<std::size_t>(*size));
        const auto got = (*file)->pread(0, std::as_writable_bytes(std::span(text)));
        if (!got) return got.error();
        text.resize(*got);
        return {};
    });
    std::optional<std::vector<Judged>> result;
    if (!read) co_return result;
    const auto note = parse_note(text);
    const bool same_parts = std::all_of(set.parts.begin(), set.parts.end(),
                                        [&](const FileFacts& part) { return has_same(note.parts, part); });
    std::vector<Judged> judged;
    for (const auto& [name, file] : set.joined) {
        Judged j;
        j.name = name;
        j.file = file;
        j.all = has_same(note.all, file);
        j.sound = has_same(note.sound, file);
        judged.push_back(std::move(j));
    }
    const bool proved = std::any_of(judged.begin(), judged.end(), [](const Judged& j) { return j.all; });
    if (same_parts && proved) result = std::move(judged);
    co_return result;
}

Task<void> Cleaner::State::write_note(const Set& set, const std::vector<Judged>& judged) {
    if (options.dry_run || set.parts.empty()) co_return;
    ProofNote note;
    for (const auto& j : judged) {
        if (j.all) note.all.push_back(j.file);
        if (j.sound) note.sound.push_back(j.file);
    }
    note.parts = set.parts;
    const Bytes text = Bytes::copy_of(note_text(note));
    auto written = co_await blocking([&]() -> Result<> {
        const auto path = note_path(facts.path, set.prefix);
        const auto there = lane.fs().exists(path);
        if (!there) return there.error();
        if (*there)
            if (auto r = lane.fs().remove(path); !r) return r;
        auto file = lane.fs().create(path);
        if (!file) return file.error();
        if (auto r = (*file)->append(std::span(&text, 1)); !r) return r;
        if (auto r = (*file)->sync(); !r) return r;
        return lane.fs().sync_folder(facts.path);
    });
    // Without it a clean that is cut short can only not be finished by the next one.
    if (!written) WEIR_LOG(debug, "no note of the proof", {"prefix", set.prefix}, {"error", written.error().text()});
}

Task<void> Cleaner::State::remove_note(const Set& set) {
    if (options.dry_run) co_return;
    auto gone = co_await blocking([&]() -> Result<> { return lane.fs().remove(note_path(facts.path, set.prefix)); });
    if (!gone && gone.error().code != Errc::not_found)
        WEIR_LOG(warn, "a note could not be removed", {"file", note_path(facts.path, set.prefix).string()},
                 {"error", gone.error().text()});
}

Task<void> Cleaner::State::clean_set(Set set) {
    std::string why;
    auto looked = co_await blocking([&]() -> Result<> {
        why = not_yet(set);
        return {};
    });
    if (!looked) why = looked.error().text();
    if (!why.empty()) {
        say(What::kept, in_folder(set.joined.front().second.name), std::move(why));
        co_return;
    }
    if (auto before = co_await proved_before(set)) {
        co_await settle(set, std::move(*before), true, true);
        co_return;
    }
    std::vector<ReadMedia> parts;
    auto unread = co_await read_parts(set, parts);
    if (unread) {
        report.cancelled = report.cancelled || unread->code == Errc::cancelled;
        if (!report.cancelled)
            say(What::failed, in_folder(set.joined.front().second.name),
                fmt::format("is not proved to hold its parts: {}", unread->text()));
        co_return;
    }
    std::vector<Judged> judged;
    for (std::size_t i = 0; i < set.joined.size() && !report.cancelled; ++i) {
        auto one = co_await judge(set, i, parts);
        judged.push_back(std::move(one));
    }
    if (report.cancelled) co_return;
    co_await settle(set, std::move(judged), !parts.empty(), false);
}

/// All joined files of the set were held against its parts: now what is proved is done.
/// `from_note`: an earlier clean proved it and noted so; parts of the proof are gone, and the note is all that says it.
Task<void> Cleaner::State::settle(const Set& set, std::vector<Judged> judged, bool has_parts, bool from_note) {
    const bool proved = std::any_of(judged.begin(), judged.end(), [](const Judged& j) { return j.all; });
    bool gone = false;
    if (proved) {
        if (!from_note) co_await write_note(set, judged);
        const auto left = co_await delete_parts(set, judged);
        gone = left == 0;
        if (gone || (!from_note && left == set.parts.size())) co_await remove_note(set);
    }
    std::vector<std::string> named;  // endings that have their file
    for (auto& j : judged) {
        const auto path = in_folder(j.file.name);
        if (j.corrupted && options.delete_corrupted && has_parts) {
            // The parts are gone when another joined file was proved; else they are there, and were read to their ends.
            std::vector<FileFacts> nobody;
            auto removed = co_await delete_file(j.file, std::move(nobody));
            if (removed)
                say(What::deleted, path, j.why + (proved ? "" : "; its parts are there and whole"), j.file.size);
            else
                say(What::failed, path, fmt::format("cannot be deleted: {}", removed.error().text()));
        } else if (j.foreign || (proved && !j.all && !j.sound && !j.corrupted)) {
            say(What::kept, path, j.foreign ? j.why : "another joined file holds more");
        } else if (!j.all && !(proved && j.sound)) {
            say(What::failed, path, j.why.empty() ? "is not proved to hold its parts" : j.why);
        } else if (!gone) {
            say(What::kept, path, "keeps its name while parts of it are left");
        } else if (std::find(named.begin(), named.end(), j.name.ending) != named.end()) {
            say(What::kept, path, "another joined file took the name");
        } else {
            named.push_back(j.name.ending);
            co_await rename(std::move(j));
        }
    }
}

/// Raw files that were kept beside the finished one go when the finished one is whole by the journal.
Task<void> Cleaner::State::clean_recording(Journals::Recording recording) {
    std::vector<FileFacts> raws;
    for (const auto& name : recording.raws)
        if (const auto* raw = facts.file(name); raw && name != recording.file) raws.push_back(*raw);
    const auto* finished = facts.file(recording.file);
    if (raws.empty() || !finished) co_return;
    const auto path = in_folder(recording.file);
    if (auto why = too_young(*finished, raws, clock.wall(), options.age); !why.empty()) {
        say(What::kept, in_folder(raws.front().name), std::move(why));
        co_return;
    }
    if (const auto format = media::format_for(recording.file);
        format && *format == media::OutputFormat::m4a && !recording.only_sound) {
        say(What::kept, path, "its raw files stay: they may hold more than its sound");
        co_return;
    }
    auto verifying = tools.verify(ex, lane, path);
    auto verdict = co_await apart(ex, std::move(verifying));
    if (!verdict) {
        say(What::failed, path, fmt::format("cannot be verified: {}", verdict.error().text()));
        co_return;
    }
    using Verdict = store::Verdict::State;
    if (verdict->state != Verdict::whole || verdict->unfinished) {
        const bool damaged = verdict->state == Verdict::damaged;
        const auto why = damaged && !verdict->complaints.empty() ? verdict->complaints.front() : "losses are listed";
        say(damaged ? What::failed : What::kept, path, fmt::format("its raw files stay: {}", why));
        co_return;
    }
    for (const auto& raw : raws) {
        std::vector<FileFacts> holders{*finished};
        auto gone = co_await delete_file(raw, std::move(holders));
        if (gone) {
            report.freed += raw.size;
            say(What::deleted, in_folder(raw.name), fmt::format("{} is whole", recording.file), raw.size);
        } else {
            say(What::failed, in_folder(raw.name), fmt::format("cannot be deleted: {}", gone.error().text()));
        }
    }
}

Task<void> Cleaner::State::clean_folder() {
    for (const auto& complaint : journals.unreadable)
        say(What::failed, in_folder(complaint.substr(0, complaint.find(": "))),
            "cannot be read; what it speaks of is left alone");
    for (auto& set : sets()) {
        if (report.cancelled) co_return;
        co_await clean_set(std::move(set));
    }
    const auto finished = journals.finished;
    for (const auto& recording : finished) {
        if (report.cancelled) co_return;
        co_await clean_recording(recording);
    }
}

trace::Span Cleaner::State::begin_span() const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options.age).count();
    return trace::begin(options.tracer, "cleaner.Clean", {},
                        {{"scan_directory", options.root.string()},
                         {"dry_run", options.dry_run},
                         {"probe", options.delete_corrupted},
                         {"eligible_age", std::int64_t{seconds}}});
}

Task<CleanReport> Cleaner::State::run() {
    co_await errors_not_throws();
    auto span = begin_span();
    std::vector<Path> waiting{options.root};
    while (!waiting.empty() && !report.cancelled) {
        const auto folder = std::move(waiting.back());
        waiting.pop_back();
        auto scan = trace::begin(options.tracer, "cleaner.Scan", span.context());
        auto looked = co_await blocking([&]() -> Result<> {
            auto seen = look_into(folder);
            if (!seen) return seen.error();
            facts = std::move(*seen);
            journals = read_journals(lane.fs(), folder, facts.entries());
            return {};
        });
        scan.end();
        if (!looked) {
            if (folder != options.root && looked.error().code == Errc::not_found) continue;  // gone meanwhile
            say(What::failed, folder, fmt::format("is left out: {}", looked.error().text()));
            continue;
        }
        ++report.folders;
        for (auto it = facts.folders.rbegin(); it != facts.folders.rend(); ++it) waiting.push_back(folder / *it);
        co_await clean_folder();
        const auto state = co_await asio::this_coro::cancellation_state;
        report.cancelled = report.cancelled || state.cancelled() != asio::cancellation_type::none;
    }
    if (!report.complete()) span.fail("clean", report.cancelled ? "cancelled" : "something could not be dealt with");
    co_return std::move(report);
}

Cleaner::Cleaner(asio::any_io_executor ex, const Clock& clock, FileLane& lane, CleanOptions options, CleanTools tools)
    : state_(std::make_unique<State>(std::move(ex), clock, lane, std::move(options), std::move(tools))) {}
Cleaner::~Cleaner() = default;

Task<CleanReport> Cleaner::run(std::function<void(const CleanStep&)> on_step) {
    state_->on_step = std::move(on_step);
    co_return co_await state_->run();
}

}  // namespace weir::apps
