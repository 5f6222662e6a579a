#pragma once
// The few names of Asio that every coroutine of ours needs. Heavy parts (sockets, ssl) are included where they are used.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weir {
namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;
}  // namespace weir
