#include "faces/cli/download_status.h"

#include <utility>

#include "apps/sites/status_json.h"

namespace weir::faces {
namespace {

using Progress = apps::DownloadProgress;

sites::State state_of(Progress::State state) {
    switch (state) {
        case Progress::State::waiting:
            return sites::State::idle;
        case Progress::State::recording:
            return sites::State::downloading;
        case Progress::State::finishing:
            return sites::State::post_processing;
    }
    return sites::State::unspecified;
}

std::string reason_of(const Progress& p) {
    if (p.state == Progress::State::waiting) return "waiting for the stream";
    if (p.state == Progress::State::finishing) return "finishing the file";
    return p.waiting_for_space ? "the disk is full: waiting for space" : "recording";
}

}  // namespace

DownloadStatus::DownloadStatus(std::string host, Clock& clock, std::function<Progress()> progress)
    : host_(std::move(host)), clock_(clock), progress_(std::move(progress)) {}

sites::WatchStatus DownloadStatus::now() {
    const auto p = progress_();
    const auto state = state_of(p.state);
    if (std::exchange(state_, state) != state) since_ = clock_.wall();
    sites::WatchStatus s;
    s.channel_id = p.target.filename().string();
    s.channel_name = host_;
    s.title = p.target.stem().string();
    s.state = state;
    s.reason = reason_of(p);
    s.since = since_;
    if (p.state == Progress::State::waiting) return s;
    sites::RecordingProgress r;
    r.file = p.target;
    r.bytes = p.bytes;
    r.got = p.got;
    r.missing = p.missing;
    r.behind = p.behind;
    r.duration = p.duration;
    r.waiting_for_space = p.waiting_for_space;
    s.recording = std::move(r);
    return s;
}

status::StatusServer::Settings DownloadStatus::on(status::StatusServer::Settings page) {
    page.program = "weir download";
    const sites::About about{page.program, page.version, clock_.wall()};
    const auto json_for = [this, about](sites::Reader reader) {
        return sites::json_of({now()}, about, clock_.wall(), reader);
    };
    page.json = [json_for] { return json_for(sites::Reader::program); };
    page.page_json = [json_for] { return json_for(sites::Reader::page); };
    return page;
}

}  // namespace weir::faces
