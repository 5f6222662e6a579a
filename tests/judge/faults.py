"""Bad answers for origin.Origin: each function makes an act that answers one request. F2 of the test matrix, and more."""
from __future__ import annotations

import gzip
import struct
import time
import zlib
from typing import Callable, Optional

from .origin import Exchange

Act = Callable[[Exchange], None]


def named(name: str, act: Act) -> Act:
    act.__name__ = name
    return act


def status(code: int, retry_after: Optional[int] = None) -> Act:
    def act(x: Exchange) -> None:
        more = {} if retry_after is None else {"Retry_After": str(retry_after)}
        body = b"no\n"
        x.send(x.head(len(body), code, **more) + body)
    return named(f"status {code}", act)


def reset(after: int = 0) -> Act:
    def act(x: Exchange) -> None:
        if after:
            x.send(x.head(len(x.body)) + x.body[:after])
            time.sleep(0.02)  # a reset overtakes what is still unread
        x.reset()
    return named(f"reset after {after}", act)


def stall(after: Optional[int] = None, seconds: float = 1e9) -> Act:
    """Accepts and is silent: before any answer, or after so many bytes of the body."""
    def act(x: Exchange) -> None:
        if after is not None:
            x.send(x.head(len(x.body)) + x.body[:after])
        x.wait_for_end(seconds)
    return named(f"stall after {after}", act)


def late(seconds: float) -> Act:
    """A good answer that takes its time."""
    def act(x: Exchange) -> None:
        x.origin.closing.wait(seconds)
        x.serve()
    return named(f"late by {seconds} s", act)


def cut(count: int) -> Act:
    """The connection ends, in good order, `count` bytes into a body whose length was said."""
    def act(x: Exchange) -> None:
        x.keep = False
        x.send(x.head(len(x.body)) + x.body[:count])
    return named(f"cut at {count}", act)


def shortened(count: int, say_length: bool = True) -> Act:
    """A short body that looks whole: its length is said as what it is, or not at all."""
    def act(x: Exchange) -> None:
        body = x.body[:count]
        x.handed_out(body)
        x.send(x.head(len(body) if say_length else None) + body)
    return named(f"shortened to {count}", act)


def wrong_length(delta: int) -> Act:
    """Says more (delta > 0) or less than it sends, then ends the connection."""
    def act(x: Exchange) -> None:
        x.keep = False
        if delta < 0:
            x.handed_out(x.body[:delta])
        x.send(x.head(len(x.body) + delta) + x.body)
    return named(f"length off by {delta}", act)


def chunked(size: int = 1000) -> Act:
    """A good answer in many small chunks, without a length."""
    def act(x: Exchange) -> None:
        head = x.head(0, Transfer_Encoding="chunked").replace(b"Content-Length: 0\r\n", b"")
        parts = (x.body[i:i + size] for i in range(0, len(x.body), size))
        x.send(head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n")
        x.request.whole = True
    return named("chunked", act)


def trickle(bytes_per_second: float) -> Act:
    def act(x: Exchange) -> None:
        x.keep = False
        x.send(x.head(len(x.body)))
        for at in range(len(x.body)):
            if x.origin.closing.wait(1 / bytes_per_second):
                return
            x.send(x.body[at:at + 1])
    return named("trickle", act)


def corrupt(at: int, count: int = 8) -> Act:
    """Flips bits; nothing in HTTP tells."""
    def act(x: Exchange) -> None:
        body = bytearray(x.body)
        for i in range(at, min(at + count, len(body))):
            body[i] ^= 0x55
        x.handed_out(bytes(body))
        x.send(x.head(len(body)) + bytes(body))
    return named(f"corrupt at {at}", act)


def gzip_bomb(megabytes: int = 1024) -> Act:
    def act(x: Exchange) -> None:
        nothing, packer = b"\0" * (1 << 20), zlib.compressobj(9, wbits=-15)
        lump = packer.compress(nothing) + packer.flush(zlib.Z_FULL_FLUSH)  # a lump that may be repeated
        x.send(x.head(10 + len(lump) * megabytes + 2 + 8, 200, Content_Encoding="gzip") + b"\x1f\x8b\x08" + bytes(6) + b"\x03")
        crc = 0
        for _ in range(megabytes):
            x.send(lump)
            crc = zlib.crc32(nothing, crc)
        x.send(b"\x03\0" + struct.pack("<II", crc, (megabytes << 20) & 0xFFFFFFFF))
    return named("gzip bomb", act)


def gzipped() -> Act:
    def act(x: Exchange) -> None:
        body = gzip.compress(x.body)
        x.send(x.head(len(body), Content_Encoding="gzip") + body)
        x.request.whole = True
    return named("gzipped", act)


def redirect(to: str, code: int = 302) -> Act:
    def act(x: Exchange) -> None:
        x.send(x.head(0, code, Location=to))
    return named(f"redirect to {to}", act)


def redirect_loop() -> Act:
    def act(x: Exchange) -> None:
        x.send(x.head(0, 301, Location=x.request.path))
    return named("redirect loop", act)


def endless(limit: int = 4 << 30) -> Act:
    """A body without length or end (up to `limit`, so that a broken reader ends too): whole TS null packets."""
    def act(x: Exchange) -> None:
        lump = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 1024
        x.send(x.head(None))
        while x.request.sent < limit and not x.origin.closing.is_set():
            x.send(lump)
    return named("endless", act)


def edited(edit: Callable[[str], str]) -> Act:
    """Changes the text of a playlist."""
    def act(x: Exchange) -> None:
        x.body = edit(x.body.decode()).encode()
        x.serve()
    return named("edited", act)


def huge_playlist(megabytes: int = 100) -> Act:
    def act(x: Exchange) -> None:
        lines = b"#EXTINF:1.0,\nseg/0/live/100.ts\n" * 32768
        count = megabytes * (1 << 20) // len(lines) + 1
        x.send(x.head(len(x.body) + count * len(lines)) + x.body)
        for _ in range(count):
            x.send(lines)
    return named("huge playlist", act)


def garbage(body: bytes = b"<html><body>Log in to the hotel network</body></html>", content_type: str = "text/html") -> Act:
    def act(x: Exchange) -> None:
        x.content_type = content_type
        x.send(x.head(len(body), 200) + body)
    return named("garbage", act)
