#pragma once
#include <zlib.h>

#include <optional>
#include <string>

namespace weir::test {

/// What a whole gzip file of at most 8 MiB holds; nothing when it is none.
inline std::optional<std::string> gunzipped(std::string packed) {
    z_stream stream{};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) return std::nullopt;
    std::string out(8u << 20, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int ended = inflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    if (ended != Z_STREAM_END) return std::nullopt;
    return out;
}

}  // namespace weir::test
