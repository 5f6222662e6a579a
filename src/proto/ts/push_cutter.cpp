#include "proto/ts/push_cutter.h"

#include <algorithm>
#include <cstring>

#include "proto/ts/cutter.h"
#include "proto/ts/packet.h"

namespace weir::ts {
namespace {

constexpr std::size_t stray_most = 1024;                              ///< bytes in front of the first packet
constexpr std::size_t telling = stray_most + 4 * packet_size;         ///< so many bytes say what it is
constexpr std::uint8_t counter_unknown = 0xff, counter_twice = 0x10;  ///< beside the 4 bits of the counter

enum class PushKind : std::uint8_t { unknown, ts, opaque };

/// Sync bytes at `at` and each packet on from there, five at most; 0 when one that is there is none.
std::size_t rhythm(std::span<const std::byte> data, std::size_t at) {
    std::size_t beats = 0;
    for (; beats < 5 && at < data.size(); at += packet_size, ++beats)
        if (data[at] != sync) return 0;
    return beats;
}

/// The PAT is among the first packets: a muxer may put the service description before it.
bool begins_with_tables(std::span<const std::byte> packets) {
    for (std::size_t at = 0; at + packet_size <= packets.size() && at < 2 * packet_size; at += packet_size)
        if (Packet(packets.data() + at).pid() == 0) return true;
    return false;
}

/// What the first bytes are. `all`: nothing more came with them.
PushKind judge(std::span<const std::byte> data, bool all) {
    const auto beats = rhythm(data, 0);
    if (beats >= 2 || (beats == 1 && all && data.size() == packet_size)) return PushKind::ts;
    if (beats == 1) return PushKind::unknown;
    for (std::size_t at = 1; at < std::min(data.size(), stray_most); ++at)
        if (rhythm(data, at) >= 3) return PushKind::ts;
    return all || data.size() >= telling ? PushKind::opaque : PushKind::unknown;
}

bool whole_packets(std::span<const std::byte> data) {
    if (data.empty() || data.size() % packet_size != 0) return false;
    for (std::size_t at = 0; at < data.size(); at += packet_size)
        if (data[at] != sync) return false;
    return true;
}

/// What has come and not gone out, as one piece: a slice of what came when that is in one place, else a copy.
class Gathered {
public:
    [[nodiscard]] const Bytes& all() const noexcept { return all_; }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
    void keep_from(std::size_t at) { all_ = at < all_.size() ? all_.slice(at) : Bytes{}; }
    void add(const Bytes& piece) {
        if (piece.empty()) return;
        if (all_.empty()) {
            all_ = piece;
            return;
        }
        const auto* end = all_.data() + all_.size();
        if (all_.owner() == piece.owner() && end == piece.data()) {
            all_ = Bytes(all_.owner(), {all_.data(), all_.size() + piece.size()});
            return;
        }
        const auto sum = all_.size() + piece.size();
        const bool ours = buffer_.capacity() != 0 && end == buffer_.view().data() + buffer_.size();
        if (!ours || buffer_.room() < piece.size()) {
            // Twice the need at most: a message in the ring keeps all of its buffer alive.
            Buffer wider(ours ? 2 * sum : sum);
            wider.append(all_.view());
            buffer_ = std::move(wider);
        }
        buffer_.append(piece.view());
        all_ = buffer_.slice(buffer_.size() - sum, sum);
    }

private:
    Bytes all_;
    Buffer buffer_;
};

CutterSettings cutter_settings(const PushCutter::Settings& s) {
    CutterSettings made;
    made.lane = s.lane;
    made.max_chunk = s.max_message;
    return made;
}

}  // namespace

struct PushCutter::State {
    explicit State(const Settings& settings)
        : s(settings),
          cutter(cutter_settings(settings)),
          epoch(settings.first_epoch - 1),
          counters(0x2000, counter_unknown) {
        s.max_message = std::max(s.max_message, packet_size);
    }

