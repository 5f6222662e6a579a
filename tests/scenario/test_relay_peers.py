"""Real programs push into the relay and read from it: ffmpeg, GStreamer, node's `ws`, and scripted pushers with exact chunk borders.

Everything that is watched is compared unit by unit with what was sent; nothing is coded anew.
"""
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from judge import relay_media, websocket
from judge.relay import LiveReader, Peer, Push, Relay, ffmpeg_push, ffmpeg_save
from judge.units import VIDEO, of_kind, read_ts
from judge.weir import SCALE, wait_until

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "relay" / "sample.ts"


@pytest.fixture(scope="module")
def source():
    return relay_media.folder()


@pytest.fixture
def relay(tmp_path):
    with Relay(cwd=tmp_path) as made:
        yield made
        made.stop()


# ---------------------------------------------------------------- ffmpeg

PUSHES = {"h264-aac": (relay_media.H264, []), "mpeg1-mp2": (relay_media.MPEG1, []), "mp2": (relay_media.MP2, []), "aac": (relay_media.AAC, []),
          "put": (relay_media.MPEG1, ["-method", "PUT"]), "unflushed": (relay_media.H264, ["-flush_packets", "0"])}


@pytest.fixture(scope="module")
def pushed(source, tmp_path_factory):
    """All of them at once, each watched from the start by websocket and by a late websocket and by ffmpeg over HTTP: name → what came."""
    home = tmp_path_factory.mktemp("pushed")
    found = {}
    with Relay(cwd=home) as relay:
        early = {name: relay.viewer(f"/ws/{name}") for name in PUSHES}
        pushers = {name: ffmpeg_push(source / file, relay.url(f"/ts/{name}"), *options) for name, (file, options) in PUSHES.items()}
        wait_until(lambda: all(len(viewer.data) > 8_000 for viewer in early.values()), 20, "the first messages")
        time.sleep(0.8)  # somewhere inside a group of pictures
        late = {name: relay.viewer(f"/ws/{name}") for name in PUSHES}
        saved = {name: ffmpeg_save(relay.url(f"/live/{name}.ts"), home / f"{name}.ts") for name in PUSHES}
        stats = relay.stats()
        for name, pusher in pushers.items():
            pusher.wait(30)
        wait_until(lambda: all(not topic["publishers"] for topic in relay.stats()["topics"]), 10, "the pushers to be gone")
        for name, viewer in early.items():
            truth = relay.topic(name)
            wait_until(lambda: len(viewer.data) >= truth["in"]["bytes"], 10, f"the rest of {name}")
        relay.stop()
        for name in PUSHES:
            saved[name].wait(20, expect=None)
            for viewer in (early[name], late[name]):
                viewer.thread.join(5 * SCALE)
            found[name] = {"early": early[name], "late": late[name], "saved": home / f"{name}.ts", "ffmpeg": saved[name],
                           "stats": next(topic for topic in stats["topics"] if topic["name"] == name)}
    return found


@pytest.mark.parametrize("name", PUSHES)
def test_a_websocket_viewer_gets_all_that_ffmpeg_sends(pushed, source, name):
    data = pushed[name]["early"].data
    assert relay_media.complaints(data) == []
    assert relay_media.same_tail(read_ts((source / PUSHES[name][0]).read_bytes()), read_ts(data), whole=True) == []


@pytest.mark.parametrize("name", PUSHES)
def test_messages_are_whole_packets(pushed, name):
    assert all(opcode == websocket.BINARY and len(payload) % 188 == 0 for _, opcode, payload in pushed[name]["early"].messages)


@pytest.mark.parametrize("name", PUSHES)
def test_who_comes_late_begins_at_a_key_frame_and_misses_nothing_from_there_on_WIN_11(pushed, name):
    early, late = pushed[name]["early"].data, pushed[name]["late"].data
    assert relay_media.complaints(late, late=True) == []
    has_pictures = relay_media.pictures(early) > 0
    assert not has_pictures or relay_media.begins_well(late) == []
    assert relay_media.same_tail(read_ts(early), read_ts(late), least=0.15) == []


@pytest.mark.parametrize("name", PUSHES)
def test_ffmpeg_reads_HTTP_TS_exactly_WIN_12(pushed, name):
    saved = pushed[name]["saved"].read_bytes()
    assert relay_media.same_tail(read_ts(pushed[name]["early"].data), read_ts(saved), least=0.15) == [], pushed[name]["ffmpeg"].story()


