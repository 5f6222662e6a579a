#include "media/libav.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "media/partial_file.h"

namespace weir::media {
namespace {

constexpr int io_buffer = 1 << 20;

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

int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EPERM);
}

/// The demuxer for what a file begins with; nullptr when it is none of ours.
const char* format_of(std::span<const std::uint8_t> head) {
    const auto has = [&](std::size_t at, std::string_view text) {
        return head.size() >= at + text.size() && std::memcmp(head.data() + at, text.data(), text.size()) == 0;
    };
    if (has(4, "ftyp") || has(4, "styp") || has(4, "moov") || has(4, "moof")) return "mov";
    if (has(0, "FLV\x01")) return "flv";
    constexpr std::size_t packet = 188;
    // A torn head is allowed: the grid of sync bytes may begin anywhere in the first packet.
    for (std::size_t first = 0; first < packet && first < head.size(); ++first) {
        std::size_t at = first, hits = 0;
        while (at < head.size() && head[at] == 0x47) at += packet, ++hits;
        if (at >= head.size() && hits >= std::min<std::size_t>(5, head.size() / packet) && hits > 0) return "mpegts";
    }
    return nullptr;
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

// ---------------------------------------------------------------- Input

struct Input::Window {
    int fd = -1;
    std::int64_t offset = 0, size = 0, at = 0;
    int error = 0;  ///< errno of a read that failed: libav would take it for the end

    ~Window() {
        if (fd >= 0) ::close(fd);
    }

    static int read(void* self, std::uint8_t* into, int count) {
        auto& w = *static_cast<Window*>(self);
        const auto want = std::min<std::int64_t>(count, w.size - w.at);
        if (want <= 0) return AVERROR_EOF;
        ssize_t got = 0;
        do got = ::pread(w.fd, into, static_cast<std::size_t>(want), w.offset + w.at);
        while (got < 0 && errno == EINTR);
        if (got < 0) {
            w.error = errno;
            return AVERROR(w.error);
        }
        if (got == 0) return AVERROR_EOF;
        w.at += got;
        return static_cast<int>(got);
    }

    static std::int64_t seek(void* self, std::int64_t to, int whence) {
        auto& w = *static_cast<Window*>(self);
        whence &= ~AVSEEK_FORCE;
        if (whence == AVSEEK_SIZE) return w.size;
        if (whence == SEEK_CUR) to += w.at;
        if (whence == SEEK_END) to += w.size;
        if (to < 0) return AVERROR(EINVAL);
        return w.at = to;
    }
};

Result<std::unique_ptr<Input>> Input::open(const Wish& wish) {
    std::unique_ptr<Input> in(new Input);
    in->window_ = std::make_unique<Window>();
    auto& window = *in->window_;
    window.fd = ::open(wish.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (window.fd < 0) return from_errno(errno, fmt::format("open {}", wish.path));
    struct stat about {};
    if (::fstat(window.fd, &about) < 0) return from_errno(errno, fmt::format("open {}", wish.path));
    if (!S_ISREG(about.st_mode)) return Error{Errc::unsupported, fmt::format("{} is not a plain file", wish.path)};
    const auto end = static_cast<std::uint64_t>(about.st_size);
    window.offset = static_cast<std::int64_t>(std::min(wish.offset, end));
    window.size = static_cast<std::int64_t>(std::min(wish.size.value_or(end), end - std::min(wish.offset, end)));
    if (window.size == 0) return Error{Errc::bad_input, "empty", fmt::format("open {}", wish.path)};
    ::posix_fadvise(window.fd, window.offset, window.size, POSIX_FADV_SEQUENTIAL);

    const char* format = wish.format;
    if (!format) {
        std::array<std::uint8_t, 188 * 8> head{};
        const int got = Window::read(&window, head.data(), static_cast<int>(head.size()));
        if (got < 0) return from_errno(window.error, fmt::format("read {}", wish.path));
        window.at = 0;
        format = format_of({head.data(), static_cast<std::size_t>(got)});
        if (!format) return Error{Errc::bad_input, "neither MPEG-TS, MP4 nor FLV", fmt::format("open {}", wish.path)};
    }
    const auto* demuxer = av_find_input_format(format);
    if (!demuxer) return Error{Errc::unsupported, fmt::format("this libavformat cannot read {}", format)};
    in->ts_ = std::string_view(format) == "mpegts";

    in->io_ = avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(io_buffer)), io_buffer, 0, &window, Window::read,
                                 nullptr, Window::seek);
    in->context_ = avformat_alloc_context();
    if (!in->io_ || !in->context_) throw std::bad_alloc();
    auto& context = *in->context_;
    context.pb = in->io_;
    context.flags |= AVFMT_FLAG_CUSTOM_IO;
    context.io_open = refuse_to_open;
    context.max_streams = 64;
    context.probesize = 16 << 20;
    context.max_analyze_duration = 20 * AV_TIME_BASE;
    context.correct_ts_overflow = 0;  // we unwrap ourselves: libav's own way depends on where a stretch begins
    Options options;
    options.set("protocol_whitelist", "none");
    if (!in->ts_) options.set("advanced_editlist", "0");  // it would hide packets from us
    if (const int rc = avformat_open_input(&in->context_, nullptr, demuxer, options.out()); rc < 0) {
        if (window.error) return from_errno(window.error, fmt::format("read {}", wish.path));
        return from_av(rc, fmt::format("open {}", wish.path));
    }
    if (wish.analyse)
        if (const int rc = avformat_find_stream_info(in->context_, nullptr); rc < 0)
            return from_av(rc, fmt::format("read {}", wish.path));
    return in;
}

