#include "sources/hls/lane.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/cutters.h"
#include "sources/start_waiter.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr auto playlist_deadline = 15s;

bool is_hard(const Error& e) {
    return e.status == 403 || e.status == 404 || e.status == 410;
}

Error not_yet() {
    return Error{Errc::not_found, "the playlist has no segments yet", "playlist"};
}

}  // namespace

Result<> recordable(const MediaPlaylist& playlist) {
    const auto check = [](const Key& key) -> Result<> {
        if (key.method == KeyMethod::sample_aes)
            return Error{Errc::unsupported,
                         fmt::format("the stream is protected by {}, which weir does not record", key.method_name)};
        if (key.method == KeyMethod::other)
            return Error{Errc::unsupported, fmt::format("unknown encryption method '{:.40}'", key.method_name)};
        if (key.key_format != "identity")
            return Error{
                Errc::unsupported,
                fmt::format("the stream is protected by DRM ({:.60}), which weir does not record", key.key_format)};
        return {};
    };
    for (const auto& s : playlist.segments) {
        if (s.key)
            if (auto ok = check(*s.key); !ok) return ok;
        if (s.map && s.map->key)
            if (auto ok = check(*s.map->key); !ok) return ok;
    }
    if (playlist.i_frames_only) return Error{Errc::unsupported, "the playlist has I-frames only"};
    return {};
}

Lane::Lane(Presentation& presentation, std::uint16_t number)
    : p_(presentation),
      clock_(presentation.clock),
      settings_(presentation.settings),
      number_(number),
      window_(window_settings()),
      position_(presentation.begins),
      work_(presentation.ex),
      room_(presentation.ex),
      tasks_(presentation.ex) {}

WindowSettings Lane::window_settings() const {
    WindowSettings w;
    w.from_start = settings_.from_start;
    if (number_ != 0) w.extra = 2;  // what lies before the main lane's beginning is left out by its time
    if (resume_) {
        w.resume = WindowSettings::Resume{resume_->unit, resume_->gen, {}};
        if (resume_->last_written != WallTime{})
            w.resume->since =
                std::max(Micros{0}, std::chrono::duration_cast<Micros>(clock_.wall() - resume_->last_written));
    }
    return w;
}

void Lane::resume_at(const HlsSettings::Resume& resume) {
    resume_ = resume;
    position_ = resume.stream_time;
    window_ = Window(window_settings());
}

void Lane::drop_resume() {
    resume_.reset();
    continues_ = false;
    position_ = p_.begins;
    window_ = Window(window_settings());
    queue_.clear();
    if (first_) take(*first_);
}

std::uint64_t Lane::behind() const noexcept {
    std::uint64_t units = 0;
    for (const auto& entry : queue_) units += entry.unit ? 1 : 0;
    return units;
}

Task<Result<Loader::Loaded>> Lane::first_load(Demand& demand, Url url) {
    const auto short_seed = jitter_seed(), patient_seed = jitter_seed();
    StartWaiter waiter(clock_, settings_.wait_for_start, short_seed, patient_seed);
    while (true) {
        ++stats_.playlists;
        auto loaded = co_await p_.loader.playlist(url, clock_.now() + playlist_deadline, 5s);
        if (loaded) {
            const auto* media = std::get_if<MediaPlaylist>(&loaded->playlist);
            if (!media || !media->segments.empty()) co_return std::move(*loaded);
            if (media->endlist)
                co_return Error{Errc::not_found, "the playlist is finished and has no segments", "playlist"};
        }
        const Error e = loaded ? not_yet() : loaded.error();
        if (e.status == 403 && settings_.fresh_address) co_return e;  // no waiting makes that one good
        if (auto again = co_await waiter.wait(e, url, demand); !again) co_return again.error();
    }
}

Task<Result<>> Lane::enter(Loader::Loaded loaded, Url media_url) {
    media_url_ = std::move(media_url);
    const auto& media = std::get<MediaPlaylist>(loaded.playlist);
    if (auto ok = recordable(media); !ok) co_return ok.error();
    finite_ = media.endlist;
    first_ = std::move(loaded);
    if (resume_) {
        const auto w = window_settings();
        continues_ = Window::continues(std::get<MediaPlaylist>(first_->playlist), *w.resume);
        if (number_ != 0 && !continues_) drop_resume();
    }
    if (!window_.begun()) take(*first_);
    auto looked = co_await look_at_first_segment();
    if (!looked) co_return looked.error();
    prepared_ = true;
    co_return Result<>();
}

/// What makes a recording impossible shows in the first bytes. The answer is kept: run() goes on with it.
Task<Result<>> Lane::look_at_first_segment() {
    if (queue_.empty() || !queue_.front().unit || queue_.front().unit->segment.gap) co_return Result<>();
    const auto unit = queue_.front().unit;
    auto opened = co_await with_deadline(clock_, clock_.now() + 10s, p_.loader.open(*unit, target_));
    unit->tries = 1;
    unit->first_try = clock_.now();
    if (opened) {
        auto clear = in_the_clear(opened->header.empty() ? opened->first : opened->header);
        if (!clear) co_return clear.error();
        unit->opened = std::move(*opened);
        co_return Result<>();
    }
    if (opened.error().code == Errc::unsupported || is_guard(opened.error())) co_return opened.error();
    unit->error = opened.error();
    co_return Result<>();
}

