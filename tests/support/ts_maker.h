#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proto/ts/psi.h"

namespace weir::test {

/// Makes small transport streams for tests: valid tables, PES packets with timestamps, and payload that says what it
/// is.
class TsMaker {
public:
    struct Es {
        std::uint8_t type;
        std::uint16_t pid;
    };
    explicit TsMaker(std::vector<Es> streams = {{0x1b, 0x100}, {0x0f, 0x101}}, std::uint16_t map_pid = 0x1000)
        : streams_(std::move(streams)), pmt_pid_(map_pid) {}

    [[nodiscard]] const std::string& bytes() const { return out_; }
    std::string take() { return std::exchange(out_, {}); }
    void set_streams(std::vector<Es> streams) { streams_ = std::move(streams); }

    void tables(unsigned version = 0) {
        std::string pat{"\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01", 10};
        pat += static_cast<char>(0xe0 | pmt_pid_ >> 8);
        pat += static_cast<char>(pmt_pid_);
        section(0, pat);
        std::string pmt{"\x02\xb0\x00\x00\x01\xc1\x00\x00", 8};
        pmt[5] = static_cast<char>(0xc1 | version << 1);
        const auto pcr = streams_.empty() ? 0x1fff : streams_.front().pid;
        pmt += static_cast<char>(0xe0 | pcr >> 8);
        pmt += static_cast<char>(pcr);
        pmt += std::string("\xf0\x00", 2);
        for (const auto& es : streams_) {
            pmt += static_cast<char>(es.type);
            pmt += static_cast<char>(0xe0 | es.pid >> 8);
            pmt += static_cast<char>(es.pid);
            pmt += std::string("\xf0\x00", 2);
        }
        pmt[2] = static_cast<char>(pmt.size() + 4 - 3);
        section(pmt_pid_, pmt);
    }

    /// One PES packet of `size` payload bytes; the payload begins with `head` and is filled with a pattern.
    void pes(std::uint16_t pid, std::int64_t dts_90k, std::size_t size, bool rap = false, std::string_view head = {},
             bool with_dts = true) {
        const auto ticks = static_cast<std::uint64_t>(dts_90k) & ((std::uint64_t{1} << 33) - 1);
        std::string p{"\x00\x00\x01\xe0\x00\x00\x80", 7};
        p += with_dts ? '\xc0' : '\x80';
        p += static_cast<char>(with_dts ? 10 : 5);
        p += stamp(with_dts ? 3 : 2, ticks);
        if (with_dts) p += stamp(1, ticks);
        p += head;
        while (p.size() < size) p += static_cast<char>(0x80 | (filler_++ & 0x3f));
        std::string_view rest = p;
        bool first = true;
        while (!rest.empty()) {
            const bool flags = first && rap;
            const std::size_t room = 184 - (flags ? 2 : 0);
            const auto take = std::min(room, rest.size());
            packet(pid, first, rest.substr(0, take), flags);
            rest.remove_prefix(take);
            first = false;
        }
    }
    void video(std::int64_t dts_90k, std::size_t size, bool rap) { pes(streams_.front().pid, dts_90k, size, rap); }
    void audio(std::int64_t dts_90k, std::size_t size) { pes(streams_.back().pid, dts_90k, size); }

    /// One second of 25 pictures and a little sound, tables first: a typical segment.
    std::string segment(std::int64_t dts_90k, int pictures = 25, std::size_t picture = 1500, unsigned mark = 0) {
        filler_ = mark * 7919;
        tables();
        for (int i = 0; i < pictures; ++i) {
            video(dts_90k + i * 3600, i == 0 ? picture * 4 : picture, i == 0);
            audio(dts_90k + i * 3600, 300);
        }
        return take();
    }

    void packet(std::uint16_t pid, bool start, std::string_view payload, bool random_access = false) {
        std::string p{"\x47"};
        p += static_cast<char>((start ? 0x40 : 0) | pid >> 8);
        p += static_cast<char>(pid);
        const auto counter = static_cast<char>(counters_[pid & 0xff]++ & 0xf);
        const std::size_t stuffing = 184 - payload.size();
        if (stuffing == 0) {
            p += static_cast<char>(0x10 | counter);
        } else {
            p += static_cast<char>(0x30 | counter);
            p += static_cast<char>(stuffing - 1);
            if (stuffing > 1) {
                p += static_cast<char>(random_access ? 0x40 : 0);
                p.append(stuffing - 2, '\xff');
            }
        }
        p += payload;
        out_ += p;
    }

private:
    static std::string stamp(unsigned prefix, std::uint64_t t) {
        std::string s;
        s += static_cast<char>(prefix << 4 | ((t >> 30 & 7) << 1) | 1);
        s += static_cast<char>(t >> 22);
        s += static_cast<char>((t >> 14 & 0xfe) | 1);
        s += static_cast<char>(t >> 7);
        s += static_cast<char>((t << 1 & 0xfe) | 1);
        return s;
    }
    void section(std::uint16_t pid, std::string s) {
        const auto crc = ts::crc32_mpeg(std::span(reinterpret_cast<const std::uint8_t*>(s.data()), s.size()));
        for (int shift = 24; shift >= 0; shift -= 8) s += static_cast<char>(crc >> shift);
        s.insert(s.begin(), '\0');  // pointer field
        s.resize(184, '\xff');
        packet(pid, true, s);
    }

    std::vector<Es> streams_;
    std::uint16_t pmt_pid_;
    std::string out_;
    unsigned filler_ = 0;
    std::array<unsigned, 256> counters_{};
};

}  // namespace weir::test
