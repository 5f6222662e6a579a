"""go tool pprof as the reader of weir's profiles: Debian's Go, without a network."""
from __future__ import annotations

import glob
import gzip
import http.server
import os
import re
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path

GO = next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"), reverse=True)), None) or shutil.which("go")


class GoTool:
    def __init__(self, home: Path):
        home.mkdir(exist_ok=True)
        # Nothing may be fetched, and no binary that lies about may lend its symbols.
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "PPROF_TMPDIR": str(home), "PPROF_BINARY_PATH": str(home),
                    "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(home / "cache"), "DEBUGINFOD_URLS": ""}

    def pprof(self, *arguments, seconds: float = 60) -> str:
        """What it printed; what it complains of is a failure."""
        done = subprocess.run([GO, "tool", "pprof", *map(str, arguments)], env=self.env, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, f"go tool pprof {arguments}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def raw(self, source, *options) -> "Raw":
        return Raw(self.pprof("-raw", *options, source))


class Raw:
    """What -raw prints: the types, and each sample as (values, addresses' numbers)."""

    def __init__(self, text: str):
        self.text = text
        self.period = int(re.search(r"^Period: (\d+)", text, re.M)[1])
        head, _, rest = text.partition("\nSamples:\n")
        body, _, self.locations = rest.partition("\nLocations\n")
        lines = body.splitlines()
        self.types = [re.sub(r"\[.*\]", "", name) for name in lines[0].split()]
        self.default = next((name.split("[")[0] for name in lines[0].split() if name.endswith("[dflt]")), None)
        self.samples = []
        for line in lines[1:]:
            if found := re.match(r"\s*(-?\d[-\d ]*): ([\d ]*)$", line):
                self.samples.append(([int(v) for v in found[1].split()], found[2].split()))

    def total(self, kind: str) -> int:
        return sum(values[self.types.index(kind)] for values, _ in self.samples)


# ---------------------------------------------------------------- a profile without symbols

def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _fields(data: bytes):
    """(number, the field's bytes with its tag, its content when it has a length)"""
    at = 0
    while at < len(data):
        start, (tag, at) = at, _varint(data, at)
        if tag & 7 == 2:
            size, at = _varint(data, at)
            at += size
            yield tag >> 3, data[start:at], data[at - size:at]
        else:
            assert tag & 7 == 0, "profile.proto has no other kinds"
            _, at = _varint(data, at)
            yield tag >> 3, data[start:at], b""


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def without_symbols(profile: bytes) -> bytes:
    """No functions, no lines in locations, no mapping that claims to have some."""
    out = bytearray()
    for number, whole, content in _fields(gzip.decompress(profile)):
        drop = {3: range(7, 11), 4: range(4, 5)}.get(number)
        if drop is not None:
            kept = b"".join(part for inner, part, _ in _fields(content) if inner not in drop)
            out += _number(number << 3 | 2) + _number(len(kept)) + kept
        elif number != 5:
            out += whole
    return gzip.compress(bytes(out))


class Stripped:
    """A server whose profiles have no symbols; questions for them go on to weir and are kept in `asked`."""

    def __init__(self, weir: str):
        opener, asked = urllib.request.build_opener(urllib.request.ProxyHandler({})), []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                with opener.open(weir + self.path, timeout=30) as answer:
                    self.answer(without_symbols(answer.read()))

            def do_POST(self) -> None:
                asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                with opener.open(urllib.request.Request(weir + self.path, data=asked[-1][1]), timeout=30) as answer:
                    self.answer(answer.read())

            def log_message(self, *_) -> None:
                pass

        self.asked = asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Stripped":
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
