#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fake_http.h"
#include "mp4_maker.h"
#include "proto/aes/cbc.h"
#include "ts_maker.h"

namespace weir::test {

using namespace std::chrono_literals;

/// A live HLS playlist in simulated time: a new one-second segment each second, a window of the newest ones, and
/// whatever goes wrong.
class FakeLive {
public:
    explicit FakeLive(Clock& clock) : clock_(clock), began_(clock.now()) {}

    enum class Form { ts, fmp4, packed };
    Form form = Form::ts;
    bool sound = false;  ///< sound alone
    std::size_t window = 6;
    std::uint64_t first_sequence = 100;
    std::optional<std::uint64_t> ends_after;  ///< last sequence number; then ENDLIST
    std::string name = "seg";
    std::string query;
    std::string tags;  ///< more lines for the head of the playlist
    bool dates = false;
    bool counts_breaks = false;  ///< writes EXT-X-DISCONTINUITY-SEQUENCE
    bool ranges = false;         ///< ten segments to a file, as byte ranges
    bool ignores_ranges = false;
    bool own_header = false;    ///< fMP4 without EXT-X-MAP
    bool range_header = false;  ///< EXT-X-MAP is a range of a larger file
    std::set<std::uint64_t> discontinuities, gaps;
    std::set<std::uint64_t> new_header;  ///< from these on another EXT-X-MAP
    std::optional<aes::Block> key;
    bool keyed_header = false;  ///< the key stands before EXT-X-MAP, with an IV
    int pictures = 3;
    std::size_t picture = 400;
    bool keep_old = false;     ///< segments stay after they left the window
    std::int64_t numbers = 0;  ///< segment n is media second n - numbers
    std::int64_t phase = 0;    ///< its media begins so many ticks later
    std::int64_t ticks = 0;    ///< what the encoder's clock (90 kHz) shows at media second 0
    Micros lag{0};             ///< how much later than others it lists its segments
    unsigned flavour = 0;      ///< of the bytes
    int prefetch = 0;          ///< EXT-X-PREFETCH lines
    bool parts = false;        ///< EXT-X-PART, SKIP and preload hints too

    /// Looked at first; an answer replaces the usual one.
    std::function<std::optional<Reply>(const HttpRequest&)> faults;
    /// For segments alone, with number and how often it was asked for before.
    std::function<std::optional<Reply>(std::uint64_t sequence, int asked, const std::string& body)> segment_faults;

    /// As a new origin does: it begins with one segment, and the window grows.
    void restart(std::uint64_t sequence, std::string new_name = {}) {
        first_sequence = sequence;
        at_first_ = 1;
        began_ = clock_.now();
        old_names_[name] = generation++;
        if (!new_name.empty()) name = std::move(new_name);
    }
    unsigned generation = 0;

    [[nodiscard]] std::uint64_t newest() const {
        const auto n = first_sequence + at_first_.value_or(window) - 1 +
                       static_cast<std::uint64_t>((clock_.now() - began_ + 1h - lag) / 1s) - 3600;
        return ends_after ? std::min(n, *ends_after) : n;
    }
    [[nodiscard]] std::uint64_t oldest() const {
        return std::max(first_sequence, newest() + 1 - std::min<std::uint64_t>(window, newest() + 1));
    }

    [[nodiscard]] const std::string& plain(std::uint64_t sequence) { return plain(generation, sequence); }
    [[nodiscard]] const std::string& plain(unsigned gen, std::uint64_t sequence) {
        auto& s = segments_[{gen, sequence}];
        if (s.empty()) s = make(gen, sequence);
        return s;
    }
    /// The encoder's clock at the beginning of a segment.
    [[nodiscard]] std::int64_t clock_of(unsigned gen, std::uint64_t sequence) const {
        const auto second = static_cast<std::int64_t>(sequence) - numbers + 1000 * gen;
        return second * 90'000 + phase + ticks + breaks_before(sequence) * 90'000'000;
    }
    [[nodiscard]] std::string header(std::uint64_t sequence) const {
        const auto version = headers_before(sequence);
        Mp4Track track{.id = 1, .handler = sound ? "soun" : "vide", .entry = sound ? "mp4a" : "avc1"};
        track.config = box("free", fmt::format("{} {}", flavour, version));
        return mp4_header(std::vector<Mp4Track>{track});
    }

