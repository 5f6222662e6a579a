"""Runs the product as a user would, watches it, kills it, and looks for what it left behind."""
from __future__ import annotations

import json
import os
import random
import re
import resource
import shlex
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Sequence

SCALE = float(os.environ.get("WEIR_TIME_SCALE", "1"))
WHOLE, FAILED, WRONG_USE, LOSSES, DAMAGED = 0, 1, 2, 3, 4


def binary() -> str:
    default = Path(__file__).resolve().parents[2] / "build" / "dev" / "bin" / "weir"
    return os.environ.get("WEIR_BIN", str(default))


def wait_until(true: Callable[[], object], seconds: float, what: str, step: float = 0.01):
    """The first true answer; an AssertionError after seconds × WEIR_TIME_SCALE."""
    until = time.monotonic() + seconds * SCALE
    while not (answer := true()):
        assert time.monotonic() < until, f"waited {seconds * SCALE:.0f} s for {what}"
        time.sleep(step)
    return answer


def left_in_session(session: int) -> list[str]:
    """Processes of that session which still live (zombies do not)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
                name, rest = stat[stat.index("("):stat.rindex(")") + 1], stat[stat.rindex(")") + 2:].split()
            except (OSError, ValueError):
                continue
            if int(rest[3]) == session and rest[0] not in "ZX":
                found.append(f"{entry} {name}")
    return found


@dataclass
class Limits:
    file_mb: Optional[int] = None
    descriptors: int = 512

    def apply(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))
        if self.file_mb:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_mb << 20, self.file_mb << 20))


class Weir:
    """One run. Use as a context: what still runs at the end is killed, and a process or a stack trace left behind is a failure."""

    def __init__(self, *args, cwd: Path, env: Optional[dict[str, str]] = None, limits: Limits = Limits(), wrapper: Sequence[str] = (),
                 failpoint: Optional[str] = None):
        settings = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_") and not k.lower().endswith("_proxy")}
        settings.update(LC_ALL="C.UTF-8", TZ="UTC", **(env or {}))
        if failpoint:
            settings["WEIR_FAILPOINT"] = failpoint
        self.argv = [*wrapper, binary(), *map(str, args)]
        self.cwd, self.peak_descriptors, self.peak_rss = Path(cwd), 0, 0
        self._out, self._err = bytearray(), bytearray()
        self.process = subprocess.Popen(self.argv, cwd=cwd, env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True, preexec_fn=limits.apply)
        self._threads = [threading.Thread(target=self._drain, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self._out), (self.process.stderr, self._err))]
        self._threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Weir":
        return self

    def __exit__(self, kind, *_) -> None:
        if self.process.poll() is None:
            self.kill()
            if kind is None:
                raise AssertionError(f"weir still ran at the end of the test\n{self.story()}")
        if kind is None:
            self.check_nothing_left()

    @staticmethod
    def _drain(pipe, into: bytearray) -> None:
        while data := os.read(pipe.fileno(), 65536):
            into += data

    def _watch(self) -> None:
        while self.process.poll() is None:
            try:
                self.peak_descriptors = max(self.peak_descriptors, len(os.listdir(f"/proc/{self.process.pid}/fd")))
                self.peak_rss = max(self.peak_rss, int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) << 10)
            except (OSError, TypeError):
                pass
            time.sleep(0.02)

    @property
    def stdout(self) -> str:
        return self._out.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self._err.decode("utf-8", "replace")

    def lines(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if line.strip()]

    def story(self) -> str:
        return f"$ {shlex.join(self.argv)}  (exit {self.process.poll()})\n{self.stdout[-1500:]}\n{self.stderr[-4000:]}"

    def summary(self) -> dict:
        """The one JSON object of `--json`."""
        try:
            return json.loads(self.stdout)
        except ValueError:
            raise AssertionError(f"stdout is not one JSON object\n{self.story()}") from None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9 to the whole session: children must not save us."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._join()

    def _join(self) -> None:
        self.process.wait()
        for thread in self._threads:
            thread.join(5 * SCALE)

    def wait(self, seconds: float, expect: Optional[int] = None) -> int:
        try:
            self.process.wait(seconds * SCALE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"weir did not end within {seconds * SCALE:.0f} s\n{self.story()}") from None
        self._join()
        if expect is not None:
            assert self.process.returncode == expect, f"exit code {expect} expected\n{self.story()}"
        return self.process.returncode

    def wait_for_line(self, pattern: str, seconds: float) -> str:
        return wait_until(lambda: next((line for line in self.lines() if re.search(pattern, line)), None), seconds, f"a line like {pattern}")

    def check_nothing_left(self) -> None:
        wait_until(lambda: not left_in_session(self.process.pid), 5, "weir's children to end")
        for sign in ("AddressSanitizer", "ThreadSanitizer", "runtime error:", "terminate called", "WEIR_ASSERT", "assertion failed"):
            assert sign not in self.stderr, self.story()

    def check_memory(self, megabytes: int) -> None:
        """Resident at most; sanitizers need more than any limit."""
        if "WEIR_SANITIZED" not in os.environ:
            assert self.peak_rss < megabytes << 20, f"{self.peak_rss >> 20} MiB resident\n{self.story()}"

    def check_one_clear_line(self) -> str:
        """A failure is told in one line that a person understands; returns it."""
        lines = self.lines()
        told = [line for line in lines if re.search(r"\berror\b|\bweir\b|cannot|failed|refused|not ", line, re.I)]
        assert len(lines) <= 3 and told, f"one clear line was expected\n{self.story()}"
        assert len(lines[-1]) < 1000 and lines[-1].isprintable(), self.story()
        return lines[-1]


def run(*args, cwd: Path, seconds: float = 60, expect: Optional[int] = None, **more) -> Weir:
    """Runs to the end."""
    with Weir(*args, cwd=cwd, **more) as weir:
        weir.wait(seconds, expect)
    return weir


@dataclass
class Recording:
    """One target file and what belongs to it."""

    folder: Path
    name: str = "out"

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.mp4"

    @property
    def journal(self) -> Path:
        return self.folder / f"{self.name}.weir.jsonl"

    def raw(self) -> list[Path]:
        """Raw files of any container, oldest first."""
        found = [(int(match[1]), path) for path in self.folder.iterdir() if (match := re.fullmatch(
            re.escape(self.name) + r"\.(\d+)\.(ts|m4s|flv|aac|bin)", path.name))]
        return [path for _, path in sorted(found)]

    def raw_bytes(self) -> int:
        total = 0
        for path in self.raw():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                pass
        return total

    def start(self, url: str, *options, **more) -> Weir:
        return Weir("download", "--json", *options, "-o", self.file, url, cwd=self.folder, **more)

    def download(self, url: str, *options, seconds: float = 60, expect: int = WHOLE, **more) -> Weir:
        with self.start(url, *options, **more) as weir:
            weir.wait(seconds, expect)
        return weir

    def lines(self) -> list[dict]:
        """The journal's lines, as far as they are whole."""
        found = []
        for line in self.journal.read_bytes().splitlines():
            try:
                found.append(json.JSONDecoder().raw_decode(line.decode())[0])
            except ValueError:
                break
        return found

    def ledger(self, expect: Optional[int] = WHOLE) -> dict:
        """`weir verify --json`, plus `first_gen`: the number weir gave to the origin's first run."""
        check = run("verify", "--json", self.file, cwd=self.folder, expect=expect)
        ledger = json.loads(check.stdout)
        ledger["first_gen"] = min((line["gen"] for line in self.lines() if "gen" in line), default=0)
        return ledger

    def others(self) -> list[str]:
        """What lies in the folder besides the file and its journal."""
        return sorted(p.name for p in self.folder.iterdir() if p not in (self.file, self.journal))


def failpoints(cwd: Path) -> list[str]:
    return run("failpoints", cwd=cwd, expect=WHOLE).stdout.split()


def kill_at_bytes(weir: Weir, recording: Recording, count: int, seconds: float) -> int:
    """kill -9 as soon as the raw files hold that many bytes; how many they then held. 0: it ended before."""
    until = time.monotonic() + seconds * SCALE
    while weir.process.poll() is None and time.monotonic() < until:
        if (size := recording.raw_bytes()) >= count:
            weir.kill()
            return size
        time.sleep(0.002)
    if weir.process.poll() is None:
        weir.kill()
        raise AssertionError(f"the raw files never reached {count} bytes\n{weir.story()}")
    return 0


def seeded(name: str) -> random.Random:
    """Random by the run's seed, which a failure shows: WEIR_SEED repeats it."""
    return random.Random(f"{os.environ.get('WEIR_SEED', '1')}/{name}")
