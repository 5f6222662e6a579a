"""vw's own soak (VW-87, P6): streams that live for a moment, a rule for each and a destination, time shortened. Afterwards the relay
holds what it held in the beginning. WEIR_RELAY_STREAMS=86400 is the whole day."""
import http.client
import json
import os
import socket
import threading
import time

from judge import websocket
from judge.relay_load import SANITIZED, Numbered, RelayRun
from judge.weir import SCALE, wait_until

STREAMS = int(os.environ.get("WEIR_RELAY_STREAMS", "1000"))
WORKERS = 4
PACE = 100  # streams a second and worker: topics linger ten seconds, and a relay has at most ten thousand


class Far:
    """A websocket server that reads and forgets, on one thread: a day of connections costs it nothing."""

    def __init__(self):
        self.taken, self.bytes, self.lock = 0, 0, threading.Lock()
        self.server = websocket.Server(serve=self._serve)
        self.port = self.server.port

    def _serve(self, made, path, headers):
        with self.lock:
            self.taken += 1
            self.server.sockets.remove(made)
            del self.server.attempts[:]
        while True:
            try:
                opcode, payload = made.read(timeout=60)
            except websocket.Closed as closed:
                if closed.code:
                    made.close(closed.code)
                made.abort()
                return
            with self.lock:
                self.bytes += len(payload)


