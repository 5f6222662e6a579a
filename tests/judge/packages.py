"""Known media in the other forms that HLS has, for the fake origin: cut once by ffmpeg (packed audio by ourselves), kept beside the media.

A package's lanes are of one length: as many segments of sound as of pictures, cut at about the same times.
"""
from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from .fragments import packed_stamp, split_header
from .media import Media, Segment
from .units import AUDIO, VIDEO, of_kind, read_ts

RECIPE = "1"  # change it when what is made below changes
TS, FMP4, SMALL = "mpegts", "fmp4", "small-fmp4"


@dataclass(frozen=True)
class Package:
    """`pictures` hold the sound too when `sound` is None."""

    pictures: list[Segment]
    sound: Optional[list[Segment]] = None

    def part(self, start: int, end: int) -> "Package":
        return Package(self.pictures[start:end], self.sound and self.sound[start:end])

    def __add__(self, other: "Package") -> "Package":
        return Package(self.pictures + other.pictures, self.sound and self.sound + other.sound)


def ts(media: Media) -> Package:
    return Package(media.segments)


def fmp4(media: Media) -> Package:
    return Package(_cut(media, FMP4, "0:v", "0:a"))


def fmp4_in_small_fragments(media: Media) -> Package:
    """Several fragments a segment."""
    return Package(_cut(media, SMALL, "0:v", "0:a"))


def fmp4_with_audio(media: Media) -> Package:
    pictures = _cut(media, FMP4, "0:v")
    return Package(pictures, _as_many(_cut(media, FMP4, "0:a"), len(pictures)))


def ts_with_audio(media: Media) -> Package:
    pictures = _cut(media, TS, "0:v")
    return Package(pictures, _as_many(_cut(media, TS, "0:a"), len(pictures)))


def with_packed_audio(media: Media) -> Package:
    """Pictures in TS; sound as ADTS frames behind an ID3 tag that holds the time of the first."""
    pictures = _cut(media, TS, "0:v")
    starts = [min(unit.dts for unit in segment.units) for segment in pictures[1:]]
    sounds = of_kind(read_ts(media.ts.read_bytes()), AUDIO)
    frames = _adts_frames(media)
    assert len(frames) == len(sounds)
    # media.ts and the cut pictures are on one clock: -copyts
    cuts = [0, *(next(i for i, unit in enumerate(sounds) if unit.pts >= start) for start in starts), len(frames)]
    packed = [Segment(packed_stamp(sounds[a].pts) + b"".join(frames[a:b]), (b - a) * 1024 / 48000) for a, b in zip(cuts, cuts[1:])]
    return Package(pictures, packed)


def only_packed_audio(media: Media) -> Package:
    return Package(with_packed_audio(media).sound)


def has(segment: Segment) -> set[str]:
    return {unit.kind for unit in segment.units} & {VIDEO, AUDIO}


def _as_many(segments: list[Segment], count: int) -> list[Segment]:
    """Segments of sound are a little longer or shorter than those of pictures: the rest goes into the last one."""
    assert len(segments) >= count
    rest = segments[count - 1:]
    return segments[:count - 1] + [replace(rest[0], body=b"".join(s.body for s in rest), duration=sum(s.duration for s in rest))]


def _adts_frames(media: Media) -> list[bytes]:
    data = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(media.ts), "-map", "0:a", "-c", "copy", "-f", "adts", "-"],
                          stdout=subprocess.PIPE, check=True).stdout
    frames, at = [], 0
    while at + 7 <= len(data):
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        frames.append(data[at:at + length])
        at += length
    return frames


def _cut(media: Media, kind: str, *streams: str) -> list[Segment]:
    """The media as HLS of that kind, with its timestamps kept."""
    name = f"{kind}-{'-'.join(streams).replace(':', '')}-{RECIPE}"
    folder = media.folder / name
    if not (folder / "done").exists():
        with open(media.folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "done").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                _pack(media.ts, folder, kind, streams)
                (folder / "done").touch()
    # ffmpeg 5.1 writes the small fragments of the first segment behind the header.
    header, early = split_header((folder / "init.mp4").read_bytes()) if kind != TS else (b"", b"")
    listed = re.findall(r"#EXTINF:([\d.]+),\s*\n(\S+)", (folder / "cut.m3u8").read_text())
    bodies = [(folder / path).read_bytes() for _, path in listed]
    bodies[0] += early
    return [Segment(body, float(length), header) for body, (length, _) in zip(bodies, listed)]


def _pack(source: Path, folder: Path, kind: str, streams: tuple[str, ...]) -> None:
    more = ["-muxdelay", "0", "-muxpreload", "0"]
    if kind != TS:
        more = ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"]
        more += ["-hls_segment_options", "frag_duration=200000"] if kind == SMALL else []
        more += ["-bsf:a", "aac_adtstoasc"] if "0:a" in streams else []
    maps = [word for stream in streams for word in ("-map", stream)]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-copyts", "-i", str(source), *maps, "-c", "copy", "-f", "hls", "-hls_time", "1",
                    "-hls_list_size", "0", *more, "-hls_segment_filename", f"s%05d.{'ts' if kind == TS else 'm4s'}", "cut.m3u8"],
                   cwd=folder, check=True)
