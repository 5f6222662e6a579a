"""The websocket relay as its peers meet it: the program on free ports, who pushes into it, and who watches it."""
from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Optional

from . import websocket
from .weir import SCALE, WHOLE, Weir, wait_until


class Relay(Weir):
    """`weir relay` on loopback. Its addresses are the lines of its standard output, in the order of `addresses`."""

    def __init__(self, *options, cwd: Path, command=("relay", "--port", "0"), **more):
        super().__init__(*command, *options, cwd=cwd, **more)
        self.wanted = 3 if "--jsmpeg-secret" in options else 1
        try:
            wait_until(lambda: self.process.poll() is not None or len(self.addresses) >= self.wanted, 20, "the relay's addresses")
            assert self.process.poll() is None, self.story()
        except AssertionError:
            self.kill()
            raise
        self.port, *self.more_ports = [int(re.search(r":(\d+)/", line)[1]) for line in self.addresses]

    @property
    def addresses(self) -> list[str]:
        return re.findall(r"^(?:http|ws)s?://\S+:\d+/(?=\n)", self.stdout, re.M)

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def rest(self, method: str, path: str, body=None, headers: Optional[dict] = None, tls=None) -> tuple[int, str]:
        make = http.client.HTTPConnection if tls is None else http.client.HTTPSConnection
        link = make("127.0.0.1" if tls is None else "localhost", self.port, timeout=10 * SCALE, **({} if tls is None else {"context": tls}))
        try:
            text = body if body is None or isinstance(body, str) else json.dumps(body)
            link.request(method, path, text, headers or {})
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def must(self, method: str, path: str, body=None, **more) -> str:
        status, text = self.rest(method, path, body, **more)
        assert status == 200, f"{method} {path}: {status} {text}\n{self.story()}"
        return text

    def stream(self, name: str, *feeds: str) -> str:
        return self.must("POST", "/api/streams", {"stream": name, "feeds": feeds})

    def destination(self, name: str, stream: str, to: str, **more) -> str:
        return self.must("POST", "/api/destinations", {"id": name, "stream": stream, "destination": to, **more})

    def record(self, name: str, stream: str, **more) -> str:
        return self.must("POST", "/api/recordings", {"id": name, "stream": stream, **more})

    def stats(self, **more) -> dict:
        return json.loads(self.must("GET", "/api/stats", **more))

    def topic(self, name: str) -> Optional[dict]:
        return next((topic for topic in self.stats()["topics"] if topic["name"] == name), None)

    def of(self, kind: str, name: str) -> Optional[dict]:
        """That destination, recording or command in the statistics."""
        return next((row for row in self.stats()[kind] if row.get("id", row.get("feed")) == name), None)

    def wait_for(self, kind: str, name: str, state: str, seconds: float = 20) -> dict:
        def there():
            row = self.of(kind, name)
            return row if row and row["state"] == state else None
        try:
            return wait_until(there, seconds, f"{kind} {name} to be {state}", step=0.05)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.of(kind, name)}\n{self.story()}") from None

    def connect(self, path: str, **more) -> websocket.Socket:
        return websocket.connect(self.port, path, **more)

    def viewer(self, path: str, **more) -> "Viewer":
        return Viewer(self.connect(path, **more))

    def stop(self, expect: int = WHOLE) -> None:
        self.signal(signal.SIGTERM)
        self.wait(20, expect)


# ---------------------------------------------------------------- who watches

