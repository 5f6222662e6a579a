#pragma once
#include <functional>
#include <memory>
#include <string>

#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::sites {

/// A configuration file that may change while weir runs: written in place, replaced by rename (editors, Kubernetes config maps whose
/// name is a link to a link to a folder that is swapped), removed and made again.
///
/// watch    inotify on the folders of the name and of everything its links lead to; a change is told once the file has been
///          quiet for 1 s and its content differs from the last one told (FC2-110, FC2-111). Where inotify fails (network file
///          systems, limits): a look every 10 s, said once
/// limits   1 MiB
/// threads  one shard; reads on the lane
class ConfigFile {
public:
    ConfigFile(Shard& shard, FileLane& lane, Path path);
    ~ConfigFile();
    /// The content now. Errors: not_found, denied, bad_input (too large, not a file).
    Task<Result<std::string>> read();
    /// Tells each new content, or why it cannot be read, until it is stopped. `look_now()` tells the content even when it is the same (SIGHUP).
    Task<void> watch(std::function<Task<void>(Result<std::string> content)> changed);
    void look_now();
    void ask_stop();

private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace weir::sites
