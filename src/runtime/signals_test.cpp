#include "runtime/signals.h"

#include <signal.h>

#include "runtime/run_testing.h"

namespace weir {
namespace {

using testing_support::Bench;

Task<void> note(std::vector<int>& seen) {
    seen.push_back(co_await next_signal());
}

TEST(Signals, AreGivenOneByOneAlsoThoseThatCameInBetween) {
    Bench b;
    std::vector<int> seen;
    b.start(note(seen));
    b.settle();
    EXPECT_TRUE(seen.empty());
    ::raise(SIGTERM);
    b.run();
    EXPECT_EQ(seen, std::vector{SIGTERM});
    ::raise(SIGINT);  // nobody waits: neither lost nor deadly
    ::raise(SIGHUP);
    b.run(note(seen));
    b.run(note(seen));
    EXPECT_EQ(seen, (std::vector{SIGTERM, SIGINT, SIGHUP}));
    ::raise(SIGPIPE);  // ignored
}

TEST(Signals, ACancelledWaitGivesZero) {
    Bench b;
    std::vector<int> seen;
    TaskGroup group(b.io.get_executor());
    group.spawn(note(seen));
    b.settle();
    group.ask_stop("over");
    b.run();
    EXPECT_EQ(seen, std::vector{0});
}

}  // namespace
}  // namespace weir
