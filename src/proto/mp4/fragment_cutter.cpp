#include "proto/mp4/fragment_cutter.h"

#include <algorithm>

#include "proto/mp4/box.h"
#include "proto/mp4/fragment.h"

namespace weir::mp4 {
namespace {

constexpr std::size_t most = 64u << 20;
constexpr std::uint64_t farthest = std::uint64_t{1} << 40;  ///< seconds; further on, microseconds would overflow

}  // namespace

FragmentCutter::FragmentCutter(CutterSettings settings)
    : UnitFrame(settings.lane, settings.first_epoch, settings.jump), s_(settings) {
    s_.max_fragment = std::min(s_.max_fragment, most);
}

void FragmentCutter::begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) {
    forget();
    UnitFrame::begin_unit(unit, gen, duration, expected, slack);
}

void FragmentCutter::forget() {
    scan_ = {};
    held_ = Buffer();
}

Result<> FragmentCutter::set_header(const Bytes& header) {
    const auto old = header_.view(), now = header.view();
    if (tracks_ && std::equal(old.begin(), old.end(), now.begin(), now.end())) return {};
    auto tracks = read_init_segment(header, s_.header);
    if (!tracks) return tracks.error();
    header_ = header;
    tracks_ = std::move(*tracks);
    unpublished_ = true;
    return {};
}

Result<> FragmentCutter::feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) {
    arrival_ = arrival;
    stats_.bytes += piece.size();
    for (std::size_t at = 0; at < piece.size();) {
        if (held_.size() > 0) {
            if (auto r = hold(piece, at, out); !r) return r;
            continue;
        }
        const auto rest = piece.slice(at);
        const auto found = scan(rest.view());
        if (!found) return found.error();
        if (*found == Found::more) {
            reserve(rest.size());
            stats_.copied_bytes += held_.append(rest.view());
            return {};
        }
        const auto size = scan_.at;
        if (auto r = take(rest.slice(0, size), *found, out); !r) return r;
        at += size;
    }
    return {};
}

/// Adds just as much of the piece to what is held as the scan needs to get on.
Result<> FragmentCutter::hold(const Bytes& piece, std::size_t& at, std::vector<Item>& out) {
    const auto wanted = std::max(scan_.need, held_.size()) - held_.size();
    const auto count = std::min(wanted, piece.size() - at);
    reserve(held_.size() + count);
    stats_.copied_bytes += held_.append(piece.view().subspan(at, count));
    at += count;
    if (held_.size() < scan_.need) return {};
    const auto found = scan(held_.view());
    if (!found) return found.error();
    if (*found == Found::more) return {};
    WEIR_ASSERT(scan_.at == held_.size());
    return take(held_.all(), *found, out);
}

/// Room for `size` bytes, and at once for all that the box under way needs: so its bytes are copied but once.
void FragmentCutter::reserve(std::size_t size) {
    if (size <= held_.capacity()) return;
    Buffer larger(std::max({size, scan_.need, std::min(2 * held_.capacity(), s_.max_fragment), std::size_t{4096}}));
    stats_.copied_bytes += larger.append(held_.view());
    held_ = std::move(larger);
}

/// Walks on over the boxes at the front of `held`. With `more`, scan_.need says how many bytes it takes; else the header
/// or the fragment is held[0, scan_.at).
Result<FragmentCutter::Found> FragmentCutter::scan(std::span<const std::byte> held) {
    for (;;) {
        if (held.size() < scan_.need) return Found::more;
        const auto head = read_box_head(held.subspan(scan_.at));
        if (!head) return head.error();
        if (!*head) {
            scan_.need = scan_.at + (held.size() - scan_.at < 8 ? 8 : 16);
            continue;
        }
        const auto& h = **head;
        const auto limit = scan_.in_header || h.type == fourcc("moov") || h.type == fourcc("ftyp")
                               ? std::min(s_.header.max_bytes, s_.max_fragment)
                               : s_.max_fragment;
        if (h.size == 0)
            return Error{Errc::bad_input, fmt::format("a box '{}' does not say where it ends", name_of_type(h.type))};
        if (scan_.at > limit || h.size > limit - scan_.at)
            return Error{Errc::bad_input,
                         fmt::format("a fragment or header with a box '{}' of {} bytes is above the limit of {}",
                                     name_of_type(h.type), h.size, limit)};
        const auto size = static_cast<std::size_t>(h.size);
        // Only what is looked into must be there whole before the walk goes on; the end of what is cut out, too.
        if (held.size() - scan_.at < size) {
            scan_.need = scan_.at + size;
            return Found::more;
        }
        const auto found = enter(h.type, size);
        if (!found) return found;
        scan_.at += size;
        scan_.need = scan_.at + 8;
        if (*found != Found::more) return found;
    }
}