class Life(threading.Thread):
    """Stream after stream: rules, a push, often a viewer; then all of it is taken away again, in changing order."""

    def __init__(self, relay, far, name, count, stream):
        super().__init__(daemon=True)
        self.relay, self.far, self.name_, self.count, self.error = relay, far, name, count, None
        self.body = b"".join(stream.frame(i) for i in range(3))
        self.start()

    def run(self):
        try:
            self.rest = http.client.HTTPConnection("127.0.0.1", self.relay.port, timeout=30 * SCALE)
            begun = time.monotonic()
            for i in range(self.count):
                self.live(i)
                time.sleep(max(0.0, begun + (i + 1) / PACE - time.monotonic()))
            self.rest.close()
        except Exception as error:  # told by the test
            self.error = error

    def call(self, method, path, body=None):
        self.rest.request(method, path, body and json.dumps(body))
        answer = self.rest.getresponse()
        assert answer.status == 200, (method, path, answer.status, answer.read())
        answer.read()

    def live(self, i):
        # A few names come again and again, most are new.
        feed = f"{self.name_}{i % 3 if i % 4 == 0 else i}"
        stream = f"stream/{feed}"
        self.call("POST", "/api/streams", {"stream": stream, "feeds": [feed, "sound"]})
        self.call("POST", "/api/destinations", {"id": feed, "stream": stream, "destination": f"ws://127.0.0.1:{self.far.port if i % 5 else 9}/in/{feed}"})
        viewer = websocket.connect(self.relay.port, f"/ws/{stream if i % 2 else feed}") if i % 3 == 0 else None
        self.push(feed, clean=i % 7 != 0)
        if viewer:
            assert viewer.read(timeout=10 * SCALE)[0] == websocket.BINARY
            viewer.close() if i % 2 else viewer.abort()
        ends = [f"/api/streams/{stream}", f"/api/destinations/{feed}"]
        for path in ends if i % 2 else reversed(ends):
            self.call("DELETE", path)

    def push(self, feed, clean):
        with socket.create_connection(("127.0.0.1", self.relay.port), 20) as sock:
            sock.sendall(f"POST /ts/{feed} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            sock.sendall(b"%x\r\n%b\r\n" % (len(self.body), self.body) + (b"0\r\n\r\n" if clean else b""))
            if clean:
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")


def slope(samples):
    """Bytes an hour over the second half, by least squares."""
    half = samples[len(samples) // 2:]
    mean_t, mean_b = sum(t for t, _ in half) / len(half), sum(b for _, b in half) / len(half)
    spread = sum((t - mean_t) ** 2 for t, _ in half)
    return sum((t - mean_t) * (b - mean_b) for t, b in half) / spread * 3600 if spread else 0.0


def test_VW_87_P6_short_streams_by_the_thousand_leave_nothing_behind(tmp_path):
    stream = Numbered(frames=16, packets=16)
    far = Far()
    with RelayRun(cwd=tmp_path) as relay:
        # As many as there are at once later on: from then on memory is used again and again.
        warm = [Life(relay, far, f"warm{k}-", min(STREAMS, 6000) // WORKERS, stream) for k in range(WORKERS)]
        for life in warm:
            life.join(120 * SCALE)
        relay.wait_empty()
        before, resident, cpu = relay.held(), relay.resident(), relay.cpu_seconds()
        samples, begun = [], time.monotonic()
        lives = [Life(relay, far, f"{k}-", STREAMS // WORKERS, stream) for k in range(WORKERS)]
        while any(life.is_alive() for life in lives):
            samples.append((time.monotonic() - begun, relay.resident()))
            time.sleep(0.1)
        seconds = time.monotonic() - begun
        assert [life.error for life in warm + lives] == [None] * 2 * WORKERS
        most = relay.stats()
        relay.wait_empty(40)
        wait_until(lambda: relay.held()[0] <= before[0] + 1, 15, f"descriptors: {relay.held()}, before {before}", 0.2)
        after = relay.held()
        stats = relay.stats()
        grown, peak = relay.resident() - resident, max(bytes for _, bytes in samples) - resident
        print(f"{STREAMS} streams in {seconds:.1f} s, {(relay.cpu_seconds() - cpu) / STREAMS * 1000:.2f} ms of CPU each; {far.taken} connections of destinations\n"
              f"descriptors {before[0]} -> {after[0]}, threads {before[1]} -> {after[1]}, topics {len(most['topics'])} -> {len(stats['topics'])}, "
              f"connections {stats['connections']}\nresident {resident >> 10} KiB, at most +{peak >> 10}, after +{grown >> 10}; "
              f"slope over the second half {slope(samples) * seconds / 3600 / STREAMS:.0f} bytes a stream")
        assert after[1] <= before[1]
        assert stats["topics"] == [] and stats["destinations"] == [] and stats["recordings"] == [] and stats["connections"] <= 1
        assert stats["rules"]["streams"] == stats["rules"]["destinations"] == 0
        # What the topics of the last ten seconds held is free again; a leak would be one of each stream, less than 100 bytes here.
        # (The slope is for people: it follows how many streams a second the machine makes.)
        assert SANITIZED or grown < 8 << 20
        assert far.taken > STREAMS // 2
    far.server.close()


def test_VW_35_pushers_reconnect_and_memory_stays_level(tmp_path):
    """One feed, pushers that come and go all the time, with viewers that stay."""
    stream = Numbered(frames=16, packets=16)
    body = b"".join(stream.frame(i) for i in range(16))
    with RelayRun(cwd=tmp_path) as relay:
        viewers = [relay.watch("/ws/video0") for _ in range(5)]
        got = [0] * len(viewers)

        def read(k):
            try:
                while True:
                    got[k] += len(viewers[k].read(timeout=60)[1])
            except (websocket.Closed, OSError):
                pass

        threads = [threading.Thread(target=read, args=(k,), daemon=True) for k in range(len(viewers))]
        for thread in threads:
            thread.start()
        before, sizes = None, []
        for i in range(max(1000, STREAMS // 10)):
            with socket.create_connection(("127.0.0.1", relay.port), 20) as sock:
                sock.sendall(b"PUT /ts/video0 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
            if i == 300:  # the ring is full
                before = relay.held()
            if i >= 300 and i % 20 == 0:
                sizes.append(relay.resident())
        wait_until(lambda: relay.held()[0] <= before[0] + 1, 10, "descriptors")
        topic = relay.topic("video0")
        assert topic["publishers"] == [] and topic["viewers"]["websocket"] == 5 and relay.held()[1] <= before[1]
        third = len(sizes) // 3
        print(f"resident {sizes[0] >> 10} KiB, then {max(sizes[:third]) >> 10} and {max(sizes[-third:]) >> 10}")
        assert SANITIZED or max(sizes[-third:]) - max(sizes[:third]) < 8 << 20
        for viewer in viewers:
            viewer.close()
        assert all(count > 0 for count in got)
