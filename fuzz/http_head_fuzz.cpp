// Request heads and chunked bodies, whole and cut in pieces, and bodies stripped in place: all ways must come to the same end.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

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

/// What is clean has nothing left to clean, and cleaning comes to an end.
void check_clean(std::string_view path) {
    const auto clean = clean_path(path);
    must(clean.starts_with('/'));
    must(clean.find("//") == std::string::npos);
    for (const std::string_view bad : {"/./", "/../"}) must((clean + "/").find(bad) == std::string::npos);
    must(clean.size() <= path.size() + 1);
    must(clean_path(clean) == clean);
    if (!path.empty()) must(clean.ends_with('/') == (path.ends_with('/') || clean == "/"));
}

/// A body whose framing is taken off where it lies, in pieces.
struct Unframed {
    std::string body;
    std::vector<std::uint32_t> borders;
    std::size_t used = 0;
    bool done = false, failed = false;
};
Unframed strip(std::span<const std::byte> in, std::size_t piece) {
    Unframed out;
    ChunkDecoder decoder;
    while (out.used < in.size() && !out.done && !out.failed) {
        const auto part = in.subspan(out.used, std::min(piece, in.size() - out.used));
        std::vector<std::byte> buffer(part.begin(), part.end());
        const auto known = out.borders.size();
        const auto step = decoder.strip(buffer, out.body.size(), out.borders);
        must(step.data <= step.consumed && step.consumed <= buffer.size());
        must(step.consumed == buffer.size() || step.done || step.failed);
        for (auto i = known; i < out.borders.size(); ++i)
            must(out.borders[i] >= out.body.size() && out.borders[i] <= out.body.size() + step.data);
        out.body.append(reinterpret_cast<const char*>(buffer.data()), step.data);
        out.used += step.consumed;
        out.done = step.done;
        out.failed = step.failed;
    }
    must(std::is_sorted(out.borders.begin(), out.borders.end()));
    must(!out.failed || !decoder.feed({}));
    return out;
}

/// The same by feed(), which copies nothing and knows no borders.
Unframed feed(std::span<const std::byte> in) {
    Unframed out;
    ChunkDecoder decoder;
    while (out.used < in.size() && !out.done) {
        const auto step = decoder.feed(in.subspan(out.used));
        if (!step) {
            out.failed = true;
            break;
        }
        must(step->consumed > 0);
        out.body.append(reinterpret_cast<const char*>(step->data.data()), step->data.size());
        out.used += step->consumed;
        out.done = step->done;
    }
    return out;
}

void check_stripping(std::span<const std::byte> in, std::size_t piece) {
    const auto plain = feed(in);
    const auto whole = strip(in, std::max<std::size_t>(in.size(), 1)), cut = strip(in, piece);
    must(whole.body == plain.body && cut.body == plain.body);
    must(whole.borders == cut.borders);
    must(whole.done == plain.done && cut.done == plain.done);
    must(whole.failed == plain.failed && cut.failed == plain.failed);
    if (!plain.failed) must(whole.used == plain.used && cut.used == plain.used);
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
    check_clean(std::string_view(reinterpret_cast<const char*>(in.data()), in.size()));
    check_stripping(in, std::size_t{1} + data[0]);
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
