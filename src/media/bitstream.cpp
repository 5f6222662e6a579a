#include "media/bitstream.h"

extern "C" {
#include <libavcodec/bsf.h>
#include <libavutil/mem.h>
}

#include <cstring>
#include <span>

namespace weir::media {
namespace {

std::span<const std::uint8_t> extradata_of(const AVCodecParameters& par) {
    return {par.extradata, static_cast<std::size_t>(par.extradata_size)};
}

Result<Filter> make_filter(const char* name, const AVCodecParameters& par, AVRational time_base) {
    const auto* kind = av_bsf_get_by_name(name);
    AVBSFContext* made = nullptr;
    if (!kind) return Error{Errc::unsupported, fmt::format("this libavcodec lacks {}", name)};
    if (av_bsf_alloc(kind, &made) < 0) throw std::bad_alloc();
    Filter filter(made);
    if (avcodec_parameters_copy(made->par_in, &par) < 0) throw std::bad_alloc();
    made->time_base_in = time_base;
    if (const int rc = av_bsf_init(made); rc < 0) return from_av(rc, name);
    return filter;
}

const char* to_start_codes(AVCodecID codec) {
    return codec == AV_CODEC_ID_H264 ? "h264_mp4toannexb" : "hevc_mp4toannexb";
}

}  // namespace

void FilterDeleter::operator()(AVBSFContext* f) const noexcept {
    av_bsf_free(&f);
}

Form form_of(const AVCodecParameters& par, bool ts) noexcept {
    if (par.codec_id == AV_CODEC_ID_AAC) return Form::raw_aac;
    const auto coding = par.codec_id == AV_CODEC_ID_H264   ? UnitCoding::h264
                        : par.codec_id == AV_CODEC_ID_HEVC ? UnitCoding::hevc
                                                           : UnitCoding::whole;
    if (coding == UnitCoding::whole) return Form::as_it_is;
    return !ts && nal_length_of(coding, extradata_of(par)) ? Form::lengths : Form::start_codes;
}

Result<Normaliser> Normaliser::make(const AVStream& from, Form have, Form want) {
    Normaliser n;
    n.have_ = have;
    n.want_ = want;
    if (have == Form::lengths && want == Form::start_codes) {
        auto filter = make_filter(to_start_codes(from.codecpar->codec_id), *from.codecpar, from.time_base);
        if (!filter) return filter.error();
        n.filter_ = std::move(*filter);
    }
    return n;
}

bool Normaliser::apply(AVPacket& packet) {
    if (packet.size <= 0) return false;
    if (want_ == Form::raw_aac) {
        const auto header = adts_header_size({packet.data, static_cast<std::size_t>(packet.size)});
        packet.data += header;
        packet.size -= static_cast<int>(header);
        return packet.size > 0;
    }
    if (!filter_) return true;
    auto out = new_packet();
    if (av_bsf_send_packet(filter_.get(), &packet) < 0) {
        av_packet_unref(&packet);
        return false;
    }
    const bool good = av_bsf_receive_packet(filter_.get(), out.get()) >= 0 && out->size > 0;
    if (!good) {
        av_bsf_flush(filter_.get());
        return false;
    }
    av_packet_unref(&packet);
    av_packet_move_ref(&packet, out.get());
    return true;
}

void set_extradata(AVCodecParameters& par, std::span<const std::uint8_t> bytes) {
    av_freep(&par.extradata);
    par.extradata_size = 0;
    if (bytes.empty()) return;
    par.extradata = static_cast<std::uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    if (!par.extradata) throw std::bad_alloc();
    std::memcpy(par.extradata, bytes.data(), bytes.size());
    par.extradata_size = static_cast<int>(bytes.size());
}

Parameters with_start_codes(const AVCodecParameters& from, AVRational time_base) {
    auto par = clone(from);
    auto filter = make_filter(to_start_codes(from.codec_id), from, time_base);
    if (filter) set_extradata(*par, extradata_of(*(*filter)->par_out));
    return par;
}

std::vector<std::uint8_t> config_of_adts(const AVCodecParameters& par, const AVPacket& frame) {
    auto filter = make_filter("aac_adtstoasc", par, {1, 90'000});
    auto copy = new_packet();
    if (!filter || av_packet_ref(copy.get(), &frame) < 0) return {};
    if (av_bsf_send_packet(filter->get(), copy.get()) < 0) return {};
    if (av_bsf_receive_packet(filter->get(), copy.get()) < 0) return {};
    std::size_t size = 0;
    const auto* config = av_packet_get_side_data(copy.get(), AV_PKT_DATA_NEW_EXTRADATA, &size);
    return config ? std::vector<std::uint8_t>(config, config + size) : std::vector<std::uint8_t>{};
}

}  // namespace weir::media
