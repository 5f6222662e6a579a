#pragma once

namespace weir::hls {

/// downloads_errors_total (FC2-126): playlists that could not be read and tries for a segment that failed, those of a stop excepted.
/// The first call shows it.
/// threads  any
void count_errors(int more);

}  // namespace weir::hls
