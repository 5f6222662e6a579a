#include "sources/detect.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "proto/hls/playlist.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sources/start_waiter.h"

namespace weir {
namespace {

constexpr std::size_t look_at = 1024;
constexpr std::size_t most_for_mp4 = 4u << 20;
constexpr std::uint64_t longest_file = std::uint64_t{1} << 45;  ///< some live servers name a length without end
constexpr Millis patience_first_bytes{30'000};

struct Magic {
    std::size_t at;
    std::string_view bytes;
    Sniffed is;
};

using namespace std::string_view_literals;

constexpr Magic magics[] = {
    {0, "\x1a\x45\xdf\xa3"sv, {Form::media, "Matroska", ".mkv"}},
    {0, "FLV\x01"sv, {Form::flv, "FLV", ".flv"}},
    {0, "OggS"sv, {Form::media, "Ogg", ".ogg"}},
    {0, "fLaC"sv, {Form::media, "FLAC", ".flac"}},
    {8, "WAVE"sv, {Form::media, "WAVE", ".wav"}},
    {8, "AVI "sv, {Form::media, "AVI", ".avi"}},
    {0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv, {Form::media, "ASF", ".wmv"}},
    {0, "\x00\x00\x01\xba"sv, {Form::media, "an MPEG program stream", ".mpg"}},
};

struct Box {
    std::string_view type;
    std::uint64_t end = 0;  ///< past it; 0: to the end of the file
};

std::optional<Box> box_at(std::string_view text, std::uint64_t at) {
    if (at > text.size() || text.size() - at < 16) return std::nullopt;
    const auto number = [&](std::size_t from, std::size_t count) {
        std::uint64_t n = 0;
        for (std::size_t i = 0; i < count; ++i) n = n << 8 | static_cast<unsigned char>(text[at + from + i]);
        return n;
    };
    auto size = number(0, 4);
    if (size == 1) size = number(8, 8);
    if (size != 0 && size < 8) return std::nullopt;
    if (size > std::numeric_limits<std::uint64_t>::max() - at) return std::nullopt;
    return Box{text.substr(at + 4, 4), size == 0 ? 0 : at + size};
}

enum class Fragments : std::uint8_t { yes, no, open };

/// Fragments follow where moov has an mvex, or where there is a moof already.
Fragments fragments_in(std::string_view text) {
    std::uint64_t at = 0;
    for (int boxes = 0; boxes < 64; ++boxes) {
        const auto box = box_at(text, at);
        if (!box) return at <= text.size() && text.size() - at >= 16 ? Fragments::no : Fragments::open;
        if (box->type == "moof" || box->type == "styp") return Fragments::yes;
        if (box->type == "mdat" || box->end == 0) return Fragments::no;
        if (box->type == "moov") {
            if (box->end > text.size() && text.size() < most_for_mp4) return Fragments::open;
            const auto moov = text.substr(at, std::min<std::uint64_t>(box->end, text.size()) - at);
            return moov.find("mvex") == std::string_view::npos ? Fragments::no : Fragments::yes;
        }
        at = box->end;
    }
    return Fragments::no;
}

std::string_view audio_ending(std::string_view text) {
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    if (at(0) == 0x0b) return ".ac3";
    if (text.starts_with("ID3")) return ".mp3";
    return (at(1) & 0x06) == 0 ? ".aac" : ".mp3";  // the layer of ADTS is 0
}

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error no_media(const Sniffed& s) {
    if (s.form == Form::nothing) return Error{Errc::bad_input, "the answer is empty, there is nothing to record"};
    if (s.form == Form::page)
        return Error{Errc::bad_input, fmt::format("the answer is {}, not a playlist or media", s.what)};
    return Error{Errc::bad_input, "the answer is neither a playlist nor any media that weir knows"};
}

Bytes joined(const Bytes& a, const Bytes& b) {
    if (a.empty()) return b;
    Buffer both(a.size() + b.size());
    both.append(a.view());
    both.append(b.view());
    return both.all();
}

/// More of the body into `first`, until it has `want` bytes or ends.
Task<Result<>> read_up_to(Detected& d, std::size_t want) {
    while (d.body && d.first.size() < want) {
        auto piece = co_await d.body->next();
        if (!piece) co_return piece.error();
        if (piece->empty())
            d.body.reset();
        else
            d.first = joined(d.first, *piece);
    }
    co_return Result<>();
}

bool is_coded(const HttpHead& head) {
    const auto* coding = head.find("content-encoding");
    return coding && ascii_lowered(*coding) != "identity";
}

}  // namespace

Sniffed sniff_form(std::span<const std::byte> first) noexcept {
    if (first.empty()) return {Form::nothing, "nothing", ".bin"};
    const auto text = as_text(first);
    for (const auto& magic : magics)
        if (text.size() >= magic.at + magic.bytes.size() && text.substr(magic.at, magic.bytes.size()) == magic.bytes)
            return magic.is;
    switch (hls::sniff(first)) {
        case hls::Content::ts:
            return {Form::ts, "MPEG-TS", ".ts"};
        case hls::Content::fmp4:
        case hls::Content::mp4:
            if (fragments_in(text) == Fragments::yes) return {Form::fmp4, "fragmented MP4", ".mp4"};
            return {Form::mp4, "MP4", ".mp4"};
        case hls::Content::packed_audio:
            return {Form::media, "audio", audio_ending(text)};
        case hls::Content::playlist:
            return {Form::hls, "a playlist", ".m3u8"};
        case hls::Content::webvtt:
            return {Form::page, "WebVTT subtitles", ".vtt"};
        case hls::Content::text: {
            const auto start = text.find_first_not_of(" \t\r\n");
            const bool html = start != std::string_view::npos && text[start] == '<';
            return {Form::page, html ? "a web page" : "text", html ? ".html" : ".txt"};
        }
        case hls::Content::flv:
        case hls::Content::matroska:
        case hls::Content::unknown:
            break;
    }
    return {};
}

bool mp4_is_open(std::span<const std::byte> first) noexcept {
    const auto content = hls::sniff(first);
    const bool mp4 = content == hls::Content::fmp4 || content == hls::Content::mp4;
    return mp4 && first.size() < most_for_mp4 && fragments_in(as_text(first)) == Fragments::open;
}

Task<Result<Detected>> open_and_look(HttpClient& http, HttpRequest request) {
    co_await errors_not_throws();
    request.max_body = std::numeric_limits<std::uint64_t>::max() / 2;
    auto opened = co_await http.open(request);
    if (!opened) co_return opened.error();
    Detected d;
    d.body = std::move(*opened);
    d.head = d.body->head();
    if (d.head.status >= 300) co_return status_error(d.head);
    if (!is_coded(d.head)) d.length = d.head.content_length;
    if (d.length.value_or(0) > longest_file) d.length.reset();
    if (request.range) co_return d;  // bytes from the middle tell nothing
    if (auto read = co_await read_up_to(d, look_at); !read) co_return read.error();
    while (d.body && mp4_is_open(d.first.view())) {
        const auto before = d.first.size();
        auto more = co_await read_up_to(d, before + 1);
        if (!more) co_return more.error();
        if (d.first.size() == before) break;
    }
    d.sniffed = sniff_form(d.first.view());
    const bool playlist = d.sniffed.form == Form::hls || d.sniffed.form == Form::page;
    if (is_coded(d.head) && !request.media && !playlist) {  // packed media: lengths and ranges mean nothing
        d.body.reset();
        request.media = true;
        co_return co_await open_and_look(http, std::move(request));
    }
    co_return d;
}

Task<Result<Detected>> detect(Clock& clock, HttpClient& http, CookieJar* cookies, const DetectSettings& settings,
                              Demand& demand) {
    co_await errors_not_throws();
    const UrlGuard guard(settings.url);
    StartWaiter waiter(clock, settings.wait_for_start, settings.seed, settings.seed);
    while (true) {
        HttpRequest request;
        request.url = settings.url;
        request.headers = settings.headers;
        request.guard = &guard;
        request.cookies = cookies;
        request.stall_timeout = settings.stall;
        bool late = false;
        auto found = co_await with_deadline(clock, clock.now() + patience_first_bytes,
                                            open_and_look(http, std::move(request)), &late);
        if (late && !found) found = Error{Errc::timed_out, "the answer trickles"};
        if (found) {
            const auto form = found->sniffed.form;
            if (form != Form::page && form != Form::nothing && form != Form::unknown) co_return found;
        }
        const Error e = found ? no_media(found->sniffed) : found.error();
        if (auto again = co_await waiter.wait(e, settings.url, demand); !again) co_return again.error();
    }
}

}  // namespace weir
