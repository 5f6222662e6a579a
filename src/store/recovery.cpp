#include "store/recovery.h"

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "base/log.h"
#include "store/tails.h"

namespace weir::store {
namespace {

constexpr std::size_t block = 256u << 10;

class Recovery {
public:
    Recovery(FileSystem& fs, File& journal, Path path) : fs_(fs), journal_(journal), path_(std::move(path)) {}

    Result<Book> run() {
        auto loaded = load_book(journal_);
        if (!loaded) return loaded.error();
        if (loaded->scan.damage) return within(path_.filename().string(), *loaded->scan.damage);
        book_ = std::move(loaded->book);
        const auto& scan = loaded->scan;
        if (scan.good_bytes < scan.bytes) {
            if (auto r = journal_.truncate(scan.good_bytes); !r) return within("cut journal", r.error());
            WEIR_LOG(info, "cut the torn end of a journal", {"journal", path_.string()},
                     {"bytes", scan.bytes - scan.good_bytes});
            say(journal::Trim{std::nullopt, scan.good_bytes, scan.bytes, "crash"});
        }
        if (!book_.end && book_.finals.empty()) {
            const auto raws = book_.raws;
            for (const auto& raw : raws)
                if (auto r = check(raw); !r) return within(raw.path, r.error());
            if (auto r = sweep(); !r) return r.error();
        }
        if (lines_.empty()) return std::move(book_);
        const Bytes bytes = Bytes::copy_of(lines_);
        if (auto r = journal_.append(std::span(&bytes, 1)); !r) return within("journal", r.error());
        if (auto r = journal_.sync(); !r) return within("journal", r.error());
        book_.settle();
        return std::move(book_);
    }

private:
    void say(const journal::Line& line) {
        lines_ += journal::format(line);
        book_.take(line);
    }

    Result<> check(const RawFile& raw) {
        auto opened = fs_.open(folder_of(path_) / raw.path, true);
        if (!opened && opened.error().code != Errc::not_found) return opened.error();
        if (!opened) {
            if (raw.end == 0) return {};
            WEIR_LOG(error, "a raw file of an unfinished recording is gone", {"file", raw.path});
            say_cut(raw, 0, 0, "the file is gone");
            return {};
        }
        File& file = **opened;
        auto size = file.size();
        if (!size) return size.error();
        auto good = good_end(raw, file, *size);
        if (!good) return good.error();
        if (*good < raw.end) {
            say_cut(raw, *good, *size, "crash");
        } else if (*size > *good) {
            auto tail = keep_tail(raw, file, *size);
            if (!tail) return tail.error();
            *good += *tail;
            if (*size > *good) say_cut(raw, *good, *size, "crash");
        }
        if (*size > *good) {
            if (auto r = file.truncate(*good); !r) return r;
            WEIR_LOG(info, "cut the torn end of a raw file", {"file", raw.path}, {"bytes", *size - *good});
        }
        const auto* now = book_.raw(raw.f);
        if (now->synced == now->end && *size == *good) return {};
        if (auto r = file.sync(); !r) return r;
        if (now->end > now->synced)
            say(journal::Sync{raw.f, now->end, book_.next_round, std::max(book_.last_written, std::int64_t{0})});
        return {};
    }

    /// Up to where the bytes are what the journal says: what was synced by its size, what came later by its hash.
    Result<std::uint64_t> good_end(const RawFile& raw, File& file, std::uint64_t size) {
        for (const auto& p : book_.pieces) {
            if (p.f != raw.f) continue;
            if (p.end() > size) return p.off;
            if (p.end() <= raw.synced || p.lost) continue;
            auto hash = hash_of(file, p.off, p.n);
            if (!hash) return hash.error();
            if (*hash != p.h) return p.off;
        }
        return raw.end;
    }

    /// What no line answers for, but may stay: the unit that was being written, or a run. Returns how many bytes stay.
    Result<std::uint64_t> keep_tail(const RawFile& raw, File& file, std::uint64_t size) {
        const auto found = book_.begun.find(raw.lane);
        const bool unit = found != book_.begun.end() && found->second.f == raw.f && found->second.off == raw.end;
        if (!unit) return keep_beginning(raw, file, size, nullptr);
        const journal::Begin begun = found->second;
        auto whole = is_whole(begun, file, size);
        if (!whole) return whole.error();
        if (!*whole) return keep_beginning(raw, file, size, &begun);
        say_unit(begun, begun.n, begun.h, false);
        return begun.n;
    }

