#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "runtime/asio.h"

namespace weir::http_detail {

/// Told when its transfer ended. Called from the shard's loop, never from within a libcurl callback.
class TransferEnd {
public:
    static constexpr int closed = -1;  ///< the client went away
    virtual void finished(int curl_code) = 0;

protected:
    ~TransferEnd() = default;
};

/// libcurl's multi handle, its sockets and its timer on one shard's io_context. `easy` is a CURL*; the header of
/// libcurl stays out of ours.
/// threads  one shard
class CurlMulti {
public:
    static std::shared_ptr<CurlMulti> create(asio::any_io_executor executor, int max_connections_per_host);
    virtual ~CurlMulti() = default;
    [[nodiscard]] virtual void* take_easy() = 0;  ///< a reset handle from the pool, or null
    virtual void give_back(void* easy) = 0;       ///< after remove()
    virtual bool add(void* easy, TransferEnd& end) = 0;
    virtual void remove(void* easy) = 0;  ///< does nothing for a handle that is not in
    virtual void close() = 0;             ///< ends every transfer and connection
    [[nodiscard]] virtual const asio::any_io_executor& executor() const noexcept = 0;
    [[nodiscard]] virtual std::size_t running() const noexcept = 0;
};

}  // namespace weir::http_detail
