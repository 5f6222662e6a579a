"""Access units of fragmented MP4 and of packed audio, in the normal form of units.py. Used on what origins hand out and on raw files."""
from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Iterator

from .units import (AUDIO, VIDEO, AccessUnit, _adts, _child, _digest, _edit_delay, _nal_length_bytes, _nals, _picture, boxes, read_ts)

HEADER_BOXES = (b"ftyp", b"moov")
STAMP_OWNER = b"com.apple.streaming.transportStreamTimestamp\0"


@dataclass(frozen=True)
class Track:
    """What the header says of one track; `defaults`: duration and size of samples that say none."""

    kind: str
    scale: int
    delay: float
    length_bytes: int
    defaults: tuple[int, int]


@dataclass(frozen=True)
class Fragment:
    """One moof with its mdat: bytes from `start` (of what comes before it, too: styp, sidx, …) to `end`."""

    start: int
    moof: tuple[int, int]
    mdat: int
    end: int


def read_any(body: bytes, header: bytes = b"") -> list[AccessUnit]:
    """A segment of any form; `header`: the bytes of its EXT-X-MAP."""
    if header:
        return read_fragments(header, body)
    if body[:3] == b"ID3":
        return read_packed(body)
    return read_ts(body)


# ---------------------------------------------------------------- fragmented MP4

def split_header(data: bytes) -> tuple[bytes, bytes]:
    """ftyp and moov at the beginning, and the rest."""
    end = 0
    for kind, _, stop in boxes(data):
        if kind not in HEADER_BOXES:
            break
        end = stop
    return data[:end], data[end:]


def fragments(data: bytes) -> list[Fragment]:
    """The whole ones; a torn end is left out."""
    found, start, moof = [], 0, None
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            break
        if kind == b"moof":
            moof = (at, at + size)
        elif kind == b"mdat" and moof:
            found.append(Fragment(start, moof, at, at + size))
            moof, start = None, at + size
        elif kind in HEADER_BOXES:
            start = at + size
        at += size
    return found


def read_fragments(header: bytes, body: bytes) -> list[AccessUnit]:
    """Units in file order: all of a fragment's pictures or sounds, track after track."""
    tracks = _tracks(header)
    found: list[AccessUnit] = []
    for fragment in fragments(body):
        for kind, start, end in boxes(body, fragment.moof[0] + 8, fragment.moof[1]):
            if kind == b"traf":
                found += _traf(body, (start, end), fragment.moof[0], tracks)
    return found


def read_fragmented_file(data: bytes) -> list[AccessUnit]:
    return read_fragments(*split_header(data))


def _tracks(header: bytes) -> dict[int, Track]:
    moov = _child(header, (0, len(header)), b"moov")
    mvhd = _child(header, moov, b"mvhd")[0]
    movie_scale = struct.unpack_from(">I", header, mvhd + (20 if header[mvhd] else 12))[0]
    mvex, defaults = _child(header, moov, b"mvex"), {}
    for kind, start, _ in boxes(header, *mvex):
        if kind == b"trex":
            number, _, duration, size = struct.unpack_from(">IIII", header, start + 4)
            defaults[number] = (duration, size)
    found = {}
    for kind, *trak in boxes(header, *moov):
        if kind == b"trak":
            number, track = _track(header, tuple(trak), movie_scale, defaults)
            found[number] = track
    return found


def _track(header: bytes, trak: tuple[int, int], movie_scale: int, defaults: dict) -> tuple[int, Track]:
    tkhd = _child(header, trak, b"tkhd")[0]
    number = struct.unpack_from(">I", header, tkhd + (20 if header[tkhd] else 12))[0]
    mdhd = _child(header, trak, b"mdia", b"mdhd")[0]
    scale = struct.unpack_from(">I", header, mdhd + (20 if header[mdhd] else 12))[0]
    handler = _child(header, trak, b"mdia", b"hdlr")[0]
    kind = {b"vide": VIDEO, b"soun": AUDIO}.get(header[handler + 8:handler + 12], "other")
    stbl = _child(header, trak, b"mdia", b"minf", b"stbl")
    length_bytes = _nal_length_bytes(header, stbl) if kind == VIDEO else 0
    return number, Track(kind, scale, _edit_delay(header, trak, movie_scale, scale), length_bytes, defaults.get(number, (0, 0)))


def _traf(data: bytes, traf: tuple[int, int], moof: int, tracks: dict[int, Track]) -> list[AccessUnit]:
    tfhd = _child(data, traf, b"tfhd")[0]
    flags, number = struct.unpack_from(">I", data, tfhd)[0] & 0xFFFFFF, struct.unpack_from(">I", data, tfhd + 4)[0]
    track, at = tracks[number], tfhd + 8
    base, (duration, size) = moof, track.defaults
    if flags & 1:
        base, at = struct.unpack_from(">Q", data, at)[0], at + 8
    at += 4 if flags & 2 else 0
    if flags & 8:
        duration, at = struct.unpack_from(">I", data, at)[0], at + 4
    if flags & 16:
        size = struct.unpack_from(">I", data, at)[0]
    tfdt = _child(data, traf, b"tfdt")[0]
    dts = struct.unpack_from(">Q" if data[tfdt] else ">I", data, tfdt + 4)[0]
    units, offset = [], base
    for kind, start, _ in boxes(data, *traf):
        if kind != b"trun":
            continue
        if struct.unpack_from(">I", data, start)[0] & 1:
            offset = base + struct.unpack_from(">i", data, start + 8)[0]
        for step, length, shift in _trun(data, start, duration, size):
            sample = data[offset:offset + length]
            digest = _picture(_nals(sample, track.length_bytes)) if track.kind == VIDEO else _digest([sample])
            units.append(AccessUnit(track.kind, digest, dts / track.scale + track.delay, (dts + shift) / track.scale + track.delay))
            dts, offset = dts + step, offset + length
    return [unit for unit in units if unit.kind in (VIDEO, AUDIO)]


def _trun(data: bytes, at: int, duration: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(duration, size, composition shift) of each sample."""
    flags, count = struct.unpack_from(">II", data, at)
    at += 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    for _ in range(count):
        row = [duration, size, 0, 0]
        for i, flag in enumerate((0x100, 0x200, 0x400, 0x800)):
            if flags & flag:
                row[i], at = struct.unpack_from(">i", data, at)[0], at + 4
        yield row[0], row[1], row[3]


# ---------------------------------------------------------------- packed audio

def packed_stamp(seconds: float) -> bytes:
    """The ID3 tag that stands before the frames of a packed-audio segment (RFC 8216, 3.4)."""
    private = STAMP_OWNER + (round(seconds * 90000) % (1 << 33)).to_bytes(8, "big")
    frame = b"PRIV" + struct.pack(">IH", len(private), 0) + private  # sizes below 128 are alike in both ways to write them
    return b"ID3\x04\0\0" + bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0)) + frame


def read_packed(body: bytes) -> list[AccessUnit]:
    """Frames of one segment; its tag says where they begin."""
    size = sum((byte & 0x7F) << shift for byte, shift in zip(body[6:10], (21, 14, 7, 0)))
    tag, frames = body[10:10 + size], body[10 + size:]
    at = tag.index(STAMP_OWNER) + len(STAMP_OWNER)
    pts = int.from_bytes(tag[at:at + 8], "big") / 90000
    units = []
    for raw, rate in _adts(frames):
        units.append(AccessUnit(AUDIO, _digest([raw]), pts, pts))
        pts += 1024 / rate
    return units
