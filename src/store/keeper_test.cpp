#include "store/keeper.h"

#include "store/keeper_rig.h"

namespace weir::store {
namespace {

std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> out;
    for (auto u = first; u <= last; ++u) out.push_back(u);
    return out;
}

TEST(Keeper, KeepsEveryByteAndSaysWhole) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(10, 29);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    EXPECT_EQ(rig.check_bytes(), numbers(10, 29));
    std::string all;
    for (const auto u : numbers(10, 29)) all += Rig::bytes_of(u);
    EXPECT_EQ(rig.raw(0), all);
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 0) << text_of(v);
    EXPECT_EQ(v.asked, 20u);
    EXPECT_EQ(v.got, 20u);
    EXPECT_EQ(v.duration, Micros{5'000'000});
    EXPECT_TRUE(v.unfinished);
    const auto book = rig.book();
    ASSERT_TRUE(book.end);
    EXPECT_EQ(book.end->bytes, all.size());
    EXPECT_EQ(book.raws[0].synced, all.size());
    EXPECT_EQ(book.pieces[0].raw_dts, *book.pieces[0].dts + Micros{7'000'000});
}

TEST(Keeper, NeverClaimsDurableWhatIsNot) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 3);
    EXPECT_EQ(rig.book().raws[0].synced, 0u);
    rig.record(4, 4);
    EXPECT_EQ(rig.book().raws[0].synced, 4 * Rig::bytes_of(1).size());
    EXPECT_EQ(rig.fs.durable(rig.dir / "N.0.ts")->size(), 4 * Rig::bytes_of(1).size());
}

TEST(Keeper, AGapOfTheSourceIsListedWithWhatCameOfIt) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 4);
    auto items = Rig::items_of(5);
    items.pop_back();  // the last third never came
    rig.take(items);
    rig.take({Rig::gap(5, 7, "http 404")});
    rig.record(8, 9);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto book = rig.book();
    ASSERT_EQ(book.gaps.size(), 1u);
    EXPECT_TRUE(book.gaps[0].part);
    EXPECT_EQ(book.gaps[0].u, (journal::Range{5, 7}));
    rig.check_bytes();
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.got, 6u);
    EXPECT_EQ(v.missing, 3u);
}

TEST(Keeper, AUnitThatWasOpenAtTheEndIsListed) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 2);
    rig.record_beginning(3);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    ASSERT_EQ(v.gaps.size(), 1u);
    EXPECT_EQ(v.gaps[0].first_unit, 3u);
}

TEST(Keeper, NeverOverwritesAndTakesTheNextNumber) {
    Rig rig;
    weir::test::write_file(rig.dir / "N.mp4", "precious");
    ASSERT_TRUE(rig.open());
    EXPECT_EQ(rig.keeper->target().filename(), "N.1.mp4");
    auto second = Keeper::create(rig.fs, rig.gate, {rig.dir / "N.mp4", "hls", "x", {}}, rig.now().wall);
    ASSERT_TRUE(second);
    EXPECT_EQ((*second)->target().filename(), "N.2.mp4");
    EXPECT_EQ(weir::test::read_file(rig.dir / "N.mp4"), "precious");
}

TEST(Keeper, AStrangersRawFileIsNotTouched) {
    Rig rig;
    weir::test::write_file(rig.dir / "N.0.ts", "precious");
    ASSERT_TRUE(rig.open());
    rig.record(1, 4);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    EXPECT_EQ(rig.raw(0), "precious");
    EXPECT_EQ(rig.check_bytes(), numbers(1, 4));
}

TEST(Keeper, HoldsTheLockWhileItLives) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 4);
    const auto r = recover_blocking(rig.fs, rig.journal());
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::busy);
    EXPECT_TRUE(find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr)->empty());
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    EXPECT_EQ(find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr)->size(), 1u);
}

/// Somebody looks for unfinished recordings right when a journal was made: not locked yet, and empty.
class LookedAtFs final : public FileSystem {
public:
    explicit LookedAtFs(FileSystem& real) : real_(real) {}
    Result<std::unique_ptr<File>> create(const Path& path) override {
        auto made = real_.create(path);
        if (made && std::exchange(looks_, false)) {
            EXPECT_TRUE(find_unfinished_blocking(real_, path.parent_path(), nullptr)->empty());
            EXPECT_FALSE(*real_.exists(path)) << "it was removed as a crash's leavings";
        }
        return made;
    }
    Result<std::unique_ptr<File>> open(const Path& path, bool writable) override { return real_.open(path, writable); }
    Result<> make_folders(const Path& path) override { return real_.make_folders(path); }
    Result<> rename(const Path& from, const Path& to) override { return real_.rename(from, to); }
    Result<> remove(const Path& path) override { return real_.remove(path); }
    Result<> sync_folder(const Path& folder) override { return real_.sync_folder(folder); }
    Result<bool> exists(const Path& path) override { return real_.exists(path); }
    Result<std::uint64_t> size_of(const Path& path) override { return real_.size_of(path); }
    Result<std::vector<DirEntry>> list(const Path& folder) override { return real_.list(folder); }
    Result<Space> space(const Path& folder) override { return real_.space(folder); }

private:
    FileSystem& real_;
    bool looks_ = true;
};

TEST(Keeper, AJournalThatWasTakenAwayEmptyIsMadeAgain) {
    Rig rig;
    LookedAtFs looked(rig.fs);
    RecordingPlan plan{rig.dir / "N.mp4", "hls", "src", rig.name_data};
    auto made = Keeper::create(looked, rig.gate, plan, rig.now().wall);
    ASSERT_TRUE(made);
    rig.keeper = std::move(*made);
    rig.begin_lanes();
    rig.record(1, 4);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto left = find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr);
    ASSERT_EQ(left->size(), 1u);
    EXPECT_EQ(left->front().target, rig.dir / "N.mp4");
}

