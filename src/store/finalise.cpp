#include "store/finalise.h"

#include <algorithm>

#include "base/log.h"
#include "base/numbers.h"
#include "runtime/failpoint.h"
#include "runtime/task_group.h"
#include "store/final_form.h"
#include "store/recovery.h"

namespace weir::store {
namespace {

using journal::Final;

// Each is passed twice: when the step is done, and when the journal says so.
Failpoint begin_point("finalise.begin"), written_point("finalise.written"), verified_point("finalise.verified"),
    renamed_point("finalise.renamed"), deleted_point("finalise.raw_deleted");

Result<> append_line(File& file, const journal::Line& line) {
    const Bytes bytes = Bytes::copy_of(journal::format(line));
    const auto before = file.size();
    if (!before) return within("journal", before.error());
    auto r = file.append(std::span(&bytes, 1));
    if (!r) (void)file.truncate(*before).has_value();
    if (r) r = file.sync();
    if (!r) return within("journal", r.error());
    return r;
}

class Finaliser {
public:
    Finaliser(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal, bool keep, FinaliseTools tools)
        : ex_(std::move(ex)),
          clock_(clock),
          lane_(lane),
          strand_(lane.strand()),
          path_(std::move(journal)),
          folder_(folder_of(path_)),
          keep_(keep),
          tools_(std::move(tools)) {}

    Task<Result<Finished>> run() {
        co_await errors_not_throws();
        if (auto r = co_await blocking([this] { return open(); }); !r) co_return r.error();
        if (const auto* done = book_.finished()) co_return finished(*done);
        const auto* last = book_.finals.empty() ? nullptr : &book_.finals.back();
        bool renamed = last && last->step == Final::Step::renamed;
        if (renamed) made_ = *last;
        if (last && last->step == Final::Step::verified) {
            made_ = *last;
            if (auto r = co_await blocking([this, &renamed] { return take_up(renamed); }); !r) co_return r.error();
        }
        if (!renamed) {
            if (auto r = co_await make(); !r) co_return r.error();
            if (auto r = co_await blocking([this] { return rename(); }); !r) co_return r.error();
        }
        if (auto r = co_await blocking([this] { return clear(); }); !r) co_return r.error();
        co_return finished(made_);
    }

private:
    Task<Result<>> blocking(std::function<Result<>()> job) { return lane_.run(strand_, std::move(job)); }

    [[nodiscard]] Finished finished(const Final& f) const { return {folder_ / f.path, path_, f.n, f.dur}; }
    [[nodiscard]] Path target() const { return folder_ / book_.open.target; }
    [[nodiscard]] Path temporary() const {
        const auto t = target();
        return folder_ / fmt::format(".{}.part{}", t.stem().string(), t.extension().string());
    }

    Result<> say(const Final& f) { return append_line(*file_, f); }

    Result<> open() {
        auto recovered = recover_blocking(lane_.fs(), path_);
        if (!recovered) return recovered.error();
        file_ = std::move(recovered->journal);
        book_ = std::move(recovered->book);
        if (book_.finished()) return {};
        if (!book_.end)
            if (auto r = end_it(); !r) return r;
        if (book_.media_bytes() == 0) return nothing_there();
        return {};
    }

    /// Nobody will go on with it: what the crash left open is listed now.
    Result<> end_it() {
        const auto say_line = [&](const journal::Line& line) {
            book_.take(line);
            return append_line(*file_, line);
        };
        for (auto gap : book_.unaccounted("cut by a crash")) {
            gap.id = book_.next_id;
            if (auto r = say_line(gap); !r) return r;
        }
        if (const auto rest = never_fetched(); rest > 0) {
            journal::GapLine gap;
            gap.id = book_.next_id;
            gap.from = gap.to = book_.last_time();
            gap.n = rest;
            gap.why = "the rest was never fetched";
            if (auto r = say_line(gap); !r) return r;
        }
        const auto tally = book_.tally();
        journal::EndLine end;
        end.reason = "crash";
        end.clean = false;
        end.got = tally.got;
        end.asked = tally.got + tally.missing;
        end.bytes = book_.bytes();
        end.t = unix_millis(clock_.wall());
        auto r = say_line(end);
        book_.settle();
        return r;
    }

