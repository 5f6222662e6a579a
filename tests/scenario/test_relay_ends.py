"""How a relay ends and begins: SIGTERM in every state, a port that is taken, wrong settings, rules read again."""
import json
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from judge import websocket
from judge.relay_load import FarSide, HttpViewer, Numbered, Push, RelayRun, Viewer
from judge.weir import left_in_session, run, wait_until
from judge.websocket import Closed

STREAM = Numbered()
SMALL = 4096


class Scene:
    """What a test has opened; all of it goes at the end, after the relay."""

    def __init__(self, relay, folder):
        self.relay, self.folder, self.open = relay, folder, []

    def keep(self, thing):
        self.open.append(thing)
        return thing

    def raw(self, data):
        sock = self.keep(socket.create_connection(("127.0.0.1", self.relay.port), 10))
        sock.sendall(data)
        return sock

    def close(self):
        for thing in self.open:
            if hasattr(thing, "go_on"):
                thing.gone = True
                thing.go_on()
            if hasattr(thing, "over"):
                thing.over.set()
            getattr(thing, "server", getattr(thing, "socket", getattr(thing, "sock", thing))).close()


def viewers(scene):
    for kind, path in ((Viewer, "/ws/video0"), (HttpViewer, "/live/video0.ts"), (Viewer, "/ws/stream/a")):
        scene.keep(kind(scene.relay, path, STREAM))
    for _ in range(20):
        scene.keep(scene.relay.watch("/bi/video0"))


def stalled_viewers(scene):
    for kind, path in ((Viewer, "/ws/video0"), (HttpViewer, "/live/video0.ts")):
        scene.keep(kind(scene.relay, path, STREAM, receive_buffer=SMALL)).pause()
    scene.keep(Push(scene.relay, "video0", STREAM, fps=None, count=16 * 200)).done()


def pushes(scene):
    for feed, fps in (("video0", 50), ("audio0", 50)):
        scene.keep(Push(scene.relay, feed, STREAM, fps=fps))
    scene.raw(b"POST /ts/video0 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nG")
    time.sleep(0.3)


def unpaced_pushes(scene):
    for feed in ("video0", "audio0"):
        scene.keep(Push(scene.relay, feed, STREAM, fps=None))
    time.sleep(0.3)


def dialling(scene):
    silent = scene.keep(socket.socket())
    silent.bind(("127.0.0.1", 0))
    silent.listen(50)
    for i in range(10):
        scene.relay.add_destination(f"d{i}", "video0", silent.getsockname()[1])
    wait_until(lambda: all(d["state"] == "dialling" for d in scene.relay.stats()["destinations"]), 10, "dialling")


def backing_off(scene):
    for i in range(10):
        scene.relay.add_destination(f"b{i}", "video0", 9)
    wait_until(lambda: all(d["state"] == "waiting" for d in scene.relay.stats()["destinations"] if d["id"][0] == "b"), 10, "backing off")


def connected_and_wedged(scene):
    far = scene.keep(FarSide(STREAM, stall=lambda path: path == "/in/deaf"))
    for name in ("well", "deaf"):
        scene.relay.add_destination(name, "video0", far.port, f"/in/{name}")
    wait_until(lambda: len(far.server.sockets) == 2, 10, "connections")
    scene.keep(Push(scene.relay, "video0", STREAM, fps=None, count=16 * 200)).done()


def recording(scene):
    scene.relay.call("POST", "/api/recordings", {"id": "r", "stream": "video0", "file": "kept.bin"})
    scene.keep(Push(scene.relay, "video0", STREAM, fps=50))
    wait_until(lambda: any(r["bytes"] for r in scene.relay.stats()["recordings"]), 10, "bytes")


