"""The status page in a real browser: a recording watched live, signing in, rare states, a thousand channels, a lost connection, foreign text."""
import json
import os
import signal
import time
from pathlib import Path

import pytest

from judge.chromium import Chromium, found
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, WatchRun, case, config  # noqa: F401
from judge.status_page import ScriptedStatus, channel, recording
from judge.weir import WHOLE, wait_until

pytestmark = pytest.mark.skipif(not found(), reason="no chromium here")

LOOKS = [(1200, False), (1200, True), (360, False), (360, True)]
OTHER = "40740626"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made


@pytest.fixture(autouse=True)
def leaves_the_page(browser):
    yield
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.go("about:blank")


def take_pictures(browser, folder, name):
    """WEIR_SHOTS: a folder to keep them in."""
    kept = Path(os.environ.get("WEIR_SHOTS", folder))
    for width, dark in LOOKS:
        browser.screenshot(kept / f"{name}-{width}-{'dark' if dark else 'light'}.png", width=width, height=800 if width < 600 else 900, dark=dark)
        assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), f"{width}: it fits"
    browser.call("Emulation.clearDeviceMetricsOverride")


def element(name, part=""):
    return f"document.querySelector('[data-channel={json.dumps(name)}] {part}')"


def text_of(browser, name, part):
    return browser.run(f"{element(name, part)}?.textContent ?? ''")


def stop(watch):
    watch.weir.signal(signal.SIGTERM)
    watch.weir.wait(8, WHOLE)


def address(watch):
    return wait_until(lambda: next((line for line in watch.weir.stdout.splitlines() if line.startswith("http://")), None), 10, "the address")


def test_a_recording_is_watched_from_its_beginning_to_its_end(case, browser, tmp_path):
    case.fake.channel(OTHER)
    watched = case.fake.channel(CHANNEL, name="The <b>streamer</b>")
    with WatchRun(case, config(CHANNEL, OTHER, labels={"team": "red"})) as watch:
        browser.go(address(watch))
        browser.wait_for(f"{element(OTHER, '.state')}?.textContent === 'Waiting'")
        assert "not live" in text_of(browser, OTHER, ".reason")
        browser.wait_for(f"/^looks/.test({element(OTHER, '.next')}.textContent)")
        assert browser.run("document.querySelector('#running-part').hidden")
        live = watched.begin(Shape(seconds=60, window=60, stays=True), title="<img src=x onerror=hacked=1> Morning & \"talk\"")
        browser.wait_for(f"{element(CHANNEL, '.state')}?.textContent === 'Recording'")
        assert text_of(browser, CHANNEL, ".title") == "<img src=x onerror=hacked=1> Morning & \"talk\""
        browser.wait_for(f"/ [kM]bit\\/s/.test({element(CHANNEL, '[data-is=rate]')}.textContent)")
        assert "The <b>streamer</b>" in text_of(browser, CHANNEL, ".who") and "team: red" in text_of(browser, CHANNEL, ".who")
        assert text_of(browser, CHANNEL, "[data-is=losses]") == "none" and "3Mbps" in text_of(browser, CHANNEL, "[data-is=quality]")
        assert browser.run("document.querySelectorAll('li img, li b').length") == 0 and browser.run("typeof window.hacked") == "undefined"
        before = text_of(browser, CHANNEL, "[data-is=size]")
        browser.wait_for(f"{element(CHANNEL, '[data-is=size]')}.textContent !== {json.dumps(before)}")
        assert browser.run("document.title").startswith("● 1 recording")
        take_pictures(browser, tmp_path, "recording")
        live.end()
        browser.wait_for(f"['Waiting', 'Finished'].includes({element(CHANNEL, '.state')}?.textContent)", 60)
        assert browser.run("document.querySelector('#running-part').hidden")
        assert browser.console() == []
        stop(watch)