@pytest.mark.parametrize("name", PUSHES)
def test_the_statistics_know_the_codecs_and_the_pusher(pushed, name):
    topic = pushed[name]["stats"]
    wanted = {relay_media.H264: {"h264", "aac"}, relay_media.MPEG1: {"mpeg1video", "mp2"}, relay_media.MP2: {"mp2"}, relay_media.AAC: {"aac"}}
    assert {track["codec"] for track in topic["tracks"]} == wanted[PUSHES[name][0]]
    (publisher,) = topic["publishers"]
    assert publisher["user_agent"].startswith("Lavf") and publisher["kind"] == "http"
    assert publisher["dropped_bytes"] == publisher["resyncs"] == publisher["continuity_errors"] == 0


def test_ffprobe_tells_the_codecs_soon_after_joining_late(relay, source):
    with ffmpeg_push(source / relay_media.H264, relay.url("/ts/film"), loop=True):
        wait_until(lambda: (relay.topic("film") or {}).get("tracks"), 20, "the feed", step=0.05)
        with Peer("ffprobe", "-v", "error", "-probesize", "100000", "-show_entries", "stream=codec_name,width,height", "-of", "json",
                  relay.url("/live/film.ts")) as probe:
            found = json.loads(probe.wait(8))["streams"]
    assert {stream["codec_name"] for stream in found} == {"h264", "aac"}
    assert [(s["width"], s["height"]) for s in found if "width" in s] == [(320, 240)]


@pytest.mark.parametrize("file", [relay_media.H264, relay_media.MPEG1])
def test_a_player_that_comes_late_decodes_without_a_single_complaint(relay, source, file):
    with ffmpeg_push(source / file, relay.url("/ts/film"), loop=True):
        wait_until(lambda: (relay.topic("film") or {}).get("tracks"), 20, "the feed", step=0.05)
        time.sleep(0.7)
        with Peer("ffmpeg", "-v", "warning", "-nostdin", "-probesize", "100000", "-i", relay.url("/live/film.ts"), "-t", 1, "-f", "null", "-") as player:
            assert player.wait(20) == ""
        with relay.viewer("/ws/film") as viewer:
            viewer.wait_bytes(1000)
        wait_until(lambda: relay.topic("film")["viewers"] == {"websocket": 0, "http_ts": 0}, 10, "both to be gone")


BRINGS = {"query": ("?token=hush", "", []), "password": ("", ":hush@", []), "name and password": ("", "cam:hush@", []),
          "header": ("", "", ["-headers", "Authorization: Bearer hush\r\n"])}


@pytest.mark.parametrize("way", BRINGS)
def test_ffmpeg_brings_the_push_secret_in_each_documented_way(tmp_path, source, way):
    query, user, options = BRINGS[way]
    with Relay("--push-secret", "hush", cwd=tmp_path) as relay:
        with relay.viewer("/ws/cam") as viewer:
            with ffmpeg_push(source / relay_media.MPEG1, f"http://{user}127.0.0.1:{relay.port}/ts/cam{query}", *options, seconds=1) as pusher:
                pusher.wait(20)
            assert relay_media.pictures(viewer.data) >= 20, pusher.story()
        assert "hush" not in json.dumps(relay.stats()) and "hush" not in relay.stderr
        with ffmpeg_push(source / relay_media.MPEG1, relay.url("/ts/cam?token=wrong"), seconds=4) as pusher:
            wait_until(lambda: pusher.process.poll() is not None, 10, "the refused one to end")
            assert relay.topic("cam")["publishers"] == []
        relay.stop()


# ---------------------------------------------------------------- scripted pushes

def frames_of(data):
    """As ffmpeg's chunks for the sample with `-c copy` (VW-30), and the stray bytes at its end."""
    sizes, at = (15604, 19552, 17108, 16920, 18612, 15604), 0
    for size in sizes:
        yield data[at:at + size]
        at += size
    yield data[at:]


def test_chunks_of_whole_packets_come_out_as_messages_of_the_same_size_SC_3(relay):
    chunks = list(frames_of(SAMPLE.read_bytes()))
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push:
        push.send(*chunks, pause=0.04)
        got = viewer.wait(len(chunks))
        assert push.end() in (200, 204)
        whole = len(chunks[-1]) // 188 * 188
        assert got[:-1] == chunks[:-1] and got[-1] == chunks[-1][:whole]
        assert viewer.link.frames[0] == (websocket.BINARY, True, len(chunks[0])), "one frame a message, final (VW-47)"


