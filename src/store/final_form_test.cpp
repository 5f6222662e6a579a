// How a recording becomes its final file: by its lanes, by the target's ending, or as the raw bytes it is (issue 3).
#include "store/final_form.h"

#include "store/finalise_rig.h"

namespace weir::store {
namespace {

void kill_inside_unit_6(Rig& rig) {
    ASSERT_TRUE(rig.open());
    rig.record(1, 5);
    rig.record_beginning(6);
    rig.keeper.reset();
}
/// Two raw files per lane, and the beginning of unit 6 of no use.
void record_in_two_parts(Rig& rig) {
    kill_inside_unit_6(rig);
    ASSERT_TRUE(rig.resume());
    for (std::uint16_t lane = 1; lane < rig.lanes; ++lane) rig.take(rig.items_in(lane, 6));
    rig.take(rig.items_in(0, 6));
    rig.record(7, 8);
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    rig.keeper.reset();
}

TEST(FinalForm, LanesAreJoinedSideBySideWithTheirHeaders) {
    Rig rig;
    rig.container = Container::fmp4;
    rig.lanes = 2;
    rig.record_and_close(1, 8);
    Finish finish(rig);
    const auto r = finish.run();
    ASSERT_TRUE(r) << r.error().text();
    const auto& input = finish.media.plan->input;
    ASSERT_EQ(input.size(), 2u);
    const auto header = test::header_bytes(Container::fmp4);
    for (std::uint16_t lane = 0; lane < 2; ++lane) {
        EXPECT_EQ(input[lane].lane, lane);
        EXPECT_EQ(input[lane].offset, header.size());
        EXPECT_EQ(input[lane].size, rig.bytes_in(lane, 1, 8).size());
        EXPECT_EQ(input[lane].shift, Micros{-7'000'000}) << "one offset for all lanes";
    }
    EXPECT_EQ(finish.media.headers, header + header);
    EXPECT_EQ(finish.media.plan->languages, (std::map<std::uint16_t, std::string>{{1, "jpn"}}));
    EXPECT_EQ(test::read_file(r->file), rig.bytes_in(0, 1, 8) + rig.bytes_in(1, 1, 8));
    EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0) << text_of(rig.verify("N.mp4"));
}

TEST(FinalForm, TheTargetsEndingIsTheContainer) {
    using media::OutputFormat;
    const std::pair<const char*, OutputFormat> cases[] = {
        {"N.mp4", OutputFormat::mp4}, {"N.m4a", OutputFormat::m4a}, {"N.MKV", OutputFormat::matroska},
        {"N.ts", OutputFormat::ts},   {"N.flv", OutputFormat::flv}, {"N.what", OutputFormat::mp4}};
    for (const auto& [name, format] : cases) {
        SCOPED_TRACE(name);
        Rig rig;
        ASSERT_TRUE(rig.open(name));
        rig.record(1, 4);
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        rig.keeper.reset();
        Finish finish(rig);
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(finish.media.plan->format, format);
        EXPECT_EQ(r->file.filename(), name);
    }
}

TEST(FinalForm, WithoutRemuxTheOneRawFileGetsTheName) {
    for (const auto container : test::all_containers) {
        SCOPED_TRACE(ending_of(container));
        Rig rig;
        rig.container = container;
        rig.remux = false;
        rig.record_and_close(1, 8);
        const auto raw = rig.raw(0);
        rig.fs.set_space({1000, 1u << 30});  // no second copy is made, so no space is needed
        Finish finish(rig);
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(finish.media.written, 0);
        EXPECT_EQ(test::read_file(r->file), test::header_bytes(container) + rig.bytes_in(0, 1, 8));
        EXPECT_EQ(test::read_file(r->file), raw);
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
        EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0) << text_of(rig.verify("N.mp4"));
        EXPECT_TRUE(find_unfinished_blocking(rig.fs, rig.dir.path(), nullptr)->empty());
    }
}

TEST(FinalForm, WithoutRemuxSeveralFilesOfAStreamFormatAreAppended) {
    for (const auto container : {Container::ts, Container::packed_audio, Container::opaque}) {
        SCOPED_TRACE(ending_of(container));
        Rig rig;
        rig.container = container;
        rig.remux = false;
        record_in_two_parts(rig);
        Finish finish(rig);
        const auto r = finish.run(true);
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(finish.media.written, 0);
        EXPECT_EQ(test::read_file(r->file), rig.bytes_in(0, 1, 8));
        EXPECT_TRUE(std::filesystem::exists(rig.raw_path(0))) << "kept, as asked for";
        EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0) << text_of(rig.verify("N.mp4"));
    }
}

