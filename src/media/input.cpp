#include <algorithm>
#include <cerrno>
#include <cstring>

#include "media/libav.h"
#include "media/timeline.h"

namespace weir::media {
namespace {

constexpr int read_buffer = 1 << 20;

int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EPERM);
}

int read_window(void* self, std::uint8_t* into, int count) {
    auto& w = *static_cast<Window*>(self);
    const auto got = w.read({into, static_cast<std::size_t>(count)});
    if (w.error()) return AVERROR(w.error());
    return got == 0 ? AVERROR_EOF : static_cast<int>(got);
}

std::int64_t seek_window(void* self, std::int64_t to, int whence) {
    auto& w = *static_cast<Window*>(self);
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) return static_cast<std::int64_t>(w.size());
    if (whence == SEEK_CUR) to += static_cast<std::int64_t>(w.at());
    if (whence == SEEK_END) to += static_cast<std::int64_t>(w.size());
    if (to < 0) return AVERROR(EINVAL);
    w.seek(static_cast<std::uint64_t>(to));
    return to;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> all) {
    return std::find(all.begin(), all.end(), name) != all.end();
}

}  // namespace

Result<std::unique_ptr<Input>> Input::open_stretch(const Stretch& s) {
    return open({.path = s.path,
                 .offset = s.offset,
                 .size = s.size,
                 .header_offset = s.header_offset,
                 .header_size = s.header_size});
}

Result<std::unique_ptr<Input>> Input::open(const Wish& wish) {
    std::unique_ptr<Input> in(new Input);
    auto window = Window::open(wish.path);
    if (!window) return window.error();
    in->window_ = std::move(*window);
    const char* format = wish.format;
    if (auto r = in->prepare(wish, format); !r) return within(fmt::format("open {}", wish.path), r.error());
    if (auto r = in->open_demuxer(wish, format); !r) return r.error();
    return in;
}

/// Sets the window's extents to what the demuxer is to see.
Result<> Input::prepare(const Wish& wish, const char*& format) {
    auto& window = *window_;
    const Window::Extent data{wish.offset, wish.size.value_or(window.file_size())};
    window.set({data});
    window_size_ = window.size();
    if (window.size() == 0) return Error{Errc::bad_input, "empty"};
    if (wish.header_size) window.set({{wish.header_offset, wish.header_size}, data});
    const auto unreadable = [&] { return from_errno(window.error(), "read"); };
    if (!format) format = demuxer_for(window);
    if (window.error()) return unreadable();
    if (!format) return Error{Errc::bad_input, "invalid data: none of MPEG-TS, MP4, Matroska, FLV, ADTS, MP3, AC-3"};
    ts_ = std::string_view(format) == "mpegts";
    packed_ = is_one_of(format, {"aac", "mp3", "ac3", "eac3"});
    if (packed_ && window.extents().size() == 1) tags_ = cut_tags(window);
    if (std::string_view(format) == "mov") {
        const auto walk = walk_boxes(window);
        fragmented_ = walk.fragmented;
        if (walk.fragmented && walk.fragments == 0) return Error{Errc::bad_input, "no whole fragment in it"};
        if (walk.whole_end < window.size()) {
            notes_.push_back(fmt::format("{} bytes at the end are no whole fragment", window.size() - walk.whole_end));
            auto extents = window.extents();
            extents.back().size -= window.size() - walk.whole_end;
            window.set(std::move(extents));
        }
        blank_ = wish.without_media && !walk.fragmented && walk.mdat_end > walk.mdat_begin;
        if (blank_) window.blank(walk.mdat_begin, walk.mdat_end);
    }
    if (window.error()) return unreadable();
    return {};
}

