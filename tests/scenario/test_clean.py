"""`weir clean` on real files: only what is proved to be in the joined or finished file goes; everything else stays, and the exit code says so.
Numbers are those of the facts about fc2-live-dl-go."""
import fcntl
import json
import os
import shutil
import subprocess
import time

import pytest

from judge import media as known_media
from judge.weir import FAILED, WHOLE, WRONG_USE, run

DAY = 86400
PER_PART = 2 * known_media.RATE


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """Four parts of two seconds, and what `weir concat` makes of the first three."""
    folder = tmp_path_factory.mktemp("parts")
    segments = known_media.media(60).segments
    for i in range(4):
        (folder / f"{i}.ts").write_bytes(b"".join(s.body for s in segments[2 * i:2 * i + 2]))
    run("concat", "-x", "-o", folder / "joined.mp4", *[folder / f"{i}.ts" for i in range(3)], cwd=folder, expect=WHOLE)
    return folder


@pytest.fixture
def archive(parts, tmp_path):
    """A folder as a recorder leaves it: three parts, side files, both joined files; all three days old."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for i, name in enumerate(["p.ts", "p.1.ts", "p.2.ts"]):
        shutil.copy(parts / f"{i}.ts", folder / name)
    shutil.copy(parts / "joined.mp4", folder / "p.combined.mp4")
    shutil.copy(parts / "joined.m4a", folder / "p.combined.m4a")
    (folder / "p.info.json").write_text("{}")
    (folder / "pother.ts").write_bytes((parts / "0.ts").read_bytes())
    age(folder, 3 * DAY)
    return folder


def age(folder, seconds):
    then = time.time() - seconds
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            os.utime(path, (then, then))


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


ALL = sorted(["p.ts", "p.1.ts", "p.2.ts", "p.combined.mp4", "p.combined.m4a", "p.info.json", "pother.ts"])
CLEANED = sorted(["p.mp4", "p.m4a", "p.info.json", "pother.ts"])


def untouched(archive, expect, *arguments, told="", **more):
    before = names(archive)
    weir = run("clean", *arguments, archive, cwd=archive, expect=expect, **more)
    assert names(archive) == before, weir.story()
    assert told in weir.stdout + weir.stderr, weir.story()
    return weir


def test_FC2_94_95_T20_T21_proved_parts_go_and_the_joined_files_get_their_names(archive):
    weir = run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == CLEANED, weir.story()
    assert known_media.shown_numbers(archive / "p.mp4") == list(range(3 * PER_PART))
    assert weir.stdout.count("deleted") == 3 and weir.stderr == ""
    assert run("clean", archive, cwd=archive, expect=WHOLE).stdout.count("\n") == 1, "a second time there is nothing to do"


def test_clean_tells_programs_as_much(archive):
    report = json.loads(run("clean", "--json", archive, cwd=archive, expect=WHOLE).stdout)
    assert report["complete"] and not report["dry_run"] and report["folders"] == 1 and report["freed"] > 0
    assert sorted(step["what"] for step in report["steps"]) == ["deleted"] * 3 + ["renamed"] * 2


def test_FC2_100_a_dry_run_says_all_and_touches_nothing(archive):
    weir = untouched(archive, WHOLE, "--dry-run")
    assert weir.stdout.count("would delete") == 3 and weir.stdout.count("would rename") == 2


def test_FC2_93_what_ffmpeg_joined_is_proved_as_well(archive):
    (archive / "list.txt").write_text("".join(f"file '{n}'\n" for n in ("p.ts", "p.1.ts", "p.2.ts")))
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "concat", "-safe", "0", "-i", "list.txt", "-map", "0", "-c", "copy",
                    "p.combined.mp4"], cwd=archive, check=True)
    (archive / "list.txt").unlink()
    age(archive, 3 * DAY)
    run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == CLEANED


@pytest.mark.parametrize("young", ["p.1.ts", "p.combined.mp4"])
def test_FC2_93_nothing_is_touched_before_all_is_old_enough(archive, young):
    os.utime(archive / young)
    untouched(archive, WHOLE, told="not old enough")
    os.utime(archive / young, (0, time.time() - 2 * 3600))
    untouched(archive, WHOLE, told="not old enough")
    untouched(archive, WHOLE, "--cleaning-age", "0", told="not old enough")
    run("clean", "--eligible-for-cleaning-age", "1h", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == CLEANED


def test_a_part_that_is_not_in_the_joined_file_keeps_all(archive, parts):
    shutil.copy(parts / "3.ts", archive / "p.3.ts")
    age(archive, 3 * DAY)
    weir = untouched(archive, FAILED, told="not proved")
    assert "packets" in weir.stderr


@pytest.mark.parametrize("gone", [0.1, 0.5])
def test_a_joined_file_that_was_cut_short_keeps_all(archive, gone):
    path = archive / "p.combined.mp4"
    os.truncate(path, int(path.stat().st_size * (1 - gone)))
    age(archive, 3 * DAY)
    untouched(archive, FAILED)


def test_FC2_93_a_corrupted_joined_file_is_told_and_goes_only_when_asked(archive):
    (archive / "p.combined.m4a").unlink()
    (archive / "p.combined.mp4").write_bytes(bytes(range(256)) * 2000)
    age(archive, 3 * DAY)
    untouched(archive, FAILED, told="corrupted")
    untouched(archive, WHOLE, "--delete-corrupted", "--dry-run", told="would delete")
    run("clean", "--delete-corrupted", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == sorted(set(ALL) - {"p.combined.mp4", "p.combined.m4a"})


def test_a_corrupted_joined_file_stays_when_a_part_is_broken(archive):
    (archive / "p.combined.mp4").write_bytes(bytes(range(256)) * 2000)
    (archive / "p.1.ts").write_bytes(b"no media" * 1000)
    age(archive, 3 * DAY)
    untouched(archive, FAILED, "--delete-corrupted", told="p.1.ts")


def test_FC2_95_T21_a_taken_name_is_not_replaced(archive):
    (archive / "p.mp4").write_text("mine")
    age(archive, 3 * DAY)
    weir = run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == sorted(["p.combined.mp4", "p.m4a", "p.mp4", "p.info.json", "pother.ts"]), weir.story()
    assert (archive / "p.mp4").read_text() == "mine"


@pytest.mark.parametrize("how", ["lock", "write"])
def test_FC2_94_a_part_in_use_keeps_all(archive, how):
    with open(archive / "p.1.ts", "rb" if how == "lock" else "r+b") as held:
        if how == "lock":
            fcntl.flock(held, fcntl.LOCK_EX)
        untouched(archive, WHOLE, told="in use")
    run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == CLEANED


def test_FC2_95_a_part_that_cannot_be_deleted_keeps_the_joined_name_and_the_next_clean_goes_on(archive):
    weir = run("clean", archive, cwd=archive, expect=FAILED, failpoint="file.remove:2=eio")
    assert "p.combined.mp4" in names(archive) and "p.mp4" not in names(archive), weir.story()
    assert len(weir.lines()) == 1 and sum(n.endswith(".ts") for n in names(archive)) == 2, "one part and another live's"
    run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == CLEANED


@pytest.mark.parametrize("hit", [1, 2, 3, 4])
def test_a_clean_killed_between_two_deletions_is_finished_by_the_next(archive, hit):
    weir = run("clean", archive, cwd=archive, failpoint=f"file.remove:{hit}=kill")
    assert weir.process.returncode < 0 or weir.process.returncode > 4, weir.story()
    run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(archive) == CLEANED


def test_symbolic_links_lead_nowhere(archive, tmp_path):
    outside = tmp_path / "outside"
    shutil.copytree(archive, outside)
    age(outside, 3 * DAY)
    (archive / "link").symlink_to(outside)
    (archive / "p.9.ts").symlink_to(outside / "p.ts")
    run("clean", archive, cwd=archive, expect=WHOLE)
    assert names(outside) == ALL


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root reads every folder")
def test_FC2_96_a_folder_that_cannot_be_read_is_told_and_the_others_are_cleaned(archive):
    closed, deep = archive / "a closed one", archive / "b" / "c"
    deep.mkdir(parents=True)
    closed.mkdir()
    for name in ("p.ts", "p.1.ts", "p.2.ts", "p.combined.mp4", "p.combined.m4a"):
        shutil.copy2(archive / name, deep / name)
    closed.chmod(0)
    wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    try:
        weir = run("clean", archive, cwd=archive, expect=FAILED, wrapper=wrapper)
    finally:
        closed.chmod(0o700)
    assert "a closed one" in weir.check_one_clear_line()
    assert names(archive) == sorted(CLEANED + ["b/c/p.mp4", "b/c/p.m4a"]), weir.story()


@pytest.mark.parametrize("arguments,code", [(["gone"], FAILED), (["--cleaning-age", "soon", "."], WRONG_USE), (["a", "b"], WRONG_USE)])
def test_what_cannot_be_cleaned_is_one_line(tmp_path, arguments, code):
    assert len(run("clean", *arguments, cwd=tmp_path, expect=code).lines()) <= 3


def test_raw_files_beside_a_whole_recording_go_and_it_stays_whole(make_origin, recording, media):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    recording.download(origin.url, "--from-start", "-k")
    assert recording.raw()
    untouched(recording.folder, WHOLE, told="not old enough")
    age(recording.folder, 3 * DAY)
    run("clean", recording.folder, cwd=recording.folder, expect=WHOLE)
    assert recording.raw() == [] and recording.file.exists()
    recording.ledger(WHOLE)


def test_raw_files_beside_a_damaged_recording_stay(make_origin, recording, media):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    recording.download(origin.url, "--from-start", "-k")
    with open(recording.file, "r+b") as file:
        file.seek(recording.file.stat().st_size // 2)
        file.write(b"spoilt")
    age(recording.folder, 3 * DAY)
    untouched(recording.folder, FAILED, told="raw files stay")
