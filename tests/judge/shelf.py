"""A plain HTTP server for what is no HLS: lives that come in pieces, files with ranges, pages. Each path has a list of answers;
the last one stays.

    shelf.live("/live", body, cut=100_000)       chunked, at `rate` bytes a second, cut (no last chunk) after so many bytes
    shelf.file("/film.mkv", path, cut=50_000)    Content-Length, ETag, Range and If-Range; each answer cut after so many bytes
    shelf.status("/live", 404)
"""
from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Optional


@dataclass
class Asked:
    path: str
    range: Optional[str]
    if_range: Optional[str]


@dataclass
class FileOnShelf:
    """What a path holds, and may change while it is being fetched."""

    body: bytes
    etag: str = '"v1"'
    cut: int = 0
    ranges: bool = True
    rate: float = 0
    on_answer: Callable[[int], None] = field(default=lambda _: None)
    answers: int = 0


class Shelf:
    def __init__(self):
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Callable]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *_) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, *answers: Callable) -> str:
        with self._lock:
            self._answers.setdefault(path, []).extend(answers)
        return self.base + path

    def clear(self) -> None:
        with self._lock:
            self._answers.clear()

    def ranges(self, path: str) -> list[Optional[str]]:
        return [a.range for a in self.asked if a.path == path]

    # ------------------------------------------------------------ answers

    def live(self, path: str, body: bytes, *, cut: Optional[int] = None, rate: float = 2_000_000) -> str:
        def answer(h: BaseHTTPRequestHandler) -> None:
            h.send_response(200)
            h.send_header("Transfer-Encoding", "chunked")
            h.end_headers()
            for piece in self._paced(body if cut is None else body[:cut], rate):
                h.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut is None:
                h.wfile.write(b"0\r\n\r\n")
            else:
                self._break(h)
        return self.put(path, answer)

    def status(self, path: str, code: int) -> str:
        return self.put(path, lambda h: (h.send_response(code), h.send_header("Content-Length", "0"), h.end_headers()))

    def page(self, path: str, text: str) -> str:
        def answer(h: BaseHTTPRequestHandler) -> None:
            h.send_response(200)
            h.send_header("Content-Type", "video/mp4")  # types may lie
            h.send_header("Content-Length", str(len(text)))
            h.end_headers()
            h.wfile.write(text.encode())
        return self.put(path, answer)

    def file(self, path: str, held: FileOnShelf) -> str:
        def answer(h: BaseHTTPRequestHandler) -> None:
            held.answers += 1
            held.on_answer(held.answers)
            first, wanted = 0, h.headers.get("Range")
            fits = h.headers.get("If-Range") in (None, held.etag)
            if wanted and held.ranges and fits:
                first = int(wanted.removeprefix("bytes=").split("-")[0])
            rest = held.body[first:]
            h.send_response(206 if first else 200)
            h.send_header("ETag", held.etag)
            h.send_header("Content-Length", str(len(rest)))
            if first:
                h.send_header("Content-Range", f"bytes {first}-{len(held.body) - 1}/{len(held.body)}")
            h.end_headers()
            short = bool(held.cut) and len(rest) > held.cut
            for piece in self._paced(rest[:held.cut] if short else rest, held.rate):
                h.wfile.write(piece)
            if short:
                self._break(h)
        return self.put(path, answer)

    def _paced(self, body: bytes, rate: float):
        size = 16_384 if rate else 1 << 18
        for at in range(0, len(body), size):
            if self._closing.is_set():
                return
            yield body[at:at + size]
            if rate:
                time.sleep(size / rate)

    @staticmethod
    def _break(h: BaseHTTPRequestHandler) -> None:
        h.wfile.flush()
        time.sleep(0.05)  # what was sent has arrived before the reset does
        h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        h.close_connection = True
        h.connection.close()

    def _handler(self):
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                with shelf._lock:
                    shelf.asked.append(Asked(path, self.headers.get("Range"), self.headers.get("If-Range")))
                    answers = shelf._answers.get(path, [])
                    answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else None
                try:
                    if answer is None:
                        self.send_error(404)
                    else:
                        answer(self)
                except (OSError, ValueError):
                    self.close_connection = True

            def handle(self) -> None:
                try:
                    super().handle()
                except (OSError, ValueError):
                    pass

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    pass

            def log_message(self, *_) -> None:
                """The test judges by `asked`."""

        return Handler
