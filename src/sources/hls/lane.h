#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "proto/unit_cutter.h"
#include "runtime/task_group.h"
#include "sources/hls/loader.h"
#include "sources/hls/time_map.h"
#include "sources/hls/unit.h"
#include "sources/hls/window.h"

namespace weir::hls {

class Lane;

/// Another playlist for a lane, in the same recording.
struct Switch {
    Url url;
    std::string rendition;  ///< its name, when it is wanted by name
};

/// What the lanes of one source share: its clock, its requests, its sink.
struct Presentation {
    Presentation(asio::any_io_executor executor, Clock& c, Loader& l, const HlsSettings& s)
        : ex(executor), clock(c), loader(l), settings(s), sink_free(executor) {}

    asio::any_io_executor ex;
    Clock& clock;
    Loader& loader;
    const HlsSettings& settings;
    std::minstd_rand random;
    TimeMap times;
    ItemSink* sink = nullptr;
    bool sink_busy = false;
    Bell sink_free;  ///< one accept() at a time
    std::optional<Error> sink_error;
    Micros begins{0};           ///< stream time
    bool main_running = false;  ///< others may wait for its clock
    std::vector<Lane*> lanes;

    /// Who knows the multivariant playlist.
    class Owner {
    public:
        virtual ~Owner() = default;
        /// A new address of the lane's playlist, after it has been refused for a while; none: there is no way to one.
        virtual Task<Result<std::optional<Url>>> fresh_address(const Lane& lane) = 0;
        virtual void look_at(Demand& demand) = 0;  ///< by the main lane, at each step
        virtual void switched(const Lane& lane, const Switch& to, const Result<>& outcome) = 0;
    };
    Owner* owner = nullptr;
};

/// One playlist followed: a poller, up to `parallel` transfers, and run() itself, which hands on in order. Lane 0 is
/// the recording; the others run beside it and never end it.
///
/// memory   the segment at the head streams through; those behind it wait in at most `ahead_bytes`, then pause
/// retries  a unit is tried again for as long as the playlist lists it, and a little beyond; see give_up()
/// time     see TimeMap; lane 0 sets the clock where it can, the others wait for it, though not for ever
class Lane {
public:
    Lane(Presentation& presentation, std::uint16_t number);

    [[nodiscard]] std::uint16_t number() const noexcept { return number_; }
    [[nodiscard]] bool finite() const noexcept { return finite_; }
    [[nodiscard]] bool prepared() const noexcept { return prepared_; }
    [[nodiscard]] bool continues() const noexcept { return continues_; }
    [[nodiscard]] Micros position() const noexcept { return position_; }
    [[nodiscard]] const Segment& last_listed() const noexcept { return last_listed_; }
    [[nodiscard]] const HlsStats& counted() const noexcept { return stats_; }
    [[nodiscard]] std::uint64_t behind() const noexcept;
    [[nodiscard]] const Url& url() const noexcept { return media_url_; }

    // lane.cpp: playlists
    /// The first answer decides whether there is anything to record; until then patience is what the user asked for.
    Task<Result<Loader::Loaded>> first_load(Demand& demand, Url url);
    /// Looks at the first media playlist and the first segment, and keeps both for run().
    Task<Result<>> enter(Loader::Loaded loaded, Url media_url);
    void resume_at(const HlsSettings::Resume& resume);
    void drop_resume();

    Task<Result<End>> run(Demand& demand);  ///< lane 0
    void ends_soon(Millis idle);            ///< lane 0; see HlsSource

    // lane_beside.cpp: the other lanes
    Task<void> run_beside(Url url);
    /// The recording has ended at `until`: what covers the same time is still handed on, as long as something comes
    /// within `patience`. `whole`: the main playlist is finished, so this one is read to its own end when that is near.
    void close(Micros until, Micros patience, bool whole, bool hurry);
    void wake() { work_.notify(); }
    [[nodiscard]] bool failing() const noexcept { return !unread_.empty(); }  ///< it could not be read so far

    // lane_switch.cpp
    void follow(Switch to);

private:
    /// One place in line: a unit, or numbers that never showed.
    struct Entry {
        UnitPtr unit;
        Missed missed;
        bool trial = false;      ///< of `missed`, as Unit::trial
        unsigned rendition = 0;  ///< of `missed`
    };
    /// Tried in vain while it was a trial: where it lies, and so whether anybody misses it, shows with the first
    /// timestamp after it.
    struct Untried {
        Missed missed;
        bool due = false;  ///< thought to lie after what was handed on: listed when no timestamp says otherwise
    };
    enum class Place { take, leave_out, wait };

