#include "sources/hls/loader.h"

#include <algorithm>
#include <charconv>

#include "base/secret.h"
#include "base/text.h"
#include "sources/hls/cutters.h"
#include "sources/hls/hls_metrics.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_keys = 32;
constexpr std::size_t max_headers = 64;
constexpr std::size_t max_header = 16u << 20;
constexpr std::size_t sniff_bytes = 8;

bool harmless(std::string_view header) {
    const auto name = ascii_lowered(header);
    return name == "user-agent" || name == "referer" || name == "origin" || name.starts_with("accept");
}

/// A second is too short for any network, and a segment that stands still longer than a few of its kind is better asked
/// for again.
Millis stall_limit(Micros target) {
    return std::clamp(std::chrono::duration_cast<Millis>(3 * target), Millis{4'000}, Millis{10'000});
}

Error trickles(std::uint64_t bytes, Micros in) {
    return Error{Errc::timed_out, fmt::format("trickled: {} bytes in {} s", bytes, in / 1s)};
}

}  // namespace

std::string short_reason(const Error& e) {
    if (e.status != 0) return fmt::format("http {}", e.status);
    switch (e.code) {
        case Errc::timed_out:
            return e.what.starts_with("trickled") ? e.what : "stalled";
        case Errc::lost_peer:
            return "cut off";
        case Errc::unreachable:
            return "unreachable";
        default:
            return e.what;
    }
}

Loader::Loader(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies,
               const HlsSettings& settings)
    : clock_(clock), http_(http), cookies_(cookies), settings_(settings), key_came_(ex), header_came_(ex) {
    trust(settings.url);
}

void Loader::trust(const Url& url) {
    if (std::find(own_hosts_.begin(), own_hosts_.end(), url.host) != own_hosts_.end()) return;
    own_hosts_.push_back(url.host);
    guards_.emplace_back(url);
}

Result<Url> Loader::resolve(const Url& base, std::string_view uri) const {
    auto url = resolve_url(base, uri);
    if (!url) return url;
    auto allowed = guards_.front().check(*url);
    for (std::size_t i = 1; i < guards_.size() && !allowed; ++i) allowed = guards_[i].check(*url);
    if (!allowed) return allowed.error();
    return url;
}

HttpRequest Loader::request(Url url) const {
    HttpRequest r;
    const auto at = std::find(own_hosts_.begin(), own_hosts_.end(), url.host);
    // What was given for https does not go out in the clear.
    const bool own = at != own_hosts_.end() && (url.scheme == "https" || settings_.url.scheme == "http");
    for (const auto& header : settings_.headers)
        if (own || harmless(header.first)) r.headers.push_back(header);
    r.guard = &guards_.front();
    for (const auto& guard : guards_)
        if (guard.check(url)) r.guard = &guard;
    if (at != own_hosts_.end()) r.guard = &guards_[static_cast<std::size_t>(at - own_hosts_.begin())];
    r.url = std::move(url);
    r.cookies = cookies_;
    return r;
}

Task<Result<Loader::Loaded>> Loader::playlist(Url url, SteadyTime deadline, Micros target_duration) {
    auto r = request(std::move(url));
    r.max_body = settings_.max_playlist;
    r.deadline = deadline;
    r.stall_timeout =
        std::clamp(std::chrono::duration_cast<Millis>(2 * target_duration), Millis{3'000}, Millis{10'000});
    auto response = co_await http_.fetch(std::move(r));
    const auto failed = [](Error why) {
        if (why.code != Errc::cancelled) count_errors(1);
        return within("playlist", std::move(why));
    };
    if (!response) co_return failed(response.error());
    if (response->head.status >= 300) co_return failed(status_error(response->head));
    Limits limits;
    limits.bytes = settings_.max_playlist;
    auto parsed = parse(response->body, limits);
    if (!parsed) co_return failed(parsed.error());
    co_return Loaded{std::move(*parsed), response->head.url};
}

