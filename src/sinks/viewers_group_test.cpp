// Viewers over plain HTTP: the group, and who leaves it.
#include <gmock/gmock.h>

#include <random>

#include "sinks/viewers_rig.h"

namespace weir::fan_out {
namespace {

using std::chrono::milliseconds;
using test::Peer;

class ViewersGroup : public test::FanOutRig {
protected:
    Peer& join(std::size_t room = SIZE_MAX) {
        auto& peer = new_peer(room);
        Viewers::Plan plan;
        plan.head = http_ts_head();
        (void)out->add(std::make_unique<test::FakeConnection>(shard, peer), std::move(plan));
        shard.turn();
        return peer;
    }
};

TEST_F(ViewersGroup, HeadThenTablesThenTheNewestRandomAccessPoint) {
    open();
    send("old ", true);
    send("newer ", true);
    send("more ");
    const auto& peer = join();
    EXPECT_THAT(peer.got, ::testing::StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(peer.got, ::testing::HasSubstr("\r\nContent-Type: video/mp2t\r\n"));
    EXPECT_THAT(peer.got, ::testing::HasSubstr("\r\nCache-Control: no-store\r\n"));
    EXPECT_THAT(peer.got, ::testing::HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_EQ(peer.body(), "TABLES newer more ");
}

TEST_F(ViewersGroup, ViewerBeforeTheStreamWaitsForItsBeginning) {
    open();
    const auto& peer = join();
    EXPECT_EQ(peer.body(), "");
    send("half ");
    send("whole ", true);
    EXPECT_EQ(peer.body(), "TABLES whole ");
}

TEST_F(ViewersGroup, FewViewersGetEachChunkAtOnce) {
    open();
    send("a ", true);
    const auto& peer = join();
    send("b ");
    EXPECT_EQ(peer.body(), "TABLES a b ");
}

TEST_F(ViewersGroup, ManyViewersGetSmallChunksTogether) {
    open();
    send("a ", true);
    for (int i = 0; i < 8; ++i) join();
    const auto writes = peers[0]->writes;
    send("b ");
    send("c ");
    EXPECT_EQ(peers[0]->body(), "TABLES a ");
    pass(milliseconds(5));
    for (const auto& peer : peers) EXPECT_EQ(peer->body(), "TABLES a b c ");
    EXPECT_EQ(peers[0]->writes, writes + 1);
}

TEST_F(ViewersGroup, EnoughBytesDoNotWait) {
    open();
    send("a ", true);
    for (int i = 0; i < 8; ++i) join();
    send(std::string(10'000, 'x'));
    EXPECT_EQ(peers[0]->body(), "TABLES a ");
    send(std::string(10'000, 'y'));
    EXPECT_EQ(peers[0]->body().size(), 9u + 20'000);
}

TEST_F(ViewersGroup, BatchOfZeroNeverWaits) {
    settings.batch = Millis(0);
    open();
    send("a ", true);
    for (int i = 0; i < 20; ++i) join();
    send("b ");
    for (const auto& peer : peers) EXPECT_EQ(peer->body(), "TABLES a b ");
}

TEST_F(ViewersGroup, BlockedViewerCatchesUpWithoutLosingAByte) {
    open();
    send("a ", true);
    auto& slow = join(200);
    auto& quick = join();
    for (int i = 0; i < 300; ++i) {
        send("chunk " + std::to_string(i) + " ");
        if (i % 10 == 9) slow.make_room(40);
        shard.turn();
    }
    EXPECT_EQ(quick.body(), "TABLES " + all);
    EXPECT_LT(slow.body().size(), all.size());
    slow.make_room(1'000'000);
    shard.turn();
    EXPECT_EQ(slow.body(), "TABLES " + all);
    send("together again ");
    EXPECT_EQ(slow.body(), "TABLES " + all);
    EXPECT_GE(out->stats().blocked, 1u);
    EXPECT_EQ(out->stats().skips, 0u);
}

TEST_F(ViewersGroup, F3_WedgedViewerAmongFiftyHarmsNobodyAndSkips) {
    settings.policy.budget_bytes = 20'000;
    open();
    send("a ", true);
    auto& wedged = join(300);
    for (int i = 0; i < 49; ++i) join();
    const auto begin = all.size();
    for (int i = 0; i < 200; ++i) {
        send(std::string(1316, static_cast<char>('a' + i % 26)), i % 20 == 0);
        pass(milliseconds(5));
    }
    for (std::size_t i = 1; i < peers.size(); ++i) ASSERT_EQ(peers[i]->body(), "TABLES " + all);
    EXPECT_LE(wedged.got.size(), 300u);
    EXPECT_EQ(out->stats().viewers, 50u);
    wedged.make_room(10'000'000);
    shard.turn();
    EXPECT_EQ(out->stats().skips, 1u);
    EXPECT_LT(wedged.body().size(), all.size() - begin);
    EXPECT_EQ(wedged.body().back(), all.back());
}

TEST_F(ViewersGroup, AnyPaceOfAnyViewerDeliversEveryByteInOrder) {
    settings.policy.budget_bytes = 64u << 20;
    open();
    send("begin ", true);
    std::mt19937 random(11);
    std::vector<std::string> expected;
    std::vector<bool> left;
    for (int step = 0; step < 3000; ++step) {
        const auto which = peers.empty() ? 0 : random() % peers.size();
        switch (random() % 6) {
            case 0:
                if (peers.size() == 40) break;
                expected.push_back(all.substr(all.rfind('R') == all.npos ? 0 : all.rfind('R')));
                left.push_back(false);
                join(random() % 2 ? 200 + random() % 2000 : 1u << 30);
                break;
            case 1:
                if (peers.empty() || left[which] || random() % 20 != 0) break;
                left[which] = true;
                peers[which]->leave();
                shard.turn();
                break;
            case 2:
                if (!peers.empty()) peers[which]->make_room(random() % 60'000);
                shard.turn();
                break;
            case 3:
                pass(milliseconds(random() % 9));
                break;
            default: {
                const bool rap = random() % 10 == 0;
                const auto text = (rap ? "R" : "") + std::string(random() % 700, static_cast<char>('a' + step % 26));
                if (text.empty()) break;
                for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += text;
                send(text, rap);
            }
        }
    }
    for (const auto& peer : peers) peer->make_room(1u << 30);
    pass(milliseconds(20));
    for (std::size_t i = 0; i < peers.size(); ++i) {
        const auto whole = "TABLES " + expected[i];
        EXPECT_EQ(peers[i]->body(), left[i] ? whole.substr(0, peers[i]->body().size()) : whole);
    }
    EXPECT_GT(out->stats().blocked, 20u);
    EXPECT_EQ(out->stats().skips, 0u);
}

TEST_F(ViewersGroup, ViewerThatLeavesIsForgotten) {
    open();
    send("a ", true);
    auto& leaves = join();
    join();
    leaves.leave();
    shard.turn();
    EXPECT_TRUE(leaves.destroyed);
    EXPECT_EQ(out->stats().viewers, 1u);
    send("b ");
    EXPECT_EQ(peers[1]->body(), "TABLES a b ");
    EXPECT_EQ(leaves.body(), "TABLES a ");
}

TEST_F(ViewersGroup, EndOfTheStreamClosesEveryViewerAfterItsLastByte) {
    open();
    send("a ", true);
    auto& quick = join();
    auto& slow = join(160);
    send(std::string(1000, 'z'));
    stream->close(End{});
    shard.turn();
    EXPECT_TRUE(quick.destroyed);
    EXPECT_EQ(quick.body(), "TABLES " + all);
    EXPECT_FALSE(slow.destroyed);
    slow.make_room(100'000);
    shard.turn();
    EXPECT_TRUE(slow.destroyed);
    EXPECT_EQ(slow.body(), "TABLES " + all);
    EXPECT_EQ(out->stats().viewers, 0u);
    EXPECT_EQ(stream->stats().readers, 0u);
}

TEST_F(ViewersGroup, NoViewersMeansNoReaders) {
    open();
    send("a ", true);
    auto& peer = join();
    EXPECT_EQ(stream->stats().readers, 1u);
    peer.leave();
    shard.turn();
    EXPECT_EQ(stream->stats().readers, 0u);
}

TEST(ViewersGather, MergesNeighboursAndCopiesManySmallPiecesOnce) {
    const auto whole = Bytes::copy_of("abcdefghij");
    Batch batch;
    const auto add = [&](Bytes bytes) {
        Chunk chunk;
        chunk.bytes = std::move(bytes);
        batch.items.push_back(std::make_shared<const Item>(std::move(chunk)));
    };
    add(whole.slice(0, 4));
    add(whole.slice(4, 2));
    Gathered found;
    gather(batch, found);
    EXPECT_EQ(found.size, 6u);
    EXPECT_FALSE(found.last);
    ASSERT_EQ(found.pieces.size(), 1u);
    EXPECT_EQ(found.pieces[0].text(), "abcdef");
    EXPECT_EQ(found.pieces[0].data(), whole.data());
    for (int i = 0; i < 20; ++i) add(Bytes::copy_of("x"));
    batch.items.push_back(std::make_shared<const Item>(End{}));
    Gathered copied;
    gather(batch, copied);
    ASSERT_EQ(copied.pieces.size(), 1u);
    EXPECT_EQ(copied.pieces[0].text(), "abcdef" + std::string(20, 'x'));
    EXPECT_TRUE(copied.last);
}

TEST(ViewersGather, TablesAreGivenOnceAndMessagesHaveNoPlaceInABody) {
    struct Row {
        bool tables, message, media_only;
        std::string sent;
    };
    for (const auto& row : {Row{false, false, false, "TABLESx"}, Row{true, false, false, "x"},
                            Row{false, true, true, "TABLES"}, Row{false, true, false, "TABLESx"}}) {
        auto init = std::make_shared<Init>();
        init->header = Bytes::copy_of("TABLES");
        Chunk chunk;
        chunk.bytes = Bytes::copy_of("x");
        chunk.tables = row.tables;
        chunk.message = row.message;
        Batch batch;
        batch.items.push_back(std::make_shared<const Item>(InitPtr(std::move(init))));
        batch.items.push_back(std::make_shared<const Item>(std::move(chunk)));
        Gathered found;
        gather(batch, found, {0, row.media_only});
        std::string sent;
        for (const auto& piece : found.pieces) sent += piece.text();
        EXPECT_EQ(sent, row.sent);
    }
}

TEST(ViewersGather, DropFrontCutsAtAnyByte) {
    for (std::size_t cut = 0; cut <= 9; ++cut) {
        std::vector<Bytes> pieces{Bytes::copy_of("abc"), Bytes::copy_of("def"), Bytes::copy_of("ghi")};
        drop_front(pieces, cut);
        std::string left;
        for (const auto& piece : pieces) left += piece.text();
        EXPECT_EQ(left, std::string("abcdefghi").substr(cut));
    }
}

}  // namespace
}  // namespace weir::fan_out