Input::~Input() {
    avformat_close_input(&context_);
    if (io_) av_freep(&io_->buffer);
    avio_context_free(&io_);
}

std::uint64_t Input::position() const noexcept {
    return static_cast<std::uint64_t>(window_->at);
}
std::uint64_t Input::size() const noexcept {
    return static_cast<std::uint64_t>(window_->size);
}

Result<bool> Input::next(AVPacket& into) {
    constexpr int patience = 1000;  // of failures without a byte of progress
    for (int idle = 0; idle < patience;) {
        const auto before = avio_tell(io_);
        const int rc = av_read_frame(context_, &into);
        if (window_->error) return from_errno(window_->error, "read");
        if (rc >= 0) return true;
        if (rc == AVERROR(ENOMEM)) return from_av(rc, "read");
        if (rc == AVERROR_EOF || avio_feof(io_)) return false;
        ++damaged_;
        idle = avio_tell(io_) > before ? 0 : idle + 1;
    }
    return from_av(AVERROR_INVALIDDATA, "read");
}

// ---------------------------------------------------------------- Output

#if LIBAVFORMAT_VERSION_MAJOR >= 61
using WriteByte = const std::uint8_t;
#else
using WriteByte = std::uint8_t;
#endif

struct Output::Target {
    int fd = -1;
    std::string path;
    std::int64_t at = 0, end = 0;
    int error = 0;

