#include "sources/hls/follower.h"

#include <algorithm>
#include <random>

#include "base/ids.h"
#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/rendition.h"

namespace weir {

std::unique_ptr<HlsSource> HlsSource::create(asio::any_io_executor ex, Clock& clock, HttpClient& http,
                                             CookieJar* cookies, HlsSettings settings) {
    return std::make_unique<hls::Follower>(ex, clock, http, cookies, std::move(settings));
}

namespace hls {
namespace {

using namespace std::chrono_literals;

constexpr auto playlist_deadline = 15s;

bool is_guard(const Error& e) {
    return e.code == Errc::denied && e.status == 0;
}
bool is_hard(const Error& e) {
    return e.status == 403 || e.status == 404 || e.status == 410;
}
/// May a first try have had bad luck?
bool is_passing(const Error& e) {
    return e.status >= 500 || e.code == Errc::busy || e.code == Errc::timed_out || e.code == Errc::lost_peer;
}

WindowSettings window_settings(const HlsSettings& s, const Clock& clock) {
    WindowSettings w;
    w.from_start = s.from_start;
    if (s.resume) {
        w.resume = WindowSettings::Resume{s.resume->unit, s.resume->gen, {}};
        if (s.resume->last_written != WallTime{})
            w.resume->since =
                std::max(Micros{0}, std::chrono::duration_cast<Micros>(clock.wall() - s.resume->last_written));
    }
    return w;
}

Error not_yet() {
    return Error{Errc::not_found, "the playlist has no segments yet", "playlist"};
}

}  // namespace

Follower::Follower(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies, HlsSettings settings)
    : ex_(ex),
      clock_(clock),
      settings_(std::move(settings)),
      loader_(ex, clock, http, cookies, settings_),
      random_(static_cast<std::uint32_t>(settings_.seed != 0 ? settings_.seed : std::random_device{}())),
      window_(window_settings(settings_, clock)),
      work_(ex),
      room_(ex),
      tasks_(ex) {
    settings_.parallel = std::clamp(settings_.parallel, 1, 16);
    if (settings_.resume) position_ = settings_.resume->stream_time;
}

Follower::~Follower() = default;

HlsStats Follower::stats() const {
    auto s = stats_;
    s.behind_units = 0;
    for (const auto& entry : queue_) s.behind_units += entry.unit ? 1 : 0;
    return s;
}

void Follower::drop_resume() {
    settings_.resume.reset();
    continues_ = false;
    position_ = Micros{0};
    window_ = Window(window_settings(settings_, clock_));
    queue_.clear();
    if (first_) take(*first_);
}

/// The first answer decides whether there is anything to record; until then patience is what the user asked for.
Task<Result<Loader::Loaded>> Follower::first_load(Demand& demand, Url url) {
    const auto until = clock_.now() + settings_.wait_for_start;
    Backoff passing({Millis{500}, Millis{4'000}, 2.0}, jitter_seed());
    Backoff waiting({Millis{1'000}, Millis{5'000}, 1.5}, jitter_seed());
    bool said = false;
    while (true) {
        ++stats_.playlists;
        auto loaded = co_await loader_.playlist(url, clock_.now() + playlist_deadline, 5s);
        if (loaded) {
            const auto* media = std::get_if<MediaPlaylist>(&loaded->playlist);
            if (!media || !media->segments.empty()) co_return std::move(*loaded);
            if (media->endlist)
                co_return Error{Errc::not_found, "the playlist is finished and has no segments", "playlist"};
        }
        const Error e = loaded ? not_yet() : loaded.error();
        if (demand.stop.asked()) co_return Error{Errc::cancelled, demand.stop.reason()};
        if (is_guard(e) || e.code == Errc::cancelled || e.code == Errc::unsupported) co_return e;
        const bool patient = clock_.now() < until && e.code != Errc::bad_input;
        if (!patient && !(is_passing(e) && passing.attempts() < 3)) co_return e;
        if (patient && !std::exchange(said, true))
            WEIR_LOG(info, "waiting for the stream to begin", {"url", masked_url(url.text())}, {"why", e.text()});
        const auto pause = e.retry_after ? std::min(*e.retry_after, Millis{30'000})
                           : patient     ? waiting.next()
                                         : passing.next();
        const auto wake = patient ? std::min(clock_.now() + pause, until) : clock_.now() + pause;
        if (!co_await clock_.sleep_until(wake)) co_return Error{Errc::cancelled, demand.stop.reason()};
    }
}

Task<Result<>> Follower::prepare(Demand& demand) {
    co_await errors_not_throws();
    if (prepared_) co_return Result<>();
    auto loaded = co_await first_load(demand, settings_.url);
    if (!loaded) co_return loaded.error();
    if (auto* master = std::get_if<MasterPlaylist>(&loaded->playlist)) {
        const auto chosen = choose_variant(*master, settings_.quality);
        if (!chosen) co_return chosen.error();
        variant_ = master->variants[*chosen];
        stats_.rendition = variant_name(*variant_);
        auto url = loader_.resolve(loaded->url, variant_->uri);
        if (!url) co_return within("rendition", url.error());
        master_ = std::move(*master);
        master_url_ = settings_.url;
        media_url_ = *url;
        loaded = co_await first_load(demand, std::move(*url));
        if (!loaded) co_return loaded.error();
        if (!std::holds_alternative<MediaPlaylist>(loaded->playlist))
            co_return Error{Errc::bad_input,
                            "a rendition of the multivariant playlist is a multivariant playlist itself", "playlist"};
    } else {
        media_url_ = settings_.url;
    }
    co_return co_await enter(std::move(*loaded));
}

Task<Result<>> Follower::enter(Loader::Loaded loaded) {
    const auto& media = std::get<MediaPlaylist>(loaded.playlist);
    if (auto ok = recordable(media); !ok) co_return ok.error();
    finite_ = media.endlist;
    first_ = std::move(loaded);
    if (settings_.resume) {
        const auto w = window_settings(settings_, clock_);
        continues_ = Window::continues(std::get<MediaPlaylist>(first_->playlist), *w.resume);
    }
    take(*first_);
    if (auto ok = co_await look_at_first_segment(); !ok) co_return ok.error();
    prepared_ = true;
    co_return Result<>();
}

Result<> Follower::recordable(const MediaPlaylist& playlist) const {
    for (const auto& s : playlist.segments) {
        if (s.map)
            return Error{Errc::unsupported,
                         "the segments are fragmented MP4 (EXT-X-MAP), which weir cannot record yet"};
        if (!s.key) continue;
        if (s.key->method == KeyMethod::sample_aes)
            return Error{Errc::unsupported,
                         fmt::format("the stream is protected by {}, which weir does not record", s.key->method_name)};
        if (s.key->method == KeyMethod::other)
            return Error{Errc::unsupported, fmt::format("unknown encryption method '{:.40}'", s.key->method_name)};
        if (s.key->key_format != "identity")
            return Error{
                Errc::unsupported,
                fmt::format("the stream is protected by DRM ({:.60}), which weir does not record", s.key->key_format)};
    }
    if (playlist.i_frames_only) return Error{Errc::unsupported, "the playlist has I-frames only"};
    return {};
}

/// What makes a recording impossible shows in the first bytes. The answer is kept: run() goes on with it.
Task<Result<>> Follower::look_at_first_segment() {
    if (queue_.empty() || !queue_.front().unit || queue_.front().unit->segment.gap) co_return Result<>();
    const auto unit = queue_.front().unit;
    auto opened = co_await with_deadline(clock_, clock_.now() + 10s, loader_.open(*unit, target_));
    unit->tries = 1;
    unit->first_try = clock_.now();
    if (opened) {
        unit->opened = std::move(*opened);
        co_return Result<>();
    }
    if (opened.error().code == Errc::unsupported || is_guard(opened.error())) co_return opened.error();
    unit->error = opened.error();
    co_return Result<>();
}

void Follower::take(const Loader::Loaded& loaded) {
    const auto& media = std::get<MediaPlaylist>(loaded.playlist);
    if (media.target_duration.count() > 0) target_ = std::max<Micros>(media.target_duration, 100ms);
    const auto base = std::make_shared<const Url>(loaded.url);
    auto update = window_.take(media, clock_.now());
    if (update.restarted)
        WEIR_LOG(warn, "the origin began anew", {"generation", window_.gen()}, {"first", window_.first()});
    if (!update.fresh.empty()) last_new_ = clock_.now();
    if (!update.stale) refresh(media, base);
    enqueue(std::move(update.fresh), base);
    if (media.endlist && !update.stale) finished_ = End{EndReason::endlist, {}};
    work_.notify();
}

void Follower::enqueue(std::vector<Found> found, const std::shared_ptr<const Url>& base) {
    for (auto& f : found) {
        if (auto* missed = std::get_if<Missed>(&f)) {
            queue_.push_back({nullptr, std::move(*missed)});
            continue;
        }
        auto& listed = std::get<Listed>(f);
        auto unit = std::make_shared<Unit>();
        unit->segment = std::move(listed.segment);
        unit->base = base;
        unit->gen = listed.gen;
        unit->restart = listed.restart;
        if (unit->segment.gap) {
            unit->state = Unit::State::failed;
            unit->error = Error{Errc::not_found, "gap in the playlist"};
        }
        queue_.push_back({std::move(unit), {}});
    }
}

/// Units in line get the newest playlist's URL (they may be signed and expire), and learn when it no longer lists them.
void Follower::refresh(const MediaPlaylist& playlist, const std::shared_ptr<const Url>& base) {
    if (playlist.segments.empty()) return;
    const auto first = playlist.segments.front().sequence;
    for (auto& entry : queue_) {
        if (!entry.unit || entry.unit->state == Unit::State::done || entry.unit->state == Unit::State::failed) continue;
        auto& unit = *entry.unit;
        const auto at = unit.segment.sequence - first;
        const bool listed =
            unit.gen == window_.gen() && unit.segment.sequence >= first && at < playlist.segments.size();
        if (listed) {
            const auto& s = playlist.segments[at];
            unit.segment.uri = s.uri;
            unit.segment.key = s.key;
            unit.segment.range = s.range;
            unit.base = base;
        } else if (!unit.gone) {
            unit.gone = true;
            unit.gone_at = clock_.now();
        }
    }
}

std::uint64_t Follower::jitter_seed() {
    return std::uint64_t{random_()} << 16 | 1;
}

/// RFC 8216 6.3.4, with a little jitter so that many recordings spread out.
Micros Follower::pace_after(bool changed) {
    const auto pause = changed ? target_ : target_ / 2;
    const auto jitter = std::uniform_int_distribution<int>(95, 105)(random_);
    return std::clamp<Micros>(pause * jitter / 100, 250ms, 30s);
}

void Follower::playlist_failed(const Error& e) {
    hard_failures_ = is_hard(e) ? hard_failures_ + 1 : 0;
    if (failures_++ == 0)
        WEIR_LOG(warn, "playlist cannot be read", {"url", masked_url(media_url_.text())}, {"why", e.text()});
    playlist_error_ = e;
}

/// The media playlist once more; when it has been refused for a while, the multivariant one first, for a new address of
/// the same rendition.
Task<Result<Loader::Loaded>> Follower::reload() {
    const auto deadline = clock_.now() + playlist_deadline;
    if (master_ && hard_failures_ >= 3) {
        ++stats_.playlists;
        auto fresh = co_await loader_.playlist(master_url_, deadline, target_);
        if (!fresh) co_return fresh.error();
        const auto* master = std::get_if<MasterPlaylist>(&fresh->playlist);
        if (!master) co_return Error{Errc::bad_input, "the multivariant playlist became a media playlist", "playlist"};
        const auto& variant = master->variants[same_variant(*master, *variant_)];
        auto url = loader_.resolve(fresh->url, variant.uri);
        if (!url) co_return within("rendition", url.error());
        variant_ = variant;
        media_url_ = *url;
        hard_failures_ = 0;
    }
    ++stats_.playlists;
    auto loaded = co_await loader_.playlist(media_url_, deadline, target_);
    if (loaded && !std::holds_alternative<MediaPlaylist>(loaded->playlist))
        co_return Error{Errc::bad_input, "the media playlist became a multivariant one", "playlist"};
    co_return loaded;
}

Task<void> Follower::poll() {
    co_await errors_not_throws();
    Backoff again(
        {Millis{500}, std::clamp(std::chrono::duration_cast<Millis>(target_), Millis{1'000}, Millis{5'000}), 2.0},
        jitter_seed());
    auto wake = clock_.now() + pace_after(true);
    while (!finished_ && !stopping_) {
        const auto idle_at = last_new_ + settings_.idle_timeout;
        if (!co_await clock_.sleep_until(std::min(wake, idle_at)) || stopping_) co_return;
        if (clock_.now() >= idle_at) {
            const auto why = playlist_error_
                                 ? playlist_error_->text()
                                 : fmt::format("no new segment for {} s", settings_.idle_timeout.count() / 1000);
            finished_ = End{EndReason::idle, why};
            break;
        }
        const auto asked = clock_.now();
        bool late = false;
        auto loaded = co_await with_deadline(clock_, idle_at, reload(), &late);
        if (stopping_) co_return;
        if (!loaded) {
            if (late) continue;
            if (loaded.error().code == Errc::cancelled) co_return;
            playlist_failed(loaded.error());
            const auto pause =
                loaded.error().retry_after ? std::min(*loaded.error().retry_after, Millis{10'000}) : again.next();
            wake = clock_.now() + pause;
            continue;
        }
        if (failures_ > 0) WEIR_LOG(info, "playlist is back", {"failures", failures_});
        failures_ = hard_failures_ = 0;
        playlist_error_.reset();
        again.reset();
        const auto& media = std::get<MediaPlaylist>(loaded->playlist);
        if (auto ok = recordable(media); !ok) {
            fatal_ = ok.error();
            finished_ = End{EndReason::error, fatal_->text()};
            break;
        }
        const auto before = std::pair(window_.last(), window_.gen());
        take(*loaded);
        wake = std::max(asked + pace_after(before != std::pair(window_.last(), window_.gen())), clock_.now() + 100ms);
        schedule();
    }
    // Nothing will be listed any more: what is in line has a bounded number of tries from here on.
    work_.notify();
}

}  // namespace hls
}  // namespace weir