    void decide(bool all, std::vector<Item>& out);
    void feed(const Bytes& piece, std::span<const std::uint32_t> borders, std::vector<Item>& out);
    void gather(const Bytes& piece, bool ends, std::vector<Item>& out);
    void release(std::vector<Item>& out);
    std::size_t take_packets(const Bytes& from, std::vector<Item>& out);
    std::size_t take_run(const Bytes& from, std::size_t at, std::vector<Item>& out);
    std::size_t find_again(std::span<const std::byte> data, std::size_t at);
    void check_counter(const std::byte* packet);
    void check_counters(const std::byte* first, const std::byte* end);
    void own(std::size_t from, std::uint64_t dropped_before, std::vector<Item>& out) const;
    void hand_packets(const Bytes& packets, std::vector<Item>& out);
    void hand_opaque(const Bytes& payload, bool text, std::vector<Item>& out);
    void publish(Init init, std::vector<Item>& out);

    Settings s;
    Stats stats;
    Cutter cutter;
    PushKind kind = PushKind::unknown;
    Gathered waiting;
    std::vector<std::uint32_t> borders_waiting;  ///< while the kind is unknown
    std::size_t since_border = 0;                ///< bytes of the sender's chunk under way
    bool has_borders = false;                    ///< some chunk of the sender was worth a message
    bool in_step = true;                         ///< the 188-byte rhythm is known
    SteadyTime arrival{};
    InitPtr init;
    std::uint32_t epoch;
    std::vector<std::uint8_t> counters;  ///< by PID
    bool fresh = false;                  ///< no chunk since the newest Init
    std::vector<Item> cut;               ///< what the cutter made, before its epochs are ours
};

void PushCutter::State::publish(Init made, std::vector<Item>& out) {
    made.epoch = ++epoch;
    made.lane = s.lane;
    made.origin = s.origin;
    init = std::make_shared<const Init>(std::move(made));
    out.emplace_back(init);
}

void PushCutter::State::hand_opaque(const Bytes& payload, bool text, std::vector<Item>& out) {
    if (!init || init->format.container != Container::opaque) publish({}, out);
    Chunk chunk;
    chunk.epoch = epoch;
    chunk.lane = s.lane;
    chunk.origin = s.origin;
    chunk.text = text;
    chunk.message = true;
    chunk.arrival = arrival;
    chunk.bytes = payload;
    out.emplace_back(std::move(chunk));
    ++stats.messages;
}

void PushCutter::State::hand_packets(const Bytes& packets, std::vector<Item>& out) {
    if (packets.empty()) return;
    if (init && init->format.container == Container::opaque && cutter.init()) publish(*cutter.init(), out);
    stats.packets += packets.size() / packet_size;
    cut.clear();
    cutter.feed_packets(packets, arrival, cut);
    for (auto& item : cut) {
        if (const auto* made = std::get_if<InitPtr>(&item)) {
            publish(**made, out);
            fresh = true;
            continue;
        }
        if (auto* chunk = std::get_if<Chunk>(&item)) {
            chunk->epoch = epoch;
            chunk->origin = s.origin;
            // Who follows has had them in the chunks before; nobody joins where no random-access point is.
            chunk->tables = begins_with_tables(chunk->bytes.view()) || (fresh && !chunk->rap);
            fresh = false;
            ++stats.messages;
            stats.raps += chunk->rap;
        }
        out.push_back(std::move(item));
    }
    cut.clear();
}

/// source  ISO/IEC 13818-1, 2.4.3.3: counts packets with payload; the same twice in a row is a repetition
void PushCutter::State::check_counter(const std::byte* packet) {
    const auto* d = reinterpret_cast<const std::uint8_t*>(packet);
    const auto pid = static_cast<std::size_t>((d[1] & 0x1f) << 8 | d[2]);
    auto& last = counters[pid];
    const auto now = static_cast<std::uint8_t>(d[3] & 0x0f);
    if (last == ((now - 1) & 0x0f) && (d[3] & 0x10)) {  // nearly always
        last = now;
        return;
    }
    if (!(d[3] & 0x10) || pid == null_pid) return;
    const bool told = (d[3] & 0x20) && d[4] > 0 && (d[5] & 0x80);  // discontinuity_indicator
    const auto before = static_cast<std::uint8_t>(last & 0x0f);
    const bool twice = last != counter_unknown && before == now && !(last & counter_twice);
    const bool next = last != counter_unknown && now == ((before + 1) & 0x0f);
    // A relay on the way puts tables in front for those who join, and they count by themselves.
    const bool table = pid == 0 || (cutter.pmt_pid() && pid == *cutter.pmt_pid());
    if (!told && !twice && !next && !table && last != counter_unknown) ++stats.continuity_errors;
    last = twice ? static_cast<std::uint8_t>(now | counter_twice) : now;
}

void PushCutter::State::check_counters(const std::byte* first, const std::byte* end) {
    for (; first != end; first += packet_size) check_counter(first);
}

/// Who sends little that is good among much that is not makes us keep all of it: then what is good is copied, for less than what
/// the other took to come.
void PushCutter::State::own(std::size_t from, std::uint64_t dropped_before, std::vector<Item>& out) const {
    const auto dropped = stats.dropped_bytes - dropped_before;
    if (dropped == 0) return;
    std::uint64_t good = 0;
    const auto each = [&](const auto& f) {
        for (auto i = from; i < out.size(); ++i)
            if (auto* chunk = std::get_if<Chunk>(&out[i])) f(*chunk);
    };
    each([&](const Chunk& chunk) { good += chunk.bytes.size(); });
    if (good >= dropped) return;
    each([](Chunk& chunk) { chunk.bytes = Bytes::copy_of(chunk.bytes.view()); });
}

/// Packets from `at` on as far as the rhythm goes; returns where it ends.
std::size_t PushCutter::State::take_run(const Bytes& from, std::size_t at, std::vector<Item>& out) {
    const auto* data = from.data();
    const auto size = from.size();
    auto end = at;
    const bool tables_known = cutter.pmt_pid().has_value();
    for (; end + packet_size <= size && data[end] == sync; end += packet_size)
        if (tables_known) check_counter(data + end);
    hand_packets(from.slice(at, end - at), out);
    if (!tables_known) check_counters(data + at, data + end);
    return end;
}

/// Where a packet begins again; in_step when that is sure. Else what follows that place has to wait.
std::size_t PushCutter::State::find_again(std::span<const std::byte> data, std::size_t at) {
    while (at < data.size()) {
        const void* hit = std::memchr(data.data() + at, sync_byte, data.size() - at);
        if (!hit) return data.size();
        at = static_cast<std::size_t>(static_cast<const std::byte*>(hit) - data.data());
        const auto left = data.size() - at;
        if (left < packet_size) return at;
        if (left == packet_size || (data[at + packet_size] == sync &&
                                    rhythm(data.first(std::min(data.size(), at + 3 * packet_size)), at) != 0)) {
            in_step = true;
            ++stats.resyncs;
            return at;
        }
        ++at;
    }
    return data.size();
}

/// Hands out the packets and drops what is none; returns how much of it is done with: the rest may be the beginning of a packet.
std::size_t PushCutter::State::take_packets(const Bytes& from, std::vector<Item>& out) {
    const auto data = from.view();
    std::size_t at = 0;
    while (at < data.size()) {
        if (!in_step) {
            const auto found = find_again(data, at);
            stats.dropped_bytes += found - at;
            at = found;
            if (!in_step) break;
        }
        at = take_run(from, at, out);
        if (at < data.size() && data[at] == sync) break;
        in_step = at == data.size();
    }
    return at;
}

void PushCutter::State::release(std::vector<Item>& out) {
    if (waiting.size() == 0) return;
    if (kind == PushKind::ts) {
        const auto region = waiting.all();
        const auto from = out.size();
        const auto dropped = stats.dropped_bytes;
        waiting.keep_from(take_packets(region, out));
        return own(from, dropped, out);
    }
    for (std::size_t at = 0; at < waiting.size(); at += s.max_message)
        hand_opaque(waiting.all().slice(at, std::min(s.max_message, waiting.size() - at)), false, out);
    waiting.keep_from(waiting.size());
}

/// `ends`: a message of the sender ends with it.
void PushCutter::State::gather(const Bytes& piece, bool ends, std::vector<Item>& out) {
    waiting.add(piece);
    if (ends || waiting.size() >= s.max_message) release(out);
}

void PushCutter::State::feed(const Bytes& piece, std::span<const std::uint32_t> borders, std::vector<Item>& out) {
    const auto worth = kind == PushKind::ts ? s.least_message : 1;
    std::size_t from = 0, last = 0;
    for (const std::size_t border : borders) {
        if (border > piece.size() || border < last) continue;
        const auto chunk = since_border + border - std::exchange(last, border);
        since_border = 0;
        if (chunk < worth) continue;
        has_borders = true;
        gather(piece.slice(from, border - from), true, out);
        from = border;
    }
    since_border += piece.size() - last;
    const bool enough = kind == PushKind::ts && !has_borders && waiting.size() + piece.size() - from >= s.enough;
    gather(piece.slice(from), enough, out);
}

void PushCutter::State::decide(bool all, std::vector<Item>& out) {
    kind = judge(waiting.all().view(), all);
    if (kind == PushKind::unknown) return;
    in_step = kind == PushKind::ts && waiting.all().data()[0] == sync && rhythm(waiting.all().view(), 0) != 0;
    const auto first = waiting.all();
    const auto borders = std::exchange(borders_waiting, {});
    waiting.keep_from(first.size());
    feed(first, borders, out);
}

PushCutter::PushCutter(Settings settings) : state_(std::make_unique<State>(settings)) {}
PushCutter::~PushCutter() = default;

void PushCutter::feed(const Bytes& piece, std::span<const std::uint32_t> borders, SteadyTime arrival,
                      std::vector<Item>& out) {
    auto& s = *state_;
    s.arrival = arrival;
    s.stats.bytes += piece.size();
    if (s.kind != PushKind::unknown) return s.feed(piece, borders, out);
    for (const auto border : borders)
        if (border <= piece.size()) s.borders_waiting.push_back(static_cast<std::uint32_t>(s.waiting.size() + border));
    s.waiting.add(piece);
    if (s.waiting.size() != 0) s.decide(false, out);
}

void PushCutter::message(const Bytes& payload, bool text, SteadyTime arrival, std::vector<Item>& out) {
    auto& s = *state_;
    s.arrival = arrival;
    s.stats.bytes += payload.size();
    if (text) return s.hand_opaque(payload, true, out);
    const bool packets = s.kind != PushKind::opaque && whole_packets(payload.view());
    if (s.kind == PushKind::ts && payload.empty()) return;
    if (!payload.empty()) s.kind = packets ? PushKind::ts : PushKind::opaque;
    if (packets)
        (void)s.take_run(payload, 0, out);
    else
        s.hand_opaque(payload, false, out);
}

void PushCutter::flush(std::vector<Item>& out) {
    auto& s = *state_;
    if (s.kind == PushKind::unknown && s.waiting.size() != 0) s.decide(true, out);
    if (s.kind != PushKind::unknown) s.release(out);
}

void PushCutter::close(std::vector<Item>& out) {
    auto& s = *state_;
    flush(out);
    if (s.kind == PushKind::ts)
        s.stats.dropped_bytes += s.waiting.size();
    else
        s.release(out);
    s.waiting.keep_from(s.waiting.size());
    if (!s.init || s.init->closed) return;
    Init closed;
    closed.format = s.init->format;
    closed.closed = true;
    s.publish(std::move(closed), out);
}

const PushCutter::Stats& PushCutter::stats() const noexcept {
    return state_->stats;
}
const InitPtr& PushCutter::init() const noexcept {
    return state_->init;
}
std::uint32_t PushCutter::epoch() const noexcept {
    return state_->epoch;
}

}  // namespace weir::ts
