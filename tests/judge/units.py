"""Access units of a TS or MP4 file without decoding and without libav, in one normal form so that both containers compare equal.

Normal form   H.264: the NAL units of a picture without start codes or lengths, without parameter sets, delimiters and filler
              (types 7, 8, 9, 12), which containers move about. AAC: the raw frame without its ADTS header. In TS also MPEG-1 and
              MPEG-2 video (all bytes of a picture with the headers before it) and MPEG audio (each frame with its header).
Times         seconds, as the file presents them (MP4: edit lists applied).
"""
from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

VIDEO, AUDIO = "video", "audio"
MOVED_BY_CONTAINERS = {7, 8, 9, 12}
H264, AAC, MPEG_VIDEO, MPEG_AUDIO = "h264", "aac", "mpeg video", "mpeg audio"
STREAM_TYPES = {0x01: MPEG_VIDEO, 0x02: MPEG_VIDEO, 0x03: MPEG_AUDIO, 0x04: MPEG_AUDIO, 0x0F: AAC, 0x1B: H264}
LAYER_2_KBPS = ((0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384), (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160))
ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(frozen=True, slots=True)
class AccessUnit:
    kind: str
    digest: bytes
    dts: float
    pts: float


def read_units(path: Path) -> list[AccessUnit]:
    data = Path(path).read_bytes()
    return read_mp4(data) if data[4:8] == b"ftyp" else read_ts(data)


def of_kind(units: list[AccessUnit], kind: str) -> list[AccessUnit]:
    return [unit for unit in units if unit.kind == kind]


def _digest(parts) -> bytes:
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        state.update(len(part).to_bytes(4, "big"))
        state.update(part)
    return state.digest()


def _picture(nals) -> bytes:
    return _digest(nal for nal in nals if nal and nal[0] & 0x1F not in MOVED_BY_CONTAINERS)


# ---------------------------------------------------------------- MPEG-TS

def read_ts(data: bytes) -> list[AccessUnit]:
    """Units in file order. Bytes that are no TS packet are skipped up to the next sync byte."""
    found: list[AccessUnit] = []
    kinds: dict[int, str] = {}
    open_pes: dict[int, bytearray] = {}
    pmt_pid = None
    at, end = 0, len(data)
    while at + 188 <= end:
        if data[at] != 0x47:
            at = data.find(b"\x47", at + 1)
            if at < 0:
                break
            continue
        head, pid = data[at + 1], (data[at + 1] & 0x1F) << 8 | data[at + 2]
        control, body = data[at + 3] >> 4 & 3, at + 4
        if control & 2:
            body += 1 + data[at + 4]
        payload = data[body:at + 188] if control & 1 else b""
        at += 188
        if not payload:
            continue
        if pid == 0:
            section = payload[1 + payload[0]:]
            pmt_pid = (section[10] & 0x1F) << 8 | section[11]
        elif pid == pmt_pid:
            kinds = _streams(payload[1 + payload[0]:]) or kinds
        elif pid in kinds:
            if head & 0x40:
                found += _units_of_pes(kinds[pid], open_pes.pop(pid, b""))
                open_pes[pid] = bytearray()
            if pid in open_pes:
                open_pes[pid] += payload
    for pid, pes in open_pes.items():
        found += _units_of_pes(kinds[pid], pes)
    return found


def _streams(pmt: bytes) -> dict[int, str]:
    length = (pmt[1] & 0xF) << 8 | pmt[2]
    at, end = 12 + ((pmt[10] & 0xF) << 8 | pmt[11]), 3 + length - 4
    kinds = {}
    while at + 5 <= end:
        kind = STREAM_TYPES.get(pmt[at])
        if kind:
            kinds[(pmt[at + 1] & 0x1F) << 8 | pmt[at + 2]] = kind
        at += 5 + ((pmt[at + 3] & 0xF) << 8 | pmt[at + 4])
    return kinds


def _stamp(b: bytes) -> float:
    return ((b[0] >> 1 & 7) << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1) / 90000


def _units_of_pes(kind: str, pes: bytes) -> list[AccessUnit]:
    if len(pes) < 14 or pes[:3] != b"\0\0\1" or not pes[7] & 0x80:
        return []
    pts = _stamp(pes[9:14])
    dts = _stamp(pes[14:19]) if pes[7] & 0x40 else pts
    body = bytes(pes[9 + pes[8]:])
    declared = pes[4] << 8 | pes[5]
    if declared:
        body = body[:declared - 3 - pes[8]]
    if kind == H264:
        return [AccessUnit(VIDEO, _picture(nal.rstrip(b"\0") for nal in body.split(b"\0\0\1")[1:]), dts, pts)]
    if kind == MPEG_VIDEO:
        return [AccessUnit(VIDEO, _digest([body.rstrip(b"\0")]), dts, pts)]
    units, samples, frames = [], 1024 if kind == AAC else 1152, _adts if kind == AAC else _layer_2
    for raw, rate in frames(body):
        units.append(AccessUnit(AUDIO, _digest([raw]), pts, pts))
        pts += samples / rate
    return units


def _layer_2(body: bytes) -> Iterator[tuple[bytes, int]]:
    """MPEG-1 and MPEG-2 audio, layer II (ISO/IEC 11172-3, 2.4.2.3): 1152 samples a frame."""
    at = 0
    while at + 4 <= len(body) and body[at] == 0xFF and body[at + 1] & 0xE6 == 0xE4:
        low = not body[at + 1] & 8
        rate = (44100, 48000, 32000)[body[at + 2] >> 2 & 3] >> low
        length = 144000 * LAYER_2_KBPS[low][body[at + 2] >> 4] // rate + (body[at + 2] >> 1 & 1)
        if length < 4:
            return
        yield body[at:at + length], rate
        at += length