    /// It was to be so before its last bytes were written.
    static Result<bool> is_whole(const journal::Begin& begun, File& file, std::uint64_t size) {
        if (begun.n == 0 || size < begun.off || size - begun.off < begun.n) return false;
        auto hash = hash_of(file, begun.off, begun.n);
        if (!hash) return hash.error();
        return *hash == begun.h;
    }

    /// As far as whole_tail() goes. No hash vouches for it: after a power cut only what was synced is trusted, a process
    /// that died leaves all it wrote.
    Result<std::uint64_t> keep_beginning(const RawFile& raw, File& file, std::uint64_t size,
                                         const journal::Begin* unit) {
        if (const auto boot = boot_name(fs_); boot.empty() || boot != raw.boot) size = std::min(size, raw.synced);
        if (size <= raw.end) return std::uint64_t{0};
        const bool run = std::any_of(book_.pieces.begin(), book_.pieces.end(),
                                     [&](const Piece& p) { return p.lane == raw.lane && p.kind == Piece::Kind::run; });
        if (!unit && !run) return std::uint64_t{0};
        auto n = whole_tail(file, raw.format, raw.end, size);
        if (!n || *n == 0) return n;
        auto hash = hash_of(file, raw.end, *n);
        if (!hash) return hash.error();
        if (unit) {
            say_unit(*unit, *n, *hash, true);
        } else {
            journal::Run more;
            more.lane = raw.lane;
            more.f = raw.f;
            more.off = raw.end;
            more.n = *n;
            more.h = *hash;
            say(more);
        }
        return n;
    }

    void say_unit(const journal::Begin& begun, std::uint64_t n, std::uint64_t h, bool part) {
        journal::Unit unit;
        unit.lane = begun.lane;
        unit.u = begun.u;
        unit.gen = begun.gen;
        unit.f = begun.f;
        unit.off = begun.off;
        unit.n = n;
        unit.dts = begun.dts;
        unit.raw_dts = begun.raw_dts;
        unit.dur = begun.dur;
        unit.h = h;
        unit.part = part;
        unit.again = !part && std::any_of(book_.pieces.begin(), book_.pieces.end(), [&](const Piece& p) {
            return p.kind == Piece::Kind::unit && p.counts() && p.lane == unit.lane && p.gen == unit.gen &&
                   p.u == unit.u;
        });
        say(unit);
    }

    void say_cut(const RawFile& raw, std::uint64_t off, std::uint64_t was, const char* why) {
        std::optional<journal::GapLine> gap;  // a source without units cannot bring them again
        for (const auto& p : book_.pieces) {
            if (p.f != raw.f || p.kind != Piece::Kind::run || p.end() <= off) continue;
            if (!gap) {
                gap.emplace();
                gap->lane = p.lane;
                gap->from = p.dts.value_or(Micros{0});
                gap->n = 0;
                gap->why = "cut by a crash";
            }
            *gap->n += p.n;
            gap->to = std::max(gap->from, p.dts.value_or(gap->from) + p.dur);
        }
        say(journal::Trim{raw.f, off, was, why});
        if (!gap) return;
        gap->id = book_.next_id;
        say(*gap);
    }

    /// Raw files that were made and never announced are empty; they go.
    Result<> sweep() {
        auto entries = fs_.list(folder_of(path_));
        if (!entries) return entries.error();
        const auto stem = stem_of_journal(path_).filename().string() + ".";
        std::set<std::string, std::less<>> known;
        for (const auto& raw : book_.raws) known.insert(raw.path);
        for (const auto& e : *entries) {
            if (e.is_directory || e.size || known.contains(e.name) || !e.name.starts_with(stem)) continue;
            const auto rest = std::string_view(e.name).substr(stem.size());
            const auto digits = rest.find_first_not_of("0123456789");
            if (digits == 0 || digits == std::string_view::npos) continue;
            const auto ending = rest.substr(digits);
            if (ending != ".ts" && ending != ".flv" && ending != ".m4s" && ending != ".aac" && ending != ".bin" &&
                ending != ".txt")
                continue;
            if (auto r = fs_.remove(folder_of(path_) / e.name); !r) return r;
        }
        return {};
    }

