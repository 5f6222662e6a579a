#include "proto/ts/cutter.h"

#include <algorithm>
#include <cstring>

#include "proto/ts/packet.h"

namespace weir::ts {
namespace {

Micros micros_of(std::int64_t ticks) {
    return Micros(ticks * 100 / 9);
}  // 90 kHz

constexpr Micros backward{100'000};             ///< a decode time further back than this is a break in time
constexpr std::uint16_t last_table_pid = 0x1f;  ///< 13818-1 table 2-3, EN 300 468 table 1: PIDs of tables

/// Whether the first sequence header is one of MPEG-1: an extension follows each of MPEG-2 (ISO/IEC 13818-2, 6.2.2). Nothing when it is
/// not in there.
std::optional<bool> begins_mpeg1(std::span<const std::uint8_t> body) {
    bool header = false;
    for (std::size_t i = 0; i + 3 < body.size(); ++i) {
        if (body[i] != 0 || body[i + 1] != 0 || body[i + 2] != 1) continue;
        if (header) return body[i + 3] != 0xb5;
        header = body[i + 3] == 0xb3;
    }
    return std::nullopt;
}

/// ffmpeg's muxer gives both kinds the stream type of MPEG-2: the first picture tells, where it came with the tables.
void tell_mpeg1(ProgramMap& map, std::span<const std::byte> data) {
    for (auto& track : map.tracks) {
        if (track.codec != "mpeg2video") continue;
        std::optional<bool> told;
        for (std::size_t at = 0; at + packet_size <= data.size() && !told; at += packet_size) {
            if (data[at] != sync) at = find_sync(data, at);
            if (at + packet_size > data.size()) break;
            const Packet packet(data.data() + at);
            if (packet.pid() != track.id || !packet.starts_unit()) continue;
            if (const auto head = read_pes_head(packet.payload())) told = begins_mpeg1(head->body);
        }
        if (told.value_or(false)) track.codec = "mpeg1video";
    }
}

}  // namespace

Cutter::Cutter(CutterSettings settings) : s_(settings), epoch_(settings.first_epoch - 1), rebase_at_(Micros{0}) {
    s_.max_chunk = std::max(packet_size, s_.max_chunk / packet_size * packet_size);
}

void Cutter::begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) {
    slack_ = slack;
    in_unit_ = true;
    unit_has_chunk_ = false;
    unit_ = unit;
    gen_ = gen;
    unit_duration_ = duration;
    unit_dropped_ = 0;
    unit_start_.reset();
    expected_ = expected;
    check_expected_ = true;
    synced_ = true;
}

void Cutter::rebase(Micros at) {
    rebase_at_ = at;
    imposed_ = false;
    last_ticks_.reset();
}

void Cutter::set_offset(Micros offset) {
    rebase_at_.reset();
    last_ticks_.reset();
    imposed_ = true;
    offset_ = offset.count();
}

std::optional<Micros> Cutter::offset() const {
    if (rebase_at_) return std::nullopt;
    return Micros(offset_);
}

Result<> Cutter::set_header(const Bytes&) {
    return Error{Errc::unsupported, "a transport stream has no header of its own (EXT-X-MAP)"};
}

Result<> Cutter::feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) {
    if (piece.empty()) return {};
    arrival_ = arrival;
    stats_.bytes += piece.size();
    if (init_) return packetise(piece, out);
    before_tables_.push_back(piece);
    before_tables_bytes_ += piece.size();
    // Looked through again only after it grew by a quarter: tiny pieces must not cost the square of their number.
    if (before_tables_bytes_ < next_look_ && before_tables_bytes_ <= s_.max_before_tables) return {};
    next_look_ = before_tables_bytes_ + std::max<std::size_t>(packet_size, before_tables_bytes_ / 4);
    return find_tables(out);
}

/// Looks for PAT and PMT in all that came so far, and then cuts it. Nearly always the first piece has both in front.
Result<> Cutter::find_tables(std::vector<Item>& out) {
    Bytes all = before_tables_.front();
    if (before_tables_.size() > 1) {
        Buffer joined(before_tables_bytes_);
        for (const auto& piece : before_tables_) joined.append(piece.view());
        all = joined.all();
        before_tables_.assign(1, all);
    }
    if (tables_in(all, out)) return packetise(all, out);
    if (before_tables_bytes_ > s_.max_before_tables)
        return Error{Errc::bad_input, fmt::format("no program tables in the first {} bytes of the transport stream",
                                                  before_tables_bytes_)};
    return {};
}