def _adts(body: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 7 <= len(body) and body[at] == 0xFF and body[at + 1] & 0xF0 == 0xF0:
        length = (body[at + 3] & 3) << 11 | body[at + 4] << 3 | body[at + 5] >> 5
        if length < 7:
            return
        header = 7 if body[at + 1] & 1 else 9
        yield body[at + header:at + length], ADTS_RATES[body[at + 2] >> 2 & 0xF]
        at += length


# ---------------------------------------------------------------- MP4

def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """(type, body start, body end) of each box."""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            raise ValueError(f"mp4: box {kind!r} at {at} has impossible size {size}")
        yield kind, at + head, at + size
        at += size


def _child(data: bytes, span: tuple[int, int], *path: bytes) -> tuple[int, int] | None:
    for name in path:
        span = next(((a, b) for kind, a, b in boxes(data, *span) if kind == name), None)
        if span is None:
            return None
    return span


def read_mp4(data: bytes) -> list[AccessUnit]:
    """Units of a plain (not fragmented) MP4, all of video then all of audio, each in decoding order."""
    moov = _child(data, (0, len(data)), b"moov")
    if moov is None:
        raise ValueError("mp4: no moov")
    movie_scale = struct.unpack_from(">I", data, _child(data, moov, b"mvhd")[0] + (20 if data[_child(data, moov, b"mvhd")[0]] else 12))[0]
    found: list[AccessUnit] = []
    for kind, start, end in boxes(data, *moov):
        if kind == b"trak":
            found += _track(data, (start, end), movie_scale)
    return sorted(found, key=lambda unit: unit.kind != VIDEO)


def _track(data: bytes, trak: tuple[int, int], movie_scale: int) -> list[AccessUnit]:
    mdhd = _child(data, trak, b"mdia", b"mdhd")[0]
    scale = struct.unpack_from(">I", data, mdhd + (20 if data[mdhd] else 12))[0]
    handler = _child(data, trak, b"mdia", b"hdlr")[0]
    kind = {b"vide": VIDEO, b"soun": AUDIO}.get(data[handler + 8:handler + 12])
    if kind is None:
        return []
    stbl = _child(data, trak, b"mdia", b"minf", b"stbl")
    delay = _edit_delay(data, trak, movie_scale, scale)
    length_bytes = _nal_length_bytes(data, stbl) if kind == VIDEO else 0
    units, dts = [], 0
    for offset, size, step, shift in _samples(data, stbl):
        sample = data[offset:offset + size]
        digest = _picture(_nals(sample, length_bytes)) if kind == VIDEO else _digest([sample])
        units.append(AccessUnit(kind, digest, dts / scale + delay, (dts + shift) / scale + delay))
        dts += step
    return units


def _edit_delay(data: bytes, trak: tuple[int, int], movie_scale: int, scale: int) -> float:
    elst = _child(data, trak, b"edts", b"elst")
    if elst is None:
        return 0.0
    delay, wide = 0.0, data[elst[0]] == 1
    count = struct.unpack_from(">I", data, elst[0] + 4)[0]
    for i in range(count):
        length, media_time = struct.unpack_from(">Qq" if wide else ">Ii", data, elst[0] + 8 + i * (20 if wide else 12))
        if media_time >= 0:
            return delay - media_time / scale
        delay += length / movie_scale
    return delay


def _nal_length_bytes(data: bytes, stbl: tuple[int, int]) -> int:
    stsd = _child(data, stbl, b"stsd")
    entry = next(boxes(data, stsd[0] + 8, stsd[1]))
    avcc = _child(data, (entry[1] + 78, entry[2]), b"avcC")
    return (data[avcc[0] + 4] & 3) + 1


def _nals(sample: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at + length_bytes <= len(sample):
        size = int.from_bytes(sample[at:at + length_bytes], "big")
        yield sample[at + length_bytes:at + length_bytes + size].rstrip(b"\0")
        at += length_bytes + size


def _runs(data: bytes, span: tuple[int, int] | None, code: str) -> list[int]:
    """stts and ctts: (count, value) pairs, spread out."""
    if span is None:
        return []
    values: list[int] = []
    for i in range(struct.unpack_from(">I", data, span[0] + 4)[0]):
        count, value = struct.unpack_from(code, data, span[0] + 8 + 8 * i)
        values += [value] * count
    return values


def _samples(data: bytes, stbl: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """(offset, size, duration, composition shift) of each sample."""
    stsz = _child(data, stbl, b"stsz")[0]
    same, count = struct.unpack_from(">II", data, stsz + 4)
    sizes = [same] * count if same else list(struct.unpack_from(f">{count}I", data, stsz + 12))
    steps = _runs(data, _child(data, stbl, b"stts"), ">II")
    shifts = _runs(data, _child(data, stbl, b"ctts"), ">Ii") or [0] * count
    wide = _child(data, stbl, b"co64")
    table = wide or _child(data, stbl, b"stco")
    chunks = struct.unpack_from(f">{struct.unpack_from('>I', data, table[0] + 4)[0]}{'Q' if wide else 'I'}", data, table[0] + 8)
    stsc = _child(data, stbl, b"stsc")[0]
    plan = [struct.unpack_from(">II", data, stsc + 8 + 12 * i) for i in range(struct.unpack_from(">I", data, stsc + 4)[0])]
    sample, row = 0, 0
    for number, offset in enumerate(chunks, 1):
        while row + 1 < len(plan) and plan[row + 1][0] <= number:
            row += 1
        for _ in range(plan[row][1]):
            if sample >= count:
                return
            yield offset, sizes[sample], steps[sample], shifts[sample]
            offset += sizes[sample]
            sample += 1
