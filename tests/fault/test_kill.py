"""kill -9 at random byte counts and at every failure point; the same command again finishes the same recording.

WEIR_KILLS sets how many random kills: 20 in `make test`, 200 in `make soak`. WEIR_SEED repeats a run.
"""
import os
import signal

import pytest

from judge import checks, verify
from judge.units import VIDEO, of_kind, read_units
from judge.weir import LOSSES, WHOLE, Recording, failpoints, kill_at_bytes, run, seeded, wait_until

KILLS = int(os.environ.get("WEIR_KILLS", "20"))
PER_RECORDING = 5
PART_FRAMES, PART_BYTES = 13, 64 << 10  # the most a killed process may lose: half a second of media or 64 KiB


def record_through_kills(recording, origin, rng, kills):
    """Starts and kills until so many kills happened, then lets it finish; returns the last run."""
    done = 0
    while done < kills:
        at = recording.raw_bytes() + rng.randrange(1, 1_500_000)
        with recording.start(origin.url, "--from-start") as weir:
            if kill_at_bytes(weir, recording, at, 60) == 0:
                return weir, done  # it finished before
        done += 1
    return recording.download(origin.url, "--from-start", seconds=90), done


@pytest.mark.parametrize("number", range((KILLS + PER_RECORDING - 1) // PER_RECORDING))
def test_random_kills_lose_nothing_while_the_window_is_open(make_origin, recording, media, number):
    origin = make_origin(media.segments[:40], pace=0.05, window=1000, aes=number % 2 == 1)
    weir, done = record_through_kills(recording, origin, seeded(f"kill {number}"), PER_RECORDING)
    assert done >= 1
    ledger = recording.ledger(WHOLE)
    checks.balanced(recording, origin, verify.gap_places(ledger), weir.story())
    assert ledger["gaps"] == [], weir.story()
    only_whole_files(recording, weir.story())


@pytest.mark.parametrize("number", range(max(4, KILLS // 20)))
def test_a_kill_and_a_window_that_is_gone_cost_one_part_at_most(make_origin, recording, media, number):
    rng = seeded(f"window {number}")
    origin = make_origin(media.segments, pace=0.2, window=15)
    with recording.start(origin.url, "--from-start") as weir:
        assert kill_at_bytes(weir, recording, rng.randrange(200_000, 1_500_000), 60)
    written = [read_units(path) for path in recording.raw()]
    origin.skip(25)  # all that was listed when it died has left the window
    weir = recording.download(origin.url, "--from-start", seconds=90)
    ledger = recording.ledger(LOSSES)
    checks.balanced(recording, origin, verify.gap_places(ledger), weir.story())
    kept = {unit.digest for unit in read_units(recording.file)}
    lost = [unit for units in written for unit in of_kind(units, VIDEO)[:-1] if unit.digest not in kept]
    assert abs(weir.summary()["duration_s"] - len(media.segments)) < 2, "a gap keeps its length in the file's time\n" + weir.story()
    trimmed = sum(line["was"] - line["off"] for line in recording.lines() if line["k"] == "trim")
    assert len(lost) <= PART_FRAMES or trimmed <= PART_BYTES, f"{len(lost)} pictures, {trimmed} bytes\n{weir.story()}"
    assert recording.others() == []


def only_whole_files(recording, story):
    """Nothing is left over. A kill after the stream's end may let the next start record the ended stream once more: whole, too."""
    for path in recording.folder.iterdir():
        assert path.name.endswith((".mp4", ".weir.jsonl")), f"{path.name} is left\n{story}"
        if path.suffix == ".mp4":
            assert run("verify", path, cwd=recording.folder).process.returncode == WHOLE, f"{path.name}\n{story}"


def all_failpoints(tmp_path_factory):
    return failpoints(tmp_path_factory.mktemp("names"))


def whole_somewhere(recording, origin):
    """The final file, or else the raw files, hold every unit."""
    if recording.file.exists():
        units = read_units(recording.file)
    else:
        units = [unit for path in recording.raw() for unit in read_units(path)]
    return verify.delivery(origin.truth(), units, set()).complaints()


def test_killed_at_every_step_of_finalising_raw_or_final_is_whole(make_origin, tmp_path_factory, media):
    points = [name for name in all_failpoints(tmp_path_factory) if name.startswith("finalise.")]
    assert len(points) >= 4
    for point in points:
        recording = Recording(tmp_path_factory.mktemp(point.replace(".", "-")))
        origin = make_origin(media.segments[:6], pace=0.02, window=100)
        with recording.start(origin.url, "--from-start", failpoint=f"{point}=kill") as weir:
            assert weir.wait(60) == -signal.SIGKILL, f"{point} was not met\n{weir.story()}"
        assert whole_somewhere(recording, origin) == [], point
        weir = recording.download(origin.url, "--from-start")
        assert whole_somewhere(recording, origin) == [] and recording.file.exists(), f"{point}\n{weir.story()}"
        recording.ledger(WHOLE)
        only_whole_files(recording, f"{point}\n{weir.story()}")


def test_the_same_command_after_a_kill_in_finalising_only_finishes(make_origin, recording, media):
    """The stream was recorded to its end: there is nothing to record again."""
    origin = make_origin(media.segments[:6], pace=0.02, window=100)
    with recording.start(origin.url, "--from-start", failpoint="finalise.written=kill") as weir:
        assert weir.wait(60) == -signal.SIGKILL
    weir = recording.download(origin.url, "--from-start")
    recording.ledger(WHOLE)
    assert recording.others() == [], weir.story()
    assert weir.summary()["file"] == str(recording.file)


@pytest.mark.parametrize("hit", [1, 2, 3, 7])
def test_killed_at_any_failure_point_of_writing_nothing_is_lost(make_origin, tmp_path_factory, media, hit):
    points = [name for name in all_failpoints(tmp_path_factory) if not name.startswith("finalise.")]
    assert points
    for point in points:
        recording = Recording(tmp_path_factory.mktemp(point.replace(".", "-")))
        origin = make_origin(media.segments[:10], pace=0.02, window=100)
        with recording.start(origin.url, "--from-start", failpoint=f"{point}:{hit}=kill") as weir:
            died = weir.wait(60) == -signal.SIGKILL
        if died:
            weir = recording.download(origin.url, "--from-start")
        checks.balanced(recording, origin, verify.gap_places(recording.ledger(WHOLE)), f"{point}\n{weir.story()}")
        only_whole_files(recording, f"{point}\n{weir.story()}")


def test_an_unfinished_recording_of_another_source_is_finished_too(make_origin, tmp_path, media, other_media):
    (tmp_path / "rec").mkdir()
    first, second = Recording(tmp_path / "rec", "first"), Recording(tmp_path / "rec", "second")
    gone = make_origin(media.segments[:20], window=100)
    with first.start(gone.url, "--from-start") as weir:
        assert kill_at_bytes(weir, first, 600_000, 60)
    gone.close()
    origin = make_origin(other_media.segments[:6], pace=0.05, window=100)
    weir = second.download(origin.url, "--from-start", seconds=90)
    assert first.file.exists() and second.file.exists(), weir.story()
    listed = verify.gap_places(first.ledger(None))
    delivered = read_units(first.file)
    assert len(delivered) > 50
    verdict = verify.delivery(gone.truth(), delivered, listed)
    assert verdict.foreign == [] and verdict.times == [], weir.story()
    checks.balanced(second, origin, set(), weir.story())


def test_a_recording_that_another_process_writes_is_left_alone(make_origin, recording, media):
    origin = make_origin(window=100, pace=0.3)
    with recording.start(origin.url, "--from-start") as first:
        wait_until(lambda: recording.raw_bytes() > 100_000, 30, "the first to write")
        other = make_origin(media.segments[:3], pace=0.02, window=100)
        second = run("download", "--json", "--from-start", "-o", recording.folder / "other.mp4", other.url, cwd=recording.folder, expect=WHOLE)
        assert recording.raw() and not recording.file.exists(), second.story()
        first.wait(60, WHOLE)
    checks.balanced(recording, origin, set(), first.story())


def test_the_same_command_beside_a_running_one_spoils_nothing(make_origin, recording):
    origin = make_origin(window=100, pace=0.3)
    with recording.start(origin.url, "--from-start") as first:
        wait_until(lambda: recording.raw_bytes() > 100_000, 30, "the first to write")
        with recording.start(origin.url, "--from-start") as second:
            second.wait(60)
        first.wait(60, WHOLE)
    checks.balanced(recording, origin, set(), first.story())


def test_a_torn_journal_line_and_a_torn_raw_tail_are_cut(make_origin, recording, media):
    origin = make_origin(window=100)
    with recording.start(origin.url, "--from-start") as weir:
        assert kill_at_bytes(weir, recording, 700_000, 60)
    with open(recording.journal, "ab") as journal:
        journal.write(b'{"k":"unit","lane":0,"u":1')
    with open(recording.raw()[-1], "ab") as raw:
        raw.write(b"\x47\x01\x00torn")
    weir = recording.download(origin.url, "--from-start", seconds=90)
    checks.balanced(recording, origin, set(), weir.story())
    recording.ledger(WHOLE)


def test_a_byte_flipped_in_the_middle_of_a_finished_file_is_damage(make_origin, recording, media):
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    recording.download(origin.url, "--from-start")
    data = bytearray(recording.file.read_bytes())
    data[len(data) // 2] ^= 1
    recording.file.write_bytes(data)
    assert run("verify", recording.file, cwd=recording.folder).process.returncode == 4


def test_a_journal_line_changed_by_hand_is_damage(make_origin, recording, media):
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    recording.download(origin.url, "--from-start")
    text = recording.journal.read_bytes().replace(b'"u":101', b'"u":102', 1)
    recording.journal.write_bytes(text)
    assert run("verify", recording.file, cwd=recording.folder).process.returncode == 4
