#include "store/verify.h"

#include <boost/json.hpp>

#include "store/keeper_rig.h"

namespace weir::store {
namespace {

/// A finished recording made by hand: the journal's steps as finalise() writes them.
struct Finished {
    Finished() {
        rig.record_and_close(1, 8);
        test::write_file(rig.dir / "N.mp4", made);
        journal::Final f;
        f.step = journal::Final::Step::raw_deleted;
        f.path = "N.mp4";
        f.n = made.size();
        f.h = content_hash(std::as_bytes(std::span(made)));
        f.dur = Micros{2'000'000};
        std::filesystem::remove(rig.dir / "N.0.ts");
        test::write_file(rig.journal(), test::read_file(rig.journal()) + journal::format(f));
    }
    Rig rig;
    std::string made = ts_bytes(99, 100);
};

TEST(Verify, AWholeFileIsWhole) {
    Finished f;
    const auto v = f.rig.verify("N.mp4");
    EXPECT_EQ(v.exit_code(), 0) << text_of(v);
    EXPECT_EQ(v.duration, Micros{2'000'000});
    EXPECT_EQ(v.bytes, f.made.size());
}

TEST(Verify, ATruncatedFileIsDamaged) {
    Finished f;
    test::write_file(f.rig.dir / "N.mp4", f.made.substr(0, f.made.size() - 1));
    EXPECT_EQ(f.rig.verify("N.mp4").exit_code(), 4);
}

TEST(Verify, AFlippedBitIsDamage) {
    Finished f;
    auto bad = f.made;
    bad[bad.size() / 3] ^= 0x10;
    test::write_file(f.rig.dir / "N.mp4", bad);
    EXPECT_EQ(f.rig.verify("N.mp4").exit_code(), 4);
}

TEST(Verify, ALaneWithoutATrackInTheFinalFileIsDamage) {
    for (const bool both : {true, false}) {
        Rig rig;
        rig.lanes = 2;
        rig.record_and_close(1, 8);
        const std::string made = ts_bytes(99, 100);
        test::write_file(rig.dir / "N.mp4", made);
        journal::Final f;
        f.step = journal::Final::Step::renamed;
        f.keep = true;
        f.path = "N.mp4";
        f.n = made.size();
        f.h = content_hash(std::as_bytes(std::span(made)));
        f.packets = {{"video0", 100}, {"audio1", both ? 150u : 0u}, {"audio2", both ? 150u : 0u}};
        test::write_file(rig.journal(), test::read_file(rig.journal()) + journal::format(f));
        const auto v = rig.verify("N.mp4");
        EXPECT_EQ(v.exit_code(), both ? 0 : 4) << text_of(v);
    }
}

TEST(Verify, ARawFileThatHasTheFinalNameAlreadyIsNotMissing) {
    Rig rig;
    rig.remux = false;
    rig.record_and_close(1, 8);
    const auto raw = rig.raw(0);
    journal::Final f;
    f.step = journal::Final::Step::verified;
    f.path = "N.mp4";
    f.n = raw.size();
    f.h = content_hash(std::as_bytes(std::span(raw)));
    test::write_file(rig.journal(), test::read_file(rig.journal()) + journal::format(f));
    std::filesystem::rename(rig.raw_path(0), rig.dir / "N.mp4");
    EXPECT_EQ(rig.verify().exit_code(), 0) << text_of(rig.verify());
    test::write_file(rig.dir / "N.mp4", raw.substr(1));
    EXPECT_EQ(rig.verify().exit_code(), 4);
}

TEST(Verify, AMissingFileIsDamage) {
    Finished f;
    std::filesystem::remove(f.rig.dir / "N.mp4");
    EXPECT_EQ(f.rig.verify("N.mp4").exit_code(), 4);
    EXPECT_EQ(f.rig.verify("N.weir.jsonl").exit_code(), 4);
}

TEST(Verify, AFileWithoutAJournalSaysSo) {
    Rig rig;
    test::write_file(rig.dir / "x.mp4", "x");
    const auto v = rig.verify("x.mp4");
    EXPECT_EQ(v.exit_code(), 4);
    EXPECT_EQ(v.complaints, std::vector<std::string>{"no journal beside it"});
}

TEST(Verify, AStrangersFileBesideARecordingIsNotIt) {
    Finished f;
    test::write_file(f.rig.dir / "other.mp4", "x");
    EXPECT_EQ(f.rig.verify("other.mp4").complaints, std::vector<std::string>{"no journal beside it"});
}

TEST(Verify, AnyByteOfTheJournalThatIsFlippedIsSeen) {
    Finished f;
    const auto good = test::read_file(f.rig.journal());
    const auto last_line = good.rfind('\n', good.size() - 2) + 1;
    for (std::size_t i = 0; i < last_line; i += 7) {
        auto bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 2);
        test::write_file(f.rig.journal(), bad);
        EXPECT_EQ(f.rig.verify("N.mp4").exit_code(), 4) << "byte " << i;
    }
}

TEST(Verify, ALineTakenOutOfTheJournalIsUnlistedLoss) {
    Finished f;
    const auto good = test::read_file(f.rig.journal());
    const auto at = good.find(R"({"k":"unit","lane":0,"u":3,)");
    ASSERT_NE(at, std::string::npos);
    test::write_file(f.rig.journal(), good.substr(0, at) + good.substr(good.find('\n', at) + 1));
    const auto v = f.rig.verify("N.mp4");
    EXPECT_EQ(v.exit_code(), 4);
    EXPECT_NE(text_of(v).find("unit 3 is neither there nor listed"), std::string::npos) << text_of(v);
}

TEST(Verify, ARawFileThatChangedIsDamaged) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 8);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    auto bytes = rig.raw(0);
    bytes[24 * 188 * 2 + 5] ^= 1;
    test::write_file(rig.dir / "N.0.ts", bytes);
    const auto v = rig.verify("N.0.ts");
    EXPECT_EQ(v.exit_code(), 4);
    EXPECT_NE(text_of(v).find("unit 3"), std::string::npos) << text_of(v);
    bytes += "more";
    test::write_file(rig.dir / "N.0.ts", bytes);
    EXPECT_EQ(rig.verify("N.0.ts").complaints.size(), 2u);
}

