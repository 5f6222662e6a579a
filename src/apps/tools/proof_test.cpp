#include "apps/tools/proof.h"

#include <gtest/gtest.h>

namespace weir::apps {
namespace {

using namespace std::chrono_literals;

ReadMedia media_of(std::uint64_t pictures, std::uint64_t sounds, Micros duration, std::string name = "m") {
    ReadMedia m;
    m.name = std::move(name);
    m.frames_per_second = 25;
    m.summary.duration = duration;
    if (pictures) m.summary.tracks.push_back({TrackKind::video, "h264", pictures, 0, Micros{0}, duration});
    if (sounds) m.summary.tracks.push_back({TrackKind::audio, "aac", sounds, 0, Micros{0}, duration});
    return m;
}

TEST(Proof, EveryPacketIsThere) {
    const std::vector parts{media_of(100, 188, 4s), media_of(50, 94, 2s)};
    EXPECT_TRUE(proves(media_of(150, 282, 6s), parts, false));
}

TEST(Proof, EveryPacketIsEnoughWhereTimesWereMended) {
    const std::vector parts{media_of(100, 188, 1000s), media_of(50, 94, 2s)};
    EXPECT_TRUE(proves(media_of(150, 282, 6s), parts, false));
}

TEST(Proof, OnePacketAJoinMayBeMissingWhenTheDurationsAgree) {
    const std::vector parts{media_of(100, 188, 4s), media_of(50, 94, 2s)};
    EXPECT_TRUE(proves(media_of(149, 282, 6s - 40ms), parts, false));
    EXPECT_FALSE(proves(media_of(149, 282, 6s - 100ms), parts, false)) << "more than a frame for each join";
    EXPECT_FALSE(proves(media_of(148, 282, 6s), parts, false)) << "more than a packet for each join";
}

TEST(Proof, AmongManyPartsAShortOneMayNotBeMissing) {
    std::vector<ReadMedia> parts(99, media_of(1000, 1880, 40s));
    parts.push_back(media_of(50, 94, 2s));
    EXPECT_TRUE(proves(media_of(99'050, 186'214, 3962s), parts, false));
    EXPECT_FALSE(proves(media_of(99'000, 186'120, 3960s), parts, false));
}

TEST(Proof, ASinglePartHasToBeThereExactly) {
    const std::vector parts{media_of(100, 188, 4s)};
    EXPECT_TRUE(proves(media_of(100, 188, 4s), parts, false));
    EXPECT_FALSE(proves(media_of(99, 188, 4s), parts, false));
}

TEST(Proof, FC2_93_TheSameDurationWithoutThePacketsIsNoProof) {
    const std::vector parts{media_of(100, 188, 4s), media_of(50, 94, 2s)};
    const auto r = proves(media_of(100, 282, 6s, "n.combined.mp4"), parts, false);
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().what.find("n.combined.mp4 has 100 packets"), std::string::npos) << r.error().what;
}

TEST(Proof, MoreThanThePartsHoldIsNoProofEither) {
    const std::vector parts{media_of(50, 94, 2s)};
    EXPECT_FALSE(proves(media_of(150, 282, 6s), parts, false)) << "it was made of other parts";
}

TEST(Proof, AKindOfTrackThatIsMissingIsNoProof) {
    const std::vector parts{media_of(100, 188, 4s), media_of(50, 94, 2s)};
    EXPECT_FALSE(proves(media_of(150, 0, 6s), parts, false));
    EXPECT_FALSE(proves(media_of(0, 282, 6s), parts, false));
    EXPECT_FALSE(proves(media_of(0, 0, 6s), parts, false));
}

TEST(Proof, SoundMayVanishInAPart) {
    const std::vector parts{media_of(100, 188, 4s), media_of(50, 0, 2s)};
    EXPECT_TRUE(proves(media_of(150, 188, 6s), parts, false));
}

TEST(Proof, SoundAloneIsProvedAgainstTheSound) {
    const std::vector parts{media_of(100, 188, 4s), media_of(50, 94, 2s)};
    EXPECT_TRUE(proves(media_of(0, 282, 6s), parts, true));
    EXPECT_FALSE(proves(media_of(0, 200, 6s), parts, true));
    EXPECT_FALSE(proves(media_of(150, 282, 6s), parts, true)) << "that is not the sound alone";
    const std::vector silent{media_of(100, 0, 4s)};
    EXPECT_FALSE(proves(media_of(0, 0, 4s), silent, true));
}

TEST(Eligible, FC2_93_StrictlyOlderThanTheAgeAndSoAreTheParts) {
    const WallTime now = from_unix_millis(1'700'000'000'000);
    const auto file = [&](const char* name, Millis old) {
        FileFacts f;
        f.name = name;
        f.modified = now - old;
        return f;
    };
    const Millis age = 48h;
    struct Case {
        Millis joined, part;
        bool ready;
    };
    for (const auto& c : {Case{age + 1ms, age + 1ms, true}, Case{age, age + 1ms, false}, Case{age + 1ms, age, false},
                          Case{age + 1ms, 0ms, false}, Case{-1h, age + 1h, false}, Case{age + 1h, -1h, false}}) {
        const std::vector parts{file("n.1.ts", 100h), file("n.2.ts", c.part)};
        EXPECT_EQ(too_young(file("n.combined.mp4", c.joined), parts, now, age).empty(), c.ready)
            << c.joined.count() << " " << c.part.count();
    }
    EXPECT_TRUE(too_young(file("n.combined.mp4", 49h), {}, now, age).empty());
}

TEST(Eligible, AJournalProtectsWhatIsNotFinished) {
    Journals j;
    j.being_written.emplace("n.0.ts", "n.weir.jsonl");
    j.unfinished.emplace("m.0.ts", "m.weir.jsonl");
    j.unreadable_stems.insert("k.");
    EXPECT_NE(forbidden_by(j, "n.0.ts").find("n.weir.jsonl"), std::string::npos);
    EXPECT_NE(forbidden_by(j, "m.0.ts").find("not finished"), std::string::npos);
    EXPECT_FALSE(forbidden_by(j, "k.3.ts").empty());
    EXPECT_TRUE(forbidden_by(j, "n.1.ts").empty());
    EXPECT_TRUE(forbidden_by(j, "kk.3.ts").empty());
}

}  // namespace
}  // namespace weir::apps
