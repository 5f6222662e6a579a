"""FC2 lives one after another, refusals, drift of the API, kills and stops (FC2 sections 2 and 11)."""
import os
import re
import signal
import time

import pytest

from judge import faults, verify
from judge.faults import status
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, WatchRun, case, config, lines_with, segments_fetched, summaries  # noqa: F401
from judge.units import read_units
from judge.weir import FAILED, SCALE, WHOLE, wait_until

TEMPLATE = "{{ .Title }}.{{ .Ext }}"
FOREVER = Shape(stays=True, seconds=60, window=60)


def whole_up_to_its_end(case, live, story, name="out"):
    """A recording that was stopped holds everything from its first segment to its last one."""
    units = read_units(case.recording(name).file)
    got = {unit.digest for unit in units}
    truth = live.truth()
    last = max(i for i, handed in enumerate(truth) if any(unit.digest in got for unit in handed.segment.units))
    verdict = verify.delivery(truth[:last + 1], units, set())
    assert verdict.complaints() == [], f"{verdict.complaints()}\n{story}"
    return last + 1


# ---------------------------------------------------------------- one live after another

def test_FC2_54_the_next_live_of_the_same_title_overwrites_nothing(case):
    channel = case.fake.channel(CHANNEL)
    first = channel.begin(Shape(seconds=8))
    with case.start("--loop", "--write-info-json", name=TEMPLATE) as weir:
        wait_until(lambda: len(summaries(weir)) == 1, 60, f"the first recording\n{weir.story()}")
        second = channel.begin(Shape(seconds=10, first=200, skip=20))
        wait_until(lambda: len(summaries(weir)) == 2, 60, f"the second recording\n{weir.story()}")
        weir.signal(signal.SIGTERM)
        weir.wait(10, WHOLE)
    case.exact(first, weir, name="the live", alone=False)
    case.exact(second, weir, name="the live.1", alone=False)
    assert case.left() == ["the live.1.info.json", "the live.1.mp4", "the live.1.weir.jsonl", "the live.info.json", "the live.mp4", "the live.weir.jsonl"]


def test_a_live_that_begins_anew_at_once_is_a_new_file(case):
    channel = case.fake.channel(CHANNEL)
    first = channel.begin(Shape(stays=True, seconds=60))
    with case.start("--loop") as weir:
        segments_fetched(case, 8)
        first.end()
        second = channel.begin(Shape(seconds=10, first=200, skip=30))
        wait_until(lambda: len(summaries(weir)) == 2, 60, f"the second recording\n{weir.story()}")
        weir.signal(signal.SIGTERM)
        weir.wait(10, WHOLE)
    assert whole_up_to_its_end(case, first, weir.story()) >= 8
    case.exact(second, weir, name="out.1", alone=False)


def test_FC2_50_a_live_whose_end_nobody_tells_ends_by_the_api(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(stays=True, seconds=60, window=60))
    with case.start() as weir:
        segments_fetched(case, 10)
        live.end(tell=False)
        weir.wait(90, WHOLE)
    case.exact(live, weir)


def test_the_end_takes_nothing_away_even_when_playlists_are_refused_at_once(case):
    case.fake.linger = 0
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(seconds=20, window=60))
    weir = case.download()
    case.exact(live, weir, to=max(live.listed))


# ---------------------------------------------------------------- refusals

