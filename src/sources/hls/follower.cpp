#include "sources/hls/follower.h"

#include <algorithm>
#include <random>

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

constexpr Micros patience_stopped = 1500ms, patience_ended = 15s;
constexpr int most_addresses = 8;  ///< for the first playlist

}  // namespace

Follower::Follower(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies, HlsSettings settings)
    : settings_(std::move(settings)),
      loader_(ex, clock, http, cookies, settings_),
      presentation_(ex, clock, loader_, settings_),
      main_(presentation_, 0),
      ended_(ex) {
    presentation_.random.seed(
        static_cast<std::uint32_t>(settings_.seed != 0 ? settings_.seed : std::random_device{}()));
    presentation_.owner = this;
    presentation_.lanes.push_back(&main_);
    if (!settings_.resume) return;
    presentation_.begins = settings_.resume->stream_time;
    main_.resume_at(*settings_.resume);
}

Follower::~Follower() = default;

HlsStats Follower::stats() const {
    HlsStats sum;
    for (const auto* lane : presentation_.lanes) {
        const auto& s = lane->counted();
        sum.asked += s.asked;
        sum.got += s.got;
        sum.missing += s.missing;
        sum.retries += s.retries;
        sum.bytes += s.bytes;
        sum.playlists += s.playlists;
        sum.behind_units += lane->behind();
    }
    sum.rendition = rendition_;
    for (const auto& b : beside_) sum.audio.push_back(b.rendition.name);
    return sum;
}

void Follower::drop_resume() {
    settings_.resume.reset();
    presentation_.begins = Micros{0};
    main_.drop_resume();
}

void Follower::follow(Url url) {
    loader_.trust(url);
    if (main_.prepared())
        main_.follow(Switch{std::move(url), {}});
    else
        settings_.url = std::move(url);
}

Task<Result<>> Follower::prepare(Demand& demand) {
    co_await errors_not_throws();
    if (main_.prepared()) co_return Result<>();
    auto loaded = co_await load_first(demand);
    if (!loaded) co_return loaded.error();
    const Url wanted = settings_.url;
    Url media = wanted;
    if (std::holds_alternative<MasterPlaylist>(loaded->playlist)) {
        master_url_ = wanted;
        auto chosen = co_await choose(*loaded, demand);
        if (!chosen) co_return chosen.error();
        media = main_url_;
    }
    co_return co_await main_.enter(std::move(*loaded), std::move(media));
}

