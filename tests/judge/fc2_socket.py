"""One control websocket of the fake FC2 (FC2-19 to FC2-30). One thread reads and writes it; others leave messages with it."""
from __future__ import annotations

import collections
import json
import os
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from .websocket import CLOSE, Closed, Socket

if TYPE_CHECKING:
    from .fc2 import Fc2
    from .fc2_channel import Channel

RST, FIN, CLOSE_1000, SILENT = "rst", "fin", "close 1000", "silent"
CUTS = (RST, FIN, CLOSE_1000, SILENT)


class ControlSession:
    def __init__(self, fake: "Fc2", channel: "Channel", sock: socket.socket, early: bytes, viewer: str, orz: str, number: int):
        self.fake, self.channel, self.viewer, self.orz, self.number = fake, channel, viewer, orz, number
        self.live = channel.live()
        self.key = f"{fake.canary}c{number}"        # `c` of its playlists' addresses
        self.secret = f"{fake.canary}d{number}-{os.urandom(12).hex()}"
        self.opened = self.last_beat = time.monotonic()
        self.gone_at: float | None = None
        self.heartbeats = 0
        self.received: list[dict] = []
        self.ids: list[int] = []
        self.close_code: int | None = None
        self.silent = False
        self._socket = Socket(sock, early, client=False)
        self._waiting: collections.deque = collections.deque()
        self._wake_read, self._wake_write = os.pipe()
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        return self.gone_at is None

    def valid(self, key: str, secret: str) -> bool:
        """Whether playlists under this address are served (FC2-22): a socket, or not long without; heartbeats, or not long without."""
        if (key, secret) != (self.key, self.secret):
            return False
        now = time.monotonic()
        if self.gone_at is not None and now - self.gone_at > self.fake.grace:
            return False
        return now - self.last_beat <= self.fake.heartbeat_limit

    # ------------------------------------------------------------ from any thread

    def say(self, name: str, arguments: Any, **more: Any) -> None:
        self.say_text(json.dumps({"name": name, "arguments": arguments, **more}, ensure_ascii=False))

    def say_text(self, text: str) -> None:
        self._leave(lambda: self._socket.send_text(text))

    def disconnect(self, code: int) -> None:
        """control_disconnection, then an orderly close."""
        self.say("control_disconnection", {"code": code})
        self._leave(self._close_1000)

    def cut(self, how: str) -> None:
        self._leave({RST: self._reset, FIN: self._fin, CLOSE_1000: self._close_1000, SILENT: self._fall_silent}[how])

    def _leave(self, act) -> None:
        with self._lock:
            if self._wake_write is None:
                return
            self._waiting.append(act)
            os.write(self._wake_write, b".")

    # ------------------------------------------------------------ on its own thread

    def run(self) -> None:
        try:
            self._greet()
            while not self.fake.closing.is_set():
                self._next()
        except (Closed, OSError, ValueError) as e:
            self.close_code = getattr(e, "code", None)
        finally:
            self.gone_at = time.monotonic()
            with self._lock:
                os.close(self._wake_read)
                os.close(self._wake_write)
                self._wake_write = None

    def _greet(self) -> None:
        self.say("initial_connect", {"publish": True, "subpublish": False, "server_time": int(time.time())})
        self.say("connect_complete", {})
        self.say("user_count", {"any": "thing"})
        if self.channel.history:
            self.say("comment", {"comments": self.channel.history})
        code = self._refusal()
        if code is not None:
            threading.Timer(self.channel.refuse_after, self.disconnect, (code,)).start()

    def _refusal(self) -> int | None:
        if self.channel.needs_login and not self.viewer:
            return 4507
        if self.fake.one_per_viewer and self.orz:
            others = [s for s in self.channel.sessions() if s is not self and s.orz == self.orz]
            if others:
                return 4512
        return self.channel.refuse_code

    def _next(self) -> None:
        pending = bool(self._socket.pending) or getattr(self._socket.sock, "pending", lambda: 0)()
        ready, _, _ = select.select([self._socket.sock, self._wake_read], [], [], 0 if pending else 1.0)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        while self._waiting:
            self._waiting.popleft()()
        if pending or self._socket.sock in ready:
            if self.silent:
                if not self._socket.sock.recv(65536):
                    raise Closed(None, "left")
            else:
                self._answer(json.loads(self._socket.read(timeout=20)[1]))

    def _answer(self, message: dict) -> None:
        self.received.append(message)
        name, number = message.get("name"), message.get("id")
        assert isinstance(message.get("arguments"), dict) and isinstance(number, int), message
        self.ids.append(number)
        if name == "heartbeat":
            self.heartbeats += 1
            self.last_beat = time.monotonic()
            if self.channel.heartbeat_answered:
                self.say("_response_", {"status": 0}, id=number)
        elif name == "get_hls_information" and self.channel.hls_answered:
            self.say("_response_", {"status": 0, **self._playlists()}, id=number)

    def _playlists(self) -> dict[str, list]:
        lists: dict[str, list] = {"playlists": [], "playlists_high_latency": [], "playlists_middle_latency": []}
        live = self.channel.live()
        if live is None:
            return lists
        if self.channel.lists_empty_for > 0:
            self.channel.lists_empty_for -= 1
            return lists
        for mode in live.modes():
            kind = "master_playlist?targets=10,20,30,40,50,90&" if mode < 10 else "playlist?"
            url = f"{self.fake.media_base()}/a/stream/{self.channel.id}/{mode}/{kind}c={self.key}&d={self.secret}"
            list(lists.values())[mode % 10].append({"mode": mode, "status": self.channel.mode_status, "url": url})
        return lists

    def _reset(self) -> None:
        raw = self._socket.sock
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        raise Closed(None, "reset by the fake")

    def _fin(self) -> None:
        self._socket.sock.shutdown(socket.SHUT_RDWR)
        self._socket.sock.close()
        raise Closed(None, "ended by the fake")

    def _close_1000(self) -> None:
        self._socket.send_frame(CLOSE, struct.pack(">H", 1000))
        self._socket.sock.shutdown(socket.SHUT_WR)
        self._socket.sock.close()
        raise Closed(1000, "closed by the fake")

    def _fall_silent(self) -> None:
        """Reads on and never says anything again: a path that lost its state."""
        self.silent = True
