"""`weir fc2 watch`: many channels by one configuration, changed while they are recorded (FC2 sections 2.2, 6, 11.20 to 11.28)."""
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from judge.fc2 import CANARY
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, WatchRun, case, config, segments_fetched  # noqa: F401
from judge.units import read_units
from judge.weir import WHOLE, WRONG_USE, run, wait_until

OTHER = "40740626"
LONG = Shape(stays=True, seconds=60, window=60)
MISTAKES = Path(__file__).resolve().parents[1] / "data" / "fc2" / "mistakes.json"


def stop(watch):
    watch.weir.signal(signal.SIGTERM)
    watch.weir.wait(5, WHOLE)


def finished(case, name, watch):
    wait_until(lambda: (case.folder / f"{name}.mp4").exists() and not case.recording(name).raw(), 60, f"{name}.mp4\n{watch.weir.story()}")


def test_all_channels_are_recorded_and_shown(case):
    lives = {str(n): case.fake.channel(str(n), name=f"N{n}").begin(Shape(seconds=16)) for n in range(101, 106)}
    case.fake.channel("106")
    with WatchRun(case, config(*lives, "106", labels={"k": "v"})) as watch:
        watch.wait_for_state("DOWNLOADING", "103")
        shown = watch.status()
        assert shown["103"]["extra"]["metadata"]["channel_data"]["title"] == "the live" and shown["103"]["labels"] == {"k": "v"}
        assert shown["106"]["state"] == "IDLE" and shown["106"]["errors_log"] == [] and "extra" not in shown["106"]
        for channel in lives:
            finished(case, channel, watch)
        wait_until(lambda: all(row["state"] == "IDLE" for row in watch.status().values()), 30, "all to be idle")
        stop(watch)
    for channel, live in lives.items():
        case.exact(live, watch.weir, name=channel, alone=False)