def test_signing_in_and_out(case, browser, tmp_path):
    case.fake.channel(CHANNEL)
    with WatchRun(case, config(CHANNEL), listen="0.0.0.0:0") as watch:
        url = address(watch).replace("0.0.0.0", "127.0.0.1")
        link = watch.weir.wait_for_line("#token=", 10).strip()
        assert link.startswith(url)
        browser.go(url)
        browser.wait_for("!!document.querySelector('#token')")
        take_pictures(browser, tmp_path, "sign-in")
        assert browser.run("document.activeElement.id") == "token"
        browser.run("document.querySelector('#token').value = 'wrong'; document.querySelector('#sign-in').requestSubmit()")
        browser.wait_for("document.querySelector('#said').textContent === 'That is not the token.'")
        browser.run(f"document.querySelector('#token').value = ' {link.partition('#token=')[2]} '; document.querySelector('#sign-in').requestSubmit()")
        browser.wait_for("!!document.querySelector('[data-channel]')")
        assert browser.run("document.cookie") == "" and browser.run("location.href") == url
        browser.go(url)
        browser.wait_for("document.querySelector('#sign-out')?.hidden === false")
        browser.run("document.querySelector('#sign-out').click()")
        browser.wait_for("!!document.querySelector('#token')")
        browser.go("about:blank")
        browser.go(link)
        browser.wait_for("!!document.querySelector('[data-channel]')")
        assert "token" not in browser.run("location.href"), "the token left the address"
        stop(watch)


def rare():
    """Every state with its words."""
    return {
        "91544481": channel("DOWNLOADING", "Sunday evening, with guests", name="Aoi Hinata", title="Sunday evening, with guests", since=-5025, labels={"team": "red"},
                            recording=recording("/out/Aoi Hinata/2026-11-22 Sunday evening, with guests.mp4", bytes=2_912_345_678, duration_seconds=5021.4, got=5020)),
        "40740626": channel("DOWNLOADING", "夜のおしゃべり 🌙", name="ゆき", title="夜のおしゃべり 🌙", since=-754, errors=((-300, "http 503 for https://live.fc2.com/api/memberApi.php"),),
                            recording=recording("/out/ゆき/2026-11-22 夜のおしゃべり 🌙.mp4", quality="1.2Mbps mid", bytes=98_765_432, duration_seconds=748, got=740, missing=8, gaps=2,
                                                reconnects=3, behind=14)),
        "10000003": channel("DOWNLOADING", "x" * 200, name="Long", title="A title of one word that has no end: " + "w" * 120, since=-61,
                            recording=recording("/out/" + "l" * 150 + ".mp4", bytes=12_345_678, duration_seconds=61, got=61, waiting_for_space=True)),
        "10000004": channel("PREPARING_FILES", "Just begun", name="Beginner", title="Just begun", since=-2),
        "10000005": channel("POST_PROCESSING", "It was nice", name="Ender", title="It was nice", since=-12,
                            recording=recording("/out/Ender/It was nice.mp4", bytes=812_345_678, duration_seconds=3601, got=3600)),
        "10000006": channel("IDLE", "http 503 for https://live.fc2.com/api/memberApi.php", blind=True, next_look=31, since=-200,
                            errors=((-200, "http 503 for https://live.fc2.com/api/memberApi.php"),)),
        "10000007": channel("IDLE", "the live asks for a login", next_look=240, since=-600, name="Members only", errors=((-60, "the live asks for a login"),)),
        "10000008": channel(next_look=3, since=-7200), "10000009": channel(next_look=4, since=-7200, labels={"EnglishName": "Somebody"}),
        "10000010": channel("FINISHED", "2026-11-22 Good night.mp4", name="Done", since=-30, next_look=5),
        "10000011": channel("CANCELED", "interrupted", since=-30),
    }


def test_every_state_in_words(browser, tmp_path):
    with ScriptedStatus() as scripted:
        scripted.channels = rare()
        browser.go(scripted.url)
        browser.wait_for(f"!!{element('10000011')}")
        said = {name: text_of(browser, name, ".state") for name in scripted.channels}
        assert said == {"91544481": "Recording", "40740626": "Recording", "10000003": "Recording", "10000004": "Getting ready", "10000005": "Finishing the file",
                        "10000006": "Cannot tell if live", "10000007": "Failed", "10000008": "Waiting", "10000009": "Waiting", "10000010": "Finished",
                        "10000011": "Stopped"}
        order = browser.run("[...document.querySelectorAll('[data-channel]')].map((e) => e.dataset.channel)")
        assert order[:3] == ["91544481", "10000003", "40740626"] and order[3:] == [
            "10000004", "10000005", "10000006", "10000007", "10000010", "10000008", "10000009", "10000011"], order
        assert text_of(browser, "40740626", "[data-is=losses]") == "8 segments in 2 gaps" and text_of(browser, "40740626", ".alarm") == "14 segments behind the live."
        assert "waits for space" in text_of(browser, "10000003", ".alarm")
        assert browser.run("[...document.querySelectorAll('#errors .who')].map((e) => e.textContent)") == ["Members only", "10000006", "ゆき"]
        first = text_of(browser, "10000007", ".next")
        assert first.startswith("looks again in 3 min 5") or first == "looks again in 4 min 0 s", first
        browser.wait_for(f"{element('10000007', '.next')}.textContent !== {json.dumps(first)}", 5)
        scripted.channels["91544481"]["recording"]["bytes"] += 2_000_000
        browser.wait_for(f"/Mbit/.test({element('91544481', '[data-is=rate]')}.textContent)", 10)
        take_pictures(browser, tmp_path, "states")
        browser.run("scrollTo(0, document.body.scrollHeight)")
        take_pictures(browser, tmp_path, "states-below")
        browser.run("document.querySelector('[data-kind=trouble]').click()")
        assert browser.run("[...document.querySelectorAll('[data-channel]:not([hidden])')].map((e) => e.dataset.channel)") == ["10000006", "10000007"]
        assert browser.run("document.querySelector('[data-kind=trouble]').getAttribute('aria-pressed')") == "true"
        assert browser.console() == []


