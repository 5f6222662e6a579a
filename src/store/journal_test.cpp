#include "store/journal.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace weir::store::journal {
namespace {

std::string sealed(std::string body) {
    const auto sum = content_hash(std::as_bytes(std::span(body)));
    return body + ",\"c\":\"" + hex16(sum) + "\"}";
}

std::string without_newline(std::string line) {
    EXPECT_TRUE(line.ends_with('\n'));
    line.pop_back();
    return line;
}

std::vector<Line> samples() {
    Open open;
    open.rec = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    open.target = "a \"b\" \\ \n é 😀.mp4";
    open.t = 1'763'700'000'000;
    open.source_kind = "hls";
    open.source_id = "fc2:123";
    open.name = {{"title", "tab\there"}, {"empty", ""}};
    open.node = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
    open.remux = false;
    InitLine init{3, 1, 2, 400, 188, 0xfeed, {{256, TrackKind::video, "h264", {}, 90'000, "jpn"}}, 77};
    Unit unit;
    unit.lane = 1;
    unit.u = 18'446'744'073'709'551'615u;
    unit.gen = 2;
    unit.f = 4;
    unit.off = 1ull << 40;
    unit.n = 375'960;
    unit.dts = Micros{-5};
    unit.raw_dts = Micros{95'443'717'688};
    unit.dur = Micros{1'000'000};
    unit.pdt = -1;
    unit.h = 0xffff'ffff'ffff'ffff;
    unit.uri = "00ff00ff00ff00ff";
    unit.tries = 2;
    unit.part = unit.again = true;
    GapLine gap{7, 0, 1, Range{118'610, 118'611}, Micros{4'000'000}, Micros{6'000'000}, false, true, 99, "http 404", 9};
    Final final{
        Final::Step::verified, "N.mp4", 1'000'000, 5, Micros{123}, {{"video0", 900}, {"audio1", 1400}}, true, "why"};
    return {open,
            Raw{0, "N.0.ts", 1, Container::fmp4, "00ff00ff00ff00ff"},
            init,
            Disc{0, 0, 123'456, 118'700, 1'763'700'000'000, "ext-x-discontinuity"},
            Begin{0, 7, 1, 0, 188, Micros{1}, Micros{2}, Micros{3}, 0, 0},
            unit,
            Run{0, 0, 0, 98'136, Micros{0}, std::nullopt, Micros{480'000}, 1},
            Sync{0, 98'136, 17, 1'763'700'000'000},
            gap,
            GapLine{8, 0, 0, std::nullopt, Micros{0}, Micros{1}, true, false, std::nullopt, "left the window", 0},
            Lost{8, 0, {188, 376}, "fdatasync EIO"},
            Trim{0u, 98'136, 98'700, "crash"},
            Trim{std::nullopt, 10, 20, "crash"},
            EndLine{"endlist", "", true, 900, 898, 12'345, 6},
            final,
            Begin{0, 7, 1, 0, 188, Micros{1}, Micros{2}, Micros{3}, 4096, 0xbeef}};
}

TEST(Journal, EveryKindOfLineReadsBackAsItWasWritten) {
    for (const auto& line : samples()) {
        const auto text = format(line);
        const auto read = parse(without_newline(text));
        ASSERT_TRUE(read) << read.error().text() << "\n" << text;
        EXPECT_EQ(read->index(), line.index()) << text;
        EXPECT_EQ(format(*read), text);
    }
}

TEST(Journal, AnOldFirstLineMeansARemux) {
    const auto r = parse(sealed(R"({"k":"open","v":1,"src":{"kind":"hls","id":"x"},"target":"a.mp4")"));
    ASSERT_TRUE(r) << r.error().text();
    EXPECT_TRUE(std::get<Open>(*r).remux);
}

/// Journals in the field have to be read for ever, and judges written in other languages read them too.
TEST(Journal, LinesHaveTheirMembersInThisOrder) {
    const auto text = format(samples()[5]);
    EXPECT_EQ(text.substr(0, text.find(",\"c\":")),
              R"({"k":"unit","lane":1,"u":18446744073709551615,"sub":0,"gen":2,"f":4,"off":1099511627776,"n":375960,)"
              R"("dts":-5,"dur":1000000,"raw":95443717688,"pdt":-1,"h":"ffffffffffffffff","uri":"00ff00ff00ff00ff",)"
              R"("tries":2,"part":true,"again":true)");
    const auto open = format(samples()[0]);
    EXPECT_TRUE(open.starts_with(
        R"({"k":"open","v":1,"rec":"01ARZ3NDEKTSV4RRFFQ69G5FAV","node":"01BX5ZZKBKACTAV9WEVGEMMVRZ","t":1763700000000,)"
        R"("src":{"kind":"hls","id":"fc2:123"},"target":)"))
        << open;
}

TEST(Journal, AnyFlippedByteIsSeen) {
    const auto line = without_newline(format(samples()[5]));
    for (std::size_t i = 0; i < line.size(); ++i) {
        auto bad = line;
        bad[i] = static_cast<char>(bad[i] ^ 1);
        EXPECT_FALSE(parse(bad)) << "byte " << i;
    }
}

TEST(Journal, TextThatIsNoUtf8IsReplacedNotWritten) {
    const auto line = format(Disc{0, 0, 0, 0, std::nullopt, "a\xff\xc0\x80z"});
    EXPECT_NE(line.find("a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz"), std::string::npos);
    EXPECT_TRUE(parse(without_newline(line)));
}

struct BadLine {
    const char* name;
    std::string line;
    Errc code;
    const char* says;
};

class BadLines : public testing::TestWithParam<BadLine> {};

TEST_P(BadLines, AreRefusedWithTheRule) {
    const auto r = parse(GetParam().line);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, GetParam().code);
    EXPECT_NE(r.error().text().find(GetParam().says), std::string::npos) << r.error().text();
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadLines,
    testing::Values(
        BadLine{"Empty", "", Errc::bad_input, "without checksum"},
        BadLine{"NoChecksum", R"({"k":"sync","f":0,"off":1})", Errc::bad_input, "checksum"},
        BadLine{"TooLong", std::string(max_line + 1, 'x'), Errc::bad_input, "above"},
        BadLine{"NotJson", sealed(R"({"k":)"), Errc::bad_input, "not JSON"},
        BadLine{"NotAnObject", sealed("[1"), Errc::bad_input, "not JSON"},
        BadLine{"Deep", sealed(R"({"k":"x","a":)" + std::string(40, '[') + std::string(40, ']')), Errc::bad_input,
                "not JSON"},
        BadLine{"NoKind", sealed(R"({"f":0)"), Errc::bad_input, "'k' is missing"},
        BadLine{"MissingMember", sealed(R"({"k":"sync","f":0)"), Errc::bad_input, "'off' is missing"},
        BadLine{"Negative", sealed(R"({"k":"sync","f":-1,"off":0)"), Errc::bad_input, "'f' is not a number"},
        BadLine{"Fraction", sealed(R"({"k":"sync","f":0,"off":1.5)"), Errc::bad_input, "'off' is not a number"},
        BadLine{"HigherVersion", sealed(R"({"k":"open","v":2,"src":{"kind":"hls","id":"x"},"target":"a.mp4")"),
                Errc::unsupported, "version 2"},
        BadLine{"PathLeavesTheFolder", sealed(R"({"k":"raw","f":0,"path":"../../etc/passwd","lane":0,"fmt":"ts")"),
                Errc::bad_input, "bare file name"},
        BadLine{"PathIsDots", sealed(R"({"k":"raw","f":0,"path":"..","lane":0,"fmt":"ts")"), Errc::bad_input,
                "bare file name"},
        BadLine{"PathHasNul", sealed(R"({"k":"raw","f":0,"path":"a\u0000b","lane":0,"fmt":"ts")"), Errc::bad_input,
                "bare file name"},
        BadLine{"BackwardRange", sealed(R"({"k":"lost","id":1,"f":0,"off":[9,3],"why":"x")"), Errc::bad_input, "range"},
        BadLine{"SourceWithoutId", sealed(R"({"k":"open","v":1,"src":{"kind":"hls"},"target":"a.mp4")"),
                Errc::bad_input, "'src' 'id' is missing"},
        BadLine{"EndOverflows", sealed(R"({"k":"run","f":0,"off":18446744073709551615,"n":188,"h":"0000000000000000")"),
                Errc::bad_input, "beyond"}),
    [](const auto& i) { return i.param.name; });

TEST(Journal, UnknownKindsAndKeysAreLetPass) {
    EXPECT_TRUE(parse(sealed(R"({"k":"fill","gap":7,"f":2)")));
    const auto r = parse(sealed(R"({"k":"sync","f":3,"off":5,"later":{"a":[1,2]})"));
    ASSERT_TRUE(r);
    EXPECT_EQ(std::get<Sync>(*r).f, 3u);
}

// ------------------------------------------------------------------ whole files

std::string opened() {
    Open o;
    o.target = "N.mp4";
    o.source_kind = "hls";
    return format(o);
}
std::string sync(std::uint64_t round) {
    return format(Sync{0, round * 10, round, 0});
}

Scanner::Outcome scan(const std::string& text, std::size_t step, int* taken = nullptr) {
    int count = 0;
    std::vector<std::uint64_t> offsets;
    Scanner s([&](const Line& line, std::uint64_t offset) {
        ++count;
        EXPECT_EQ(text.substr(offset, format(line).size()), format(line));
    });
    for (std::size_t i = 0; i < text.size(); i += step) s.feed(std::string_view(text).substr(i, step));
    if (taken) *taken = count;
    return s.finish();
}

struct FileCase {
    const char* name;
    std::string text;
    std::size_t good_bytes;
    bool damage;
};
class Files : public testing::TestWithParam<FileCase> {};

TEST_P(Files, AreCutOrCalledDamaged) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
        const auto o = scan(GetParam().text, step);
        EXPECT_EQ(o.good_bytes, GetParam().good_bytes) << "step " << step;
        EXPECT_EQ(o.bytes, GetParam().text.size());
        EXPECT_EQ(o.damage.has_value(), GetParam().damage) << (o.damage ? o.damage->text() : "");
        EXPECT_EQ(o.cut_why.empty(), o.good_bytes == o.bytes);
    }
}

const std::string torn = "{\"k\":\"unit\",\"la";
const std::string zeros = std::string(300, '\0') + "\n";

INSTANTIATE_TEST_SUITE_P(
    Cases, Files,
    testing::Values(
        FileCase{"Whole", opened() + sync(1), opened().size() + sync(1).size(), false},
        FileCase{"TornEnd", opened() + sync(1) + torn, opened().size() + sync(1).size(), false},
        FileCase{"EndWithoutNewline", opened() + sync(1).substr(0, sync(1).size() - 1), opened().size(), false},
        FileCase{"BadLastLine", opened() + torn + "\n", opened().size(), false},
        FileCase{"HoleInTheLastRound", opened() + zeros + sync(1), opened().size(), false},
        FileCase{"HoleBeforeTwoRounds", opened() + zeros + sync(1) + sync(2), opened().size(), true},
        FileCase{"HoleBeforeTwoLinesOfOneRound", opened() + zeros + sync(1) + sync(1), opened().size(), false},
        FileCase{"HoleBeforeTheEnd", opened() + zeros + format(EndLine{"stop", "", true, 0, 0, 0, 0}), opened().size(),
                 true},
        FileCase{"HugeLine", opened() + std::string(max_line + 10, 'x') + "\n" + sync(1), opened().size(), false},
        FileCase{"Empty", "", 0, true}, FileCase{"NoOpen", sync(1) + sync(1), 0, true}),
    [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace weir::store::journal
