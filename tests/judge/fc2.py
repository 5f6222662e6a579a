"""A fake FC2 on loopback: live.fc2.com, id.fc2.com, the control websocket and the media servers in one, written from the facts.

    fake = Fc2()
    channel = fake.channel("91544481", name="Somebody")
    live = channel.begin(Shape(seconds=30), title="the live")
    … run weir with fake.env …
    verify.delivery(live.truth(), …)

Playlists are served to who has a live control socket with heartbeats (FC2-22); the host of fragments changes from poll to poll (FC2-36).
Everything that may never be shown holds `canary`. Faults are those of faults.py, by kind: member, control, list, adult_list, login,
home, thumb, socket, playlist, segment, and by channel.
"""
from __future__ import annotations

import base64
import collections
import hashlib
import json
import re
import socket
import socketserver
import threading
import time
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Optional
from urllib.parse import parse_qs, urlsplit

from . import fc2_answers as answers
from .fc2_channel import Channel, Live
from .fc2_socket import ControlSession
from .origin import Exchange, Fault, Request, TestCa
from .websocket import GUID

JSON, TEXT, HTML = "application/json", "text/javascript", "text/html"
CANARY = "CANARY7f3a"
ORZ = "c0ffee0ddba11"  # orz_raw is hexadecimal; it leaks as this


@dataclass
class Asked(Request):
    method: str = "GET"
    form: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    channel: str = ""
    mode: int = 0
    shown: range = range(0)  # of a playlist: the numbers it named


@dataclass
class ChannelFault(Fault):
    channel: Optional[str] = None

    def wants(self, request: Asked) -> bool:
        return self.channel in (None, request.channel) and super().wants(request)