class Viewer:
    """Reads a websocket on a thread of its own until its end; `messages`: (time, opcode, payload)."""

    def __init__(self, link: websocket.Socket):
        self.link, self.messages, self.ended = link, [], None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            while True:
                opcode, payload = self.link.read(timeout=600)
                self.messages.append((time.monotonic(), opcode, payload))
        except (websocket.Closed, TimeoutError, OSError, ValueError) as end:
            self.ended = end

    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload in list(self.messages)]

    @property
    def data(self) -> bytes:
        return b"".join(self.payloads())

    def wait(self, count: int, seconds: float = 20) -> list[bytes]:
        wait_until(lambda: len(self.messages) >= count or self.ended, seconds, f"{count} messages, {len(self.messages)} came")
        assert len(self.messages) >= count, f"{len(self.messages)} messages, then {self.ended}"
        return self.payloads()

    def wait_bytes(self, count: int, seconds: float = 20) -> bytes:
        wait_until(lambda: sum(map(len, self.payloads())) >= count or self.ended, seconds, f"{count} bytes")
        return self.data

    def close(self) -> None:
        try:
            self.link.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5 * SCALE)
        self.link.abort()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class LiveReader:
    """GET /live/…: what came, as it came."""

    def __init__(self, relay: Relay, path: str, **headers):
        self.link = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=600)
        self.link.request("GET", path, headers=headers)
        self.answer, self.pieces, self.ended = None, [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.answer = self.link.getresponse()
            while piece := self.answer.read1(1 << 16):
                self.pieces.append(piece)
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.ended.set()

    @property
    def data(self) -> bytes:
        return b"".join(list(self.pieces))

    def close(self) -> None:
        if self.link.sock:
            try:
                self.link.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(5 * SCALE)
        self.link.close()

    def __enter__(self) -> "LiveReader":
        return self

    def __exit__(self, *_) -> None:
        self.close()


# ---------------------------------------------------------------- who pushes

class Push:
    """A chunked push whose borders are exactly those of the calls: each piece leaves as one HTTP chunk in one write."""

    def __init__(self, relay: Relay, feed: str, method: str = "POST", port: Optional[int] = None, path: Optional[str] = None, headers=()):
        self.sock = socket.create_connection(("127.0.0.1", port or relay.port), timeout=20 * SCALE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{method} {path or '/ts/' + feed} HTTP/1.1", f"Host: 127.0.0.1:{port or relay.port}", "Transfer-Encoding: chunked", *headers]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, *pieces: bytes, pause: float = 0) -> None:
        for piece in pieces:
            self.sock.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
            if pause:
                time.sleep(pause)

    def answer(self) -> int:
        first, _, _ = websocket.read_head(self.sock)
        return int(first.split()[1])

    def end(self) -> int:
        """Ends the body properly; the status of the answer (WIN-8)."""
        self.sock.sendall(b"0\r\n\r\n")
        status = self.answer()
        self.sock.close()
        return status

    def cut(self) -> None:
        self.sock.close()

    def __enter__(self) -> "Push":
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()


class Paced:
    """Pushes pieces on a thread, one each `pause`; `sent`: how many have gone, `times`: when; `broken`: why it gave up."""

    def __init__(self, push: Push, pieces: list[bytes], pause: float = 0.04):
        self.push, self.pieces, self.pause, self.times, self.broken = push, pieces, pause, [], None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        begin = time.monotonic()
        for number, piece in enumerate(self.pieces):
            try:
                self.push.send(piece)
            except OSError as gone:
                self.broken = gone
                return
            self.times.append(time.monotonic())
            if self.stopping.wait(max(0.0, begin + (number + 1) * self.pause - time.monotonic())):
                return

    @property
    def sent(self) -> int:
        return len(self.times)

    def finish(self) -> int:
        """Waits for the rest; the status of the push."""
        self.thread.join()
        assert self.broken is None, f"the relay let go: {self.broken}"
        return self.push.end()

    def __enter__(self) -> "Paced":
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self.thread.join(20 * SCALE)
        self.push.cut()


class Peer:
    """A foreign program in a session of its own; stopped by its number at the end."""

    def __init__(self, *argv, cwd: Optional[Path] = None, env: Optional[dict] = None, stdin=subprocess.DEVNULL):
        settings = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        settings.update(env or {})
        self.argv = [str(a) for a in argv]
        self.process = subprocess.Popen(self.argv, cwd=cwd, env=settings, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self._said = bytearray()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while data := os.read(self.process.stdout.fileno(), 1 << 16):
            self._said += data

    @property
    def said(self) -> str:
        return self._said.decode("utf-8", "replace")

    def story(self) -> str:
        return f"$ {' '.join(self.argv)}  (exit {self.process.poll()})\n{self.said[-3000:]}"

    def wait(self, seconds: float = 30, expect: Optional[int] = 0) -> str:
        try:
            self.process.wait(seconds * SCALE)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"did not end in time: {self.story()}") from None
        self._thread.join(5 * SCALE)
        assert expect is None or self.process.returncode == expect, self.story()
        return self.said

    def stop(self) -> None:
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        self._thread.join(5 * SCALE)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.stop()


def ffmpeg_push(source: Path, url: str, *options, loop: bool = False, seconds: Optional[float] = None, before=()) -> Peer:
    """At the speed of its own clock, nothing coded anew."""
    return Peer("ffmpeg", "-v", "error", "-nostdin", "-re", *(["-stream_loop", "-1"] if loop else []), *before, "-i", source, *(["-t", seconds] if seconds else []),
                "-map", "0", "-c", "copy", "-f", "mpegts", *options, url)


def ffmpeg_save(url: str, file: Path, *options) -> Peer:
    """What a player would read, into a file, nothing coded anew."""
    return Peer("ffmpeg", "-v", "error", "-nostdin", "-y", "-analyzeduration", "500000", "-i", url, *options, "-map", "0", "-c",
                "copy", "-copyts", "-f", "mpegts", file)


# ---------------------------------------------------------------- what stands in the way

class ConnectProxy:
    """An HTTP proxy that only tunnels (CONNECT), always to this machine whatever the name; `asked`: the targets, in order."""

    def __init__(self):
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        try:
            first, _, rest = websocket.read_head(client)
            method, target, _ = first.split()
            self.asked.append(f"{method} {target}")
            if method != "CONNECT":
                client.sendall(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1]))) as server:
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                server.sendall(rest)
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()
        except (OSError, websocket.Closed, ValueError):
            pass
        finally:
            client.close()

    @staticmethod
    def _pump(source: socket.socket, to: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def __enter__(self) -> "ConnectProxy":
        return self

    def __exit__(self, *_) -> None:
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
