"""Recording while relaying, judged picture by picture, also when the relay is stopped or killed in the middle; and commands that run only
while somebody watches.
"""
import json
import os
import time

import pytest

from judge import media as known_media
from judge import relay_media, verify
from judge.media import RATE
from judge.relay import Paced, Push, Relay
from judge.units import VIDEO, of_kind, read_ts, read_units
from judge.weir import WHOLE, Recording, wait_until

SECONDS = 20


@pytest.fixture(scope="module")
def film():
    return known_media.media(SECONDS).ts.read_bytes()


def kept(tmp_path, name):
    """That recording; its file and nothing raw."""
    return Recording(tmp_path / "kept", name)


def start(tmp_path, *options, **more):
    return Relay("--record-dir", "kept", *options, cwd=tmp_path, **more)


def test_one_call_records_a_feed_and_every_picture_is_there(tmp_path, film):
    with start(tmp_path) as relay:
        told = json.loads(relay.record("r1", "cam", file="front.mp4"))
        assert told["id"] == "r1" and told["stream"] == "cam"
        with relay.viewer("/ws/cam") as viewer, Push(relay, "cam") as push, Paced(push, relay_media.by_picture(film), pause=0.006) as paced:
            relay.wait_for("recordings", "r1", "recording")
            assert paced.finish() in (200, 204)
            assert viewer.wait_bytes(len(film)) == film, "watching is not disturbed"
        assert json.loads(relay.must("DELETE", "/api/recordings/r1")) == "r1"
        row = relay.wait_for("recordings", "r1", "finished")
        assert row["losses"] == 0 and row["file"] == "front.mp4" and not row["error"]
        relay.stop()
    recording = kept(tmp_path, "front")
    assert recording.raw() == [] and verify.same_units(read_ts(film), read_units(recording.file)) == []
    assert verify.decoded(recording.file, range(SECONDS * RATE)) == []
    assert recording.ledger(WHOLE)["gaps"] == []


def test_a_destination_rule_with_a_file_records_what_it_takes_PR_21(tmp_path, film):
    part = relay_media.by_picture(film)[:100]
    with start(tmp_path) as relay:
        relay.stream("stream/front", "cam", "nobody")
        relay.destination("0", "stream/front", "", file="taken.ts")
        with Push(relay, "cam") as push:
            push.send(*part, pause=0.005)
            assert push.end() in (200, 204)
        relay.must("DELETE", "/api/destinations/0")
        wait_until(lambda: (tmp_path / "kept" / "taken.ts").exists(), 20, "the file")
        relay.stop()
    made = read_units(tmp_path / "kept" / "taken.ts")
    assert [unit.digest for unit in of_kind(made, VIDEO)] == [unit.digest for unit in of_kind(read_ts(b"".join(part)), VIDEO)]


def shown(path):
    """The numbers of the pictures, which must be one unbroken row from nought; how many. At a cut the last B-frames may be missing."""
    numbers = known_media.shown_numbers(path)
    assert numbers[:-3] == list(range(len(numbers) - 3)), numbers
    return len(numbers)


def test_a_signal_in_the_middle_finishes_the_file(tmp_path, film):
    with start(tmp_path) as relay:
        relay.record("r1", "cam", file="front.mp4")
        with Push(relay, "cam") as push, Paced(push, relay_media.by_picture(film), pause=0.01) as paced:
            wait_until(lambda: paced.sent >= 150, 20, "six seconds of film")
            sent = paced.sent
            paced.stopping.set()
            relay.stop()
    recording = kept(tmp_path, "front")
    assert shown(recording.file) >= sent - 5 and recording.raw() == []
    recording.ledger(WHOLE)


def test_killed_and_started_again_the_file_is_finished_and_the_rule_goes_on(tmp_path, film):
    pieces = relay_media.by_picture(film)
    rules = ("--rules", "rules.json")
    with start(tmp_path, *rules) as relay:
        relay.record("r1", "cam", file="front.mp4")
        relay.stream("stream/a", "cam")
        with Push(relay, "cam") as push, Paced(push, pieces, pause=0.01) as paced:
            wait_until(lambda: paced.sent >= 200, 20, "eight seconds of film")
            relay.kill()
    assert not kept(tmp_path, "front").file.exists() and kept(tmp_path, "front").raw_bytes() > 0
    assert (tmp_path / "rules.json").stat().st_mode & 0o077 == 0, "for its owner alone"
    with start(tmp_path, *rules) as relay:
        assert relay.must("GET", "/api/streams/all") == '{"stream/a":["cam"]}'
        wait_until(lambda: kept(tmp_path, "front").file.exists(), 30, "the file of the run before")
        with Push(relay, "cam") as push:
            push.send(*pieces[:50], pause=0.005)
            assert push.end() in (200, 204)
        wait_until(lambda: (relay.of("recordings", "r1") or {"bytes": 0})["bytes"] > 0, 20, "the rule at work again")
        relay.stop()
    assert 150 <= shown(kept(tmp_path, "front").file) <= 500
    files = sorted(path.name for path in (tmp_path / "kept").glob("*.mp4"))
    assert len(files) == 2 and files != ["front.mp4"], files
    (again,) = [path for path in (tmp_path / "kept").glob("*.mp4") if path.name != "front.mp4"]
    assert shown(again) >= 45


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_a_command_runs_from_the_first_viewer_to_a_while_after_the_last_ASK_10(tmp_path):
    source = relay_media.folder() / relay_media.MPEG1
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(source), "-c", "copy", "-f", "mpegts", "{url}"]
    with start(tmp_path, "--command", f"cam={json.dumps(command)}", "--push-secret", "hush") as relay:
        assert relay.of("commands", "cam")["state"] == "idle"
        time.sleep(0.3)
        assert relay.of("commands", "cam")["starts"] == 0, "nobody watches"
        with relay.viewer("/ws/cam") as viewer:
            viewer.wait(5)
            row = relay.of("commands", "cam")
            pid = row["pid"]
            assert row["state"] == "running" and alive(pid) and "hush" not in json.dumps(relay.stats())
            with relay.viewer("/ws/cam") as second:
                second.wait(3)
                assert relay_media.begins_well(second.data) == []
        assert alive(pid), "it stays for a moment"
        wait_until(lambda: not alive(pid), 15, "the command to be gone")
        assert relay.of("commands", "cam")["state"] == "idle" and relay.of("commands", "cam")["starts"] == 1
        relay.record("r1", "cam", file="cam.mp4")
        row = relay.wait_for("commands", "cam", "running")
        assert row["pid"] != pid and row["starts"] == 2
        wait_until(lambda: relay.of("recordings", "r1")["bytes"] > 20_000, 20, "some of it", step=0.05)
        relay.stop()
        assert not alive(row["pid"])
    assert (tmp_path / "kept" / "cam.mp4").stat().st_size > 10_000


def test_a_command_that_fails_is_told_with_its_own_words(tmp_path):
    command = json.dumps(["ffmpeg", "-v", "error", "-nostdin", "-i", "/does/not/exist", "-f", "mpegts", "{url}"])
    with start(tmp_path, "--command", f"cam={command}") as relay:
        with relay.viewer("/ws/cam"):
            row = wait_until(lambda: (found := relay.of("commands", "cam"))["last_lines"] and found, 20, "its words", step=0.02)
            assert any("does/not/exist" in line for line in row["last_lines"]), row
            row = wait_until(lambda: (found := relay.of("commands", "cam"))["restarts"] >= 1 and found, 20, "the second try", step=0.05)
            assert row["last_error"] == "exit status 1" and row["starts"] <= 5
        relay.stop()
