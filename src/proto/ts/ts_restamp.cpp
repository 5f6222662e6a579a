#include "proto/ts/ts_restamp.h"

#include <algorithm>
#include <optional>

#include "proto/ts/packet.h"
#include "proto/ts/psi.h"

namespace weir::ts {
namespace {

constexpr std::uint64_t clock_mask = (std::uint64_t{1} << 33) - 1;

Error bad(std::string what) {
    return Error{Errc::bad_input, std::move(what), "transport stream"};
}

std::uint64_t moved(std::uint64_t time, std::int64_t shift) {
    return (time + static_cast<std::uint64_t>(shift)) & clock_mask;
}

void move_pcr(std::uint8_t* at, std::int64_t shift) {
    const std::uint64_t base = std::uint64_t{at[0]} << 25 | std::uint64_t{at[1]} << 17 | std::uint64_t{at[2]} << 9 |
                               std::uint64_t{at[3]} << 1 | at[4] >> 7;
    const auto now = moved(base, shift);
    at[0] = static_cast<std::uint8_t>(now >> 25);
    at[1] = static_cast<std::uint8_t>(now >> 17);
    at[2] = static_cast<std::uint8_t>(now >> 9);
    at[3] = static_cast<std::uint8_t>(now >> 1);
    at[4] = static_cast<std::uint8_t>((now & 1) << 7 | (at[4] & 0x7fu));
}

void move_timestamp(std::uint8_t* at, std::int64_t shift) {
    const std::uint64_t time = std::uint64_t{at[0] & 0x0eu} << 29 | std::uint64_t{at[1]} << 22 |
                               std::uint64_t{at[2] & 0xfeu} << 14 | std::uint64_t{at[3]} << 7 |
                               std::uint64_t{at[4]} >> 1;
    const auto now = moved(time, shift);
    at[0] = static_cast<std::uint8_t>((at[0] & 0xf0u) | ((now >> 29) & 0x0eu) | 1u);
    at[1] = static_cast<std::uint8_t>(now >> 22);
    at[2] = static_cast<std::uint8_t>(((now >> 14) & 0xfeu) | 1u);
    at[3] = static_cast<std::uint8_t>(now >> 7);
    at[4] = static_cast<std::uint8_t>(((now << 1) & 0xfeu) | 1u);
}

/// Finds the tables and the pictures of a file, packet by packet.
class Mapper {
public:
    Result<> take(const std::byte* data, std::size_t offset) {
        const Packet packet(data);
        if (packet.pid() == 0) return table(packet, pat_, offset);
        if (pmt_pid_ && packet.pid() == *pmt_pid_) return table(packet, pmt_, offset);
        if (!video_ || packet.pid() != *video_ || !packet.starts_unit()) {
            if (packet.pid() != null_pid) tables_at_.reset();
            return {};
        }
        return picture(packet, offset);
    }

    Result<LoopMap> finish() {
        if (!video_) return bad("no program map with a video track");
        auto& steps = map_.steps;
        if (steps.size() < 2) return bad("fewer than two pictures");
        steps.front().offset = 0;
        const auto last = steps.back().time;
        map_.period = last + last / static_cast<std::int64_t>(steps.size() - 1);
        return std::move(map_);
    }

private:
    Result<> table(const Packet& packet, SectionReader& reader, std::size_t offset) {
        if (!tables_at_) tables_at_ = offset;
        if (!reader.feed(packet.payload(), packet.starts_unit())) return {};
        if (&reader == &pat_) {
            pmt_pid_ = read_pat(reader.section());
        } else if (const auto program = read_pmt(reader.section())) {
            for (const auto& track : program->tracks)
                if (track.kind == TrackKind::video && !video_) video_ = static_cast<std::uint16_t>(track.id);
        }
        return {};
    }

    Result<> picture(const Packet& packet, std::size_t offset) {
        const auto head = read_pes_head(packet.payload());
        const auto time = head ? head->decode_time() : std::nullopt;
        if (!time) return bad("a picture without a timestamp");
        const auto now = unroll(last_, *time);
        if (!first_) first_ = now;
        if (last_ && now <= *last_) return bad("decoding times do not rise");
        last_ = now;
        map_.steps.push_back({tables_at_.value_or(offset), now - *first_, packet.random_access()});
        tables_at_.reset();
        return {};
    }