class Fc2:
    def __init__(self, *, tls: Optional[TestCa] = None, host: str = "127.0.0.1", grace: float = 150.0, heartbeat_limit: float = 150.0,
                 linger: float = 3.0, one_per_viewer: bool = False, keep_requests: bool = True, api_limit: Optional[int] = None):
        """`grace`: how long an address outlives its socket. `linger`: how long playlists are served after the live's end. `api_limit`:
        so many questions to memberApi in a second, then 503 (FC2-11)."""
        self.canary, self.grace, self.heartbeat_limit, self.linger = CANARY, grace, heartbeat_limit, linger
        self.api_limit, self._api_times = api_limit, collections.deque()
        self.one_per_viewer, self.keep_requests = one_per_viewer, keep_requests
        self.after_end = 403
        self.open_key = ""  # a `c` that needs no socket, for programs that only read playlists
        self.channels: dict[str, Channel] = {}
        self.users: dict[str, str] = {}  # value of cookie fcus -> who is logged in
        self.requests: list[Asked] = []
        self.counts: dict[str, int] = {}
        self.faults: list[ChannelFault] = []
        self.altered: dict[tuple[int, int], bytes] = {}
        self.closing = threading.Event()
        self._tokens: dict[str, tuple[Channel, str, str]] = {}
        self._sessions: dict[str, ControlSession] = {}
        self._links: set[socket.socket] = set()
        self._lock = threading.RLock()
        self._tls = tls.server_context() if tls else None
        self.tls = tls
        self._server = self._listen((host, 0))
        self.host, self.port = host, self._server.server_address[1]
        threading.Thread(target=self._watch_ends, daemon=True).start()

    def __enter__(self) -> "Fc2":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _listen(self, address: tuple[str, int]) -> "_Server":
        server = _Server(address, self)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def close(self) -> None:
        self.closing.set()
        self.refuse_all()

    # ------------------------------------------------------------ what the test does to it

    def channel(self, number: str = "91544481", **more) -> Channel:
        self.channels[number] = made = Channel(number, **{"image": f"{self.base()}/thumb/{number}/thumb.jpg?1700000000", **more})
        return made

    def login(self, name: str, value: str = CANARY + "fcus") -> None:
        """Who has that value in cookie fcus is logged in under that name."""
        self.users[value] = name

    def fault(self, act, *, kind: Optional[str] = None, seq=None, path: str = "", times: Optional[int] = 1, skip: int = 0,
              channel: Optional[str] = None) -> ChannelFault:
        """As Origin.fault(), for one channel where named."""
        numbers = None if seq is None else frozenset([seq] if isinstance(seq, int) else seq)
        made = ChannelFault(act, kind, numbers, re.compile(path), times, skip, channel=channel)
        with self._lock:
            self.faults.append(made)
        return made

    def refuse_all(self) -> None:
        """As a host that is down: nobody listens, every connection is cut."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            links = list(self._links)
        for link in links:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def come_back(self) -> None:
        self._server = self._listen((self.host, self.port))

    # ------------------------------------------------------------ what it knows

    def base(self, name: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}{'s' if self._tls else ''}://{name}:{self.port}"

    def media_base(self) -> str:
        return self.base()

    @property
    def env(self) -> dict[str, str]:
        more = {"SSL_CERT_FILE": str(self.tls.ca)} if self.tls else {}
        return {"WEIR_FC2_URL": self.base(), "WEIR_FC2_ID_URL": self.base("localhost"), **more}

    def asked(self, kind: Optional[str] = None, channel: Optional[str] = None) -> list[Asked]:
        with self._lock:
            return [r for r in self.requests if kind in (None, r.kind) and channel in (None, r.channel)]

    def sessions(self) -> list[ControlSession]:
        with self._lock:
            return list(self._sessions.values())

    def _watch_ends(self) -> None:
        """A live that has shown its last segment ends by itself, and says so."""
        while not self.closing.wait(0.05):
            for channel in list(self.channels.values()):
                if channel.lives:
                    channel.live()

    # ------------------------------------------------------------ what it serves

    def find(self, request: Asked) -> tuple[int, str, bytes]:
        """Status, content type and body of a well-served answer; fills in what the request is about."""
        parts = urlsplit(request.path)
        if match := re.fullmatch(r"/a/stream/v3/(\d+)/(\d+)/data/(\d+)\.ts", parts.path):
            request.kind, request.channel, request.mode, request.seq = "segment", match[1], int(match[2]), int(match[3])
            return self._segment(request, parse_qs(parts.query))
        if match := re.fullmatch(r"/a/stream/(\d+)/(\d+)/(master_)?playlist", parts.path):
            request.kind, request.channel, request.mode = "playlist", match[1], int(match[2])
            return self._playlist(request, parse_qs(parts.query))
        if match := re.fullmatch(r"/thumb/(\d+)/thumb\.jpg", parts.path):
            request.kind, request.channel = "thumb", match[1]
            return 200, "image/jpeg", answers.JPEG
        named = {"/api/memberApi.php": self._member, "/api/getControlServer.php": self._control, "/login/": self._login, "/": self._home,
                 "/contents/allchannellist.php": self._list, "/adult/contents/allchannellist.php": self._adult_list}
        if parts.path in named:
            return named[parts.path](request)
        return 404, HTML, b"no such thing\n"

    def viewer(self, request: Asked) -> str:
        return self.users.get(request.cookies.get("fcus", ""), "")

    def _member(self, request: Asked) -> tuple[int, str, bytes]:
        request.kind, request.channel = "member", request.form.get("streamid", "")
        if self._too_many():
            return 503, HTML, b"too many requests\n"
        wanted = {"channel": "1", "profile": "1", "user": "1"}
        if request.method != "POST" or {k: request.form.get(k) for k in wanted} != wanted:
            return 200, TEXT, b'{"status":0,"msg":"parameters"}'
        channel = self.channels.get(request.channel)
        answer = channel.as_member(self.viewer(request)) if channel else answers.member(request.channel, "", None, "")
        return 200, TEXT, json.dumps(answer, ensure_ascii=False).encode()

    def _too_many(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._api_times.append(now)
            while self._api_times[0] < now - 1:
                self._api_times.popleft()
            return self.api_limit is not None and len(self._api_times) > self.api_limit

    def _control(self, request: Asked) -> tuple[int, str, bytes]:
        request.kind, request.channel = "control", request.form.get("channel_id", "")
        channel = self.channels.get(request.channel)
        live = channel.live() if channel else None
        right = {"mode": "play", "client_type": "pc", "client_app": "browser_hls", "ipv6": "", "client_version": "2.2.1  [1]"}
        if live is None or {k: request.form.get(k) for k in right} != right or request.form.get("channel_version") != live.as_answered()["version"]:
            return 200, JSON, b'{"status":11,"msg":"not live"}'
        viewer = self.viewer(request)
        orz = request.form.get("orz") or f"{ORZ}{len(self._tokens):027x}"
        claims = answers.control_claims(channel.id, live.as_answered()["version"], orz, viewer, int(time.time()) + 3600)
        token = answers.jwt(claims, f"{CANARY}token{len(self._tokens)}")
        with self._lock:
            self._tokens[token] = (channel, viewer, orz)
        answer = {"url": self.base(scheme="ws") + f"/control/channels/{channel.id}", "orz": answers.jwt({"orz": orz}, f"{CANARY}orz"),
                  "orz_raw": orz, "control_token": token, "status": 0}
        return 200, JSON, json.dumps(answer).encode()

    def _login(self, request: Asked) -> tuple[int, str, bytes]:
        request.kind = "login"
        if urlsplit("//" + request.headers.get("host", "")).hostname != "localhost":
            return 302, HTML, b""
        page = "<html>nickname</html>" if self.viewer(request) else "<html>please log in</html>"
        return 200, HTML, page.encode()

    def _home(self, request: Asked) -> tuple[int, str, bytes]:
        request.kind = "home"
        return 200, HTML, answers.home_page(self.viewer(request)).encode()

    def _listing(self, adult: bool) -> tuple[int, str, bytes]:
        rows = []
        for channel in list(self.channels.values()):
            live = channel.live() if channel.adult == adult and not channel.hidden_from_list else None
            if live:
                rows.append(answers.listed(channel.id, channel.name, live.as_answered()))
        return 200, TEXT, json.dumps({"link": "", "is_adult": int(adult), "time": int(time.time()), "channel": rows}).encode()

    def _list(self, request: Asked) -> tuple[int, str, bytes]:
        request.kind = "list"
        return self._listing(False)

    def _adult_list(self, request: Asked) -> tuple[int, str, bytes]:
        request.kind = "adult_list"
        return self._listing(True)

    def _playlist(self, request: Asked, query: dict) -> tuple[int, str, bytes]:
        channel = self.channels.get(request.channel)
        live = self._live_of(channel, query.get("c", [""])[0], query.get("d", [""])[0])
        if live is None:
            return 403, HTML, b"forbidden\n"
        request.gen = live.number
        if live.refused or self._over(live):
            return self.after_end, HTML, b"over\n"
        if request.mode < 10 or request.mode not in live.modes():
            return 404, HTML, b"not ready\n"
        # The worker changes from poll to poll, as fixtures/fc2/hls shows.
        text, request.shown = live.playlist(request.mode, self.base("localhost" if live.polls % 2 else "127.0.0.1"))
        return 200, "application/x-mpegURL", text.encode()

    def _live_of(self, channel: Optional[Channel], key: str, secret: str) -> Optional[Live]:
        """What that address plays, if it is accepted: the live of its session, never the next one of that channel."""
        if channel is None or not channel.lives:
            return None
        if self.open_key and key == self.open_key:
            return channel.lives[-1]
        session = self._sessions.get(key)
        return session.live if session and session.channel is channel and session.valid(key, secret) else None

    def _over(self, live: Live) -> bool:
        return live.ended.is_set() and time.monotonic() - live.ended_at > self.linger

    def _segment(self, request: Asked, query: dict) -> tuple[int, str, bytes]:
        channel, mark = self.channels.get(request.channel), query.get("hash", [""])[0]
        live = next((l for l in reversed(channel.lives) if l.mark(request.mode, request.seq) == mark), None) if channel else None
        if live is None:
            return 403, HTML, b"wrong hash\n"
        request.gen = live.number
        if not live.holds(request.seq):
            return 404, HTML, b"gone\n"
        return 200, "video/MP2T", live.body(request.mode, request.seq).body

    def headers_for(self, request: Asked) -> dict[str, str]:
        if request.kind == "login" and request.status == 302:
            return {"Location": self.base("localhost") + "/login/"}
        if request.kind == "segment":
            return {"Cache-Control": "private, max-age=30"}
        if request.kind == "home" and self.viewer(request):
            return {"Set-Cookie": f"PHPSESSID={CANARY}session{len(self.asked('home'))}; Path=/; HttpOnly"}
        return {}

    def note(self, request: Asked) -> Optional[ChannelFault]:
        with self._lock:
            self.counts[request.kind] = self.counts.get(request.kind, 0) + 1
            if self.keep_requests:
                self.requests.append(request)
            return next((fault for fault in self.faults if fault.wants(request)), None)

    def answered(self, request: Asked) -> None:
        """A playlist that arrived whole has handed out its segments."""
        if request.kind == "playlist" and request.whole and request.shown:
            live = next((l for l in self.channels[request.channel].lives if l.number == request.gen), None)
            if live:
                live.note_listed(request.mode, request.shown)

    # ------------------------------------------------------------ the control socket

    def admit(self, request: Asked, link: socket.socket, early: bytes) -> Optional[ControlSession]:
        token = parse_qs(urlsplit(request.path).query).get("control_token", [""])[0]
        known = self._tokens.get(token)
        if known is None or request.headers.get("origin", "") == "null":
            return None
        channel, viewer, orz = known
        with self._lock:
            made = ControlSession(self, channel, link, early, viewer, orz, len(self._sessions))
            self._sessions[made.key] = made
            channel.connections.append(made)
        return made


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, block_on_close, request_queue_size = True, True, False, 1024

    def __init__(self, address, fake: Fc2):
        self.fake = fake
        super().__init__(address, _Connection)

    def handle_error(self, request, client_address) -> None:
        """A peer that leaves is no event; the test judges by the records."""


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        fake, link = self.server.fake, self.request
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(120)
        if fake._tls:
            link = self.request = fake._tls.wrap_socket(link, server_side=True)
        with fake._lock:
            fake._links.add(link)
        self.pending = b""
        while not fake.closing.is_set():
            request = self._read()
            if request is None:
                return
            if request.headers.get("upgrade", "").lower() == "websocket":
                return self._upgrade(request)
            if not self._serve(request):
                return

    def _read(self) -> Optional[Asked]:
        while b"\r\n\r\n" not in self.pending:
            if not self._more():
                return None
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(self.pending) < length:
            if not self._more():
                return None
        body, self.pending = self.pending[:length], self.pending[length:]
        method, path, _ = lines[0].split(" ", 2)
        form = {k: v[0] for k, v in parse_qs(body.decode("latin-1"), keep_blank_values=True, encoding="utf-8").items()}
        return Asked(time.monotonic(), "other", path, headers, method=method, form=form, cookies=_cookies(headers.get("cookie", "")))

    def _more(self) -> bool:
        data = self.request.recv(65536)
        self.pending += data
        return bool(data) and len(self.pending) < 1 << 20

    def _serve(self, request: Asked) -> bool:
        fake = self.server.fake
        status, content_type, body = fake.find(request)
        request.status = status
        exchange = Exchange(fake, request, self.request, status, content_type, body, fake.headers_for(request))
        fault = fake.note(request)
        try:
            if fault:
                request.fault = getattr(fault.act, "__name__", "fault")
                fault.act(exchange)
            else:
                exchange.serve()
        finally:
            fake.answered(request)
        return exchange.keep and request.headers.get("connection", "").lower() != "close"

    def _upgrade(self, request: Asked) -> None:
        fake = self.server.fake
        request.kind = "socket"
        match = re.match(r"/control/channels/(\d+)", request.path)
        request.channel = match[1] if match else ""
        fault = fake.note(request)
        if fault:
            request.fault = getattr(fault.act, "__name__", "fault")
            fault.act(Exchange(fake, request, self.request, 503, HTML, b"no\n"))
            return
        session = fake.admit(request, self.request, self.pending)
        if session is None:
            request.status = 403
            self.request.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        request.status = 101
        self.request.sendall(_accept(request.headers["sec-websocket-key"]))
        session.run()

    def finish(self) -> None:
        with self.server.fake._lock:
            self.server.fake._links.discard(self.request)
        self.request.close()  # an orderly end, or a reset when so set


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _accept(key: str) -> bytes:
    answer = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    return f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {answer}\r\n\r\n".encode()
