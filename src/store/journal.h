#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "core/item.h"

namespace weir::store::journal {

/// The lines of NAME.weir.jsonl: one JSON object each, `k` first, and last the member `c`: sixteen hex digits of the
/// XXH3-64 of all bytes of the line before that member's comma. Times are microseconds of stream time or Unix
/// milliseconds (`t`, `pdt`). Paths are bare file names in the journal's own folder. Readers ignore unknown keys and
/// kinds and refuse a higher `v`.
/// source  design.md, "The journal"
inline constexpr int version = 1;
inline constexpr std::size_t max_line = 64u << 10;

struct Range {
    std::uint64_t from = 0, to = 0;
    bool operator==(const Range&) const = default;
};

struct Open {
    int v = version;
    std::string rec, node, target;  ///< target: the wished file name
    std::int64_t t = 0;
    std::string source_kind, source_id;
    std::map<std::string, std::string> name;
    bool remux = true;  ///< false: the final file is the raw bytes themselves
};
/// `boot` names the run of the kernel that wrote the file: in the same one, what was written is there even when it was
/// not synced.
struct Raw {
    std::uint32_t f = 0;
    std::string path;
    std::uint16_t lane = 0;
    Container format = Container::ts;
    std::string boot = {};
};
/// `n` header bytes (hash `h`) stand at `off` before the first chunk; 0 when the container repeats them by itself.
struct InitLine {
    std::uint32_t e = 0;
    std::uint16_t lane = 0;
    std::uint32_t f = 0;
    std::uint64_t off = 0, n = 0, h = 0;
    std::vector<Track> tracks;
    std::uint64_t init_hash = 0;
};
struct Disc {
    std::uint16_t lane = 0;
    std::uint32_t f = 0;
    std::uint64_t off = 0, u = 0;
    std::optional<std::int64_t> pdt;
    std::string why;
};
/// A unit's bytes begin here; its `unit` line follows when it is whole. What a crash leaves of it is found by this.
/// Said once more with `n` and `h` right before the last bytes are written: what the whole of it will be. It claims
/// nothing; bytes that are there and hash so are the whole unit.
struct Begin {
    std::uint16_t lane = 0;
    std::uint64_t u = 0;
    std::uint32_t gen = 0, f = 0;
    std::uint64_t off = 0;
    std::optional<Micros> dts, raw_dts;
    Micros dur{0};
    std::uint64_t n = 0, h = 0;
};
/// `part`: only the unit's beginning is there. A later line of the same (lane, gen, u) with more bytes takes its place.
/// `again`: a whole line of the same key stands before this one already (a switch of rendition, a resume); its bytes stay
/// where they are and are not used.
struct Unit {
    std::uint16_t lane = 0;
    std::uint64_t u = 0;
    std::uint32_t sub = 0, gen = 0, f = 0;
    std::uint64_t off = 0, n = 0;
    std::optional<Micros> dts, raw_dts;
    Micros dur{0};
    std::optional<std::int64_t> pdt;
    std::uint64_t h = 0;
    std::string uri;
    int tries = 1;
    bool part = false, again = false;
};
struct Run {
    std::uint16_t lane = 0;
    std::uint32_t f = 0;
    std::uint64_t off = 0, n = 0;
    std::optional<Micros> dts, raw_dts;
    Micros dur{0};
    std::uint64_t h = 0;
};
/// Durable up to `off`. All sync lines of one round carry the same `r`; the journal itself is synced after each round,
/// so a line before round r-1 cannot be torn by a power cut any more.
struct Sync {
    std::uint32_t f = 0;
    std::uint64_t off = 0, r = 0;
    std::int64_t t = 0;
};
struct GapLine {
    std::uint64_t id = 0;
    std::uint16_t lane = 0;
    std::uint32_t gen = 0;
    std::optional<Range> u;  ///< none: the source has no units
    Micros from{0}, to{0};
    bool exact = true, part = false;
    std::optional<std::uint64_t> n;
    std::string why;
    int tries = 0;
};
struct Lost {
    std::uint64_t id = 0;
    std::uint32_t f = 0;
    Range off;
    std::string why;
};
/// `f` none: the journal itself was cut.
struct Trim {
    std::optional<std::uint32_t> f;
    std::uint64_t off = 0, was = 0;
    std::string why;
};
struct EndLine {
    std::string reason, why;
    bool clean = true;
    std::uint64_t asked = 0, got = 0, bytes = 0;
    std::int64_t t = 0;
};
struct Final {
    enum class Step { begin, written, verified, renamed, raw_deleted, failed } step = Step::begin;
    std::string path;  ///< begin, written: the temporary name; verified and later: the name it gets
    std::uint64_t n = 0, h = 0;
    Micros dur{0};
    std::map<std::string, std::uint64_t> packets;
    bool keep = false;  ///< the raw files stay: `renamed` is the last step
    std::string why;
};
/// A kind this version has no use for (fill, up, up_done, and whatever comes later).
struct Other {
    std::string kind;
};

using Line =
    std::variant<Open, Raw, InitLine, Disc, Begin, Unit, Run, Sync, GapLine, Lost, Trim, EndLine, Final, Other>;

/// The whole line with its checksum and newline. Text that is no UTF-8 is written with U+FFFD in its places.
[[nodiscard]] std::string format(const Line& line);
/// `text` without its newline. Errors: bad_input, saying which rule it breaks; unsupported for a higher version.
[[nodiscard]] Result<Line> parse(std::string_view text);
[[nodiscard]] std::string_view name_of(Final::Step step) noexcept;

/// Splits a file that arrives in pieces into lines and judges them as a whole: a bad tail is what a crash leaves and is
/// cut; a bad line with proof behind it that it had once been durable means damage.
/// threads  one owner
class Scanner {
public:
    using Take = std::function<void(const Line&, std::uint64_t offset)>;
    explicit Scanner(Take take) : take_(std::move(take)) {}
    void feed(std::string_view bytes);

    struct Outcome {
        std::uint64_t good_bytes = 0, lines = 0;  ///< up to the first bad line
        std::uint64_t bytes = 0;
        std::optional<Error> damage;  ///< bad_input: a bad line in the middle; unsupported: a higher version
        std::string cut_why;          ///< why the tail is bad; empty when all of it is good
    };
    /// After the last feed().
    [[nodiscard]] Outcome finish();

private:
    void line(std::string_view text, bool complete);
    void bad(std::string why);

    Take take_;
    std::string rest_;
    bool skipping_ = false;  ///< inside a line above max_line
    std::uint64_t at_ = 0;
    Outcome out_;
    bool is_bad_ = false, proof_ = false;
    std::optional<std::uint64_t> round_after_bad_;
    std::uint64_t bad_line_ = 0;
};

}  // namespace weir::store::journal