    static int write(void* self, WriteByte* from, int count) {
        auto& t = *static_cast<Target*>(self);
        for (int done = 0; done < count;) {
            const ssize_t put = ::pwrite(t.fd, from + done, static_cast<std::size_t>(count - done), t.at);
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) {
                t.error = put < 0 ? errno : EIO;
                return AVERROR(t.error);
            }
            done += static_cast<int>(put);
            t.at += put;
        }
        t.end = std::max(t.end, t.at);
        return count;
    }

    static std::int64_t seek(void* self, std::int64_t to, int whence) {
        auto& t = *static_cast<Target*>(self);
        whence &= ~AVSEEK_FORCE;
        if (whence == AVSEEK_SIZE) return t.end;
        if (whence == SEEK_CUR) to += t.at;
        if (whence == SEEK_END) to += t.end;
        if (to < 0) return AVERROR(EINVAL);
        return t.at = to;
    }

    /// The muxer's second look at its own file, to move the index to the front.
    struct Again {
        Target* target;
        std::int64_t at = 0;
    };
    static int read_again(void* self, std::uint8_t* into, int count) {
        auto& a = *static_cast<Again*>(self);
        ssize_t got = 0;
        do got = ::pread(a.target->fd, into, static_cast<std::size_t>(count), a.at);
        while (got < 0 && errno == EINTR);
        if (got < 0) return AVERROR(a.target->error = errno);
        a.at += got;
        return got == 0 ? AVERROR_EOF : static_cast<int>(got);
    }
    static std::int64_t seek_again(void* self, std::int64_t to, int whence) {
        auto& a = *static_cast<Again*>(self);
        whence &= ~AVSEEK_FORCE;
        if (whence == AVSEEK_SIZE) return a.target->end;
        if (whence == SEEK_CUR) to += a.at;
        if (whence == SEEK_END) to += a.target->end;
        return to < 0 ? AVERROR(EINVAL) : a.at = to;
    }

    static int open_again(AVFormatContext* context, AVIOContext** io, const char*, int flags, AVDictionary**) {
        if (flags & AVIO_FLAG_WRITE) return AVERROR(EPERM);
        auto again = std::make_unique<Again>(Again{static_cast<Target*>(context->opaque)});
        auto* buffer = static_cast<std::uint8_t*>(av_malloc(io_buffer));
        *io = avio_alloc_context(buffer, io_buffer, 0, again.get(), read_again, nullptr, seek_again);
        if (!*io) {
            av_free(buffer);
            return AVERROR(ENOMEM);
        }
        (void)again.release();  // close_again() takes it
        return 0;
    }
    static int close_again(AVFormatContext*, AVIOContext* io) {
        if (!io) return 0;
        delete static_cast<Again*>(io->opaque);
        av_freep(&io->buffer);
        avio_context_free(&io);
        return 0;
    }
};

Result<std::unique_ptr<Output>> Output::create(const std::string& path, const char* format) {
    const auto* muxer = av_guess_format(format, nullptr, nullptr);
    if (!muxer) return Error{Errc::unsupported, fmt::format("this libavformat cannot write {}", format)};
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) return Error{Errc::busy, "already exists", fmt::format("create {}", path)};
    if (fd < 0) return from_errno(errno, fmt::format("create {}", path));
    partial_file_begins(path);

    std::unique_ptr<Output> out(new Output);
    out->target_ = std::make_unique<Target>();
    out->target_->fd = fd;
    out->target_->path = path;
    out->io_ = avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(io_buffer)), io_buffer, 1, out->target_.get(),
                                  nullptr, Target::write, Target::seek);
    avformat_alloc_output_context2(&out->context_, muxer, nullptr, "weir");
    if (!out->io_ || !out->context_) throw std::bad_alloc();
    out->io_->min_packet_size = io_buffer;  // else one write per packet
    out->context_->pb = out->io_;
    out->context_->flags |= AVFMT_FLAG_CUSTOM_IO;
    out->context_->opaque = out->target_.get();
    out->context_->io_open = Target::open_again;
    out->context_->io_close2 = Target::close_again;
    return out;
}

Output::~Output() {
    avformat_free_context(context_);
    if (io_) av_freep(&io_->buffer);
    avio_context_free(&io_);
    if (!target_) return;
    if (target_->fd >= 0) ::close(target_->fd);
    if (!done_) ::unlink(target_->path.c_str());
    partial_file_ends();
}

Error Output::failure(int code, std::string_view step) const {
    if (target_->error) return from_errno(target_->error, fmt::format("{} {}", step, target_->path));
    return from_av(code, step);
}

Result<> Output::begin(Options& options) {
    if (const int rc = avformat_write_header(context_, options.out()); rc < 0) return failure(rc, "begin");
    begun_ = true;
    return {};
}

Result<> Output::write(AVPacket& packet, bool interleaved) {
    const int rc = interleaved ? av_interleaved_write_frame(context_, &packet) : av_write_frame(context_, &packet);
    if (rc < 0 || target_->error) return failure(rc, "write");
    return {};
}

Result<std::uint64_t> Output::finish() {
    const int rc = av_write_trailer(context_);
    avio_flush(io_);
    if (rc < 0 || io_->error < 0 || target_->error) return failure(rc < 0 ? rc : io_->error, "finish");
    if (::fdatasync(target_->fd) < 0) return from_errno(errno, fmt::format("sync {}", target_->path));
    done_ = true;
    return static_cast<std::uint64_t>(target_->end);
}

}  // namespace weir::media