    // lane.cpp
    Task<Result<Loader::Loaded>> reload();
    Task<void> poll();
    Task<void> end_when_silent();
    void end_now(std::string why);
    Task<bool> poll_once(SteadyTime idle_at, Backoff& again, SteadyTime& wake);
    void take(const Loader::Loaded& loaded);
    void note(const MediaPlaylist& media);
    void enqueue(std::vector<Found> found, const std::shared_ptr<const Url>& base);
    UnitPtr make_unit(Segment segment, std::uint32_t gen, const std::shared_ptr<const Url>& base) const;
    void refresh(const MediaPlaylist& playlist, const std::shared_ptr<const Url>& base);
    void playlist_failed(const Error& e);
    [[nodiscard]] Micros pace_after(bool changed);
    [[nodiscard]] std::uint64_t jitter_seed();
    [[nodiscard]] WindowSettings window_settings() const;
    Task<Result<>> look_at_first_segment();

    // lane_fetch.cpp: segments
    void schedule();
    Task<void> fetch(UnitPtr unit);
    Task<Result<>> attempt(Unit& unit);
    Task<Result<>> receive_all(Unit& unit, OpenSegment open);
    struct Prefix {  ///< what earlier tries handed on, to be met again
        std::uint64_t due = 0, seen = 0, digest = 0;
        ContentHash hash;
    };
    Result<> receive(Unit& unit, Bytes piece, Prefix& prefix);
    void drop_held(Unit& unit);
    void attempt_failed(Unit& unit, Error e);
    [[nodiscard]] bool give_up(const Unit& unit, const Error& e) const;
    [[nodiscard]] bool others_at_risk() const;
    [[nodiscard]] bool is_head(const Unit& unit) const;
    [[nodiscard]] bool must_wait(const Unit& unit) const;
    Task<void> refresh_expired();

    // lane_commit.cpp: handing on
    Task<Result<End>> commit(Demand& demand);
    Task<Result<>> step(Unit& unit, bool& moved);
    Task<Result<>> step_missed();
    Task<Result<>> hand_on(std::vector<Item>& items);
    Result<> begin(Unit& unit, std::vector<Item>& items);
    Result<> pass_pieces(Unit& unit, std::vector<Item>& items);
    void finish(Unit& unit, std::vector<Item>& items);
    void lose(Unit& unit, std::string why, std::vector<Item>& items);
    void lose(const Missed& missed, std::vector<Item>& items);
    void pop();
    Task<Result<>> wind_down();
    Task<void> wake_at(SteadyTime when);

    // lane_time.cpp: where media lies
    [[nodiscard]] TimeLine line_of(const Unit& unit) const;
    void enter_line(Unit& unit);
    Result<> choose_cutter(Unit& unit);
    void anchor(const Unit& unit);
    [[nodiscard]] bool goes_on_after_resume(const Unit& unit) const;
    void tell_offset(const Unit& unit);
    [[nodiscard]] Place place(Unit& unit, std::vector<Item>& items);
    [[nodiscard]] Place place_by_time(Unit& unit, Micros offset, std::vector<Item>& items);
    [[nodiscard]] bool wait_for_main(Unit& unit, TimeLine line);
    void settle(Unit& unit, std::optional<Micros> start, std::vector<Item>& items);
    void list_hole(const Unit& unit, Micros hole, std::uint64_t lost, std::vector<Item>& items);
    void leave_untried(Missed missed, bool due);
    void leave_untried(const Unit& unit, std::string why);
    void list_untried(std::vector<Item>& items);
    void forget_untried(const Unit& before);
    [[nodiscard]] bool may_be_due() const { return last_number_ || number_ == 0; }
    [[nodiscard]] Micros untried_length() const;  ///< of what is due
    [[nodiscard]] std::uint64_t lost_in(Micros hole, const Unit& unit) const;
    void leave_out(Unit& unit);
    void strip_overlap(std::vector<Item>& items, std::size_t from);