def test_by_default_parts_are_joined(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    with WatchRun(case, config(CHANNEL, concat=True)) as watch:
        wait_until(lambda: (case.folder / f"{CHANNEL}.combined.mp4").exists(), 60, f"the joined file\n{watch.weir.story()}")
        watch.wait_for_state("IDLE")
        stop(watch)
    assert len(read_units(case.folder / f"{CHANNEL}.combined.mp4")) == sum(len(h.segment.units) for h in live.truth())


# ---------------------------------------------------------------- reload

def by_sighup(watch, new):
    watch.write(new)
    watch.weir.signal(signal.SIGHUP)


def by_writing(watch, new):
    watch.write(new)


def by_rename(watch, new):
    watch.replace(new)


WAYS = [by_sighup, by_writing, by_rename]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_FC2_112_a_reload_touches_no_recording_and_starts_what_is_new(case, way):
    first = case.fake.channel(CHANNEL).begin(LONG)
    second = case.fake.channel(OTHER).begin(Shape(seconds=12))
    with WatchRun(case, config(CHANNEL)) as watch:
        segments_fetched(case, 8)
        way(watch, config(CHANNEL, OTHER, labels={"new": "label"}))
        segments_fetched(case, 4, OTHER)
        first.end()
        for name in (CHANNEL, OTHER):
            finished(case, name, watch)
        stop(watch)
    case.exact(first, watch.weir, name=CHANNEL, alone=False)
    case.exact(second, watch.weir, name=OTHER, alone=False)
    assert len([s for s in case.fake.sessions() if s.channel.id == CHANNEL]) == 1


def test_FC2_111_kubernetes_swaps_a_link_to_a_folder(case):
    home = case.inputs
    def version(number, content):
        (home / f"v{number}").mkdir()
        (home / f"v{number}" / "config.yaml").write_text(json.dumps(content))
        (home / "new").symlink_to(f"v{number}")
        os.replace(home / "new", home / "..data")
    version(1, config(CHANNEL))
    (home / "config.yaml").symlink_to("..data/config.yaml")
    first = case.fake.channel(CHANNEL).begin(LONG)
    case.fake.channel(OTHER).begin(LONG)
    with WatchRun(case, "", path=home / "config.yaml") as watch:
        segments_fetched(case, 6)
        version(2, config(CHANNEL, OTHER))
        segments_fetched(case, 4, OTHER)
        version(3, config(CHANNEL))
        finished(case, OTHER, watch)
        first.end()
        finished(case, CHANNEL, watch)
        stop(watch)
    case.exact(first, watch.weir, name=CHANNEL, alone=False)


def test_a_channel_that_is_taken_out_is_finished(case):
    case.fake.channel(CHANNEL).begin(LONG)
    case.fake.channel(OTHER).begin(LONG)
    with WatchRun(case, config(CHANNEL, OTHER)) as watch:
        segments_fetched(case, 6)
        segments_fetched(case, 6, OTHER)
        watch.replace(config(OTHER))
        finished(case, CHANNEL, watch)
        wait_until(lambda: CHANNEL not in watch.status(), 20, "the channel to be gone")
        assert watch.state(OTHER) == "DOWNLOADING"
        stop(watch)
    run("verify", f"{CHANNEL}.mp4", cwd=case.folder, expect=WHOLE)


def test_a_changed_channel_takes_its_new_wishes_with_the_next_live(case):
    channel = case.fake.channel(CHANNEL)
    first = channel.begin(LONG)
    with WatchRun(case, config(CHANNEL)) as watch:
        segments_fetched(case, 6)
        watch.replace(config(CHANNEL, quality="1.2Mbps", outFormat="next.{{ .Ext }}"))
        time.sleep(3)
        first.end()
        finished(case, CHANNEL, watch)
        second = channel.begin(Shape(seconds=8, first=300, skip=20))
        finished(case, "next", watch)
        stop(watch)
    case.exact(first, watch.weir, name=CHANNEL, alone=False)
    case.exact(second, watch.weir, name="next", quality="1.2Mbps", alone=False)


@pytest.mark.parametrize("broken, at", [("channels:\n  1: {quality: 4K}\n", "2:"), ("a: [\n", "1:"), ("", "")], ids=["value", "syntax", "empty"])
def test_a_broken_file_is_reported_and_the_old_one_stays(case, broken, at):
    live = case.fake.channel(CHANNEL).begin(LONG)
    with WatchRun(case, config(CHANNEL)) as watch:
        segments_fetched(case, 6)
        watch.replace(broken)
        watch.weir.wait_for_line(r"config\.yaml:" + at, 15)
        before = len(case.fake.asked("segment"))
        wait_until(lambda: len(case.fake.asked("segment")) > before + 4, 20, "the recording to go on")
        watch.replace(config(CHANNEL))
        live.end()
        finished(case, CHANNEL, watch)
        stop(watch)
    case.exact(live, watch.weir, name=CHANNEL)


def test_a_file_that_goes_and_comes_back_changes_nothing(case):
    live = case.fake.channel(CHANNEL).begin(LONG)
    with WatchRun(case, config(CHANNEL)) as watch:
        segments_fetched(case, 4)
        watch.path.unlink()
        time.sleep(2.5)
        watch.write(config(CHANNEL))
        segments_fetched(case, 14)
        live.end()
        finished(case, CHANNEL, watch)
        stop(watch)
    case.exact(live, watch.weir, name=CHANNEL)


# ---------------------------------------------------------------- the file

def mistakes(kind):
    rows = json.loads(MISTAKES.read_text()) if MISTAKES.exists() else []
    return [pytest.param(row, id=row["name"]) for row in rows if row["kind"] == kind]


def test_the_table_of_mistakes_is_long_enough():
    assert len(mistakes("error")) >= 25


def place_of(mistake):
    """The file's name may be told with its folder."""
    return mistake["line"].removeprefix("config.yaml")


@pytest.mark.parametrize("mistake", mistakes("error"))
def test_a_mistake_is_one_line_with_its_place_and_its_fix(case, mistake):
    path = case.inputs / "config.yaml"
    path.write_text(mistake["yaml"])
    with WatchRun(case, "", path=path) as watch:
        watch.weir.wait(10, WRONG_USE)
    told = [line for line in watch.weir.lines() if "config.yaml" + place_of(mistake) in line]
    assert len(told) == 1 and told[0].isprintable(), f"{mistake['line']}\n{watch.weir.story()}"
    assert case.fake.asked() == []


@pytest.mark.parametrize("mistake", mistakes("warning"))
def test_a_doubtful_key_is_one_warning_and_it_runs(case, mistake):
    path = case.inputs / "config.yaml"
    path.write_text(mistake["yaml"])
    with WatchRun(case, "", path=path) as watch:
        wait_until(lambda: [line for line in watch.weir.lines() if "config.yaml" in line], 10, f"the warning\n{watch.weir.story()}")
        stop(watch)
    told = [line for line in watch.weir.lines() if place_of(mistake) in line.replace('\\"', '"')]
    assert len(told) == 1, f"{mistake['line']}\n{watch.weir.story()}"


def test_unknown_and_old_keys_are_warnings(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    wished = config(CHANNEL)
    wished["defaultParams"]["waitForLve"] = True
    wished["defaultParams"]["cookiesRefreshDuration"] = "24h"
    with WatchRun(case, wished) as watch:
        assert "waitForLive" in watch.weir.wait_for_line("waitForLve", 10)
        finished(case, CHANNEL, watch)
        stop(watch)
    case.exact(live, watch.weir, name=CHANNEL)


def test_a_channel_not_to_be_waited_for_is_looked_at_once_and_harms_no_other(case):
    case.fake.channel(CHANNEL)
    live = case.fake.channel(OTHER).begin(Shape(seconds=16))
    wished = config(CHANNEL, OTHER, waitPollInterval="5s")
    wished["channels"][CHANNEL] = {"waitForLive": False}
    with WatchRun(case, wished) as watch:
        finished(case, OTHER, watch)
        stop(watch)
    case.exact(live, watch.weir, name=OTHER)
    assert len(case.fake.asked("member", CHANNEL)) == 1


# ---------------------------------------------------------------- login

def test_a_login_is_kept_encrypted_and_used_without_the_import_file(case):
    channel = case.fake.channel(CHANNEL, needs_login=True)
    live = channel.begin(Shape(seconds=8))
    wished = {**config(CHANNEL), "cookiesImportFile": str(case.logged_in()), "cookiesFile": "kept.cookies", "cookiesRefreshDuration": "1h"}
    secret = {"COOKIE_ENCRYPTION_SECRET": "a secret of the test"}
    with WatchRun(case, wished, env=secret) as watch:
        finished(case, CHANNEL, watch)
        stop(watch)
    case.exact(live, watch.weir, name=CHANNEL, alone=False)
    kept = case.folder / "kept.cookies"
    if not kept.exists():
        kept = case.inputs / "kept.cookies"  # beside the configuration
    assert kept.stat().st_mode & 0o777 == 0o600 and CANARY.encode() not in kept.read_bytes()
    case.fake.channel(CHANNEL, needs_login=True).begin(Shape(seconds=8, skip=20))
    os.remove(case.inputs / "cookies.txt")
    del wished["cookiesImportFile"]
    with WatchRun(case, wished, env=secret) as watch:
        finished(case, f"{CHANNEL}.1", watch)
        stop(watch)
    assert {s.viewer for s in case.fake.sessions()} == {"someone"}


def test_a_login_that_is_none_is_told_and_open_channels_are_recorded(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    cookies = case.cookies(("127.0.0.1", "fcus", CANARY + "old"), ("localhost", "fcus", CANARY + "old"))
    with WatchRun(case, {**config(CHANNEL), "cookiesImportFile": str(cookies), "cookiesRefreshDuration": "1h"}) as watch:
        finished(case, CHANNEL, watch)
        assert [line for line in watch.weir.lines() if re.search("log(ged )?.?in", line, re.I)], watch.weir.story()
        stop(watch)
    case.exact(live, watch.weir, name=CHANNEL)


# ---------------------------------------------------------------- many channels

def test_many_channels_are_asked_about_through_the_lists(case):
    fake = case.make_fake(api_limit=8)
    names = [str(n) for n in range(1000, 1200)]
    for name in names:
        fake.channel(name)
    live = None
    with WatchRun(case, config(*names, waitPollInterval="1s")) as watch:
        wait_until(lambda: fake.counts.get("list", 0) >= 3, 60, f"the lists\n{watch.weir.story()}")
        before, begun = dict(fake.counts), time.monotonic()
        time.sleep(6)
        asked = sum(fake.counts.values()) - sum(before.values())
        assert asked / (time.monotonic() - begun) <= 6, f"{asked} requests in 6 s: {before} {fake.counts}"
        live = fake.channels["1150"].begin(Shape(seconds=12))
        finished(case, "1150", watch)
        stop(watch)
    case.exact(live, watch.weir, name="1150")
    assert [r for r in fake.asked("member") if r.status == 503] == []
