"""A TCP proxy that breaks connections as told (F1 of the test matrix). It knows no HTTP.

    with FaultProxy(("127.0.0.1", origin.port)) as gate:
        gate.script(Cut(1000), Stall(), Good())       # first, second, third connection; further ones are good
        url = gate.url("/live.m3u8")

Offsets count the bytes that the server sends on one connection.
"""
from __future__ import annotations

import random
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Good:
    """Passes everything on."""


@dataclass(frozen=True)
class Reset:
    """A reset after so many bytes; 0: as soon as the connection is there."""

    after: int = 0


@dataclass(frozen=True)
class Stall:
    """Accepts, then silence in both directions, with the connection open."""

    after: int = 0


@dataclass(frozen=True)
class HalfOpen:
    """The server has gone without a word: nothing is read from the client any more, nothing is closed."""

    after: int = 0


@dataclass(frozen=True)
class Cut:
    """An orderly end after so many bytes."""

    after: int


@dataclass(frozen=True)
class Corrupt:
    """Flips bits from one offset on."""

    at: int
    count: int = 16


@dataclass(frozen=True)
class Trickle:
    bytes_per_second: float = 1.0


@dataclass(frozen=True)
class Slice:
    """Passes on in tiny, separate pieces."""

    most: int = 7
    pause: float = 0.0
    seed: int = 1


Plan = Good | Reset | Stall | HalfOpen | Cut | Corrupt | Trickle | Slice


class FaultProxy:
    def __init__(self, upstream: tuple[str, int]):
        self.upstream = upstream
        self.plans: deque[Plan] = deque()
        self.always: Plan = Good()
        self.used: list[Plan] = []
        self.refused = 0
        self._closing = threading.Event()
        self._listener: Optional[socket.socket] = None
        self.port = 0
        self._lock = threading.Lock()
        self.accept_again()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def script(self, *plans: Plan) -> None:
        with self._lock:
            self.plans.extend(plans)

    def refuse(self) -> None:
        """Connections are refused until `accept_again`."""
        with self._lock:
            if self._listener:
                self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None

    def accept_again(self) -> None:
        with self._lock:
            if self._listener:
                return
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", self.port))
            self._listener.listen(128)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self.refuse()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                plan = self.plans.popleft() if self.plans else self.always
                self.used.append(plan)
            threading.Thread(target=self._serve, args=(client, plan), daemon=True).start()

    def _serve(self, client: socket.socket, plan: Plan) -> None:
        try:
            with client, socket.create_connection(self.upstream) as server:
                for link in (client, server):
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._relay(client, server, plan)
        except OSError:
            pass  # broken on purpose, or by the peer

    def _relay(self, client: socket.socket, server: socket.socket, plan: Plan) -> None:
        passed, rng = 0, random.Random(getattr(plan, "seed", 0))
        limit = getattr(plan, "after", None)
        while not self._closing.is_set():
            if limit is not None and passed >= limit:
                return self._act(client, plan)
            ready, _, _ = select.select([client, server], [], [], 0.05)
            if client in ready:
                data = client.recv(65536)
                if not data:
                    return
                server.sendall(data)
            if server in ready:
                data = server.recv(65536 if limit is None else min(65536, limit - passed))
                if not data:
                    return
                self._pass_on(client, data, passed, plan, rng)
                passed += len(data)

    def _act(self, client: socket.socket, plan: Plan) -> None:
        match plan:
            case Reset():
                time.sleep(0.02 if plan.after else 0)  # a reset overtakes what is still unread
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Stall():
                while not self._closing.is_set() and not self._left(client):
                    pass
            case HalfOpen():
                self._closing.wait()

    @staticmethod
    def _left(client: socket.socket) -> bool:
        ready, _, _ = select.select([client], [], [], 0.05)
        return bool(ready) and not client.recv(65536)

    def _pass_on(self, client: socket.socket, data: bytes, passed: int, plan: Plan, rng: random.Random) -> None:
        match plan:
            case Corrupt():
                broken = bytearray(data)
                for i in range(max(plan.at - passed, 0), min(plan.at + plan.count - passed, len(data))):
                    broken[i] ^= 0x55
                client.sendall(broken)
            case Trickle():
                for i in range(len(data)):
                    if self._closing.wait(1 / plan.bytes_per_second):
                        return
                    client.sendall(data[i:i + 1])
            case Slice():
                at = 0
                while at < len(data):
                    step = rng.randint(1, plan.most)
                    client.sendall(data[at:at + step])
                    at += step
                    if plan.pause:
                        time.sleep(plan.pause)
            case _:
                client.sendall(data)