    [[nodiscard]] std::string playlist() {
        std::string out = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n" + tags;
        out += fmt::format("#EXT-X-MEDIA-SEQUENCE:{}\n", oldest());
        if (counts_breaks) out += fmt::format("#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", breaks_before(oldest() - 1));
        for (auto n = oldest(); n <= newest(); ++n) out += lines_of(n);
        if (ends_after && newest() == *ends_after) {
            out += "#EXT-X-ENDLIST\n";
        } else {
            for (int i = 1; i <= prefetch; ++i)
                out += fmt::format("#EXT-X-PREFETCH:{}\n", file_of(newest() + static_cast<unsigned>(i)));
            if (parts)
                out += fmt::format(
                    "#EXT-X-PART:DURATION=0.5,URI=\"part{}.ts\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="
                    "\"part{}b.ts\"\n#EXT-X-RENDITION-REPORT:URI=\"other.m3u8\"\n",
                    newest() + 1, newest() + 1);
        }
        return out;
    }

    Reply serve(const HttpRequest& request) {
        if (faults)
            if (auto reply = faults(request)) return *reply;
        const auto& path = request.url.path;
        if (path.ends_with(".m3u8")) return Reply{200, playlist()};
        if (path.find("/key") != std::string::npos && key)
            return Reply{200, std::string(reinterpret_cast<const char*>(key->data()), key->size())};
        if (const auto at = path.find("/init"); at != std::string::npos)
            return serve_header(request, path.substr(at + 5));
        const auto n = asked_for(request);
        if (!n) return Reply{404, "nothing here"};
        const int before = asked_[*n]++;
        auto body = ranges ? file(*n) : plain(generation_of(path), *n);
        if (key) body = std::string(aes::cbc_encrypt(*key, iv_of(*n), std::as_bytes(std::span(body))).text());
        if (segment_faults)
            if (auto reply = segment_faults(*n, before, body)) return *reply;
        if (path.find("/" + name) == std::string::npos || *n > newest() || (!keep_old && *n < oldest()))
            return Reply{404, "gone"};
        return ranged(request, std::move(body));
    }

    [[nodiscard]] int asked(std::uint64_t n) const {
        const auto at = asked_.find(n);
        return at == asked_.end() ? 0 : at->second;
    }

    static std::optional<std::uint64_t> number_of(const std::string& path) {
        auto end = path.rfind('.');
        if (end == std::string::npos) return std::nullopt;
        auto from = end;
        while (from > 0 && path[from - 1] >= '0' && path[from - 1] <= '9') --from;
        if (from == end) return std::nullopt;
        return std::stoull(path.substr(from, end - from));
    }

private:
    [[nodiscard]] std::string make(unsigned gen, std::uint64_t sequence) const {
        const auto begins = clock_of(gen, sequence);
        const auto mark = static_cast<unsigned>(sequence * 31 + gen + flavour * 1009);
        if (form == Form::packed) return packed(begins, mark);
        if (form == Form::fmp4) {
            const auto at = static_cast<std::uint64_t>(begins);
            return (own_header ? header(sequence) : box("styp", "msdh")) +
                   fragment(mark, traf(1, at, 13, true), picture * 4) +
                   fragment(mark + 1, traf(1, at + 13 * 3600, 12, false), picture * 2);
        }
        if (!sound) return TsMaker().segment(begins, pictures, picture, mark);
        TsMaker maker({{0x0f, 0x101}});
        maker.tables();
        for (int i = 0; i < 10; ++i) maker.pes(0x101, begins + i * 9000, 150 + mark % 97, false, std::to_string(mark));
        return maker.take();
    }

    /// A second of AAC as ADTS, with the ID3 tag that says when it begins.
    [[nodiscard]] static std::string packed(std::int64_t begins, unsigned mark) {
        const auto priv = std::string("com.apple.streaming.transportStreamTimestamp") + '\0' +
                          be(static_cast<std::uint64_t>(begins) & ((std::uint64_t{1} << 33) - 1), 8);
        const auto tag = "PRIV" + be(priv.size(), 4) + zeros(2) + priv;
        std::string out = std::string("ID3\x04\0\0", 6) + be(tag.size(), 4) + tag;
        for (unsigned i = 0; i < 47; ++i) {
            const std::size_t size = 7 + 30 + (mark + i) % 20;
            out += std::string("\xff\xf1\x4c", 3) + be(0x80u << 16 | size << 5 | 0x1f, 3) + "\xfc";
            out += std::string(size - 7, static_cast<char>('a' + (mark + i) % 23));
        }
        return out;
    }