/// A session that was gone before the first playlist came gives a new address as a later one would.
Task<Result<Loader::Loaded>> Follower::load_first(Demand& demand) {
    const auto until = presentation_.clock.now() + settings_.wait_for_start;
    Backoff pause({Millis{500}, Millis{5'000}, 2.0}, std::uint64_t{presentation_.random()} << 16 | 1);
    for (int tries = 1;; ++tries) {
        Url wanted = settings_.url;
        auto loaded = co_await main_.first_load(demand, wanted);
        if (loaded) settings_.url = std::move(wanted);
        const bool refused = !loaded && loaded.error().status == 403 && settings_.fresh_address;
        if (!refused || demand.stop.asked()) co_return loaded;
        const bool enough = tries >= most_addresses || (tries > 1 && presentation_.clock.now() >= until);
        if (enough) co_return loaded;
        auto fresh = co_await ask_for_address();
        if (fresh && *fresh) settings_.url = **fresh;
        if (!fresh && fresh.error().code == Errc::cancelled) co_return fresh.error();
        if (fresh && *fresh && tries == 1) continue;
        const bool slept = co_await presentation_.clock.sleep_for(pause.next());
        if (!slept) co_return Error{Errc::cancelled, demand.stop.reason()};
    }
}

Task<Result<std::optional<Url>>> Follower::ask_for_address() {
    auto asking = settings_.fresh_address();
    auto fresh = co_await std::move(asking);
    if (fresh && *fresh) loader_.trust(**fresh);
    co_return fresh;
}

/// The variant and its sound; `loaded` becomes the variant's playlist.
Task<Result<>> Follower::choose(Loader::Loaded& loaded, Demand& demand) {
    master_ = std::get<MasterPlaylist>(std::move(loaded.playlist));
    master_base_ = loaded.url;
    const auto chosen = choose_variant(*master_, settings_.quality);
    if (!chosen) co_return chosen.error();
    variant_ = master_->variants[*chosen];
    rendition_ = variant_name(*variant_);
    auto url = loader_.resolve(loaded.url, variant_->uri);
    if (!url) co_return within("rendition", url.error());
    if (auto sound = choose_sound(loaded.url); !sound) co_return sound.error();
    main_url_ = *url;
    auto media = co_await main_.first_load(demand, std::move(*url));
    if (!media) co_return media.error();
    auto* playlist = std::get_if<MediaPlaylist>(&media->playlist);
    if (!playlist)
        co_return Error{Errc::bad_input, "a rendition of the multivariant playlist is a multivariant playlist itself",
                        "playlist"};
    if (!playlist->start) playlist->start = master_->start;
    loaded = std::move(*media);
    co_return Result<>();
}

Result<> Follower::choose_sound(const Url& base) {
    beside_.clear();
    auto sound = choose_audio(*master_, *variant_, settings_.audio);
    if (!sound) return sound.error();
    for (auto& rendition : *sound) {
        auto url = loader_.resolve(base, rendition.uri);
        if (!url) return within("audio", url.error());
        beside_.push_back(Beside{std::move(rendition), std::move(*url), nullptr, nullptr, false});
    }
    return {};
}

void Follower::start_beside() {
    for (std::size_t i = 0; i < beside_.size(); ++i) {
        auto& b = beside_[i];
        const auto number = static_cast<std::uint16_t>(i + 1);
        b.lane = std::make_unique<Lane>(presentation_, number);
        b.task = std::make_unique<TaskGroup>(presentation_.ex);
        if (settings_.resume)
            for (const auto& at : settings_.resume->beside)
                if (at.lane == number)
                    b.lane->resume_at({at.unit,
                                       at.gen,
                                       at.stream_time,
                                       settings_.resume->last_written,
                                       {},
                                       settings_.resume->offset});
        presentation_.lanes.push_back(b.lane.get());
    }
    for (auto& b : beside_) b.task->spawn(run_beside(b), "hls alternate audio");
}

Task<void> Follower::run_beside(Beside& beside) {
    co_await errors_not_throws();
    co_await beside.lane->run_beside(beside.url);
    beside.ended = true;
    ended_.notify();
}

bool Follower::all_ended() const {
    return std::all_of(beside_.begin(), beside_.end(), [](const Beside& b) { return b.ended; });
}

Task<Result<End>> Follower::run(ItemSink& sink, Demand& demand) {
    co_await errors_not_throws();
    demand_ = &demand;
    presentation_.sink = &sink;
    auto span = trace::begin("hls", "hls.Read", settings_.trace);
    reading_ = span.context();
    auto reading = read(demand);
    auto ended = co_await std::move(reading);
    tell_of_last(span);
    if (!ended)
        span.fail(name_of(ended.error().code), ended.error().text());
    else if (ended->reason == EndReason::error)
        span.fail("end", ended->why);
    co_return ended;
}

/// The last unit that was listed, under the reference's names. Ours come in the playlist's order, whatever their times.
void Follower::tell_of_last(trace::Span& span) const {
    const auto& last = main_.last_listed();
    auto name = last.uri.substr(0, last.uri.find_first_of("?#"));
    name.erase(0, name.rfind('/') + 1);
    span.set("last_fragment_name", std::move(name));
    const auto time = last.pdt ? utc_text(WallTime(Millis(*last.pdt))) : std::string();
    span.set("last_fragment_time", time);
    span.set("use_time_based_sorting", false);
}

Task<Result<End>> Follower::read(Demand& demand) {
    if (!main_.prepared()) {
        auto ready = co_await prepare(demand);
        if (!ready && demand.stop.asked()) co_return End{EndReason::stopped, demand.stop.reason()};
        if (!ready) co_return ready.error();
    }
    presentation_.main_running = true;
    start_beside();
    auto filling = trace::begin("hls", "hls.fillQueue", reading_);
    auto ended = co_await main_.run(demand);
    presentation_.main_running = false;
    tell_of_last(filling);
    if (!ended) filling.fail(name_of(ended.error().code), ended.error().text());
    filling.end();
    co_await end_beside(demand, ended);
    co_return ended;
}

/// The recording has ended with its main lane: the others hand on what covers the same time, and what their finished
/// playlists still hold after it.
Task<void> Follower::end_beside(Demand& demand, const Result<End>& ended) {
    const bool stopped = !ended || ended->reason == EndReason::stopped || demand.stop.asked();
    const bool whole = !stopped && ended->reason == EndReason::endlist;
    for (auto& b : beside_)
        b.lane->close(main_.position(), stopped ? patience_stopped : patience_ended, whole, stopped);
    bool hurried = stopped;
    while (!all_ended()) {
        bool unread = false;
        for (auto& b : beside_)
            if (!b.ended && !b.lane->prepared() && (hurried || b.lane->failing()) && !b.task->stopping().asked()) {
                b.task->ask_stop("the recording ended");
                unread = true;
            }
        if (unread) continue;
        const bool rung = co_await ended_.wait();
        if (rung) continue;
        co_await uncancellable();
        if (std::exchange(hurried, true)) continue;
        for (auto& b : beside_) b.lane->close(main_.position(), patience_stopped, false, true);
    }
    co_await uncancellable();
    for (auto& b : beside_) co_await b.task->stop("the source ended");
}

/// The same rendition in a newer multivariant playlist: addresses may be signed and expire.
Task<Result<std::optional<Url>>> Follower::fresh_address(const Lane& lane) {
    std::optional<Url> none;
    if (!master_ && lane.number() == 0 && settings_.fresh_address) {
        auto asked = co_await ask_for_address();
        co_return asked;
    }
    if (!master_) co_return none;
    auto fresh = co_await loader_.playlist(master_url_, presentation_.clock.now() + 15s, 2s);
    if (!fresh) co_return fresh.error();
    auto* master = std::get_if<MasterPlaylist>(&fresh->playlist);
    if (!master) co_return Error{Errc::bad_input, "the multivariant playlist became a media playlist", "playlist"};
    const auto variant = master->variants[same_variant(*master, *variant_)];
    std::string uri = variant.uri;
    if (lane.number() != 0) {
        const auto* sound = same_audio(*master, variant, beside_[lane.number() - 1u].rendition);
        if (!sound) co_return none;
        uri = sound->uri;
    }
    auto url = loader_.resolve(fresh->url, uri);
    if (!url) co_return within("rendition", url.error());
    if (lane.number() == 0) variant_ = variant;
    master_ = std::move(*master);
    master_base_ = fresh->url;
    none = std::move(*url);
    co_return none;
}

void Follower::look_at(Demand& demand) {
    if (demand.rendition_wanted.empty() || !wish_.empty()) return;
    wish_ = demand.rendition_wanted;
    auto served = serve_wish(wish_);
    if (served) return;
    WEIR_LOG(warn, "cannot switch to another rendition", {"wanted", wish_}, {"why", served.error().text()});
    wish_.clear();
    demand.rendition_wanted.clear();
}

Result<> Follower::serve_wish(const std::string& wish) {
    if (!master_) return Error{Errc::unsupported, "the source has only one rendition"};
    const auto chosen = choose_variant(*master_, wish);
    if (!chosen) return chosen.error();
    const auto& variant = master_->variants[*chosen];
    auto url = loader_.resolve(master_base_, variant.uri);
    if (!url) return within("rendition", url.error());
    if (url->text() == main_.url().text()) {
        demand_->rendition_wanted.clear();
        wish_.clear();
        return {};
    }
    next_variant_ = variant;
    main_.follow(Switch{std::move(*url), variant_name(variant)});
    return {};
}

/// The sound of another variant may be another playlist too.
void Follower::switched(const Lane& lane, const Switch& to, const Result<>& outcome) {
    if (lane.number() == 0) settings_.switched(outcome);
    if (lane.number() != 0 || to.rendition.empty()) return;
    if (demand_->rendition_wanted == wish_) demand_->rendition_wanted.clear();
    wish_.clear();
    const auto next = std::exchange(next_variant_, std::nullopt);
    if (!outcome || !next) return;
    variant_ = *next;
    rendition_ = to.rendition;
    settings_.quality = to.rendition;
    for (auto& b : beside_) {
        const auto* sound = same_audio(*master_, *variant_, b.rendition);
        if (!sound || sound->uri == b.rendition.uri) continue;
        auto url = loader_.resolve(master_base_, sound->uri);
        if (!url) continue;
        b.rendition = *sound;
        b.lane->follow(Switch{std::move(*url), {}});
    }
}

}  // namespace hls
}  // namespace weir
