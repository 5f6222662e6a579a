"""The real parts: a private Debian nginx, and Debian's ffmpeg writing a live playlist from pre-encoded media into its folder."""
from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .weir import wait_until

CONFIG = """{user}daemon off; master_process on; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/iso.segment m4s; video/mp4 mp4; }}
    default_type application/octet-stream; sendfile on; tcp_nopush on; keepalive_requests 1000000;
    log_format short '$status $body_bytes_sent $uri'; access_log {access};
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{ listen 127.0.0.1:{port}; root {root}; location ~ m3u8$ {{ add_header Cache-Control no-cache; }} }}
}}
"""


class Nginx:
    """Serves `root` on loopback until closed. `log`: keep an access log (status, bytes, path)."""

    def __init__(self, home: Path, root: Path, log: bool = True):
        self.home, self.root, self.access = home, root, home / "access.log"
        home.mkdir(parents=True, exist_ok=True)
        root.mkdir(parents=True, exist_ok=True)
        for _ in range(10):  # another process may take the port first
            self.port = _free_port()
            (home / "nginx.conf").write_text(CONFIG.format(
                user="user root; " if os.geteuid() == 0 else "", home=home, root=root, port=self.port,
                access=f"{self.access} short" if log else "off"))
            self._process = subprocess.Popen(["nginx", "-p", str(home), "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")],
                                             stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self._came_up():
                return
        raise AssertionError(f"nginx does not start:\n{(home / 'error.log').read_text()}")

    def _came_up(self) -> bool:
        until = time.monotonic() + 10
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                time.sleep(0.05)
                return self._process.poll() is None  # else it was somebody else's socket
            except OSError:
                time.sleep(0.02)
        return False

    def __enter__(self) -> "Nginx":
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(10)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path.lstrip('/')}"

    def handed_out(self) -> list[tuple[int, int, str]]:
        """(status, body bytes, path) of each answer so far."""
        return [(int(s), int(n), path) for s, n, path in (line.split(" ", 2) for line in self.access.read_text().splitlines())]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass(frozen=True)
class Form:
    """How ffmpeg packs the live. `fmp4`, else TS; `audio`: sound as a rendition of its own; `ranges`: one growing file, byte ranges, and
    no window: ffmpeg 5.1 does not count EXT-X-MEDIA-SEQUENCE up there."""

    fmp4: bool = False
    audio: bool = False
    ranges: bool = False
    aes: bool = False

    @property
    def entry(self) -> str:
        return "master.m3u8" if self.audio else "live.m3u8"

    @property
    def playlists(self) -> tuple[str, ...]:
        """Of media."""
        return ("video.m3u8", "sound.m3u8") if self.audio else ("live.m3u8",)

    def options(self, folder: Path) -> list[str]:
        more, ending = [], "m4s" if self.fmp4 else "ts"
        if self.fmp4:
            more += ["-bsf:a", "aac_adtstoasc", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"]
        if self.aes:
            (folder / "live.key").write_bytes(os.urandom(16))
            (folder / "key.info").write_text(f"live.key\n{folder / 'live.key'}\n{os.urandom(16).hex()}\n")
            more += ["-hls_key_info_file", str(folder / "key.info")]
        more += ["-hls_flags", "single_file" if self.ranges else "delete_segments+temp_file"]
        if self.audio:
            more += ["-var_stream_map", "v:0,agroup:snd,name:video a:0,agroup:snd,name:sound,default:yes,language:en",
                     "-master_pl_name", "master.m3u8"]
            return more + ["-hls_segment_filename", str(folder / f"%v%05d.{ending}"), str(folder / "%v.m3u8")]
        name = f"all.{ending}" if self.ranges else f"live%05d.{ending}"
        return more + ["-hls_segment_filename", str(folder / name), str(folder / "live.m3u8")]


class LiveEncoder:
    """ffmpeg -re -c copy: an existing TS as a live HLS stream with a window of `window` segments. `speed` 1 is real time."""

    def __init__(self, source: Path, folder: Path, *, form: Form = Form(), window: int = 8, speed: float = 1.0, segment_seconds: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.form = folder, form
        self._process = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-nostdin", "-readrate", str(speed), "-i", str(source), "-map", "0:v", "-map", "0:a", "-c", "copy",
             "-f", "hls", "-hls_time", str(segment_seconds), "-hls_list_size", "0" if form.ranges else str(window), "-hls_delete_threshold", "3",
             *form.options(folder)], stdin=subprocess.DEVNULL)

    def __enter__(self) -> "LiveEncoder":
        return self

    def __exit__(self, *_) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def wait_for_playlist(self) -> None:
        wanted = [self.folder / name for name in {self.form.entry, *self.form.playlists}]
        wait_until(lambda: all(path.exists() for path in wanted), 20, "ffmpeg's playlists")

    def wait_for_end(self, seconds: float = 60) -> None:
        self._process.wait(seconds)


def fetch(url: str, timeout: float = 10, headers: Optional[dict[str, str]] = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as answer:
        return answer.read()
