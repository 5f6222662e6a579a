#include "store/final_form.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/ids.h"
#include "proto/hls/playlist.h"

namespace weir::store {
namespace {

constexpr std::size_t copied_at_once = 256u << 10;

/// What counts, with the header of its file before it where that is read with one.
std::vector<Piece> bytes_in_order(const Book& book) {
    std::vector<Piece> out;
    for (const auto& p : book.pieces)
        if (p.counts() && p.n) out.push_back(p);
    return out;
}

bool joins_by_bytes(Container c) {
    return c == Container::ts || c == Container::packed_audio || c == Container::opaque || c == Container::text;
}

/// The name of the one raw file that is made of these pieces, from its first byte to its last.
Result<std::string> whole_file(FileSystem& fs, const Book& book, const Path& folder, const std::vector<Piece>& pieces) {
    std::uint64_t at = 0;
    for (const auto& p : pieces) {
        if (p.f != pieces.front().f || p.off != at) return std::string();
        at = p.end();
    }
    const auto* raw = book.raw(pieces.front().f);
    const auto size = fs.size_of(folder / raw->path);
    if (!size) return within(raw->path, size.error());
    return *size == at ? raw->path : std::string();
}

/// Does `format` hold what `content` is already? None: nothing that could be remuxed.
std::optional<bool> is_already(media::OutputFormat format, hls::Content content) {
    using media::OutputFormat;
    switch (content) {
        case hls::Content::ts:
            return format == OutputFormat::ts;
        case hls::Content::flv:
            return format == OutputFormat::flv;
        case hls::Content::matroska:
            return format == OutputFormat::matroska;
        case hls::Content::mp4:
        case hls::Content::fmp4:
            return format == OutputFormat::mp4 || format == OutputFormat::m4a || format == OutputFormat::fmp4;
        case hls::Content::packed_audio:
            return false;
        default:
            return std::nullopt;
    }
}

hls::Content content_of(Container c) {
    switch (c) {
        case Container::ts:
            return hls::Content::ts;
        case Container::flv:
            return hls::Content::flv;
        case Container::fmp4:
            return hls::Content::fmp4;
        case Container::packed_audio:
            return hls::Content::packed_audio;
        default:
            return hls::Content::unknown;
    }
}

Result<hls::Content> content_of(FileSystem& fs, const Book& book, const Path& folder, const Piece& first) {
    auto file = fs.open(folder / book.raw(first.f)->path, false);
    if (!file) return file.error();
    std::vector<std::byte> bytes(std::min<std::uint64_t>(first.n, 64u << 10));
    auto got = (*file)->pread(first.off, bytes);
    if (!got) return got.error();
    return hls::sniff(std::span(bytes).first(*got));
}

}  // namespace

Result<FinalForm> final_form_of(FileSystem& fs, const Book& book, const Path& folder) {
    FinalForm form;
    const auto known = media::format_for(book.open.target);
    if (known) form.format = *known;
    auto pieces = bytes_in_order(book);
    std::erase_if(pieces, [&](const Piece& p) { return !book.raw(p.f); });
    if (pieces.empty()) return form;

    std::set<std::uint16_t> lanes;
    std::set<std::uint32_t> files;
    std::set<Container> containers;
    for (const auto& p : pieces) {
        if (p.kind == Piece::Kind::header) continue;
        lanes.insert(p.lane);
        files.insert(p.f);
        containers.insert(book.raw(p.f)->format);
    }
    const auto container = *containers.begin();
    std::erase_if(pieces, [&](const Piece& p) { return !files.contains(p.f); });  // headers that nothing follows

    bool as_is = !book.open.remux;
    if (!as_is && (container == Container::opaque || container == Container::text)) {
        auto content = content_of(fs, book, folder, pieces.front());
        if (!content) return content.error();
        const auto same = known ? is_already(*known, *content) : std::nullopt;
        // Several answers, each from its first byte, are one file only of frames: a demuxer would read one by the index of another.
        const bool broken = !book.discs.empty() && *content != hls::Content::packed_audio;
        as_is = !same || *same || broken;
        form.opaque = !as_is;
    }
    const bool one_kind = lanes.size() == 1 && containers.size() == 1;
    const bool possible = one_kind && (files.size() == 1 || joins_by_bytes(container));
    if (as_is && !possible)
        form.warning = fmt::format("{} cannot be put into one file as they are; they are remuxed instead",
                                   lanes.size() > 1 ? "several lanes" : "raw files with headers of their own");
    else if (as_is && known && !is_already(*known, content_of(container)).value_or(true))
        form.warning = fmt::format("its bytes are {}, whatever its name says", hls::name_of(content_of(container)));
    if (!as_is && !known) form.warning = fmt::format("{}; an MP4 is made", known.error().what);
    if (!(as_is || form.opaque) || !possible) return form;
    auto raw = whole_file(fs, book, folder, pieces);
    if (!raw) return raw.error();
    form.raw = std::move(*raw);
    form.pieces = std::move(pieces);
    if (as_is) form.way = form.raw.empty() ? FinalForm::Way::copy : FinalForm::Way::rename;
    return form;
}

Result<PiecesRead> read_pieces(FileSystem& fs, const Book& book, const Path& folder, const std::vector<Piece>& pieces,
                               File* out) {
    PiecesRead all;
    ContentHash hash_of_all;
    std::unique_ptr<File> file;
    std::uint32_t f = 0;
    std::vector<std::byte> buffer(copied_at_once);
    for (const auto& p : pieces) {
        const auto& path = book.raw(p.f)->path;
        if (!file || p.f != f) {
            auto opened = fs.open(folder / path, false);
            if (!opened) return within(path, opened.error());
            file = std::move(*opened);
            f = p.f;
        }
        ContentHash hash;
        for (std::uint64_t done = 0; done < p.n;) {
            const auto want = std::min<std::uint64_t>(buffer.size(), p.n - done);
            auto got = file->pread(p.off + done, std::span(buffer).first(want));
            if (!got) return within(path, got.error());
            if (*got == 0) return Error{Errc::io, "the file is shorter than its journal says", path};
            const auto bytes = std::span<const std::byte>(buffer).first(*got);
            hash.update(bytes);
            hash_of_all.update(bytes);
            if (out) {
                const Bytes copy = Bytes::copy_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
                if (auto r = out->append(std::span(&copy, 1)); !r) return r.error();
            }
            done += bytes.size();
        }
        if (hash.digest() != p.h)
            return Error{Errc::bad_input, fmt::format("the bytes from {} have changed since they were written", p.off),
                         path};
        all.n += p.n;
    }
    all.h = hash_of_all.digest();
    return all;
}

}  // namespace weir::store
