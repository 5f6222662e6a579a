#include "sinks/http_ts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <random>

#include "sinks/fan_out.h"

namespace weir::http_ts {
namespace {

using std::chrono::milliseconds;

/// A shard that runs only when told, with a clock that stands still.
class StillShard final : public Shard {
public:
    asio::io_context context{1};
    SimulatedClock time{context.get_executor()};
    [[nodiscard]] std::size_t index() const noexcept override { return 0; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override {
        return const_cast<asio::io_context&>(context).get_executor();
    }
    [[nodiscard]] Clock& clock() noexcept override { return time; }
    void post(std::function<void()> f) override { asio::post(context, std::move(f)); }
    [[nodiscard]] bool is_here() const noexcept override { return true; }
    void add_weight(int) noexcept override {}
    [[nodiscard]] int weight() const noexcept override { return 0; }
    void turn() {
        context.restart();
        context.poll();
    }
};

/// The far end of a connection: what arrived, how much more it takes, whether it was shut.
struct Peer {
    explicit Peer(const asio::any_io_executor& ex) : room_came(ex), closing(ex) {}
    std::string got;
    std::size_t room = SIZE_MAX;
    std::size_t writes = 0;
    bool shut = false, destroyed = false;
    Bell room_came, closing;

    [[nodiscard]] std::string body() const { return got.substr(got.find("\r\n\r\n") + 4); }
    void make_room(std::size_t more) {
        room += more;
        room_came.notify();
    }
};

class FakeConnection final : public Connection {
public:
    FakeConnection(Shard& shard, Peer& peer) : shard_(shard), peer_(peer) {}
    ~FakeConnection() override { peer_.destroyed = true; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept override { return shard_.executor(); }
    [[nodiscard]] Shard& shard() noexcept override { return shard_; }
    Task<Result<std::size_t>> read_some(std::span<std::byte>) override { co_return Error{Errc::internal, "not used"}; }
    Task<Result<>> write(std::span<const Bytes>) override { co_return Error{Errc::internal, "not used"}; }
    Result<std::size_t> try_write(std::span<const Bytes> parts) override {
        if (peer_.shut) return Error{Errc::lost_peer, "shut"};
        ++peer_.writes;
        std::size_t taken = 0;
        for (const auto& part : parts) {
            const auto count = std::min(part.size(), peer_.room);
            peer_.got += part.text().substr(0, count);
            if (peer_.room != SIZE_MAX) peer_.room -= count;
            taken += count;
        }
        return taken;
    }
    Task<Result<>> wait_writable() override {
        bool woken = true;
        while (peer_.room == 0 && !peer_.shut && woken) woken = co_await peer_.room_came.wait();
        if (!woken) co_return Error{Errc::cancelled, "stopped"};
        if (peer_.shut) co_return Error{Errc::lost_peer, "shut"};
        co_return Result<>{};
    }
    Task<Result<>> wait_closed() override {
        bool woken = true;
        while (!peer_.shut && woken) woken = co_await peer_.closing.wait();
        co_return Error{Errc::lost_peer, "shut"};
    }
    void shutdown() override {
        peer_.shut = true;
        peer_.room_came.notify();
        peer_.closing.notify();
    }
    [[nodiscard]] const Bytes& early() const noexcept override { return none_; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }

private:
    Shard& shard_;
    Peer& peer_;
    Bytes none_;
};

Task<void> stop(FanOut& out) {
    co_await out.stop();
}

class HttpTsFanOut : public ::testing::Test {
protected:
    StillShard shard;
    std::unique_ptr<Stream> stream = Stream::create(shard.executor(), shard.time, {.name = "test"});
    HttpTs::Settings settings;
    std::vector<std::unique_ptr<Peer>> peers;
    std::unique_ptr<FanOut> out;
    std::string all;  ///< every byte published