void Lane::take(const Loader::Loaded& loaded) {
    const auto& media = std::get<MediaPlaylist>(loaded.playlist);
    note(media);
    const auto base = std::make_shared<const Url>(loaded.url);
    const bool beginning = !window_.begun();
    auto update = window_.take(media, clock_.now());
    if (update.restarted)
        WEIR_LOG(warn, "the origin began anew", {"lane", number_}, {"generation", window_.gen()},
                 {"first", window_.first()});
    if (!update.fresh.empty()) last_new_ = clock_.now();
    if (!update.stale) refresh(media, base);
    if (beginning && number_ != 0 && !resume_) placing_ = true;
    enqueue(std::move(update.fresh), base);
    if (media.endlist && !update.stale) finished_ = End{EndReason::endlist, {}};
    work_.notify();
}

void Lane::note(const MediaPlaylist& media) {
    if (media.target_duration.count() > 0) target_ = std::max<Micros>(media.target_duration, 100ms);
    last_taken_ = clock_.now();
    span_ = Micros{0};
    for (const auto& s : media.segments) span_ += s.duration;
    if (media.date_ranges.size() > date_ranges_)
        for (auto i = date_ranges_; i < media.date_ranges.size(); ++i)
            WEIR_LOG(debug, "date range", {"id", media.date_ranges[i].id}, {"class", media.date_ranges[i].cls},
                     {"start", media.date_ranges[i].start_date});
    date_ranges_ = media.date_ranges.size();
}

UnitPtr Lane::make_unit(Segment segment, std::uint32_t gen, const std::shared_ptr<const Url>& base) const {
    auto unit = std::make_shared<Unit>();
    unit->segment = std::move(segment);
    unit->base = base;
    unit->gen = gen;
    unit->rendition = rendition_;
    unit->shift = shift_;
    unit->trial = placing_;
    if (unit->segment.gap) {
        unit->state = Unit::State::failed;
        unit->error = Error{Errc::not_found, "gap in the playlist"};
    }
    return unit;
}

void Lane::enqueue(std::vector<Found> found, const std::shared_ptr<const Url>& base) {
    for (auto& f : found) {
        if (auto* missed = std::get_if<Missed>(&f)) {
            queue_.push_back({nullptr, std::move(*missed), placing_, rendition_});
            continue;
        }
        auto& listed = std::get<Listed>(f);
        last_listed_ = listed.segment;
        last_base_ = base;
        if (listed.restart) shift_ = 0;
        auto unit = make_unit(std::move(listed.segment), listed.gen, base);
        unit->restart = listed.restart;
        if (listed.restart) unit->trial = placing_ = false;
        queue_.push_back({std::move(unit), {}, false, 0});
    }
}

/// Units in line get the newest playlist's URL (they may be signed and expire), and learn when it no longer lists them.
void Lane::refresh(const MediaPlaylist& playlist, const std::shared_ptr<const Url>& base) {
    if (playlist.segments.empty()) return;
    const auto first = playlist.segments.front().sequence;
    for (auto& entry : queue_) {
        if (!entry.unit || entry.unit->state == Unit::State::done || entry.unit->state == Unit::State::failed) continue;
        auto& unit = *entry.unit;
        const auto at = unit.segment.sequence - first;
        const bool listed = unit.gen == window_.gen() && unit.rendition == rendition_ &&
                            unit.segment.sequence >= first && at < playlist.segments.size();
        if (listed) {
            const auto& s = playlist.segments[at];
            unit.segment.uri = s.uri;
            unit.segment.key = s.key;
            unit.segment.map = s.map;
            unit.segment.range = s.range;
            unit.base = base;
        } else if (!unit.gone) {
            unit.gone = true;
            unit.gone_at = clock_.now();
        }
    }
}

std::uint64_t Lane::jitter_seed() {
    return std::uint64_t{p_.random()} << 16 | 1;
}

/// RFC 8216 6.3.4, with a little jitter so that many recordings spread out.
Micros Lane::pace_after(bool changed) {
    const auto pause = changed ? target_ : target_ / 2;
    const auto jitter = std::uniform_int_distribution<int>(95, 105)(p_.random);
    return std::clamp<Micros>(pause * jitter / 100, 250ms, 30s);
}

void Lane::playlist_failed(const Error& e) {
    hard_failures_ = is_hard(e) ? hard_failures_ + 1 : 0;
    if (failures_++ == 0 && !ends_idle_)  // when the live is over it goes, as it should
        WEIR_LOG(warn, "playlist cannot be read", {"lane", number_}, {"url", masked_url(media_url_.text())},
                 {"why", e.text()});
    playlist_error_ = e;
    if (ends_idle_ && hard_failures_ >= 2 && !finished_) end_now(e.text());
}