    /// Of a file whose length is known.
    [[nodiscard]] std::uint64_t never_fetched() const {
        const auto it = book_.open.name.find(std::string(expected_bytes_key));
        if (it == book_.open.name.end()) return 0;
        const auto length = parse_int(it->second, 0);
        if (!length) return 0;
        const auto all = static_cast<std::uint64_t>(*length);
        return all > book_.bytes() ? all - book_.bytes() : 0;
    }

    Result<> nothing_there() {
        for (const auto& raw : book_.raws)
            if (auto r = remove_if_there(folder_ / raw.path); !r) return r;
        if (book_.gaps.empty() && book_.lost.empty()) {
            if (auto r = lane_.fs().remove(path_); !r) return r;
        } else {
            Final f;
            f.step = Final::Step::raw_deleted;
            f.path = book_.open.target;
            f.why = "nothing was recorded";
            if (auto r = say(f); !r) return r;
        }
        return Error{Errc::not_found, "nothing was recorded"};
    }

    Result<> remove_if_there(const Path& path) {
        auto r = lane_.fs().remove(path);
        if (!r && r.error().code == Errc::not_found) return {};
        return r;
    }

    /// A verified file was made, and the process ended around the rename. Sets `renamed`; else made_ is void and all
    /// begins anew.
    Result<> take_up(bool& renamed) {
        auto is_it = [this](const Path& path) -> bool {
            auto file = lane_.fs().open(path, false);
            if (!file) return false;
            const auto size = (*file)->size();
            if (!size || *size != made_.n) return false;
            const auto hash = hash_of(**file, 0, made_.n);
            return hash && *hash == made_.h;
        };
        if (is_it(temporary())) {
            ready_ = true;
            source_ = temporary();
            return {};
        }
        if (!is_it(folder_ / made_.path)) return {};  // a raw file that was to be renamed is there still: as at first
        if (auto r = lane_.fs().sync_folder(folder_); !r) return r;
        made_.step = Final::Step::renamed;
        made_.keep = keep_;
        renamed = true;
        return say(made_);
    }

    /// Bytes that nobody looked into mean something as one file only.
    [[nodiscard]] media::Stretch one_file() const {
        media::Stretch s;
        s.path = std::filesystem::absolute(form_.raw.empty() ? gathered() : folder_ / form_.raw).string();
        for (const auto& p : form_.pieces) s.size += p.n;
        return s;
    }
    [[nodiscard]] Path gathered() const { return folder_ / fmt::format(".{}.part.bin", target().stem().string()); }

    Result<> gather() {
        if (auto r = remove_if_there(gathered()); !r) return r;
        if (!form_.opaque || !form_.raw.empty()) return {};
        auto file = lane_.fs().create(gathered());
        if (!file) return file.error();
        auto all = read_pieces(lane_.fs(), book_, folder_, form_.pieces, file->get());
        return all ? Result<>() : all.error();
    }

    void plan_join() {
        plan_.input = stretches_of(book_, folder_);
        if (form_.opaque) plan_.input = {one_file()};
        plan_.output = temporary().string();
        plan_.format = form_.format;
        plan_.on_progress = tools_.on_progress;
        for (const auto& i : book_.inits)
            for (const auto& t : i.tracks)
                if (!t.language.empty() && t.kind == TrackKind::audio) plan_.languages.try_emplace(i.lane, t.language);
        for (const auto* key : {"title", "artist", "comment"})
            if (const auto it = book_.open.name.find(key); it != book_.open.name.end())
                plan_.metadata[key] = it->second;
    }

    Result<> prepare() {
        if (auto r = remove_if_there(temporary()); !r) return r;
        auto form = final_form_of(lane_.fs(), book_, folder_);
        if (!form) return form.error();
        form_ = std::move(*form);
        if (!form_.warning.empty())
            WEIR_LOG(warn, "about the final file", {"file", target().string()}, {"note", form_.warning});
        if (auto r = gather(); !r) return r;
        plan_join();
        std::uint64_t need = 1u << 20;
        if (form_.way == FinalForm::Way::rename)
            need = 0;
        else
            for (const auto& s : plan_.input) need += s.size;
        const auto space = lane_.fs().space(folder_);
        if (space && space->free < need)
            return Error{Errc::no_space,
                         fmt::format("{} more are needed to make the final file ({} free); the recording stays in {}",
                                     size_text(need - space->free), size_text(space->free), raw_names())};
        Final f;
        f.step = Final::Step::begin;
        f.path = form_.way == FinalForm::Way::rename ? form_.raw : temporary().filename().string();
        if (auto r = begin_point.hit(); !r) return r;
        if (auto r = say(f); !r) return r;
        return begin_point.hit();
    }

