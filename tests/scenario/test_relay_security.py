"""Lessons 25 to 32 and B6 of the reliability notes against the relay's real port with raw sockets: refused by a clear answer, memory as
it was, and others served meanwhile."""
import json
import os
import socket
import struct
import threading
import time

import pytest

from judge import websocket
from judge.relay_load import SANITIZED, Numbered, Push, RelayRun, Viewer
from judge.weir import SCALE, run, wait_until
from judge.websocket import Closed, Refused, connect

MEMORY = 10 << 20
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    with RelayRun(cwd=tmp_path_factory.mktemp("relay")) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with RelayRun("--admin-token", "right-token", "--push-secret", "right-secret", secrets=["right-token"], cwd=tmp_path_factory.mktemp("guarded")) as made:
        yield made


@pytest.fixture(autouse=True)
def memory_stays(request):
    """After each test the relays live, answer at once, and hold no more than 10 MiB more than before it."""
    runs = [request.getfixturevalue(name) for name in ("relay", "guarded") if name in request.fixturenames]
    before = [made.resident() for made in runs]
    yield
    for made, was in zip(runs, before):
        assert made.request("GET", "/healthcheck")[2] == b'"ok"\n'
        assert SANITIZED or made.resident() - was <= MEMORY, f"grew by {(made.resident() - was) >> 10} KiB"


def raw(relay, data, seconds=15, until_end=True):
    """What comes back to these bytes, till the end of the connection."""
    got = b""
    with socket.create_connection(("127.0.0.1", relay.port), 10) as sock:
        sock.settimeout(seconds * SCALE)
        try:
            sock.sendall(data)
        except ConnectionError:
            pass
        try:
            while piece := sock.recv(65536):
                got += piece
                if not until_end and b"\r\n\r\n" in got:
                    break
        except ConnectionError:
            pass
    return got


def status(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


def close_code(sock, seconds=10):
    """The code by which the relay ended it; data and pongs before that are nobody's business. None: cut without a word."""
    with pytest.raises(Closed) as closed:
        while True:
            sock.read(timeout=seconds * SCALE)
    return closed.value.code or sock.close_code


PATHS = ["/ws/video0", "/ws/api", "/in/x", "/out/x"]


# ---- lessons 25 to 31: websockets

@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("length, code", [((1 << 63) - 1, 1009), ((1 << 63) - 15, 1009), (1 << 63, 1002), ((1 << 64) - 1, 1002), (1 << 32, 1009), (11 << 20, 1009)])
def test_CVE_2020_27813_a_frame_of_63_bits_of_length_is_refused_before_anything_is_held(relay, path, length, code):
    with relay.watch(path) as sock:
        sock.sock.sendall(bytes([0x82, 0xFF]) + struct.pack(">Q", length) + b"keyy" + b"x" * 1000)
        assert close_code(sock) == code


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("frame", [bytes([0x89, 0xFE, 0, 126]), bytes([0x88, 0xFE, 0, 200]), bytes([0x8A, 0xFF]) + struct.pack(">Q", 1 << 40),
                                   bytes([0x09, 0x81])], ids=["ping of 126", "close of 200", "pong of 2^40", "a ping in parts"])
def test_CVE_2020_13935_control_frames_of_more_than_125_bytes_or_in_parts_end_the_connection(relay, path, frame):
    with relay.watch(path) as sock:
        sock.sock.sendall(frame + b"keyy" + b"x" * 300)
        assert close_code(sock) == 1002


def flood(sock, data, most):
    """Sends on and on, until the other side ends it or all is sent."""
    sock.sock.settimeout(20 * SCALE)
    sent = 0
    try:
        while sent < most:
            sock.sock.sendall(data)
            sent += len(data)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("payload", [b"", b"x"], ids=["empty", "one byte"])
def test_CVE_2026_48779_a_flood_of_tiny_fragments_is_refused(relay, path, payload):
    with relay.watch(path) as sock:
        sock.send_frame(websocket.BINARY, b"x", fin=False)
        before, more = relay.resident(), websocket.frame(0, payload, b"keyy", fin=False) * 5000
        flood(sock, more, 8 << 20)
        assert SANITIZED or relay.resident() - before < MEMORY
        assert close_code(sock) in (1009, None)


def test_CVE_2026_48779_a_flood_of_pings_inside_a_message_is_refused(relay):
    with relay.watch("/ws/video0") as sock:
        sock.send_frame(websocket.BINARY, b"x", fin=False)
        flood(sock, websocket.frame(websocket.PING, b"", b"keyy") * 5000, 1 << 20)
        assert close_code(sock) in (1008, None)


def test_CVE_2026_48779_twenty_floods_at_once_stay_within_ten_megabytes(relay):
    before, most, over = relay.resident(), 0, threading.Event()

    def one():
        for _ in range(3):
            with relay.watch("/ws/flood") as sock:
                sock.send_frame(websocket.TEXT, b"x", fin=False)
                flood(sock, websocket.frame(0, b"", b"keyy", fin=False) * 5000, 4 << 20)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, relay.resident())
        time.sleep(0.01)
    print(f"at most {(most - before) >> 10} KiB more")
    assert SANITIZED or most - before <= MEMORY


