// Raw files of every container and of several lanes (issue 3).
#include "store/keeper_rig.h"
#include "store/node.h"
#include "store/unit_set.h"

namespace weir::store {
namespace {

TEST(Lanes, EveryContainerKeepsEveryByteBehindItsHeader) {
    for (const auto container : test::all_containers) {
        SCOPED_TRACE(ending_of(container));
        Rig rig;
        rig.container = container;
        rig.lanes = 2;
        rig.record_and_close(1, 8);
        const auto header = test::header_bytes(container);
        EXPECT_EQ(rig.raw(0), header + rig.bytes_in(0, 1, 8));
        EXPECT_EQ(rig.raw(1), header + rig.bytes_in(1, 1, 8)) << "one running number over the lanes";
        EXPECT_EQ(rig.check_bytes(0).size(), 8u);
        EXPECT_EQ(rig.check_bytes(1).size(), 8u);
        const auto v = rig.verify();
        EXPECT_EQ(v.exit_code(), 0) << text_of(v);
        EXPECT_EQ(v.got, 16u);
        EXPECT_EQ(rig.verify(fmt::format("N.1{}", ending_of(container))).exit_code(), 0);
    }
}

TEST(Lanes, AnotherHeaderIsAnotherRawFileAndTheSameOneIsNot) {
    for (const auto container : {Container::fmp4, Container::flv}) {
        SCOPED_TRACE(ending_of(container));
        Rig rig;
        rig.container = container;
        ASSERT_TRUE(rig.open());
        rig.record(1, 2);
        rig.take({test::init_of(container, 0, 1, 2)});
        rig.record(3, 4);
        EXPECT_EQ(rig.book().raws.size(), 1u);
        rig.take({test::init_of(container, 0, 2, 3)});
        rig.record(5, 6);
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        EXPECT_EQ(rig.book().raws.size(), 2u);
        EXPECT_EQ(rig.raw(0), test::header_bytes(container, 1) + rig.bytes_in(0, 1, 4));
        EXPECT_EQ(rig.raw(1), test::header_bytes(container, 2) + rig.bytes_in(0, 5, 6));
        EXPECT_EQ(rig.verify().exit_code(), 0);
    }
}

TEST(Lanes, HeadersThatChangeInsideAUnitCutItShortAndListIt) {
    Rig rig;
    rig.container = Container::fmp4;
    ASSERT_TRUE(rig.open());
    rig.record(1, 2);
    auto items = rig.items_in(0, 3);
    items.insert(items.begin() + 2, test::init_of(Container::fmp4, 0, 2, 2));
    rig.take(items);
    rig.record(4, 5);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    ASSERT_EQ(v.gaps.size(), 1u);
    EXPECT_EQ(v.gaps[0].first_unit, 3u);
    EXPECT_EQ(rig.raw(1), test::header_bytes(Container::fmp4, 2) + rig.bytes_in(0, 4, 5));
}

TEST(Lanes, TheLossOfALaneIsListedWithTheLane) {
    Rig rig;
    rig.lanes = 2;
    ASSERT_TRUE(rig.open());
    rig.record(1, 4);
    rig.take({Rig::gap(5, 6, "http 404", 1)});
    for (std::uint64_t u = 5; u <= 6; ++u) rig.take(rig.items_in(0, u));
    rig.record(7, 8);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    ASSERT_EQ(v.gaps.size(), 1u);
    EXPECT_EQ(v.gaps[0].lane, 1);
    EXPECT_EQ(v.missing, 2u);
    EXPECT_NE(text_of(v).find("lane 1, units 5-6"), std::string::npos) << text_of(v);
}

TEST(Lanes, AUnitOfALaneThatIsNowhereIsNamedWithTheLane) {
    Rig rig;
    rig.lanes = 2;
    rig.record_and_close(1, 8);
    const auto good = test::read_file(rig.journal());
    const auto at = good.find(R"({"k":"unit","lane":1,"u":3,)");
    ASSERT_NE(at, std::string::npos);
    test::write_file(rig.journal(), good.substr(0, at) + good.substr(good.find('\n', at) + 1));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 4);
    EXPECT_NE(text_of(v).find("unit 3 is neither there nor listed as missing (lane 1)"), std::string::npos)
        << text_of(v);
}

TEST(Lanes, ResumingKnowsWhereEachLaneStands) {
    Rig rig;
    rig.lanes = 2;
    ASSERT_TRUE(rig.open());
    rig.record(1, 4);
    rig.take(rig.items_in(0, 5));
    rig.keeper.reset();
    ASSERT_TRUE(rig.resume());
    const auto at = rig.keeper->snapshot().at;
    ASSERT_TRUE(at && at->any);
    EXPECT_EQ(at->unit, 5u);
    ASSERT_TRUE(at->lanes.contains(1));
    EXPECT_EQ(at->lanes.at(1).unit, 4u);
    EXPECT_EQ(at->lanes.at(1).stream_time, Rig::dts_of(5));
}

TEST(Repeats, AfterAResumeWhatIsWholeAlreadyIsNeitherCountedNorMissing) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);
    rig.keeper.reset();
    ASSERT_TRUE(rig.resume());
    rig.record(5, 8);  // two of them again
    rig.take({Rig::gap(8, 10)});
    rig.record(11, 12);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.got, 10u);
    EXPECT_EQ(v.missing, 2u) << "unit 8 is there: " << text_of(v);
    EXPECT_EQ(rig.check_bytes(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 11, 12}));
}

