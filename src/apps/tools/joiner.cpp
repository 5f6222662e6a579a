#include "apps/tools/joiner.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "apps/tools/apart.h"
#include "apps/tools/concat_metrics.h"
#include "apps/tools/folder_facts.h"
#include "apps/tools/media_spans.h"
#include "apps/tools/names.h"
#include "apps/tools/parts.h"
#include "base/log.h"
#include "runtime/task_group.h"
#include "store/book.h"

namespace weir::apps {
namespace {

/// What a person typed may be a symbolic link; what it leads to must be a plain file with something in it.
Result<std::uint64_t> size_of_input(const Path& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return from_errno(errno, "");
    if (S_ISDIR(st.st_mode)) return Error{Errc::bad_input, "is a folder"};
    if (!S_ISREG(st.st_mode)) return Error{Errc::bad_input, "is no plain file"};
    if (st.st_size == 0) return Error{Errc::bad_input, "is empty"};
    return static_cast<std::uint64_t>(st.st_size);
}

std::string text_of(Error e) {
    while (e.trail.starts_with(": ")) e.trail.erase(0, 2);
    return e.text();
}

}  // namespace

Joiner::Joiner(asio::any_io_executor ex, FileLane& lane, JoinTools tools)
    : ex_(std::move(ex)), lane_(lane), strand_(lane.strand()), tools_(std::move(tools)) {}

Task<Result<>> Joiner::blocking(std::function<Result<>()> job) {
    return lane_.run(strand_, std::move(job));
}

void Joiner::tell(JoinProgress::Step step, const Path& file, double done) const {
    if (!tell_) return;
    tell_({step, file, done});
}

Task<Result<InputFile>> Joiner::look(Path path) {
    InputFile input;
    input.path = path;
    auto sized = co_await blocking([&]() -> Result<> {
        auto size = size_of_input(path);
        if (!size) return size.error();
        input.size = *size;
        return {};
    });
    if (!sized) co_return sized.error();
    const std::string name = path.string();
    auto probing = tools_.probe(ex_, name);
    auto traced_probe = traced(probe_span(name, trace_), std::move(probing));
    auto probe = co_await apart(ex_, std::move(traced_probe));
    if (!probe) co_return probe.error();
    if (!probe->has_media()) co_return Error{Errc::bad_input, "has neither sound nor pictures"};
    input.probe = std::move(*probe);
    co_return input;
}

Task<Inputs> Joiner::look_at(std::vector<Path> paths) {
    co_await errors_not_throws();
    Inputs inputs;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        tell(JoinProgress::Step::looking, paths[i], static_cast<double>(i) / static_cast<double>(paths.size()));
        auto input = co_await look(paths[i]);
        if (input) {
            inputs.good.push_back(std::move(*input));
            continue;
        }
        BrokenInput broken{paths[i], input.error()};
        inputs.broken.push_back(std::move(broken));
        if (input.error().code == Errc::cancelled) break;
    }
    co_return inputs;
}

Task<Result<Inputs>> Joiner::find_parts(Path prefix) {
    co_await errors_not_throws();
    const auto folder = store::folder_of(prefix);
    std::vector<DirEntry> listing;
    Journals journals;
    auto read = co_await blocking([&]() -> Result<> {
        auto entries = lane_.fs().list(folder);
        if (!entries) return within(fmt::format("folder '{}'", folder.string()), entries.error());
        listing = std::move(*entries);
        journals = read_journals(lane_.fs(), folder, listing);
        return {};
    });
    if (!read) co_return read.error();
    std::erase_if(listing, [&](const DirEntry& e) { return journals.raws_of_finished.contains(e.name); });

    Inputs inputs;
    for (const auto& choice : part_choices(listing, prefix.filename().string())) {
        std::optional<BrokenInput> worst;
        for (const auto& name : choice.names) {
            const auto path = prefix.parent_path() / name;
            if (const auto it = journals.being_written.find(name); it != journals.being_written.end()) {
                worst = BrokenInput{path, Error{Errc::busy, "is being recorded by another process"}};
                break;
            }
            tell(JoinProgress::Step::looking, path, 0);
            auto input = co_await look(path);
            const bool good = input && is_part_media(input->probe);
            if (good) {
                if (worst)
                    WEIR_LOG(warn, "not readable; the same part in another container is taken",
                             {"not", worst->path.string()}, {"but", path.string()}, {"error", text_of(worst->why)});
                worst.reset();
                inputs.good.push_back(std::move(*input));
                break;
            }
            Error why = input ? Error{Errc::bad_input, "is a picture"} : input.error();
            if (why.code == Errc::cancelled) co_return why;
            if (named_like_media(name)) {
                if (!worst) worst = BrokenInput{path, std::move(why)};
            } else {
                WEIR_LOG(debug, "no part", {"file", path.string()}, {"why", text_of(std::move(why))});
            }
        }
        if (worst) inputs.broken.push_back(std::move(*worst));
    }
    if (inputs.good.empty() && inputs.broken.empty())
        co_return Error{Errc::not_found, fmt::format("no part begins with '{}.'", prefix.string())};
    co_return inputs;
}

Task<void> Joiner::remove(Path path) {
    auto gone = co_await blocking([&]() -> Result<> { return lane_.fs().remove(path); });
    if (!gone && gone.error().code != Errc::not_found)
        WEIR_LOG(warn, "a half-made file could not be removed", {"file", path.string()},
                 {"error", gone.error().text()});
}