/// Publishes the Init when both tables are in there; cutting the same bytes then finds them again, and nothing new.
bool Cutter::tables_in(const Bytes& all, std::vector<Item>& out) {
    const auto data = all.view();
    SectionReader pat, pmt;
    std::optional<std::uint16_t> pmt_pid;
    for (auto at = find_sync(data, 0); at + packet_size <= data.size(); at += packet_size) {
        if (data[at] != sync) {
            at = find_sync(data, at);
            if (at + packet_size > data.size()) break;
        }
        const Packet packet(data.data() + at);
        if (packet.pid() == 0 && pat.feed(packet.payload(), packet.starts_unit())) {
            pmt_pid = read_pat(pat.section());
        } else if (pmt_pid && packet.pid() == *pmt_pid && pmt.feed(packet.payload(), packet.starts_unit()) &&
                   read_pmt(pmt.section())) {
            // The cutting below finds the tables again and publishes; packets before them wait for that Init in front.
            pmt_pid_ = pmt_pid;
            auto map = read_pmt(pmt.section());
            forget_before_tables();
            pat_packets_.clear();
            for (auto back = find_sync(data, 0); back <= at; back += packet_size) {
                if (data[back] != sync) back = find_sync(data, back);
                if (back > at) break;
                const Packet p(data.data() + back);
                const auto bytes = data.subspan(back, packet_size);
                if (p.pid() == 0 && p.starts_unit()) pat_packets_.assign(bytes.begin(), bytes.end());
                if (p.pid() == *pmt_pid) {
                    if (p.starts_unit()) pmt_packets_.clear();
                    pmt_packets_.insert(pmt_packets_.end(), bytes.begin(), bytes.end());
                }
            }
            tell_mpeg1(*map, data);
            publish(std::move(*map), out);
            return true;
        }
    }
    return false;
}

void Cutter::feed_packets(const Bytes& packets, SteadyTime arrival, std::vector<Item>& out) {
    if (packets.empty()) return;
    live_ = true;
    arrival_ = arrival;
    stats_.bytes += packets.size();
    if (!init_ && !tables_in(packets, out)) publish({}, out);
    work(packets, out);
}

void Cutter::forget_before_tables() {
    before_tables_.clear();
    before_tables_bytes_ = 0;
    next_look_ = 2 * packet_size;
}

void Cutter::drop(std::size_t bytes) {
    stats_.dropped_bytes += bytes;
    unit_dropped_ += bytes;
}

/// Splits a piece into the packet that lies across its front edge, the packets wholly in it, and what is carried to the
/// next.
Result<> Cutter::packetise(const Bytes& piece, std::vector<Item>& out) {
    const auto data = piece.view();
    std::size_t at = 0;
    if (carried_ > 0) {
        const auto need = std::min(packet_size - carried_, data.size());
        std::memcpy(carry_.data() + carried_, data.data(), need);
        carried_ += need;
        at = need;
        if (carried_ < packet_size) return {};
        carried_ = 0;
        stats_.copied_bytes += packet_size;
        work(Bytes::copy_of(carry_), out);
    }
    while (at < data.size()) {
        if (data[at] != sync) {
            const auto next = find_sync(data, at);
            drop(next - at);
            if (synced_) ++stats_.resyncs;
            synced_ = false;
            at = next;
            continue;
        }
        auto end = at;
        while (end + packet_size <= data.size() && data[end] == sync) end += packet_size;
        if (end > at) {
            synced_ = true;
            work(piece.slice(at, end - at), out);
            at = end;
        } else {
            carried_ = data.size() - at;
            std::memcpy(carry_.data(), data.data() + at, carried_);
            break;
        }
    }
    return {};
}

/// The hot loop: whole packets, all with their sync byte.
void Cutter::work(const Bytes& piece, std::vector<Item>& out) {
    const auto* d = reinterpret_cast<const std::uint8_t*>(piece.data());
    const auto size = piece.size();
    stats_.packets += size / packet_size;
    run_ = fresh_run(0);
    tables_end_ = SIZE_MAX;
    for (std::size_t at = 0; at < size; at += packet_size) {
        if ((d[at + 1] & 0x40) || tables_open_) on_start(piece, at, out);
        if (at + packet_size - run_.begin >= s_.max_chunk) cut(piece, at + packet_size, out);
    }
    cut(piece, size, out);
}

/// A run that begins in the middle of a picture bears that picture's time.
Cutter::Run Cutter::fresh_run(std::size_t at) const {
    if (awaits_timestamp()) return {at, false, std::nullopt, std::nullopt};
    return {at, false, last_dts_, last_raw_};
}

void Cutter::on_start(const Bytes& piece, std::size_t at, std::vector<Item>& out) {
    const Packet packet(piece.data() + at);
    const auto pid = packet.pid();
    if (packet.starts_unit() && main_pid_ && pid == *main_pid_) return on_picture(piece, at, out);
    if (pid == 0 || (pmt_pid_ && pid == *pmt_pid_)) return on_table(piece, at, out);
    if (!live_) return;
    if (pid <= last_table_pid) return note_table_place(at);
    if (map_.tracks.empty() && !main_pid_) guess_picture(piece, at, out);
}

