#pragma once
// libav behind RAII, for the .cpp files of this folder only. Everything here blocks and runs in the child.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/mathematics.h>
}

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "core/item.h"

namespace weir::media {

/// What libav returned, as an Error of ours; adds the last complaint libav logged on this thread of work.
[[nodiscard]] Error from_av(int code, std::string_view step);

/// From now on libav's log goes nowhere but into the text of from_av().
void capture_av_log();

struct PacketDeleter {
    void operator()(AVPacket* p) const noexcept { av_packet_free(&p); }
};
using Packet = std::unique_ptr<AVPacket, PacketDeleter>;
[[nodiscard]] Packet new_packet();

struct ParametersDeleter {
    void operator()(AVCodecParameters* p) const noexcept { avcodec_parameters_free(&p); }
};
using Parameters = std::unique_ptr<AVCodecParameters, ParametersDeleter>;
[[nodiscard]] Parameters clone(const AVCodecParameters& from);

/// Options for libav's "dictionary" arguments; frees what was not taken.
class Options {
public:
    Options() = default;
    ~Options() { av_dict_free(&dict_); }
    Options(const Options&) = delete;
    Options& set(const char* key, const std::string& value) {
        av_dict_set(&dict_, key, value.c_str(), 0);
        return *this;
    }
    [[nodiscard]] AVDictionary** out() noexcept { return &dict_; }

private:
    AVDictionary* dict_ = nullptr;
};

[[nodiscard]] TrackKind kind_of(const AVCodecParameters& par) noexcept;
[[nodiscard]] std::string codec_name(const AVCodecParameters& par);

/// A window of a file, opened by one demuxer of the allow-list through our own descriptor; libav opens nothing by
/// itself.
class Input {
public:
    struct Wish {
        std::string path;
        std::uint64_t offset = 0;
        std::optional<std::uint64_t> size = {};  ///< none: to the end of the file
        const char* format = nullptr;            ///< "mpegts", "mov", "flv"; none: by the first bytes
        bool analyse = true;                     ///< find what the headers do not say (TS needs it)
    };
    /// errors  not_found, denied, io; unsupported (none of our containers); bad_input (libav cannot make sense of it)
    static Result<std::unique_ptr<Input>> open(const Wish& wish);
    ~Input();
    Input(const Input&) = delete;

    [[nodiscard]] AVFormatContext& context() noexcept { return *context_; }
    [[nodiscard]] bool is_ts() const noexcept { return ts_; }
    /// False at the end of the window. Damage in the middle is skipped and counted.
    Result<bool> next(AVPacket& into);
    [[nodiscard]] std::uint64_t position() const noexcept;  ///< bytes of the window read so far
    [[nodiscard]] std::uint64_t size() const noexcept;      ///< bytes of the window that exist
    [[nodiscard]] std::uint64_t damaged() const noexcept { return damaged_; }

private:
    struct Window;
    Input() = default;
    std::unique_ptr<Window> window_;
    AVIOContext* io_ = nullptr;
    AVFormatContext* context_ = nullptr;
    bool ts_ = false;
    std::uint64_t damaged_ = 0;
};

/// A new file being written by one muxer through our own descriptor. Until finish() succeeded the destructor takes it
/// away again.
class Output {
public:
    /// errors  busy when the file exists, denied, no_space, io; unsupported when libav lacks the muxer
    static Result<std::unique_ptr<Output>> create(const std::string& path, const char* format);
    ~Output();
    Output(const Output&) = delete;

    [[nodiscard]] AVFormatContext& context() noexcept { return *context_; }
    Result<> begin(Options& options);
    /// Takes the packet's reference; `interleaved` lets libav order the tracks.
    Result<> write(AVPacket& packet, bool interleaved = true);
    /// Writes the index, syncs the file and returns its size.
    Result<std::uint64_t> finish();

private:
    struct Target;
    Output() = default;
    Error failure(int code, std::string_view step) const;
    std::unique_ptr<Target> target_;
    AVIOContext* io_ = nullptr;
    AVFormatContext* context_ = nullptr;
    bool begun_ = false, done_ = false;
};

}  // namespace weir::media
