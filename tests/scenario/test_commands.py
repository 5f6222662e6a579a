"""The commands as a user types them: help, version, progress, signals, exit codes, the demo's source, the ledger."""
import json
import os
import re
import shutil
import signal
import time

import pytest

from judge import checks, faults, verify
from judge.nginx import fetch
from judge.units import read_units
from judge.weir import FAILED, LOSSES, WHOLE, WRONG_USE, Recording, Weir, binary, run, wait_until


def test_version_names_the_libraries(tmp_path):
    weir = run("version", cwd=tmp_path, expect=WHOLE)
    assert re.match(r"weir \d+\.\d+", weir.stdout)
    for library in ("boost", "curl", "openssl", "avformat"):
        assert library in weir.stdout.lower()
    assert weir.stderr == ""


@pytest.mark.parametrize("arguments", [["--help"], ["download", "--help"], ["verify", "--help"]])
def test_help_has_examples_and_the_exit_codes(tmp_path, arguments):
    text = run(*arguments, cwd=tmp_path, expect=WHOLE).stdout
    assert "Example" in text and re.search("exit code", text, re.I)
    for code in "01234":
        assert re.search(rf"^\s*{code}\s+\S", text, re.M), f"exit code {code} is not explained"


def test_an_unknown_command_is_wrong_use(tmp_path):
    weir = run("recrod", cwd=tmp_path, expect=WRONG_USE)
    assert 1 <= len(weir.lines()) <= 3


def test_the_summary_is_one_json_object(make_origin, recording, media):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    summary = recording.download(origin.url, "--from-start").summary()
    assert summary["file"] == str(recording.file) and summary["journal"] == str(recording.journal)
    assert summary["segments"] == {"asked": 5, "got": 5, "missing": 0}
    assert abs(summary["duration_s"] - 5) < 0.2 and summary["bytes"] == recording.file.stat().st_size


def test_without_json_the_file_is_named_for_people(make_origin, recording, media):
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    weir = run("download", "--from-start", "-o", recording.file, origin.url, cwd=recording.folder, expect=WHOLE)
    assert str(recording.file) in weir.stdout and "4 of 4" in weir.stdout
    assert "\x1b" not in weir.stderr and "\r" not in weir.stderr, "no terminal, no redrawn line"


def test_FC2_56_keep_intermediates_keeps_the_raw_bytes_as_they_came(make_origin, recording, media):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    recording.download(origin.url, "--from-start", "-k")
    raw = recording.raw()[0].read_bytes()
    came = b"".join(s.body for s in media.segments[:5])
    assert raw.endswith(came) and len(raw) - len(came) <= 10 * 188, "only tables may stand in front"
    recording.ledger(WHOLE)


def test_duration_stops_after_so_much_media(make_origin, recording, media):
    origin = make_origin(media.segments, window=1000)
    weir = recording.download(origin.url, "--from-start", "--duration", "10s")
    assert 10 <= weir.summary()["duration_s"] <= 11.1
    last = max(line["u"] for line in recording.lines() if line["k"] == "unit")
    checks.exact(recording, origin, weir, to=(0, last))


def test_verify_tells_people_and_programs_the_same(make_origin, recording, media):
    origin = make_origin(media.segments[:32], pace=0.25, window=14)
    origin.fault(faults.status(404), kind="segment", seq=108, times=None)
    recording.download(origin.url, "--from-start")
    report = run("verify", recording.file, cwd=recording.folder, expect=LOSSES)
    assert "108" in report.stdout and "404" in report.stdout and report.stderr == ""
    gap, = recording.ledger(LOSSES)["gaps"]
    assert gap["u"] == [108, 108] and gap["lane"] == 0 and "404" in gap["why"]
    for other in (recording.journal,):
        assert run("verify", other, cwd=recording.folder).process.returncode == LOSSES


@pytest.mark.parametrize("what", ["nothing there", "no recording", "journal gone", "cut short"])
def test_verify_of_what_is_no_whole_recording(make_origin, recording, media, what):
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    recording.download(origin.url, "--from-start")
    match what:
        case "nothing there":
            weir = run("verify", recording.folder / "other.mp4", cwd=recording.folder)
        case "no recording":
            (recording.folder / "text.mp4").write_text("hello")
            weir = run("verify", recording.folder / "text.mp4", cwd=recording.folder)
        case "journal gone":
            recording.journal.unlink()
            weir = run("verify", recording.file, cwd=recording.folder)
        case "cut short":
            os.truncate(recording.file, recording.file.stat().st_size - 1000)
            weir = run("verify", recording.file, cwd=recording.folder)
    assert weir.process.returncode in (1, 4) and weir.lines() + weir.stdout.splitlines(), weir.story()