    void open() {
        out = std::make_unique<FanOut>(shard, *stream, settings);
        auto init = std::make_shared<Init>();
        init->epoch = 1;
        init->format.container = Container::ts;
        init->header = Bytes::copy_of("TABLES ");
        put(InitPtr(std::move(init)));
    }
    void put(Item item) {
        const std::vector<Item> items{std::move(item)};
        ASSERT_TRUE(stream->publish(items).has_value());
        shard.turn();
    }
    void send(const std::string& text, bool rap = false) {
        Chunk chunk;
        chunk.epoch = 1;
        chunk.rap = rap;
        chunk.bytes = Bytes::copy_of(text);
        all += text;
        put(std::move(chunk));
    }
    Peer& join(std::size_t room = SIZE_MAX) {
        peers.push_back(std::make_unique<Peer>(shard.executor()));
        peers.back()->room = room;
        out->add(std::make_unique<FakeConnection>(shard, *peers.back()));
        shard.turn();
        return *peers.back();
    }
    void pass(milliseconds time) {
        shard.time.advance(time);
        shard.turn();
    }
    void TearDown() override {
        if (!out) return;
        asio::co_spawn(shard.context, stop(*out), [](std::exception_ptr) {});
        shard.turn();
        for (const auto& peer : peers) EXPECT_TRUE(peer->destroyed);
    }
};

TEST_F(HttpTsFanOut, HeadThenTablesThenTheNewestRandomAccessPoint) {
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

TEST_F(HttpTsFanOut, ViewerBeforeTheStreamWaitsForItsBeginning) {
    open();
    const auto& peer = join();
    EXPECT_EQ(peer.body(), "");
    send("half ");
    send("whole ", true);
    EXPECT_EQ(peer.body(), "TABLES whole ");
}

TEST_F(HttpTsFanOut, FewViewersGetEachChunkAtOnce) {
    open();
    send("a ", true);
    const auto& peer = join();
    send("b ");
    EXPECT_EQ(peer.body(), "TABLES a b ");
}

TEST_F(HttpTsFanOut, ManyViewersGetSmallChunksTogether) {
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

TEST_F(HttpTsFanOut, EnoughBytesDoNotWait) {
    open();
    send("a ", true);
    for (int i = 0; i < 8; ++i) join();
    send(std::string(40'000, 'x'));
    EXPECT_EQ(peers[0]->body(), "TABLES a ");
    send(std::string(10'000, 'y'));
    EXPECT_EQ(peers[0]->body().size(), 9u + 50'000);
}

TEST_F(HttpTsFanOut, BatchOfZeroNeverWaits) {
    settings.batch = Millis(0);
    open();
    send("a ", true);
    for (int i = 0; i < 20; ++i) join();
    send("b ");
    for (const auto& peer : peers) EXPECT_EQ(peer->body(), "TABLES a b ");
}

TEST_F(HttpTsFanOut, BlockedViewerCatchesUpWithoutLosingAByte) {
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

TEST_F(HttpTsFanOut, F3_WedgedViewerAmongFiftyHarmsNobodyAndSkips) {
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

TEST_F(HttpTsFanOut, AnyPaceOfAnyViewerDeliversEveryByteInOrder) {
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
                peers[which]->shut = true;
                peers[which]->closing.notify();
                peers[which]->room_came.notify();
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

TEST_F(HttpTsFanOut, ViewerThatLeavesIsForgotten) {
    open();
    send("a ", true);
    auto& leaves = join();
    join();
    leaves.shut = true;
    leaves.closing.notify();
    shard.turn();
    EXPECT_TRUE(leaves.destroyed);
    EXPECT_EQ(out->stats().viewers, 1u);
    send("b ");
    EXPECT_EQ(peers[1]->body(), "TABLES a b ");
    EXPECT_EQ(leaves.body(), "TABLES a ");
}

TEST_F(HttpTsFanOut, EndOfTheStreamClosesEveryViewerAfterItsLastByte) {
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

TEST_F(HttpTsFanOut, NoViewersMeansNoReaders) {
    open();
    send("a ", true);
    auto& peer = join();
    EXPECT_EQ(stream->stats().readers, 1u);
    peer.shut = true;
    peer.closing.notify();
    shard.turn();
    EXPECT_EQ(stream->stats().readers, 0u);
}

TEST(HttpTsGather, MergesNeighboursAndCopiesManySmallPiecesOnce) {
    const auto whole = Bytes::copy_of("abcdefghij");
    Batch batch;
    const auto add = [&](Bytes bytes) {
        Chunk chunk;
        chunk.bytes = std::move(bytes);
        batch.items.push_back(std::make_shared<const Item>(std::move(chunk)));
    };
    add(whole.slice(0, 4));
    add(whole.slice(4, 2));
    std::vector<Bytes> pieces;
    bool last = false;
    EXPECT_EQ(gather(batch, pieces, last), 0u);
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].text(), "abcdef");
    EXPECT_EQ(pieces[0].data(), whole.data());
    for (int i = 0; i < 20; ++i) add(Bytes::copy_of("x"));
    pieces.clear();
    batch.items.push_back(std::make_shared<const Item>(End{}));
    (void)gather(batch, pieces, last);
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].text(), "abcdef" + std::string(20, 'x'));
    EXPECT_TRUE(last);
}

TEST(HttpTsGather, DropFrontCutsAtAnyByte) {
    for (std::size_t cut = 0; cut <= 9; ++cut) {
        std::vector<Bytes> pieces{Bytes::copy_of("abc"), Bytes::copy_of("def"), Bytes::copy_of("ghi")};
        drop_front(pieces, cut);
        std::string left;
        for (const auto& piece : pieces) left += piece.text();
        EXPECT_EQ(left, std::string("abcdefghi").substr(cut));
    }
}

}  // namespace
}  // namespace weir::http_ts