    [[nodiscard]] std::string raw_names() const {
        std::string names;
        for (const auto& raw : book_.raws) names += (names.empty() ? "" : ", ") + (folder_ / raw.path).string();
        return names;
    }

    Task<Result<>> make() {
        if (ready_) co_return Result<>{};
        if (auto r = co_await blocking([this] { return prepare(); }); !r) co_return r;
        if (form_.way != FinalForm::Way::remux) co_return co_await keep_bytes();
        auto raw = co_await tools_.write(ex_, plan_);
        const bool passing = !raw && (raw.error().code == Errc::cancelled || raw.error().code == Errc::no_space ||
                                      raw.error().code == Errc::io);
        if (!raw && form_.opaque && !passing) {
            WEIR_LOG(warn, "what was fetched is no media that can be remuxed, and stays as it came",
                     {"file", target().string()}, {"error", raw.error().text()});
            form_.way = form_.raw.empty() ? FinalForm::Way::copy : FinalForm::Way::rename;
            co_return co_await keep_bytes();
        }
        if (!raw) co_return co_await give_up("make the final file", raw.error());
        for (const auto& note : raw->notes)
            WEIR_LOG(warn, "about the final file", {"file", target().string()}, {"note", note});
        if (auto r = co_await blocking([this] { return written(); }); !r)
            co_return co_await give_up("make the final file", r.error());
        auto read = co_await tools_.summarise(ex_, plan_.output);
        if (!read) co_return co_await give_up("read the final file back", read.error());
        if (auto r = media::same_content(*raw, *read); !r)
            co_return co_await give_up("compare the final file with the raw one", r.error());
        made_.dur = read->duration;
        for (std::size_t i = 0; i < read->tracks.size(); ++i)
            made_.packets[fmt::format("{}{}", name_of(read->tracks[i].kind), i)] = read->tracks[i].packets;
        co_return Result<>{};
    }

    /// The final file is the raw bytes: copied and read back, or the raw file itself under another name.
    Task<Result<>> keep_bytes() {
        auto kept =
            co_await blocking([this] { return form_.way == FinalForm::Way::copy ? copy_bytes() : check_bytes(); });
        if (!kept) co_return co_await give_up("make the final file", kept.error());
        made_.dur = book_.last_time() - book_.first_time();
        co_return Result<>{};
    }

    Result<> copy_bytes() {
        if (auto r = remove_if_there(temporary()); !r) return r;
        auto file = lane_.fs().create(temporary());
        if (!file) return file.error();
        auto all = read_pieces(lane_.fs(), book_, folder_, form_.pieces, file->get());
        if (!all) return all.error();
        file->reset();
        if (auto r = written(); !r) return r;
        if (made_.n != all->n || made_.h != all->h)
            return Error{Errc::io, "what was read back is not what was written"};
        return {};
    }

    Result<> check_bytes() {
        auto all = read_pieces(lane_.fs(), book_, folder_, form_.pieces, nullptr);
        if (!all) return all.error();
        source_ = folder_ / form_.raw;
        return say_written(form_.raw, all->n, all->h);
    }

    Result<> written() {
        auto file = lane_.fs().open(temporary(), true);
        if (!file) return file.error();
        auto size = (*file)->size();
        if (!size) return size.error();
        if (auto r = (*file)->sync(); !r) return r;
        auto hash = hash_of(**file, 0, *size);
        if (!hash) return hash.error();
        source_ = temporary();
        return say_written(temporary().filename().string(), *size, *hash);
    }

