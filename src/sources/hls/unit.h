#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "io/http_client.h"
#include "proto/aes/cbc.h"
#include "runtime/deadline.h"
#include "sources/hls/window.h"

namespace weir::hls {

/// A segment whose answer has begun: head read, first bytes known to be media.
struct OpenSegment {
    std::unique_ptr<HttpBody> body;
    std::optional<aes::CbcDecrypt> decrypt;
    Content content = Content::unknown;
    Bytes header;                         ///< what EXT-X-MAP named, plain; empty: none
    Bytes first;                          ///< plain bytes that were already read
    std::uint64_t received = 0;           ///< as sent, before decryption
    std::uint64_t skip = 0;               ///< bytes before the range, where the server sends the whole file
    std::optional<std::uint64_t> wanted;  ///< bytes of the range that are still to come
    Micros waited{0};                     ///< for the network, not for our own room
};

/// One media segment on its way from a playlist to the sink.
struct Unit {
    enum class State { queued, fetching, waiting, done, failed };

    Segment segment;
    std::shared_ptr<const Url> base;  ///< of the playlist its URI came from
    std::uint32_t gen = 0;
    bool restart = false;
    std::int64_t shift = 0;  ///< of the discontinuity sequence of its playlist to the lane's
    unsigned rendition = 0;  ///< counts switches of the lane

    /// Not yet known to lie after what was handed on: its first timestamp says whether it is taken or left out.
    bool trial = false;
    bool margin = false;     ///< of those: thought to lie before, so that nobody misses it
    Micros tail{0};          ///< of those: media from its beginning to the end of the playlist it came from
    bool own_clock = false;  ///< its timestamps have nothing to do with the other lanes'
    bool entered = false;    ///< the lane's line of time is this unit's
    std::optional<SteadyTime> wait_until;  ///< for another lane's clock

    State state = State::queued;
    std::optional<Error> error;  ///< of the last try; of all of them when failed
    int tries = 0;
    bool hopeless = false;  ///< another try cannot help
    bool dropped = false;   ///< given up while a transfer still runs: what comes is not wanted
    bool gone = false;      ///< no playlist lists it any more
    SteadyTime first_try = {}, gone_at = {};
    std::optional<Backoff> backoff;
    std::optional<OpenSegment> opened;   ///< by prepare()
    Content content = Content::unknown;  ///< what its bytes are, once the first came
    Bytes header;                        ///< what its EXT-X-MAP named

    std::deque<Bytes> pieces;  ///< received, not yet handed on
    std::size_t held = 0;      ///< bytes of them
    bool begun = false;        ///< its UnitInfo is out
    std::uint64_t passed = 0;  ///< plain bytes handed on; a retry must begin with the same ones
    std::unique_ptr<ContentHash> passed_hash;
};
using UnitPtr = std::shared_ptr<Unit>;

}  // namespace weir::hls
