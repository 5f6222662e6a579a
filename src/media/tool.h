#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "core/item.h"
#include "runtime/asio.h"
#include "runtime/file_system.h"

namespace weir::media {

/// What libav does for weir happens in a child process of this same binary ("weir media-tool", limits set, no URL ever
/// opened): these functions send a plan and read the outcome. They do not block the shard; a cancellation kills the
/// child.

/// Containers that weir writes. `m4a` is MP4 without pictures; `fmp4` is MP4 in fragments, readable while it grows.
enum class OutputFormat : std::uint8_t { mp4, m4a, matroska, ts, flv, fmp4 };
/// By a name's last extension in any letter case: mp4 m4v mov, m4a, mkv mka, ts, flv. unsupported: any other, naming those.
[[nodiscard]] Result<OutputFormat> format_for(std::string_view file_name);
[[nodiscard]] std::string_view ending_of(OutputFormat f) noexcept;  ///< ".mp4"; fmp4 too

/// One stretch of a file whose timestamps are continuous. Empty ones (size 0) are skipped.
struct Stretch {
    std::string path;
    std::uint64_t offset = 0, size = 0;
    Micros shift{
        0};  ///< added to every timestamp of it: one offset for all tracks, so sound and picture never drift apart
    std::uint64_t header_offset = 0,
                  header_size = 0;  ///< bytes of the same file that come before it (ftyp+moov, FLV header)
    std::uint16_t lane = 0;         ///< stretches of one lane follow each other; lanes run side by side on one clock
    bool follows = false;           ///< `shift` is not known: it begins where all stretches before it end
};

/// What a track holds, by content and not by container: NAL units and raw AAC frames hash alike in TS and MP4.
struct TrackSummary {
    TrackKind kind = TrackKind::data;
    std::string codec;
    std::uint64_t packets = 0;
    std::uint64_t hash = 0;    ///< over the hashes of all access units, in order
    Micros first{0}, last{0};  ///< presentation times
};
struct Summary {
    std::vector<TrackSummary> tracks;
    Micros duration{0};
    std::uint64_t bytes = 0;  ///< size of the file made or read
    std::vector<std::string>
        notes;  ///< what people should know: tracks that MP4 cannot hold, damage skipped, times mended
};

/// Remuxes the stretches into a new file (must not exist; MP4 with its index at the front), without transcoding. Streams of
/// later stretches go on with the tracks of earlier ones of their lane by codec and id; what the container cannot hold is
/// left out and noted. Returns what it read and wrote: an access-unit summary of the input.
///
/// inputs   MPEG-TS, MP4 (fragmented too), Matroska, FLV, ADTS, MP3 and (E-)AC-3, by content; in any mixture (FC2-85)
/// times    33-bit ones are unwrapped; those of packed audio are what its ID3 tags say, from 0 without a tag. A stretch
///          that begins before the end of what is there: its units that were written already are left out (until the very
///          unit the file ends with, else the next keyframe) and counted in a note, if it is at most 15 s and more than
///          0.5 s or the same content. Not for `follows`.
/// damage   a torn fragment at an end is cut off, broken packets are left out; noted
/// errors   busy (output exists), bad_input (no inputs, nothing in them that the container can hold), not_found, denied,
///          no_space, io; the output is taken away again
struct JoinPlan {
    std::vector<Stretch> input;
    std::string output;
    std::map<std::string, std::string> metadata;
    std::function<void(double)> on_progress = {};  ///< 0 to 1, a few times a second, on the caller's executor
    OutputFormat format = OutputFormat::mp4;
    bool audio_only = false;
    std::map<std::uint16_t, std::string> languages = {};  ///< by lane ("jpn"): of tracks whose input does not say
    bool content = true;  ///< hash the access units; without it the summary's hashes are 0
};
Task<Result<Summary>> join(asio::any_io_executor ex, JoinPlan plan);

/// What a file is and holds, from its headers and first packets.
struct ProbeTrack {
    TrackKind kind = TrackKind::data;
    std::string codec, profile, language;
    int width = 0, height = 0;  ///< of pictures
    double frames_per_second = 0;
    int sample_rate = 0, channels = 0;  ///< of sound
    std::uint64_t bit_rate = 0;         ///< bits per second, 0 when it is not said
};
struct Probe {
    std::string format;  ///< libav's name: "mpegts", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "aac"
    Micros duration{0}, start{0};
    std::uint64_t bytes = 0;
    std::vector<ProbeTrack> tracks;
    [[nodiscard]] bool has_media() const noexcept;     ///< sound or pictures (FC2-87)
    [[nodiscard]] bool is_ts_or_aac() const noexcept;  ///< FC2-87
};
/// errors  bad_input: not readable as media ("invalid data"), not_found, denied
Task<Result<Probe>> probe(asio::any_io_executor ex, std::string path);

/// Reads a file back as the judge of its own making: the same summary from the finished file.
Task<Result<Summary>> summarise(asio::any_io_executor ex, std::string path);
/// Packets and times alone (all hashes are 0), for a join without `content`. From the index where there is one (MP4): it
/// proves that every packet has its place within the file, not what stands there.
Task<Result<Summary>> summarise_index(asio::any_io_executor ex, std::string path);
/// `equal` in packets, content and (within one tick of 1/1000 s) timing; else says the first difference.
[[nodiscard]] Result<> same_content(const Summary& raw, const Summary& made);

/// Makes `seconds` of the built-in test pattern as MPEG-TS (H.264 + AAC): frame counter as painted digits and as bars,
/// a clock, a beep each second; closed groups of `gop` frames. Blocking in the child only.
///
/// bars     the lowest tenth of the picture (height / 10, rounded down to even, at least 16 rows): the frame number,
/// counted from 0,
///          as 24 equal cells, the most significant bit on the left; cell i covers columns i * width / 24 to (i + 1) *
///          width / 24. Luma 235 is 1, 16 is 0: read the middle of a cell and compare with 128
/// flash    a square of height / 6 in the upper right corner, 8 pixels from both edges: white while the beep sounds,
/// else black sound    48 kHz stereo, 100 ms of 1 kHz from each whole second on, silence between; the first beep begins
/// with frame 0 order    PAT and PMT stand before every keyframe, so the file may be cut there; no B-frames; times
/// begin at 1 s
struct PatternPlan {
    std::string output;
    int width = 640, height = 360, fps = 30, seconds = 60, gop = 30;
    std::uint64_t bitrate = 1'500'000;
};
Task<Result<>> make_pattern(asio::any_io_executor ex, PatternPlan plan);

/// The child's side: reads a plan from standard input, writes one JSON line of progress or outcome at a time. Called by
/// main before anything else when argv[1] is "media-tool".
int tool_main();
/// Names and versions of the libav libraries in use, for `weir version`.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> library_versions();
/// The program started as "PROGRAM media-tool"; own_executable() unless set. For tests.
void set_tool_executable(std::string path);

}  // namespace weir::media