def half_requests(scene):
    for data in (b"GET /api", b"POST /api/streams HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b""):
        for _ in range(5):
            scene.raw(data)
    for path in ("/ws/api", "/in/x", "/out/x"):
        scene.keep(scene.relay.watch(path)).send_frame(websocket.TEXT, b"half", fin=False)


def command(scene):
    scene.keep(Viewer(scene.relay, "/ws/cam", STREAM))
    wait_until(lambda: scene.relay.stats()["commands"][0]["pid"], 10, "the command")


STATES = [viewers, stalled_viewers, pushes, unpaced_pushes, dialling, backing_off, connected_and_wedged, recording, half_requests, command]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.mark.parametrize("states", [[state] for state in STATES] + [STATES], ids=[state.__name__ for state in STATES] + ["all at once"])
def test_F10_SIGTERM_in_every_state_ends_it_within_five_seconds_and_leaves_nothing(tmp_path, states):
    with RelayRun("--command", "cam=" + json.dumps([sys.executable, "-c", STUBBORN]), cwd=tmp_path) as relay:
        relay.add_stream("stream/a", "video0", "audio0")
        scene = Scene(relay, tmp_path)
        try:
            for state in states:
                state(scene)
            relay.signal(signal.SIGTERM)
            relay.wait(5, expect=0)
        finally:
            scene.close()
        relay.check_nothing_left()
    if states == [recording]:
        kept = (tmp_path / "recordings" / "kept.bin").read_bytes()
        assert kept and len(kept) % 188 == 0 and kept == STREAM.part(0, len(kept) // 188)


def test_F10_a_film_that_is_being_recorded_is_final_or_is_finished_by_the_next_start(tmp_path):
    """Real media, so a child process makes the MP4: it has to go with the relay, and lose nothing."""
    sample = (Path(__file__).parents[1] / "data" / "relay" / "sample.ts").read_bytes()
    film = tmp_path / "recordings" / "film.mp4"
    with RelayRun(cwd=tmp_path) as relay:
        relay.call("POST", "/api/recordings", {"id": "r", "stream": "video0", "file": film.name})
        with socket.create_connection(("127.0.0.1", relay.port), 10) as push:
            push.sendall(b"POST /ts/video0 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(sample), 188 * 50):
                part = sample[at:at + 188 * 50]
                push.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            wait_until(lambda: any(r["bytes"] for r in relay.stats()["recordings"]), 10, "bytes")
            relay.end()
    if not film.exists():
        with RelayRun(cwd=tmp_path):
            wait_until(film.exists, 30, "the film to be finished")
    ledger = json.loads(run("verify", "--json", film, cwd=tmp_path, expect=0).stdout)
    assert ledger["gaps"] == [] and film.stat().st_size > len(sample) // 3


def test_VW_86_SIGINT_is_a_clean_end_too_and_viewers_are_told_goodbye(tmp_path):
    with RelayRun(cwd=tmp_path) as relay, relay.watch("/ws/video0") as viewer:
        relay.signal(signal.SIGINT)
        with pytest.raises(Closed) as closed:
            viewer.read()
        assert closed.value.code == 1001
        viewer.close()
        relay.wait(5, expect=0)


def test_kill_9_leaves_no_command_behind(tmp_path):
    with RelayRun("--command", "cam=" + json.dumps(["sleep", "600"]), cwd=tmp_path) as relay, relay.watch("/ws/cam"):
        wait_until(lambda: relay.stats()["commands"][0]["pid"], 10, "the command")
        relay.process.kill()
        relay.process.wait()
        wait_until(lambda: not left_in_session(relay.process.pid), 5, "the command to end")


def test_VW_84_a_port_that_is_taken_is_one_clear_line_with_what_to_do(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = run("relay", "--port", port, cwd=tmp_path, seconds=10, expect=1).check_one_clear_line()
        assert str(port) in line and "--port" in line
        line = run("relay", "--port", "0", "--jsmpeg-secret", "s", "--jsmpeg-ports", f"{port},0", cwd=tmp_path, seconds=10, expect=1).lines()[-1]
        assert str(port) in line and "--jsmpeg-ports" in line


WRONG = {"VW_PORT": "abc", "vw_port": "70000", "VW_CLIENTBUFFERLENGTH": "many", "VW_PING": "soon", "VW_AUTH": "some", "VW_LISTEN": "not an address", "VW_JSMPEG_PORTS": "1"}


@pytest.mark.parametrize("name", WRONG)
def test_VW_84_a_setting_that_is_none_is_one_clear_line_that_names_it(tmp_path, name):
    more = {"VW_JSMPEG_SECRET": "s"} if "JSMPEG" in name else {}
    weir = run("relay", cwd=tmp_path, seconds=10, env={**({"VW_PORT": "0"} if name.lower() != "vw_port" else {}), **more, name: WRONG[name]})
    assert weir.process.returncode in (1, 2)
    line = weir.check_one_clear_line()
    assert WRONG[name] in line and any(word in line for word in (name, name.upper(), "--" + name[3:].lower().replace("_", "-"))), line


def test_SIGHUP_touches_only_what_changed_and_a_broken_file_changes_nothing(tmp_path):
    rules = tmp_path / "rules.json"
    with FarSide(STREAM) as far, RelayRun("--rules", rules, cwd=tmp_path) as relay:
        relay.add_stream("stream/stays", "video0")
        relay.add_stream("stream/goes", "video0")
        for name in ("stays", "goes", "moves"):
            relay.add_destination(name, "stream/stays", far.port, f"/in/{name}")
        wait_until(lambda: len(far.server.sockets) == 3, 10, "the destinations")
        viewer = Viewer(relay, "/ws/stream/stays", STREAM)
        push = Push(relay, "video0", STREAM, fps=50)
        far.wait_for("/in/moves", 100)
        changed = rules.read_text().replace("/in/moves", "/in/moved")
        told = json.loads(changed)
        drop(told, "stream/goes")
        drop(told, "goes")
        rules.write_text(json.dumps(told))
        relay.signal(signal.SIGHUP)
        relay.wait_for_line("read again", 10)
        far.wait_for("/in/moved", 10)
        assert relay.call("GET", "/api/streams/all") == {"stream/stays": ["video0"]}
        assert sorted(relay.call("GET", "/api/destinations/all")) == ["moves", "stays"]
        before = relay.call("GET", "/api/destinations/all"), relay.call("GET", "/api/streams/all")
        for broken in ("not at all", '{"weir_relay_rules": 99}', json.dumps(told)[:-20], ""):
            rules.write_text(broken)
            lines = len(relay.lines())
            relay.signal(signal.SIGHUP)
            wait_until(lambda: any("stay as they were" in line for line in relay.lines()[lines:]), 10, "a clear line")
            assert (relay.call("GET", "/api/destinations/all"), relay.call("GET", "/api/streams/all")) == before
        total = push.stop()
        viewer.wait_for(total)
        viewer.checker.assert_whole(total)
        far.wait_for("/in/stays", total)
        far.checkers["/in/stays"].assert_whole(total)
        assert relay.destination("stays")["connections"] == 1
        viewer.leave()
        # A change by REST makes the file whole again.
        relay.add_stream("stream/new", "video0")
        assert json.loads(rules.read_text()) and "stream/new" in rules.read_text()
    with RelayRun("--rules", rules, cwd=tmp_path) as relay:
        assert sorted(relay.call("GET", "/api/streams/all")) == ["stream/new", "stream/stays"]
        assert sorted(relay.call("GET", "/api/destinations/all")) == ["moves", "stays"]


def drop(rules, name):
    """Wherever the file keeps rules: as members or as a list."""
    for kind in ("streams", "destinations"):
        found = rules[kind]
        if isinstance(found, dict):
            found.pop(name, None)
        else:
            rules[kind] = [rule for rule in found if name not in (rule.get("id"), rule.get("stream") if kind == "streams" else None)]
