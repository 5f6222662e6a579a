#include <algorithm>

#include "base/log.h"
#include "base/secret.h"
#include "sources/hls/cutters.h"
#include "sources/hls/lane.h"
#include "sources/hls/rendition.h"

namespace weir::hls {
namespace {

using namespace std::chrono_literals;

constexpr int tries_to_switch = 3;
constexpr std::int64_t agreeing_dates_ms = 2'000;
constexpr std::uint64_t same_numbers = 3;  ///< units that one playlist may lag behind another
constexpr std::size_t margin_lined_up = 2, margin_dated = 1;

/// Host and query change with every signature, the path does not.
std::string path_of(const Url& base, const Segment& segment) {
    const auto url = resolve_url(base, segment.uri);
    return url ? url->path : std::string();
}

std::int64_t millis(Micros d) {
    return d.count() / 1000;
}

}  // namespace

void Lane::follow(Switch to) {
    const auto before = std::exchange(next_switch_, std::move(to));
    if (before) p_.owner->switched(*this, *before, Error{Errc::cancelled, "another switch took its place"});
    if (!running_ || stopping_ || std::exchange(switching_, true)) return;
    tasks_.spawn(switch_over(), "hls switch");
}

/// While the old playlist goes on, the new one is loaded and looked at; only a good one is taken.
Task<void> Lane::switch_over() {
    co_await errors_not_throws();
    while (next_switch_ && !stopping_) {
        const Switch to = std::move(*next_switch_);
        next_switch_.reset();
        auto outcome = co_await try_switch(to);
        if (stopping_) break;
        if (outcome)
            WEIR_LOG(info, "another playlist is followed", {"lane", number_}, {"url", masked_url(to.url.text())},
                     {"rendition", to.rendition});
        else
            WEIR_LOG(warn, "cannot follow another playlist, the old one goes on", {"lane", number_},
                     {"url", masked_url(to.url.text())}, {"why", outcome.error().text()});
        p_.owner->switched(*this, to, outcome);
    }
    switching_ = false;
    work_.notify();
}

Task<Result<>> Lane::try_switch(const Switch& to) {
    Url url = to.url;
    Backoff pause({Millis{500}, Millis{2'000}, 2.0}, jitter_seed());
    auto outcome = Result<>();
    for (int tries = 0; tries < tries_to_switch; ++tries) {
        if (tries > 0) {
            const bool came = co_await clock_.sleep_for(pause.next());
            if (!came) co_return Error{Errc::cancelled, "stopped"};
        }
        auto loaded = co_await load_for_switch(url);
        if (loaded) {
            outcome = co_await probe(*loaded);
            if (outcome) adopt(*loaded, url);
        } else {
            outcome = loaded.error();
        }
        if (outcome || stopping_ || outcome.error().code == Errc::unsupported ||
            outcome.error().code == Errc::not_found || outcome.error().code == Errc::denied)
            break;
    }
    co_return outcome;
}

/// A multivariant playlist stands for the rendition that the user wishes.
Task<Result<Loader::Loaded>> Lane::load_for_switch(Url& url) {
    for (int deep = 0; deep < 2; ++deep) {
        ++stats_.playlists;
        auto loaded = co_await p_.loader.playlist(url, clock_.now() + 15s, target_);
        if (!loaded) co_return loaded.error();
        const auto* master = std::get_if<MasterPlaylist>(&loaded->playlist);
        if (!master) {
            const auto& media = std::get<MediaPlaylist>(loaded->playlist);
            if (media.segments.empty()) co_return Error{Errc::busy, "the playlist has no segments yet", "playlist"};
            if (auto ok = recordable(media); !ok) co_return ok.error();
            co_return std::move(*loaded);
        }
        const auto chosen = choose_variant(*master, settings_.quality);
        if (!chosen) co_return chosen.error();
        auto inner = p_.loader.resolve(loaded->url, master->variants[*chosen].uri);
        if (!inner) co_return within("rendition", inner.error());
        url = *inner;
    }
    co_return Error{Errc::bad_input, "a rendition of the multivariant playlist is a multivariant playlist itself"};
}

/// Its newest segment must be something that can be recorded.
Task<Result<>> Lane::probe(const Loader::Loaded& loaded) {
    const auto& media = std::get<MediaPlaylist>(loaded.playlist);
    const auto base = std::make_shared<const Url>(loaded.url);
    auto unit = make_unit(media.segments.back(), 0, base);
    if (unit->segment.gap) co_return Result<>();
    auto opened = co_await with_deadline(clock_, clock_.now() + 10s, p_.loader.open(*unit, target_));
    if (!opened) co_return opened.error();
    co_return in_the_clear(opened->header.empty() ? opened->first : opened->header);
}

/// Only a fresh address: the same segments at the same paths.
bool Lane::same_rendition(const Loader::Loaded& loaded) const {
    bool met = false;
    for (const auto& s : std::get<MediaPlaylist>(loaded.playlist).segments)
        for (const auto& entry : queue_) {
            if (!entry.unit || entry.unit->rendition != rendition_ || entry.unit->segment.sequence != s.sequence)
                continue;
            if (path_of(loaded.url, s) != path_of(*entry.unit->base, entry.unit->segment)) return false;
            met = true;
        }
    if (met || !last_base_) return met;
    const auto& segments = std::get<MediaPlaylist>(loaded.playlist).segments;
    return std::any_of(segments.begin(), segments.end(), [&](const Segment& s) {
        return s.sequence == last_listed_.sequence && path_of(loaded.url, s) == path_of(*last_base_, last_listed_);
    });
}

/// The old playlist's part of the line ends before the first unit of which nothing has come.
Lane::Cut Lane::cut_now() const {
    Cut cut;
    cut.breaks = line_.breaks;
    const auto pass_line = [&](const Unit& unit) {
        const auto& s = unit.segment;
        const auto said = static_cast<std::int64_t>(s.discontinuity_sequence) + unit.shift;
        cut.breaks = std::max(cut.breaks + (s.discontinuity ? 1 : 0),
                              static_cast<std::uint64_t>(std::max<std::int64_t>(0, said)));
    };
    const auto untouched = [](const Entry& entry) {
        return entry.unit && !entry.unit->begun && entry.unit->pieces.empty() && entry.unit->passed == 0 &&
               entry.unit->state != Unit::State::done && entry.unit->state != Unit::State::failed;
    };
    for (; cut.index < queue_.size() && !untouched(queue_[cut.index]); ++cut.index)
        if (const auto& unit = queue_[cut.index].unit; unit && !unit->entered) pass_line(*unit);
    cut.number = last_listed_.sequence + 1;
    if (last_listed_.pdt) cut.pdt = *last_listed_.pdt + millis(last_listed_.duration);
    for (auto i = cut.index; i < queue_.size(); ++i)
        if (queue_[i].unit) cut.tail += queue_[i].unit->segment.duration;
    if (cut.index == queue_.size()) return cut;
    const auto& next = queue_[cut.index].unit->segment;
    cut.number = next.sequence;
    cut.pdt = next.pdt;
    pass_line(*queue_[cut.index].unit);
    return cut;
}

/// Finds the cut in the new playlist: by number where numbers (and dates, where there are some) agree, else by date,
/// else by what is listed after it. Timestamps have the last word, see place().
void Lane::line_up(const MediaPlaylist& media, Cut& cut) const {
    const auto& all = media.segments;
    const auto first = all.front().sequence, last = all.back().sequence;
    const bool near = cut.number + same_numbers >= first && cut.number <= last + same_numbers;
    const bool same_gen = cut.index == queue_.size() || queue_[cut.index].unit->gen == window_.gen();
    const bool dated = cut.pdt && std::all_of(all.begin(), all.end(), [](const Segment& s) { return s.pdt; });
    const auto at = cut.number <= first ? 0 : static_cast<std::size_t>(std::min(cut.number - first, last - first));
    bool agrees = true;
    if (dated) {
        const auto steps = static_cast<std::int64_t>(cut.number) - static_cast<std::int64_t>(all[at].sequence);
        agrees = std::abs(*all[at].pdt + steps * millis(all[at].duration) - *cut.pdt) <= agreeing_dates_ms;
    }
    cut.lined_up = near && same_gen && agrees;
    if (cut.lined_up) {
        cut.first = cut.number <= first ? 0 : std::min<std::size_t>(cut.number - first, all.size());
        cut.margin = margin_lined_up;
        return;
    }
    if (dated) {
        const auto begins = std::find_if(
            all.begin(), all.end(), [&](const Segment& s) { return *s.pdt + millis(s.duration) > *cut.pdt + 100; });
        cut.first = static_cast<std::size_t>(begins - all.begin());
        cut.margin = margin_dated;
        return;
    }
    // What may have been listed since the old playlist was read is not known there yet.
    const auto unseen = std::chrono::duration_cast<Micros>(clock_.now() - last_taken_);
    const auto wanted = cut.tail + (media.endlist ? Micros{0} : std::min(unseen, span_));
    Micros tail{0};
    cut.first = all.size();
    while (cut.first > 0 && tail < wanted) tail += all[--cut.first].duration;
    cut.margin = cut.first;
}

/// The number that follows so many places in line.
std::uint64_t Lane::number_after(std::size_t index) const {
    if (index == queue_.size()) return last_listed_.sequence + 1;
    const auto& [unit, missed, trial, rendition] = queue_[index];
    return unit ? unit->segment.sequence : missed.first;
}

/// Numbers between the old playlist's part of the line and the new playlist.
Missed Lane::never_listed(const MediaPlaylist& media, std::uint64_t first) const {
    const auto& next = media.segments.front();
    const auto count = static_cast<std::int64_t>(next.sequence - first);
    return {window_.gen(), first, next.sequence - 1, next.duration * count, "not in the other rendition's window"};
}

void Lane::cut_queue(std::size_t index) {
    while (queue_.size() > index) {
        if (const auto& unit = queue_.back().unit) {
            unit->dropped = true;
            if (unit->state != Unit::State::fetching) unit->state = Unit::State::failed;
            drop_held(*unit);
        }
        queue_.pop_back();
    }
}

void Lane::adopt(const Loader::Loaded& loaded, const Url& url) {
    const auto& media = std::get<MediaPlaylist>(loaded.playlist);
    const bool same = same_rendition(loaded);
    media_url_ = url;
    ++address_;
    failures_ = hard_failures_ = 0;
    playlist_error_.reset();
    if (same) return take(loaded);

    auto cut = cut_now();
    line_up(media, cut);
    // What the new window no longer has, the old one may still bring.
    while (cut.lined_up && cut.index < queue_.size() && queue_[cut.index].unit &&
           queue_[cut.index].unit->segment.sequence < media.segments.front().sequence)
        ++cut.index;
    WEIR_LOG(debug, "another playlist's place in line", {"lane", number_}, {"number", cut.number},
             {"lined_up", cut.lined_up}, {"first", media.segments.front().sequence + cut.first}, {"margin", cut.margin},
             {"kept", cut.index});
    const auto next = number_after(cut.index);
    cut_queue(cut.index);
    ++rendition_;
    placing_ = true;
    note(media);
    window_.adopt(media, clock_.now());
    if (!cut.lined_up) window_.new_generation();
    const auto at = std::min(cut.first, media.segments.size() - 1);
    shift_ =
        static_cast<std::int64_t>(cut.breaks) - static_cast<std::int64_t>(media.segments[at].discontinuity_sequence);
    if (cut.lined_up && next < media.segments.front().sequence)
        queue_.push_back({nullptr, never_listed(media, next), true, rendition_});
    const auto base = last_base_ = std::make_shared<const Url>(loaded.url);
    for (auto i = cut.first - std::min(cut.first, cut.margin); i < media.segments.size(); ++i) {
        auto unit = make_unit(media.segments[i], window_.gen(), base);
        unit->margin = i < cut.first;
        queue_.push_back({std::move(unit), {}, false, 0});
    }
    last_listed_ = media.segments.back();
    last_new_ = clock_.now();
    finished_.reset();
    if (media.endlist) finished_ = End{EndReason::endlist, {}};
    if (!finished_ && !polling_) tasks_.spawn(poll(), "hls playlist");
    if (!finished_ && ends_idle_) tasks_.spawn(end_when_silent(), "hls last look");
    schedule();
    work_.notify();
}

}  // namespace weir::hls
