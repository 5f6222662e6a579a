#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/http_server.h"

namespace weir {

/// A request head that passed every rule, and what follows from it.
struct ParsedHead {
    ServerRequest request;
    bool http10 = false;
    bool keep_alive = false;       ///< the client wishes, and its version allows, another request on this connection
    bool expect_continue = false;  ///< it waits for "100 Continue" before it sends the body
    std::string clean_target;      ///< where the path was not clean and that was to be told: the clean one, query kept
};

/// Turns the first bytes of a request into its head.
///
/// in        any cut of the byte stream
/// returns   the head once it is whole, else nothing ("feed me more"); `consumed` bytes of `in` belonged to it
/// limits    head <= 16 KiB, <= 100 fields, target <= 8 KiB, checked while the bytes arrive; work grows linearly with
/// them
/// errors  bad_input with the status to answer (400, 414, 431, 501, 505). Refused: bare CR or LF, NUL, folded
/// lines, space
///           before a colon, no or two Hosts, two Content-Lengths or one that is not plain digits, Content-Length
///           beside Transfer-Encoding, any coding but chunked, a path with a bad escape, a NUL, or more ".." than
///           folders. After an error every further call fails alike
/// threads   one owner; pure
/// source    RFC 9112 sections 2.2, 3, 5, 6; RFC 9110 section 5; RFC 3986 section 5.2.4
class HeadParser {
public:
    static constexpr std::size_t max_head = 16u << 10, max_target = 8u << 10, max_fields = 100;

    /// `tell_unclean`: a path with "//", "." or ".." is not resolved silently but told, and none climbs above the root. What is
    /// percent-escaped belongs to a name and is left alone (relay/WIN-9): such a path may hold "//" and "..".
    explicit HeadParser(bool tell_unclean = false) : tell_unclean_(tell_unclean) {}

    Result<std::optional<ParsedHead>> feed(std::span<const std::byte> in, std::size_t& consumed);
    /// Nothing of a request was seen yet (empty lines before it do not count).
    [[nodiscard]] bool untouched() const noexcept { return head_.empty(); }

private:
    Result<> take(char c);
    [[nodiscard]] Result<> fail(int status, std::string what);

    std::string head_;
    std::size_t line_ = 0;    ///< bytes in the current line, its CR included
    std::size_t fields_ = 0;  ///< lines so far, the request line included
    int empty_lines_ = 0;     ///< before the request line
    bool whole_ = false, tell_unclean_;
    std::optional<Error> failed_;
};

/// Takes the framing off a chunked body, without copying.
///
/// returns   `data` is a part of `in` (may be empty), `consumed` how much of `in` is used up; `done` after the last
/// trailer line
/// limits  a chunk below 2^60 bytes, its size line <= 1 KiB, trailers <= 8 KiB in all (read and dropped)
/// errors    bad_input; after that every further call fails alike
/// source    RFC 9112 section 7.1
class ChunkDecoder {
public:
    struct Step {
        std::span<const std::byte> data;
        std::size_t consumed = 0;
        bool done = false;
    };
    Result<Step> feed(std::span<const std::byte> in);

    struct Stripped {
        std::size_t data = 0, consumed = 0;
        bool done = false, failed = false;  ///< failed: after `data`; the next feed() says why
    };
    /// The same in place, for many chunks at once: the data moves together at the front of `buffer`. `borders` gets, for each
    /// chunk that ends here, how much data is before its end, `before` added.
    Stripped strip(std::span<std::byte> buffer, std::size_t before, std::vector<std::uint32_t>& borders);

private:
    enum class State { size, extension, size_lf, data, data_cr, data_lf, trailer, trailer_lf, done, failed };
    [[nodiscard]] Error fail(std::string_view what);
    Result<> take(unsigned char c);
    std::size_t take_quickly(std::span<const std::byte> in);

    State state_ = State::size;
    std::uint64_t left_ = 0;
    std::size_t digits_ = 0, line_ = 0, trailers_ = 0;
    std::string_view why_;
};

/// As Go's path.Clean with the trailing slash kept: what vw redirects to (VW-18). `path` is decoded.
[[nodiscard]] std::string clean_path(std::string_view path);

/// The path of a target: escapes decoded, "." and ".." resolved, always beginning with '/'. bad_input (400): a bad
/// escape, a NUL, or a climb above the root.
[[nodiscard]] Result<std::string> normal_path(std::string_view raw);

}  // namespace weir