void Lane::ends_soon(Millis idle) {
    if (std::exchange(ends_idle_, ends_idle_.value_or(idle))) return;
    if (running_ && !stopping_ && !finished_) tasks_.spawn(end_when_silent(), "hls last look");
}

/// However long a request for the playlist hangs.
Task<void> Lane::end_when_silent() {
    co_await errors_not_throws();
    const auto looked = clock_.now() + std::min<Micros>(*ends_idle_, 3 * target_);
    while (!finished_ && !stopping_) {
        // While the playlist fails, silence says nothing: its last segments may be there when it is back.
        const bool failing = failures_ > 0 && hard_failures_ == 0;
        const auto idle = failing ? std::max(*ends_idle_, settings_.idle_timeout) : *ends_idle_;
        const auto at = std::max(looked, last_new_ + idle);
        if (clock_.now() >= at) {
            end_now(fmt::format("no new segment for {} s", ends_idle_->count() / 1000));
            co_return;
        }
        const bool came = co_await clock_.sleep_until(failing ? std::min<SteadyTime>(at, clock_.now() + 1s) : at);
        if (!came) co_return;
    }
}

void Lane::end_now(std::string why) {
    finished_ = End{EndReason::endlist, "the live was over: " + std::move(why)};
    work_.notify();
}

/// The media playlist once more; when it has been refused for a while, at a fresh address of the same rendition.
Task<Result<Loader::Loaded>> Lane::reload() {
    if (hard_failures_ >= 3) {
        const auto of = address_;
        auto fresh = co_await p_.owner->fresh_address(*this);
        if (!fresh && fresh.error().code == Errc::cancelled) co_return fresh.error();
        // Without a fresh one the old address is asked all the same: it may be back while the other is not.
        if (fresh && *fresh && of == address_) {
            media_url_ = **fresh;
            hard_failures_ = 0;
        }
    }
    ++stats_.playlists;
    auto loaded = co_await p_.loader.playlist(media_url_, clock_.now() + playlist_deadline, target_);
    if (loaded && !std::holds_alternative<MediaPlaylist>(loaded->playlist))
        co_return Error{Errc::bad_input, "the media playlist became a multivariant one", "playlist"};
    co_return loaded;
}

/// One look at the playlist; false when there will be no other.
Task<bool> Lane::poll_once(SteadyTime idle_at, Backoff& again, SteadyTime& wake) {
    const auto asked = clock_.now();
    const auto of = address_;
    bool late = false;
    auto loaded = co_await with_deadline(clock_, idle_at, reload(), &late);
    if (stopping_) co_return false;
    if (of != address_) {  // another playlist is followed by now
        wake = clock_.now() + pace_after(true);
        co_return true;
    }
    if (!loaded) {
        if (late) co_return true;
        if (loaded.error().code == Errc::cancelled) co_return false;
        playlist_failed(loaded.error());
        wake = clock_.now() + again.next(loaded.error().retry_after, Millis{10'000});
        co_return true;
    }
    if (failures_ > 0) WEIR_LOG(info, "playlist is back", {"lane", number_}, {"failures", failures_});
    failures_ = hard_failures_ = 0;
    playlist_error_.reset();
    again.reset();
    if (auto ok = recordable(std::get<MediaPlaylist>(loaded->playlist)); !ok) {
        fatal_ = ok.error();
        finished_ = End{EndReason::error, fatal_->text()};
        co_return false;
    }
    const auto before = std::pair(window_.last(), window_.gen());
    take(*loaded);
    wake = std::max(asked + pace_after(before != std::pair(window_.last(), window_.gen())), clock_.now() + 100ms);
    schedule();
    co_return true;
}

Task<void> Lane::poll() {
    co_await errors_not_throws();
    polling_ = true;
    Backoff again(
        {Millis{500}, std::clamp(std::chrono::duration_cast<Millis>(target_), Millis{1'000}, Millis{5'000}), 2.0},
        jitter_seed());
    auto wake = clock_.now() + pace_after(true);
    while (!finished_ && !stopping_) {
        // Only the main lane's silence ends the recording.
        const auto idle_at = number_ == 0 ? last_new_ + settings_.idle_timeout : clock_.now() + 24h;
        const bool came = co_await clock_.sleep_until(std::min(wake, idle_at));
        if (!came || stopping_) break;
        if (finished_) break;
        if (number_ == 0 && clock_.now() >= last_new_ + settings_.idle_timeout) {
            const auto why = playlist_error_
                                 ? playlist_error_->text()
                                 : fmt::format("no new segment for {} s", settings_.idle_timeout.count() / 1000);
            finished_ = End{ends_idle_ ? EndReason::endlist : EndReason::idle, why};
            break;
        }
        if (clock_.now() < wake) continue;  // another playlist brought something new
        const bool goes_on = co_await poll_once(idle_at, again, wake);
        if (!goes_on) break;
    }
    polling_ = false;
    // Nothing will be listed any more: what is in line has a bounded number of tries from here on.
    work_.notify();
}

}  // namespace weir::hls
