#!/usr/bin/python3
"""A large MPEG-TS put into MP4: weir beside ffmpeg -c copy (with and without its index in front) and cp.

The file is made once per run by repeating a short one, in memory (/dev/shm) if there is room, so that the disk is not the limit. Each
tool runs once to warm up and then --rounds times; medians. weir reads its file back and compares (packets and times; "+content": all
of it) before it gets its name: the peers do not. Machines are noisy: quote ratios of one run.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

GOALS = {"ffmpeg": 1.0, "ffmpeg +faststart": 1.0, "cp": 1.5}
OURS = "weir remux"


@dataclass
class Run:
    wall: float
    cpu: float


def ffmpeg(*arguments: str) -> list[str]:
    return ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments]


def make_input(folder: Path, size: int) -> Path:
    seed, made = folder / "seed.ts", folder / "input.ts"
    subprocess.run(ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=20", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=20",
                          "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "5M", "-minrate", "5M", "-maxrate", "5M", "-bufsize", "5M",
                          "-x264-params", "nal-hrd=cbr", "-g", "60", "-bf", "0", "-threads", "1", "-c:a", "aac", "-b:a", "128k", "-f", "mpegts", str(seed)), check=True)
    subprocess.run(ffmpeg("-stream_loop", "-1", "-i", str(seed), "-c", "copy", "-fs", str(size), "-f", "mpegts", str(made)), check=True)
    seed.unlink()
    return made


def join_plan(source: Path, target: Path, content: bool) -> str:
    stretch = {"path": str(source), "offset": 0, "size": source.stat().st_size, "shift": 0, "header_offset": 0, "header_size": 0, "lane": 0, "follows": False}
    return json.dumps({"do": "join", "input": [stretch], "output": str(target), "metadata": {}, "format": 0, "audio_only": False, "content": content, "languages": []})


def run(commands: list[tuple[list[str], str]], out: Path) -> Run:
    for old in out.iterdir():
        old.unlink()
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    for command, text in commands:
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr[-500:] or done.stdout[-500:]}")
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", default=str(Path(__file__).resolve().parents[1] / "build" / "release" / "bin"))
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", help="where the files lie; default: memory if it has room, else the disk")
    args = parser.parse_args()
    size = args.megabytes * 1_000_000
    shm = Path("/dev/shm")
    roomy = shm.is_dir() and shutil.disk_usage(shm).free > 4 * size
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir=args.dir or (shm if roomy else os.environ.get("TMPDIR", "/var/tmp"))) as home:
        source, out = make_input(Path(home), size), Path(home) / "out"
        out.mkdir()
        weir = str(Path(args.bin_dir) / "weir")
        target = out / "made.mp4"
        tools = {
            OURS: [([weir, "remux", "-o", str(target), str(source)], "")],
            f"{OURS} +content": [([weir, "remux", "--check-content", "-o", str(target), str(source)], "")],
            "weir, writing alone": [([weir, "media-tool"], join_plan(source, target, False))],
            "ffmpeg": [(ffmpeg("-i", str(source), "-c", "copy", str(target)), "")],
            "ffmpeg +faststart": [(ffmpeg("-i", str(source), "-c", "copy", "-movflags", "+faststart", str(target)), "")],
            "cp": [(["cp", str(source), str(target)], "")],
        }
        runs: dict[str, list[Run]] = {name: [] for name in tools}
        for i in range(args.rounds + 1):
            for name, commands in tools.items():  # side by side, so that a busy moment meets all of them
                measured = run(commands, out)
                if i:
                    runs[name].append(measured)
        print(f"{source.stat().st_size / 1e6:.0f} MB of MPEG-TS to MP4 in {home.rsplit('/', 1)[0]}, page cache warm, median of {args.rounds}")
    wall = {name: statistics.median(r.wall for r in each) for name, each in runs.items()}
    cpu = {name: statistics.median(r.cpu for r in each) for name, each in runs.items()}
    print(f"{'':22}{'wall s':>8}{'CPU s':>8}")
    for name in tools:
        print(f"{name:22}{wall[name]:8.2f}{cpu[name]:8.2f}")
    for peer, goal in GOALS.items():
        print(f"{OURS} / {peer}: wall {wall[OURS] / wall[peer]:.2f} (goal {goal}), CPU {cpu[OURS] / cpu[peer]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