def test_pictures_that_ffmpeg_pushes_come_out_one_a_message_SC_3(relay):
    """The sizes are those of ffmpeg's own chunks with `-c copy` (VW-30); the end of the sample is torn."""
    with relay.viewer("/ws/video0") as viewer, ffmpeg_push(SAMPLE, relay.url("/ts/video0")) as pusher:
        pusher.wait(20)
        sizes = [len(payload) for payload in viewer.wait(7)]
    assert sizes == [15604, 19552, 17108, 16920, 18612, 15604, 8084]


def without_tables(data):
    packets = (data[at:at + 188] for at in range(0, len(data), 188))
    return b"".join(p for p in packets if ((p[1] & 0x1f) << 8 | p[2]) not in (0, 0x11, 0x1000))


@pytest.mark.parametrize("size", [188, 1316, 20000, 32768])
def test_every_size_of_chunk_loses_nothing_and_keeps_whole_packets_WIN_3(relay, source, size):
    data = (source / relay_media.MPEG1).read_bytes()
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push:
        push.send(*(data[at:at + size] for at in range(0, len(data), size)))
        assert push.end() in (200, 204)
        # Tables that came in dribbles before the first key frame are given once more, or in their newest form alone, to who joins.
        wait_until(lambda: without_tables(viewer.data) == without_tables(data), 20, "all packets of the media, in order")
        assert all(len(payload) % 188 == 0 for payload in viewer.payloads())


def test_bytes_that_are_no_packets_are_dropped_and_counted_WIN_3(relay, source):
    data = (source / relay_media.MPEG1).read_bytes()[:188 * 200]
    broken = data[:188 * 40] + b"\x00garbage" * 9 + data[188 * 40:]
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push:
        push.send(*(broken[at:at + 1000] for at in range(0, len(broken), 1000)))
        viewer.wait_bytes(len(data) - 188 * 8)
        publisher = wait_until(lambda: (relay.topic("video0") or {}).get("publishers"), 10, "the publisher")[0]
        assert publisher["resyncs"] >= 1 and publisher["dropped_bytes"] >= 72
        assert push.end() in (200, 204)
        assert all(payload[0] == 0x47 and len(payload) % 188 == 0 for payload in viewer.payloads())
        assert len(viewer.data) >= len(data) - 188 * 2


def test_the_end_of_a_push_is_answered_and_leaves_nothing_VW_34_35(relay):
    chunk = SAMPLE.read_bytes()[:15604]
    for _ in range(5):
        with Push(relay, "video0") as push:
            push.send(chunk)
            assert push.end() in (200, 204)
        with Push(relay, "video0") as push:
            push.send(chunk)
            push.cut()
    wait_until(lambda: not (relay.topic("video0") or {"publishers": []})["publishers"], 10, "the pushers to be gone")


def test_two_pushers_on_one_feed_are_each_kept_whole_JS_9(relay, source):
    video, audio = source / relay_media.MPEG1, source / relay_media.MP2
    with relay.viewer("/ws/both") as viewer:
        pair = [ffmpeg_push(video, relay.url("/ts/both"), "-map", "-0:a", seconds=2),
                ffmpeg_push(audio, relay.url("/ts/both"), "-mpegts_start_pid", "0x200", seconds=2)]
        for pusher in pair:
            pusher.wait(30)
        wait_until(lambda: relay.topic("both") and not relay.topic("both")["publishers"], 10, "the end")
        data = viewer.wait_bytes(relay.topic("both")["in"]["bytes"])
    assert relay_media.complaints(data, late=True) == []  # each has tables of its own
    assert {0x100, 0x200} <= {relay_media.pid_of(packet) for packet in relay_media.packets(data)}


def test_a_pusher_that_returns_is_on_the_same_sockets_again_VW_37(relay, source):
    data = (source / relay_media.H264).read_bytes()
    with relay.viewer("/ws/cam") as viewer, LiveReader(relay, "/live/cam.ts") as http:
        wait_until(lambda: (relay.topic("cam") or {"viewers": None})["viewers"] == {"websocket": 1, "http_ts": 1}, 10, "both viewers")
        for turn in (1, 2):
            with Push(relay, "cam") as push:
                push.send(*(data[at:at + 18800] for at in range(0, len(data), 18800)))
                assert push.end() in (200, 204)
            viewer.wait_bytes(turn * len(data))
        assert viewer.data == data + data
        wait_until(lambda: len(http.data) >= 2 * len(data), 10, "HTTP-TS of both turns")
        assert http.data == data + data