/// A whole box at scan_.at: what it means for what is being collected.
Result<FragmentCutter::Found> FragmentCutter::enter(std::uint32_t type, std::size_t size) {
    const bool in_fragment = scan_.moof_size > 0;
    if (type == fourcc("ftyp") || type == fourcc("moov")) {
        if (in_fragment) return Error{Errc::bad_input, "a header within a fragment"};
        scan_.in_header = type == fourcc("ftyp");
        return type == fourcc("moov") ? Found::header : Found::more;
    }
    if (type == fourcc("moof")) {
        if (in_fragment) return Error{Errc::bad_input, "a fragment has no media data"};
        if (scan_.in_header) return Error{Errc::bad_input, "a header without its moov"};
        scan_.moof = scan_.at;
        scan_.moof_size = size;
    } else if (type == fourcc("mdat")) {
        if (!in_fragment)
            return Error{Errc::bad_input, "media data without a fragment's head before it (not fragmented?)"};
        return Found::fragment;
    }
    return Found::more;
}

Result<> FragmentCutter::take(const Bytes& bytes, Found what, std::vector<Item>& out) {
    auto r = what == Found::header ? set_header(bytes) : take_fragment(bytes, out);
    forget();
    return r;
}

Result<> FragmentCutter::take_fragment(const Bytes& bytes, std::vector<Item>& out) {
    if (!tracks_) return Error{Errc::bad_input, "a fragment before its header (EXT-X-MAP, moov)"};
    const auto moof = bytes.view().subspan(scan_.moof, scan_.moof_size);
    const auto head = read_box_head(moof);
    const auto trafs = read_moof(moof.subspan((*head)->head), &*tracks_);
    if (!trafs) return trafs.error();
    if (unpublished_ || epoch_forced()) {
        Init draft;
        draft.format.container = Container::fmp4;
        for (const auto& t : tracks_->tracks) draft.tracks.push_back(t.track);
        draft.header = header_;
        publish(std::move(draft), out);
        unpublished_ = false;
    }
    const auto* main = tracks_->main();
    const auto scale = main->track.timescale;
    Chunk chunk;
    for (const auto& t : *trafs) {
        if (t.track != main->track.id) continue;
        chunk.rap = main->track.kind != TrackKind::video || t.starts_sync;
        auto raw = next_raw_.value_or(Micros{0});
        if (t.decode_time) {
            if (*t.decode_time / scale >= farthest) return Error{Errc::bad_input, "a fragment's time is out of range"};
            raw = micros_of(unrolled(*t.decode_time, t.decode_time_bits, scale), scale);
        }
        stamp(raw, out);
        const auto lasts = std::min(t.duration, std::uint64_t{scale} << 20);
        next_raw_ = raw + micros_of(static_cast<std::int64_t>(lasts), scale);
        break;
    }
    chunk.dts = chunk_dts();
    chunk.raw_dts = chunk_raw();
    chunk.bytes = bytes;
    ++stats_.chunks;
    emit(std::move(chunk), arrival_, out);
    return {};
}

Result<> FragmentCutter::end_unit(std::vector<Item>& out) {
    const bool torn = held_.size() > scan_.at || scan_.moof_size > 0 || scan_.in_header;
    if (torn) return Error{Errc::bad_input, "the segment ends inside a fragment"};
    stats_.dropped_bytes += held_.size();
    forget();
    return close_unit("no fragment in the whole segment", "are no fragments", out);
}

void FragmentCutter::abandon_unit(std::vector<Item>& out) {
    forget();
    leave_unit(out);
}

}  // namespace weir::mp4