Task<Result<aes::Block>> Loader::fetch_key(Url url) {
    auto r = request(std::move(url));
    r.max_body = 4096;
    r.deadline = clock_.now() + 10s;
    auto response = co_await http_.fetch(std::move(r));
    if (!response) co_return within("key", response.error());
    if (response->head.status >= 300) co_return within("key", status_error(response->head));
    aes::Block key;
    if (response->body.size() != key.size())
        co_return Error{Errc::bad_input, fmt::format("the key has {} bytes, not 16", response->body.size()), "key"};
    std::transform(response->body.begin(), response->body.end(), key.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    std::fill(response->body.begin(), response->body.end(), '\0');
    co_return key;
}

/// One request a key, however many segments wait for it.
Task<Result<aes::Block>> Loader::key(Url url, std::uint32_t gen) {
    const auto name = fmt::format("{} {}", gen, url.text());  // an origin that began anew may use its names again
    while (true) {
        auto& stored = keys_[name];
        if (stored.value) co_return *stored.value;
        if (!stored.loading) break;
        const bool rung = co_await key_came_.wait();
        if (!rung) co_return Error{Errc::cancelled, "stopped", "key"};
    }
    keys_[name].loading = true;
    auto fetched = co_await fetch_key(std::move(url));
    keys_[name].loading = false;
    if (fetched) {
        if (keys_.size() > max_keys)
            std::erase_if(keys_, [&](const auto& k) { return k.first != name && !k.second.loading; });
        keys_[name].value = *fetched;
    }
    key_came_.notify();
    co_return fetched;
}

/// What EXT-X-MAP names: one request for each URI and range, however many segments refer to it.
Task<Result<Bytes>> Loader::header(const Unit& unit) {
    const auto& map = *unit.segment.map;
    auto url = resolve(*unit.base, map.uri);
    if (!url) co_return within("map", url.error());
    auto name = url->text();
    if (map.range) name += fmt::format(" {}@{}", map.range->length, map.range->offset);
    name += fmt::format(" {} {}", unit.gen, unit.segment.discontinuity_sequence);
    while (true) {
        auto& stored = headers_[name];
        if (stored.value) co_return *stored.value;
        if (!stored.loading) break;
        const bool rung = co_await header_came_.wait();
        if (!rung) co_return Error{Errc::cancelled, "stopped", "map"};
    }
    headers_[name].loading = true;
    auto fetched = co_await fetch_header(unit, std::move(*url));
    if (fetched)
        if (auto usable = usable_header(*fetched); !usable) fetched = usable.error();
    headers_[name].loading = false;
    if (fetched) {
        if (headers_.size() > max_headers)
            std::erase_if(headers_, [&](const auto& h) { return h.first != name && !h.second.loading; });
        headers_[name].value = *fetched;
    }
    header_came_.notify();
    if (!fetched) co_return within("map", fetched.error());
    co_return fetched;
}

Task<Result<Bytes>> Loader::fetch_header(const Unit& unit, Url url) {
    const auto& map = *unit.segment.map;
    OpenSegment answer;
    if (map.key) {
        auto key_url = resolve(*unit.base, map.key->uri);
        if (!key_url) co_return within("key", key_url.error());
        auto key_bytes = co_await key(std::move(*key_url), unit.gen);
        if (!key_bytes) co_return key_bytes.error();
        // The RFC demands an IV of its own here; without one the number of the segment is the best guess there is.
        const auto iv = map.key->iv ? *map.key->iv : aes::iv_from_sequence(unit.segment.sequence);
        answer.decrypt.emplace(*key_bytes, iv);
    }
    auto r = request(std::move(url));
    r.media = true;
    r.max_body = settings_.max_segment + (1u << 20);
    r.deadline = clock_.now() + 30s;
    const auto range = map.range.value_or(ByteRange{});
    if (range.length > 0) r.range = {range.offset, range.offset + range.length - 1};
    auto body = co_await http_.open(std::move(r));
    if (!body) co_return body.error();
    answer.body = std::move(*body);
    if (answer.body->head().status >= 300) co_return status_error(answer.body->head());
    if (auto placed = place_range(answer, range); !placed) co_return placed.error();
    co_return co_await read_header(answer);
}

Task<Result<Bytes>> Loader::read_header(OpenSegment& answer) {
    std::vector<Bytes> pieces;
    std::size_t size = 0;
    while (true) {
        auto piece = co_await next(answer);
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        size += piece->size();
        if (size > max_header)
            co_return Error{Errc::bad_input, fmt::format("EXT-X-MAP is above the limit of {} bytes", max_header)};
        pieces.push_back(std::move(*piece));
    }
    if (size == 0) co_return Error{Errc::lost_peer, "EXT-X-MAP is empty"};
    Buffer all(size);
    for (const auto& piece : pieces) all.append(piece.view());
    co_return all.all();
}

Task<Result<OpenSegment>> Loader::open(const Unit& listed, Micros target_duration) {
    Unit unit;  // as it is listed now: a newer playlist may change it while we wait
    unit.segment = listed.segment;
    unit.base = listed.base;
    unit.gen = listed.gen;
    auto url = resolve(*unit.base, unit.segment.uri);
    if (!url) co_return within("segment", url.error());
    OpenSegment out;
    if (unit.segment.map) {
        auto header_bytes = co_await header(unit);
        if (!header_bytes) co_return header_bytes.error();
        out.header = std::move(*header_bytes);
    }
    if (const auto wanted = unit.segment.key) {
        auto key_url = resolve(*unit.base, wanted->uri);
        if (!key_url) co_return within("key", key_url.error());
        const auto iv = wanted->iv ? *wanted->iv : aes::iv_from_sequence(unit.segment.sequence);
        auto key_bytes = co_await key(std::move(*key_url), unit.gen);
        if (!key_bytes) co_return key_bytes.error();
        out.decrypt.emplace(*key_bytes, iv);
    }
    auto r = request(std::move(*url));
    r.media = true;
    r.max_body = settings_.max_segment + (1u << 20);  // our own limit speaks first
    r.stall_timeout = stall_limit(target_duration);
    const auto range = unit.segment.range.value_or(ByteRange{});
    if (range.length > 0) r.range = {range.offset, range.offset + range.length - 1};
    auto body = co_await http_.open(std::move(r));
    if (!body) co_return within("segment", body.error());
    out.body = std::move(*body);
    const auto& head = out.body->head();
    if (head.status >= 300) co_return within("segment", status_error(head));
    if (auto placed = place_range(out, range); !placed) co_return within("segment", placed.error());
    const bool has_header = !out.header.empty();
    auto first = co_await read_first(out, has_header);
    if (!first) co_return within("segment", first.error());
    co_return out;
}

/// Where in the answer the range lies: a server may send the whole file (200), or more than was asked for.
Result<> Loader::place_range(OpenSegment& segment, const ByteRange& range) const {
    if (range.length == 0) return {};
    const auto& head = segment.body->head();
    std::uint64_t begins = head.status == 206 ? range.offset : 0;
    if (const auto* said = head.find("content-range"); said && head.status == 206) {
        const auto digits = said->find_first_of("0123456789");
        if (digits != std::string::npos) std::from_chars(said->data() + digits, said->data() + said->size(), begins);
    }
    if (begins > range.offset)
        return Error{Errc::bad_input,
                     fmt::format("asked for bytes from {} on, the answer begins at {}", range.offset, begins)};
    segment.skip = range.offset - begins;
    segment.wanted = range.length;
    if (segment.skip + range.length > settings_.max_segment)
        return Error{Errc::bad_input, fmt::format("the segment is above the limit of {} bytes", settings_.max_segment)};
    return {};
}

/// Enough of the front to know what it is, whatever its name or type say.
Task<Result<>> Loader::read_first(OpenSegment& segment, bool has_header) {
    bool ended = false;
    while (!ended && segment.first.size() < sniff_bytes) {
        auto more = co_await next(segment);
        if (!more) co_return more.error();
        ended = more->empty();
        if (segment.first.empty()) {
            segment.first = std::move(*more);
        } else if (!ended) {
            Buffer joined(segment.first.size() + more->size());
            joined.append(segment.first.view());
            joined.append(more->view());
            segment.first = joined.all();
        }
    }
    if (segment.first.empty()) co_return Error{Errc::lost_peer, "the segment is empty"};
    segment.content = sniff(segment.first.view());
    // A fragment may begin with a box that nothing else begins with; the header says what it is.
    if (has_header && segment.content == Content::unknown) segment.content = Content::fmp4;
    switch (segment.content) {
        case Content::ts:
        case Content::fmp4:
        case Content::packed_audio:
            co_return Result<>();
        case Content::webvtt:
        case Content::flv:
        case Content::matroska:
        case Content::mp4:
            co_return Error{Errc::unsupported, fmt::format("the segments are {}, which weir does not record from HLS",
                                                           name_of(segment.content))};
        default:
            co_return Error{Errc::bad_input, fmt::format("the segment is {}, not media", name_of(segment.content))};
    }
}

/// What came as sent, and the checks of its end.
Task<Result<Bytes>> Loader::next_received(OpenSegment& segment) {
    const auto asked = clock_.now();
    auto piece = co_await segment.body->next();
    if (!piece) co_return piece.error();
    segment.waited += std::chrono::duration_cast<Micros>(clock_.now() - asked);
    if (piece->empty()) {
        const auto& head = segment.body->head();
        if (head.content_length && !head.find("content-encoding") && segment.received != *head.content_length)
            co_return Error{Errc::lost_peer,
                            fmt::format("{} of {} bytes came", segment.received, *head.content_length)};
        if (segment.wanted && *segment.wanted > 0)
            co_return Error{Errc::lost_peer, fmt::format("the file ends {} bytes before the range", *segment.wanted)};
        co_return piece;
    }
    segment.received += piece->size();
    if (segment.received > settings_.max_segment)
        co_return Error{Errc::bad_input,
                        fmt::format("the segment is above the limit of {} bytes", settings_.max_segment)};
    if (segment.waited > 15s && segment.received < static_cast<std::uint64_t>(segment.waited / 1s) * 2048)
        co_return trickles(segment.received, segment.waited);
    co_return piece;
}

/// What of the piece lies in the range; ends the transfer when that is all.
Result<Bytes> Loader::trimmed(OpenSegment& segment, Bytes piece) const {
    if (!segment.wanted) return piece;
    const auto before = std::min<std::uint64_t>(segment.skip, piece.size());
    segment.skip -= before;
    piece = piece.slice(before, std::min<std::uint64_t>(piece.size() - before, *segment.wanted));
    *segment.wanted -= piece.size();
    return piece;
}

Task<Result<Bytes>> Loader::next(OpenSegment& segment) {
    while (segment.body) {
        const bool over = segment.wanted && *segment.wanted == 0;
        Bytes piece;
        if (!over) {
            auto received = co_await next_received(segment);
            if (!received) co_return received.error();
            piece = std::move(*received);
        }
        if (piece.empty()) {
            segment.body.reset();
            if (!segment.decrypt) co_return Bytes{};
            co_return segment.decrypt->finish();
        }
        auto plain = trimmed(segment, std::move(piece));
        if (segment.decrypt && !plain->empty()) plain = segment.decrypt->feed(plain->view());
        if (!plain || !plain->empty()) co_return plain;
    }
    co_return Bytes{};
}

}  // namespace weir::hls
