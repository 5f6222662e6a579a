"""A relay under load: `weir relay` as a process, a numbered transport stream to push into it, and viewers that check every packet."""
import http.client
import json
import os
import re
import socket
import threading
import time
from collections import OrderedDict
from pathlib import Path

from judge import websocket
from judge.weir import SCALE, Limits, Weir, wait_until

PACKET = 188
VIDEO = 0x100
SANITIZED = "WEIR_SANITIZED" in os.environ


class RelayRun(Weir):
    """`weir relay` on a port of its own choice. A context that ends it by SIGTERM, which has to be exit 0, and looks for what is left."""

    def __init__(self, *args, cwd, secrets=(), tls=False, port_line=True, limits=Limits(descriptors=4096), **more):
        super().__init__("relay", *([] if "--port" in args else ["--port", "0"]), *args, cwd=cwd, limits=limits, **more)
        self.headers = {"Authorization": f"Bearer {secrets[0]}"} if secrets else {}
        self.port, self.tls = 0, tls
        if port_line:
            found = wait_until(lambda: re.search(r"^https?://\S+:(\d+)/$", self.stdout, re.M) or self.process.poll() is not None, 10, "its address")
            assert found is not True, f"the relay ended at once\n{self.story()}"
            self.port = int(found[1])

    def __exit__(self, kind, *rest):
        if kind is None and self.process.poll() is None:
            self.end()
        super().__exit__(kind, *rest)

    def end(self, seconds=5.0):
        self.signal(15)
        self.wait(seconds, expect=0)

    def request(self, method, path, body=None, headers=None, timeout=30):
        """(status, headers, body) on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * SCALE)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None):
        status, _, text = self.request(method, path, body)
        assert status == 200, (status, text, self.story())
        return json.loads(text) if text else None

    def stats(self):
        return self.call("GET", "/api/stats")

    def topic(self, name):
        return next((topic for topic in self.stats()["topics"] if topic["name"] == name), None)

    def destination(self, id):
        return next((found for found in self.stats()["destinations"] if found["id"] == id), None)

    def add_stream(self, name, *feeds):
        return self.call("POST", "/api/streams", {"stream": name, "feeds": list(feeds)})

    def add_destination(self, id, stream, port, path="/in/x", **more):
        return self.call("POST", "/api/destinations", {"id": id, "stream": stream, "destination": f"ws://127.0.0.1:{port}{path}", **more})

    def watch(self, path, **options):
        return websocket.connect(self.port, path, **options)

    # What it holds.

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu_seconds(self):
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                total += int(Path(f"/proc/{self.process.pid}/task/{task}/schedstat").read_text().split()[0])
            except OSError:
                pass
        return total / 1e9

    def held(self):
        """Descriptors and threads; one connection, that which asks, is in none of them."""
        return self.descriptors(), self.threads()

    def wait_empty(self, seconds=25):
        """Until no topic is left: they linger a while after the last who held them."""
        wait_until(lambda: self.stats()["topics"] == [], seconds, "the topics to go", 0.25)


def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value.to_bytes(4, "big")


def section(pid, body):
    packet = bytes([0x47, 0x40 | pid >> 8, pid & 255, 0x10, 0]) + body + crc(body)
    return packet + b"\xff" * (PACKET - len(packet))


def stamp(ticks):
    return bytes([0x21 | ticks >> 29 & 14, ticks >> 22 & 255, ticks >> 14 & 254 | 1, ticks >> 7 & 255, ticks << 1 & 254 | 1])


class Numbered:
    """An endless transport stream of one H.264 track whose packets are numbered in their last four bytes (base 128, top bit set).
    Groups begin with tables and a random-access point. Made on demand, group by group; any part of it can be made again."""

    def __init__(self, frames=16, packets=40, seed=0):
        assert frames * packets % 16 == 0, "continuity counters repeat with each group"
        self.frames, self.per_frame, self.seed = frames, packets, seed
        self.per_group = frames * packets + 2
        self.template = self._template()
        self.made = OrderedDict()
        self.lock = threading.Lock()

    def _template(self):
        out = bytearray(section(0, b"\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01\xf0\x00"))
        out += section(0x1000, b"\x02\xb0\x12\x00\x01\xc1\x00\x00\xe1\x00\xf0\x00\x1b\xe1\x00\xf0\x00")
        filler = bytes([0x80 | self.seed & 0x7F])
        for i in range(self.frames * self.per_frame):
            first, rap = i % self.per_frame == 0, i == 0
            packet = bytes([0x47, (0x40 if first else 0) | VIDEO >> 8, VIDEO & 255, (0x30 if rap else 0x10) | i & 15])
            packet += b"\x01\x40" if rap else b""
            packet += (b"\x00\x00\x01\xe0\x00\x00\x80\x80\x05" + bytes(5) + b"\x00\x00\x00\x01\x09\xf0") if first else b""
            out += packet + filler * (PACKET - len(packet))
        return bytes(out)

    def group(self, g):
        with self.lock:
            if g in self.made:
                self.made.move_to_end(g)
                return self.made[g]
        out = bytearray(self.template)
        out[3] = out[PACKET + 3] = 0x10 | g & 15
        for frame in range(self.frames):
            at = (2 + frame * self.per_frame) * PACKET + 4 + (2 if frame == 0 else 0) + 9
            out[at:at + 5] = stamp(((g * self.frames + frame) * 3600) & (1 << 33) - 1)
        first = g * self.per_group
        numbers = range(first, first + self.per_group)
        for place in range(4):
            out[184 + place::PACKET] = bytes([0x80 | n >> 7 * (3 - place) & 127 for n in numbers])
        made = bytes(out)
        with self.lock:
            self.made[g] = made
            while len(self.made) > 64:
                self.made.popitem(last=False)
        return made

    def part(self, first, count):
        """Packets by number."""
        out, end = [], first + count
        while first < end:
            g, at = divmod(first, self.per_group)
            take = min(end - first, self.per_group - at)
            out.append(self.group(g)[at * PACKET:(at + take) * PACKET])
            first += take
        return b"".join(out) if len(out) != 1 else out[0]

    def frame(self, n):
        """Frame n; the tables come with the first of a group."""
        g, f = divmod(n, self.frames)
        first = 0 if f == 0 else 2 + f * self.per_frame
        return self.group(g)[first * PACKET:(2 + (f + 1) * self.per_frame) * PACKET]

    def end_of_frames(self, count):
        g, f = divmod(count, self.frames)
        return g * self.per_group + (2 + f * self.per_frame if f else 0)


def number_of(data, at=0):
    a, b, c, d = data[at + 184:at + 188]
    return (a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127


class Checker:
    """What one receiver got, checked against the truth: in order, whole, not torn, not repeated; jumps only to the beginning of a
    group. The tables may be told once more before the first packet and after each jump."""

    def __init__(self, stream):
        self.stream, self.first, self.next, self.gaps, self.packets, self.messages = stream, None, None, [], 0, 0

    def message(self, data):
        assert len(data) % PACKET == 0 and data, f"{len(data)} bytes are no whole packets"
        self.messages += 1
        at = 0
        while at < len(data):
            n = number_of(data, at)
            count = (len(data) - at) // PACKET
            if n != self.next:
                if n % self.stream.per_group < 2 and not self._goes_on_at(data, at, n):
                    assert data[at:at + PACKET] == self.stream.part(n, 1), "torn tables"
                    at += PACKET
                    continue  # told again before a jump
                self._jump(n)
            expected = self.stream.part(n, count)
            if data[at:] == expected if at else data == expected:
                self.next, self.packets = n + count, self.packets + count
                return
            assert data[at:at + PACKET] == expected[:PACKET], f"packet {n} is not what was sent"
            self.next, self.packets, at = n + 1, self.packets + 1, at + PACKET

    def _goes_on_at(self, data, at, n):
        """Are these tables of the stream itself, with their own packets behind them?"""
        rest = 2 - n % self.stream.per_group
        behind = at + rest * PACKET
        return (self.next is None or n > self.next) and behind < len(data) and number_of(data, behind) == n + rest

    def _jump(self, n):
        inside = n % self.stream.per_group
        assert inside in (0, 2), f"went on in the middle of a group, at {n} after {self.next}"
        if self.next is None:
            self.first = n
        else:
            assert n > self.next, f"packet {n} after {self.next - 1}"
            if n - self.next > 2 or inside == 0:
                self.gaps.append((self.next, n))
        self.next = n

    def missing(self):
        return sum(b - a for a, b in self.gaps)

    def assert_whole(self, until=None):
        assert self.gaps == [], self.gaps
        if until is not None:
            assert self.next == until, (self.next, until)


class Push(threading.Thread):
    """Pushes `count` frames (None: until stop()) as chunks, like ffmpeg does; `fps` None: as fast as it goes, a group at a time."""

    def __init__(self, relay, feed, stream, fps=25.0, count=None, headers="", query=""):
        super().__init__(daemon=True)
        self.stream, self.fps, self.count, self.over = stream, fps, count, threading.Event()
        self.frames, self.error, self.answer = 0, None, b""
        self.sock = socket.create_connection(("127.0.0.1", relay.port), 60 * SCALE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(f"POST /ts/{feed}{query} HTTP/1.1\r\nHost: 127.0.0.1:{relay.port}\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode())
        self.start()

    def run(self):
        try:
            begun = time.monotonic()
            while not self.over.is_set() and (self.count is None or self.frames < self.count):
                step = 1 if self.fps else self.stream.frames
                body = self.stream.frame(self.frames) if self.fps else self.stream.group(self.frames // step)
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(body), body))
                self.frames += step
                if self.fps and (wait := begun + self.frames / self.fps - time.monotonic()) > 0:
                    self.over.wait(wait)
            self.sock.sendall(b"0\r\n\r\n")
            self.answer = self.sock.recv(65536)
        except OSError as error:
            self.error = error
        self.sock.close()

    def stop(self):
        """Ends the push in the right way; how many packets it had."""
        self.over.set()
        return self.done()

    def done(self, seconds=90):
        self.join(seconds * SCALE)
        assert not self.is_alive() and self.error is None and self.answer.startswith(b"HTTP/1.1 200"), (self.is_alive(), self.error, self.answer)
        return self.stream.end_of_frames(self.frames)


class Viewer(threading.Thread):
    """A websocket viewer that checks all it gets; pause() stops its reading."""

    def __init__(self, relay, path, stream, **options):
        super().__init__(daemon=True)
        self.socket = relay.watch(path, **options)
        self.begin(stream)

    def begin(self, stream):
        self.checker, self.error, self.reading, self.code = Checker(stream), None, threading.Event(), None
        self.gone = False
        self.reading.set()
        self.start()

    def run(self):
        try:
            while not self.gone:
                self.reading.wait()
                self.take()
        except websocket.Closed as closed:
            self.code = closed.code
        except (AssertionError, OSError) as error:
            self.error = None if self.gone else error

    def take(self):
        try:
            opcode, payload = self.socket.read(timeout=0.5)
        except TimeoutError:
            return
        assert opcode == websocket.BINARY
        self.checker.message(payload)

    def pause(self):
        self.reading.clear()

    def go_on(self):
        self.reading.set()

    def wait_for(self, packet, seconds=30):
        wait_until(lambda: self.error or (self.checker.next or 0) >= packet, seconds, f"packet {packet}, at {self.checker.next}")
        assert self.error is None, self.error

    def leave(self):
        self.gone = True
        self.reading.set()
        self.join(10 * SCALE)
        self.socket.abort()
        assert self.error is None, self.error


class HttpViewer(Viewer):
    """The same by plain HTTP."""

    def __init__(self, relay, path, stream, receive_buffer=None):
        threading.Thread.__init__(self, daemon=True)
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10 * SCALE)
        sock.connect(("127.0.0.1", relay.port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{relay.port}\r\n\r\n".encode())
        first, _, self.rest = websocket.read_head(sock)
        assert " 200 " in first, first
        self.socket = websocket.Socket(sock)
        sock.settimeout(0.5)
        self.begin(stream)

    def take(self):
        try:
            piece = self.socket.sock.recv(1 << 18)
        except socket.timeout:
            return
        except ConnectionError as error:
            raise websocket.Closed(None, str(error)) from None
        if not piece:
            raise websocket.Closed(None, "end")
        data = self.rest + piece
        whole = len(data) // PACKET * PACKET
        self.rest = data[whole:]
        if whole:
            self.checker.message(data[:whole])


class FarSide:
    """A far websocket server that checks what each topic (path) gets. `stall(path)`: connections that read nothing."""

    def __init__(self, stream, stall=lambda path: False, **options):
        self.stream, self.stall, self.checkers, self.errors = stream, stall, {}, []
        self.server = websocket.Server(serve=self._serve, **options)
        self.port = self.server.port

    def _serve(self, made, path, _):
        checker = self.checkers.setdefault(path, Checker(self.stream))
        while self.stall(path):
            time.sleep(0.1)
        try:
            while True:
                opcode, payload = made.read(timeout=600)
                checker.message(payload)
        except AssertionError as error:
            self.errors.append((path, error))

    def wait_for(self, path, packet, seconds=30):
        wait_until(lambda: self.errors or path in self.checkers and (self.checkers[path].next or 0) >= packet, seconds, f"{path} to have packet {packet}")
        assert self.errors == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
