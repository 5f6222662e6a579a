#pragma once
#include <functional>
#include <string>

#include "apps/recorder/download.h"
#include "apps/sites/watcher.h"
#include "apps/status/status_server.h"

namespace weir::faces {

/// What the status page shows of one download: a channel as a recorder's, under the name of the file.
/// threads  one shard
class DownloadStatus {
public:
    DownloadStatus(std::string host, Clock& clock, std::function<apps::DownloadProgress()> progress);
    /// `page` with what it shows filled in; this object outlives the page.
    [[nodiscard]] status::StatusServer::Settings on(status::StatusServer::Settings page);

private:
    [[nodiscard]] sites::WatchStatus now();

    const std::string host_;
    Clock& clock_;
    const std::function<apps::DownloadProgress()> progress_;
    sites::State state_ = sites::State::unspecified;
    WallTime since_{};
};

}  // namespace weir::faces
