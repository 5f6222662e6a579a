"""Channels of the fake FC2 and their lives: what is published, listed and handed out, and what a recording of it has to hold.

Media     the same pictures, sounds, numbers and times in every quality, each in bytes of its own (FC2-37).
Time      a live's segments appear each `pace` seconds from its first playlist answer on, `initial` of them at once; the window is
          12 segments (FC2-36), or as many as the test says.
"""
from __future__ import annotations

import functools
import hashlib
import html
import itertools
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Optional

from . import fc2_answers as answers
from . import media as known_media
from .media import Segment
from .origin import Handed, ShowClock
from .units import VIDEO, of_kind

if TYPE_CHECKING:
    from .fc2_socket import ControlSession

QUALITIES = {"150Kbps": 10, "400Kbps": 20, "1.2Mbps": 30, "2Mbps": 40, "3Mbps": 50, "sound": 90}
LATENCIES = {"low": 0, "high": 1, "mid": 2}
LISTS = ("playlists", "playlists_high_latency", "playlists_middle_latency")  # by latency code
KBPS = {10: 150, 20: 300, 30: 400, 40: 600, 50: 800}
EPOCH = 1699894101

_numbers = itertools.count()


@functools.lru_cache(maxsize=8)
def known_segments(code: int, seed: int = 1) -> list[Segment]:
    """Up to a minute of the known media in that quality."""
    if code == QUALITIES["sound"]:
        return _sound_of(known_media.media(60 if seed == 1 else 30, seed=seed, kbps=KBPS[QUALITIES["3Mbps"]]))
    return known_media.media(60 if seed == 1 else 30, seed=seed, kbps=KBPS[code]).segments


def _sound_of(whole: known_media.Media) -> list[Segment]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", str(whole.ts), "-map", "0:a", "-c", "copy", "-muxdelay", "0", "-muxpreload", "0",
                        "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_segment_filename", "s%05d.ts", "cut.m3u8"], cwd=folder, check=True)
        return [Segment(path.read_bytes(), 1.0) for path in sorted(Path(folder).glob("*.ts"))]


@dataclass(frozen=True)
class Shape:
    """How a live's media is published."""

    pace: float = 0.25
    window: int = 12
    initial: int = 3
    seconds: int = 20           # so many segments there are; then the live ends, unless it `stays`
    first: int = 118606
    stays: bool = False
    seed: int = 1
    skip: int = 0               # begins so far into the known media
    kbps: Optional[int] = None  # one media for all qualities, e.g. a heavy one for benches