    LoopMap map_;
    SectionReader pat_, pmt_;
    std::optional<std::uint16_t> pmt_pid_, video_;
    std::optional<std::size_t> tables_at_;  ///< where the tables in front of the next picture begin
    std::optional<std::int64_t> first_, last_;
};

}  // namespace

Result<LoopMap> map_loop(std::span<const std::byte> file) {
    if (file.empty() || file.size() % packet_size) return bad("not a whole number of packets");
    Mapper mapper;
    for (std::size_t at = 0; at < file.size(); at += packet_size) {
        if (file[at] != std::byte{sync_byte}) return bad(fmt::format("no packet at byte {}", at));
        if (auto r = mapper.take(file.data() + at, at); !r) return r.error();
    }
    return mapper.finish();
}

std::vector<std::byte> trim_loop(std::span<const std::byte> file, std::int64_t period) {
    struct TrackState {
        std::optional<std::int64_t> first, last;
        bool beyond = false;
    };
    std::unordered_map<std::uint16_t, TrackState> tracks;
    std::vector<std::byte> out;
    out.reserve(file.size());
    for (std::size_t at = 0; at + packet_size <= file.size(); at += packet_size) {
        const Packet packet(file.data() + at);
        auto& track = tracks[packet.pid()];
        if (packet.starts_unit()) {
            const auto head = read_pes_head(packet.payload());
            if (const auto time = head ? head->decode_time() : std::nullopt) {
                track.last = unroll(track.last, *time);
                if (!track.first) track.first = track.last;
                track.beyond = *track.last - *track.first >= period;
            }
        }
        if (track.beyond) continue;
        const auto whole = file.subspan(at, packet_size);
        out.insert(out.end(), whole.begin(), whole.end());
    }
    return out;
}

Result<> Restamper::restamp_packet(std::uint8_t* p) {
    const auto pid = static_cast<std::uint16_t>((p[1] & 0x1f) << 8 | p[2]);
    if (pid == null_pid) return {};
    const bool has_field = (p[3] & 0x20) != 0, has_payload = (p[3] & 0x10) != 0;
    const std::size_t field = has_field ? p[4] : 0;
    if (field > packet_size - 5) return bad("an adaptation field longer than its packet");
    if (field >= 7 && (p[5] & 0x10)) move_pcr(p + 6, shift_);

    const auto known = counters_.find(pid);
    // A packet without payload repeats the number of the one before it.
    auto counter = static_cast<std::uint8_t>(p[3] & 0x0f);
    if (known != counters_.end()) counter = static_cast<std::uint8_t>((known->second + (has_payload ? 1 : 0)) & 0x0f);
    counters_[pid] = counter;
    p[3] = static_cast<std::uint8_t>((p[3] & 0xf0u) | counter);

    if (!has_payload || !(p[1] & 0x40)) return {};
    const std::size_t at = has_field ? 5 + field : 4;
    auto* payload = p + at;
    const std::size_t size = packet_size - at;
    const auto head = read_pes_head(std::span<const std::uint8_t>(payload, size));
    if (!head) {
        // Sections begin with a pointer; what begins as a PES packet must be whole enough to be moved.
        const bool pes = size >= 3 && payload[0] == 0 && payload[1] == 0 && payload[2] == 1;
        return pes ? Result<>(bad("a PES head that its packet cuts")) : Result<>{};
    }
    const bool bare = head->body.data() == payload + 6;  // streams without the optional head
    const bool wants_pts = !bare && (payload[7] & 0x80) && payload[8] >= 5;
    const bool wants_dts = wants_pts && (payload[7] & 0x40) && payload[8] >= 10;
    if ((wants_pts && !head->pts) || (wants_dts && !head->dts)) return bad("a PES head that its packet cuts");
    if (head->pts) move_timestamp(payload + 9, shift_);
    if (head->dts) move_timestamp(payload + 14, shift_);
    return {};
}

Result<> Restamper::restamp(std::span<std::byte> packets) {
    if (packets.size() % packet_size) return bad("not a whole number of packets");
    for (std::size_t at = 0; at < packets.size(); at += packet_size) {
        if (packets[at] != std::byte{sync_byte}) return bad(fmt::format("no packet at byte {}", at));
        auto* packet = reinterpret_cast<std::uint8_t*>(packets.data() + at);
        if (auto r = restamp_packet(packet); !r) return r.error();
    }
    return {};
}

}  // namespace weir::ts
