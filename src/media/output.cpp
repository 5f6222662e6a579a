#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "media/libav.h"
#include "media/partial_file.h"

namespace weir::media {
namespace {

constexpr int write_buffer = 1 << 20;

}  // namespace

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
        auto* buffer = static_cast<std::uint8_t*>(av_malloc(write_buffer));
        *io = avio_alloc_context(buffer, write_buffer, 0, again.get(), read_again, nullptr, seek_again);
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
    out->io_ = avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(write_buffer)), write_buffer, 1,
                                  out->target_.get(), nullptr, Target::write, Target::seek);
    avformat_alloc_output_context2(&out->context_, muxer, nullptr, "weir");
    if (!out->io_ || !out->context_) throw std::bad_alloc();
    out->io_->min_packet_size = write_buffer;  // else one write per packet
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