void Cutter::note_table_place(std::size_t at) {
    if (tables_end_ != at) tables_begin_ = at;
    tables_end_ = at + packet_size;
}

/// Without tables, a PES packet of video is known by its stream id.
void Cutter::guess_picture(const Bytes& piece, std::size_t at, std::vector<Item>& out) {
    const Packet packet(piece.data() + at);
    const auto head = packet.starts_unit() ? read_pes_head(packet.payload()) : std::nullopt;
    if (!head || (head->stream_id & 0xf0) != 0xe0) return;
    main_pid_ = packet.pid();
    main_is_video_ = true;
    main_codec_ = "mpeg2video";
    on_picture(piece, at, out);
}

void Cutter::on_table(const Bytes& piece, std::size_t at, std::vector<Item>& out) {
    const Packet packet(piece.data() + at);
    const auto bytes = piece.view().subspan(at, packet_size);
    note_table_place(at);
    if (packet.pid() == 0) {
        if (packet.starts_unit()) pat_packets_.assign(bytes.begin(), bytes.end());
        const bool whole = pat_.feed(packet.payload(), packet.starts_unit());
        tables_open_ = pat_.open() || pmt_.open();
        if (!whole) return;
        if (const auto pid = read_pat(pat_.section()); pid && pid != pmt_pid_) {
            pmt_pid_ = pid;
            pmt_.reset();
        }
        return;
    }
    if (packet.starts_unit()) pmt_packets_.clear();
    if (pmt_packets_.size() < 8 * packet_size) pmt_packets_.insert(pmt_packets_.end(), bytes.begin(), bytes.end());
    const bool whole = pmt_.feed(packet.payload(), packet.starts_unit());
    tables_open_ = pat_.open() || pmt_.open();
    if (!whole) return;
    auto map = read_pmt(pmt_.section());
    if (!map || (map->content == map_.content && !forced_)) return;
    if (tables_begin_ > run_.begin) cut(piece, tables_begin_, out);
    release(false, out);
    tell_mpeg1(*map, piece.view().subspan(at));
    publish(std::move(*map), out);
}

void Cutter::publish(ProgramMap map, std::vector<Item>& out) {
    forced_ = false;
    map_ = std::move(map);
    auto init = std::make_shared<Init>();
    init->epoch = ++epoch_;
    init->lane = s_.lane;
    init->format.container = Container::ts;
    init->tracks = map_.tracks;
    auto header = pat_packets_;
    header.insert(header.end(), pmt_packets_.begin(), pmt_packets_.end());
    init->header = Bytes::copy_of(header);
    const auto first = [&](TrackKind kind) {
        return std::find_if(map_.tracks.begin(), map_.tracks.end(), [&](const Track& t) { return t.kind == kind; });
    };
    auto main = first(TrackKind::video);
    main_is_video_ = main != map_.tracks.end();
    if (!main_is_video_) main = first(TrackKind::audio);
    main_pid_.reset();
    main_codec_.clear();
    if (main != map_.tracks.end()) {
        main_pid_ = static_cast<std::uint16_t>(main->id);
        main_codec_ = main->codec;
    }
    init_ = init;
    out.emplace_back(InitPtr(std::move(init)));
}

void Cutter::on_picture(const Bytes& piece, std::size_t at, std::vector<Item>& out) {
    const Packet packet(piece.data() + at);
    const auto head = read_pes_head(packet.payload());
    const bool rap = !main_is_video_ || packet.random_access() || (head && begins_decodable(main_codec_, head->body));
    const auto from = tables_end_ == at ? std::max(tables_begin_, run_.begin) : at;
    const auto ticks = head ? head->decode_time() : std::nullopt;
    const auto raw = ticks ? std::optional(micros_of(unrolled(*ticks))) : std::nullopt;
    const bool spans = run_.raw && raw && (*raw - *run_.raw >= s_.max_span || *raw < *run_.raw);
    const bool due = live_ ? cuts_live(rap, raw)
                           : (rap && main_is_video_) || !run_.raw || from - run_.begin >= s_.min_chunk || spans ||
                                 awaits_timestamp();
    if (from > run_.begin && due) cut(piece, from, out);
    if (ticks) stamp(unrolled(*ticks), out);
    if (from == run_.begin) {
        run_ = {from, rap, ticks ? last_dts_ : run_.dts, ticks ? last_raw_ : run_.raw};
        if (rap) {
            rap_seen_ = true;
            last_rap_raw_ = run_.raw;
        }
    } else if (live_ && ticks && !run_.raw) {
        run_.dts = last_dts_;
        run_.raw = last_raw_;
    }
}

