// Websocket viewers of several publishers: each has a lane of the stream.
#include <gmock/gmock.h>

#include "sinks/viewers_websocket_rig.h"

namespace weir::fan_out {
namespace {

using ::testing::ElementsAre;

class ViewersLanes : public test::WebsocketRig {
protected:
    void open_second(std::uint32_t origin, const std::string& header) {
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->lane = 1;
        init->origin = origin;
        init->format.container = Container::ts;
        init->tracks = {{.id = 256, .kind = TrackKind::video, .codec = "mpeg1video"}};
        init->header = Bytes::copy_of(header);
        put_framed(InitPtr(std::move(init)));
    }
    void on_second(const std::string& payload, bool rap, std::uint32_t origin) {
        Chunk chunk;
        chunk.epoch = 1;
        chunk.lane = 1;
        chunk.rap = rap;
        chunk.origin = origin;
        chunk.bytes = Bytes::copy_of(payload);
        put_framed(std::move(chunk));
    }
};

TEST_F(ViewersLanes, WhoIsNotInALaneYetGetsNothingOfItBeforeItsRandomAccessPoint) {
    open();
    message("A1", true);
    open_second(2, "");
    on_second("B1", true, 2);
    auto& first = join();
    message("A2", true);
    on_second("b2", false, 2);
    auto& second = join();
    on_second("b3", false, 2);
    message("a3");
    on_second("B4", true, 2);
    on_second("b5", false, 2);
    EXPECT_THAT(seen(first), ElementsAre("b:TABLES ", "b:A1", "b:B1", "b:A2", "b:b2", "b:b3", "b:a3", "b:B4", "b:b5"));
    EXPECT_THAT(seen(second), ElementsAre("b:TABLES ", "b:A2", "b:a3", "b:B4", "b:b5"));
    EXPECT_EQ(stream->stats().readers, 1u) << "they move together again";
}

/// VW-42
TEST_F(ViewersLanes, OnesOwnTablesAreNotSentBackEither) {
    open();
    message("A1", true);
    Viewers::Plan plan;
    plan.origin = 7;
    auto& sender = join(std::move(plan));
    auto& other = join();
    open_second(7, "MINE ");
    on_second("B1", true, 7);
    message("a2");
    EXPECT_THAT(seen(sender), ElementsAre("b:TABLES ", "b:A1", "b:a2"));
    EXPECT_THAT(seen(other), ElementsAre("b:TABLES ", "b:A1", "b:MINE ", "b:B1", "b:a2"));
}

}  // namespace
}  // namespace weir::fan_out
