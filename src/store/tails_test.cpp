// What a kill leaves of a raw file that may stay (issue 3: torn fMP4 tails at 50 cut points recover).
#include "store/tails.h"

#include "store/finalise_rig.h"

namespace weir::store {
namespace {

constexpr Container in_pieces[] = {Container::ts, Container::fmp4, Container::flv, Container::packed_audio};

/// The bytes up to the last end that is not behind `at`.
std::size_t whole_before(const std::vector<std::size_t>& ends, std::size_t at) {
    std::size_t whole = 0;
    for (const auto end : ends)
        if (end <= at) whole = end;
    return whole;
}

std::uint64_t tail_of(const std::string& content, Container container, std::uint64_t off) {
    test::TempFolder dir;
    test::write_file(dir / "x", content);
    auto file = real_file_system().open(dir / "x", false);
    EXPECT_TRUE(file);
    auto n = whole_tail(**file, container, off, content.size());
    EXPECT_TRUE(n);
    return n ? *n : 0;
}

TEST(WholeTail, IsWholePiecesWhateverFollows) {
    const std::string before = "what the journal answers for already";
    for (const auto container : in_pieces) {
        SCOPED_TRACE(ending_of(container));
        std::string pieces;
        std::vector<std::size_t> ends;
        for (std::uint64_t i = 0; i < 4; ++i) ends.push_back((pieces += test::piece_bytes(container, i)).size());
        EXPECT_EQ(tail_of(before + pieces, container, before.size()), pieces.size());
        EXPECT_EQ(tail_of(before, container, before.size()), 0u);
        if (container != Container::ts) {
            EXPECT_EQ(tail_of(before + pieces + std::string(700, '\0'), container, before.size()), pieces.size());
            EXPECT_EQ(tail_of(before + pieces + "garbage!garbage!", container, before.size()), pieces.size());
            for (std::size_t cut = 1; cut < pieces.size(); cut += 97)
                EXPECT_EQ(tail_of(before + pieces.substr(0, cut), container, before.size()), whole_before(ends, cut))
                    << "cut at " << cut;
        }
    }
}

TEST(WholeTail, OfTsDoubtsThePacketBeforeWhatIsNone) {
    const auto packets = test::ts_bytes(1, 4);
    EXPECT_EQ(tail_of(packets + std::string(188, '\0'), Container::ts, 0), 3 * 188u);
    EXPECT_EQ(tail_of(packets.substr(0, 188 * 2 + 50), Container::ts, 0), 2 * 188u);
}

TEST(WholeTail, OfOpaqueBytesIsAllOfThem) {
    EXPECT_EQ(tail_of("anything", Container::opaque, 3), 5u);
}

TEST(WholeTail, OfFramesGoesOverBlocksAndTags) {
    std::string frames = std::string("ID3\x04\x00\x00\x00\x25\x00\x00", 10) + std::string(0x25 << 14, 'x');
    while (frames.size() < (900u << 10)) frames += test::piece_bytes(Container::packed_audio, frames.size());
    EXPECT_EQ(tail_of(frames, Container::packed_audio, 0), frames.size());
    EXPECT_EQ(tail_of(frames + "\xff", Container::packed_audio, 0), frames.size());
}

struct Torn {
    const char* name;
    Container container;
    std::uint16_t lanes;
};
class TornTails : public testing::TestWithParam<Torn> {};

/// A process is killed while its last write is under way: every length of the raw files is possible. What recovery keeps
/// is whole pieces, only the torn one goes, and the recording goes on and is finished.
TEST_P(TornTails, RecoverAtFiftyCutPoints) {
    const auto container = GetParam().container;
    for (std::size_t point = 0; point < 50; ++point) {
        SCOPED_TRACE(fmt::format("cut point {}", point));
        Rig rig;
        rig.container = container;
        rig.lanes = GetParam().lanes;
        ASSERT_TRUE(rig.open());
        rig.record(1, 8);
        rig.record_beginning(9, rig.lanes - 1, 3 - 1);
        rig.keeper.reset();

        const auto torn = static_cast<std::uint32_t>(rig.lanes - 1);  // the last lane's file
        const auto header = test::header_bytes(container).size();
        const auto content = rig.raw(torn);
        const auto ends = test::chunk_ends(9, Rig::shape(container, rig.lanes - 1));
        const auto begin = header + rig.bytes_in(rig.lanes - 1, 1, 8).size();
        ASSERT_EQ(content.size(), begin + ends[1]);
        const auto cut = 1 + point * ends[1] / 50;
        rig.cut_raw(torn, begin + cut);

        auto r = recover_blocking(rig.fs, rig.journal());
        ASSERT_TRUE(r) << r.error().text();
        const auto* part = &r->book.pieces.back();
        const auto whole = container == Container::ts       ? cut / 188 * 188
                           : container == Container::opaque ? cut
                                                            : whole_before({ends[0], ends[1]}, cut);
        EXPECT_EQ(rig.raw(torn).size(), begin + whole);
        EXPECT_EQ(part->kind, whole ? Piece::Kind::part : Piece::Kind::unit);
        if (whole) {
            EXPECT_EQ(part->n, whole);
        }
        r->journal.reset();
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane) EXPECT_EQ(rig.check_bytes(lane).size(), 8u);
        EXPECT_NE(rig.verify().exit_code(), 4) << text_of(rig.verify());

        const bool window = point % 2;
        if (window) {
            ASSERT_TRUE(rig.resume());
            rig.record(9, 10);
            ASSERT_TRUE(rig.keeper->close(rig.now()));
            rig.keeper.reset();
        }
        const auto done = Finish(rig).run();
        ASSERT_TRUE(done) << done.error().text();
        const auto v = rig.verify();
        EXPECT_EQ(v.exit_code(), window ? 0 : 3) << text_of(v);
    }
}

INSTANTIATE_TEST_SUITE_P(Containers, TornTails,
                         testing::Values(Torn{"Ts", Container::ts, 1}, Torn{"Fmp4", Container::fmp4, 1},
                                         Torn{"Fmp4SoundLane", Container::fmp4, 2}, Torn{"Flv", Container::flv, 1},
                                         Torn{"PackedAudio", Container::packed_audio, 1},
                                         Torn{"Opaque", Container::opaque, 1}),
                         [](const auto& i) { return i.param.name; });

TEST(TornRuns, OfASourceWithoutUnitsKeepWholePieces) {
    for (const auto container : {Container::flv, Container::fmp4, Container::opaque}) {
        SCOPED_TRACE(ending_of(container));
        Rig rig;
        rig.container = container;
        ASSERT_TRUE(rig.open());
        std::string all = test::header_bytes(container);
        for (std::uint64_t i = 0; i < 10; ++i) {
            Chunk c;
            c.dts = Micros{100'000} * static_cast<int>(i);
            c.bytes = Bytes::copy_of(test::piece_bytes(container, i));
            all += c.bytes.text();
            rig.take({c});
            if (i == 4) rig.second();
        }
        const auto book = rig.book();
        const auto runs = std::count_if(book.pieces.begin(), book.pieces.end(),
                                        [](const Piece& p) { return p.kind == Piece::Kind::run; });
        EXPECT_EQ(runs, 1) << "one line a round";
        rig.keeper.reset();
        rig.cut_raw(0, all.size() - 10);
        auto r = recover_blocking(rig.fs, rig.journal());
        ASSERT_TRUE(r) << r.error().text();
        const auto lost = container == Container::opaque ? 10 : test::piece_bytes(container, 9).size();
        EXPECT_EQ(r->book.bytes(), all.size() - lost);
        r->journal.reset();
        EXPECT_EQ(rig.verify().exit_code(), 0) << text_of(rig.verify());
    }
}

}  // namespace
}  // namespace weir::store
