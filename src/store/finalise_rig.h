#pragma once
// What the finalising's tests share: a media tool that joins by laying bytes side by side, and a call that finishes.
#include "on_shard.h"
#include "store/finalise.h"
#include "store/keeper_rig.h"

namespace weir::store {

/// Makes "final files" that are the stretches one after the other, on the forgetting disk; content and counts are
/// checked for real.
struct FakeMedia {
    explicit FakeMedia(ForgettingFs& f) : fs(f) {}
    ForgettingFs& fs;
    int written = 0;
    bool spoil = false, refuse = false;
    std::optional<media::JoinPlan> plan;  ///< the last one
    std::string headers;                  ///< of its stretches, one after the other

    [[nodiscard]] media::Summary summary(const std::string& content) const {
        media::Summary s;
        s.bytes = content.size();
        s.duration = Micros{static_cast<std::int64_t>(content.size())};
        const auto hash = content_hash(std::as_bytes(std::span(content)));
        s.tracks.push_back({TrackKind::video, "h264", content.size() / 188, hash, Micros{0}, Micros{1}});
        const int lanes = plan && !plan->input.empty() ? plan->input.back().lane + 1 : 1;
        for (int i = 0; i < lanes; ++i) s.tracks.push_back({TrackKind::audio, "aac", 9, hash, Micros{0}, Micros{1}});
        return s;
    }
    FinaliseTools tools() {
        FinaliseTools t;
        t.write = [this](asio::any_io_executor, media::JoinPlan p) -> Task<Result<media::Summary>> {
            ++written;
            plan = p;
            headers.clear();
            if (refuse) co_return Error{Errc::bad_input, "invalid data"};
            std::string content;
            for (const auto& s : p.input) {
                const auto raw = test::read_file(s.path);
                headers += raw.substr(s.header_offset, s.header_size);
                content += raw.substr(s.offset, s.size);
            }
            auto file = fs.create(p.output);
            if (!file) co_return file.error();
            auto made = content;
            if (spoil) made[made.size() / 2] ^= 1;
            const Bytes bytes = Bytes::copy_of(made);
            if (auto r = (*file)->append(std::span(&bytes, 1)); !r) co_return r.error();
            co_return summary(content);
        };
        t.summarise = [this](asio::any_io_executor, std::string path) -> Task<Result<media::Summary>> {
            if (fs.is_off()) co_return Error{Errc::io, "the power is off"};
            co_return summary(test::read_file(path));
        };
        return t;
    }
};

struct Finish {
    explicit Finish(Rig& r) : rig(r), media(r.fs) {}
    Rig& rig;
    FakeMedia media;

    Result<Finished> run(bool keep_raw = false) {
        std::optional<Result<Finished>> out;
        test::on_shard([&](Shard& shard) -> Task<void> {
            FileLane lane(rig.fs, {});
            out.emplace(
                co_await finalise_with(shard.executor(), shard.clock(), lane, rig.journal(), keep_raw, media.tools()));
        });
        return std::move(*out);
    }
};

inline std::vector<std::string> names_in(const Path& folder) {
    std::vector<std::string> names;
    for (const auto& e : std::filesystem::directory_iterator(folder)) names.push_back(e.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace weir::store
