#include "proto/audio/packed_audio.h"

#include <algorithm>

namespace weir::audio {
namespace {

constexpr std::uint32_t tag_clock = 90'000;
constexpr Micros believable{1'000'000};  ///< lengths of segments add up to no better than this

bool begins_with_id3(std::span<const std::byte> bytes) {
    constexpr std::array<std::byte, 3> id3{std::byte{'I'}, std::byte{'D'}, std::byte{'3'}};
    const auto count = std::min(bytes.size(), id3.size());
    return std::equal(id3.begin(), id3.begin() + count, bytes.begin());
}

}  // namespace

PackedCutter::PackedCutter(PackedSettings settings)
    : UnitFrame(settings.lane, settings.first_epoch, settings.jump), s_(settings) {}

void PackedCutter::begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) {
    forget();
    UnitFrame::begin_unit(unit, gen, duration, expected, slack);
    place_ = true;
}

void PackedCutter::forget() {
    bytes_.clear();
    begin_ = done_ = 0;
    frames_ = 0;
    span_ = Micros{0};
    synced_ = false;
}

Result<> PackedCutter::set_header(const Bytes&) {
    return Error{Errc::unsupported, "packed audio has no header of its own (EXT-X-MAP)"};
}

Result<> PackedCutter::feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) {
    arrival_ = arrival;
    stats_.bytes += piece.size();
    bytes_.insert(bytes_.end(), piece.view().begin(), piece.view().end());
    return parse(false, out);
}

Result<> PackedCutter::parse(bool last, std::vector<Item>& out) {
    while (!rest().empty()) {
        const auto went = step(last, out);
        if (!went) return went.error();
        if (*went == Step::wait) break;
    }
    compact();
    return {};
}

/// One tag, one frame, or one byte of junk. `last`: no more bytes will come.
Result<PackedCutter::Step> PackedCutter::step(bool last, std::vector<Item>& out) {
    if (begins_with_id3(rest())) return take_tag(last, out);
    const auto head = frame_head(rest());
    bool wait = !head && rest().size() < head_size && !last;
    bool good = head && (!stream_ || !synced_ || head->codec == stream_->codec);
    if (good) {
        wait = rest().size() < head->size && !last;
        good = rest().size() >= head->size;
        if (good && !synced_) good = follows(done_ + head->size, *head, last, wait);
    }
    if (wait) return Step::wait;
    if (good) {
        take_frame(*head, out);
        return Step::on;
    }
    if (begin_ < done_) flush(out);
    skip_junk();
    if (!stream_ && before_sound_ > s_.max_before_sound)
        return Error{Errc::bad_input, fmt::format("no sound in the first {} bytes of packed audio", before_sound_)};
    return Step::on;
}

/// Is there another frame, a tag, or the end, at `at`?
bool PackedCutter::follows(std::size_t at, const FrameHead& head, bool last, bool& wait) const {
    const auto bytes = std::span(bytes_).subspan(at);
    if (bytes.size() < head_size) {
        wait = !last;
        return last && bytes.empty();
    }
    if (begins_with_id3(bytes)) return true;
    const auto next = frame_head(bytes);
    return next && next->same_stream(head);
}

Result<PackedCutter::Step> PackedCutter::take_tag(bool last, std::vector<Item>& out) {
    const auto size = id3_size(rest());
    if (!size && rest().size() < id3_head_size && !last) return Step::wait;
    if (size && *size > s_.max_tag)
        return Error{Errc::bad_input,
                     fmt::format("an ID3 tag of {} bytes is above the limit of {}", *size, s_.max_tag)};
    if (size && rest().size() < *size && !last) return Step::wait;
    if (frames_ > 0) flush(out);
    if (!size || rest().size() < *size) {
        if (begin_ < done_) flush(out);
        skip_junk();
        return Step::on;
    }
    const auto tag = read_id3(rest());
    done_ += tag.size;
    if (tag.timestamp) {
        base_ = micros_of(unrolled(*tag.timestamp, 33, tag_clock), tag_clock);
        since_ = 0;
        place_ = false;
    }
    return Step::on;
}

void PackedCutter::take_frame(const FrameHead& head, std::vector<Item>& out) {
    synced_ = true;
    const auto lasts = micros_of(head.samples, head.rate);
    const bool changed = !stream_ || !stream_->same_stream(head);
    if (frames_ > 0 && (changed || epoch_forced() || done_ - begin_ + head.size > s_.max_chunk ||
                        (span_ >= s_.max_span && head.samples > 0)))
        flush(out);
    if (changed) {
        if (base_) base_ = *base_ + micros_of(static_cast<std::int64_t>(since_), stream_ ? stream_->rate : 0);
        since_ = 0;
        stream_ = head;
    }
    if (changed || epoch_forced()) {
        Init draft;
        draft.format.container = Container::packed_audio;
        draft.tracks.push_back(Track{1, TrackKind::audio, std::string(head.codec), config_of(head), head.rate, {}});
        publish(std::move(draft), out);
    }
    if (frames_ == 0) {
        if (!base_) base_ = Micros{0};
        auto raw = *base_ + micros_of(static_cast<std::int64_t>(since_), head.rate);
        const auto due = expected_raw();
        if (std::exchange(place_, false) && due && std::chrono::abs(raw - *due) > believable) {
            base_ = raw = *due;
            since_ = 0;
        }
        stamp(raw, out);
    }
    ++frames_;
    ++stats_.frames;
    span_ += lasts;
    since_ += head.samples;
    done_ += head.size;
}

/// Hands out the tags and frames gathered so far.
void PackedCutter::flush(std::vector<Item>& out) {
    if (begin_ == done_) return;
    if (!init()) {  // a tag, and no frame yet: it waits for its Init
        lose(done_ - begin_);
        stats_.dropped_bytes += done_ - begin_;
        begin_ = done_;
        return;
    }
    Chunk chunk;
    chunk.bytes = Bytes::copy_of(std::span(bytes_).subspan(begin_, done_ - begin_));
    chunk.rap = frames_ > 0;
    chunk.dts = chunk_dts();
    chunk.raw_dts = chunk_raw();
    emit(std::move(chunk), arrival_, out);
    ++stats_.chunks;
    begin_ = done_;
    frames_ = 0;
    span_ = Micros{0};
}

void PackedCutter::skip_junk() {
    ++done_;
    begin_ = done_;
    synced_ = false;
    lose(1);
    ++stats_.dropped_bytes;
    ++before_sound_;
}

void PackedCutter::compact() {
    if (begin_ == 0 || begin_ < bytes_.size() / 2) return;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
    done_ -= begin_;
    begin_ = 0;
}

Result<> PackedCutter::end_unit(std::vector<Item>& out) {
    if (auto r = parse(true, out); !r) return r;
    if (frames_ > 0 || unit_has_chunk()) flush(out);
    forget();
    return close_unit("no sound in the whole segment", "are no frames", out);
}

void PackedCutter::abandon_unit(std::vector<Item>& out) {
    if (frames_ > 0) flush(out);
    forget();
    leave_unit(out);
}

}  // namespace weir::audio
