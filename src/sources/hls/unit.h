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
    Bytes first;                 ///< plain bytes that were already read
    std::uint64_t received = 0;  ///< as sent, before decryption
    Micros waited{0};            ///< for the network, not for our own room
};

/// One media segment on its way from a playlist to the sink.
struct Unit {
    enum class State { queued, fetching, waiting, done, failed };

    Segment segment;
    std::shared_ptr<const Url> base;  ///< of the playlist its URI came from
    std::uint32_t gen = 0;
    bool restart = false;

    State state = State::queued;
    std::optional<Error> error;  ///< of the last try; of all of them when failed
    int tries = 0;
    bool hopeless = false;  ///< another try cannot help
    bool dropped = false;   ///< given up while a transfer still runs: what comes is not wanted
    bool gone = false;      ///< no playlist lists it any more
    SteadyTime first_try = {}, gone_at = {};
    std::optional<Backoff> backoff;
    std::optional<OpenSegment> opened;  ///< by prepare()

    std::deque<Bytes> pieces;  ///< received, not yet handed on
    std::size_t held = 0;      ///< bytes of them
    bool begun = false;        ///< its UnitInfo is out
    std::uint64_t passed = 0;  ///< plain bytes handed on; a retry must begin with the same ones
    std::unique_ptr<ContentHash> passed_hash;
};
using UnitPtr = std::shared_ptr<Unit>;

}  // namespace weir::hls
