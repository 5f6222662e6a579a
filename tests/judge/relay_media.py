"""Small streams for the relay's peers, made once and kept with the other known media, and what a judge asks of a transport stream.

colours  320x240, 25 pictures a second: red above, blue below, a white square that wanders; a tone. MPEG-1/MP2 without B-frames as
         jsmpeg wants it, and H.264/AAC. A group of pictures is half a second.
known    the numbered pictures and beeps of media.py.
"""
from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from . import media as known_media
from .units import AccessUnit, of_kind

RECIPE, SECONDS = "1", 8
PACKET = 188
MPEG1, H264, MP2, AAC = "mpeg1_mp2.ts", "h264_aac.ts", "mp2.ts", "aac.ts"
PICTURE = "color=c=red:s=320x240:r=25,drawbox=y=120:h=120:w=320:c=blue:t=fill[a];color=c=white:s=40x40:r=25[b];[a][b]overlay=x='mod(n*4,280)':y=100"
SIMPLE_AUDIO = ["-map", "1:a", "-ac", "1", "-ar", "48000"]


def folder() -> Path:
    """The folder with the four streams, made on first use. Safe in parallel."""
    wish = f"relay-{RECIPE}-{hashlib.sha256(known_media._ffmpeg_version().encode()).hexdigest()[:8]}"
    home = known_media.cache_root() / wish
    if not (home / "done").exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{home}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / "done").exists():
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir()
                _make(home)
                (home / "done").touch()
    return home


def _make(home: Path) -> None:
    source = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", "sine=440:r=48000", "-t", str(SECONDS),
              "-threads", "1"]
    mp2 = ["-c:a", "mp2", "-b:a", "64k"]
    aac = ["-c:a", "aac", "-b:a", "64k"]
    for name, options in {
            MPEG1: ["-map", "0:v", "-c:v", "mpeg1video", "-b:v", "600k", "-bf", "0", "-g", "12", *SIMPLE_AUDIO, *mp2],
            H264: ["-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "12",
                   "-sc_threshold", "0", *SIMPLE_AUDIO, *aac],
            MP2: [*SIMPLE_AUDIO, *mp2], AAC: [*SIMPLE_AUDIO, *aac]}.items():
        subprocess.run([*source, *options, "-f", "mpegts", str(home / name)], check=True)


def packets(data: bytes) -> list[bytes]:
    return [data[at:at + PACKET] for at in range(0, len(data) - PACKET + 1, PACKET)]


def pid_of(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def tables_of(data: bytes) -> set[int]:
    """Packet identifiers of PAT, SDT and every PMT."""
    found = {0, 0x11}
    for packet in packets(data):
        if pid_of(packet) == 0 and packet[1] & 0x40:
            payload = packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0):]
            section = payload[1 + payload[0]:]
            found.add((section[10] & 0x1F) << 8 | section[11])
    return found


def complaints(data: bytes, late: bool = False) -> list[str]:
    """Whole packets, each in step, no counter that jumps; the same packet twice is allowed (ISO/IEC 13818-1, 2.4.3.3). The tables that
    somebody who comes late is given first are older than what follows."""
    found, last, tables = [], {}, tables_of(data) if late else set()
    if len(data) % PACKET:
        found.append(f"{len(data) % PACKET} bytes behind the last whole packet")
    for number, packet in enumerate(packets(data)):
        if packet[0] != 0x47:
            return [*found, f"packet {number} begins with {packet[0]:#x}"]
        pid, flags = pid_of(packet), packet[3] >> 4 & 3
        if pid == 0x1FFF or not flags & 1:
            continue
        before, told_jump = last.get(pid), flags & 2 and packet[4] and packet[5] & 0x80
        if before and not told_jump and pid not in tables and packet != before and packet[3] & 15 != (before[3] + 1) & 15:
            found.append(f"packet {number} of {pid:#x}: counter {packet[3] & 15} after {before[3] & 15}")
        last[pid] = packet
    return found


def place_of(part: bytes, whole: bytes) -> int:
    """Where in `whole` a part begins that a late joiner was given, behind tables of its own if need be; -1: it is no piece of it."""
    at = whole.find(part)
    tables = {pid_of(packet) for packet in packets(part[:2 * PACKET])}
    return whole.find(part[2 * PACKET:]) if at < 0 and tables <= tables_of(part) - {0x11} else at


def begins_well(data: bytes) -> list[str]:
    """As a late joiner wants it (WIN-11): PAT, PMT, and the first packet with a picture begins a random access point."""
    rows = [packet for packet in packets(data) if pid_of(packet) != 0x11]
    if len(rows) < 3 or pid_of(rows[0]) != 0:
        return ["no PAT first"]
    tables = tables_of(data)
    if pid_of(rows[1]) not in tables - {0, 0x11}:
        return [f"packet 1 is of {pid_of(rows[1]):#x}, not of the PMT"]
    at = next((i for i, row in enumerate(rows) if pid_of(row) not in tables and row[1] & 0x40 and b"\0\0\1\xe0" in row), None)
    if at is None:
        return ["no picture"]
    head = b"".join(rows[at:at + 4])
    key = b"\0\0\1\xb3" in head or any(b"\0\0\1" + bytes([nal]) in head for nal in (0x65, 0x25, 0x67, 0x27))
    early = [row for row in rows[:at] if pid_of(row) == pid_of(rows[at])]
    return ([] if key else ["the first picture is no key frame"]) + (["pieces of an older picture come first"] if early else [])


def same_tail(sent: list[AccessUnit], got: list[AccessUnit], least: float = 0.0, whole: bool = False) -> list[str]:
    """`got`, of each kind, is the end of what was sent (all of it with `whole`), unit by unit; at least that share of it."""
    found = []
    for kind in {unit.kind for unit in sent}:
        want, have = ([unit.digest for unit in of_kind(units, kind)] for units in (sent, got))
        tail = want if whole else want[len(want) - len(have):] if have else []
        if have != tail:
            alike = next((i for i, (a, b) in enumerate(zip(have, tail)) if a != b), min(len(have), len(tail)))
            found.append(f"{kind}: {len(want)} sent, {len(have)} came; the first that differs is {alike}")
        if len(have) < least * len(want) or not have:
            found.append(f"{kind}: only {len(have)} of {len(want)} came")
    return found


def pictures(data: bytes) -> int:
    """How many begin in it, with or without the tables."""
    return sum(1 for packet in packets(data) if packet[1] & 0x40 and b"\0\0\1\xe0" in packet)


def by_picture(data: bytes) -> list[bytes]:
    """Cut before each picture, or before the tables that stand before it: as an encoder would hand it over."""
    rows, tables = packets(data), tables_of(data)
    cuts = [0]
    for at, row in enumerate(rows):
        if row[1] & 0x40 and pid_of(row) not in tables and b"\0\0\1\xe0" in row:
            while at > cuts[-1] and pid_of(rows[at - 1]) in tables:
                at -= 1
            if at > cuts[-1]:
                cuts.append(at)
    return [b"".join(rows[a:b]) for a, b in zip(cuts, [*cuts[1:], len(rows)])]