struct NumberCase {
    const char* name;
    std::vector<std::uint64_t> there;
    std::vector<journal::Range> gaps;
    std::size_t complaints;
};
class Numbers : public testing::TestWithParam<NumberCase> {};

TEST_P(Numbers, AreThereOrListed) {
    Book book;
    book.take(journal::Raw{0, "N.0.ts", 0, Container::ts, {}});
    for (const auto u : GetParam().there) {
        journal::Unit l;
        l.u = u;
        l.n = 188;
        book.take(l);
    }
    for (const auto& g : GetParam().gaps) {
        journal::GapLine l;
        l.u = g;
        book.take(l);
    }
    book.settle();
    Verdict v;
    judge_book(book, v);
    EXPECT_EQ(v.complaints.size(), GetParam().complaints) << text_of(v);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Numbers,
    testing::Values(NumberCase{"AllThere", {5, 6, 7}, {}, 0}, NumberCase{"Listed", {5, 9}, {{6, 8}}, 0},
                    NumberCase{"Hole", {5, 7}, {}, 1}, NumberCase{"HoleBesideAGap", {5, 9}, {{6, 7}}, 1},
                    NumberCase{"Twice", {5, 6, 6, 7}, {}, 1}, NumberCase{"OutOfOrderIsFine", {6, 5}, {}, 0},
                    NumberCase{"GapAtTheEnd", {5}, {{6, 8}}, 0}, NumberCase{"OnlyAGap", {}, {{1, 3}}, 0},
                    NumberCase{"UnitZero", {0, 1}, {}, 0}, NumberCase{"GapsOverlap", {1}, {{2, 5}, {3, 4}}, 0}),
    [](const auto& i) { return i.param.name; });

TEST(Ledger, JsonHasTheStableKeys) {
    Verdict v;
    v.file = "a \"quoted\" name.mp4";
    v.state = Verdict::State::losses_listed;
    v.gaps.push_back({7, 0, 1, 10, 11, Micros{4'000'000}, Micros{6'000'000}, true, 9, "http 404"});
    const auto o = boost::json::parse(verdict_json(v)).as_object();
    for (const auto* key : {"file", "journal", "state", "exit", "unfinished", "asked", "got", "missing", "bytes",
                            "duration_s", "gaps", "complaints"})
        EXPECT_TRUE(o.contains(key)) << key;
    EXPECT_EQ(o.at("exit").as_int64(), 3);
    const auto& gap = o.at("gaps").as_array()[0].as_object();
    for (const auto* key : {"id", "lane", "gen", "u", "from_s", "to_s", "exact", "why", "tries"})
        EXPECT_TRUE(gap.contains(key)) << key;
    EXPECT_EQ(gap.at("from_s").as_double(), 4.0);
}

}  // namespace
}  // namespace weir::store
