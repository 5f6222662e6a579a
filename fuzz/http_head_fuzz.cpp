// Request heads and chunked bodies, whole and cut in pieces: both ways must come to the same end.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "io/http_head.h"

namespace {

using namespace weir;

struct Outcome {
    std::string head, body;
    std::size_t used = 0;
    int state = 0;  ///< 0 more wanted, 1 head, 2 head and whole body, negative: refused
    bool operator==(const Outcome&) const = default;
};

void must(bool good) {
    if (!good) std::abort();
}

void check(const ParsedHead& head) {
    const auto& request = head.request;
    must(request.headers.size() <= HeadParser::max_fields);
    must(request.path == "*" || request.path.starts_with('/'));
    must(request.path.find('\0') == std::string::npos);
    must((request.path + "/").find("/../") == std::string::npos);
    must(!(request.chunked && request.content_length));
}

Outcome run(std::span<const std::byte> in, std::size_t piece) {
    Outcome out;
    HeadParser parser;
    ChunkDecoder decoder;
    bool chunked = false;
    while (out.used < in.size()) {
        const auto part = in.subspan(out.used, std::min(piece, in.size() - out.used));
        if (out.state == 0) {
            std::size_t used = 0;
            auto head = parser.feed(part, used);
            if (!head) {
                out.state = -head.error().status;
                must(out.state <= -400 && !parser.feed(part, used));
                return out;
            }
            must(used <= part.size() && (used == part.size() || *head));
            out.used += used;
            must(out.used <= HeadParser::max_head + 8);
            if (!*head) continue;
            check(**head);
            out.state = 1;
            out.head = (**head).request.method + ' ' + (**head).request.path + '?' + (**head).request.query;
            chunked = (**head).request.chunked;
            if (!chunked) return out;
            continue;
        }
        auto step = decoder.feed(part);
        if (!step) {
            out.state = -1;
            must(!decoder.feed(part));
            return out;
        }
        must(step->consumed > 0 && step->consumed <= part.size());
        for (auto b : step->data) out.body.push_back(static_cast<char>(b));
        out.used += step->consumed;
        if (step->done) {
            out.state = 2;
            return out;
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const auto in = std::as_bytes(std::span(data + 1, size - 1));
    const auto whole = run(in, std::max<std::size_t>(in.size(), 1));
    auto cut = run(in, std::size_t{1} + data[0]);
    // How far a refused input was read depends on the cut; nothing else does.
    if (whole.state < 0) {
        must(cut.state == whole.state);
    } else {
        must(cut == whole);
    }
    return 0;
}
