"""Debian's Prometheus on loopback, what dashboards ask of it, and the text format's lines."""
from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

from .weir import wait_until

MISSING = [name for name in ("prometheus", "promtool") if not shutil.which(name)]
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url: str, **headers: str) -> tuple[Any, bytes]:
    with _direct.open(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.headers, answer.read()


@dataclass
class Family:
    help: str = ""
    kind: str = ""
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def labels(self) -> set[str]:
        return {name for _, labels, _ in self.samples for name in labels} - {"le"}


def families(text: str) -> dict[str, Family]:
    """Of an exposition in the text format; a line that is none of it is an AssertionError."""
    found: dict[str, Family] = {}
    name = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"# (HELP|TYPE) (\S+) ?(.*)", line):
            name = match[2]
            made = found.setdefault(name, Family())
            if match[1] == "HELP":
                made.help = match[3]
            else:
                made.kind = match[3]
            continue
        match = re.fullmatch(r'([A-Za-z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)', line)
        assert match and match[1].startswith(name), f"a line out of place: {line}"
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
        found[name].samples.append((match[1], labels, float(match[3])))
    return found


def lint(text: str) -> tuple[int, set[tuple[str, str]]]:
    """`promtool check metrics`: its exit code, and (name, remark) each."""
    told = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    return told.returncode, {tuple(line.split(" ", 1)) for line in (told.stdout + told.stderr).splitlines() if " " in line}


def expressions(dashboard: Path) -> Iterator[tuple[str, str]]:
    """(panel, expression) each, also of panels in collapsed rows."""
    def below(panels):
        for panel in panels:
            for target in panel.get("targets", []):
                yield panel["title"], target["expr"]
            yield from below(panel.get("panels", []))
    return below(json.loads(dashboard.read_text())["panels"])


def filled(expression: str, job: str) -> str:
    """With its variables replaced, and windows as short as a test."""
    for variable, value in (("$job", job), ("$__rate_interval", "10s"), ("$__range", "2m")):
        expression = expression.replace(variable, value)
    assert "$" not in expression, f"an unknown variable: {expression}"
    return expression


class Prometheus:
    """Scrapes `target` (HOST:PORT) each second, under each of `jobs`."""

    def __init__(self, folder: Path, target: str, jobs: list[str]):
        with socket.socket() as probe:  # it takes no port 0
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        scrapes = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job in jobs]
        (folder / "prometheus.yml").write_text(json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": scrapes}))
        self.log = (folder / "prometheus.log").open("w+")
        settings = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen(["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
                                         f"--web.listen-address=127.0.0.1:{port}"], stdout=self.log, stderr=subprocess.STDOUT, env=settings)
        try:
            wait_until(self.ready, 30, "Prometheus")
        except AssertionError:
            self.close()
            raise AssertionError((folder / "prometheus.log").read_text()[-2000:]) from None

    def ready(self) -> bool:
        assert self.process.poll() is None, "Prometheus has ended"
        try:
            fetch(self.url + "/-/ready")
            return True
        except OSError:
            return False

    def query(self, expression: str) -> list[dict]:
        _, text = fetch(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        answer = json.loads(text)
        assert answer["status"] == "success", f"{expression}: {answer}"
        return answer["data"]["result"]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
