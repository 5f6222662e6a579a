#pragma once
// What is learnt of the input before anything is written; for the .cpp files of this folder.
#include "media/track_set.h"

namespace weir::media {

/// Opens each stretch once to learn its tracks. Returns the first one still open, for the common case that there is
/// only one.
/// errors  bad_input: nothing in it that the container can hold; not_found, denied, io
Result<std::unique_ptr<Input>> survey(const JoinPlan& plan, TrackSet& set);

/// Room to leave for an MP4's index, so that a large file need not be written twice; 0 when moving it is the better
/// way. `first` is the input of the first stretch, if it is known.
std::uint64_t index_room(const JoinPlan& plan, const Input* first);

}  // namespace weir::media