def test_a_thousand_channels_stay_fluid_and_can_be_searched(browser, tmp_path):
    with ScriptedStatus() as scripted:
        scripted.channels = {str(10_000_000 + n): channel(next_look=n % 60, name=f"Streamer {n}") for n in range(990)}
        scripted.channels.update({str(20_000_000 + n): channel("DOWNLOADING", f"Title {n}", title=f"Title {n}", name=f"Live {n}", recording=recording("f.mp4", bytes=5_000_000))
                                  for n in range(10)})
        browser.go(scripted.url)
        browser.wait_for("document.querySelectorAll('[data-channel]').length === 1000")
        browser.run("""window.longest = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) longest = Math.max(longest, e.duration); })
                       .observe({type: 'longtask'}); 0""")
        before = scripted.asked
        browser.run("document.querySelector('[data-channel=\"10000500\"]').mine = true")
        wait_until(lambda: scripted.asked >= before + 3, 20, "three more questions", 0.1)
        assert browser.run("longest") < 400, "no update holds the page up"
        assert browser.run("document.querySelector('[data-channel=\"10000500\"]').mine"), "elements stay what they are"
        take_pictures(browser, tmp_path, "thousand")
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="/", text="/")
        assert browser.run("document.activeElement.id") == "search"
        browser.call("Input.insertText", text="streamer 77")
        shown = "[...document.querySelectorAll('[data-channel]:not([hidden])')].length"
        assert browser.run(shown) == 19
        browser.call("Input.insertText", text=" nobody")
        assert browser.run(shown) == 0 and not browser.run("document.querySelector('#nothing').hidden")


def test_a_lost_connection_is_said_and_comes_back(browser, tmp_path):
    with ScriptedStatus() as scripted:
        scripted.channels = rare()
        browser.go(scripted.url)
        browser.wait_for("document.querySelector('#link')?.textContent === 'live'")
        scripted.fail = "cut"
        browser.wait_for("!document.querySelector('#lost').hidden")
        assert "weir does not answer. What you see is from" in browser.run("document.querySelector('#lost-what').textContent")
        assert browser.run("document.querySelector('#link').textContent") == "no connection" and browser.run("document.body.classList.contains('stale')")
        take_pictures(browser, tmp_path, "lost")
        before = scripted.asked
        time.sleep(5)
        assert scripted.asked - before <= 3, "it asks less and less often"
        scripted.fail = 503
        browser.run("document.querySelector('#try-now').click()")
        browser.wait_for("document.querySelector('#lost-what').textContent.startsWith('weir answered 503: out of order.')")
        scripted.fail = None
        browser.run("document.querySelector('#try-now').click()")
        browser.wait_for("document.querySelector('#lost').hidden && document.querySelector('#link')?.textContent === 'live'", 5)


def test_a_new_version_loads_its_own_page(browser):
    with ScriptedStatus() as scripted:
        browser.go(scripted.url)
        browser.wait_for("document.querySelector('#link')?.textContent === 'live'")
        assert "No channels" in browser.run("document.querySelector('#nothing').textContent")
        browser.run("window.old = true; 0")
        scripted.version = "1.1.0"
        browser.wait_for("typeof window.old === 'undefined' && document.querySelector('#about')?.textContent.includes('1.1.0')")
