"""Every notification service at once: one port of HTTP and HTTPS that takes whatever is sent and notes it.

    hooks = Hooks(TestCa(folder, ["discord.com"]))
    weir notify test discord://… with hooks.env     every connection of weir's goes here (WEIR_CONNECT_TO), names and certificates stay
    hooks.calls("discord.com")
"""
from __future__ import annotations

import json
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Callable, Optional
from urllib.parse import parse_qsl, urlsplit

from .origin import TestCa


@dataclass
class Call:
    method: str
    url: str  # with the host that was asked for
    headers: dict[str, str]  # names in lower case
    body: bytes
    when: float = field(default_factory=time.monotonic)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return sorted(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Hooks:
    def __init__(self, ca: Optional[TestCa] = None):
        self.answer: Callable[[Call], Answer] = lambda call: Answer()
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        context = ca.server_context() if ca else None
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                self.scheme = "http"
                if context and self.request.recv(1, 2) == b"\x16":  # MSG_PEEK; a TLS record
                    self.request, self.scheme = context.wrap_socket(self.request, server_side=True), "https"
                super().setup()

            def take(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                call = Call(self.command, f"{self.scheme}://{self.headers['Host']}{self.path}",
                            {name.lower(): value.encode("latin-1").decode("utf-8", "replace") for name, value in self.headers.items()}, body)
                with hooks._lock:
                    hooks._calls.append(call)
                answer = hooks.answer(call)
                hooks._closing.wait(answer.delay)
                content = answer.body.encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = take

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

            def handle_error(self, *_):  # who hangs up, hangs up
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.env = {"WEIR_CONNECT_TO": f"::127.0.0.1:{self.port}", **({"SSL_CERT_FILE": str(ca.ca)} if ca else {})}
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def detour(self, *hosts: str) -> dict[str, str]:
        """Only these hosts come here."""
        return {**self.env, "WEIR_CONNECT_TO": ",".join(f"{host}::127.0.0.1:{self.port}" for host in hosts)}

    def calls(self, host: str = "") -> list[Call]:
        with self._lock:
            return [call for call in self._calls if not host or call.host == host]

    def forget(self) -> None:
        with self._lock:
            self._calls.clear()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Hooks":
        return self

    def __exit__(self, *_) -> None:
        self.close()