    // lane_switch.cpp
    struct Cut {  ///< where the queue ends for the old playlist
        std::size_t index = 0;
        std::uint64_t number = 0;         ///< of the first unit after it
        std::optional<std::int64_t> pdt;  ///< its date
        Micros tail{0};                   ///< media listed after it
        std::uint64_t breaks = 0;         ///< its line of time
        bool lined_up = false;            ///< the new playlist goes on with the same numbers
        std::size_t first = 0;            ///< segment of the new playlist that should be that unit
        std::size_t margin = 0;           ///< as many before it are tried too
    };
    Task<void> switch_over();
    Task<Result<>> try_switch(const Switch& to);
    Task<Result<Loader::Loaded>> load_for_switch(Url& url);
    Task<Result<>> probe(const Loader::Loaded& loaded);
    void adopt(const Loader::Loaded& loaded, const Url& url);
    [[nodiscard]] bool same_rendition(const Loader::Loaded& loaded) const;
    [[nodiscard]] Cut cut_now() const;
    void line_up(const MediaPlaylist& media, Cut& cut) const;
    [[nodiscard]] std::uint64_t number_after(std::size_t index) const;
    [[nodiscard]] Missed never_listed(const MediaPlaylist& media, std::uint64_t first) const;
    void cut_queue(std::size_t index);

    // lane_beside.cpp
    [[nodiscard]] bool closed() const;
    Task<Result<>> ready_beside(const Url& url);
    Task<void> tick();
    Task<void> list_late();
    Task<void> list_unread();

    Presentation& p_;
    Clock& clock_;
    const HlsSettings& settings_;
    std::uint16_t number_;

    // What is followed
    Url media_url_;
    std::optional<HlsSettings::Resume> resume_;
    std::optional<Loader::Loaded> first_;  ///< loaded by enter(), not yet taken
    Window window_;
    bool prepared_ = false, continues_ = false, finite_ = false, polling_ = false;
    Micros target_{1'000'000}, span_{0};  ///< span: media listed at once
    int hard_failures_ = 0, failures_ = 0;
    std::optional<Error> playlist_error_;
    SteadyTime last_new_ = {}, last_taken_ = {};
    SteadyTime last_handed_ = {};  ///< when the position last moved
    std::optional<SteadyTime> refreshed_;
    std::optional<End> finished_;      ///< nothing new will come
    std::optional<Millis> ends_idle_;  ///< the live is over: silence that long is its end
    std::size_t date_ranges_ = 0;

    // Another playlist
    std::optional<Switch> next_switch_;
    bool switching_ = false, running_ = false;
    unsigned rendition_ = 0, address_ = 0;
    bool placing_ = false;          ///< what is listed is a trial until the first unit is taken
    std::vector<Untried> untried_;  ///< of those, what failed before one was taken

    // In line
    std::deque<Entry> queue_;
    Segment last_listed_;
    std::shared_ptr<const Url> last_base_;
    std::size_t held_ = 0;
    int active_ = 0;
    bool stopping_ = false, refreshing_ = false;
    std::optional<Error> fatal_;

    // Handing on
    Demand* demand_ = nullptr;
    std::unique_ptr<UnitCutter> cutter_;
    Content cutter_content_ = Content::unknown;
    unsigned cutter_rendition_ = 0;
    Micros guessed_{0};   ///< media lost since the last unit, as far as its length is a guess
    Micros position_{0};  ///< stream time where the next unit should begin
    bool delivered_any_ = false;
    std::string break_why_;  ///< a Discontinuity is due before the next unit
    std::uint32_t last_gen_ = 0;
    std::optional<std::uint64_t> last_number_;
    HlsStats stats_;

    // Time
    TimeLine line_;
    std::int64_t shift_ = 0;  ///< of the playlist's discontinuity sequence to ours
    bool in_line_ = false, reanchor_ = false, anchored_ = false;
    std::optional<Micros> overlap_;  ///< what lies before was handed on already, from another rendition

    // Beside the main lane
    struct Closing {
        Micros until{0}, patience{0};
        bool whole = false;
        std::optional<SteadyTime> by;  ///< whatever progress there is
    };
    std::optional<Closing> closing_;
    SteadyTime last_progress_ = {};
    std::string unread_;  ///< why
    Demand own_demand_;

    Bell work_, room_;
    TaskGroup tasks_;
};

/// Refusals that no segment is needed for: encryption other than AES-128, I-frames only.
[[nodiscard]] Result<> recordable(const MediaPlaylist& playlist);

inline constexpr std::size_t ahead_bytes = 2u << 20;   ///< held for units behind the head
inline constexpr std::size_t head_bytes = 256u << 10;  ///< held for the head while the sink is busy

}  // namespace weir::hls
