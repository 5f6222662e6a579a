#include "sources/hls/loader.h"

#include <algorithm>

#include "base/secret.h"
#include "base/text.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_keys = 32;
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
    : clock_(clock), http_(http), cookies_(cookies), settings_(settings), guard_(settings.url), key_came_(ex) {}

Result<Url> Loader::resolve(const Url& base, std::string_view uri) const {
    auto url = resolve_url(base, uri);
    if (!url) return url;
    if (auto allowed = guard_.check(*url); !allowed) return allowed.error();
    return url;
}

HttpRequest Loader::request(Url url) const {
    HttpRequest r;
    const bool own = url.host == settings_.url.host;
    for (const auto& header : settings_.headers)
        if (own || harmless(header.first)) r.headers.push_back(header);
    r.url = std::move(url);
    r.guard = &guard_;
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
    if (!response) co_return within("playlist", response.error());
    if (response->head.status >= 300) co_return within("playlist", status_error(response->head));
    Limits limits;
    limits.bytes = settings_.max_playlist;
    auto parsed = parse(response->body, limits);
    if (!parsed) co_return within("playlist", parsed.error());
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
Task<Result<aes::Block>> Loader::key(Url url) {
    const auto name = url.text();
    while (true) {
        auto& stored = keys_[name];
        if (stored.key) co_return *stored.key;
        if (!stored.loading) break;
        if (!co_await key_came_.wait()) co_return Error{Errc::cancelled, "stopped", "key"};
    }
    keys_[name].loading = true;
    auto fetched = co_await fetch_key(std::move(url));
    keys_[name].loading = false;
    if (fetched) {
        if (keys_.size() > max_keys)
            std::erase_if(keys_, [&](const auto& k) { return k.first != name && !k.second.loading; });
        keys_[name].key = *fetched;
    }
    key_came_.notify();
    co_return fetched;
}

Task<Result<OpenSegment>> Loader::open(const Unit& unit, Micros target_duration) {
    auto url = resolve(*unit.base, unit.segment.uri);
    if (!url) co_return within("segment", url.error());
    OpenSegment out;
    if (const auto wanted = unit.segment.key) {
        auto key_url = resolve(*unit.base, wanted->uri);
        if (!key_url) co_return within("key", key_url.error());
        const auto iv = wanted->iv ? *wanted->iv : aes::iv_from_sequence(unit.segment.sequence);
        auto key_bytes = co_await key(std::move(*key_url));
        if (!key_bytes) co_return key_bytes.error();
        out.decrypt.emplace(*key_bytes, iv);
    }
    auto r = request(std::move(*url));
    r.media = true;
    r.max_body = settings_.max_segment + (1u << 20);  // our own limit speaks first
    r.stall_timeout = stall_limit(target_duration);
    if (const auto& range = unit.segment.range; range && range->length > 0)
        r.range = {range->offset, range->offset + range->length - 1};
    const bool ranged = r.range.has_value();
    auto body = co_await http_.open(std::move(r));
    if (!body) co_return within("segment", body.error());
    out.body = std::move(*body);
    const auto& head = out.body->head();
    if (head.status >= 300) co_return within("segment", status_error(head));
    if (ranged && head.status != 206)
        co_return Error{Errc::unsupported, "the server does not answer byte ranges", "segment"};
    if (auto first = co_await read_first(out); !first) co_return within("segment", first.error());
    co_return out;
}

/// Enough of the front to know what it is, whatever its name or type say.
Task<Result<>> Loader::read_first(OpenSegment& segment) {
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
    const auto content = sniff(segment.first.view());
    if (content == Content::ts) co_return Result<>();
    if (content == Content::fmp4 || content == Content::packed_audio || content == Content::webvtt)
        co_return Error{Errc::unsupported,
                        fmt::format("the segments are {}, which weir cannot record yet", name_of(content))};
    co_return Error{Errc::bad_input, fmt::format("the segment is {}, not media", name_of(content))};
}

Task<Result<Bytes>> Loader::next(OpenSegment& segment) {
    while (segment.body) {
        const auto asked = clock_.now();
        auto piece = co_await segment.body->next();
        if (!piece) co_return piece.error();
        segment.waited += std::chrono::duration_cast<Micros>(clock_.now() - asked);
        if (piece->empty()) {
            const auto& head = segment.body->head();
            if (head.content_length && !head.find("content-encoding") && segment.received != *head.content_length)
                co_return Error{Errc::lost_peer,
                                fmt::format("{} of {} bytes came", segment.received, *head.content_length)};
            segment.body.reset();
            if (!segment.decrypt) co_return Bytes{};
            co_return segment.decrypt->finish();
        }
        segment.received += piece->size();
        if (segment.received > settings_.max_segment)
            co_return Error{Errc::bad_input,
                            fmt::format("the segment is above the limit of {} bytes", settings_.max_segment)};
        if (segment.waited > 15s && segment.received < static_cast<std::uint64_t>(segment.waited / 1s) * 2048)
            co_return trickles(segment.received, segment.waited);
        if (!segment.decrypt) co_return std::move(*piece);
        auto plain = segment.decrypt->feed(piece->view());
        if (!plain || !plain->empty()) co_return plain;
    }
    co_return Bytes{};
}

}  // namespace weir::hls