@pytest.mark.parametrize("code, word", [(4507, "login"), (4101, "paid")], ids=["login required", "paid"])
def test_FC2_40_a_refusal_is_told_once_and_asked_about_more_and_more_rarely(case, code, word):
    channel = case.fake.channel(CHANNEL, refuse_code=code)
    channel.begin(FOREVER)
    with WatchRun(case, config(CHANNEL)) as watch:
        wait_until(lambda: word in watch.status().get(CHANNEL, {}).get("reason", ""), 20, f"the refusal\n{watch.weir.story()}", 0.2)
        shown = watch.status()[CHANNEL]
        assert shown["state"] == "IDLE" and shown["next_look"] and len(shown["errors_log"]) == 1
        wait_until(lambda: len(case.fake.sessions()) == 2, 60, "the second try")
        first, second = case.fake.sessions()
        assert 20 <= second.opened - first.opened <= 45 * SCALE, "30 s, with some jitter"
        told = [line for line in lines_with(watch.weir, CHANNEL) if str(code) in line or word in line.lower()]
        assert len(told) == 1, watch.weir.story()
        watch.weir.signal(signal.SIGTERM)
        watch.weir.wait(5, WHOLE)
    assert [n for n in case.left() if n.endswith((".mp4", ".ts"))] == []


def test_a_login_opens_what_needs_one(case):
    live = case.fake.channel(CHANNEL, needs_login=True).begin(Shape())
    weir = case.download("--cookies-file", case.logged_in())
    case.exact(live, weir)
    assert {s.viewer for s in case.fake.sessions()} == {"someone"}
    assert lines_with(weir, "someone"), weir.story()


def test_a_live_that_becomes_paid_keeps_what_there_was(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(FOREVER)
    with WatchRun(case, config(CHANNEL)) as watch:
        segments_fetched(case, 8)
        channel.refuse_code = 4101
        channel.sessions()[0].disconnect(4101)
        live.refused = True
        wait_until(lambda: (case.folder / f"{CHANNEL}.mp4").exists(), 60, f"the file\n{watch.weir.story()}")
        watch.weir.signal(signal.SIGTERM)
        watch.weir.wait(5, WHOLE)
    assert whole_up_to_its_end(case, live, watch.weir.story(), CHANNEL) >= 8


def test_download_gives_up_after_its_tries(case):
    case.fake.channel(CHANNEL, refuse_code=4507).begin(FOREVER)
    begun = time.monotonic()
    weir = case.download("--max-tries", "2", seconds=60, expect=FAILED)
    assert len(case.fake.sessions()) == 2 and time.monotonic() - begun > 0.5, weir.story()
    assert case.left() == []


def test_FC2_24_a_viewer_who_seems_to_watch_twice_tries_again(case):
    channel = case.fake.channel(CHANNEL, refuse_code=4512)
    live = channel.begin(Shape(seconds=20, window=60))
    with case.start() as weir:
        wait_until(lambda: len(case.fake.sessions()) == 2, 40, "another try")
        channel.refuse_code = None
        weir.wait(90, WHOLE)
    case.exact(live, weir)


def test_no_wait_ends_at_once_when_it_is_not_live(case):
    case.fake.channel(CHANNEL)
    begun = time.monotonic()
    weir = case.download("--no-wait", expect=FAILED, seconds=20)
    assert "live" in weir.lines()[-1] and time.monotonic() - begun < 5 * SCALE
    assert case.left() == []


# ---------------------------------------------------------------- the API drifts and fails

def shifted(answer):
    data = answer["data"]
    data["profile_data"].update(userid=91544481, fc2id=5, age=30)
    data["channel_data"].update(userid=91544481, category=3, comment_limit=None, is_publish=str(data["channel_data"]["is_publish"]), fee="0", adult=False,
                                gift_list={}, new_field={"a": [1]})
    del data["channel_data"]["fc2_channel"]
    data["user_data"] = []


def test_FC2_10_a_drift_of_types_is_reported_and_recorded_through(case):
    channel = case.fake.channel(CHANNEL, drift=shifted)
    live = channel.begin(Shape())
    weir = case.download("--write-info-json")
    case.exact(live, weir)
    assert lines_with(weir, CHANNEL, "is_publish") or lines_with(weir, CHANNEL, "userid"), weir.story()


def broken(answer):
    del answer["data"]["channel_data"]["is_publish"]


@pytest.mark.parametrize("what", ["drift", "html", "500", "refused"])
def test_FC2_12_an_api_that_cannot_be_read_is_never_offline(case, what):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape())
    gone = None
    if what == "drift":
        channel.drift = broken
    elif what == "refused":
        case.fake.refuse_all()
    else:
        gone = case.fake.fault({"html": faults.garbage(), "500": status(500)}[what], kind="member", times=None)
    with WatchRun(case, config(CHANNEL)) as watch:
        wait_until(lambda: "cannot" in watch.status().get(CHANNEL, {}).get("reason", "").lower() or
                   re.search("is_publish|html|JSON|500|refused", watch.status().get(CHANNEL, {}).get("reason", "")), 20,
                   f"it to say why\n{watch.weir.story()}", 0.2)
        if what == "drift":
            wait_until(lambda: lines_with(watch.weir, CHANNEL, "is_publish"), 20, f"the field and the channel\n{watch.weir.story()}")
            channel.drift = lambda answer: None
        elif what == "refused":
            case.fake.come_back()
        else:
            gone.times = 0
        wait_until(lambda: (case.folder / f"{CHANNEL}.mp4").exists(), 90, f"the recording\n{watch.weir.story()}")
        watch.weir.signal(signal.SIGTERM)
        watch.weir.wait(5, WHOLE)
    case.exact(live, watch.weir, name=CHANNEL)


