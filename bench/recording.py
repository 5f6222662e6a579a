#!/usr/bin/python3
"""Live HLS recordings at 3 Mbit/s: one weir process beside ffmpeg -c copy, streamlink and curl, each recording the same streams.

All record the same live: nginx serves files made before, a thread lets one segment appear each two seconds. Cost is taken in the
steady state (after --warm-up seconds): CPU seconds of the whole process tree and bytes written in the same span. Machines are noisy:
quote ratios of one run, or medians of several (--rounds).

weir runs as --weir-command, by default the bench's own binary that records many URLs in one process.
"""
import argparse
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from judge import media as known_media  # noqa: E402
from judge.nginx import Nginx  # noqa: E402

SEGMENT_SECONDS, WINDOW, KBPS = 2, 6, 2900
GOALS = {"ffmpeg": 0.35, "curl": 1.3}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Span:
    cpu: float
    bytes: int


@dataclass
class Result:
    tool: str
    cpu_per_gb: float
    mib_each: float
    megabytes: float
    note: str = ""


class Live:
    """One live playlist on disk that all streams' folders point to."""

    def __init__(self, root: Path, media, streams: int):
        self.folder, self.media = root / "stream", media
        self.folder.mkdir(parents=True)
        for i, segment in enumerate(media.segments):
            (self.folder / f"{i:05d}.ts").write_bytes(segment.body)
        for i in range(streams):
            (root / f"s{i}").symlink_to("stream")
        self._stop = threading.Event()
        self._publish(WINDOW)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        begun = time.monotonic()
        for count in range(WINDOW + 1, len(self.media.segments) + 1):
            if self._stop.wait(max(0.0, begun + (count - WINDOW) * SEGMENT_SECONDS - time.monotonic())):
                return
            self._publish(count)

    def _publish(self, count: int) -> None:
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}", f"#EXT-X-MEDIA-SEQUENCE:{count - WINDOW}"]
        for i in range(count - WINDOW, count):
            lines += [f"#EXTINF:{self.media.segments[i].duration:.3f},", f"{i:05d}.ts"]
        new = self.folder / "live.m3u8.new"
        new.write_text("\n".join(lines) + "\n")
        new.rename(self.folder / "live.m3u8")

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def sessions_cpu(sessions: set[int]) -> float:
    """CPU seconds of these sessions, with their ended and reaped children."""
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2:].split()
            if int(fields[3]) in sessions:
                total += sum(map(int, fields[11:15]))
    return total / TICK


def resident(pids) -> int:
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
            total += int(text.split("VmRSS:")[1].split()[0]) << 10
        except (OSError, IndexError):
            pass
    return total


def written(out: Path) -> int:
    total = 0
    for folder, _, names in os.walk(out):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass
    return total


def commands(tool: str, args, urls: list[str], out: Path, segment_url) -> list[list[str]]:
    for i in range(len(urls)):
        (out / str(i)).mkdir(parents=True)
    match tool:
        case "weir":
            text = args.weir_command.format(bin=args.bin_dir, out=shlex.quote(str(out)), seconds=args.warm_up + args.seconds + WINDOW * SEGMENT_SECONDS)  # it begins some segments back
            return [shlex.split(text) + urls]
        case "ffmpeg":
            return [["ffmpeg", "-v", "error", "-nostdin", "-i", url, "-map", "0", "-c", "copy", "-f", args.ffmpeg_format, str(out / str(i) / "rec")]
                    for i, url in enumerate(urls)]
        case "streamlink":
            return [["streamlink", "-l", "none", "--hls-live-edge", "3", "-o", str(out / str(i) / "rec.ts"), f"hls://{url}", "best"]
                    for i, url in enumerate(urls)]
        case "curl":  # no recorder: the floor for fetching and writing, at the same pace
            made = []
            for i in range(len(urls)):
                folder = out / str(i)
                lines = [f'url = "{segment_url(i, n)}"\noutput = "{folder}/{n}.ts"' for n in range(args.segments)]
                (folder / "list").write_text("\n".join(lines) + "\n")
                made.append(["curl", "-s", "--noproxy", "*", "--rate", f"{60 // SEGMENT_SECONDS}/m", "-K", str(folder / "list")])
            return made
    raise ValueError(tool)


