#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "runtime/file_system.h"

/// Small files that are read and replaced as a whole: rules, kept cookies. They may hold secrets: only their owner reads them.
/// All of these block: call them on a FileLane.
namespace weir {

/// Nothing: there is no such file. errors  from_errno() with the file's name; bad_input: above `most` bytes
[[nodiscard]] Result<std::optional<std::string>> read_whole_file(const Path& path, std::size_t most);

/// Replaces the file at `path` by `text`, mode 0600: written beside it ("NAME.new"), synced and renamed, so that there is always a
/// whole one, the old or the new. errors  from_errno() with the file's name
Result<> replace_file(const Path& path, std::string_view text);

/// As replace_file() would: a file beside it is made, and taken away.
Result<> try_to_replace_file(const Path& path);

}  // namespace weir
