#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace weir::hls {

/// What a playlist may cost before it is refused; checked before anything is kept.
struct Limits {
    std::size_t bytes = 8u << 20;
    std::size_t lines = 600'000;
    std::size_t line_bytes = 64u << 10;
    std::size_t segments = 100'000;
    std::size_t variants = 1'000;  ///< and as many EXT-X-MEDIA
    std::size_t attributes = 100;  ///< of one tag
    std::size_t extras = 20'000;   ///< parts, date ranges, prefetch and preload hints, each
};

struct ByteRange {
    std::uint64_t length = 0;
    std::uint64_t offset = 0;  ///< resolved: an omitted offset continues the previous range of the same resource
    bool operator==(const ByteRange&) const = default;
};

enum class KeyMethod : std::uint8_t { none, aes_128, sample_aes, other };

struct Key {
    KeyMethod method = KeyMethod::none;
    std::string method_name;  ///< as written
    std::string uri;          ///< as written, not resolved
    std::optional<std::array<std::byte, 16>> iv = {};
    std::string key_format = "identity", key_format_versions = {};
};

struct Map {
    std::string uri;
    std::optional<ByteRange> range = {};
    std::shared_ptr<const Key> key = {};  ///< in force where the tag stands (RFC 8216 4.3.2.5); none: in the clear
    bool operator==(const Map& o) const { return uri == o.uri && range == o.range; }
};

struct Part {
    std::string uri;
    Micros duration{0};
    std::optional<ByteRange> range = {};
    bool independent = false, gap = false;
    std::uint64_t sequence = 0;  ///< of the segment it belongs to
};

struct DateRange {
    std::string id, cls, start_date, end_date;
    std::optional<Micros> duration = {}, planned_duration = {};
    bool end_on_next = false;
    std::vector<std::pair<std::string, std::string>> others;  ///< X-… and SCTE35-…, as written without quotes
};

struct Segment {
    std::uint64_t sequence = 0;
    std::uint64_t discontinuity_sequence = 0;
    bool discontinuity = false;  ///< EXT-X-DISCONTINUITY stands before it
    bool gap = false;            ///< EXT-X-GAP
    Micros duration{0};
    std::string title, uri;  ///< uri as written, not resolved
    std::optional<ByteRange> range = {};
    std::optional<std::int64_t> pdt =
        {};  ///< Unix milliseconds; counted on from the last tag where this segment has none
    bool pdt_written = false;
    std::shared_ptr<const Key> key = {};  ///< none: in the clear
    std::shared_ptr<const Map> map = {};
    std::optional<std::uint64_t> bitrate = {};  ///< bits per second
    std::size_t line = 0;
};

struct Hint {  ///< EXT-X-PRELOAD-HINT
    std::string type, uri;
    std::uint64_t range_start = 0;
    std::optional<std::uint64_t> range_length = {};
};

struct Report {  ///< EXT-X-RENDITION-REPORT
    std::string uri;
    std::optional<std::uint64_t> last_sequence = {}, last_part = {};
};

struct Start {
    double time_offset = 0;  ///< seconds, negative from the end
    bool precise = false;
};

struct ServerControl {
    bool can_block_reload = false;
    std::optional<double> can_skip_until = {}, hold_back = {}, part_hold_back = {};
};

struct MediaPlaylist {
    int version = 1;
    Micros target_duration{0};
    bool target_derived = false;  ///< the tag was missing: the longest segment counts
    std::uint64_t media_sequence = 0, discontinuity_sequence = 0;
    bool endlist = false, i_frames_only = false, independent_segments = false;
    enum class Type : std::uint8_t { live, event, vod } type = Type::live;
    std::optional<Start> start = {};
    std::optional<ServerControl> server_control = {};
    std::optional<Micros> part_target = {};
    std::uint64_t skipped = 0;  ///< EXT-X-SKIP; the first segment's sequence already counts them
    std::vector<Segment> segments;
    std::vector<Part> parts;
    std::vector<Hint> hints;
    std::vector<Report> reports;
    std::vector<DateRange> date_ranges;
    std::vector<std::string> prefetch;  ///< EXT-X-PREFETCH: URLs of segments still being made (withny WN-53)
};

struct Resolution {
    std::uint32_t width = 0, height = 0;
    bool operator==(const Resolution&) const = default;
};

struct Variant {
    std::string uri;
    std::uint64_t bandwidth = 0;
    std::optional<std::uint64_t> average_bandwidth = {};
    std::optional<Resolution> resolution = {};
    std::optional<double> frame_rate = {};
    std::string codecs, name, audio, video, subtitles, closed_captions, hdcp_level, video_range;
    std::size_t line = 0;
};

struct Rendition {  ///< EXT-X-MEDIA
    std::string type, uri, group, name, language, channels, instream_id, characteristics;
    bool is_default = false, autoselect = false, forced = false;
};

struct MasterPlaylist {
    int version = 1;
    bool independent_segments = false;
    std::optional<Start> start = {};
    std::vector<Variant> variants, i_frame_variants;
    std::vector<Rendition> renditions;
    std::vector<std::shared_ptr<const Key>> session_keys;
    std::vector<std::pair<std::string, std::string>> session_data;  ///< id, value
};

using Playlist = std::variant<MasterPlaylist, MediaPlaylist>;

/// Reads a multivariant or a media playlist.
/// in       the whole text; CRLF, a byte order mark, blank lines, unknown tags and a missing target duration are borne
/// errors   bad_input, naming the line: "line 7: …"; text that is no playlist at all is one plain sentence
/// limits   see Limits; each is checked before anything more is allocated
/// threads  pure; URIs are neither resolved nor judged here
/// source   RFC 8216 and the low-latency tags of its second edition; EXT-X-PREFETCH of IVS; NAME= of older servers
[[nodiscard]] Result<Playlist> parse(std::string_view text, const Limits& limits = {});

/// What the first bytes of a segment or a file are, whatever its name says (CVE-2017-9993, CVE-2023-6601). `mp4` is a
/// file that is surely not fragmented (ftyp, then mdat first, or a moov without mvex); every other ISO file is `fmp4`.
enum class Content : std::uint8_t { ts, fmp4, packed_audio, webvtt, text, playlist, unknown, flv, matroska, mp4 };
[[nodiscard]] Content sniff(std::span<const std::byte> first_bytes) noexcept;
[[nodiscard]] std::string_view name_of(Content c) noexcept;

}  // namespace weir::hls