def measure(tool: str, args, media, home: Path) -> Result:
    out = home / "out"
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(home / "www", ignore_errors=True)
    live = Live(home / "www", media, args.streams)
    with Nginx(home / "nginx", home / "www", log=False) as nginx:
        urls = [nginx.url(f"s{i}/live.m3u8") for i in range(args.streams)]
        started = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True)
                   for command in commands(tool, args, urls, out, lambda i, n: nginx.url(f"s{i}/{n:05d}.ts"))]
        pids = {process.pid for process in started}
        try:
            time.sleep(args.warm_up)
            before = Span(sessions_cpu(pids), written(out))
            time.sleep(args.seconds)
            after = Span(sessions_cpu(pids), written(out))
            memory = resident(pids)
            dead = [process.args[0] for process in started if process.poll() is not None]
            note = f"{len(dead)} of {len(started)} ended early: {started[0].communicate()[1][-300:]}" if dead else ""
            if tool == "weir":
                note = note or finish_weir(started[0], args)
        finally:
            for process in started:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            live.close()
    shutil.rmtree(out, ignore_errors=True)
    gigabytes = (after.bytes - before.bytes) / 1e9
    return Result(tool, (after.cpu - before.cpu) / gigabytes if gigabytes else float("nan"), memory / args.streams / 2**20, gigabytes * 1e3, note)


def finish_weir(process, args) -> str:
    """Lets it finish its files; says what was missing and what the whole cost, finalising included."""
    try:
        out, err = process.communicate(timeout=args.seconds + 300)
    except subprocess.TimeoutExpired:
        return "it did not finish"
    try:
        told = json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return f"exit {process.returncode}: {err[-300:]}"
    why = f": {err.strip()[-300:]}" if told.get("failed") else ""
    return f"asked {told.get('asked')}, missing {told.get('missing')}, failed {told.get('failed')}{why}"


def report(results: list[list[Result]], args) -> int:
    rows = {runs[0].tool: runs for runs in results}
    cost = {tool: statistics.median(run.cpu_per_gb for run in runs) for tool, runs in rows.items()}
    print(f"{args.streams} live recordings of {KBPS + 100} kbit/s, {args.seconds} s measured after {args.warm_up} s, median of {args.rounds}")
    print(f"{'':12}{'CPU-s/GB':>10}{'MiB each':>10}{'MB':>8}  ")
    for tool, runs in rows.items():
        print(f"{tool:12}{cost[tool]:10.2f}{statistics.median(r.mib_each for r in runs):10.1f}{runs[-1].megabytes:8.0f}  {runs[-1].note}")
    for peer in ("ffmpeg", "streamlink", "curl"):
        if peer in cost and "weir" in cost:
            goal = f"  goal {GOALS[peer]}" if peer in GOALS else ""
            print(f"weir / {peer}: {cost['weir'] / cost[peer]:.2f}{goal}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", default=str(Path(__file__).resolve().parents[1] / "build" / "release" / "bin"))
    parser.add_argument("--weir-command", default="{bin}/recording_bench --out {out} --duration {seconds}", help="the URLs are appended")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--warm-up", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tools", default="weir,ffmpeg,streamlink,curl")
    parser.add_argument("--ffmpeg-format", default="mpegts")
    args = parser.parse_args()
    args.segments = (args.warm_up + args.seconds) // SEGMENT_SECONDS + 2 * WINDOW
    media = known_media.media(args.segments * SEGMENT_SECONDS, SEGMENT_SECONDS, seed=4, kbps=KBPS)
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as home:
        results = [[measure(tool, args, media, Path(home)) for _ in range(args.rounds)] for tool in args.tools.split(",")]
    return report(results, args)


if __name__ == "__main__":
    sys.exit(main())
