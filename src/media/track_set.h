#pragma once
// Which tracks a set of inputs has, and which stream of each input belongs to which; for the .cpp files of this folder.
#include <string>
#include <vector>

#include "media/access_unit.h"
#include "media/libav.h"
#include "media/tool.h"

namespace weir::media {

struct KnownTrack {
    TrackKind kind = TrackKind::data;
    std::string codec, language;
    int pid = 0;
    AVRational time_base{1, 90'000};
    Parameters parameters;
    UnitCoding coding = UnitCoding::whole;
    int nal_length = 0;
    [[nodiscard]] bool complete() const noexcept;  ///< enough is known to write its header
};

[[nodiscard]] bool mp4_holds(const AVCodecParameters& par);

/// Tracks in the order they were first seen. A stream belongs to the track with its codec and PID, else to the first
/// one with its codec that is still free in this input, else it is a new track.
class TrackSet {
public:
    static constexpr int none = -1;
    /// Track index of each stream of `in`, or none. `add`: unknown streams become tracks when MP4 can hold them.
    std::vector<int> match(Input& in, bool add);
    /// Continues an earlier match() after new streams turned up.
    void extend(std::vector<int>& map, Input& in, bool add);
    /// Forgets tracks of which too little is known (yet) to write their header.
    void drop_incomplete();

    [[nodiscard]] const std::vector<KnownTrack>& tracks() const noexcept { return tracks_; }
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }
    void note(std::string text);  ///< once each

private:
    std::vector<KnownTrack> tracks_;
    std::vector<std::string> notes_;
};

/// Adds up a track's access units.
struct TrackSum {
    TrackSummary summary;
    bool any = false;
    Micros end{0};
    void add(std::uint64_t unit_hash, Micros pts, Micros duration);
};
/// The tracks that have packets, and the duration over all of them.
[[nodiscard]] Summary sum_up(const std::vector<TrackSum>& tracks);

}  // namespace weir::media
