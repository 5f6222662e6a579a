#include "proto/flv/flv_cutter.h"

#include <algorithm>
#include <utility>

#include "proto/field_reader.h"

namespace weir::flv {
namespace {

using Role = TagBody::Role;

void add(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

/// Two tags are the same when their bodies are: the timestamp may differ.
bool same_body(std::span<const std::byte> a, std::span<const std::byte> b) {
    if (a.size() != b.size() || a.size() < tag_head_size) return false;
    return std::equal(a.begin() + tag_head_size, a.end(), b.begin() + tag_head_size);
}

}  // namespace

Cutter::Cutter(CutterSettings settings) : UnitFrame(settings.lane, settings.first_epoch, settings.jump), s_(settings) {}

void Cutter::begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) {
    forget();
    UnitFrame::begin_unit(unit, gen, duration, expected, slack);
}

void Cutter::forget() {
    bytes_.clear();
    at_ = 0;
    script_.clear();
    early_.clear();
    early_first_.reset();
    some_media_ = false;
    chunk_.clear();
    rap_ = timed_ = false;
    chunk_dts_.reset();
    chunk_raw_.reset();
}

Result<> Cutter::set_header(const Bytes&) {
    return Error{Errc::unsupported, "FLV has no header of its own (EXT-X-MAP)"};
}

Cutter::Stream* Cutter::stream_of(TagType type) noexcept {
    return type == TagType::video ? &video_ : type == TagType::audio ? &sound_ : nullptr;
}

Result<> Cutter::feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) {
    arrival_ = arrival;
    stats_.bytes += piece.size();
    add(bytes_, piece.view());
    for (;;) {
        const auto went = step(out);
        if (!went) return went.error();
        if (!*went) break;
    }
    if (at_ > 0) bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    return {};
}

/// One file head or one tag; false when it is not whole yet.
Result<bool> Cutter::step(std::vector<Item>& out) {
    const auto rest = std::span(bytes_).subspan(at_);
    if (rest.empty()) return false;
    if (rest[0] == std::byte{'F'}) return take_file_head(rest);
    if (rest.size() < tag_head_size) return false;
    const auto head = read_tag_head(rest);
    if (!head)
        return Error{Errc::bad_input, file_head_.empty() ? "not an FLV stream"
                                                         : "the FLV stream is damaged: no tag where one should be"};
    if (file_head_.empty()) return Error{Errc::bad_input, "the FLV stream does not begin with its head"};
    if (rest.size() < head->whole()) return false;
    const auto whole = rest.first(head->whole());
    if (auto r = mend(whole.last(back_size), static_cast<std::uint32_t>(tag_head_size + head->size)); !r)
        return r.error();
    ++stats_.tags;
    take_tag({*head, read_tag_body(head->type, whole.subspan(tag_head_size, head->size)), whole}, out);
    at_ += whole.size();
    return true;
}

Result<bool> Cutter::take_file_head(std::span<const std::byte> rest) {
    if (rest.size() < file_head_size) return false;
    const auto head = read_file_head(rest);
    if (!head) return Error{Errc::bad_input, "not an FLV head"};
    const auto size = head->size + back_size;
    if (rest.size() < size) return false;
    file_head_.assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
    std::fill(file_head_.end() - back_size, file_head_.end(), std::byte{0});
    video_.promised = head->video;
    sound_.promised = head->audio;
    at_ += size;
    return true;
}

Result<> Cutter::mend(std::span<std::byte> back, std::uint32_t tag) {
    const auto said = FieldReader(back).u32();
    if (said == tag) return {};
    if (said != 0 && said != tag - tag_head_size)
        return Error{Errc::bad_input,
                     fmt::format("the FLV stream is damaged: a tag of {} bytes says it has {}", tag, said)};
    ++stats_.mended;
    for (std::size_t i = 0; i < back_size; ++i) back[i] = std::byte(tag >> (24 - 8 * i) & 0xff);
    return {};
}

void Cutter::take_tag(const Tag& tag, std::vector<Item>& out) {
    if (tag.body.role == Role::metadata) {
        // A new stream's metadata come right before its sequence headers: it is known by the next tag where they belong.
        flush_script(out);
        if (early_mode_ && metadata_.empty())
            metadata_.assign(tag.whole.begin(), tag.whole.end());
        else
            script_.assign(tag.whole.begin(), tag.whole.end());
    } else if (tag.body.role == Role::sequence_header) {
        take_sequence_header(tag, out);
    } else {
        take_media(tag, out);
    }
}

void Cutter::take_sequence_header(const Tag& tag, std::vector<Item>& out) {
    auto& stream = *stream_of(tag.head.type);
    if (same_body(stream.header, tag.whole) && stream.codec == tag.body.codec) return take_media(tag, out);
    if (!early_mode_ || !stream.header.empty()) {
        release_early(out);
        flush(out);
        unpublished_ = true;
    }
    if (!script_.empty()) metadata_ = std::exchange(script_, {});
    stream.codec = tag.body.codec;
    stream.header.assign(tag.whole.begin(), tag.whole.end());
    stream.extradata = Bytes::copy_of(tag.body.config);
}

