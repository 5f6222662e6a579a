#include "sources/hls/window.h"

#include <algorithm>

namespace weir::hls {
namespace {

constexpr std::int64_t same_date_ms = 2'000;  ///< servers recompute dates by some milliseconds

std::string last_element(std::string_view uri) {
    uri = uri.substr(0, uri.find_first_of("?#"));
    return std::string(uri.substr(uri.rfind('/') + 1));
}

Micros typical(const MediaPlaylist& p) {
    Micros sum{0};
    for (const auto& s : p.segments) sum += s.duration;
    const auto mean = p.segments.empty() ? Micros{0} : sum / static_cast<std::int64_t>(p.segments.size());
    const auto best = mean.count() > 0 ? mean : p.target_duration;
    return std::max<Micros>(best, Millis{100});
}

/// The segment that EXT-X-START points into.
std::size_t started_at(const MediaPlaylist& p) {
    Micros whole{0}, passed{0};
    for (const auto& s : p.segments) whole += s.duration;
    const std::chrono::duration<double> offset(std::clamp(p.start->time_offset, -1e6, 1e6));
    const auto point = std::chrono::duration_cast<Micros>(offset) + (offset.count() < 0 ? whole : Micros{0});
    std::size_t at = 0;
    while (at + 1 < p.segments.size() && passed + p.segments[at].duration <= point) passed += p.segments[at++].duration;
    return at;
}

std::uint64_t first_of(const MediaPlaylist& p) {
    return p.segments.front().sequence;
}
std::uint64_t last_of(const MediaPlaylist& p) {
    return p.segments.back().sequence;
}

}  // namespace

Window::Window(WindowSettings settings) : settings_(std::move(settings)) {}

Window::Update Window::take(const MediaPlaylist& playlist, SteadyTime now) {
    Update out;
    if (playlist.segments.empty()) return out;
    out.changed = !begun_ || seen_first_ != first_of(playlist) || seen_last_ != last_of(playlist) ||
                  seen_end_ != playlist.endlist;
    if (!begun_ && settings_.resume) {
        begun_ = true;
        gen_ = settings_.resume->gen;
        last_ = settings_.resume->unit;
        if (settings_.resume->since) progress_ = now - *settings_.resume->since;
    }
    if (!begun_) {
        start(playlist, out);
    } else if (const auto kin = compare(playlist);
               kin == Kin::other || fell_back(playlist, kin) || leaps(playlist, now)) {
        restart(playlist, out);
    } else if (last_of(playlist) < last_) {
        out.stale = true;
    } else {
        advance(playlist, now, out);
    }
    if (!out.stale) {
        remember(playlist);
        if (!out.fresh.empty() || !progress_) progress_ = now;
    }
    seen_first_ = first_of(playlist);
    seen_last_ = last_of(playlist);
    seen_size_ = playlist.segments.size();
    seen_end_ = playlist.endlist;
    return out;
}

/// Where EXT-X-START says, else three target durations back from the end (RFC 8216 6.3.3); of a finished playlist all
/// there is.
void Window::start(const MediaPlaylist& playlist, Update& out) {
    std::size_t from = 0;
    if (!settings_.from_start && !playlist.endlist && playlist.start) {
        from = started_at(playlist);
    } else if (!settings_.from_start && !playlist.endlist) {
        Micros back{0};
        from = playlist.segments.size();
        while (from > 0 && back < 3 * playlist.target_duration) back += playlist.segments[--from].duration;
        if (playlist.target_duration.count() == 0)
            from = playlist.segments.size() - std::min<std::size_t>(3, playlist.segments.size());
    }
    from -= std::min(from, settings_.extra);
    begun_ = true;
    for (; from < playlist.segments.size(); ++from)
        out.fresh.emplace_back(Listed{playlist.segments[from], gen_, false});
    last_ = last_of(playlist);
}

void Window::adopt(const MediaPlaylist& playlist, SteadyTime now) {
    if (playlist.segments.empty()) return;
    begun_ = true;
    known_.clear();
    last_ = last_of(playlist);
    remember(playlist);
    progress_ = now;
    seen_first_ = first_of(playlist);
    seen_last_ = last_;
    seen_size_ = playlist.segments.size();
    seen_end_ = playlist.endlist;
}

void Window::restart(const MediaPlaylist& playlist, Update& out) {
    ++gen_;
    known_.clear();
    out.restarted = true;
    for (const auto& segment : playlist.segments)
        out.fresh.emplace_back(Listed{segment, gen_, &segment == &playlist.segments.front()});
    last_ = last_of(playlist);
}

void Window::advance(const MediaPlaylist& playlist, SteadyTime now, Update& out) {
    const auto first = first_of(playlist);
    if (first > last_ + 1) {
        Missed missed{gen_, last_ + 1, first - 1, typical(playlist) * static_cast<std::int64_t>(first - 1 - last_),
                      "left the window"};
        const auto before = known_.find(last_);
        if (const auto& s = playlist.segments.front(); before != known_.end() && before->second.pdt && s.pdt) {
            const auto dated = Millis(*s.pdt - *before->second.pdt) - before->second.duration;
            if (dated > Micros{0} && dated < 4 * missed.duration) missed.duration = dated;
        }
        if (progress_ &&
            last_of(playlist) - last_ > due_units(std::chrono::duration_cast<Micros>(now - *progress_), playlist))
            missed.why = "skipped by the origin";
        out.fresh.emplace_back(std::move(missed));
    }
    for (const auto& segment : playlist.segments)
        if (segment.sequence > last_) out.fresh.emplace_back(Listed{segment, gen_, false});
    last_ = last_of(playlist);
}

/// How many units may have come in that time, generously.
std::uint64_t Window::due_units(Micros elapsed, const MediaPlaylist& playlist) const {
    return static_cast<std::uint64_t>(elapsed / typical(playlist)) + playlist.segments.size() / 2 + 2;
}

Window::Kin Window::compare(const MediaPlaylist& playlist) const {
    int same = 0, other = 0;
    for (const auto& s : playlist.segments) {
        const auto known = known_.find(s.sequence);
        if (known == known_.end()) continue;
        const auto& k = known->second;
        const bool dated = k.pdt && s.pdt;
        const bool equal =
            dated ? std::abs(*k.pdt - *s.pdt) <= same_date_ms
                  : k.name == last_element(s.uri) && std::chrono::abs(k.duration - s.duration) < Millis{50};
        ++(equal ? same : other);
    }
    if (same + other == 0) return Kin::unknown;
    return same > 0 ? Kin::same : Kin::other;
}

/// Numbers went back. A lagging edge server shows a window as large as ever whose names are known; a new origin begins
/// small.
bool Window::fell_back(const MediaPlaylist& playlist, Kin kin) const {
    if (last_of(playlist) >= last_) return false;
    if (kin == Kin::unknown) return !(known_.empty() && last_ - last_of(playlist) <= 3);
    return first_of(playlist) < first_ && playlist.segments.size() < size_;
}

/// A step that neither time nor a lost window explains: the numbering itself is new.
bool Window::leaps(const MediaPlaylist& playlist, SteadyTime now) const {
    const auto first = first_of(playlist);
    if (first <= last_ + 1 || !progress_) return false;
    const auto elapsed = std::chrono::duration_cast<Micros>(now - *progress_);
    return first - last_ > std::max<std::uint64_t>(1000, 4 * due_units(elapsed, playlist));
}

void Window::remember(const MediaPlaylist& playlist) {
    first_ = first_of(playlist);
    size_ = playlist.segments.size();
    for (const auto& s : playlist.segments) known_[s.sequence] = Identity{last_element(s.uri), s.pdt, s.duration};
    // Enough to recognise a lagging server; a finished or growing playlist is not compared far back.
    const std::size_t keep = std::min<std::size_t>(4 * size_ + 16, 2000);
    while (known_.size() > keep) known_.erase(known_.begin());
}

bool Window::continues(const MediaPlaylist& playlist, const WindowSettings::Resume& resume) {
    if (playlist.segments.empty()) return false;
    const auto first = first_of(playlist), last = last_of(playlist);
    if (playlist.endlist) return first <= resume.unit + 1 && resume.unit <= last;
    if (last + 3 < resume.unit) return false;
    if (!resume.since) return first <= resume.unit + 1;
    const auto ahead = last > resume.unit ? last - resume.unit : 0;
    const auto due = static_cast<std::uint64_t>(*resume.since / typical(playlist));
    const auto slack = playlist.segments.size() + 60;
    return ahead <= 2 * due + slack && ahead + slack >= due * 3 / 10;
}

}  // namespace weir::hls
