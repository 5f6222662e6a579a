#include "media/libav.h"

#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

namespace weir::media {
namespace {

struct Complaints {
    std::mutex lock;
    std::string last;
};
Complaints& complaints() {
    static auto* all = new Complaints;  // libav may log from its threads while we exit
    return *all;
}

void take_log(void* where, int level, const char* format, va_list arguments) {
    if (level > AV_LOG_ERROR) return;
    std::array<char, 512> line{};
    int print_prefix = 1;
    av_log_format_line(where, level, format, arguments, line.data(), static_cast<int>(line.size()), &print_prefix);
    std::string text(line.data());
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    if (text.empty()) return;
    const std::lock_guard guard(complaints().lock);
    complaints().last = std::move(text);
}

std::string take_complaint() {
    const std::lock_guard guard(complaints().lock);
    return std::exchange(complaints().last, {});
}

}  // namespace

Error from_av(int code, std::string_view step) {
    if (code == AVERROR(ENOMEM))
        return Error{Errc::bad_input, "wants more memory than the media tool may have", std::string(step)};
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(code, text.data(), text.size());
    std::string what(text.data());
    if (!what.empty() && what[0] >= 'A' && what[0] <= 'Z') what[0] = static_cast<char>(what[0] - 'A' + 'a');
    if (const auto more = take_complaint(); !more.empty()) what += fmt::format(" ({})", more);
    const bool system =
        code == AVERROR(EIO) || code == AVERROR(ENOSPC) || code == AVERROR(EDQUOT) || code == AVERROR(EACCES);
    if (system) return Error{from_errno(AVUNERROR(code), "").code, std::move(what), std::string(step)};
    return Error{Errc::bad_input, std::move(what), std::string(step)};
}

void capture_av_log() {
    av_log_set_level(AV_LOG_ERROR);
    av_log_set_callback(take_log);
}

Packet new_packet() {
    Packet p(av_packet_alloc());
    if (!p) throw std::bad_alloc();
    return p;
}

Parameters clone(const AVCodecParameters& from) {
    Parameters p(avcodec_parameters_alloc());
    if (!p || avcodec_parameters_copy(p.get(), &from) < 0) throw std::bad_alloc();
    return p;
}

TrackKind kind_of(const AVCodecParameters& par) noexcept {
    switch (par.codec_type) {
        case AVMEDIA_TYPE_VIDEO:
            return TrackKind::video;
        case AVMEDIA_TYPE_AUDIO:
            return TrackKind::audio;
        case AVMEDIA_TYPE_SUBTITLE:
            return TrackKind::text;
        default:
            return TrackKind::data;
    }
}

std::string codec_name(const AVCodecParameters& par) {
    const auto* known = avcodec_descriptor_get(par.codec_id);
    return known ? known->name : "unknown";
}

}  // namespace weir::media
