#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "proto/hls/playlist.h"

namespace weir::hls {

/// A segment that no playlist before this one listed.
struct Listed {
    Segment segment;
    std::uint32_t gen = 0;
    bool restart = false;  ///< the first one after the origin began anew
};

/// Numbers that were never seen in a playlist.
struct Missed {
    std::uint32_t gen = 0;
    std::uint64_t first = 0, last = 0;
    Micros duration{0};  ///< as far as it can be told
    std::string why;     ///< "left the window", "skipped by the origin"
};

using Found = std::variant<Listed, Missed>;

struct WindowSettings {
    bool from_start = false;
    std::size_t extra = 0;  ///< segments more than the live edge has
    struct Resume {
        std::uint64_t unit = 0;
        std::uint32_t gen = 0;
        std::optional<Micros> since;  ///< how long ago it was written
    };
    std::optional<Resume> resume;
};

/// Keeps count of media sequence numbers over successive playlists of one rendition: what is new, what was missed,
/// whether the origin began anew. Numbers count; host, path and query of a URL may change at will, its last path
/// element and its date may not.
///
/// restart  numbers fall back below what is known, or known numbers bear other names (dates decide, where both have
///          them). A playlist that only lags behind (another edge server) is not one.
/// threads  pure, one owner
/// source   RFC 8216 6.2.2, 6.3.2; FC2-60, FC2-61; WN-56
class Window {
public:
    explicit Window(WindowSettings settings = {});

    struct Update {
        std::vector<Found> fresh;  ///< in order
        bool changed = false;      ///< differs from the playlist before (for the reload pace)
        bool restarted = false;
        bool stale = false;  ///< lags behind what is known: good for nothing but its existence
    };
    Update take(const MediaPlaylist& playlist, SteadyTime now);
    /// From here on playlists of another rendition come, `playlist` first, whose segments the caller has placed.
    void adopt(const MediaPlaylist& playlist, SteadyTime now);
    /// The numbers that follow have nothing to do with those before.
    std::uint32_t new_generation() noexcept { return ++gen_; }

    [[nodiscard]] bool begun() const noexcept { return begun_; }
    [[nodiscard]] std::uint32_t gen() const noexcept { return gen_; }
    [[nodiscard]] std::uint64_t first() const noexcept { return first_; }  ///< of the newest playlist that counted
    [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Can `playlist` be what WindowSettings::resume was taken from: the unit within or just before it, or as far ahead
    /// as the time explains?
    [[nodiscard]] static bool continues(const MediaPlaylist& playlist, const WindowSettings::Resume& resume);

private:
    struct Identity {
        std::string name;
        std::optional<std::int64_t> pdt;
        Micros duration{0};
    };
    enum class Kin { same, other, unknown };
    [[nodiscard]] Kin compare(const MediaPlaylist& playlist) const;
    [[nodiscard]] bool fell_back(const MediaPlaylist& playlist, Kin kin) const;
    [[nodiscard]] bool leaps(const MediaPlaylist& playlist, SteadyTime now) const;
    [[nodiscard]] std::uint64_t due_units(Micros elapsed, const MediaPlaylist& playlist) const;
    void start(const MediaPlaylist& playlist, Update& out);
    void restart(const MediaPlaylist& playlist, Update& out);
    void advance(const MediaPlaylist& playlist, SteadyTime now, Update& out);
    void remember(const MediaPlaylist& playlist);

    WindowSettings settings_;
    bool begun_ = false;
    std::uint32_t gen_ = 0;
    std::uint64_t first_ = 0, last_ = 0;
    std::size_t size_ = 0;
    std::map<std::uint64_t, Identity> known_;
    std::optional<SteadyTime> progress_;  ///< when something new was last seen
    std::uint64_t seen_first_ = 0, seen_last_ = 0;
    std::size_t seen_size_ = 0;
    bool seen_end_ = false;
};

}  // namespace weir::hls