def test_FC2_11_too_many_requests_slow_down_all_and_lose_no_live(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(seconds=20, window=60))
    fault = case.fake.fault(status(503), kind="member", times=2)
    weir = case.download(seconds=180)
    assert fault.hits == 2
    case.exact(live, weir)
    first, second, third = (r.at for r in case.fake.asked("member")[:3])
    assert second - first > 0.7 and third - second > 0.7, "it waits longer than its interval"


# ---------------------------------------------------------------- names

def test_FC2_75_a_title_of_400_bytes_with_everything_in_it_makes_a_name(case):
    title = "../" + "配信/" * 30 + "\U0001F389" * 10 + "a\\b:c*d?e\"f<g>h|i" + "/../" + "終わり" * 9
    assert len(title.encode()) >= 300
    live = case.fake.channel(CHANNEL, name="../\U0001F600/name").begin(Shape(seconds=10), title=title + "x" * (400 - len(title.encode())))
    weir = case.download("--write-chat", "--write-info-json", "--write-thumbnail", name=None)
    made, = [n for n in case.left() if n.endswith(".mp4")]
    assert "/" not in made and len(made.encode()) <= 255 and "配信_配信" in made, made
    case.exact(live, weir, name=made[:-4], alone=False)
    stem = made[:-4]
    assert all(n.startswith(stem) for n in case.left()), case.left()
    assert [p.name for p in case.folder.parent.iterdir()] == [p for p in os.listdir(case.folder.parent)] and not (case.folder.parent / "name").exists()


@pytest.mark.parametrize("title", ["", "..", "/", "\u200b", "CON", "-rf"])
def test_odd_titles_make_names_too(case, title):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=6), title=title)
    weir = case.download(name=TEMPLATE)
    made, = [n for n in case.left() if n.endswith(".mp4")]
    assert not made.startswith(("-", "..")), made
    case.exact(live, weir, name=made[:-4])


# ---------------------------------------------------------------- kills and stops

def test_a_kill_and_a_restart_go_on_with_the_same_recording(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=40, window=60))
    with case.start() as weir:
        segments_fetched(case, 10)
        weir.kill()
    weir = case.download()
    case.exact(live, weir)
    assert summaries(weir)[0]["resumed"]


def test_kills_again_and_again_lose_nothing(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=60, window=100))
    for kills in range(1, 4):
        with case.start() as weir:
            segments_fetched(case, 9 * kills)
            weir.kill()
    case.exact(live, case.download())


def test_what_left_the_window_while_it_was_dead_is_listed(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=60))
    with case.start() as weir:
        segments_fetched(case, 10)
        weir.kill()
    live.skip(20)
    weir = case.download()
    ledger = case.recording().ledger(None)
    lost = sorted(number for _, number in verify.gap_places(ledger))
    assert 4 <= len(lost) <= 25 and lost == list(range(lost[0], lost[-1] + 1))
    case.exact(live, weir, lost=lost)