void Cutter::take_media(const Tag& tag, std::vector<Item>& out) {
    flush_script(out);
    some_media_ = some_media_ || tag.body.role == Role::media;
    if (early_mode_) return keep_early(tag, out);
    place(tag, out);
}

void Cutter::keep_early(const Tag& tag, std::vector<Item>& out) {
    if (auto* stream = stream_of(tag.head.type); stream && tag.body.role == Role::media && !stream->known())
        stream->codec = tag.body.codec;
    add(early_, tag.whole);
    if (tag.body.role != Role::media) {
        if (early_.size() <= s_.max_early) return;
        if (video_.known() || sound_.known()) return release_early(out);
        lose(early_.size());  // commands and texts without end, and no media
        early_.clear();
        return;
    }
    if (!early_first_) early_first_ = tag.head.timestamp;
    const bool complete = (video_.known() || !video_.promised) && (sound_.known() || !sound_.promised);
    const auto span = std::chrono::milliseconds(tag.head.timestamp - *early_first_);
    if (complete || early_.size() >= s_.max_early || span >= s_.max_early_span) release_early(out);
}

void Cutter::release_early(std::vector<Item>& out) {
    if (!std::exchange(early_mode_, false)) return;
    const auto tags = std::exchange(early_, {});
    early_first_.reset();
    for (std::span<const std::byte> rest = tags; !rest.empty();) {
        const auto head = *read_tag_head(rest);
        place({head, read_tag_body(head.type, rest.subspan(tag_head_size, head.size)), rest.first(head.whole())}, out);
        rest = rest.subspan(head.whole());
    }
}

/// A tag that belongs in a chunk.
void Cutter::place(const Tag& tag, std::vector<Item>& out) {
    auto* stream = stream_of(tag.head.type);
    if (stream && tag.body.role == Role::media && stream->codec != tag.body.codec) {
        // A codec without a sequence header, or a stream that was not there before.
        flush(out);
        stream->codec = tag.body.codec;
        stream->header.clear();
        stream->extradata = {};
        unpublished_ = true;
    }
    if (unpublished_ || epoch_forced()) publish_now(out);
    const bool main = stream && tag.body.role == Role::media && (stream == &video_ || !video_.known());
    if (!main) {
        if (chunk_.size() + tag.whole.size() > s_.max_chunk) flush(out);
        return add(chunk_, tag.whole);
    }
    const auto raw = micros_of(unrolled(tag.head.timestamp, 32, 1000), 1000);
    const bool spans = chunk_raw_ && (raw - *chunk_raw_ >= s_.max_span || raw < *chunk_raw_);
    const bool key = tag.body.keyframe && stream == &video_;
    if (key || spans || !chunk_raw_ || awaits_timestamp() || chunk_.size() + tag.whole.size() > s_.max_chunk)
        flush(out);
    stamp(raw, out);
    if (!std::exchange(timed_, true)) {
        rap_ = tag.body.keyframe;  // a keyframe of the video is the first tag by now
        chunk_dts_ = chunk_dts();
        chunk_raw_ = chunk_raw();
    }
    add(chunk_, tag.whole);
}

void Cutter::flush_script(std::vector<Item>& out) {
    if (script_.empty()) return;
    const auto script = std::exchange(script_, {});
    const Tag tag{*read_tag_head(script), {}, script};
    if (early_mode_)
        keep_early(tag, out);
    else
        place(tag, out);
}

/// Hands out the tags gathered so far. A chunk that begins in the middle of a picture bears that picture's time.
void Cutter::flush(std::vector<Item>& out) {
    if (!chunk_.empty()) {
        Chunk chunk;
        chunk.bytes = Bytes::copy_of(chunk_);
        chunk.rap = rap_;
        chunk.dts = chunk_dts_;
        chunk.raw_dts = chunk_raw_;
        emit(std::move(chunk), arrival_, out);
        ++stats_.chunks;
        chunk_.clear();
    }
    rap_ = timed_ = false;
    chunk_dts_ = chunk_dts();
    chunk_raw_ = chunk_raw();
}

void Cutter::publish_now(std::vector<Item>& out) {
    flush(out);
    Init draft;
    draft.format.container = Container::flv;
    auto header = file_head_;
    add(header, metadata_);
    for (auto* stream : {&video_, &sound_}) {
        if (!stream->known()) continue;
        const bool video = stream == &video_;
        draft.tracks.push_back(Track{
            video ? 9u : 8u, video ? TrackKind::video : TrackKind::audio, stream->codec, stream->extradata, 1000, {}});
        add(header, stream->header);
    }
    draft.header = Bytes::copy_of(header);
    publish(std::move(draft), out);
    unpublished_ = false;
}

Result<> Cutter::end_unit(std::vector<Item>& out) {
    if (!bytes_.empty()) return Error{Errc::bad_input, "the FLV stream ends inside a tag"};
    if (some_media_ || unit_has_chunk()) {  // otherwise the last chunk that went out would lack unit_end
        flush_script(out);
        release_early(out);
        flush(out);
    }
    forget();
    return close_unit("no media in the whole FLV segment", "are no tags", out);
}

void Cutter::abandon_unit(std::vector<Item>& out) {
    if (some_media_ || unit_has_chunk()) {
        release_early(out);
        flush(out);
    }
    forget();
    leave_unit(out);
}

}  // namespace weir::flv