    [[nodiscard]] std::string file_of(std::uint64_t n) const {
        return fmt::format("{}{}.{}{}", name, ranges ? n / 10 : n,
                           form == Form::ts     ? "ts"
                           : form == Form::fmp4 ? "m4s"
                                                : "aac",
                           query);
    }
    [[nodiscard]] std::string lines_of(std::uint64_t n) {
        std::string out;
        if (discontinuities.contains(n)) out += "#EXT-X-DISCONTINUITY\n";
        if (gaps.contains(n)) out += "#EXT-X-GAP\n";
        std::string key_line;
        if (key)
            key_line = fmt::format("#EXT-X-KEY:METHOD=AES-128,URI=\"key{}.bin\"{}\n", n / 10,
                                   keyed_header ? ",IV=0x000000000000000000000000000000AB" : "");
        if (keyed_header) out += std::exchange(key_line, {});
        if (form == Form::fmp4 && !own_header && (n == oldest() || new_header.contains(n)))
            out += fmt::format("#EXT-X-MAP:URI=\"init{}.mp4\"{}\n", headers_before(n),
                               range_header ? fmt::format(",BYTERANGE=\"{}@7\"", header(n).size()) : "");
        out += key_line;
        if (dates) {
            const auto ms = (static_cast<std::int64_t>(n) - numbers + 1000) * 1000 + phase / 90;
            out += fmt::format("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T{:02}:{:02}:{:02}.{:03}Z\n", ms / 3'600'000 % 24,
                               ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
        }
        if (ranges) out += fmt::format("#EXT-X-BYTERANGE:{}@{}\n", plain(n).size(), offset_of(n));
        return out + fmt::format("#EXTINF:1.000,\n{}\n", file_of(n));
    }

    [[nodiscard]] std::size_t offset_of(std::uint64_t n) {
        std::size_t at = 0;
        for (auto i = n / 10 * 10; i < n; ++i) at += plain(i).size();
        return at;
    }
    [[nodiscard]] std::string file(std::uint64_t n) {
        std::string all;
        for (auto i = n / 10 * 10; i < n / 10 * 10 + 10; ++i) all += plain(i);
        return all;
    }
    [[nodiscard]] std::optional<std::uint64_t> asked_for(const HttpRequest& request) {
        const auto n = number_of(request.url.path);
        if (!n || !ranges) return n;
        if (!request.range) return std::nullopt;
        for (auto i = *n * 10; i < *n * 10 + 10; ++i)
            if (offset_of(i) == request.range->first) return i;
        return std::nullopt;
    }
    [[nodiscard]] Reply ranged(const HttpRequest& request, std::string body) const {
        if (!request.range || ignores_ranges) return Reply{200, std::move(body)};
        const auto [first, last] = *request.range;
        if (first >= body.size()) return Reply{416, ""};
        auto part = body.substr(first, last - first + 1);
        return Reply{206, part, {{"content-range", fmt::format("bytes {}-{}/{}", first, last, body.size())}}};
    }
    [[nodiscard]] Reply serve_header(const HttpRequest& request, const std::string& rest) const {
        const auto version = std::stoull(rest);
        std::uint64_t n = 0;
        if (version > 0) n = *std::next(new_header.begin(), static_cast<std::ptrdiff_t>(version) - 1);
        auto body = header(n);
        if (range_header) return ranged(request, "1234567" + body + "more");
        if (keyed_header && key)
            body = std::string(aes::cbc_encrypt(*key, iv_of(n), std::as_bytes(std::span(body))).text());
        return Reply{200, body};
    }
    [[nodiscard]] aes::Block iv_of(std::uint64_t n) const { return aes::iv_from_sequence(keyed_header ? 0xab : n); }
    [[nodiscard]] std::size_t headers_before(std::uint64_t n) const {
        return static_cast<std::size_t>(std::distance(new_header.begin(), new_header.upper_bound(n)));
    }
    [[nodiscard]] std::int64_t breaks_before(std::uint64_t sequence) const {
        return std::distance(discontinuities.begin(), discontinuities.upper_bound(sequence));
    }

    /// Another name is another generation's segment, whether it is still there or not.
    [[nodiscard]] unsigned generation_of(const std::string& path) const {
        if (path.find("/" + name) != std::string::npos) return generation;
        for (const auto& [old, number] : old_names_)
            if (path.find("/" + old) != std::string::npos) return number;
        return generation;
    }

    Clock& clock_;
    SteadyTime began_;
    std::optional<std::size_t> at_first_;  ///< segments listed at `began_`; none: the whole window
    std::map<std::string, unsigned> old_names_;
    std::map<std::pair<unsigned, std::uint64_t>, std::string> segments_;
    std::map<std::uint64_t, int> asked_;
};

}  // namespace weir::test
