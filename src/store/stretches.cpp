#include <map>
#include <set>

#include "store/finalise.h"

namespace weir::store {
namespace {

/// The stretches of one lane, while its pieces come by.
class LaneStretches {
public:
    LaneStretches(const Book& book, const Path& folder) : book_(book), folder_(folder) {
        for (const auto& p : book.pieces)
            if (p.kind == Piece::Kind::header && !p.lost && !self_contained(p.f)) headers_.try_emplace(p.f, &p);
        for (const auto& d : book.discs) breaks_.emplace(d.f, d.off);
        for (const auto& i : book.inits) breaks_.emplace(i.f, i.off + (self_contained(i.f) ? 0 : i.n));
    }

    [[nodiscard]] std::vector<media::Stretch> of(std::uint16_t lane) {
        out_.clear();
        end_ = 0;
        shift_ = Micros{0};
        for (const auto& p : book_.pieces)
            if (p.lane == lane && p.counts() && p.n) take(p);
        return std::move(out_);
    }

private:
    /// TS needs no header of its file: what weir put there is part of the stream.
    [[nodiscard]] bool self_contained(std::uint32_t f) const {
        const auto* raw = book_.raw(f);
        return raw && raw->format == Container::ts;
    }

    void take(const Piece& p) {
        const auto* raw = book_.raw(p.f);
        if (!raw || (p.kind == Piece::Kind::header && !self_contained(p.f))) return;
        const bool broken = breaks_.contains({p.f, p.off});
        if (out_.empty() || p.f != f_ || p.off != end_ || broken) {
            const bool other_time = out_.empty() || p.f != f_ || broken;
            media::Stretch s;
            s.path = std::filesystem::absolute(folder_ / raw->path).string();
            s.offset = p.off;
            s.lane = p.lane;
            s.shift = shift_;
            s.follows = other_time && !out_.empty();  // until a time is known
            add_header(s, p.f);
            out_.push_back(std::move(s));
            if (other_time || p.off != end_) shifted_ = false;
        }
        auto& s = out_.back();
        if (!shifted_ && p.dts && p.raw_dts) {
            shifted_ = true;
            s.shift = shift_ = *p.dts - *p.raw_dts;
            s.follows = false;
        }
        s.size += p.n;
        f_ = p.f;
        end_ = p.end();
    }

    void add_header(media::Stretch& s, std::uint32_t f) const {
        const auto header = headers_.find(f);
        if (header == headers_.end()) return;
        s.header_offset = header->second->off;
        s.header_size = header->second->n;
    }

    const Book& book_;
    const Path& folder_;
    std::set<std::pair<std::uint32_t, std::uint64_t>> breaks_;
    std::map<std::uint32_t, const Piece*> headers_;
    std::vector<media::Stretch> out_;
    std::uint32_t f_ = 0;
    std::uint64_t end_ = 0;
    Micros shift_{0};
    bool shifted_ = false;
};

}  // namespace

std::vector<media::Stretch> stretches_of(const Book& book, const Path& folder) {
    std::set<std::uint16_t> lanes;
    for (const auto& p : book.pieces)
        if (p.counts() && p.n) lanes.insert(p.lane);
    std::vector<media::Stretch> out;
    LaneStretches of_lane(book, folder);
    for (const auto lane : lanes)
        for (auto& s : of_lane.of(lane)) out.push_back(std::move(s));
    return out;
}

}  // namespace weir::store