TEST(FinalForm, WhatCannotStayRawIsRemuxedAndSaid) {
    struct {
        Container container;
        std::uint16_t lanes;
        const char* says;
    } const cases[] = {{Container::fmp4, 1, "headers"}, {Container::flv, 1, "headers"}, {Container::ts, 2, "lanes"}};
    for (const auto& c : cases) {
        SCOPED_TRACE(c.says);
        Rig rig;
        rig.container = c.container;
        rig.lanes = c.lanes;
        rig.remux = false;
        record_in_two_parts(rig);
        const auto form = final_form_of(rig.fs, rig.book(), rig.dir.path());
        ASSERT_TRUE(form);
        EXPECT_NE(form->warning.find(c.says), std::string::npos) << form->warning;
        Finish finish(rig);
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(finish.media.written, 1);
        EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0) << text_of(rig.verify("N.mp4"));
    }
}

TEST(FinalForm, ANameThatSaysAnotherContainerIsWarnedOf) {
    for (const auto& [name, warned] : {std::pair{"N.mp4", true}, std::pair{"N.ts", false}, std::pair{"N", false}}) {
        Rig rig;
        rig.remux = false;
        ASSERT_TRUE(rig.open(name));
        rig.record(1, 4);
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        const auto form = final_form_of(rig.fs, rig.book(), rig.dir.path());
        ASSERT_TRUE(form);
        EXPECT_EQ(!form->warning.empty(), warned) << name << ": " << form->warning;
        EXPECT_EQ(form->way, FinalForm::Way::rename);
    }
}

TEST(FinalForm, AUnitThatCameTwiceIsInTheFinalFileOnce) {
    for (const bool remux : {true, false}) {
        Rig rig;
        rig.remux = remux;
        ASSERT_TRUE(rig.open());
        rig.record(1, 5);
        rig.take({test::ts_init(2)});  // another rendition begins a unit earlier
        rig.record(5, 8);
        ASSERT_TRUE(rig.keeper->close(rig.now()));
        rig.keeper.reset();
        EXPECT_EQ(rig.raw(0).size(), 9 * Rig::bytes_of(1).size()) << "the raw file has it twice";
        const auto v = rig.verify();
        EXPECT_EQ(v.exit_code(), 0) << text_of(v);
        EXPECT_EQ(v.got, 8u);
        const auto r = Finish(rig).run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(test::read_file(r->file), rig.bytes_in(0, 1, 8));
        EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0);
    }
}

TEST(FinalForm, ARawFileThatChangedDoesNotBecomeTheFinalOne) {
    Rig rig;
    rig.remux = false;
    rig.record_and_close(1, 8);
    auto bytes = rig.raw(0);
    bytes[5000] ^= 1;
    test::write_file(rig.raw_path(0), bytes);
    const auto r = Finish(rig).run();
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text().find("N.0.ts"), std::string::npos) << r.error().text();
    EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.0.ts", "N.weir.jsonl"}));
}

// ------------------------------------------------------------------ files fetched as such

/// An opaque recording whose bytes are an FLV file, in two units; `cut`: in two raw files.
void record_flv_file(Rig& rig, const std::string& target, const std::string& file, bool cut = false) {
    rig.container = Container::opaque;
    ASSERT_TRUE(rig.open(target));
    const auto half = file.size() / 2;
    for (std::uint64_t u = 0; u < 2; ++u) {
        UnitInfo info;
        info.unit = u;
        Chunk c;
        c.unit = u;
        c.unit_begin = c.unit_end = true;
        c.bytes = Bytes::copy_of(u ? file.substr(half) : file.substr(0, half));
        if (u && cut) {
            rig.second();
            rig.keeper.reset();
            ASSERT_TRUE(rig.resume());
        }
        rig.take({info, c});
    }
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    rig.keeper.reset();
}
std::string flv_file() {
    auto file = test::header_bytes(Container::flv).substr(0, 13);
    for (std::uint64_t i = 0; i < 4; ++i) file += test::piece_bytes(Container::flv, i);
    return file;
}

TEST(OpaqueFile, StaysAsItIsWhenTheEndingSaysNothingElse) {
    for (const auto* target : {"N.flv", "N.zip", "N"}) {
        SCOPED_TRACE(target);
        Rig rig;
        record_flv_file(rig, target, flv_file());
        Finish finish(rig);
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(finish.media.written, 0);
        EXPECT_EQ(r->file.filename(), target);
        EXPECT_EQ(test::read_file(r->file), flv_file());
    }
}

TEST(OpaqueFile, IsRemuxedAsOneFileWhenTheEndingSaysSo) {
    for (const bool cut : {false, true}) {
        SCOPED_TRACE(cut);
        Rig rig;
        record_flv_file(rig, "N.mp4", flv_file(), cut);
        Finish finish(rig);
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        ASSERT_EQ(finish.media.written, 1);
        EXPECT_EQ(finish.media.plan->input.size(), 1u);
        EXPECT_EQ(test::read_file(r->file), flv_file());
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
    }
}

TEST(OpaqueFile, StaysAsItCameWhenItIsNoMediaAfterAll) {
    for (const bool cut : {false, true}) {
        SCOPED_TRACE(cut);
        Rig rig;
        record_flv_file(rig, "N.mp4", flv_file(), cut);
        Finish finish(rig);
        finish.media.refuse = true;
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(test::read_file(r->file), flv_file());
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
        EXPECT_EQ(rig.verify("N.mp4").exit_code(), 0) << text_of(rig.verify("N.mp4"));
    }
}

