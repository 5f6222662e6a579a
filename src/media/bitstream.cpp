#include "media/bitstream.h"

#include "media/libav_weak.h"

extern "C" {
#include <libavcodec/bsf.h>
#include <libavutil/buffer.h>
#include <libavutil/mem.h>
}

#include <cstring>
#include <new>
#include <span>

namespace weir::media {
namespace {

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

namespace {

/// Bits of an SPS from behind its level on; its first bytes need no unescaping.
class Bits {
public:
    explicit Bits(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    unsigned bit() {
        const auto byte = at_ / 8;
        if (byte >= bytes_.size()) return 0;
        return bytes_[byte] >> (7 - at_++ % 8) & 1u;
    }
    unsigned golomb() {
        int zeros = 0;
        while (zeros < 16 && at_ / 8 < bytes_.size() && !bit()) ++zeros;
        unsigned value = 1;
        while (zeros-- > 0) value = value << 1 | bit();
        return value - 1;
    }

private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
};

}  // namespace

std::vector<std::uint8_t> avcc_of(std::span<const std::uint8_t> extradata) {
    std::vector<std::span<const std::uint8_t>> nals, sps, pps;
    split_start_codes(extradata, nals);
    for (const auto& nal : nals) {
        if (nal.size() > 0xffff) return {};
        if ((nal[0] & 0x1f) == 7 && nal.size() >= 5) sps.push_back(nal);
        if ((nal[0] & 0x1f) == 8) pps.push_back(nal);
    }
    if (sps.empty() || pps.empty() || sps.size() > 31 || pps.size() > 255) return {};
    const auto& first = sps.front();
    std::vector<std::uint8_t> out{1, first[1], first[2], first[3], 0xff, static_cast<std::uint8_t>(0xe0 | sps.size())};
    const auto put = [&](std::span<const std::uint8_t> nal) {
        out.push_back(static_cast<std::uint8_t>(nal.size() >> 8));
        out.push_back(static_cast<std::uint8_t>(nal.size() & 0xff));
        out.insert(out.end(), nal.begin(), nal.end());
    };
    for (const auto& nal : sps) put(nal);
    out.push_back(static_cast<std::uint8_t>(pps.size()));
    for (const auto& nal : pps) put(nal);
    const int profile = first[1];
    if (profile == 66 || profile == 77 || profile == 88) return out;  // ISO 14496-15: the others say more
    Bits bits(first.subspan(4));
    (void)bits.golomb();  // the set's number
    const unsigned chroma = bits.golomb();
    if (chroma == 3) (void)bits.bit();
    const unsigned luma_depth = bits.golomb(), chroma_depth = bits.golomb();
    if (chroma > 3 || luma_depth > 6 || chroma_depth > 6) return {};
    for (const unsigned byte : {0xfcu | chroma, 0xf8u | luma_depth, 0xf8u | chroma_depth, 0u})
        out.push_back(static_cast<std::uint8_t>(byte));
    return out;
}

void to_lengths(AVPacket& packet, std::vector<std::span<const std::uint8_t>>& nals) {
    split_start_codes({packet.data, static_cast<std::size_t>(packet.size)}, nals);
    if (nals.empty()) nals.emplace_back(packet.data, static_cast<std::size_t>(packet.size));  // one bare unit
    std::size_t size = 0;
    for (const auto& nal : nals) size += 4 + nal.size();
    AVBufferRef* buffer = av_buffer_alloc(size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!buffer) throw std::bad_alloc();
    auto* to = buffer->data;
    for (const auto& nal : nals) {
        for (const int shift : {24, 16, 8, 0}) *to++ = static_cast<std::uint8_t>(nal.size() >> shift);
        std::memcpy(to, nal.data(), nal.size());
        to += nal.size();
    }
    std::memset(to, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    av_buffer_unref(&packet.buf);
    packet.buf = buffer;
    packet.data = buffer->data;
    packet.size = static_cast<int>(size);
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
