#pragma once
// For the tests of this folder: journals as weir's recorder leaves them, as short as can be.
#include <string>

#include "store/journal.h"

namespace weir::apps::test_support {

enum class JournalOf { unfinished, finished_with_raws };

/// The journal of NAME.mp4 with one raw file, NAME.0.ts.
inline std::string made_journal(const std::string& name, JournalOf state) {
    using namespace store::journal;
    Open open;
    open.rec = "r";
    open.node = "n";
    open.target = name + ".mp4";
    open.source_kind = "hls";
    open.source_id = "s";
    Raw raw;
    raw.path = name + ".0.ts";
    auto text = format(open) + format(raw);
    if (state == JournalOf::unfinished) return text;
    EndLine end;
    end.reason = "endlist";
    Final done;
    done.step = Final::Step::renamed;
    done.path = name + ".mp4";
    done.keep = true;
    done.n = 2;
    return text + format(end) + format(done);
}

}  // namespace weir::apps::test_support
