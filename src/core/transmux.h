#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/item.h"
#include "runtime/asio.h"
#include "runtime/clock.h"

namespace weir {

class Stream;

/// Turns items of one format into items of another; pure, no clock, no I/O. Derived chunks keep
/// source_first/source_last, so that a ledger line always names source units. Gaps and discontinuities pass through in
/// order.
class Transmuxer {
public:
    virtual ~Transmuxer() = default;
    virtual Result<> feed(const Item& item, std::vector<Item>& out) = 0;
};

/// Which conversions exist. Filled in main.cpp, so that core knows no container.
/// threads  filled before the shards run, read by any afterwards
class TransmuxerTable {
public:
    using Make = std::function<std::unique_ptr<Transmuxer>()>;
    void add(Format from, Format to, Make make) { table_[{from, to}] = std::move(make); }
    [[nodiscard]] const Make* find(Format from, Format to) const {
        const auto it = table_.find({from, to});
        return it == table_.end() ? nullptr : &it->second;
    }

private:
    std::map<std::pair<Format, Format>, Make> table_;
};

/// Makes (once per format) and shares the derived Streams of one Stream.
class DerivedStreams {
public:
    DerivedStreams(asio::any_io_executor ex, Clock& clock, Stream& source, const TransmuxerTable& table);
    ~DerivedStreams();  ///< stop() was awaited
    /// The Stream in that format: the source itself when it has it already. unsupported when no conversion is known.
    Result<Stream*> in(Format format);
    Task<void> stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir
