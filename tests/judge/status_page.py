"""The status page's files with a status that the test writes: for states that a recorder is rarely in, many channels, and an answer that stays away."""
from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

WEB = Path(__file__).resolve().parents[2] / "web"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def at(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def channel(state: str = "IDLE", reason: str = "not live", *, errors: tuple = (), since: float = -90, next_look: Optional[float] = None, **more: Any) -> dict:
    made = {"state": state, "reason": reason, "since": at(since), "errors_log": [{"timestamp": at(when), "error": text} for when, text in errors], **more}
    if next_look is not None:
        made["next_look"] = at(next_look)
    return made


def recording(file: str, **more: Any) -> dict:
    return {"file": file, "quality": "3Mbps mid", "as_whom": "anonymous", "bytes": 0, "duration_seconds": 0.0, "got": 0, "missing": 0, "behind": 0,
            "gaps": 0, "comments": 0, "reconnects": 0, "waiting_for_space": False, **more}


class ScriptedStatus:
    """`channels` is what is answered; `fail` closes the connection instead, a number answers it as status."""

    def __init__(self) -> None:
        self.channels: dict[str, dict] = {}
        self.version, self.fail, self.asked = "1.0.0", None, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY)):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/api/status":
                    outer.asked += 1
                    if outer.fail == "cut":
                        self.close_connection = True
                    elif outer.fail:
                        self.answer(outer.fail, "text/plain", b"out of order\n")
                    else:
                        self.answer(200, "application/json", json.dumps(outer.status()).encode())
                elif path == "/api/session":
                    self.answer(200, "application/json", b'{"signed_in": false}')
                else:
                    file = WEB / ("status/index.html" if path == "/" else path.removeprefix("/page/"))
                    known = file.is_file() and WEB in file.resolve().parents
                    self.answer(200 if known else 404, TYPES.get(file.suffix, "text/plain"), file.read_bytes() if known else b"")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def status(self) -> dict:
        return {"channels": self.channels, "program": "weir fc2", "version": self.version, "started": at(-98765), "now": at(0)}

    def __enter__(self) -> "ScriptedStatus":
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
