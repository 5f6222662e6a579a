#include "media/libav_weak.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
}

#include <array>
#include <cmath>
#include <numbers>

#include "media/libav.h"
#include "media/pattern_picture.h"
#include "media/tool_work.h"

namespace weir::media {
namespace {

constexpr int sample_rate = 48'000, beep_samples = sample_rate / 10, channels = 2;
constexpr std::int64_t ticks = 90'000, start = ticks;  // times begin at 1 s, so that none is negative

struct EncoderDeleter {
    void operator()(AVCodecContext* c) const noexcept { avcodec_free_context(&c); }
};
using Encoder = std::unique_ptr<AVCodecContext, EncoderDeleter>;
struct FrameDeleter {
    void operator()(AVFrame* f) const noexcept { av_frame_free(&f); }
};
using Frame = std::unique_ptr<AVFrame, FrameDeleter>;

Result<> check(const PatternPlan& plan) {
    const auto within_limits = [](int value, int low, int high) { return value >= low && value <= high; };
    if (!within_limits(plan.width, 160, 3840) || !within_limits(plan.height, 90, 2160) || plan.width % 2 ||
        plan.height % 2)
        return Error{Errc::bad_input, fmt::format("a picture of {}x{} cannot be made: even, 160x90 to 3840x2160",
                                                  plan.width, plan.height)};
    if (!within_limits(plan.fps, 1, 120)) return Error{Errc::bad_input, "frames per second must be 1 to 120"};
    if (!within_limits(plan.seconds, 1, 3600)) return Error{Errc::bad_input, "seconds must be 1 to 3600"};
    if (!within_limits(plan.gop, 1, 1000)) return Error{Errc::bad_input, "a group must have 1 to 1000 frames"};
    if (plan.bitrate < 50'000 || plan.bitrate > 100'000'000)
        return Error{Errc::bad_input, "bitrate must be 50 kbit/s to 100 Mbit/s"};
    return {};
}

Result<Encoder> video_encoder(const PatternPlan& plan) {
    const AVCodec* codec = avcodec_find_encoder_by_name("libx264");
    if (!codec) codec = avcodec_find_encoder_by_name("libopenh264");
    if (!codec) return Error{Errc::unsupported, "this libavcodec has no H.264 encoder (libx264 or libopenh264)"};
    Encoder c(avcodec_alloc_context3(codec));
    if (!c) throw std::bad_alloc();
    c->width = plan.width;
    c->height = plan.height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = {1, plan.fps};
    c->framerate = {plan.fps, 1};
    c->gop_size = c->keyint_min = plan.gop;
    c->max_b_frames = 0;
    c->thread_count = 1;
    c->bit_rate = c->rc_max_rate = static_cast<std::int64_t>(plan.bitrate);
    c->rc_buffer_size = static_cast<int>(plan.bitrate);
    c->flags |= AV_CODEC_FLAG_CLOSED_GOP;
    c->color_primaries = AVCOL_PRI_BT709;
    c->color_trc = AVCOL_TRC_BT709;
    c->colorspace = AVCOL_SPC_BT709;
    c->color_range = AVCOL_RANGE_MPEG;
    Options options;
    options.set("preset", "ultrafast").set("x264-params", "scenecut=0:open-gop=0:rc-lookahead=0:sync-lookahead=0");
    if (const int rc = avcodec_open2(c.get(), codec, options.out()); rc < 0)
        return from_av(rc, "open the video encoder");
    return c;
}

Result<Encoder> audio_encoder() {
    const AVCodec* codec = avcodec_find_encoder_by_name("aac");
    if (!codec) return Error{Errc::unsupported, "this libavcodec has no AAC encoder"};
    Encoder c(avcodec_alloc_context3(codec));
    if (!c) throw std::bad_alloc();
    c->sample_rate = sample_rate;
    c->sample_fmt = AV_SAMPLE_FMT_FLTP;
    av_channel_layout_default(&c->ch_layout, channels);
    c->time_base = {1, sample_rate};
    c->bit_rate = 128'000;
    if (const int rc = avcodec_open2(c.get(), codec, nullptr); rc < 0) return from_av(rc, "open the sound encoder");
    return c;
}

class PatternMaker {
public:
    PatternMaker(const PatternPlan& plan, const OnProgress& on_progress)
        : plan_(plan), on_progress_(on_progress), painter_(plan.width, plan.height, plan.fps) {}

    Result<> run() {
        if (auto r = open(); !r) return r;
        const auto frames = static_cast<std::int64_t>(plan_.fps) * plan_.seconds;
        const auto samples = static_cast<std::int64_t>(sample_rate) * plan_.seconds;
        std::int64_t frame = 0, sample = 0;
        while (frame < frames || sample < samples) {
            // Whatever comes first in time goes first; the picture wins a tie.
            const bool picture = frame < frames && (sample >= samples || frame * sample_rate <= sample * plan_.fps);
            if (auto r = picture ? send_picture(frame) : send_sound(sample, samples); !r) return r;
            picture ? ++frame : sample += sound_->frame_size;
            if (on_progress_) on_progress_(static_cast<std::uint64_t>(frame), static_cast<std::uint64_t>(frames));
        }
        if (auto r = drain(*picture_, *video_stream_, nullptr); !r) return r;
        if (auto r = drain(*sound_, *audio_stream_, nullptr); !r) return r;
        auto bytes = out_->finish();
        if (!bytes) return bytes.error();
        return {};
    }

private:
    Result<> open() {
        auto picture = video_encoder(plan_);
        if (!picture) return picture.error();
        picture_ = std::move(*picture);
        auto sound = audio_encoder();
        if (!sound) return sound.error();
        sound_ = std::move(*sound);
        auto out = Output::create(plan_.output, "mpegts");
        if (!out) return out.error();
        out_ = std::move(*out);
        auto add = [&](const AVCodecContext& encoder) {
            AVStream* st = avformat_new_stream(&out_->context(), nullptr);
            if (!st || avcodec_parameters_from_context(st->codecpar, &encoder) < 0) throw std::bad_alloc();
            st->time_base = {1, ticks};
            return st;
        };
        video_stream_ = add(*picture_);
        audio_stream_ = add(*sound_);
        Options none;
        if (auto r = out_->begin(none); !r) return r;

        picture_frame_.reset(av_frame_alloc());
        sound_frame_.reset(av_frame_alloc());
        if (!picture_frame_ || !sound_frame_) throw std::bad_alloc();
        picture_frame_->format = picture_->pix_fmt;
        picture_frame_->width = plan_.width;
        picture_frame_->height = plan_.height;
        sound_frame_->format = sound_->sample_fmt;
        sound_frame_->sample_rate = sample_rate;
        sound_frame_->nb_samples = sound_->frame_size;
        if (av_channel_layout_copy(&sound_frame_->ch_layout, &sound_->ch_layout) < 0 ||
            av_frame_get_buffer(picture_frame_.get(), 0) < 0 || av_frame_get_buffer(sound_frame_.get(), 0) < 0)
            throw std::bad_alloc();
        return {};
    }

    Result<> send_picture(std::int64_t number) {
        AVFrame& f = *picture_frame_;
        if (const int rc = av_frame_make_writable(&f); rc < 0) return from_av(rc, "picture");
        const auto plane = [&](int i, int shift) {
            return Plane{f.data[i], f.linesize[i], plan_.width >> shift, plan_.height >> shift};
        };
        painter_.paint(static_cast<std::uint64_t>(number), plane(0, 0), plane(1, 1), plane(2, 1));
        f.pts = number;
        return drain(*picture_, *video_stream_, &f);
    }

    Result<> send_sound(std::int64_t from, std::int64_t end) {
        AVFrame& f = *sound_frame_;
        if (const int rc = av_frame_make_writable(&f); rc < 0) return from_av(rc, "sound");
        for (int i = 0; i < sound_->frame_size; ++i) {
            const std::int64_t at = (from + i) % sample_rate;
            const bool loud = at < beep_samples && from + i < end;
            const float value = loud ? static_cast<float>(0.4 * std::sin(2 * std::numbers::pi * 1000 *
                                                                         static_cast<double>(at) / sample_rate))
                                     : 0.0F;
            for (int c = 0; c < channels; ++c) reinterpret_cast<float*>(f.data[c])[i] = value;
        }
        f.pts = from;
        return drain(*sound_, *audio_stream_, &f);
    }

    /// Gives the encoder a frame (none: the end) and writes whatever comes out.
    Result<> drain(AVCodecContext& encoder, const AVStream& to, const AVFrame* frame) {
        if (const int rc = avcodec_send_frame(&encoder, frame); rc < 0) return from_av(rc, "encode");
        for (auto packet = new_packet();; av_packet_unref(packet.get())) {
            const int rc = avcodec_receive_packet(&encoder, packet.get());
            if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF) return {};
            if (rc < 0) return from_av(rc, "encode");
            av_packet_rescale_ts(packet.get(), encoder.time_base, {1, ticks});
            packet->pts += start;
            packet->dts += start;
            packet->stream_index = to.index;
            // A cut before any keyframe leaves two whole streams.
            if (to.index == video_stream_->index && packet->flags & AV_PKT_FLAG_KEY)
                av_opt_set(out_->context().priv_data, "mpegts_flags", "+resend_headers", 0);
            if (auto r = out_->write(*packet, false); !r) return r;
        }
    }

    const PatternPlan& plan_;
    const OnProgress& on_progress_;
    PatternPainter painter_;
    Encoder picture_, sound_;
    Frame picture_frame_, sound_frame_;
    AVStream *video_stream_ = nullptr, *audio_stream_ = nullptr;
    std::unique_ptr<Output> out_;
};

}  // namespace

Result<> make_pattern_here(const PatternPlan& plan, const OnProgress& on_progress) {
    if (auto r = check(plan); !r) return within("make pattern", r.error());
    if (auto r = PatternMaker(plan, on_progress).run(); !r) return within("make pattern", r.error());
    return {};
}

}  // namespace weir::media
