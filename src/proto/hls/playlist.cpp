#include "proto/hls/playlist.h"

#include <algorithm>
#include <array>
#include <functional>

#include "proto/hls/attributes.h"

namespace weir::hls {
namespace {

Error at_line(std::size_t line, std::string_view what) {
    return Error{Errc::bad_input, fmt::format("line {}: {}", line, what)};
}

std::optional<std::array<std::byte, 16>> hex_iv(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
    if (text.empty() || text.size() > 32) return std::nullopt;
    std::array<std::byte, 16> out{};
    std::size_t nibble = 32 - text.size();  // shorter ones are right-aligned numbers
    for (const char c : text) {
        unsigned v = 0;
        if (c >= '0' && c <= '9')
            v = static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = static_cast<unsigned>(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            v = static_cast<unsigned>(c - 'A') + 10;
        else
            return std::nullopt;
        out[nibble / 2] |= static_cast<std::byte>(nibble % 2 ? v : v << 4);
        ++nibble;
    }
    return out;
}

struct LooseRange {
    std::uint64_t length = 0;
    std::optional<std::uint64_t> offset;
};

/// "length[@offset]"
std::optional<LooseRange> loose_range(std::string_view text) {
    const auto at = text.find('@');
    const auto length = whole_number(text.substr(0, at));
    if (!length) return std::nullopt;
    LooseRange out{*length, std::nullopt};
    if (at != std::string_view::npos) {
        out.offset = whole_number(text.substr(at + 1));
        if (!out.offset) return std::nullopt;
    }
    if (out.offset && *out.offset + out.length < out.length) return std::nullopt;
    return out;
}

class Parser {
public:
    explicit Parser(const Limits& limits) : limits_(limits) {}

    Result<Playlist> run(std::string_view text) {
        if (text.size() > limits_.bytes)
            return Error{Errc::bad_input,
                         fmt::format("the playlist has {} bytes, above the limit of {}", text.size(), limits_.bytes)};
        if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
        if (!trim(text.substr(0, std::min<std::size_t>(text.find('\n'), 64))).starts_with("#EXTM3U"))
            return not_one(text);
        while (!text.empty()) {
            const auto end = text.find('\n');
            const auto raw = text.substr(0, end);
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
            if (++line_ > limits_.lines) return at_line(line_, fmt::format("more than {} lines", limits_.lines));
            if (raw.size() > limits_.line_bytes)
                return at_line(line_, fmt::format("longer than {} bytes", limits_.line_bytes));
            const auto line = trim(raw);
            if (line.empty()) continue;
            if (line.find('\0') != std::string_view::npos) return at_line(line_, "contains a zero byte");
            auto done = line[0] == '#' ? tag(line) : uri(line);
            if (!done) return at_line(line_, done.error().what);
        }
        return finish();
    }

private:
    static Error not_one(std::string_view text) {
        const auto content = sniff(std::as_bytes(std::span(text.data(), std::min<std::size_t>(text.size(), 1024))));
        if (text.empty()) return Error{Errc::bad_input, "not an HLS playlist: the answer is empty"};
        if (content == Content::text)
            return Error{Errc::bad_input, "not an HLS playlist: the answer is a text or HTML page"};
        return Error{Errc::bad_input, "not an HLS playlist: it does not begin with #EXTM3U"};
    }

    static Error broken(std::string_view what) { return Error{Errc::bad_input, std::string(what)}; }

    Result<> tag(std::string_view line) {
        if (!line.starts_with("#EXT")) return {};  // a comment
        const auto colon = line.find(':');
        const auto name = line.substr(0, colon);
        const auto value = colon == std::string_view::npos ? std::string_view{} : trim(line.substr(colon + 1));
        for (const auto& [known, act] : table())
            if (known == name) return (this->*act)(value);
        return {};  // unknown tags are ignored (RFC 8216 6.3.1)
    }

    using Act = Result<> (Parser::*)(std::string_view);
    static const std::vector<std::pair<std::string_view, Act>>& table() {
        // The most frequent ones first.
        static const std::vector<std::pair<std::string_view, Act>> acts{
            {"#EXTINF", &Parser::extinf},
            {"#EXT-X-PROGRAM-DATE-TIME", &Parser::pdt},
            {"#EXT-X-BYTERANGE", &Parser::byterange},
            {"#EXT-X-PART", &Parser::part},
            {"#EXT-X-DISCONTINUITY", &Parser::discontinuity},
            {"#EXT-X-KEY", &Parser::key},
            {"#EXT-X-GAP", &Parser::gap},
            {"#EXT-X-DATERANGE", &Parser::daterange},
            {"#EXT-X-BITRATE", &Parser::bitrate},
            {"#EXT-X-MAP", &Parser::map},
            {"#EXT-X-VERSION", &Parser::version},
            {"#EXT-X-TARGETDURATION", &Parser::target},
            {"#EXT-X-MEDIA-SEQUENCE", &Parser::media_sequence},
            {"#EXT-X-DISCONTINUITY-SEQUENCE", &Parser::discontinuity_sequence},
            {"#EXT-X-ENDLIST", &Parser::endlist},
            {"#EXT-X-PLAYLIST-TYPE", &Parser::playlist_type},
            {"#EXT-X-I-FRAMES-ONLY", &Parser::i_frames},
            {"#EXT-X-INDEPENDENT-SEGMENTS", &Parser::independent},
            {"#EXT-X-START", &Parser::start},
            {"#EXT-X-SERVER-CONTROL", &Parser::server_control},
            {"#EXT-X-PART-INF", &Parser::part_inf},
            {"#EXT-X-SKIP", &Parser::skip},
            {"#EXT-X-PRELOAD-HINT", &Parser::preload_hint},
            {"#EXT-X-RENDITION-REPORT", &Parser::rendition_report},
            {"#EXT-X-PREFETCH", &Parser::prefetch},
            {"#EXT-X-STREAM-INF", &Parser::stream_inf},
            {"#EXT-X-I-FRAME-STREAM-INF", &Parser::i_frame_stream_inf},
            {"#EXT-X-MEDIA", &Parser::media},
            {"#EXT-X-SESSION-KEY", &Parser::session_key},
            {"#EXT-X-SESSION-DATA", &Parser::session_data},
        };
        return acts;
    }

    // Media tags

    Result<> extinf(std::string_view value) {
        is_media_ = true;
        const auto comma = value.find(',');
        const auto duration = seconds(value.substr(0, comma));
        if (!duration || *duration > std::chrono::hours(24)) return broken("EXTINF is not a duration in seconds");
        next_.duration = *duration;
        next_.title = comma == std::string_view::npos ? "" : std::string(trim(value.substr(comma + 1)));
        have_extinf_ = true;
        return {};
    }

    Result<> pdt(std::string_view value) {
        is_media_ = true;
        next_.pdt = date_time(value);  // an unreadable date is as good as none
        next_.pdt_written = next_.pdt.has_value();
        return {};
    }

    Result<> byterange(std::string_view value) {
        is_media_ = true;
        range_ = loose_range(value);
        if (!range_) return broken("EXT-X-BYTERANGE is not length[@offset]");
        return {};
    }

    Result<> discontinuity(std::string_view) {
        is_media_ = next_.discontinuity = true;
        ++discontinuities_;
        return {};
    }

    Result<> gap(std::string_view) {
        is_media_ = next_.gap = true;
        return {};
    }

    Result<> bitrate(std::string_view value) {
        if (const auto kbit = whole_number(value); kbit && *kbit < 1'000'000'000) bitrate_ = *kbit * 1000;
        return {};
    }

    Result<> key(std::string_view value) {
        is_media_ = true;
        auto read = read_key(value);
        if (!read) return read.error();
        key_ = read.value()->method == KeyMethod::none ? nullptr : read.value();
        return {};
    }

    Result<std::shared_ptr<const Key>> read_key(std::string_view value) const {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        auto key = std::make_shared<Key>();
        key->method_name = a->text("METHOD");
        if (key->method_name.empty()) return broken("EXT-X-KEY without METHOD");
        if (key->method_name == "NONE") return std::shared_ptr<const Key>(key);
        key->method = key->method_name == "AES-128"                ? KeyMethod::aes_128
                      : key->method_name.starts_with("SAMPLE-AES") ? KeyMethod::sample_aes
                                                                   : KeyMethod::other;
        key->uri = a->text("URI");
        if (key->uri.empty()) return broken("EXT-X-KEY without URI");
        if (const auto iv = a->find("IV")) {
            key->iv = hex_iv(*iv);
            if (!key->iv) return broken("the IV of EXT-X-KEY is not a hexadecimal number of up to 128 bits");
        }
        if (const auto format = a->find("KEYFORMAT")) key->key_format = *format;
        key->key_format_versions = a->text("KEYFORMATVERSIONS");
        return std::shared_ptr<const Key>(key);
    }

    Result<> map(std::string_view value) {
        is_media_ = true;
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        auto map = std::make_shared<Map>();
        map->uri = a->text("URI");
        if (map->uri.empty()) return broken("EXT-X-MAP without URI");
        if (const auto text = a->find("BYTERANGE")) {
            const auto range = loose_range(*text);
            if (!range) return broken("the BYTERANGE of EXT-X-MAP is not length[@offset]");
            map->range = ByteRange{range->length, range->offset.value_or(0)};
        }
        map->key = key_;
        map_ = std::move(map);
        return {};
    }

    Result<> part(std::string_view value) {
        is_media_ = true;
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (media_.parts.size() == limits_.extras) return broken(fmt::format("more than {} parts", limits_.extras));
        Part part;
        part.uri = a->text("URI");
        const auto duration = seconds(a->text("DURATION"));
        if (part.uri.empty() || !duration) return broken("EXT-X-PART needs URI and DURATION");
        part.duration = *duration;
        part.independent = a->yes("INDEPENDENT");
        part.gap = a->yes("GAP");
        if (const auto text = a->find("BYTERANGE")) {
            const auto range = loose_range(*text);
            if (!range) return broken("the BYTERANGE of EXT-X-PART is not length[@offset]");
            const auto continued =
                !media_.parts.empty() && media_.parts.back().range && media_.parts.back().uri == part.uri
                    ? media_.parts.back().range->offset + media_.parts.back().range->length
                    : 0;
            part.range = ByteRange{range->length, range->offset.value_or(continued)};
        }
        part.sequence = media_.segments.size();  // made absolute at the end, when the media sequence is known for sure
        media_.parts.push_back(std::move(part));
        return {};
    }

    Result<> daterange(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (media_.date_ranges.size() == limits_.extras)
            return broken(fmt::format("more than {} date ranges", limits_.extras));
        DateRange range;
        for (const auto& [name, text] : a->all()) {
            if (name == "ID")
                range.id = text;
            else if (name == "CLASS")
                range.cls = text;
            else if (name == "START-DATE")
                range.start_date = text;
            else if (name == "END-DATE")
                range.end_date = text;
            else if (name == "DURATION")
                range.duration = seconds(text);
            else if (name == "PLANNED-DURATION")
                range.planned_duration = seconds(text);
            else if (name == "END-ON-NEXT")
                range.end_on_next = text == "YES";
            else
                range.others.emplace_back(name, text);
        }
        media_.date_ranges.push_back(std::move(range));
        return {};
    }

    Result<> version(std::string_view value) {
        const auto n = whole_number(value);
        if (!n || *n > 1000) return broken("EXT-X-VERSION is not a number");
        media_.version = master_.version = static_cast<int>(*n);
        return {};
    }

    Result<> target(std::string_view value) {
        is_media_ = true;
        const auto duration = seconds(value);  // whole seconds by the RFC; some write decimals
        if (!duration || *duration > std::chrono::hours(24))
            return broken("EXT-X-TARGETDURATION is not a number of seconds");
        media_.target_duration = *duration;
        return {};
    }

    Result<> media_sequence(std::string_view value) {
        is_media_ = true;
        const auto n = whole_number(value);
        if (!n || *n > (std::uint64_t{1} << 62)) return broken("EXT-X-MEDIA-SEQUENCE is not a number");
        media_.media_sequence = *n;
        return {};
    }

    Result<> discontinuity_sequence(std::string_view value) {
        is_media_ = true;
        const auto n = whole_number(value);
        if (!n || *n > (std::uint64_t{1} << 62)) return broken("EXT-X-DISCONTINUITY-SEQUENCE is not a number");
        media_.discontinuity_sequence = *n;
        return {};
    }

    Result<> endlist(std::string_view) {
        is_media_ = media_.endlist = true;
        return {};
    }

    Result<> playlist_type(std::string_view value) {
        is_media_ = true;
        if (value == "VOD") media_.type = MediaPlaylist::Type::vod;
        if (value == "EVENT") media_.type = MediaPlaylist::Type::event;
        return {};
    }

    Result<> i_frames(std::string_view) {
        is_media_ = media_.i_frames_only = true;
        return {};
    }

    Result<> independent(std::string_view) {
        media_.independent_segments = master_.independent_segments = true;
        return {};
    }

    Result<> start(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        const auto offset = decimal(a->text("TIME-OFFSET"));
        if (offset) media_.start = master_.start = Start{*offset, a->yes("PRECISE")};
        return {};
    }

    Result<> server_control(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        media_.server_control = ServerControl{a->yes("CAN-BLOCK-RELOAD"), decimal(a->text("CAN-SKIP-UNTIL")),
                                              decimal(a->text("HOLD-BACK")), decimal(a->text("PART-HOLD-BACK"))};
        return {};
    }

    Result<> part_inf(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        media_.part_target = seconds(a->text("PART-TARGET"));
        return {};
    }

    Result<> skip(std::string_view value) {
        is_media_ = true;
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        const auto n = whole_number(a->text("SKIPPED-SEGMENTS"));
        if (!n || *n > limits_.segments) return broken("EXT-X-SKIP without a sane SKIPPED-SEGMENTS");
        media_.skipped = *n;
        return {};
    }

    Result<> preload_hint(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (media_.hints.size() == limits_.extras)
            return broken(fmt::format("more than {} preload hints", limits_.extras));
        media_.hints.push_back({a->text("TYPE"), a->text("URI"), whole_number(a->text("BYTERANGE-START")).value_or(0),
                                whole_number(a->text("BYTERANGE-LENGTH"))});
        return {};
    }

    Result<> rendition_report(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (media_.reports.size() == limits_.extras) return broken(fmt::format("more than {} reports", limits_.extras));
        media_.reports.push_back(
            {a->text("URI"), whole_number(a->text("LAST-MSN")), whole_number(a->text("LAST-PART"))});
        return {};
    }

    Result<> prefetch(std::string_view value) {
        is_media_ = true;
        if (media_.prefetch.size() == limits_.extras)
            return broken(fmt::format("more than {} prefetch tags", limits_.extras));
        media_.prefetch.emplace_back(value);
        return {};
    }

    // Multivariant tags

    Result<Variant> read_variant(std::string_view value) {
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (master_.variants.size() + master_.i_frame_variants.size() >= limits_.variants)
            return broken(fmt::format("more than {} variants", limits_.variants));
        Variant v;
        v.bandwidth = whole_number(a->text("BANDWIDTH")).value_or(0);
        v.average_bandwidth = whole_number(a->text("AVERAGE-BANDWIDTH"));
        const auto size = a->text("RESOLUTION");
        if (const auto x = size.find_first_of("xX"); x != std::string::npos) {
            const auto w = whole_number(std::string_view(size).substr(0, x)),
                       h = whole_number(std::string_view(size).substr(x + 1));
            if (w && h && *w < 100'000 && *h < 100'000)
                v.resolution = Resolution{static_cast<std::uint32_t>(*w), static_cast<std::uint32_t>(*h)};
        }
        v.frame_rate = decimal(a->text("FRAME-RATE"));
        v.codecs = a->text("CODECS");
        v.name = a->text("NAME");
        v.audio = a->text("AUDIO");
        v.video = a->text("VIDEO");
        v.subtitles = a->text("SUBTITLES");
        v.closed_captions = a->text("CLOSED-CAPTIONS");
        v.hdcp_level = a->text("HDCP-LEVEL");
        v.video_range = a->text("VIDEO-RANGE");
        v.uri = a->text("URI");
        v.line = line_;
        return v;
    }

    Result<> stream_inf(std::string_view value) {
        is_master_ = true;
        auto v = read_variant(value);
        if (!v) return v.error();
        variant_ = std::move(v.value());
        return {};
    }

    Result<> i_frame_stream_inf(std::string_view value) {
        is_master_ = true;
        auto v = read_variant(value);
        if (!v) return v.error();
        master_.i_frame_variants.push_back(std::move(v.value()));
        return {};
    }

    Result<> media(std::string_view value) {
        is_master_ = true;
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (master_.renditions.size() == limits_.variants)
            return broken(fmt::format("more than {} EXT-X-MEDIA", limits_.variants));
        Rendition r;
        r.type = a->text("TYPE");
        r.uri = a->text("URI");
        r.group = a->text("GROUP-ID");
        r.name = a->text("NAME");
        r.language = a->text("LANGUAGE");
        r.channels = a->text("CHANNELS");
        r.instream_id = a->text("INSTREAM-ID");
        r.characteristics = a->text("CHARACTERISTICS");
        r.is_default = a->yes("DEFAULT");
        r.autoselect = a->yes("AUTOSELECT");
        r.forced = a->yes("FORCED");
        master_.renditions.push_back(std::move(r));
        return {};
    }

    Result<> session_key(std::string_view value) {
        is_master_ = true;
        auto read = read_key(value);
        if (!read) return read.error();
        if (master_.session_keys.size() < limits_.variants) master_.session_keys.push_back(std::move(read.value()));
        return {};
    }

    Result<> session_data(std::string_view value) {
        is_master_ = true;
        auto a = Attributes::parse(value, limits_.attributes);
        if (!a) return a.error();
        if (master_.session_data.size() < limits_.variants)
            master_.session_data.emplace_back(a->text("DATA-ID"), a->find("VALUE") ? a->text("VALUE") : a->text("URI"));
        return {};
    }

    // Lines that are URIs, and the end

    Result<> uri(std::string_view line) {
        if (variant_) {
            variant_->uri = line;
            master_.variants.push_back(std::move(*variant_));
            variant_.reset();
            return {};
        }
        if (is_master_ && !have_extinf_) return broken("a URI without EXT-X-STREAM-INF in a multivariant playlist");
        if (media_.segments.size() == limits_.segments)
            return broken(fmt::format("more than {} segments", limits_.segments));
        is_media_ = true;
        next_.uri = line;
        next_.line = line_;
        next_.key = key_;
        next_.map = map_;
        next_.bitrate = bitrate_;
        next_.discontinuity_sequence = discontinuities_;
        if (auto r = place_range(); !r) return r;
        if (!next_.pdt && !media_.segments.empty() && media_.segments.back().pdt)
            next_.pdt = *media_.segments.back().pdt + media_.segments.back().duration.count() / 1000;
        media_.segments.push_back(std::move(next_));
        next_ = {};
        have_extinf_ = false;
        range_.reset();
        return {};
    }

    Result<> place_range() {
        if (!range_) return {};
        std::uint64_t offset = 0;
        if (range_->offset) {
            offset = *range_->offset;
        } else {
            if (media_.segments.empty() || !media_.segments.back().range || media_.segments.back().uri != next_.uri)
                return broken("EXT-X-BYTERANGE without an offset does not follow a range of the same resource");
            offset = media_.segments.back().range->offset + media_.segments.back().range->length;
        }
        if (offset + range_->length < offset) return broken("EXT-X-BYTERANGE is too large");
        next_.range = ByteRange{range_->length, offset};
        return {};
    }

    Result<Playlist> finish() {
        if (is_master_ && (is_media_ && !media_.segments.empty()))
            return broken("the playlist mixes multivariant and media tags");
        if (is_master_) {
            if (master_.variants.empty()) return broken("the multivariant playlist names no variant");
            return Playlist(std::move(master_));
        }
        if (!is_media_) return broken("the playlist has no segments and no variants");
        Micros longest{0};
        std::uint64_t sequence = media_.media_sequence + media_.skipped;
        for (auto& part : media_.parts) part.sequence += sequence;
        for (auto& segment : media_.segments) {
            segment.sequence = sequence++;
            segment.discontinuity_sequence += media_.discontinuity_sequence;
            longest = std::max(longest, segment.duration);
        }
        if (media_.target_duration.count() == 0) {
            media_.target_duration = longest;
            media_.target_derived = true;
        }
        return Playlist(std::move(media_));
    }

    const Limits& limits_;
    std::size_t line_ = 0;
    MasterPlaylist master_;
    MediaPlaylist media_;
    bool is_master_ = false, is_media_ = false, have_extinf_ = false;
    Segment next_;
    std::optional<LooseRange> range_;
    std::optional<Variant> variant_;
    std::shared_ptr<const Key> key_;
    std::shared_ptr<const Map> map_;
    std::optional<std::uint64_t> bitrate_;
    std::uint64_t discontinuities_ = 0;
};

}  // namespace

Result<Playlist> parse(std::string_view text, const Limits& limits) {
    return Parser(limits).run(text);
}

}  // namespace weir::hls