def test_wait_waits_for_a_stream_that_has_not_begun(make_origin, recording):
    origin = make_origin(window=100)
    not_yet = origin.fault(faults.status(404), kind="playlist", times=None)
    with recording.start(origin.url, "--wait", "--from-start") as weir:
        wait_until(lambda: not_yet.hits >= 2, 60, "weir to ask again")
        assert os.listdir(recording.folder) == []
        origin.faults.clear()
        weir.wait(90, WHOLE)
    checks.exact(recording, origin, weir)


# ---------------------------------------------------------------- F10: a signal in every state

def asked(origin, kind):
    return lambda: bool(origin.asked(kind))


STATES = {
    "connecting": lambda origin: origin.fault(faults.stall(), kind="playlist", times=None) and asked(origin, "playlist"),
    "waiting": lambda origin: origin.fault(faults.status(404), kind="playlist", times=None) and asked(origin, "playlist"),
    "first_segment": lambda origin: origin.fault(faults.stall(20_000), kind="segment", times=None) and asked(origin, "segment"),
    "stalled_segment": lambda origin: origin.fault(faults.stall(20_000), kind="segment", seq=106, times=None) and (lambda: any(r.seq == 106 for r in origin.asked())),
    "backing_off": lambda origin: origin.fault(faults.status(503), kind="segment", seq=106, times=None) and (lambda: any(r.seq == 106 for r in origin.asked())),
    "recording": lambda origin: lambda: origin.published() >= 8,
    "frozen": lambda origin: lambda: origin.published() == 20,
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize("state", STATES)
def test_F10_a_signal_ends_every_state_within_5_seconds(make_origin, recording, state, number):
    origin = make_origin(window=100, endlist=False)
    reached = STATES[state](origin)
    options = ["--wait"] if state == "waiting" else []
    with recording.start(origin.url, "--from-start", *options) as weir:
        wait_until(reached, 30, state)
        time.sleep(0.3)
        weir.signal(number)
        code = weir.wait(5)
    if recording.file.exists():
        assert code == WHOLE, weir.story()
        units = [line["u"] for line in recording.lines() if line["k"] == "unit"]
        ledger = recording.ledger(None)
        checks.balanced(recording, origin, verify.gap_places(ledger), weir.story(), to=(0, max(units)))
        assert recording.others() == []
    else:
        assert state in ("connecting", "waiting", "first_segment") and code == FAILED, weir.story()
        assert os.listdir(recording.folder) == [], weir.story()


def test_F10_a_second_signal_leaves_at_once_and_the_next_start_finishes(make_origin, recording):
    origin = make_origin(window=100)
    with recording.start(origin.url, "--from-start") as weir:
        wait_until(lambda: recording.raw_bytes() > 400_000, 30, "some media")
        weir.signal(signal.SIGINT)
        weir.signal(signal.SIGINT)
        weir.wait(5)
    weir = recording.download(origin.url, "--from-start")
    assert recording.file.exists() and recording.raw() == [], weir.story()


def test_the_demo_source_is_a_live_that_can_be_recorded(tmp_path, recording):
    with Weir("demo-source", "--segment", "1s", "--duration", "6s", cwd=tmp_path) as source:
        url = wait_until(lambda: re.search(r"http://\S+live\.m3u8", source.stdout + source.stderr), 90, f"the address\n{source.story()}")[0]
        assert b"#EXTM3U" in fetch(url)
        weir = recording.download(url, "--from-start", seconds=60)
        source.signal(signal.SIGTERM)
        assert source.wait(5) == WHOLE, source.story()
    assert weir.summary()["segments"]["missing"] == 0 and weir.summary()["duration_s"] >= 5
    pictures = [u for u in read_units(recording.file) if u.kind == "video"]
    assert len(pictures) >= 5 * 24
    recording.ledger(WHOLE)


def test_an_upgrade_in_mid_recording_does_not_stop_the_finishing(make_origin, recording, media, tmp_path, monkeypatch):
    """The program's file is taken away (as a package upgrade does) while it records: the child that finishes is still itself."""
    own = tmp_path / "upgraded" / "weir"
    own.parent.mkdir()
    shutil.copy2(binary(), own)
    monkeypatch.setenv("WEIR_BIN", str(own))
    origin = make_origin(media.segments[:6], pace=0.3, window=100)
    with recording.start(origin.url, "--from-start") as weir:
        wait_until(recording.raw_bytes, 20, "the first bytes")
        own.unlink()
        own.write_text("another version\n")
        weir.wait(60, WHOLE)
    assert weir.summary()["segments"]["missing"] == 0


def test_logs_as_json_are_json(make_origin, recording, media):
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    weir = recording.download(origin.url, "--from-start", "--log-json", "--debug")
    assert weir.lines() and all(isinstance(json.loads(line), dict) for line in weir.lines())


def test_no_secret_of_the_address_is_logged(make_origin, recording, media):
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    weir = recording.download(origin.url + "?token=canary-token", "--from-start", "--trace")
    assert "canary-token" not in weir.stderr + weir.stdout + recording.journal.read_text()
