#pragma once
#include "base/trace.h"
#include "runtime/asio.h"
#include "runtime/file_lane.h"

namespace weir::apps {

/// The sound of a finished file alone, as NAME.m4a beside it (numbered when taken; FC2-77, FC2-98): made as .NAME.part.m4a, read
/// back and compared, then named. Cancellable; nothing half-made stays. Errors: unsupported: it has no sound.
Task<Result<Path>> extract_audio(asio::any_io_executor ex, FileLane& lane, Path file, trace::Context trace = {});

/// DIR/.NAME.weir-audio beside DIR/NAME.weir.jsonl: from the recording's beginning on it says that its sound is wanted too, so
/// that a start after a kill makes it, also when the final file was there already.
[[nodiscard]] Path audio_mark(const Path& journal);
Task<void> set_audio_mark(FileLane& lane, Path journal);
Task<bool> has_audio_mark(FileLane& lane, Path journal);
Task<void> clear_audio_mark(FileLane& lane, Path journal);
/// The journals of the marks in this folder; marks without a journal go.
Task<std::vector<Path>> marked_journals(FileLane& lane, Path folder);

}  // namespace weir::apps
