"""One FC2 scenario: a fake, folders to record into, runs of weir against it, and the checks that every one of them ends with.

The fixture `case` checks, when the test is over, that no secret (cookies, tokens, addresses of playlists) was shown or written
anywhere (issue 5).
"""
from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any, Optional, Sequence

import pytest

from . import verify
from .fc2 import CANARY, ORZ, Fc2
from .fc2_channel import Live
from .units import read_units
from .weir import LOSSES, WHOLE, Recording, Weir, wait_until

CHANNEL = "91544481"
OUT = "out.{{ .Ext }}"
SIDES = (".info.json", ".fc2chat.json", ".jpg", ".png")


class Case:
    def __init__(self, root: Path):
        self.folder, self.inputs = root / "rec", root / "in"
        self.folder.mkdir()
        self.inputs.mkdir()  # what the test itself writes: cookies, configurations
        self.fakes: list[Fc2] = []
        self.runs: list[Weir] = []

    # ------------------------------------------------------------ what runs

    def make_fake(self, **options) -> Fc2:
        self.fakes.append(Fc2(**options))
        return self.fakes[-1]

    @property
    def fake(self) -> Fc2:
        return self.fakes[-1] if self.fakes else self.make_fake()

    def start(self, *options, channel: str = CHANNEL, name: str = OUT, env: Optional[dict] = None, **more) -> Weir:
        """`weir fc2 download`."""
        named = ("--format", name) if name else ()
        return self.run("fc2", "download", "--json", "--poll-interval", "500ms", *named, *options, channel, env=env, **more)

    def run(self, *arguments, env: Optional[dict] = None, **more) -> Weir:
        made = Weir(*arguments, cwd=self.folder, env={**self.fake.env, **(env or {})}, **more)
        self.runs.append(made)
        return made

    def download(self, *options, seconds: float = 60, expect: int = WHOLE, **more) -> Weir:
        with self.start(*options, **more) as weir:
            weir.wait(seconds, expect)
        return weir

    def cookies(self, *lines: Sequence[str]) -> Path:
        """A Netscape file with (domain, name, value) each, marked as exporters mark session cookies (FC2-117)."""
        path = self.inputs / "cookies.txt"
        rows = ["# Netscape HTTP Cookie File"]
        rows += [f"#HttpOnly_{domain}\tFALSE\t/\tFALSE\t0\t{name}\t{value}" for domain, name, value in lines]
        path.write_text("\n".join(rows) + "\n")
        return path

    def logged_in(self, name: str = "someone") -> Path:
        """A cookie file of who is logged in under that name."""
        self.fake.login(name)
        return self.cookies(*((host, "fcus", CANARY + "fcus") for host in ("127.0.0.1", "localhost")))

    # ------------------------------------------------------------ what came of it

    def recording(self, name: str = "out") -> Recording:
        return Recording(self.folder, name)

    def left(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if not p.is_dir())

    def exact(self, live: Live, weir: Optional[Weir], *, name: str = "out", quality: str = "3Mbps", lost: Sequence[int] = (),
              from_: Optional[int] = None, to: Optional[int] = None, alone: bool = True) -> None:
        """handed out = delivered + listed, exactly `lost` is listed, and nothing lies about but the recording and what was asked for."""
        story = weir.story() if weir else ""
        recording = self.recording(name)
        assert recording.file.exists(), f"{self.left()}\n{story}"
        ledger = recording.ledger(LOSSES if lost else WHOLE)
        listed = verify.gap_places(ledger)
        assert listed == {(0, number) for number in lost}, f"listed are {sorted(listed)}, lost were {sorted(lost)}\n{story}"
        verdict = verify.delivery(live.truth(quality, self.fake.altered), read_units(recording.file), listed,
                                  None if from_ is None else (0, from_), None if to is None else (0, to))
        assert verdict.complaints() == [], f"{verdict.complaints()}\n{story}"
        if alone:
            assert [n for n in self.left() if not n.endswith(SIDES)] == [f"{name}.mp4", f"{name}.weir.jsonl"], story

    def check_secrets(self) -> None:
        """Cookies, tokens and signed addresses are in no output and in no file."""
        for run in self.runs:
            for secret in (CANARY, ORZ):
                for stream, text in (("stdout", run.stdout), ("stderr", run.stderr)):
                    where = text.find(secret)
                    assert where < 0, f"a secret on {stream}: …{text[max(0, where - 200):where + 60]}…\n$ {run.argv}"
        for path in self.folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                for secret in (CANARY, ORZ):
                    where = data.find(secret.encode())
                    assert where < 0, f"a secret in {path.name}: …{data[max(0, where - 200):where + 60]!r}…"

    def close(self) -> None:
        for run in self.runs:
            if run.process.poll() is None:
                run.kill()
        for fake in self.fakes:
            fake.close()


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path)
    yield made
    made.close()
    made.check_secrets()


# ---------------------------------------------------------------- what tests wait for

def segments_fetched(case: Case, count: int, channel: str = CHANNEL, seconds: float = 30) -> None:
    wait_until(lambda: len({r.seq for r in case.fake.asked("segment", channel) if r.whole}) >= count, seconds, f"{count} segments of {channel}")


def summaries(weir: Weir) -> list[dict]:
    return [json.loads(line) for line in weir.stdout.splitlines() if line.startswith("{")]


def lines_with(weir: Weir, *words: str) -> list[str]:
    return [line for line in weir.lines() if all(word in line for word in words)]


class WatchRun:
    """`weir fc2 watch` with a configuration that may be changed under it."""

    def __init__(self, case: Case, config: dict[str, Any] | str, *, path: Optional[Path] = None, env: Optional[dict] = None,
                 listen: str = "127.0.0.1:0", options: Sequence[str] = (), **more):
        self.case, self.path = case, path or case.inputs / "config.yaml"
        if path is None:
            self.write(config)
        self.weir = case.run("fc2", "watch", "-c", self.path, "--pprof.listen-address", listen, *options, env=env, **more)

    def __enter__(self) -> "WatchRun":
        self.weir.__enter__()
        return self

    def __exit__(self, *failure) -> None:
        self.weir.__exit__(*failure)

    @staticmethod
    def text(config: dict[str, Any] | str) -> str:
        """JSON is YAML."""
        return config if isinstance(config, str) else json.dumps(config, indent=1)

    def write(self, config: dict[str, Any] | str) -> None:
        """In place."""
        self.path.write_text(self.text(config))

    def replace(self, config: dict[str, Any] | str) -> None:
        """By rename, as editors do."""
        new = self.path.with_name("new")
        new.write_text(self.text(config))
        os.replace(new, self.path)

    def status(self) -> dict[str, Any]:
        address = wait_until(lambda: next((line for line in self.weir.stdout.splitlines() if line.startswith("http://")), None), 10, "the address")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=10) as answer:
            return json.load(answer)["channels"]

    def state(self, channel: str = CHANNEL) -> str:
        return self.status().get(channel, {}).get("state", "")

    def wait_for_state(self, state: str, channel: str = CHANNEL, seconds: float = 30) -> None:
        wait_until(lambda: self.state(channel) == state, seconds, f"{channel} to be {state}", 0.1)


def config(*channels: str, **params: Any) -> dict[str, Any]:
    """One that records quickly, each channel into a name of its own."""
    wished = {"outFormat": "{{ .ChannelID }}.{{ .Ext }}", "waitPollInterval": "500ms", "concat": False, **params}
    return {"rateLimitAvoidance": {"pollingPacing": "50ms"}, "defaultParams": wished, "channels": {channel: {} for channel in channels}}