TEST(Repeats, ARepeatTakesThePlaceOfWhatWasLostMeanwhile) {
    Book book;
    book.take(journal::Raw{0, "N.0.ts", 0, Container::ts, {}});
    book.take(journal::Raw{1, "N.1.ts", 0, Container::ts, {}});
    journal::Unit u;
    u.u = 7;
    u.n = 188;
    book.take(u);
    u.f = 1;
    u.again = true;
    book.take(u);
    book.settle();
    EXPECT_TRUE(book.pieces[0].counts());
    EXPECT_FALSE(book.pieces[1].counts());
    book.take(journal::Lost{1, 0, {0, 188}, "eio"});
    book.settle();
    EXPECT_FALSE(book.pieces[0].counts());
    EXPECT_TRUE(book.pieces[1].counts());
}

TEST(UnitSet, HoldsRangesWithHoles) {
    UnitSet set;
    for (const auto u : {5u, 7u, 6u, 1u, 2u, 0u}) EXPECT_TRUE(set.add(0, 0, u));
    for (const auto u : {0u, 1u, 2u, 5u, 6u, 7u}) EXPECT_FALSE(set.add(0, 0, u));
    set.remove(0, 0, 6);
    EXPECT_FALSE(set.contains(0, 0, 6));
    EXPECT_TRUE(set.contains(0, 0, 5) && set.contains(0, 0, 7));
    EXPECT_FALSE(set.contains(1, 0, 5) || set.contains(0, 1, 5) || set.contains(0, 0, 3));
    EXPECT_TRUE(set.add(0, 0, ~std::uint64_t{0}));
    EXPECT_FALSE(set.add(0, 0, ~std::uint64_t{0}));
}

TEST(Node, IsMadeOnceAndStays) {
    test::TempFolder dir;
    ForgettingFs fs;
    const auto id = node_id(fs, dir / "state/weir");
    EXPECT_EQ(id.size(), 26u);
    EXPECT_EQ(node_id(fs, dir / "state/weir"), id);
    fs.cut_power(1);
    fs.power_on();
    EXPECT_EQ(node_id(fs, dir / "state/weir"), id);
}

TEST(Node, WithoutAPlaceForItThereIsOneAllTheSame) {
    test::TempFolder dir;
    ForgettingFs fs;
    test::write_file(dir / "file", "x");
    for (const auto& folder : {Path(), dir / "file/below"}) EXPECT_EQ(node_id(fs, folder).size(), 26u);
    test::write_file(dir / "node.id", "garbage");
    EXPECT_EQ(node_id(fs, dir.path()).size(), 26u);
    EXPECT_EQ(test::read_file(dir / "node.id"), "garbage");
}

TEST(Node, StandsInTheFirstLine) {
    Rig rig;
    RecordingPlan plan{rig.dir / "N.mp4", "hls", "src", {}};
    plan.node = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
    ASSERT_TRUE(Keeper::create(rig.fs, rig.gate, plan, rig.now().wall));
    EXPECT_EQ(rig.book().open.node, plan.node);
}

}  // namespace
}  // namespace weir::store
