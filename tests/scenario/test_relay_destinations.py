"""Destinations: websocket servers that the relay dials, that are cut and return, that want tokens, behind a proxy and over TLS; rules
that change while a stream runs.
"""
import http.server
import json
import ssl
import threading
import time
from pathlib import Path

import pytest

from judge import relay_media, websocket
from judge.origin import TestCa
from judge.relay import ConnectProxy, Paced, Push, Relay, ffmpeg_push
from judge.units import VIDEO, of_kind, read_ts
from judge.weir import SCALE, wait_until

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "relay" / "sample.ts"
SIZES = [15604, 19552, 17108, 16920, 18612]


@pytest.fixture(scope="module")
def film():
    return (relay_media.folder() / relay_media.MPEG1).read_bytes()


@pytest.fixture
def relay(tmp_path):
    with Relay(cwd=tmp_path) as made:
        yield made
        made.stop()


@pytest.fixture
def far():
    """Far servers that end with the test."""
    made = []

    def make(*args, **options):
        made.append(websocket.Server(*args, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


def to(server, path="/in/video0", scheme="ws"):
    return f"{scheme}://127.0.0.1:{server.port}{path}"


def got(server, number=None):
    """Payloads of the binary messages, of one connection or all."""
    return [payload for n, opcode, payload in list(server.messages) if opcode == websocket.BINARY and number in (None, n)]


def wait_for_messages(server, count, number=None, seconds=20):
    wait_until(lambda: len(got(server, number)) >= count, seconds, f"{count} messages")
    return got(server, number)


def sample_pieces():
    data, at, pieces = SAMPLE.read_bytes(), 0, []
    for size in SIZES:
        pieces.append(data[at:at + size])
        at += size
    return [*pieces, data[at:]]


# ---------------------------------------------------------------- vw's own scenarios

def test_a_stream_reaches_its_destination_with_the_same_sizes_though_a_feed_never_comes_SC_4(relay, far):
    server = far()
    relay.stream("stream/front", "video0", "audio")
    relay.destination("0", "stream/front", to(server))
    relay.wait_for("destinations", "0", "connected")
    with Push(relay, "video0") as push:
        push.send(*sample_pieces(), pause=0.04)
        pieces = wait_for_messages(server, 5)
        assert [len(piece) for piece in pieces[:5]] == SIZES and pieces[:5] == sample_pieces()[:5]
        assert server.attempts[0][1] == "/in/video0"
        assert server.sockets[0].frames[0] == (websocket.BINARY, True, SIZES[0]), "one frame a message, no pieces of 4096 (VW-75)"
        push.end()


def authorising(tokens):
    """A server side that wants a token first (VW-77, CB-3)."""

    def serve(made, path, fields):
        opcode, token = made.read(timeout=60)
        good = opcode == websocket.TEXT and token.decode() in tokens
        made.token = token
        made.send_text(json.dumps({"topic": path, "token": token.decode(), "authorised": good, "reason": "ok" if good else "Denied"}))
        if not good:
            time.sleep(0.05)
            return made.close()
        server = serve.server
        while True:
            server.keep(made, *made.read(timeout=600))
    return serve


@pytest.mark.parametrize("token", ["", "letmein"])
def test_the_destination_changes_while_the_stream_runs_SC_5(relay, far, film, token):
    servers = []
    for _ in range(2):
        serve = authorising({"letmein"}) if token else None
        servers.append(far(serve))
        if serve:
            serve.server = servers[-1]
    relay.stream("stream/front", "video0")
    relay.destination("0", "stream/front", to(servers[0]), token=token)
    relay.wait_for("destinations", "0", "connected")
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push, Paced(push, relay_media.by_picture(film)[:75]) as paced:
        wait_for_messages(servers[0], 5)
        relay.destination("0", "stream/front", to(servers[1]), token=token)
        at = paced.sent
        wait_for_messages(servers[1], 5)
        assert paced.sent - at <= 40 * SCALE
        assert paced.finish() in (200, 204)
        assert viewer.wait_bytes(sum(map(len, paced.pieces))) == b"".join(paced.pieces), "the untouched viewer"
    wait_until(lambda: servers[0].sockets[0].close_code == 1000, 10, "a proper goodbye to the first (VW-25, VW-78)")
    second = b"".join(got(servers[1]))
    assert relay_media.begins_well(second) == [] and relay_media.complaints(second, late=True) == []
    assert all(server.sockets[0].token == b"letmein" for server in servers if token)


def test_a_wrong_token_passes_nothing_in_either_direction_SC_13_VW_77(relay, far, film):
    serve = authorising({"right"})
    server = serve.server = far(serve)
    relay.destination("bad", "video0", to(server), token="wrong")
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push:
        push.send(*relay_media.by_picture(film)[:20])
        wait_until(lambda: server.attempts and relay.of("destinations", "bad")["last_error"], 10, "the refusal")
        viewer.wait_bytes(sum(map(len, relay_media.by_picture(film)[:20])))
        assert server.messages == [] and "wrong" not in json.dumps(relay.stats())
        relay.destination("bad", "video0", to(server), token="right")
        relay.wait_for("destinations", "bad", "connected")
        push.send(*relay_media.by_picture(film)[20:40])
        wait_for_messages(server, 5)
        push.end()
    assert len(server.attempts) < 10


def test_rules_added_twice_deleted_and_two_at_once_SC_11(relay, far, film):
    first, second, third = far(), far(), far()
    relay.destination("0", "video0", to(first))
    relay.destination("0", "video0", to(second), token="")
    relay.destination("1", "video0", to(third))
    for name in "01":
        relay.wait_for("destinations", name, "connected")
    pieces = relay_media.by_picture(film)
    with Push(relay, "video0") as push:
        push.send(*pieces[:10], pause=0.02)
        wait_for_messages(second, 5)
        assert json.loads(relay.must("DELETE", "/api/destinations/0")) == "0"
        wait_until(lambda: second.sockets[-1].close_code == 1000, 10, "the goodbye")
        before = len(got(second))
        push.send(*pieces[10:30], pause=0.02)
        wait_until(lambda: sum(map(len, got(third))) == sum(map(len, pieces[:30])), 10, "all at the other")
        assert len(got(second)) == before and got(first) == [], "the last rule of an id counts, and the other goes on"
        assert b"".join(got(third)) == b"".join(pieces[:30])
        assert json.loads(relay.must("DELETE", "/api/destinations/all")) == "deleteAll", "WIN-9"
        assert relay.must("GET", "/api/destinations/all") == "{}"
        push.end()


def test_text_to_an_upper_casing_server_returns_on_the_topic_SC_11_VW_76(relay, far):
    def upper(made, path, fields):
        while True:
            made.send_text(made.read(timeout=600)[1].decode().upper())

    relay.destination("0", "talk", to(far(upper), "/bi/talk"))
    relay.wait_for("destinations", "0", "connected")
    with relay.connect("/ws/talk") as link:
        link.send_text("hello")
        assert link.read() == (websocket.TEXT, b"HELLO")


def test_both_feeds_of_a_stream_arrive_and_a_server_without_a_rule_gets_none_SC_11(relay, far):
    first, second = far(), far()
    relay.stream("stream/two", "a", "b")
    relay.destination("0", "stream/two", to(first))
    relay.wait_for("destinations", "0", "connected")
    with relay.connect("/ws/a") as a, relay.connect("/ws/b") as b:
        for number in range(5):
            a.send_text(f"a{number}")
            b.send_text(f"b{number}")
        wait_until(lambda: len(first.messages) == 10, 10, "ten of ten")
        assert second.messages == []
        relay.destination("0", "stream/two", to(second))
        relay.wait_for("destinations", "0", "connected")
        wait_until(lambda: second.sockets, 10, "the second server")
        for number in range(10):
            a.send_text(f"a{number}")
            b.send_text(f"b{number}")
        wait_until(lambda: len(second.messages) == 20, 10, "twenty at the second")
    assert len(first.messages) == 10
    assert [p for _, _, p in second.messages if p.startswith(b"a")] == [b"a%d" % n for n in range(10)], "in order (VW-79)"


# ---------------------------------------------------------------- servers that go and come

def test_after_an_outage_the_newest_key_frame_goes_first_and_nothing_old_VW_70(relay, far, film):
    pieces = relay_media.by_picture(film)
    server = far()
    relay.destination("0", "video0", to(server))
    relay.wait_for("destinations", "0", "connected")
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push, Paced(push, pieces) as paced:
        wait_for_messages(server, 10)
        server.close()
        wait_until(lambda: relay.of("destinations", "0")["state"] == "waiting", 10, "the relay to notice")
        lost_at = paced.sent
        back = far(port=server.port)
        wait_until(lambda: back.attempts, 10, "the relay to come back")
        connected_at = paced.sent
        assert paced.finish() in (200, 204)
        assert viewer.wait_bytes(len(film)) == film, "the local viewer misses nothing"
        wait_until(lambda: b"".join(got(back)).endswith(pieces[-1]), 10, "the rest")
    data = b"".join(got(back))
    place = relay_media.place_of(data, film)
    assert relay_media.begins_well(data) == [] and place > 0 and film.endswith(data[-1880:]), "tables, then one unbroken piece of the film"
    first = next(n for n in range(len(pieces)) if len(b"".join(pieces[:n])) >= place)
    assert lost_at < connected_at and first >= connected_at - 14 - 8 * SCALE, f"picture {first} came first, {connected_at} were sent by then"


def test_a_server_that_accepts_and_closes_is_not_hammered_VW_73(relay, far):
    server = far(lambda made, path, fields: made.close())
    relay.destination("0", "video0", to(server))
    wait_until(lambda: len(server.attempts) >= 3, 20, "the third attempt")
    times = [at for at, _, _ in server.attempts]
    assert times[1] - times[0] >= 0.65 and times[2] - times[1] >= 0.65, "vw came 9,802 times in 3 s"
    state = relay.of("destinations", "0")
    assert state["attempts"] <= 5 and state["last_error"]


def test_a_sleeping_destination_is_deleted_at_once_and_a_far_one_that_never_was_is_retried_VW_72_78(relay, far):
    gone = far()
    gone.close()
    relay.destination("0", "video0", to(gone))
    waiting = relay.wait_for("destinations", "0", "waiting")
    assert waiting["next_try"] and waiting["last_error"]
    relay.must("DELETE", "/api/destinations/0")
    assert relay.of("destinations", "0") is None
    relay.destination("1", "video0", to(gone))
    back = far(port=gone.port)
    relay.wait_for("destinations", "1", "connected")
    assert len(back.attempts) == 1


# ---------------------------------------------------------------- access servers, proxies, TLS

class AccessServer:
    """practable's exchange: a token for an address with a code, each good once (PR-6, PR-20)."""

    def __init__(self, far_port):
        self.tokens = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.tokens.append((self.path, self.headers.get("Authorization")))
                good = self.headers.get("Authorization", "").removeprefix("Bearer ") == "the.jwt.token"
                body = json.dumps({"uri": f"ws://127.0.0.1:{far_port}{self.path}?code=c{len(outer.tokens)}"} if good else
                                  {"code": 401, "message": "unauthenticated for invalid credentials"}).encode()
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_token_for_an_access_address_is_changed_into_a_code_anew_for_each_dial_PR_20(relay, far, film):
    server = far()
    access = AccessServer(server.port)
    try:
        relay.destination("0", "video0", access.url("/session/cam-1"), token="the.jwt.token")
        relay.wait_for("destinations", "0", "connected")
        with Push(relay, "video0") as push:
            push.send(*relay_media.by_picture(film)[:20], pause=0.02)
            wait_for_messages(server, 5)
            wait_until(lambda: server.sockets, 10, "its socket")
            server.sockets[0].close()
            wait_until(lambda: len(server.attempts) == 2, 10, "the next dial")
            push.end()
        assert [path for _, path, _ in server.attempts] == ["/session/cam-1?code=c1", "/session/cam-1?code=c2"]
        assert access.tokens[0][0] == "/session/cam-1" and len(access.tokens) == 2
        told = json.dumps(relay.stats())
        assert "the.jwt.token" not in told and "code=c" not in told and "the.jwt.token" not in relay.stderr
    finally:
        access.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return TestCa(tmp_path_factory.mktemp("tls"))


def test_wss_with_an_authority_of_ones_own_and_refused_without_it(tmp_path, far, film, certificate):
    server = far(tls=certificate.server_context())
    for trusted in (True, False):
        with Relay(*(["--tls-ca", certificate.ca] if trusted else []), cwd=tmp_path) as relay:
            relay.destination("0", "video0", f"wss://localhost:{server.port}/in/x")
            if trusted:
                relay.wait_for("destinations", "0", "connected")
                with Push(relay, "video0") as push:
                    push.send(*relay_media.by_picture(film)[:20], pause=0.02)
                    wait_for_messages(server, 5)
                    push.end()
            else:
                state = relay.wait_for("destinations", "0", "waiting")
                assert "certificate" in state["last_error"], state
                assert len(server.attempts) == 1, "only the one who trusts it"
            relay.stop()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_through_an_HTTP_proxy_VW_71(tmp_path, far, film, certificate, scheme):
    server = far(tls=certificate.server_context() if scheme == "wss" else None)
    with ConnectProxy() as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        settings = {"HTTPS_PROXY": address, "https_proxy": address, "http_proxy": address, "HTTP_PROXY": address}
        with Relay("--tls-ca", certificate.ca, cwd=tmp_path, env=settings) as relay:
            relay.destination("0", "video0", f"{scheme}://far.test:{server.port}/in/x")
            relay.wait_for("destinations", "0", "connected")
            with Push(relay, "video0") as push:
                push.send(*relay_media.by_picture(film)[:20], pause=0.02)
                assert wait_for_messages(server, 5)
                push.end()
            relay.stop()
        assert proxy.asked == [f"CONNECT far.test:{server.port}"]


def test_every_door_speaks_TLS_and_two_relays_feed_each_other(tmp_path, film, certificate):
    """The far server is weir's own crossbar topic (/in, /out), over TLS."""
    client = ssl.create_default_context(cafile=str(certificate.ca))
    for folder in ("near", "far"):
        (tmp_path / folder).mkdir()
    with Relay("--tls-cert", certificate.cert, "--tls-key", certificate.key, cwd=tmp_path / "far") as distant, \
            Relay("--tls-ca", certificate.ca, cwd=tmp_path / "near") as relay:
        assert distant.addresses[0].startswith("https://")
        assert distant.rest("GET", "/healthcheck", tls=client)[0] == 200
        relay.destination("0", "video0", f"wss://localhost:{distant.port}/in/video0")
        relay.wait_for("destinations", "0", "connected")
        with distant.viewer("/out/video0", tls=client) as viewer, Push(relay, "video0") as push:
            push.send(*relay_media.by_picture(film)[:60], pause=0.01)
            part = b"".join(relay_media.by_picture(film)[:60])
            wait_until(lambda: viewer.data.endswith(part[-188:]), 10, "the last packet")
            assert relay_media.same_tail(read_ts(part), read_ts(viewer.data), whole=True) == []
            push.end()
        relay.stop()
        distant.stop()


# ---------------------------------------------------------------- rules that change while streaming

def test_muting_by_a_new_rule_leaves_the_picture_whole_VW_25(relay, far, film):
    """Sound comes on PIDs of its own from a second pusher; the rule without it mutes, the old rule unmutes."""
    source = relay_media.folder()
    server = far()
    relay.stream("stream/front", "video0", "audio0")
    relay.destination("0", "stream/front", to(server))
    relay.wait_for("destinations", "0", "connected")
    with relay.viewer("/ws/video0") as alone, relay.viewer("/ws/stream/front") as both, \
            ffmpeg_push(source / relay_media.MP2, relay.url("/ts/audio0"), "-mpegts_start_pid", "0x200", loop=True), \
            Push(relay, "video0") as push, Paced(push, relay_media.by_picture(film)[:100]) as paced:

        def sounds(viewer):
            return sum(relay_media.pid_of(packet) == 0x200 for packet in relay_media.packets(viewer.data))

        wait_until(lambda: sounds(both) > 10, 20, "sound")
        relay.stream("stream/front", "video0")
        time.sleep(0.2 * SCALE)
        quiet, at = sounds(both), len(both.data)
        wait_until(lambda: len(both.data) > at + 10_000, 10, "pictures without sound")
        assert sounds(both) == quiet, "mute"
        relay.stream("stream/front", "video0", "audio0")
        wait_until(lambda: sounds(both) > quiet, 20, "sound again")
        assert paced.finish() in (200, 204)
        part = b"".join(paced.pieces)
        assert alone.wait_bytes(len(part)) == part, "who watches the feed notices nothing"
        time.sleep(0.2)
        for data in (both.data, b"".join(got(server))):
            pictures = [packet for packet in relay_media.packets(data) if relay_media.pid_of(packet) == 0x100]
            assert pictures == [packet for packet in relay_media.packets(part) if relay_media.pid_of(packet) == 0x100], "no picture missing or twice"
    assert len(server.attempts) == 1, "the destination's connection stays"


def test_the_calls_that_killed_vw_VW_88_61(relay, far, film):
    server = far()
    relay.stream("stream/a", "video0")
    relay.destination("0", "stream/a", to(server))
    relay.wait_for("destinations", "0", "connected")
    with relay.viewer("/ws/video0") as viewer, Push(relay, "video0") as push:
        relay.must("DELETE", "/api/streams/stream/a")
        relay.must("DELETE", "/api/destinations/0")
        relay.must("DELETE", "/api/streams/deleteAll")
        relay.must("DELETE", "/api/streams/all")
        with relay.connect("/ws/api") as console:
            console.send_text('{"verb":"add","what":"stream"}')
            assert b"error" in console.read()[1]
            console.send_text('{"verb":"healthcheck"}')
            assert console.read()[1] == b'{"healthcheck":"ok"}'
        push.send(*relay_media.by_picture(film)[:10])
        viewer.wait_bytes(1000)
        push.end()
    assert of_kind(read_ts(viewer.data), VIDEO)