bool Cutter::cuts_live(bool rap, std::optional<Micros> raw) const {
    if (rap && (main_is_video_ || !rap_seen_)) return true;
    if (!raw) return false;
    if (rap && (!last_rap_raw_ || std::chrono::abs(*raw - *last_rap_raw_) >= s_.max_span)) return true;
    return last_raw_ && (*raw + backward < *last_raw_ || *raw - *last_raw_ > s_.jump);
}

/// Another lane's offset may count from before a wrap of the clock: this lane's first ticks are unrolled to match it.
std::int64_t Cutter::unrolled(std::uint64_t ticks) const {
    const auto due = in_unit_ && check_expected_ ? std::optional(expected_) : last_dts_;
    if (!imposed_ || last_ticks_ || !due) return unroll(last_ticks_, ticks);
    return unroll((due->count() - offset_) / 100 * 9, ticks);
}

/// Moves a timestamp to stream time. A value far from what it should be is a break in time, announced before the chunk
/// it begins.
void Cutter::stamp(std::int64_t ticks, std::vector<Item>& out) {
    const auto raw = micros_of(ticks);
    if (rebase_at_) {
        offset_ = (*rebase_at_ - raw).count();
        rebase_at_.reset();
    } else if (!std::exchange(imposed_, false)) {
        const auto dts = raw + Micros(offset_);
        const auto due =
            check_expected_ && in_unit_ ? std::max(expected_, last_dts_.value_or(expected_)) : last_dts_.value_or(dts);
        // Against the clock itself: after set_offset() it may lie before what stream time has reached, and catches up.
        const bool back = last_ticks_ && last_raw_ && dts + backward < *last_raw_ + Micros(offset_);
        if (back || std::chrono::abs(dts - due) > s_.jump + (check_expected_ ? slack_ : Micros{0})) {
            release(false, out);
            out.emplace_back(Discontinuity{s_.lane, unit_, "timestamps jump"});
            offset_ = (due - raw).count();
        }
    }
    check_expected_ = false;
    last_ticks_ = ticks;
    last_raw_ = raw;
    last_dts_ = std::max(raw + Micros(offset_), last_dts_.value_or(Micros::min()));  // never back, not by a tick
    if (!unit_start_) unit_start_ = last_dts_;
}

void Cutter::cut(const Bytes& piece, std::size_t at, std::vector<Item>& out) {
    if (at <= run_.begin) return;
    Chunk chunk;
    chunk.bytes = piece.slice(run_.begin, at - run_.begin);
    chunk.rap = run_.rap;
    chunk.dts = run_.dts;
    chunk.raw_dts = run_.raw;
    emit(std::move(chunk), out);
    run_ = fresh_run(at);
}

void Cutter::emit(Chunk chunk, std::vector<Item>& out) {
    chunk.epoch = epoch_;
    chunk.lane = s_.lane;
    chunk.arrival = arrival_;
    chunk.unit = chunk.source_first = chunk.source_last = unit_;
    ++stats_.chunks;
    if (!in_unit_) {
        out.emplace_back(std::move(chunk));
        return;
    }
    if (!std::exchange(unit_has_chunk_, true)) {
        chunk.unit_begin = true;
        chunk.duration = unit_duration_;
    }
    release(false, out);
    held_ = std::move(chunk);
}

void Cutter::release(bool unit_end, std::vector<Item>& out) {
    if (!held_) return;
    held_->unit_end = unit_end;
    out.emplace_back(std::move(*held_));
    held_.reset();
}

Result<> Cutter::end_unit(std::vector<Item>& out) {
    if (!init_ && before_tables_bytes_ > 0)
        if (auto r = find_tables(out); !r) return r;
    if (!init_) {
        forget_before_tables();
        in_unit_ = false;
        return Error{Errc::bad_input, "no program tables in the whole segment"};
    }
    if (carried_ > 0) drop(std::exchange(carried_, 0));  // a torn last packet
    const bool some = unit_has_chunk_;
    release(true, out);
    in_unit_ = false;
    if (!some) return Error{Errc::bad_input, "no transport packets in the whole segment"};
    if (unit_dropped_ > 0) {
        Gap gap;
        gap.lane = s_.lane;
        gap.gen = gen_;
        gap.first_unit = gap.last_unit = unit_;
        gap.from = unit_start_.value_or(expected_);
        gap.to = gap.from + unit_duration_;
        gap.bytes = unit_dropped_;
        gap.exact = false;
        gap.partial = true;
        gap.why = fmt::format("{} bytes are no transport packets", unit_dropped_);
        out.emplace_back(std::move(gap));
    }
    return {};
}

void Cutter::abandon_unit(std::vector<Item>& out) {
    carried_ = 0;
    forget_before_tables();
    release(false, out);
    in_unit_ = false;
    pmt_.reset();
    pat_.reset();
    tables_open_ = false;
}

}  // namespace weir::ts
