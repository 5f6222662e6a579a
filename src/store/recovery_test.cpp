// A kill between a unit's last byte and its line.
#include "store/recovery.h"

#include "store/keeper_rig.h"

namespace weir::store {
namespace {

std::unique_ptr<File> opened(Rig& rig, const Path& path) {
    auto file = rig.fs.open(path, true);
    EXPECT_TRUE(file);
    return std::move(*file);
}

void put(Rig& rig, const Path& path, std::uint64_t at, std::string_view bytes) {
    EXPECT_TRUE(opened(rig, path)->pwrite(at, std::as_bytes(std::span(bytes))));
}

/// Units 1 to 5, then `last`, of which all but its line is on the disk.
void record_without_last_line(Rig& rig, std::uint64_t last) {
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.take(rig.items_in(0, last));
    rig.keeper.reset();
    auto text = weir::test::read_file(rig.journal());
    text.pop_back();
    const auto at = text.rfind('\n') + 1;
    ASSERT_TRUE(text.substr(at).starts_with(fmt::format(R"({{"k":"unit","lane":0,"u":{},)", last)));
    ASSERT_TRUE(opened(rig, rig.journal())->truncate(at));
}

std::uint64_t recovered_unit(Rig& rig) {
    auto r = recover_blocking(rig.fs, rig.journal());
    EXPECT_TRUE(r) << r.error().text();
    return r ? unfinished_of(r->book, rig.journal()).at.unit : 0;
}

TEST(Recovery, AWholeUnitWithoutItsLineIsKnownForWhole) {
    for (const auto container : weir::test::all_containers) {
        SCOPED_TRACE(ending_of(container));
        Rig rig;
        rig.container = container;
        record_without_last_line(rig, 6);
        const auto there = rig.raw(0);
        EXPECT_EQ(recovered_unit(rig), 6u);
        EXPECT_EQ(rig.raw(0), there);
        ASSERT_TRUE(rig.resume());
        rig.record(7, 8);
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        EXPECT_EQ(rig.check_bytes(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
        const auto v = rig.verify();
        EXPECT_EQ(v.exit_code(), 0) << text_of(v);
        EXPECT_EQ(v.got, 8u);
        EXPECT_EQ(v.duration, container == Container::opaque ? Micros{0} : Micros{2'000'000});
    }
}

TEST(Recovery, WhatStandsBehindAWholeUnitIsCut) {
    Rig rig;
    record_without_last_line(rig, 6);
    const auto there = rig.raw(0);
    put(rig, rig.raw_path(0), there.size(), ts_bytes(7, 3));
    EXPECT_EQ(recovered_unit(rig), 6u);
    EXPECT_EQ(rig.raw(0), there);
}

TEST(Recovery, AUnitThatLacksAByteOrHasAnotherOneIsABeginning) {
    for (const bool shorter : {true, false}) {
        SCOPED_TRACE(shorter);
        Rig rig;
        record_without_last_line(rig, 6);
        const auto bytes = rig.raw(0);
        const char other[] = {static_cast<char>(bytes.back() ^ 1)};
        if (shorter)
            rig.cut_raw(0, bytes.size() - 1);
        else
            put(rig, rig.raw_path(0), bytes.size() - 1, std::string_view(other, 1));
        EXPECT_EQ(recovered_unit(rig), 5u);
        const auto book = rig.book();
        EXPECT_EQ(book.pieces.back().kind, Piece::Kind::part);
        EXPECT_EQ(book.pieces.back().n, (shorter ? 23u : 24u) * 188);
    }
}

TEST(Recovery, AfterAPowerCutTheHashIsProofEnough) {
    Rig rig;
    record_without_last_line(rig, 6);
    auto text = weir::test::read_file(rig.journal());
    const auto boot = text.find(R"("boot":")");
    ASSERT_NE(boot, std::string::npos);
    const auto from = text.rfind('\n', boot) + 1, to = text.find('\n', boot);
    auto raw = journal::parse(std::string_view(text).substr(from, to - from));
    ASSERT_TRUE(raw);
    auto& named = std::get<journal::Raw>(*raw).boot;
    named.assign(named.size(), 'x');
    put(rig, rig.journal(), from, journal::format(*raw));
    EXPECT_EQ(recovered_unit(rig), 6u);
}

TEST(Recovery, AUnitThatCameAgainIsNotThereTwice) {
    Rig rig;
    record_without_last_line(rig, 5);
    EXPECT_EQ(recovered_unit(rig), 5u);
    EXPECT_TRUE(rig.book().pieces.back().superseded);
    ASSERT_TRUE(rig.resume());
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    const auto v = rig.verify();
    EXPECT_EQ(v.exit_code(), 0) << text_of(v);
    EXPECT_EQ(v.got, 5u);
}

}  // namespace
}  // namespace weir::store
