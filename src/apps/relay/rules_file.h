#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apps/relay/rules.h"
#include "runtime/file_lane.h"
#include "runtime/shard.h"

namespace weir::relay {

/// The file that rules live in between runs. It holds tokens: only its owner may read it (0600). Each version is written beside it
/// ("NAME.new"), synced and renamed, so that there is always a whole one; changes that come while one is written go together into
/// the next.
/// threads  `home`; the disk is touched on the lane
/// What could not be written is tried again every `again`, and once more at stop().
class RulesFile {
public:
    RulesFile(Shard& home, FileLane& lane, Path path, Millis again = Millis(5'000));
    ~RulesFile();
    /// What it holds; none: there is no file yet. errors: bad_input with "FILE: line L, column C: …"; from_errno()
    Task<Result<std::optional<Rules>>> read();
    /// read(), but when changes came meanwhile or were being saved once more: what it holds is the newest, or is somebody else's.
    Task<Result<std::optional<Rules>>> read_settled();
    /// Can it be written where it is to be? errors: from_errno() with the file's name
    Task<Result<>> try_place();
    /// Something changed: `text` is called (here) when the next version is written.
    void changed(std::function<std::string()> text);
    /// Calls `f` once all changes so far are on the disk, or could not be written: then error() says so.
    void when_saved(std::function<void()> f);
    [[nodiscard]] const std::string& error() const noexcept;  ///< of the last attempt; empty: none
    Task<void> stop();                                        ///< what changed is written before it returns

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::relay
