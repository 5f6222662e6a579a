"""A fake HLS origin that knows what it handed out, and misbehaves as told.

    origin = Origin(media().segments, pace=0.1, window=40)
    origin.fault(status(503), kind="segment", seq=105, times=3)
    … run weir on origin.url …
    verify.delivery(origin.truth(), …)

Time    one segment appears each `pace` seconds, whatever its EXTINF says, from the first playlist request on; ENDLIST after the last.
        The window is `window` segments, so it lasts window × pace seconds.
Faults  an act of faults.py for the first `times` requests that match kind (master, playlist, segment, key), seq and a pattern in
        the path; the rest is served well. Each fault counts its hits.
"""
from __future__ import annotations

import hashlib
import re
import select
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable, Optional
from urllib.parse import parse_qs, urlsplit

from .media import Segment


@dataclass
class Request:
    """One request and what was answered. `whole`: the answer was complete, as far as its reader can tell."""

    at: float
    kind: str
    path: str
    headers: dict[str, str]
    gen: int = 0
    seq: int = -1
    status: int = 0
    sent: int = 0
    whole: bool = False
    fault: str = ""


@dataclass
class Fault:
    act: Callable[["Exchange"], None]
    kind: Optional[str]
    seq: Optional[frozenset[int]]
    pattern: re.Pattern
    times: Optional[int]
    skip: int
    hits: int = 0

    def wants(self, request: Request) -> bool:
        if self.kind not in (None, request.kind) or (self.seq is not None and request.seq not in self.seq):
            return False
        if not self.pattern.search(request.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass
class Show:
    """One run of the encoder at the origin: a restart begins the next one."""

    gen: int
    first: int
    segments: list[Segment]
    born: float
    cut_at: Optional[int] = None  # published when the next run began
    discontinuities: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Handed:
    """One segment that was published: what a recording of it has to hold."""

    gen: int
    seq: int
    segment: Segment
    torn: bool = False  # handed out shorter than published, and looking whole


class ShowClock:
    """Segments published so far, as a real number that can be stopped."""

    def __init__(self, pace: float):
        self.pace, self._done, self._since = pace, 0.0, None

    def now(self) -> float:
        return self._done + (0 if self._since is None else (time.monotonic() - self._since) / self.pace)

    def run(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def add(self, count: float) -> None:
        self._done += count

    def stop(self) -> None:
        self._done, self._since = self.now(), None


class TestCa:
    """A certificate authority of our own and a server certificate for 127.0.0.1, localhost, far.test (which only proxies know) and `hosts`."""

    __test__ = False

    def __init__(self, folder: Path, hosts: Iterable[str] = ()):
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
        names = folder / "names.cnf"
        names.write_text("subjectAltName=" + ",".join(["DNS:localhost", "DNS:far.test", "IP:127.0.0.1", *(f"DNS:{host}" for host in hosts)]) + "\n")

        def openssl(*args):
            subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *curve, "-keyout", folder / "ca.key", "-out", self.ca, "-days", 2, "-subj", "/CN=weir test CA")
        openssl("req", *curve, "-keyout", self.key, "-out", folder / "server.csr", "-subj", "/CN=localhost")
        openssl("x509", "-req", "-in", folder / "server.csr", "-CA", self.ca, "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", 2,
                "-extfile", names, "-out", self.cert)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


class Origin:
    def __init__(self, segments: Iterable[Segment], *, pace: float = 0.1, window: int = 40, initial: int = 3, first: int = 100,
                 endlist: bool = True, aes: bool = False, explicit_iv: bool = False, keys_change_every: int = 1000,
                 renditions: Optional[dict[str, list[Segment]]] = None, signed: bool = False, fc2: bool = False,
                 tls: Optional[TestCa] = None, host: str = "127.0.0.1"):
        self.pace, self.window, self.initial, self.endlist = pace, window, initial, endlist
        self.aes, self.explicit_iv, self.keys_change_every = aes, explicit_iv, keys_change_every
        self.renditions, self.signed, self.fc2 = renditions or {}, signed, fc2
        self.clock = ShowClock(pace)
        self.shows = [Show(0, first, list(segments), 0.0)]
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.altered: dict[tuple[int, int], bytes] = {}  # segments handed out, complete to the eye, with another body
        self.worker, self.epoch, self.ended_early = 1075, 0, False
        self._lock = threading.RLock()
        self._secrets: dict[tuple, bytes] = {}
        self.closing = threading.Event()
        self._tls = tls.server_context() if tls else None
        self._server = _Server((host, 0), self)
        self.host, self.port = host, self._server.server_address[1]
        self.base = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self.url = self.base + ("/master.m3u8" if self.renditions else "/live.m3u8")
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "Origin":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    # ------------------------------------------------------------ what the test does to it

    def fault(self, act, *, kind: Optional[str] = None, seq=None, path: str = "", times: Optional[int] = 1, skip: int = 0) -> Fault:
        """`times` None: for ever. `seq`: one media sequence number or several. `skip`: so many matching requests are served first."""
        numbers = None if seq is None else frozenset([seq] if isinstance(seq, int) else seq)
        made = Fault(act, kind, numbers, re.compile(path), times, skip)
        with self._lock:
            self.faults.append(made)
        return made

    def freeze(self) -> None:
        self.clock.stop()

    def go_on(self) -> None:
        self.clock.run()

    def skip(self, count: int) -> None:
        """So many segments appear at once: as if that time had passed."""
        self.clock.add(count)

    def restart(self, segments: Iterable[Segment], first: int = 0) -> None:
        """The encoder starts anew: another content, numbers from `first`."""
        with self._lock:
            self.shows[-1].cut_at = self.published(self.shows[-1])
            self.shows.append(Show(len(self.shows), first, list(segments), self.clock.now()))

    def mark_discontinuities(self, *seqs: int) -> None:
        self.shows[-1].discontinuities = frozenset(seqs)

    def expire(self) -> None:
        """Every signed URL handed out so far is refused from now on."""
        self.epoch += 1

    def end(self) -> None:
        """ENDLIST now."""
        with self._lock:
            self.shows[-1].cut_at = self.published(self.shows[-1])
            self.ended_early = True

    # ------------------------------------------------------------ what it knows

    def published(self, show: Optional[Show] = None) -> int:
        show = show or self.shows[-1]
        if show.cut_at is not None:
            return show.cut_at
        return min(len(show.segments), self.initial + int(self.clock.now() - show.born))

    def last_seq(self) -> int:
        return self.shows[-1].first + self.published() - 1

    def truth(self) -> list[Handed]:
        """All that was published, oldest first, with the bodies that were really handed out."""
        out = []
        for show in self.shows:
            for i in range(self.published(show)):
                seq = show.first + i
                segment, body = show.segments[i], self.altered.get((show.gen, seq))
                if body is None:
                    out.append(Handed(show.gen, seq, segment))
                else:
                    out.append(Handed(show.gen, seq, Segment(body, segment.duration), len(body) < len(segment.body)))
        return out

    def asked(self, kind: str = "segment") -> list[Request]:
        with self._lock:
            return [r for r in self.requests if r.kind == kind]

    # ------------------------------------------------------------ what it serves

    def playlist(self, rendition: str) -> str:
        with self._lock:
            show, count = self.shows[-1], self.published()
            start = max(0, count - self.window)
            chosen = show.segments if rendition in ("live", "") else self.renditions[rendition]
            over = self.ended_early or (self.endlist and count == len(show.segments))
            lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{max(1, round(max(s.duration for s in chosen)))}",
                     f"#EXT-X-MEDIA-SEQUENCE:{show.first + start}"]
            passed = sum(seq < show.first + start for seq in show.discontinuities)
            if show.discontinuities:
                lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{passed}")
            key = None
            for i in range(start, count):
                seq = show.first + i
                if seq in show.discontinuities:
                    lines.append("#EXT-X-DISCONTINUITY")
                if self.aes and (key != seq // self.keys_change_every or self.explicit_iv):
                    key = seq // self.keys_change_every
                    iv = f",IV=0x{self._iv(show.gen, seq).hex()}" if self.explicit_iv else ""
                    lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="key/{show.gen}/{key}"{iv}')
                lines += [f"#EXTINF:{chosen[i].duration:.6f},", self._address(show.gen, rendition, seq)]
            if over:
                lines.append("#EXT-X-ENDLIST")
            return "\n".join(lines) + "\n"

    def _address(self, gen: int, rendition: str, seq: int) -> str:
        if self.fc2:
            mark = hashlib.sha256(f"{gen}/{seq}".encode()).hexdigest()
            return f"{self.base}/a/stream/v{self.worker}/{gen}/{rendition}/data/{seq}.ts?time={1699894101 + seq}&hash={mark}"
        return f"seg/{gen}/{rendition}/{seq}.ts" + (f"?sig={self.epoch}" if self.signed else "")

    def master(self) -> str:
        lines = ["#EXTM3U"]
        for name, segments in self.renditions.items():
            rate = round(8 * sum(len(s.body) for s in segments) / sum(s.duration for s in segments))
            height = name.rstrip("p")
            lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={int(height) * 16 // 9}x{height}", f"media/{name}.m3u8"]
        return "\n".join(lines) + "\n"

    def _iv(self, gen: int, seq: int) -> bytes:
        return hashlib.md5(f"iv{gen}/{seq}".encode()).digest() if self.explicit_iv else seq.to_bytes(16, "big")

    @staticmethod
    def _key(gen: int, number: int) -> bytes:
        return hashlib.md5(f"key{gen}/{number}".encode()).digest()

    def _locked(self, body: bytes, gen: int, rendition: str, seq: int) -> bytes:
        at = (gen, rendition, seq)
        if at not in self._secrets:
            key, iv = self._key(gen, seq // self.keys_change_every), self._iv(gen, seq)
            self._secrets[at] = subprocess.run(["openssl", "enc", "-aes-128-cbc", "-K", key.hex(), "-iv", iv.hex()], input=body,
                                               capture_output=True, check=True).stdout
        return self._secrets[at]

    def find(self, request: Request) -> tuple[int, str, bytes]:
        """Status, content type and body of a well-served answer; fills in what the request is about."""
        parts = urlsplit(request.path)
        if match := re.search(r"/(?:seg/|a/stream/v\d+/)(\d+)/(\w+)/(?:data/)?(\d+)\.ts$", parts.path):
            request.kind, request.gen, rendition, request.seq = "segment", int(match[1]), match[2], int(match[3])
            return self._segment(request, rendition, parse_qs(parts.query))
        if match := re.search(r"/key/(\d+)/(\d+)$", parts.path):
            request.kind = "key"
            return 200, "application/octet-stream", self._key(int(match[1]), int(match[2]))
        if parts.path.endswith("/master.m3u8") and self.renditions:
            request.kind = "master"
            return 200, "application/vnd.apple.mpegurl", self.master().encode()
        if match := re.search(r"/(?:media/)?(\w+)\.m3u8$", parts.path):
            if match[1] == "live" or match[1] in self.renditions:
                request.kind = "playlist"
                self.clock.run() if not self.clock.now() else None
                return 200, "application/vnd.apple.mpegurl", self.playlist(match[1]).encode()
        return 404, "text/plain", b"no such thing\n"

    def _segment(self, request: Request, rendition: str, query: dict) -> tuple[int, str, bytes]:
        if self.signed and query.get("sig") != [str(self.epoch)]:
            return 403, "text/plain", b"the signature has expired\n"
        show = self.shows[request.gen] if request.gen < len(self.shows) else None
        index = request.seq - show.first if show else -1
        # A real origin keeps a segment a little longer than its playlist does.
        if show is None or not max(0, self.published(show) - self.window - 2) <= index < self.published(show):
            return 404, "text/plain", b"gone\n"
        chosen = show.segments if rendition == "live" else self.renditions[rendition]
        body = chosen[index].body
        return 200, "video/mp2t", self._locked(body, request.gen, rendition, request.seq) if self.aes else body

    def headers_for(self, request: Request) -> dict[str, str]:
        """More than a plain answer needs, for other kinds of origins."""
        return {}

    def fault_for(self, request: Request) -> Optional[Fault]:
        with self._lock:
            self.requests.append(request)
            return next((fault for fault in self.faults if fault.wants(request)), None)


@dataclass
class Exchange:
    """One request being answered; a fault's act uses these to answer it badly."""

    origin: Origin
    request: Request
    socket: socket.socket
    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    keep: bool = True  # the connection may serve another request

    def head(self, length: Optional[int], status: Optional[int] = None, **more: str) -> bytes:
        status = self.status if status is None else status
        self.request.status = status
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Answer'}", f"Content-Type: {self.content_type}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in {**self.headers, **more}.items()]
        if length is None:
            self.keep = False
            lines.append("Connection: close")
        else:
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = self.socket.send(view[:1 << 18])
            self.request.sent += done
            view = view[done:]

    def serve(self) -> None:
        self.send(self.head(len(self.body)) + self.body)
        self.request.whole = self.status in (200, 206)

    def handed_out(self, body: bytes) -> None:
        """Called before the sending: the reader cannot tell that this body is not the published one."""
        if self.request.kind == "segment":
            self.origin.altered[(self.request.gen, self.request.seq)] = body
        self.request.whole = True

    def wait_for_end(self, seconds: float = 1e9) -> None:
        """Says nothing until the peer leaves, the origin closes, or the time is over."""
        self.keep = False
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.origin.closing.is_set():
            readable, _, _ = select.select([self.socket], [], [], 0.05)
            if readable and not self.socket.recv(4096):
                return

    def reset(self) -> None:
        self.keep = False
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, block_on_close, request_queue_size = True, True, False, 256

    def __init__(self, address, origin: Origin):
        self.origin = origin
        super().__init__(address, _Connection)

    def handle_error(self, request, client_address) -> None:
        """A peer that leaves is no event; the test judges by the records."""


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        origin, link = self.server.origin, self.request
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(60)
        if origin._tls:
            link = self.request = origin._tls.wrap_socket(link, server_side=True)
        pending = b""
        while not origin.closing.is_set():
            while b"\r\n\r\n" not in pending:
                data = link.recv(65536)
                if not data or len(pending) > 1 << 20:
                    return
                pending += data
            head, _, pending = pending.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            named = dict(line.split(":", 1) for line in lines[1:] if ":" in line)
            headers = {name.strip().lower(): value.strip() for name, value in named.items()}
            request = Request(time.monotonic(), "other", lines[0].split(" ")[1], headers)
            status, content_type, body = origin.find(request)
            exchange = Exchange(origin, request, link, status, content_type, body, origin.headers_for(request))
            fault = origin.fault_for(request)
            if fault:
                request.fault = getattr(fault.act, "__name__", "fault")
                fault.act(exchange)
            else:
                exchange.serve()
            if not exchange.keep or headers.get("connection", "").lower() == "close":
                return

    def finish(self) -> None:
        self.request.close()  # an orderly end, or a reset when so set
