"""An Origin for every form of HLS that packages.py makes: fMP4 behind EXT-X-MAP, sound as a rendition of its own, byte ranges of one
growing file, discontinuities (with another MAP), AES-128 (`keyed_header`: of the MAP, too), and the tags that Amazon IVS puts on its
live playlists.

Both lanes appear at one pace and have the same numbers. The pictures' lane is called `live`, the sound's `sound`: faults choose by path.
"""
from __future__ import annotations

import datetime
import hashlib
import re
from typing import Iterable
from urllib.parse import parse_qs, urlsplit

from .media import Segment
from .origin import Handed, Origin, Request
from .packages import Package
from .units import AUDIO, VIDEO

PICTURES, SOUND = "live", "sound"
TYPES = {"ts": "video/mp2t", "m4s": "video/iso.segment", "aac": "audio/aac"}
BORN = datetime.datetime(2024, 8, 19, 23, 23, 47, 99000)


class FormOrigin(Origin):
    def __init__(self, package: Package, *, ranges: bool = False, ivs: bool = False, keyed_header: bool = False,
                 discontinuities: Iterable[int] = (), **options):
        self.package, self.ranges, self.ivs, self.keyed_header = package, ranges, ivs, keyed_header
        super().__init__(package.pictures, renditions={SOUND: package.sound} if package.sound else None, **options)
        self.mark_discontinuities(*discontinuities)

    # ------------------------------------------------------------ what it knows

    def handed(self, lane: str) -> list[Handed]:
        first, count = self.shows[0].first, self.published()
        return [Handed(0, first + i, segment) for i, segment in enumerate(self._lane(lane)[:count])]

    def truth_by_kind(self) -> dict[str, list[Handed]]:
        return {VIDEO: self.handed(PICTURES), AUDIO: self.handed(SOUND if self.package.sound else PICTURES)}

    def lanes(self) -> list[str]:
        return [PICTURES, SOUND] if self.package.sound else [PICTURES]

    def _lane(self, lane: str) -> list[Segment]:
        return self.package.sound if lane == SOUND else self.package.pictures

    # ------------------------------------------------------------ playlists

    def master(self) -> str:
        return ('#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="snd",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,'
                f'URI="media/{SOUND}.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x180,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="snd"\n'
                f'media/{PICTURES}.m3u8\n')

    def playlist(self, lane: str) -> str:
        with self._lock:
            show, count = self.shows[-1], self.published()
            start, chosen = max(0, count - self.window), self._lane(lane)
            lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{max(1, round(max(s.duration for s in chosen)))}",
                     f"#EXT-X-MEDIA-SEQUENCE:{show.first + start}", *self._dateranges()]
            if show.discontinuities:
                lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{sum(seq < show.first + start for seq in show.discontinuities)}")
            state: dict[str, object] = {}
            for i in range(start, count):
                lines += self._listed(lane, chosen, i, state)
            over = self.ended_early or (self.endlist and count == len(show.segments))
            if self.ivs and not over:
                lines += [f"#EXT-X-PREFETCH:{self._url(lane, i)}" for i in range(count, min(count + 2, len(chosen)))]
            return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if over else [])]) + "\n"

    def _listed(self, lane: str, chosen: list[Segment], i: int, state: dict) -> list[str]:
        seq, segment, lines = self.shows[0].first + i, chosen[i], []
        if seq in self.shows[0].discontinuities:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.header and state.get("map") != segment.header:
            state["map"] = segment.header
            first = next(k for k, other in enumerate(chosen) if other.header == segment.header)
            if self.aes:
                lines.append(self._key_line(self.shows[0].first + first) if self.keyed_header else "#EXT-X-KEY:METHOD=NONE")
            lines.append(f"#EXT-X-MAP:{self._map(lane, chosen, first)}")
        if self.aes:
            lines.append(self._key_line(seq))
        if self.ivs:
            passed = sum(s.duration for s in chosen[:i])
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{(BORN + datetime.timedelta(seconds=passed)).isoformat(timespec='milliseconds')}Z")
        lines.append(f"#EXTINF:{segment.duration:.6f},{'live' if self.ivs else ''}")
        if self.ranges:
            lines.append(f"#EXT-X-BYTERANGE:{len(self._body(lane, i))}@{self._offset(lane, i)}")
        return [*lines, self._url(lane, i)]

    def _key_line(self, seq: int) -> str:
        iv = f",IV=0x{self._iv(0, seq).hex()}" if self.explicit_iv else ""
        return f'#EXT-X-KEY:METHOD=AES-128,URI="/key/0/{seq // self.keys_change_every}"{iv}'

    def _dateranges(self) -> list[str]:
        if not self.ivs:
            return []
        return ["#EXT-X-NET-LIVE-VIDEO-LIVE-SEQUENCE:605", "#EXT-X-NET-LIVE-VIDEO-ELAPSED-SECS:1186.988",
                '#EXT-X-DATERANGE:ID="playlist-creation-1724109848",CLASS="timestamp",START-DATE="2024-08-19T23:24:08.311Z",END-ON-NEXT=YES,'
                'X-SERVER-TIME="1724109848.31"',
                '#EXT-X-DATERANGE:ID="source-1724109819",CLASS="live-video-net-stream-source",START-DATE="2024-08-19T23:23:39.033Z",'
                'END-ON-NEXT=YES,X-NET-LIVE-VIDEO-STREAM-SOURCE="live"']

    def _map(self, lane: str, chosen: list[Segment], i: int) -> str:
        if self.ranges:
            return f'URI="{self._url(lane, i)}",BYTERANGE="{len(chosen[0].header)}@0"'
        return f'URI="/map/{lane}/{hashlib.md5(chosen[i].header).hexdigest()[:8]}-{self.shows[0].first + i}.mp4"'

    def _url(self, lane: str, i: int) -> str:
        ending = self._lane(lane)[i].ending
        return f"/all/{lane}.{ending}" if self.ranges else f"/seg/0/{lane}/{self.shows[0].first + i}.{ending}"

    # ------------------------------------------------------------ bodies

    def _body(self, lane: str, i: int) -> bytes:
        body = self._lane(lane)[i].body
        return self._locked(body, 0, lane, self.shows[0].first + i) if self.aes else body

    def _offset(self, lane: str, i: int) -> int:
        """Of a segment in the one growing file, which begins with the header."""
        chosen = self._lane(lane)
        return len(chosen[0].header) + sum(len(self._body(lane, k)) for k in range(i))

    def find(self, request: Request) -> tuple[int, str, bytes]:
        path = urlsplit(request.path).path
        if match := re.search(r"/seg/0/(\w+)/(\d+)\.(ts|m4s|aac)$", path):
            request.kind, request.seq = "segment", int(match[2])
            if self.ivs and request.seq < self.shows[0].first + len(self.package.pictures):  # announced: answered when it is there
                while self.last_seq() < request.seq and not self.closing.wait(0.01):
                    pass
            status, _, body = self._segment(request, match[1], parse_qs(""))
            return status, TYPES[match[3]], body
        if match := re.search(r"/map/(\w+)/\w+-(\d+)\.mp4$", path):
            request.kind, request.seq = "map", int(match[2])
            header = self._lane(match[1])[request.seq - self.shows[0].first].header
            return 200, "video/mp4", self._locked(header, 0, f"map-{match[1]}", request.seq) if self.keyed_header else header
        if match := re.search(r"/all/(\w+)\.(ts|m4s|aac)$", path):
            return self._ranged(request, match[1], TYPES[match[2]])
        return super().find(request)

    def headers_for(self, request: Request) -> dict[str, str]:
        answered = request.headers.get("answered-range")
        return {"Content-Range": answered} if answered else {}

    def _ranged(self, request: Request, lane: str, content_type: str) -> tuple[int, str, bytes]:
        """The file as far as it has grown."""
        count = self.published()
        whole = self._lane(lane)[0].header + b"".join(self._body(lane, i) for i in range(count))
        request.kind = "segment"
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not asked:
            return 200, content_type, whole
        start, end = int(asked[1]), int(asked[2] or len(whole) - 1)
        at = next((i for i in range(count) if self._offset(lane, i) == start), None)
        request.kind, request.seq = ("map", -1) if at is None else ("segment", self.shows[0].first + at)
        if start >= len(whole):
            return 416, content_type, b""
        request.headers["answered-range"] = f"bytes {start}-{min(end, len(whole) - 1)}/*"
        return 206, content_type, whole[start:end + 1]
