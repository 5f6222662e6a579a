#pragma once
// Which tracks a set of inputs has, and which stream of each input belongs to which; for the .cpp files of this folder.
#include <map>
#include <string>
#include <vector>

#include "media/access_unit.h"
#include "media/bitstream.h"
#include "media/libav.h"
#include "media/tool.h"

namespace weir::media {

struct KnownTrack {
    TrackKind kind = TrackKind::data;
    std::string codec, language;
    int pid = 0;
    std::uint16_t lane = 0;
    AVRational time_base{1, 90'000};
    Parameters parameters;
    UnitCoding coding = UnitCoding::whole;
    Form form = Form::as_it_is;
    int nal_length = 0;
    [[nodiscard]] bool complete() const noexcept;  ///< enough is known to write its header
};

/// What a set takes: everything that is sound, picture or text, or what one container can hold.
struct Wanted {
    std::optional<OutputFormat> format = {};
    bool audio_only = false;
    std::map<std::uint16_t, std::string> languages = {};
};
/// Why `format` cannot hold such a track; empty when it can.
[[nodiscard]] std::string why_not(OutputFormat format, const AVCodecParameters& par);
[[nodiscard]] std::string_view name_of(OutputFormat format) noexcept;  ///< "MPEG-TS"

/// Tracks in the order they were first seen. A stream belongs to the track of its lane with its codec and PID, else to
/// the first one with its codec that is still free in this input, else it is a new track.
class TrackSet {
public:
    static constexpr int none = -1;
    explicit TrackSet(Wanted wanted = {}) : wanted_(std::move(wanted)) {}

    /// Track index of each stream of `in`, or none. `add`: unknown streams become tracks when they can be held.
    std::vector<int> match(Input& in, bool add, std::uint16_t lane = 0);
    /// Continues an earlier match() after new streams turned up.
    void extend(std::vector<int>& map, Input& in, bool add, std::uint16_t lane = 0);
    /// match() that adds, and learns from the first packets what the headers do not say (which it puts back).
    void survey(Input& in, std::uint16_t lane);
    [[nodiscard]] bool refuses(const AVCodecParameters& par) const { return !why_not_add(par).empty(); }
    /// Forgets tracks of which too little is known (yet) to write their header.
    void drop_incomplete();

    [[nodiscard]] const std::vector<KnownTrack>& tracks() const noexcept { return tracks_; }
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }
    [[nodiscard]] const Wanted& wanted() const noexcept { return wanted_; }
    void note(std::string text);  ///< once each

private:
    [[nodiscard]] std::string why_not_add(const AVCodecParameters& par) const;
    void add_track(const AVStream& st, bool ts, std::uint16_t lane);
    void meet_again(KnownTrack& known, const AVStream& st, bool ts);

    Wanted wanted_;
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