Task<Result<media::Summary>> Joiner::write_and_check(const JoinWish& wish, Path part, Path file, bool audio_only,
                                                     std::vector<std::string>& notes) {
    media::JoinPlan plan;
    for (const auto& input : wish.inputs) {
        media::Stretch s;
        s.path = std::filesystem::absolute(input.path).string();
        s.size = input.size;
        s.follows = !plan.input.empty();
        plan.input.push_back(std::move(s));
    }
    const std::string made_as = std::filesystem::absolute(part).string();
    plan.output = made_as;
    plan.metadata = wish.metadata;
    plan.format = audio_only ? media::OutputFormat::m4a : wish.format;
    const bool plan_audio_only = audio_only || wish.format == media::OutputFormat::m4a;
    plan.audio_only = plan_audio_only;
    plan.content = wish.content;
    plan.on_progress = [this, file](double done) { tell(JoinProgress::Step::writing, file, done); };
    tell(JoinProgress::Step::writing, file, 0);
    auto span = concat_span(plan, trace_);
    auto writing = tools_.write(ex_, std::move(plan));
    auto counted = counted_concat(std::move(writing), plan_audio_only);
    auto traced_work = traced(std::move(span), std::move(counted));
    auto written = co_await apart(ex_, std::move(traced_work));
    if (!written) co_return written.error();
    for (const auto& note : written->notes) notes.push_back(fmt::format("{}: {}", file.filename().string(), note));
    auto synced = co_await blocking([&]() -> Result<> {
        auto made = lane_.fs().open(part, true);
        if (!made) return made.error();
        return (*made)->sync();
    });
    if (!synced) co_return synced.error();
    tell(JoinProgress::Step::checking, file, 0);
    const auto& reader = wish.content ? tools_.summarise : tools_.summarise_index;
    auto reading = reader(ex_, made_as);
    auto read = co_await apart(ex_, std::move(reading));
    if (!read) co_return within("read it back", read.error());
    if (auto same = media::same_content(*written, *read); !same) co_return within("read it back", same.error());
    const bool pictures = std::any_of(read->tracks.begin(), read->tracks.end(),
                                      [](const media::TrackSummary& t) { return t.kind != TrackKind::audio; });
    if (pictures && plan_audio_only)
        co_return Error{Errc::internal, "it should hold sound alone and holds more", "read it back"};
    co_return std::move(*read);
}

Task<Result<MadeFile>> Joiner::make_one(const JoinWish& wish, std::vector<Path> wanted, std::size_t which,
                                        unsigned& number, std::vector<std::string>& notes) {
    const auto exists = [this](const Path& p) { return lane_.fs().exists(p); };
    // What was made already has the number; what is still to be made looks for the first one that is free for all.
    const std::vector<Path> open(wanted.begin() + static_cast<std::ptrdiff_t>(which), wanted.end());
    auto numbered = co_await blocking([&]() -> Result<> {
        auto free = free_number(open, number, exists);
        if (!free) return free.error();
        number = *free;
        return {};
    });
    if (!numbered) co_return numbered.error();
    auto file = store::numbered(wanted[which], number);
    const auto part = part_name(file);
    auto summary = co_await write_and_check(wish, part, file, which > 0, notes);
    auto named = co_await blocking([&]() -> Result<> {
        if (!summary) return summary.error();
        for (;;) {
            auto r = lane_.fs().rename(part, file);
            if (r) return lane_.fs().sync_folder(store::folder_of(file));
            if (r.error().code != Errc::busy) return r;
            auto free = free_number(open, number + 1, exists);
            if (!free) return free.error();
            number = *free;
            file = store::numbered(wanted[which], number);
        }
    });
    if (!named) {
        const auto why = named.error();
        const bool anothers = !summary && summary.error().code == Errc::busy;  // somebody else is making it
        if (!anothers) co_await remove(part);
        co_return within(fmt::format("'{}'", file.string()), why);
    }
    MadeFile made{std::move(file), std::move(*summary)};
    co_return made;
}

Task<JoinOutcome> Joiner::make(JoinWish wish) {
    co_await errors_not_throws();
    JoinOutcome outcome;
    std::vector<Path> wanted{wish.output};
    if (wish.also_audio && wish.format != media::OutputFormat::m4a)
        wanted.push_back(output_beside(wish.output, ending_of(media::OutputFormat::m4a)));
    std::uint64_t need = 1u << 20;
    for (const auto& input : wish.inputs) need += input.size;
    auto room = co_await blocking([&]() -> Result<> {
        const auto folder = store::folder_of(wish.output);
        if (auto r = lane_.fs().make_folders(folder); !r) return r;
        const auto space = lane_.fs().space(folder);
        if (space && space->free < need)
            return Error{Errc::no_space, fmt::format("{} are needed in '{}', {} are free", size_text(need),
                                                     folder.string(), size_text(space->free))};
        return {};
    });
    if (!room) {
        outcome.failed = room.error();
        co_return outcome;
    }
    unsigned number = 0;
    for (std::size_t i = 0; i < wanted.size() && !outcome.failed; ++i) {
        const bool silent = std::none_of(wish.inputs.begin(), wish.inputs.end(), [](const InputFile& input) {
            return std::any_of(input.probe.tracks.begin(), input.probe.tracks.end(),
                               [](const auto& t) { return t.kind == TrackKind::audio; });
        });
        if (silent && (i > 0 || wish.format == media::OutputFormat::m4a)) {
            outcome.failed = Error{Errc::bad_input, "there is no sound to extract"};
            break;
        }
        auto made = co_await make_one(wish, wanted, i, number, outcome.notes);
        if (made)
            outcome.made.push_back(std::move(*made));
        else
            outcome.failed = made.error();
    }
    co_return outcome;
}

}  // namespace weir::apps