def test_text_goes_both_ways_between_websockets_SC_6(relay):
    with relay.connect("/ws/talk") as a, relay.connect("/ws/talk") as b:
        wait_until(lambda: (relay.topic("talk") or {"viewers": {"websocket": 0}})["viewers"]["websocket"] == 2, 10, "both to be there")
        a.send_text("a question")
        assert b.read() == (websocket.TEXT, b"a question")
        b.send_text("an answer")
        assert a.read() == (websocket.TEXT, b"an answer"), "no echo, and the reply"


# ---------------------------------------------------------------- GStreamer

def gst(*pipeline):
    if not shutil.which("gst-launch-1.0"):
        pytest.skip("no GStreamer here")
    return Peer("gst-launch-1.0", "-q", *" ".join(pipeline).split())


GST = {"h264-aac": (relay_media.H264, "d. ! queue ! h264parse ! m. d. ! queue ! aacparse ! m."),
       "mpeg1-mp2": (relay_media.MPEG1, "d. ! queue ! mpegvideoparse ! m. d. ! queue ! mpegaudioparse ! m.")}


@pytest.mark.parametrize("name", GST)
def test_GStreamer_remuxes_and_pushes_in_chunks(relay, source, name):
    """curlhttpsink sends one chunked POST; the clock of the pipeline paces it."""
    file, links = GST[name]
    with relay.viewer("/ws/gst") as viewer:
        with gst(f"filesrc location={source / file} ! tsdemux name=d {links} mpegtsmux name=m alignment=7 ! identity sync=true !",
                 f"curlhttpsink use-content-length=false content-type=video/mp2t location={relay.url('/ts/gst')}") as pusher:
            wait_until(lambda: len(viewer.data) > 40_000 or pusher.process.poll() is not None, 20, "GStreamer's stream")
            with relay.viewer("/ws/gst") as late:
                late.wait_bytes(20_000)
                pusher.wait(40, expect=None)
                time.sleep(0.3)
                early_data, late_data = viewer.data, late.data
        assert relay_media.complaints(early_data) == []
        assert relay_media.complaints(late_data, late=True) == [] and relay_media.begins_well(late_data) == [], pusher.story()
        assert relay_media.pictures(early_data) >= 190, pusher.story()
        sent, got = (of_kind(read_ts(data), VIDEO) for data in ((source / file).read_bytes(), early_data))
        same = len({unit.digest for unit in sent} & {unit.digest for unit in got})
        assert same >= 190 and relay_media.same_tail(read_ts(early_data), read_ts(late_data), least=0.3) == []


def test_GStreamer_that_makes_a_PUT_of_each_buffer_loses_nothing(relay, source):
    """souphttpclientsink: many short pushes on one connection, some of them of packets without tables. At its end it may throw away
    what waits."""
    file, links = GST["mpeg1-mp2"]
    with relay.viewer("/ws/gst") as viewer:
        with gst(f"filesrc location={source / file} ! tsdemux name=d {links} mpegtsmux name=m alignment=7 ! identity sync=true !",
                 f"souphttpclientsink location={relay.url('/ts/gst')}") as pusher:
            pusher.wait(40)
        data = viewer.wait_bytes(relay.topic("gst")["in"]["bytes"])
    sent, got = ([unit.digest for unit in of_kind(read_ts(part), VIDEO)] for part in ((source / file).read_bytes(), data))
    assert got[:-1] == sent[:len(got) - 1] and len(got) >= 190 and relay_media.complaints(data, late=True) == [], pusher.story()


# ---------------------------------------------------------------- node

