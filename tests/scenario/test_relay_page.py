"""The relay's page in a real browser: pictures of both players read back, sign-in, recording by a button, and names that are no markup."""
import json
import shutil
import time

import pytest

from judge import relay_media, websocket
from judge.chromium import Chromium, found
from judge.relay import Push, Relay, ffmpeg_push
from judge.weir import wait_until

pytestmark = pytest.mark.skipif(not found(), reason="no chromium here")

# Averages of the two halves and a checksum of the whole, of the canvas or video element.
READ = """(() => {
  const from = document.querySelector('%s');
  if (!from) return null;
  const wide = from.videoWidth || from.width, high = from.videoHeight || from.height;
  if (!wide || !high) return null;
  const to = document.createElement('canvas');
  to.width = wide; to.height = high;
  const pen = to.getContext('2d');
  pen.drawImage(from, 0, 0);
  const mean = (y, h) => {
    const p = pen.getImageData(0, y, wide, h).data, sum = [0, 0, 0];
    for (let i = 0; i < p.length; i += 4) for (let c = 0; c < 3; ++c) sum[c] += p[i + c];
    return sum.map((s) => Math.round(s / (p.length / 4)));
  };
  const all = pen.getImageData(0, 0, wide, high).data;
  let hash = 0;
  for (let i = 0; i < all.length; i += 4) hash = (hash * 31 + all[i]) | 0;
  return {wide, high, above: mean(0, 80), below: mean(160, 80), hash};
})()"""
SHOW = "[...document.querySelectorAll('.card')].find((c) => c.querySelector('h3').textContent === %s)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made


def check_picture(browser, selector):
    """The test picture: red above, blue below, and something moves."""
    def coloured():
        now = browser.run(READ % selector)
        return now if now and now["above"][0] > 120 and now["below"][2] > 120 else None

    try:
        first = wait_until(coloured, 30, "the colours", step=0.2)
    except AssertionError as late:
        raise AssertionError(f"{late}: {browser.run(READ % selector)} {browser.console()}") from None
    assert (first["wide"], first["high"]) == (320, 240)
    assert first["above"][1] < 90 and first["above"][2] < 90, f"red above: {first}"
    assert first["below"][0] < 90 and first["below"][1] < 90, f"blue below: {first}"
    wait_until(lambda: (browser.run(READ % selector) or first)["hash"] != first["hash"], 20, "the picture to change", step=0.1)


def unexpected(browser):
    """jsmpeg sets two styles inline, which the page's policy blocks."""
    return [text for text in browser.console() if "inline style" not in text]


def card(name):
    return SHOW % json.dumps(name)


PLAYERS = {"mpeg1": (relay_media.MPEG1, "canvas"), "h264": (relay_media.H264, "video")}


@pytest.mark.parametrize("name", PLAYERS)
def test_a_click_shows_the_picture(browser, tmp_path, name):
    file, element = PLAYERS[name]
    with Relay(cwd=tmp_path) as relay:
        with ffmpeg_push(relay_media.folder() / file, relay.url("/ts/lab/cam_1".replace("_", "%5F")), loop=True):
            wait_until(lambda: (relay.topic("lab/cam_1") or {}).get("tracks"), 20, "the feed", step=0.05)
            browser.go(relay.url("/"))
            browser.wait_for(f"!!{card('lab/cam_1')}")
            time.sleep(0.3)
            browser.run(f"{card('lab/cam_1')}.querySelector('.show').click()")
            check_picture(browser, f".screen {element}")
            assert relay.topic("lab/cam_1")["viewers"]["websocket"] == 1
            for width, dark in ((1200, False), (1200, True), (390, False), (390, True)):
                browser.screenshot(tmp_path / f"{name}-{width}-{'dark' if dark else 'light'}.png", width=width, dark=dark)
                assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), f"{width}: it fits"
            browser.call("Emulation.clearDeviceMetricsOverride")
            browser.run(f"{card('lab/cam_1')}.querySelector('.show').click()")
            wait_until(lambda: relay.topic("lab/cam_1")["viewers"]["websocket"] == 0, 10, "the viewer to leave")
        assert unexpected(browser) == []
        browser.go("about:blank")
        relay.stop()