Result<> Input::open_demuxer(const Wish& wish, const char* format) {
    const auto* demuxer = av_find_input_format(format);
    if (!demuxer) return Error{Errc::unsupported, fmt::format("this libavformat cannot read {}", format)};
    io_ = avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(read_buffer)), read_buffer, 0, window_.get(),
                             read_window, nullptr, seek_window);
    context_ = avformat_alloc_context();
    if (!io_ || !context_) throw std::bad_alloc();
    context_->pb = io_;
    context_->flags |= AVFMT_FLAG_CUSTOM_IO;
    // Fragments one after the other instead of all at the beginning.
    if (fragmented_ && !wish.whole_index) context_->flags |= AVFMT_FLAG_IGNIDX;
    if (blank_) context_->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
    context_->io_open = refuse_to_open;
    context_->max_streams = 64;
    context_->probesize = 16 << 20;
    context_->max_analyze_duration = 20 * AV_TIME_BASE;
    // Packets we unwrap ourselves: libav's own way depends on where a stretch begins. For a duration it is good enough.
    context_->correct_ts_overflow = wish.whole_index ? 1 : 0;
    Options options;
    options.set("protocol_whitelist", "none");
    if (std::string_view(format) == "mov") options.set("advanced_editlist", "0");  // it would hide packets from us
    if (const int rc = avformat_open_input(&context_, nullptr, demuxer, options.out()); rc < 0) {
        if (window_->error()) return from_errno(window_->error(), fmt::format("read {}", wish.path));
        return from_av(rc, fmt::format("open {}", wish.path));
    }
    if (!wish.analyse || blank_) return {};
    if (const int rc = avformat_find_stream_info(context_, nullptr); rc < 0)
        return from_av(rc, fmt::format("read {}", wish.path));
    return {};
}

Input::~Input() {
    avformat_close_input(&context_);
    if (io_) av_freep(&io_->buffer);
    avio_context_free(&io_);
}

std::uint64_t Input::position() const noexcept {
    return std::min(window_->at(), window_size_);
}
std::uint64_t Input::size() const noexcept {
    return window_size_;
}

std::uint64_t Input::indexed_packets() const {
    std::uint64_t all = 0;
    if (fragmented_ || !std::string_view(context_->iformat->name).starts_with("mov")) return 0;
    for (unsigned i = 0; i < context_->nb_streams; ++i)
        all += static_cast<std::uint64_t>(std::max(avformat_index_get_entries_count(context_->streams[i]), 0));
    return all;
}

void Input::put_back(Packet packet) {
    put_back_.push_back(std::move(packet));
}

Result<bool> Input::next(AVPacket& into) {
    if (!put_back_.empty()) {
        av_packet_move_ref(&into, put_back_.front().get());
        put_back_.pop_front();
        return true;
    }
    constexpr int patience = 1000;  // of failures without a byte of progress
    for (int idle = 0; idle < patience;) {
        const auto before = avio_tell(io_);
        const int rc = av_read_frame(context_, &into);
        if (window_->error()) return from_errno(window_->error(), "read");
        if (rc >= 0) {
            if (packed_) time_packed(into);
            if (ts_ || (into.flags & AV_PKT_FLAG_CORRUPT) == 0) return true;
            ++damaged_;  // cut short by the end of the file
            av_packet_unref(&into);
            continue;
        }
        if (rc == AVERROR(ENOMEM)) return from_av(rc, "read");
        if (rc == AVERROR_EOF || avio_feof(io_)) return false;
        ++damaged_;
        idle = avio_tell(io_) > before ? 0 : idle + 1;
    }
    return from_av(AVERROR_INVALIDDATA, "read");
}

void Input::time_packed(AVPacket& packet) {
    constexpr AVRational ts_clock{1, 90'000};
    const AVStream& st = *context_->streams[packet.stream_index];
    const std::int64_t believable = av_rescale_q(50, {1, 1000}, st.time_base);  // tags are rounded
    for (; next_tag_ < tags_.size() && packet.pos >= 0 && tags_[next_tag_].at <= static_cast<std::uint64_t>(packet.pos);
         ++next_tag_) {
        if (!tags_[next_tag_].time) continue;
        const auto near = av_rescale_q(clock_, st.time_base, ts_clock);
        const auto first = next_tag_ == 0;
        const auto told =
            av_rescale_q(first ? *tags_[0].time : unwrap(*tags_[next_tag_].time, near, 33), ts_clock, st.time_base);
        if (first || std::abs(told - clock_) > believable) clock_ = told;
    }
    if (packet.duration <= 0 && st.codecpar->sample_rate > 0) {
        const int samples = st.codecpar->frame_size > 0 ? st.codecpar->frame_size : 1024;
        packet.duration = av_rescale_q(samples, {1, st.codecpar->sample_rate}, st.time_base);
    }
    packet.dts = packet.pts = clock_;
    clock_ += packet.duration;
}

}  // namespace weir::media
