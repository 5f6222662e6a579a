#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "runtime/asio.h"

namespace weir {

/// getaddrinfo in a few threads of its own, which may be abandoned at exit: a hung name server blocks nobody else. Answers are
/// kept for 30 s, failures for 2 s; the same name asked twice at once is asked once.
/// threads  any shard
class Resolver {
public:
    static std::shared_ptr<Resolver> create(std::size_t threads = 4);
    /// `lookup` blocks on one of the threads and stands in for getaddrinfo, as a test's name server does.
    using Lookup = std::function<Result<std::vector<std::string>>(const std::string& host)>;
    static std::shared_ptr<Resolver> create(std::size_t threads, Lookup lookup);
    virtual ~Resolver() = default;
    /// Numeric addresses, IPv6 and IPv4 interleaved; a literal comes back as it is.
    virtual Task<Result<std::vector<std::string>>> resolve(std::string host, Millis timeout) = 0;
};

}  // namespace weir