def test_jsmpegs_own_port_has_a_page_that_shows_it_JS_19(browser, tmp_path):
    with Relay("--jsmpeg-secret", "s3cret", "--jsmpeg-ports", "0,0", cwd=tmp_path) as relay:
        into, out = relay.more_ports
        with ffmpeg_push(relay_media.folder() / relay_media.MPEG1, f"http://127.0.0.1:{into}/s3cret", loop=True):
            browser.go(f"http://127.0.0.1:{out}/")
            check_picture(browser, "canvas")
            browser.screenshot(tmp_path / "jsmpeg.png")
        assert unexpected(browser) == []
        browser.go("about:blank")
        relay.stop()


def test_an_admin_token_is_asked_for_and_kept_for_the_tab(browser, tmp_path):
    with Relay("--admin-token", "open sesame", cwd=tmp_path) as relay:
        assert relay.rest("GET", "/api/stats")[0] == 401
        browser.go(relay.url("/"))
        browser.wait_for("document.querySelector('#sign-in')?.hidden === false")
        browser.run("document.querySelector('#token').value = 'wrong'; document.querySelector('#sign-in button').click()")
        browser.wait_for("document.querySelector('#state')?.textContent === 'not signed in'")
        browser.run("document.querySelector('#token').value = 'open sesame'; document.querySelector('#sign-in button').click()")
        browser.wait_for("document.querySelector('#sign-in').hidden && document.querySelector('#state')?.textContent?.startsWith('up ')")
        browser.screenshot(tmp_path / "signed-in.png")
        browser.go(relay.url("/"))
        browser.wait_for("document.querySelector('#state')?.textContent?.startsWith('up ')")
        assert "open%20sesame" not in browser.run("location.href") and "sesame" not in relay.stderr
        browser.run("sessionStorage.clear()")
        browser.go("about:blank")
        relay.stop()


def test_the_record_button_makes_a_recording(browser, tmp_path):
    with Relay("--record-dir", "kept", cwd=tmp_path) as relay:
        with ffmpeg_push(relay_media.folder() / relay_media.H264, relay.url("/ts/cam"), loop=True):
            browser.go(relay.url("/"))
            browser.wait_for(f"!!{card('cam')}")
            browser.run(f"{card('cam')}.querySelector('.record').click()")
            browser.wait_for(f"{card('cam')}.querySelector('.record').textContent === 'Stop recording'")
            wait_until(lambda: any(row["seconds"] > 1 for row in relay.stats()["recordings"]), 20, "a second of it", step=0.1)
            browser.screenshot(tmp_path / "recording.png")
            browser.run(f"{card('cam')}.querySelector('.record').click()")
            browser.wait_for(f"{card('cam')}.querySelector('.record').textContent === 'Record'")
            wait_until(lambda: list((tmp_path / "kept").glob("*.mp4")), 20, "the file")
        assert unexpected(browser) == []
        browser.go("about:blank")
        relay.stop()
    made = list((tmp_path / "kept").glob("*.mp4"))
    assert len(made) == 1 and made[0].stat().st_size > 10_000


def test_a_feed_whose_name_is_markup_is_shown_as_text(browser, tmp_path):
    name = "<img src=x onerror=window.hacked=1>"
    escaped = "".join(f"%{byte:02X}" for byte in name.encode())
    with Relay(cwd=tmp_path) as relay:
        with Push(relay, escaped) as push:
            push.send((relay_media.folder() / relay_media.MPEG1).read_bytes()[:188 * 100])
            relay.stream(f"stream/{name}", name, "<b>bold</b>")
            relay.destination("<script>hacked=1</script>", name, "ws://127.0.0.1:1/<i>")
            browser.go(relay.url("/"))
            browser.wait_for(f"!!{card(name)}")
            browser.wait_for("!document.querySelector('#destinations-part').hidden")
            browser.run(f"{card(name)}.querySelector('.show').click()")
            time.sleep(0.5)
            assert browser.run("typeof window.hacked") == "undefined"
            assert browser.run("document.querySelectorAll('main img, main script, main b, main i').length") == 0
            assert name in browser.run("document.querySelector('#topics').textContent")
            with relay.connect(f"/ws/{escaped}") as viewer:
                assert viewer.read()[0] == websocket.BINARY
            push.end()
        assert unexpected(browser) == []
        browser.go("about:blank")
        relay.stop()
