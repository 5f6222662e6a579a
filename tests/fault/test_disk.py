"""Disks that are full or fail: one alarm, no crash, and the recording goes on when space returns."""
import re

import pytest

from judge import checks, namespaces, verify
from judge.units import read_units
from judge.weir import LOSSES, WHOLE, Recording, failpoints, wait_until

ALARM, ALL_CLEAR = "cannot write recordings", "can be written again"


def alarms(weir):
    return [line for line in weir.lines() if ALARM in line]


def listed_and_balanced(recording, origin, weir):
    ledger = recording.ledger(None)
    assert ledger["gaps"] or recording.ledger(WHOLE)
    return checks.balanced(recording, origin, verify.gap_places(ledger), weir.story())


@pytest.mark.parametrize("hit", [1, 2, 5, 12])
@pytest.mark.parametrize("kind", ["enospc", "eio"])
@pytest.mark.parametrize("point", ["file.write", "file.sync", "file.create", "file.rename", "file.remove"])
def test_one_failed_call_of_the_disk_is_survived_and_the_ledger_is_right(make_origin, recording, tmp_path, point, kind, hit):
    if point not in failpoints(tmp_path):
        pytest.skip(f"this binary has no failure point {point}")
    origin = make_origin(window=100)
    with recording.start(origin.url, "--from-start", failpoint=f"{point}:{hit}={kind}") as weir:
        code = weir.wait(90)
    assert len(alarms(weir)) <= 1, weir.story()
    if code != WHOLE:  # at the start or while finishing it may give up, in words; the next start does what is left
        assert code == 1 and weir.lines(), weir.story()
        weir = recording.download(origin.url, "--from-start", seconds=90)
    listed_and_balanced(recording, origin, weir)


@pytest.mark.skipif(not namespaces.possible(), reason="mounting a small tmpfs needs root")
def test_a_full_tmpfs_is_one_alarm_and_recording_goes_on_when_space_returns(make_origin, tmp_path, media):
    origin = make_origin(media.segments, pace=0.1, window=1000)

    def scene():
        folder = tmp_path / "small"
        folder.mkdir()
        namespaces.mount_tmpfs(folder, 64)
        balloon = folder / "balloon"
        balloon.write_bytes(bytes((64 << 20) * 7 // 8 - 2_000_000))  # an eighth is held in reserve
        recording = Recording(folder)
        with recording.start(origin.url, "--from-start") as weir:
            weir.wait_for_line(ALARM, 60)
            seen = origin.published()
            wait_until(lambda: origin.published() >= min(seen + 15, 55), 60, "some of the live to pass while the disk is full")
            assert weir.process.poll() is None, weir.story()
            held = recording.raw_bytes()
            balloon.unlink()
            wait_until(lambda: weir.process.poll() is not None or recording.raw_bytes() > held, 5, "writing within 5 s of space returning")
            weir.wait_for_line(ALL_CLEAR, 5)
            weir.wait(90, WHOLE)
        assert len(alarms(weir)) == 1, weir.story()
        ledger = recording.ledger(None)
        listed = verify.gap_places(ledger)
        checks.balanced(recording, origin, listed, weir.story())
        assert recording.others() == []

    namespaces.within(scene, mounts=True)


@pytest.mark.skipif(not namespaces.possible(), reason="mounting a small tmpfs needs root")
def test_no_room_to_finalise_keeps_the_raw_and_the_next_start_finishes(make_origin, tmp_path, media):
    origin = make_origin(media.segments, pace=0.02, window=1000)
    raw_size = sum(len(segment.body) for segment in media.segments)  # about 7 MB, and as much again to finalise

    def scene():
        folder = tmp_path / "small"
        folder.mkdir()
        namespaces.mount_tmpfs(folder, 40)
        balloon = folder / "balloon"
        balloon.write_bytes(bytes((40 << 20) - raw_size - 6_300_000))  # more than the reserve of an eighth, less than the file
        recording = Recording(folder)
        with recording.start(origin.url, "--from-start") as weir:
            code = weir.wait(90)
        assert code != WHOLE and not recording.file.exists() and recording.raw(), weir.story()
        assert re.search(r"\.ts|raw|journal|weir\.jsonl", weir.stderr), "it says where the raw files are\n" + weir.story()
        raw = [unit for path in recording.raw() for unit in read_units(path)]
        assert verify.delivery(origin.truth(), raw, set()).complaints() == []
        balloon.unlink()
        again = recording.download(origin.url, "--from-start", seconds=60)
        checks.balanced(recording, origin, set(), again.story())

    namespaces.within(scene, mounts=True)


def test_a_file_size_limit_is_an_error_not_a_crash(make_origin, recording, media):
    from judge.weir import Limits

    origin = make_origin(media.segments[:30], window=1000)
    with recording.start(origin.url, "--from-start", limits=Limits(file_mb=1)) as weir:
        code = weir.wait(120)
    assert code >= 0 and weir.lines(), f"killed by a signal\n{weir.story()}"