PEERS = Path(__file__).resolve().parents[1] / "peers"


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """The folder of the scripts in tests/peers with their packages, fetched once into the build folder."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node here")
    from judge.media import cache_root
    import fcntl
    home = cache_root() / "peers"
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetched, wanted = home / "fetched", (PEERS / "package-lock.json").read_text()
        if not fetched.exists() or fetched.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PEERS / name, home)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=home, check=True, timeout=300)
            fetched.write_text(wanted)
        for script in PEERS.glob("*.mjs"):
            shutil.copy(script, home)
    return home


def test_a_node_client_receives_and_sends(relay, node, source, tmp_path):
    data = (source / relay_media.MPEG1).read_bytes()[:188 * 500]
    with relay.connect("/ws/cam") as other, Peer("node", node / "client.mjs", relay.url("/ws/cam", "ws"), tmp_path / "got.ts", len(data)) as client:
        assert other.read(timeout=20 * SCALE) == (websocket.TEXT, b"hello from node")
        assert other.read(timeout=20 * SCALE) == (websocket.BINARY, bytes(range(256)) * 400)
        with Push(relay, "cam") as push:
            push.send(*(data[at:at + 18800] for at in range(0, len(data), 18800)))
            assert push.end() in (200, 204)
        said = client.wait(20)
    assert (tmp_path / "got.ts").read_bytes() == data and "closed 1000" in said, said


def test_a_node_server_is_a_destination(relay, node, source, tmp_path):
    data = (source / relay_media.H264).read_bytes()
    with Peer("node", node / "server.mjs", tmp_path / "got.ts", len(data)) as server:
        port = int(wait_until(lambda: server.said.split(), 20, "node's port")[0])
        relay.destination("node", "cam", f"ws://127.0.0.1:{port}/in/cam")
        relay.wait_for("destinations", "node", "connected")
        with Push(relay, "cam") as push:
            push.send(*(data[at:at + 18800] for at in range(0, len(data), 18800)))
            assert push.end() in (200, 204)
        wait_until(lambda: "got all" in server.said, 20, "all bytes in node")
        assert json.loads(relay.must("DELETE", "/api/destinations/node")) == "node"
        said = server.wait(20)
    assert (tmp_path / "got.ts").read_bytes() == data
    assert "path /in/cam" in said and "closed 1000" in said, said


# ---------------------------------------------------------------- in jsmpeg's place

@pytest.fixture
def jsmpeg(tmp_path):
    with Relay("--jsmpeg-secret", "s3cret", "--jsmpeg-ports", "0,0", cwd=tmp_path) as made:
        made.into, made.out = made.more_ports
        yield made
        made.stop()


def test_the_right_secret_reaches_every_viewer_on_any_path_JS_11_14(jsmpeg, source):
    data = (source / relay_media.MPEG1).read_bytes()
    views = [websocket.connect(jsmpeg.out, path) for path in ("/", "/any/path?x=1")]
    echo = websocket.connect(jsmpeg.out, "/", protocols=["null", "other"])
    assert echo.fields.get("sec-websocket-protocol") == "null", "the first one offered (JS-15)"
    echo.abort()
    with ffmpeg_push(source / relay_media.MPEG1, f"http://127.0.0.1:{jsmpeg.into}/s3cret/640/480", seconds=1) as pusher:
        pusher.wait(20)
    for view in views:
        opcode, payload = view.read()
        assert opcode == websocket.BINARY and payload[0] == 0x47 and len(payload) % 188 == 0
        view.send_text("ignored (JS-15)")
        view.abort()
    assert data[0] == 0x47


@pytest.mark.parametrize("path", ["/wrong", "/", "/s3cre", "/s3crett", "/S3CRET/s3cret"])
def test_a_wrong_secret_is_refused_before_the_body_and_nothing_is_passed_on_JS_13(jsmpeg, path):
    with websocket.connect(jsmpeg.out, "/") as view:
        with Push(jsmpeg, "", port=jsmpeg.into, path=path) as push:
            assert push.answer() in (401, 403, 404), "answered without a byte of body"
        with Push(jsmpeg, "", port=jsmpeg.into, path="/s3cret") as push:
            push.send(SAMPLE.read_bytes()[:18800])
            assert view.read()[1] == SAMPLE.read_bytes()[:18800], "the first that comes is the right pusher's"


def test_messages_of_a_viewer_go_nowhere_and_the_port_has_a_page_JS_15_19(jsmpeg):
    import http.client
    with websocket.connect(jsmpeg.out, "/") as a, websocket.connect(jsmpeg.out, "/") as b:
        a.send_binary(b"not for the others")
        with Push(jsmpeg, "", port=jsmpeg.into, path="/s3cret") as push:
            push.send(SAMPLE.read_bytes()[:188 * 8])
            assert b.read()[1] == SAMPLE.read_bytes()[:188 * 8]
    link = http.client.HTTPConnection("127.0.0.1", jsmpeg.out, timeout=10)
    link.request("GET", "/")
    assert link.getresponse().status == 426, "for who is no browser"
    link.close()
    link.request("GET", "/", headers={"Accept": "text/html"})
    answer = link.getresponse()
    assert answer.status == 200 and b"<canvas" in answer.read()
    link.close()
