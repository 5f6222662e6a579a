"""Known media, encoded once and kept in the build folder: every frame shows its number, every second beeps.

Picture   320x180 at 25 frames a second; the upper third shows the frame number as 16 black or white bars (most significant left),
          the rest is noise, so that no two access units are alike and a segment has some weight.
Sound     48 kHz mono; 100 ms of 1 kHz at each whole second over faint noise.
Coding    H.264 with B-frames, closed groups of one second; AAC. One TS segment holds a whole number of groups.
"""
from __future__ import annotations

import fcntl
import functools
import hashlib
import math
import os
import random
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from .fragments import read_any
from .units import AccessUnit

WIDTH, HEIGHT, RATE, BITS = 320, 180, 25, 16
BAR_ROWS, SAMPLE_RATE, BEEP_MS = 60, 48000, 100
RECIPE = "3"  # change it when the media made below changes


@dataclass(frozen=True)
class Segment:
    """One segment as a server hands it out. `header`: what EXT-X-MAP names, for fMP4."""

    body: bytes
    duration: float
    header: bytes = b""

    @functools.cached_property
    def units(self) -> list[AccessUnit]:
        return read_any(self.body, self.header)

    @property
    def ending(self) -> str:
        return "m4s" if self.header else "aac" if self.body[:3] == b"ID3" else "ts"


class Media:
    """A stream cut into segments; `ts` is the same stream in one file."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ts = folder / "whole.ts"

    @functools.cached_property
    def segments(self) -> list[Segment]:
        text = (self.folder / "cut.m3u8").read_text()
        found = re.findall(r"#EXTINF:([\d.]+),\s*\n(\S+)", text)
        return [Segment((self.folder / name).read_bytes(), float(length)) for length, name in found]


def cache_root() -> Path:
    here = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("WEIR_MEDIA_CACHE", here / "build" / "judge-media"))


def media(seconds: int = 60, segment_seconds: int = 1, seed: int = 1, kbps: int = 800, preset: str = "ultrafast") -> Media:
    """The stream of that length, made on first use. Safe in parallel. Another preset of x264 has other parameter sets."""
    wish = f"{RECIPE}-{seconds}-{segment_seconds}-{seed}-{kbps}" + ("" if preset == "ultrafast" else f"-{preset}")
    folder = cache_root() / f"{wish}-{hashlib.sha256(_ffmpeg_version().encode()).hexdigest()[:8]}"
    if not (folder / "done").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{folder}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "done").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                _encode(folder, seconds, seed, kbps, preset)
                _cut(folder, segment_seconds)
                (folder / "done").touch()
    return _loaded(folder)


@functools.lru_cache(maxsize=8)
def _loaded(folder: Path) -> Media:
    return Media(folder)


@functools.lru_cache(maxsize=1)
def _ffmpeg_version() -> str:
    return subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def frame(number: int, noise: bytes) -> bytes:
    """One yuv420p picture."""
    bar = WIDTH // BITS
    row = b"".join((b"\xeb" if number >> (BITS - 1 - i) & 1 else b"\x10") * bar for i in range(BITS))
    shift = number * 7919 % (len(noise) // 2)
    rows = HEIGHT - BAR_ROWS
    return row * BAR_ROWS + noise[shift:shift + WIDTH * rows] + b"\x80" * (WIDTH * HEIGHT // 2)


def _noise(rng: random.Random) -> bytes:
    """Blocks of 8 pixels of grey: coarse enough to be cheap, never the same twice."""
    cells = rng.randbytes(WIDTH * HEIGHT // 4)
    return b"".join(bytes([64 + value // 2]) * 8 for value in cells)


def sound(seconds: int, rng: random.Random) -> bytes:
    second = bytearray(SAMPLE_RATE)
    for i in range(SAMPLE_RATE * BEEP_MS // 1000):
        second[i] = round(60 * math.sin(2 * math.pi * 1000 * i / SAMPLE_RATE)) & 0xFF
    pcm = bytearray(2 * SAMPLE_RATE * seconds)
    pcm[0::2] = rng.randbytes(SAMPLE_RATE * seconds)
    pcm[1::2] = bytes(second) * seconds
    return bytes(pcm)


def _encode(folder: Path, seconds: int, seed: int, kbps: int, preset: str) -> None:
    rng = random.Random(seed)
    wave = folder / "sound.raw"
    wave.write_bytes(sound(seconds, rng))
    noise = _noise(rng)
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE),
               "-i", "pipe:0", "-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", str(wave), "-map", "0:v", "-map", "1:a",
               "-c:v", "libx264", "-preset", preset, "-threads", "1", "-bf", "2", "-g", str(RATE), "-keyint_min", str(RATE),
               "-sc_threshold", "0", "-flags", "+cgop", "-b:v", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{kbps}k",
               "-c:a", "aac", "-b:a", "96k", "-f", "mpegts", str(folder / "whole.ts")]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        for number in range(seconds * RATE):
            encoder.stdin.write(frame(number, noise))
    finally:
        encoder.stdin.close()
        if encoder.wait() != 0:
            raise RuntimeError("ffmpeg could not encode the test media")
        wave.unlink()


def _cut(folder: Path, segment_seconds: int) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-copyts", "-i", "whole.ts", "-map", "0", "-c", "copy", "-muxdelay", "0",
                    "-muxpreload", "0", "-f", "hls", "-hls_time", str(segment_seconds), "-hls_list_size", "0", "-hls_segment_filename",
                    "s%05d.ts", "cut.m3u8"], cwd=folder, check=True)


def shown_numbers(path: Path) -> list[int]:
    """The frame numbers a decoder sees in a finished file."""
    out = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough", "-vf",
                          f"crop={WIDTH}:{BAR_ROWS - 20}:0:10,scale={BITS}:1:flags=area,format=gray", "-f", "rawvideo", "-"],
                         stdout=subprocess.PIPE, check=True).stdout
    rows = (out[i:i + BITS] for i in range(0, len(out), BITS))
    return [functools.reduce(lambda number, level: number << 1 | (level > 128), row, 0) for row in rows]


def beep_times(path: Path) -> list[float]:
    """Seconds in the file at which a beep starts."""
    pcm = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a", "-af", "aresample=async=1:min_hard_comp=0.01:first_pts=0", "-ac",
                          "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-"], stdout=subprocess.PIPE, check=True).stdout[1::2]
    loud, found, at = re.compile(rb"[\x14-\xec]"), [], 0
    while match := loud.search(pcm, at):
        found.append(match.start() / SAMPLE_RATE)
        at = match.start() + SAMPLE_RATE * (BEEP_MS + 200) // 1000
    return found


def pack_in_background(*wanted: dict) -> None:
    """Starts making media that later tests will want."""
    for wish in wanted:
        threading.Thread(target=media, kwargs=wish, daemon=True).start()