    Result<> say_written(std::string path, std::uint64_t n, std::uint64_t h) {
        made_ = Final{};
        made_.step = Final::Step::written;
        made_.path = std::move(path);
        made_.n = n;
        made_.h = h;
        if (auto r = written_point.hit(); !r) return r;
        if (auto r = say(made_); !r) return r;
        return written_point.hit();
    }

    /// The half-made file goes, the raw files stay, and the journal says why.
    Task<Result<>> give_up(std::string step, Error why) {
        co_await uncancellable();
        (void)(co_await blocking([this, &why]() -> Result<> {
            (void)remove_if_there(temporary()).has_value();
            (void)remove_if_there(gathered()).has_value();
            if (why.code == Errc::cancelled) return {};
            Final f;
            f.step = Final::Step::failed;
            f.path = temporary().filename().string();
            f.why = why.text();
            return say(f);
        })).has_value();
        if (why.code != Errc::cancelled) why.what += fmt::format("; the recording stays in {}", raw_names());
        co_return within(step, std::move(why));
    }

    /// A name that neither a file nor another recording's journal has.
    Result<Path> free_name(unsigned& number) {
        for (; number < 100'000; ++number) {
            const auto wish = numbered(target(), number);
            auto taken = lane_.fs().exists(wish);
            if (taken && !*taken && number) {
                taken = lane_.fs().exists(folder_ / (wish.stem().string() + std::string(journal_ending)));
            }
            if (!taken) return taken.error();
            if (!*taken) return wish;
        }
        return Error{Errc::busy, "all numbered names are taken"};
    }

    Result<> rename() {
        unsigned number = 0;
        while (true) {
            auto name = free_name(number);
            if (!name) return name.error();
            made_.step = Final::Step::verified;
            made_.path = name->filename().string();
            if (auto r = verified_point.hit(); !r) return r;
            if (auto r = say(made_); !r) return r;
            if (auto r = verified_point.hit(); !r) return r;
            auto r = lane_.fs().rename(source_, *name);
            if (r) break;
            if (r.error().code != Errc::busy) return within("name the final file", r.error());
            ++number;
        }
        if (number) WEIR_LOG(info, "the name was taken meanwhile", {"wished", target().string()}, {"file", made_.path});
        if (auto r = lane_.fs().sync_folder(folder_); !r) return within("name the final file", r.error());
        made_.step = Final::Step::renamed;
        made_.keep = keep_ && source_ == temporary();  // a raw file that was renamed is gone as such
        if (auto r = renamed_point.hit(); !r) return r;
        if (auto r = say(made_); !r) return r;
        return renamed_point.hit();
    }

    Result<> clear() {
        if (auto r = remove_if_there(gathered()); !r) return r;
        if (made_.keep || keep_) {
            if (made_.keep) return {};
            made_.keep = true;  // asked for only now
            return say(made_);
        }
        for (const auto& raw : book_.raws)
            if (auto r = remove_if_there(folder_ / raw.path); !r) return within("remove raw file", r.error());
        if (auto r = lane_.fs().sync_folder(folder_); !r) return r;
        made_.step = Final::Step::raw_deleted;
        if (auto r = deleted_point.hit(); !r) return r;
        if (auto r = say(made_); !r) return r;
        return deleted_point.hit();
    }

    asio::any_io_executor ex_;
    Clock& clock_;
    FileLane& lane_;
    FileLane::Strand strand_;
    Path path_, folder_;
    bool keep_;
    FinaliseTools tools_;
    std::unique_ptr<File> file_;  ///< locked
    Book book_;
    FinalForm form_;
    media::JoinPlan plan_;
    Path source_;  ///< what gets the final name
    Final made_;
    bool ready_ = false;
};

}  // namespace

Task<Result<Finished>> finalise_with(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal,
                                     bool keep_raw, FinaliseTools tools) {
    Finaliser finaliser(std::move(ex), clock, lane, std::move(journal), keep_raw, std::move(tools));
    auto r = co_await finaliser.run();
    if (!r) co_return within("finalise", r.error());
    co_return r;
}

Task<Result<Finished>> finalise(asio::any_io_executor ex, Clock& clock, FileLane& lane, Path journal, bool keep_raw) {
    return finalise_with(std::move(ex), clock, lane, std::move(journal), keep_raw, FinaliseTools{});
}

}  // namespace weir::store
