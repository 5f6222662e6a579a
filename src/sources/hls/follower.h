#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "proto/ts/cutter.h"
#include "runtime/task_group.h"
#include "sources/hls/loader.h"
#include "sources/hls/unit.h"
#include "sources/hls/window.h"

namespace weir::hls {

/// The live follower behind HlsSource: a poller, up to `parallel` transfers, and run() itself, which hands on in order.
///
/// memory   the segment at the head streams through; those behind it wait in at most `ahead_bytes`, then pause
/// retries  a unit is tried again for as long as the playlist lists it, and a little beyond; see give_up()
class Follower final : public HlsSource {
public:
    Follower(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies, HlsSettings settings);
    ~Follower() override;

    [[nodiscard]] Pace pace() const noexcept override { return finite_ ? Pace::demand : Pace::live; }
    Task<Result<End>> run(ItemSink& sink, Demand& demand) override;
    Task<Result<>> prepare(Demand& demand) override;
    [[nodiscard]] bool continues() const override { return continues_; }
    void drop_resume() override;
    [[nodiscard]] HlsStats stats() const override;

private:
    /// One place in line: a unit, or numbers that never showed.
    struct Entry {
        UnitPtr unit;
        Missed missed;
    };

    // follower.cpp: playlists
    Task<Result<Loader::Loaded>> first_load(Demand& demand, Url url);
    Task<Result<>> enter(Loader::Loaded loaded);
    Task<Result<Loader::Loaded>> reload();
    Task<void> poll();
    void take(const Loader::Loaded& loaded);
    void enqueue(std::vector<Found> found, const std::shared_ptr<const Url>& base);
    void refresh(const MediaPlaylist& playlist, const std::shared_ptr<const Url>& base);
    void playlist_failed(const Error& e);
    [[nodiscard]] Micros pace_after(bool changed);
    [[nodiscard]] std::uint64_t jitter_seed();
    [[nodiscard]] Result<> recordable(const MediaPlaylist& playlist) const;
    Task<Result<>> look_at_first_segment();

    // follower_fetch.cpp: segments
    void schedule();
    Task<void> fetch(UnitPtr unit);
    Task<Result<>> attempt(Unit& unit);
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

    // follower_commit.cpp: handing on
    Task<Result<End>> commit(Demand& demand);
    Task<Result<>> step(Unit& unit, bool& left);
    Task<Result<>> hand_on(std::vector<Item>& items);
    void begin(Unit& unit, std::vector<Item>& items);
    Result<> pass_pieces(Unit& unit, std::vector<Item>& items);
    void finish(Unit& unit, std::vector<Item>& items);
    void lose(Unit& unit, std::string why, std::vector<Item>& items);
    void lose(const Missed& missed, std::vector<Item>& items);
    void pop();
    Task<Result<>> wind_down();
    Task<void> wake_at(SteadyTime when);

    asio::any_io_executor ex_;
    Clock& clock_;
    HlsSettings settings_;
    Loader loader_;
    std::minstd_rand random_;

    // What is followed
    std::optional<MasterPlaylist> master_;
    std::optional<Variant> variant_;
    Url master_url_, media_url_;
    std::optional<Loader::Loaded> first_;  ///< loaded by prepare(), not yet taken
    Window window_;
    bool prepared_ = false, continues_ = false, finite_ = false;
    Micros target_{1'000'000};
    int hard_failures_ = 0, failures_ = 0;
    std::optional<Error> playlist_error_;
    SteadyTime last_new_ = {};
    std::optional<SteadyTime> refreshed_;
    std::optional<End> finished_;  ///< nothing new will come

    // In line
    std::deque<Entry> queue_;
    std::size_t held_ = 0;
    int active_ = 0;
    bool stopping_ = false, refreshing_ = false;
    std::optional<Error> fatal_;

    // Handing on
    ItemSink* sink_ = nullptr;
    ts::Cutter cutter_;
    Micros guessed_{0};                       ///< media lost since the last unit, as far as its length is a guess
    Micros position_{0}, begin_position_{0};  ///< stream time where the next unit should begin
    bool delivered_any_ = false;
    std::string break_why_;  ///< a Discontinuity is due before the next unit
    HlsStats stats_;

    Bell work_, room_;
    TaskGroup tasks_;
};

inline constexpr std::size_t ahead_bytes = 2u << 20;   ///< held for units behind the head
inline constexpr std::size_t head_bytes = 256u << 10;  ///< held for the head while the sink is busy

}  // namespace weir::hls