TEST(Keeper, ADiscontinuityIsJournalledAtItsByte) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 4);
    rig.take({Discontinuity{0, 5, "ext-x-discontinuity"}});
    rig.record(5, 6);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto book = rig.book();
    ASSERT_EQ(book.discs.size(), 1u);
    EXPECT_EQ(book.discs[0].off, 4 * Rig::bytes_of(1).size());
    EXPECT_EQ(book.discs[0].u, 5u);
}

TEST(Keeper, AKilledUnitIsSupersededWhenItComesAgain) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.record_beginning(6);
    rig.keeper.reset();  // as kill -9: nothing more is written, nothing is synced
    auto found = find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr);
    ASSERT_EQ(found->size(), 1u);
    EXPECT_FALSE((*found)[0].ended);
    ASSERT_TRUE(rig.resume());
    EXPECT_EQ(rig.keeper->snapshot().at->unit, 5u);
    rig.record(6, 8);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    EXPECT_EQ(rig.check_bytes(), numbers(1, 8));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 0) << text_of(v);
    EXPECT_EQ(rig.raw(0).size(), 5 * 24 * 188 + 16 * 188u) << "the beginning stays in the old file, and is not used";
}

TEST(Keeper, AKilledUnitThatNeverComesAgainStaysAsAPartialGap) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.record_beginning(6);
    rig.keeper.reset();
    ASSERT_TRUE(rig.resume());
    rig.take({Rig::gap(6, 9)});
    rig.record(10, 11);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto book = rig.book();
    ASSERT_EQ(book.gaps.size(), 1u);
    EXPECT_TRUE(book.gaps[0].part);
    EXPECT_EQ(book.bytes(), (7 * 24 + 16) * 188u);
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    EXPECT_EQ(v.missing, 4u);
}

TEST(Keeper, AResumedRecordingThatBringsNothingListsWhatWasCut) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.record_beginning(6);
    rig.keeper.reset();
    ASSERT_TRUE(rig.resume());
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << text_of(v);
    ASSERT_EQ(v.gaps.size(), 1u);
    EXPECT_EQ(v.gaps[0].first_unit, 6u);
    EXPECT_FALSE(rig.resume()) << "an ended recording is not gone on with";
}

TEST(Keeper, ASourceWithoutUnitsIsKeptInRuns) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    std::string all;
    for (int i = 0; i < 10; ++i) {
        Chunk c;
        c.dts = Micros{100'000 * i};
        c.rap = i == 0;
        c.bytes = Bytes::copy_of(ts_bytes(static_cast<std::uint64_t>(i), 5));
        all += c.bytes.text();
        rig.take({c});
        if (i == 4) rig.second();
    }
    rig.keeper.reset();
    auto r = recover_blocking(rig.fs, rig.journal());
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(r->book.bytes(), all.size()) << "the bytes after the last round are kept, in whole packets";
    r->journal.reset();
    EXPECT_EQ(rig.verify().exit_code(), 0);
    ASSERT_TRUE(rig.resume());
    EXPECT_EQ(rig.book().raws.size(), 1u) << "no new file before there is something for it";
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 3) << "what came while nobody recorded is not known: " << text_of(v);
    EXPECT_FALSE(v.gaps[0].exact);
}

TEST(Keeper, NamesThatAreNoUtf8AreRefused) {
    Rig rig;
    const auto r = Keeper::create(rig.fs, rig.gate, {rig.dir / "a\xff.mp4", "hls", "x", {}}, rig.now().wall);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::bad_input);
    EXPECT_TRUE(std::filesystem::is_empty(rig.dir.path()));
}

TEST(Recovery, IsIdempotent) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);
    rig.record_beginning(7);
    rig.keeper.reset();
    weir::test::write_file(rig.dir / "N.9.ts", "");  // made and never announced
    ASSERT_TRUE(recover_blocking(rig.fs, rig.journal()));
    EXPECT_FALSE(std::filesystem::exists(rig.dir / "N.9.ts"));
    const auto once = weir::test::read_file(rig.journal());
    ASSERT_TRUE(recover_blocking(rig.fs, rig.journal()));
    EXPECT_EQ(weir::test::read_file(rig.journal()), once);
}

TEST(Recovery, RefusesADamagedJournalAndSaysWhere) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 20);
    rig.keeper.reset();
    auto text = weir::test::read_file(rig.journal());
    text[300] = static_cast<char>(text[300] ^ 4);
    weir::test::write_file(rig.journal(), text);
    const auto r = recover_blocking(rig.fs, rig.journal());
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::bad_input);
    EXPECT_NE(r.error().text().find("line "), std::string::npos) << r.error().text();
    std::vector<std::string> complaints;
    EXPECT_TRUE(find_unfinished_blocking(rig.fs, rig.dir.path(), &complaints)->empty());
    EXPECT_EQ(complaints.size(), 1u);
    EXPECT_EQ(rig.verify().exit_code(), 4);
}

TEST(Recovery, CutsWhatDoesNotHashRightAfterTheLastRound) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.record(1, 6);  // the round after unit 4 is the last
    rig.keeper.reset();
    auto bytes = rig.raw(0);
    bytes[5 * 24 * 188 + 1000] ^= 1;  // in unit 6
    weir::test::write_file(rig.dir / "N.0.ts", bytes);
    auto r = recover_blocking(rig.fs, rig.journal());
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(unfinished_of(r->book, rig.journal()).at.unit, 5u);
    EXPECT_EQ(rig.raw(0).size(), 5 * 24 * 188u);
}

}  // namespace
}  // namespace weir::store