def test_libhv_875_frames_without_an_end_are_refused_at_the_message_limit(relay):
    before = relay.resident()
    with relay.watch("/ws/video0") as sock:
        sock.send_frame(websocket.BINARY, b"x", fin=False)
        flood(sock, websocket.frame(0, b"x" * 65536, b"keyy", fin=False), 100 << 20)
        assert close_code(sock) in (1009, None)
    # A message may hold 10 MiB; once it is refused nothing of it is.
    wait_until(lambda: SANITIZED or relay.resident() - before <= MEMORY, 5, "the memory to be given back")


@pytest.mark.parametrize("path", PATHS)
def test_CVE_2016_10544_compression_is_never_agreed_and_its_bit_is_an_error(relay, path):
    with relay.watch(path, headers=[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]) as sock:
        assert "sec-websocket-extensions" not in sock.fields
        sock.sock.sendall(bytes([0xC2, 0x85]) + b"keyy" + b"bytes")
        assert close_code(sock) == 1002


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [9 << 10, 17 << 10, 4 << 20], ids=["9 KiB", "17 KiB", "4 MiB"])
def test_CVE_2023_43669_a_handshake_of_more_than_8_KiB_is_refused_and_costs_nothing(relay, path, size):
    head = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{relay.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    begun = relay.cpu_seconds()
    assert status(raw(relay, head.encode() + b"X: " + b"y" * size + b"\r\n\r\n", until_end=False)) == 431
    assert SANITIZED or relay.cpu_seconds() - begun < 0.25 * SCALE


@pytest.mark.parametrize("fields", [101, 10_000])
@pytest.mark.parametrize("request_line", ["GET /ws/video0", "GET /api/streams/all", "POST /ts/video0"])
def test_CVE_2024_37890_more_than_a_hundred_headers_are_refused(relay, request_line, fields):
    head = f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "".join(f"a{i}: b\r\n" for i in range(fields)) + "\r\n"
    assert status(raw(relay, head.encode(), until_end=False)) == 431


def test_CVE_2024_37890_headers_one_at_a_time_without_an_end_are_refused(relay):
    assert status(raw(relay, b"GET /ws/video0 HTTP/1.1\r\n" + b"a: b\r\n" * 101, until_end=False)) == 431  # no empty line came


# ---- the same from a server that a destination dials

@pytest.mark.parametrize("frame", [bytes([0x82, 0x7F]) + struct.pack(">Q", (1 << 63) - 1), bytes([0x89, 0x7E, 0, 126]) + b"x" * 126, bytes([0xC2, 0x01, 0x78]),
                                   bytes([0x82, 0x81]) + b"keyyx"], ids=["CVE_2020_27813", "CVE_2020_13935", "CVE_2016_10544", "masked"])
def test_a_destination_that_breaks_the_protocol_is_dropped_with_a_reason(relay, frame):
    def serve(made, path, headers):
        made.sock.sendall(frame)
        made.read(timeout=20)

    with websocket.Server(serve=serve) as far:
        relay.add_destination("bad", "video0", far.port)
        wait_until(lambda: relay.destination("bad")["last_error"], 10, "its reason")
        assert relay.destination("bad")["state"] == "waiting"
        relay.call("DELETE", "/api/destinations/bad")


# ---- lesson 32: whose page asks

FOREIGN = [("Origin", EVIL), ("Origin", "null"), ("Origin", "http://127.0.0.1.evil.example"), ("Sec-Fetch-Site", "cross-site")]


def clear_line(text):
    text = text.decode()
    assert text.endswith("\n") and text.count("\n") == 1 and 10 < len(text) < 300, text


@pytest.mark.parametrize("path", [*PATHS, "/bi/x", "/ws/stream/a", "/session/x"])
@pytest.mark.parametrize("header", FOREIGN[:3], ids=lambda h: h[1])
def test_CVE_2024_26135_another_sites_page_opens_no_websocket(relay, path, header):
    with pytest.raises(Refused) as refused:
        relay.watch(path, headers=[header])
    assert refused.value.status == 403
    clear_line(refused.value.body)
    assert b"--allow-origin" in refused.value.body


@pytest.mark.parametrize("method, path", [("POST", "/api/streams"), ("DELETE", "/api/streams/all"), ("GET", "/api/stats"), ("GET", "/api/destinations/all"), ("GET", "/metrics"),
                                          ("POST", "/ts/video0"), ("GET", "/live/video0.ts"), ("POST", "/api/recordings"), ("GET", "/api/events")])
@pytest.mark.parametrize("header", FOREIGN, ids=lambda h: h[1])
def test_CVE_2024_26135_another_sites_page_reaches_no_door(relay, method, path, header):
    code, headers, text = relay.request(method, path, '{"stream":"stream/evil","feeds":[]}' if method == "POST" else None, {header[0]: header[1]})
    assert code == 403 and "Access-Control-Allow-Origin" not in headers
    clear_line(text)
    assert relay.call("GET", "/api/streams/all") == {}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8888", "127.0.0.1.evil.example", "2130706433"])
def test_DNS_rebinding_a_host_that_is_not_this_machine_is_refused(relay, path, host):
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    for line, more in ((f"GET {path}", upgrade), ("GET /api/stats", ""), ("DELETE /api/streams/all", ""), ("GET /live/x.ts", "")):
        assert status(raw(relay, f"{line} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode(), until_end=False)) in (400, 403), line


def test_CVE_2024_26135_an_origin_that_was_let_in_is_let_in_alone(tmp_path):
    with RelayRun("--allow-origin", "https://lab.example", cwd=tmp_path) as relay:
        relay.watch("/ws/video0", headers=[("Origin", "https://lab.example")]).close()
        for other in ("https://lab.example.evil.example", "http://lab.example", "https://lab.example:444", EVIL):
            with pytest.raises(Refused):
                relay.watch("/ws/video0", headers=[("Origin", other)])


# ---- B6: REST

ADMIN_DOORS = [("GET", "/api/streams/all"), ("POST", "/api/streams"), ("PUT", "/api/destinations"), ("DELETE", "/api/destinations/all"), ("GET", "/api/stats"),
               ("GET", "/api/events"), ("GET", "/metrics"), ("POST", "/api/recordings"), ("GET", "/api/destinations/all"), ("GET", "/bids/deny"), ("GET", "/status")]


@pytest.mark.parametrize("method, path", ADMIN_DOORS)
def test_B6_without_the_admin_token_nothing_is_told_or_done(guarded, method, path):
    body = '{"stream":"stream/evil","feeds":[]}' if method in ("POST", "PUT") else None
    for given in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer right-secret"}, {"Authorization": "right-token-and-more"},
                  {"Authorization": "Basic cmlnaHQ6d3Jvbmc="}, {"Authorization": "Bearer " + "x" * 5000}):
        code, _, text = guarded.request(method, path, body, given)
        assert code in (401, 403), (given, code, text)
        assert b"right" not in text and text.count(b"\n") <= 1
    assert guarded.call("GET", "/api/streams/all") == {}


def test_B6_the_console_asks_for_the_admin_token_too(guarded):
    for headers in ([], [("Authorization", "Bearer wrong")], [("Authorization", "Bearer right-secret")]):
        with pytest.raises(Refused) as refused:
            guarded.watch("/ws/api", headers=headers)
        assert refused.value.status in (401, 403)
    guarded.watch("/ws/api", headers=[("Authorization", "Bearer right-token")]).close()
    guarded.watch("/ws/api?token=right-token").close()


def head_of(path, fields, method="POST"):
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode()


@pytest.mark.parametrize("path, framing", [("/api/streams", "Content-Length: 104857600\r\n"), ("/api/destinations", "Transfer-Encoding: chunked\r\n")], ids=["length", "chunked"])
def test_B6_a_body_of_100_MB_is_refused_long_before_its_end(relay, path, framing):
    piece = b"[" * 65536
    if "chunked" in framing:
        piece = b"10000\r\n" + piece + b"\r\n"
    with socket.create_connection(("127.0.0.1", relay.port), 10) as sock:
        sock.settimeout(20 * SCALE)
        sent = 0
        try:
            sock.sendall(head_of(path, framing))
            while sent < 100 << 20:
                sock.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        assert sent < 30 << 20, f"took {sent >> 20} MiB"
    # Who reads the answer as soon as it comes sees it.
    assert status(raw(relay, head_of(path, framing) + piece * 2, until_end=False)) == 413


def test_B6_slow_bodies_hold_nobody_up_and_are_let_go(relay):
    """Slowloris: forty connections that dribble; REST goes on, and each is answered within its ten seconds."""
    slow = []
    for i in range(40):
        sock = socket.create_connection(("127.0.0.1", relay.port), 20)
        sock.sendall(head_of("/api/streams", "Content-Length: 50000\r\n") + b'{"stream":' if i % 2 else b"GET /api/stats HTTP/1.1\r\nHost: ")
        slow.append(sock)
    for _ in range(24):
        assert relay.request("GET", "/api/streams/all", timeout=5)[0] == 200
        for sock in slow:
            try:
                sock.send(b"a")
            except OSError:
                pass
        time.sleep(0.5 * SCALE)
    for i, sock in enumerate(slow):
        sock.settimeout(10 * SCALE)
        try:
            answer = sock.recv(65536)
        except ConnectionError:
            answer = b""
        assert answer == b"" or status(answer) == 408, answer[:100]
        sock.close()


DEEP = {"arrays": "[" * 10_000 + "]" * 10_000, "objects": '{"a":' * 10_000 + "1" + "}" * 10_000, "in feeds": '{"stream":"s","feeds":' + "[" * 10_000 + "]" * 10_000 + "}",
        "unfinished": "[" * 60_000}


@pytest.mark.parametrize("kind", DEEP)
def test_CVE_2017_5950_JSON_ten_thousand_deep_is_refused_by_REST_and_console(relay, kind):
    for path in ("/api/streams", "/api/destinations", "/api/recordings"):
        code, _, text = relay.request("POST", path, DEEP[kind])
        assert code == 400
        clear_line(text)
    with relay.watch("/ws/api") as console:
        for message in (DEEP[kind], '{"verb":"add","what":"stream","rule":' + DEEP[kind] + "}"):
            console.send_text(message)
            assert list(json.loads(console.read()[1])) == ["error"]


# ---- pushes

@pytest.mark.parametrize("given", ["", "?token=wrong", "?token=right-token"])
def test_WIN_8_a_wrong_push_secret_is_refused_before_the_body_is_read(guarded, given):
    for fields in ("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 1000000\r\n"):
        answer = raw(guarded, head_of("/ts/video0" + given, fields), until_end=False)  # not one byte of the body was sent
        assert status(answer) in (401, 403), answer
        assert b"100 Continue" not in answer
    assert guarded.stats()["topics"] == []


@pytest.mark.parametrize("given, header", [("?token=right-secret", ""), ("", "Authorization: Bearer right-secret\r\n"), ("", "Authorization: Basic dTpyaWdodC1zZWNyZXQ=\r\n")])
def test_WIN_8_with_the_right_one_the_body_is_asked_for(guarded, given, header):
    answer = raw(guarded, head_of("/ts/video0" + given, header + "Expect: 100-continue\r\nContent-Length: 188\r\nConnection: close\r\n"), until_end=False)
    assert answer.startswith(b"HTTP/1.1 100 ")


def test_JS_13_the_wrong_jsmpeg_secret_is_refused_before_the_body_and_broadcasts_nothing(tmp_path):
    with RelayRun("--jsmpeg-secret", "s3cret", "--jsmpeg-ports", "0,0", cwd=tmp_path) as relay:
        wait_until(lambda: len(relay.stdout.split()) == 3, 10, "three addresses")
        ports = [int(line.strip("/").rsplit(":", 1)[1]) for line in relay.stdout.split()[1:]]
        with connect(ports[1], "/") as viewer:
            relay.port = ports[0]
            for path in ("/wrong", "/s3cre", "/s3crett/x", "/", "/S3CRET"):
                answer = raw(relay, head_of(path, "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), until_end=False)
                assert status(answer) == 403 and b"s3cret" not in answer
            assert status(raw(relay, head_of("/s3cret/640/480", "Connection: close\r\nContent-Length: 4\r\n") + b"data")) == 200
            assert viewer.read() == (websocket.BINARY, b"data")
        assert "s3cret" not in relay.stdout + relay.stderr


def test_B6_a_stalled_push_and_stalled_heads_hold_no_viewer_up(relay):
    stream = Numbered()
    stalled = []
    for head in (head_of("/ts/slow", "Transfer-Encoding: chunked\r\n") + b"ffff\r\nG", b"GET /ws/video0 HTT", head_of("/ts/slow", "Content-Length: 99999999\r\n")):
        for _ in range(20):
            sock = socket.create_connection(("127.0.0.1", relay.port), 20)
            sock.sendall(head)
            stalled.append(sock)
    viewer = Viewer(relay, "/ws/healthy", stream)
    total = Push(relay, "healthy", stream, fps=200, count=200).done()
    viewer.wait_for(total)
    viewer.checker.assert_whole(total)
    viewer.leave()
    for sock in stalled:
        sock.close()


# ---- secrets

def test_canary_secrets_are_never_shown(tmp_path):
    canaries = {name: f"CANARY-{name}-{os.urandom(4).hex()}" for name in ("push", "admin", "viewer", "destination", "query", "wrong", "password")}
    (tmp_path / "viewer.key").write_text(canaries["viewer"])
    rules = tmp_path / "rules.json"
    options = ["--push-secret", canaries["push"], "--admin-token", canaries["admin"], "--viewer-secret-file", "viewer.key", "--rules", rules, "--audience", "http://lab.example"]
    stream = Numbered()
    with websocket.Server(refuse=lambda *_: 401) as far, RelayRun(*options, env={"TRACE": "1"}, secrets=[canaries["admin"]], cwd=tmp_path) as relay:
        relay.add_destination("0", "video0", far.port, f"/in/x?token={canaries['query']}", token=canaries["destination"])
        relay.call("POST", "/api/destinations", {"id": "1", "stream": "video0", "destination": f"ws://u:{canaries['password']}@127.0.0.1:9/x", "token": ""})
        relay.call("POST", "/api/destinations", {"id": "2", "stream": "video0", "destination": f"http://127.0.0.1:9/session/x?token={canaries['query']}", "token": canaries["destination"]})
        Push(relay, "video0", stream, fps=200, count=20, query=f"?token={canaries['push']}").done()
        for path in (f"/api/stats?token={canaries['wrong']}", f"/ts/x?token={canaries['wrong']}", f"/nowhere?token={canaries['wrong']}"):
            relay.request("POST", path, headers={"Authorization": f"Bearer {canaries['wrong']}"})
        relay.request("POST", "/api/streams", f'{{"stream": {canaries["wrong"]}')
        for path in ("/ws/video0", f"/ws/video0?token={canaries['viewer']}", f"/in/x?token={canaries['admin']}"):
            try:
                relay.watch(path).close()
            except Refused as refused:
                assert b"CANARY" not in refused.body
        assert far.wait(lambda: far.attempts, 10)
        wait_until(lambda: all(relay.destination(i)["last_error"] for i in "02"), 10, "errors")
        time.sleep(0.5)
        shown = {"/api/stats": relay.request("GET", "/api/stats")[2].decode(), "/metrics": relay.request("GET", "/metrics")[2].decode(),
                 "/": relay.request("GET", "/")[2].decode()}
        for path in ("/api/destinations/all", "/api/destinations/0", "/api/stats", "/metrics"):
            code, _, text = relay.request("GET", path, headers={"Authorization": "Bearer nobody"})
            assert code == 401
            shown[f"{path} without rights"] = text.decode()
        relay.signal(1)
        relay.end()
        shown.update(stdout=relay.stdout, stderr=relay.stderr)
    for where, text in shown.items():
        for name, canary in canaries.items():
            assert canary not in text, f"the {name} secret is in {where}: {text[max(0, text.index(canary) - 200):][:400]}"
    assert rules.stat().st_mode & 0o777 == 0o600 and canaries["destination"] in rules.read_text()


# ---- opening it, rules files

@pytest.mark.parametrize("options", [["--listen", "0.0.0.0"], ["--listen", "0.0.0.0:0", "--admin-token", "a"], ["--listen", "::", "--viewers", "anyone"]])
def test_no_door_is_open_by_accident(tmp_path, options):
    weir = run("relay", "--port", "0", *options, cwd=tmp_path, seconds=10, expect=2)
    assert "--push-secret" in (line := weir.check_one_clear_line()) and "--auth none" in line


BROKEN = {"no JSON": "not at all", "cut": '{"weir_relay_rules": 1, "streams": {', "a list": "[]", "deep": "[" * 100_000, "wrong types": '{"weir_relay_rules":1,"streams":5}', "empty": ""}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_rules_file_is_one_clear_line_and_stays_as_it_was(tmp_path, kind):
    (tmp_path / "rules.json").write_text(BROKEN[kind])
    weir = run("relay", "--port", "0", "--rules", "rules.json", cwd=tmp_path, seconds=10, expect=2)
    assert "rules.json" in weir.check_one_clear_line()
    assert (tmp_path / "rules.json").read_text() == BROKEN[kind]


def test_an_unreadable_rules_file_is_one_clear_line(tmp_path):
    (tmp_path / "rules.json").mkdir()
    weir = run("relay", "--port", "0", "--rules", "rules.json", cwd=tmp_path, seconds=10, expect=1)
    assert "rules.json" in weir.check_one_clear_line()


# ---- names (B5) and commands

@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.ts", "..", ".", "a//b", "./x"])
def test_B5_CVE_2024_31450_a_recordings_name_never_climbs_out_of_its_folder(relay, name):
    before = sorted(p for p in relay.cwd.rglob("*"))
    code, _, text = relay.request("POST", "/api/recordings", {"id": "evil", "stream": "video0", "file": name})
    state = [r for r in relay.stats()["recordings"] if r["id"] == "evil"]
    assert code == 400 or (state[0]["state"], "below the recordings folder" in state[0]["error"]) == ("failed", True), (code, text, state)
    relay.request("DELETE", "/api/recordings/evil")
    assert sorted(p for p in relay.cwd.rglob("*")) == before


@pytest.mark.parametrize("name", ["é" * 150 + ".bin", "x" * 300 + ".bin", "📹 front.bin", "CON.bin", "-rf.bin", "\u202egnp.bin", "a\u0000b.bin", "line\nbreak.bin", "$(id).bin", "'; rm -rf.bin"])
def test_B5_any_other_name_becomes_one_harmless_file(relay, name):
    known = set(relay.cwd.rglob("*"))
    code, _, text = relay.request("POST", "/api/recordings", {"id": "name", "stream": "names", "file": name})
    if code != 200:
        assert code == 400
        return clear_line(text)
    assert status(raw(relay, head_of("/ts/names", "Content-Length: 5\r\nConnection: close\r\n") + b"bytes")) == 200
    mine = lambda: next(r for r in relay.stats()["recordings"] if r["id"] == "name")
    wait_until(lambda: mine()["bytes"] or mine()["error"], 10, "the bytes", 0.05)
    relay.call("DELETE", "/api/recordings/name")
    wait_until(lambda: mine()["state"] in ("finished", "failed"), 20, "its end", 0.05)
    made = [p for p in set(relay.cwd.rglob("*")) - known if p.is_file()]
    assert mine()["state"] == "finished" and made, mine()
    for path in made:
        assert path.parent == relay.cwd / "recordings" and len(os.fsencode(path.name)) <= 255 and not path.name.startswith("-")
        assert path.name.isprintable(), repr(path.name)


@pytest.mark.parametrize("path", ["/ts/a%00b", "/ws/a%00b", "/live/a%00b.ts", "/in/%00", "/ts/a%0Ab", "/ts/" + "a" * 3000, "/api/streams/%00", "/ts/%ff%fe"])
def test_B5_feed_names_with_controls_or_without_end_are_refused(relay, path):
    code, _, text = relay.request("POST" if path.startswith("/ts") else "GET", path, b"x" if path.startswith("/ts") else None)
    assert code in (400, 404), (code, text)
    assert not any("\u0000" in topic["name"] for topic in relay.stats()["topics"])


def test_B5_any_other_feed_name_is_data_only(relay):
    wanted = ["📹", "\u202eabc", "<script>alert(1)</script>", 'a"b', "a b", "${jndi:x}", "'; drop"]
    open_ = [relay.watch("/ws/" + "".join(f"%{b:02X}" for b in name.encode())) for name in wanted]
    names = [topic["name"] for topic in relay.stats()["topics"]]
    assert set(wanted) <= set(names)
    assert relay.request("GET", "/metrics")[0] == 200
    for sock in open_:
        sock.abort()


def test_CVE_2024_29191_GHSA_6gj8_a_command_cannot_be_given_by_the_API(relay, tmp_path):
    mark = tmp_path / "mark"
    command = ["touch", str(mark)]
    for path in ("/api/commands", "/api/command", "/api/commands/video0", "/api/settings"):
        assert relay.request("POST", path, {"feed": "video0", "command": command})[0] in (404, 405)
    relay.request("POST", "/api/streams", {"stream": "stream/c", "feeds": ["video0"], "command": command, "commands": {"video0": command}})
    relay.request("POST", "/api/destinations", {"id": "c", "stream": "video0", "destination": f"exec:touch {mark}", "token": "", "command": command})
    with relay.watch("/ws/video0"), relay.watch("/ws/stream/c"), relay.watch("/ws/api") as console:
        console.send_text(json.dumps({"verb": "add", "what": "command", "rule": {"feed": "video0", "command": command}}))
        assert list(json.loads(console.read()[1])) == ["error"]
        time.sleep(0.5)
        assert relay.stats()["commands"] == []
    relay.request("DELETE", "/api/streams/all")
    relay.request("DELETE", "/api/destinations/all")
    assert not mark.exists()
