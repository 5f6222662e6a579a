#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/flv/flv.h"
#include "proto/unit_frame.h"

namespace weir::flv {

struct CutterSettings {
    std::uint16_t lane = 0;
    std::uint32_t first_epoch = 1;
    std::size_t max_chunk = 64u << 10;   ///< a larger tag is a chunk of its own
    Micros max_span{200'000};            ///< of one chunk
    std::size_t max_early = 512u << 10;  ///< media held back for the sequence headers that the file head promises…
    Micros max_early_span{1'000'000};    ///< …or so much of it
    Micros jump{10'000'000};             ///< timestamps further off than this are a break of their own
};

/// Bytes of one FLV stream, in any pieces, to Chunks of whole tags, each with the PreviousTagSize behind it. A file head may
/// come again at any tag border (another connection).
///
/// cuts     before a keyframe, before max_chunk, after max_span. Tags are copied once.
/// Init     header = file head + onMetaData + sequence headers as whole tags: they are in no chunk. The first waits until
///          both kinds came that the file head names, or the limits; a changed sequence header is a new epoch, an equal one
///          stays in its chunk.
/// dts      the timestamps of the video (of the sound when there is none), 32 bits counted on past their wrap, moved to
///          stream time by one offset
/// rap      keyframes; each tag with sound only
/// mended   a PreviousTagSize of 0 or without the tag's head, as some servers write it, is set right
/// errors   bad_input: what is no tag, any other PreviousTagSize, a unit that ends within a tag or holds no media
/// threads  one owner; pure
class Cutter final : public UnitFrame {
public:
    explicit Cutter(CutterSettings settings = {});

    void begin_unit(std::uint64_t unit, std::uint32_t gen, Micros duration, Micros expected, Micros slack) override;
    Result<> feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) override;
    Result<> end_unit(std::vector<Item>& out) override;
    void abandon_unit(std::vector<Item>& out) override;
    /// FLV brings its header itself: unsupported.
    Result<> set_header(const Bytes& header) override;

    struct Stats {
        std::uint64_t bytes = 0, tags = 0, chunks = 0, mended = 0;
    };
    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

private:
    using Raw = std::vector<std::byte>;
    struct Stream {  ///< the video or the sound
        bool promised = false;
        std::string codec;
        Raw header;  ///< its sequence header, a whole tag
        Bytes extradata;
        [[nodiscard]] bool known() const noexcept { return !codec.empty(); }
    };
    struct Tag {
        TagHead head;
        TagBody body;
        std::span<const std::byte> whole;
    };
    Result<bool> step(std::vector<Item>& out);
    Result<bool> take_file_head(std::span<const std::byte> rest);
    Result<> mend(std::span<std::byte> back, std::uint32_t tag);
    void take_tag(const Tag& tag, std::vector<Item>& out);
    void take_sequence_header(const Tag& tag, std::vector<Item>& out);
    void take_media(const Tag& tag, std::vector<Item>& out);
    void keep_early(const Tag& tag, std::vector<Item>& out);
    void release_early(std::vector<Item>& out);
    void place(const Tag& tag, std::vector<Item>& out);
    void flush_script(std::vector<Item>& out);
    void flush(std::vector<Item>& out);
    void publish_now(std::vector<Item>& out);
    void forget();
    [[nodiscard]] Stream* stream_of(TagType type) noexcept;

    CutterSettings s_;
    Stats stats_;
    SteadyTime arrival_{};

    Raw bytes_;           ///< not understood yet
    std::size_t at_ = 0;  ///< in bytes_
    Raw file_head_, metadata_, script_;
    Stream video_, sound_;
    bool unpublished_ = true, early_mode_ = true;
    Raw early_;  ///< whole tags that wait for the first Init
    std::optional<std::uint32_t> early_first_;
    bool some_media_ = false;  ///< came in this unit

    Raw chunk_;
    bool rap_ = false;
    bool timed_ = false;  ///< a tag of the main stream is in it
    std::optional<Micros> chunk_dts_, chunk_raw_;
};

}  // namespace weir::flv
