#pragma once
// libav behind RAII, for the .cpp files of this folder only. Everything here blocks and runs in the child.
#include "media/libav_weak.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/mathematics.h>
}

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/item.h"
#include "media/tool.h"
#include "media/window.h"

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
[[nodiscard]] inline std::span<const std::uint8_t> extradata_of(const AVCodecParameters& par) {
    return {par.extradata, static_cast<std::size_t>(par.extradata_size)};
}

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
/// itself. A torn fragment at the end of an MP4 is cut off before libav sees it, and the tags between the segments of
/// packed audio are taken out.
class Input {
public:
    struct Wish {
        std::string path;
        std::uint64_t offset = 0;
        std::optional<std::uint64_t> size = {};            ///< none: to the end of the file
        std::uint64_t header_offset = 0, header_size = 0;  ///< bytes of the same file to be read first
        const char* format = nullptr;                      ///< a demuxer; none: by the first bytes
        bool analyse = true;                               ///< find what the headers do not say (TS needs it)
        bool whole_index = false;                          ///< look at all fragments at once, to know the duration
        bool without_media = false;                        ///< unfragmented MP4: packets have sizes, but no content
    };
    /// errors  not_found, denied, io; unsupported (none of our containers); bad_input (libav cannot make sense of it)
    static Result<std::unique_ptr<Input>> open(const Wish& wish);
    static Result<std::unique_ptr<Input>> open_stretch(const Stretch& stretch);
    ~Input();
    Input(const Input&) = delete;

    [[nodiscard]] AVFormatContext& context() noexcept { return *context_; }
    [[nodiscard]] bool is_ts() const noexcept { return ts_; }
    /// Packets by the index of an unfragmented MP4, 0 when there is none.
    [[nodiscard]] std::uint64_t indexed_packets() const;
    [[nodiscard]] bool wraps() const noexcept { return ts_ || packed_; }  ///< times have 33 bits of 90 kHz
    /// False at the end of the window. Damage in the middle is skipped and counted. Times of packed audio are those of
    /// its tags (from 0 without any), and frames follow each other evenly between them.
    Result<bool> next(AVPacket& into);
    void put_back(Packet packet);                           ///< next() gives those first, oldest first
    [[nodiscard]] std::uint64_t position() const noexcept;  ///< bytes of the window read so far
    [[nodiscard]] std::uint64_t size() const noexcept;      ///< bytes of the window that exist
    [[nodiscard]] std::uint64_t damaged() const noexcept { return damaged_; }
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

private:
    Input() = default;
    Result<> prepare(const Wish& wish, const char*& format);
    Result<> open_demuxer(const Wish& wish, const char* format);
    void time_packed(AVPacket& packet);

    std::unique_ptr<Window> window_;
    AVIOContext* io_ = nullptr;
    AVFormatContext* context_ = nullptr;
    bool ts_ = false, packed_ = false, fragmented_ = false, blank_ = false;
    std::uint64_t damaged_ = 0, window_size_ = 0;
    std::vector<std::string> notes_;
    std::deque<Packet> put_back_;
    std::vector<TimeTag> tags_;
    std::size_t next_tag_ = 0;
    std::int64_t clock_ = 0;
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