def test_a_live_that_ended_while_it_was_dead_is_finished_by_the_next_start(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(stays=True, seconds=60, window=60))
    with case.start() as weir:
        segments_fetched(case, 10)
        weir.kill()
    live.end()
    with WatchRun(case, config(CHANNEL)) as watch:
        wait_until(lambda: (case.folder / "out.mp4").exists() and not case.recording().raw(), 30, f"the file\n{watch.weir.story()}")
        watch.weir.signal(signal.SIGTERM)
        watch.weir.wait(5, WHOLE)
    assert whole_up_to_its_end(case, live, watch.weir.story()) >= 7


def waiting(case):
    case.fake.channel(CHANNEL)
    return {}, lambda: wait_until(lambda: len(case.fake.asked("member")) >= 2, 20, "looks")


def preparing(case):
    case.fake.channel(CHANNEL, hls_answered=False).begin(FOREVER)
    return {}, lambda: wait_until(lambda: case.fake.sessions() and case.fake.sessions()[0].received, 20, "the question")


def thumbnail(case):
    case.fake.channel(CHANNEL).begin(FOREVER)
    case.fake.fault(faults.stall(), kind="thumb", times=None)
    return {}, lambda: wait_until(lambda: case.fake.asked("thumb"), 20, "the thumbnail")


def refused(case):
    case.fake.channel(CHANNEL, refuse_code=4507).begin(FOREVER)
    return {}, lambda: (wait_until(case.fake.sessions, 20, "a session"), time.sleep(0.5))


def downloading(case):
    case.fake.channel(CHANNEL).begin(FOREVER)
    return {}, lambda: segments_fetched(case, 8)


def stalled(case):
    case.fake.channel(CHANNEL).begin(FOREVER)
    case.fake.fault(faults.stall(1000), kind="segment", times=None, skip=4)
    return {}, lambda: segments_fetched(case, 4)


def post_processing(case):
    case.fake.channel(CHANNEL).begin(Shape(seconds=6))
    return {"failpoint": "finalise.begin=stall"}, lambda: (wait_until(lambda: case.fake.channels[CHANNEL].live() is None, 20, "the end"), time.sleep(1.5))


STATES = [waiting, preparing, thumbnail, refused, downloading, stalled, post_processing]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("command", ["download", "watch"])
def test_sigterm_ends_it_within_5_s_in_every_state(case, state, command):
    more, ready = state(case)
    if command == "watch":
        run = WatchRun(case, config(CHANNEL, writeThumbnail=True), **more).weir
    else:
        run = case.start("--write-thumbnail", **more)
    with run:
        ready()
        begun = time.monotonic()
        run.signal(signal.SIGTERM)
        run.wait(5, WHOLE)
        assert time.monotonic() - begun < 5 * SCALE
    if state is downloading:
        assert whole_up_to_its_end(case, case.fake.channels[CHANNEL].lives[0], run.story(), "out" if command == "download" else CHANNEL) >= 6
    elif state not in (thumbnail, stalled, post_processing):
        assert [n for n in case.left() if n.endswith((".mp4", ".ts"))] == [], run.story()


def test_what_a_hasty_stop_left_is_finished_by_the_next_start(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    with case.start(failpoint="finalise.begin=stall") as weir:
        wait_until(lambda: case.fake.channels[CHANNEL].live() is None, 20, "the end")
        time.sleep(1.5)
        weir.signal(signal.SIGTERM)
        weir.wait(6)
    if not case.recording().file.exists():
        with WatchRun(case, config(CHANNEL)) as watch:
            wait_until(lambda: case.recording().file.exists() and not case.recording().raw(), 30, f"the file\n{watch.weir.story()}")
            watch.weir.signal(signal.SIGTERM)
            watch.weir.wait(5, WHOLE)
    case.exact(live, weir)