TEST(OpaqueFile, OfSeveralAnswersIsNotReadByTheIndexOfOne) {
    Rig rig;
    rig.container = Container::opaque;
    ASSERT_TRUE(rig.open("N.mp4"));
    const auto half = flv_file().substr(0, flv_file().size() / 2);
    std::uint64_t unit = 0;
    for (const auto& bytes : {half, flv_file()}) {
        std::vector<Item> items;
        if (unit > 0) items.emplace_back(Discontinuity{0, unit, "the server began anew"});
        items.emplace_back(UnitInfo{unit, 0, 0, std::nullopt, Micros{0}, "", 1});
        Chunk c;
        c.unit = unit++;
        c.unit_begin = c.unit_end = true;
        c.bytes = Bytes::copy_of(bytes);
        items.emplace_back(std::move(c));
        rig.take(items);
    }
    ASSERT_TRUE(rig.keeper->close(rig.now()));
    rig.keeper.reset();
    Finish finish(rig);
    const auto r = finish.run();
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_EQ(finish.media.written, 0);
    EXPECT_EQ(test::read_file(r->file), half + flv_file());
}

TEST(OpaqueFile, WhatWasNeverFetchedOfItIsListed) {
    Rig rig;
    rig.name_data[std::string(expected_bytes_key)] = "50000";
    rig.container = Container::opaque;
    ASSERT_TRUE(rig.open("N.flv"));
    Chunk c;
    c.unit_begin = c.unit_end = true;
    c.bytes = Bytes::copy_of(flv_file());
    rig.take({UnitInfo{}, c});
    rig.second();
    rig.keeper.reset();  // nobody goes on with it
    const auto r = Finish(rig).run();
    ASSERT_TRUE(r) << r.error().text();
    const auto verdict = rig.verify("N.flv");
    EXPECT_EQ(verdict.exit_code(), 3) << text_of(verdict);
    EXPECT_NE(text_of(verdict).find("never fetched"), std::string::npos) << text_of(verdict);
}

// ------------------------------------------------------------------ killed at every step

struct WayCase {
    const char* name;
    Container container;
    std::uint16_t lanes;
    bool remux, two_parts;
};
class EveryWay : public testing::TestWithParam<WayCase> {
protected:
    void record(Rig& rig) const {
        rig.container = GetParam().container;
        rig.lanes = GetParam().lanes;
        rig.remux = GetParam().remux;
        if (GetParam().two_parts)
            record_in_two_parts(rig);
        else
            rig.record_and_close(1, 8);
    }
    [[nodiscard]] std::string expected(const Rig& rig) const {
        std::string all = GetParam().remux ? std::string() : test::header_bytes(GetParam().container);
        for (std::uint16_t lane = 0; lane < rig.lanes; ++lane) all += rig.bytes_in(lane, 1, 8);
        return all;
    }
};

/// L3, for every way to the final file.
TEST_P(EveryWay, KilledAnywhereRawOrFinalIsWhole) {
    for (std::uint64_t n = 1;; ++n) {
        SCOPED_TRACE(fmt::format("operation {}", n));
        Rig rig;
        record(rig);
        Finish finish(rig);
        rig.fs.cut_at(n);
        const bool ran_through = finish.run().has_value();
        if (!ran_through) {
            rig.fs.cut_power(n);
            rig.fs.power_on();
            const auto v = rig.verify();
            EXPECT_EQ(v.exit_code(), 0) << text_of(v);
        }
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(test::read_file(r->file), expected(rig));
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
        EXPECT_EQ(rig.verify().exit_code(), 0) << text_of(rig.verify());
        if (!ran_through) continue;
        EXPECT_GT(n, 10u);
        break;
    }
}

TEST_P(EveryWay, AnErrorAnywhereLeavesItForTheNextTry) {
    for (std::uint64_t n = 1;; ++n) {
        SCOPED_TRACE(fmt::format("operation {}", n));
        Rig rig;
        record(rig);
        Finish finish(rig);
        const auto before = rig.fs.ops();
        rig.fs.fail_at(n, ForgettingFs::Fault::eio);
        (void)finish.run().has_value();
        const bool ran_through = rig.fs.ops() < before + n;
        rig.fs.heal();
        const auto r = finish.run();
        ASSERT_TRUE(r) << r.error().text();
        EXPECT_EQ(test::read_file(r->file), expected(rig));
        EXPECT_EQ(names_in(rig.dir.path()), (std::vector<std::string>{"N.mp4", "N.weir.jsonl"}));
        if (ran_through) break;
    }
}

INSTANTIATE_TEST_SUITE_P(Ways, EveryWay,
                         testing::Values(WayCase{"TwoLanesRemuxed", Container::fmp4, 2, true, true},
                                         WayCase{"RawRenamed", Container::fmp4, 1, false, false},
                                         WayCase{"RawAppended", Container::ts, 1, false, true},
                                         WayCase{"FlvRemuxed", Container::flv, 1, true, true}),
                         [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace weir::store
