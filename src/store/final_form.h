#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "media/tool.h"
#include "store/book.h"

namespace weir::store {

/// How a recording becomes its final file.
struct FinalForm {
    enum class Way : std::uint8_t {
        remux,   ///< media::join into `format`
        copy,    ///< the raw bytes that count, one after the other
        rename,  ///< the one raw file itself: every byte of it counts
    } way = Way::remux;
    media::OutputFormat format = media::OutputFormat::mp4;
    std::vector<Piece> pieces;  ///< copy, rename: the final file's bytes in order
    std::string raw;            ///< rename: its name
    bool opaque = false;  ///< remux: of bytes that nobody has looked into yet; when it fails they stay as they are
    std::string warning;  ///< for people, when it is not what they asked for
};

/// Raw bytes as they are when the journal says so ("remux":false), and files fetched as such unless the target's ending
/// names another container than what they begin as. Raw bytes of several lanes, or several files of a container that
/// cannot be put together byte by byte, are remuxed with a warning.
Result<FinalForm> final_form_of(FileSystem& fs, const Book& book, const Path& folder);

struct PiecesRead {
    std::uint64_t n = 0, h = 0;
};
/// Reads the pieces in order, appends them to `out` (when there is one), and holds each against its hash in the
/// journal. bad_input: one has changed; io. Blocks.
Result<PiecesRead> read_pieces(FileSystem& fs, const Book& book, const Path& folder, const std::vector<Piece>& pieces,
                               File* out);

}  // namespace weir::store