class Live:
    def __init__(self, channel: "Channel", shape: Shape, title: str, start: int, qualities: Iterable[str], extra: dict[str, Any]):
        self.number = next(_numbers)
        self.channel, self.shape, self.title, self.start, self.extra = channel, shape, title, start, extra
        self.qualities = {QUALITIES[name] for name in qualities}
        self.latencies = set(LATENCIES.values())
        self.clock = ShowClock(shape.pace)
        self.ended, self.ended_at = threading.Event(), 0.0
        self.cut_at: Optional[int] = None
        self.refused = False          # its playlists answer 403 whatever the session (the media server has dropped it)
        self.listed: dict[int, set[int]] = {}  # number -> modes of playlists handed out whole that named it
        self.polls = 0
        self._lock = threading.RLock()
        for code in self.qualities:
            self.segments(code)  # made now, not when somebody waits for it

    # ------------------------------------------------------------ what is there

    def segments(self, mode: int) -> list[Segment]:
        code = mode // 10 * 10
        if self.shape.kbps:
            whole = known_media.media(max(60, self.shape.skip + self.shape.seconds), kbps=self.shape.kbps).segments
        else:
            whole = known_segments(code, self.shape.seed)
        return whole[self.shape.skip:self.shape.skip + self.shape.seconds]

    def length(self) -> int:
        return 1 << 30 if self.shape.stays else self.shape.seconds

    def published(self) -> int:
        if self.cut_at is not None:
            return self.cut_at
        return min(self.length(), self.shape.initial + int(self.clock.now()))

    def last(self) -> int:
        """The newest number."""
        return self.shape.first + self.published() - 1

    def body(self, mode: int, number: int) -> Segment:
        chosen = self.segments(mode)
        return chosen[(number - self.shape.first) % len(chosen)]

    def as_answered(self) -> dict[str, Any]:
        """The title as FC2 gives it, escaped for HTML (FC2-7)."""
        return {"title": html.escape(self.title), "image": self.channel.image, "version": f"3f3946f4-{self.number:04d}", "start": self.start,
                "login_only": 0, "fee": 0, **self.extra}

    # ------------------------------------------------------------ what the test does to it

    def freeze(self) -> None:
        self.clock.stop()

    def go_on(self) -> None:
        self.clock.run()

    def skip(self, count: int) -> None:
        self.clock.add(count)

    def add_quality(self, *names: str) -> None:
        with self._lock:
            self.qualities |= {QUALITIES[name] for name in names}

    def end(self, tell: bool = True) -> None:
        """No further segment; the channel is offline. `tell`: publish_stop over the sockets."""
        with self._lock:
            if self.ended.is_set():
                return
            self.cut_at, self.ended_at = self.published(), time.monotonic()
            self.ended.set()
        if tell:
            for session in self.channel.sessions():
                session.say("publish_stop", {})

    # ------------------------------------------------------------ what it serves

    def modes(self) -> list[int]:
        """With the master playlists of FC2-31, which nobody may record."""
        with self._lock:
            return sorted([code + latency for code in self.qualities for latency in self.latencies] + [0, 1, 2])

    def playlist(self, mode: int, host: str) -> tuple[str, range]:
        """The text, and the numbers it names."""
        with self._lock:
            if not self.clock.now():
                self.clock.run()
            self.polls += 1
            count = self.published()
            shown = range(self.shape.first + max(0, count - self.shape.window), self.shape.first + count)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{shown.start}",
                 "#EXT-X-DISCONTINUITY-SEQUENCE:1"]
        for number in shown:
            lines += ["#EXTINF:1", f"{host}/a/stream/v3/{self.channel.id}/{mode}/data/{number}.ts?time={EPOCH + number}&hash={self.mark(mode, number)}"]
        return "\n".join(lines) + "\n", shown

    def note_listed(self, mode: int, shown: range) -> None:
        with self._lock:
            for number in shown:
                self.listed.setdefault(number, set()).add(mode)

    def mark(self, mode: int, number: int) -> str:
        return hashlib.sha256(f"{self.number}/{mode}/{number}".encode()).hexdigest()

    def holds(self, number: int) -> bool:
        """Published and not long out of the window: a real one keeps a segment a little longer than its playlist does."""
        index = number - self.shape.first
        return max(0, self.published() - self.shape.window - 2) <= index < self.published()

    # ------------------------------------------------------------ what a recording of it has to hold

    def truth(self, quality: str = "3Mbps", altered: Optional[dict] = None) -> list[Handed]:
        """All that was published, in one quality, with the bodies really handed out."""
        altered = altered or {}
        code = QUALITIES[quality]
        made = []
        for i in range(self.published()):
            number = self.shape.first + i
            segment, body = self.body(code, number), altered.get((self.number, number))
            made.append(Handed(0, number, segment) if body is None else
                        Handed(0, number, Segment(body, segment.duration), len(body) < len(segment.body)))
        return made

    def truth_as_switched(self, before: str, after: str, delivered) -> tuple[list[Handed], int]:
        """For a recording that goes over from one quality to another: each segment in the quality it was delivered in, and how many
        are in the second one."""
        got = {unit.digest for unit in of_kind(delivered, VIDEO)}
        low, high = self.truth(before), self.truth(after)
        mixed = [h if any(u.digest in got for u in of_kind(h.segment.units, VIDEO)) else l for l, h in zip(low, high)]
        return mixed, sum(m is h for m, h in zip(mixed, high))


@dataclass
class Channel:
    id: str
    name: str = "Channel"
    image: str = ""
    adult: bool = False
    lives: list[Live] = field(default_factory=list)
    needs_login: bool = False             # an anonymous viewer gets 4507
    refuse_code: Optional[int] = None     # every viewer gets this code
    refuse_after: float = 0.0             # seconds after connecting
    drift: Callable[[dict], None] = lambda answer: None  # changes the memberApi answer
    hidden_from_list: bool = False
    history: list[dict] = field(default_factory=list)    # comments replayed to who connects
    lists_empty_for: int = 0              # so many get_hls_information are answered with empty lists
    heartbeat_answered: bool = True
    hls_answered: bool = True
    mode_status: Any = 0                  # of each playlist
    connections: list["ControlSession"] = field(default_factory=list)

    def live(self) -> Optional[Live]:
        if self.lives and not self.lives[-1].ended.is_set():
            live = self.lives[-1]
            if not live.shape.stays and live.clock.now() and live.published() >= live.shape.seconds:
                live.end()
                return None
            return live
        return None

    def begin(self, shape: Shape = Shape(), *, title: str = "the live", qualities: Iterable[str] = ("1.2Mbps", "3Mbps", "400Kbps"),
              start: Optional[int] = None, **extra) -> Live:
        """The next live. `extra`: fields of channel_data."""
        start = EPOCH + 100_000 * len(self.lives) if start is None else start
        made = Live(self, shape, title, start, qualities, extra)
        self.lives.append(made)
        return made

    def sessions(self) -> list["ControlSession"]:
        """Those connected now."""
        return [session for session in list(self.connections) if session.alive]

    def say(self, name: str, arguments: Any) -> None:
        for session in self.sessions():
            session.say(name, arguments)

    def comment(self, *comments: dict) -> None:
        """Said now, and replayed to everybody who connects later."""
        self.history += [{**c, "history": 1} for c in comments]
        self.say("comment", {"comments": list(comments)})

    def as_member(self, viewer: str) -> dict:
        live = self.live()
        answer = answers.member(self.id, self.name, live.as_answered() if live else None, viewer)
        self.drift(answer)
        return answer


def comment(text: str, at: int = 1700000001, **other) -> dict:
    return {"user_name": "viewer", "comment": text, "timestamp": at, "encrypted_user_id": "e1", "orz_token": "o1", "hash": "h1",
            "color": "#ffffff", "size": "medium", "lang": "ja", "anonymous": 0, "history": 0, **other}
