#include "base/gzip.h"

#include <zlib.h>

#include <limits>
#include <new>

#include "base/error.h"

namespace weir {

std::string gzipped(std::string_view plain, GzipEffort effort) {
    constexpr int window = 15, gzip_head = 16, memory = 8;
    WEIR_ASSERT(plain.size() <= std::numeric_limits<uInt>::max());
    z_stream stream{};
    const int level = effort == GzipEffort::quick ? Z_BEST_SPEED : Z_BEST_COMPRESSION;
    if (deflateInit2(&stream, level, Z_DEFLATED, window + gzip_head, memory, Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc();
    std::string packed(deflateBound(&stream, static_cast<uLong>(plain.size())), '\0');
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(plain.data()));
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    const int ended = deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    WEIR_ASSERT(ended == Z_STREAM_END);
    return packed;
}

}  // namespace weir