    FileSystem& fs_;
    File& journal_;
    Path path_;
    Book book_;
    std::string lines_;
};

/// Looks at the last line only: finished recordings are many, and their journals long.
bool ends_finished(File& file, std::uint64_t size) {
    std::vector<std::byte> tail(std::min<std::uint64_t>(size, 8192));
    auto got = file.pread(size - tail.size(), tail);
    if (!got || *got != tail.size() || tail.empty()) return false;
    std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
    if (!text.ends_with('\n')) return false;
    text.remove_suffix(1);
    const auto start = text.rfind('\n');
    if (start == std::string_view::npos) return false;
    const auto line = journal::parse(text.substr(start + 1));
    const auto* last = line ? std::get_if<journal::Final>(&*line) : nullptr;
    return last && (last->step == journal::Final::Step::raw_deleted ||
                    (last->step == journal::Final::Step::renamed && last->keep));
}

/// A lane with nothing whole: the beginning of a unit says which one comes next. Number 0 has none before it.
void note_begun(const Book& book, ResumePoint& at) {
    for (const auto& p : book.pieces) {
        if (p.kind != Piece::Kind::part || !p.counts() || p.u == 0) continue;
        const auto begins = p.dts.value_or(Micros{0});
        if (p.lane != 0) {
            at.lanes.try_emplace(p.lane, ResumePoint::Lane{p.u - 1, p.gen, begins});
        } else if (!at.any) {
            at.any = true;
            at.unit = p.u - 1;
            at.gen = p.gen;
            at.stream_time = begins;
            if (p.dts && p.raw_dts) at.offset = *p.dts - *p.raw_dts;
        }
    }
}

}  // namespace

Result<std::uint64_t> hash_of(File& file, std::uint64_t off, std::uint64_t n) {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(block, std::max<std::uint64_t>(n, 1)));
    ContentHash hash;
    while (n) {
        auto got = file.pread(off, std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), n)));
        if (!got) return got.error();
        if (*got == 0) return Error{Errc::io, "the file is shorter than its journal says"};
        hash.update(std::span(buffer).first(*got));
        off += *got;
        n -= *got;
    }
    return hash.digest();
}

Result<Book> recover_open(FileSystem& fs, File& journal, const Path& path) {
    return Recovery(fs, journal, path).run();
}

Result<Recovered> recover_blocking(FileSystem& fs, const Path& path) {
    if (!is_journal_name(path.filename().string()))
        return Error{Errc::bad_input, fmt::format("{} is not a journal", path.string())};
    auto file = fs.open(path, true);
    if (!file) return within("open journal", file.error());
    if (auto r = (*file)->lock(); !r) return within("lock journal", r.error());
    auto book = recover_open(fs, **file, path);
    if (!book) return within("recover", book.error());
    return Recovered{std::move(*file), std::move(*book)};
}

Unfinished unfinished_of(const Book& book, const Path& journal) {
    Unfinished u;
    u.journal = journal;
    u.target = folder_of(journal) / book.open.target;
    u.source_kind = book.open.source_kind;
    u.source_id = book.open.source_id;
    u.ended = book.end.has_value();
    if (book.end) u.end_reason = book.end->reason;
    u.at.last_written = from_unix_millis(book.last_written);
    u.at.stream_time = book.last_time();
    if (const auto* last = book.last_unit()) {
        u.at.any = true;
        u.at.unit = last->u;
        u.at.gen = last->gen;
        u.at.stream_time = last->dts.value_or(Micros{0}) + last->dur;
        if (last->dts && last->raw_dts) u.at.offset = *last->dts - *last->raw_dts;
    }
    for (const auto& [lane, last] : book.last_units())
        if (lane) u.at.lanes[lane] = {last->u, last->gen, last->dts.value_or(Micros{0}) + last->dur};
    note_begun(book, u.at);
    return u;
}

Result<std::vector<Unfinished>> find_unfinished_blocking(FileSystem& fs, const Path& folder,
                                                         std::vector<std::string>* complaints) {
    auto entries = fs.list(folder);
    if (!entries) return within("look for unfinished recordings", entries.error());
    std::vector<Unfinished> found;
    const auto complain = [&](const Path& path, const Error& e) {
        if (complaints) complaints->push_back(fmt::format("{}: {}", path.string(), e.text()));
    };
    for (const auto& entry : *entries) {
        if (entry.is_directory || !is_journal_name(entry.name)) continue;
        const auto path = folder / entry.name;
        auto file = fs.open(path, true);
        if (!file) {
            complain(path, file.error());
            continue;
        }
        if (ends_finished(**file, entry.size)) continue;
        if (auto r = (*file)->lock(); !r) {
            if (r.error().code != Errc::busy) complain(path, r.error());
            continue;
        }
        auto loaded = load_book(**file);
        if (!loaded) {
            complain(path, loaded.error());
        } else if (loaded->scan.lines == 0 && loaded->scan.bytes == 0) {
            if (auto r = fs.remove(path); !r)
                complain(path, r.error());  // a crash between making it and its first line
        } else if (loaded->scan.damage) {
            complain(path, *loaded->scan.damage);
        } else if (!loaded->book.finished()) {
            found.push_back(unfinished_of(loaded->book, path));
        }
    }
    return found;
}

}  // namespace weir::store
