#!/usr/bin/python3
"""Many FC2 channels in one `weir fc2 watch`, against the judge's fake FC2 in a process of its own.

rest        --channels watched and none live: share of a core, memory, requests a second (goals 2 %, 150 MiB, the limiter's pace)
recordings  --streams lives of 3 Mbit/s over TLS recorded at once: share of a core and CPU seconds per GB (goal a quarter of a core,
            nothing missing), beside curl, which only fetches and writes the same fragments, and ffmpeg -c copy, each in as many
            processes as there are streams (--peer-streams)

CPU is all of the program's threads and children; what costs are compared by is one run, one after the other, as ratios.
"""
import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from judge.fc2 import Fc2  # noqa: E402
from judge.fc2_channel import Shape  # noqa: E402
from judge.origin import TestCa  # noqa: E402
from recording import resident, sessions_cpu, written  # noqa: E402

REST_SHARE, REST_MIB, RECORDING_SHARE, MODE = 0.02, 150, 0.25, 52
HEAVY_KBPS = 2900
REQUESTS_A_SECOND = 5  # the limiter's four a second, and its burst


class Fake:
    """The fake FC2 in another process, asked over a pipe."""

    def __init__(self, channels: list[str], shape: Shape | None = None, ca: TestCa | None = None):
        context = multiprocessing.get_context("fork")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=self._serve, args=(far, channels, shape, ca), daemon=True)
        self._process.start()
        self.env = self._pipe.recv()

    @staticmethod
    def _serve(pipe, channels, shape, ca) -> None:
        fake = Fc2(tls=ca, keep_requests=False, linger=60)
        fake.open_key = "open"
        for name in channels:
            made = fake.channel(name)
            if shape:
                made.begin(shape, qualities=["3Mbps"]).segments(MODE)
        pipe.send(fake.env)
        while True:
            word, *arguments = pipe.recv()
            if word == "counts":
                pipe.send(dict(fake.counts))
            elif word == "end":
                for name in channels:
                    fake.channels[name].lives[-1].end()
                pipe.send(None)
            elif word == "begin":
                for name in channels:
                    fake.channels[name].begin(shape, qualities=["3Mbps"]).clock.run()
                pipe.send(None)
            elif word == "fragments":
                name, count = arguments
                live = fake.channels[name].lives[-1]
                begin = max(live.shape.first, live.last() - 4)
                pipe.send([f"{fake.base()}/a/stream/v3/{name}/{MODE}/data/{n}.ts?hash={live.mark(MODE, n)}" for n in range(begin, begin + count)])
            elif word == "playlist":
                pipe.send(f"{fake.base()}/a/stream/{arguments[0]}/{MODE}/playlist?c=open")

    def ask(self, *words):
        self._pipe.send(words)
        return self._pipe.recv()

    def close(self) -> None:
        self._process.kill()
        self._process.join()


class Watch:
    """`weir fc2 watch` over those channels."""

    def __init__(self, binary: Path, folder: Path, fake: Fake, channels: list[str], **params):
        folder.mkdir(parents=True)
        self.folder = folder
        wished = {"outFormat": "{{ .ChannelID }}.{{ .Ext }}", "concat": False, **params}
        config = {"rateLimitAvoidance": {"pollingPacing": "5ms"}, "defaultParams": wished, "channels": {name: {} for name in channels}}
        (folder / "config.yaml").write_text(json.dumps(config))
        self.log = (folder / "log").open("w+")
        settings = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen([binary, "fc2", "watch", "-c", "config.yaml", "--pprof.listen-address", "127.0.0.1:0"], cwd=folder,
                                        env={**settings, **fake.env}, stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        if not line.startswith("http://"):
            raise SystemExit(f"weir ended before it listened:\n{self.told()}")
        self.address = line.strip()

    def told(self) -> str:
        return "".join(Path(self.folder / "log").read_text().splitlines(keepends=True)[-20:])

    def cpu(self) -> float:
        return sessions_cpu({self.process.pid})

    def states(self) -> list[dict]:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.address, timeout=30) as answer:
            return list(json.load(answer)["channels"].values())

    def wait_for(self, state: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not all(row["state"] == state for row in self.states()):
            if time.monotonic() > until or self.process.poll() is not None:
                found = [row["state"] for row in self.states()] if self.process.poll() is None else []
                raise SystemExit(f"not all channels became {state}: { {s: found.count(s) for s in set(found)} }\n{self.told()}")
            time.sleep(1)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


class Bench:
    def __init__(self, args, home: Path):
        self.args, self.home, self.problems = args, home, []
        self.binary = Path(args.bin_dir).resolve() / "weir"

    def judge(self, fine: bool, text: str) -> None:
        if not fine:
            self.problems.append(text)

    # ------------------------------------------------------------ nobody is live

    def rest(self) -> None:
        args, names = self.args, [str(10_000_000 + i) for i in range(self.args.channels)]
        fake = Fake(names)
        watch = Watch(self.binary, self.home / "rest", fake, names)
        try:
            time.sleep(args.warm_up)
            before, cpu, begun = fake.ask("counts"), watch.cpu(), time.monotonic()
            time.sleep(args.rest_seconds)
            cpu, seconds, after = watch.cpu() - cpu, time.monotonic() - begun, fake.ask("counts")
            mib = resident([watch.process.pid]) / 2**20
        finally:
            watch.stop()
            fake.close()
        kinds = {kind: (after[kind] - before.get(kind, 0)) / seconds for kind in sorted(after)}
        share, rate = cpu / seconds, sum(kinds.values())
        print(f"{len(names)} channels at rest, {seconds:.0f} s: {share:.2%} of a core (goal {REST_SHARE:.0%}), {mib:.1f} MiB (goal {REST_MIB}), "
              f"{rate:.2f} requests a second: " + ", ".join(f"{kind} {value:.2f}" for kind, value in kinds.items()), flush=True)
        self.judge(share <= REST_SHARE or args.smoke, f"rest: {share:.2%} of a core")
        self.judge(mib <= REST_MIB, f"rest: {mib:.0f} MiB")
        self.judge(0 < rate <= REQUESTS_A_SECOND, f"rest: {rate:.2f} requests a second")

    # ------------------------------------------------------------ all are live

    def recordings(self) -> None:
        args = self.args
        ramp = 10 + args.streams * 0.75  # two requests a channel at the limiter's pace, and room
        shape = Shape(pace=1.0, seconds=int(ramp + args.seconds + 30), kbps=HEAVY_KBPS)
        (self.home / "ca").mkdir()
        ca = TestCa(self.home / "ca")
        costs = {"weir": self.weir_records(shape, ca, ramp)}
        for peer in args.peers:
            costs[peer] = self.peer_records(peer, shape, ca)
        for peer in args.peers:
            print(f"weir / {peer}: {costs['weir'] / costs[peer]:.2f}")

    def weir_records(self, shape: Shape, ca: TestCa, ramp: float) -> float:
        args, names = self.args, [str(20_000_000 + i) for i in range(self.args.streams)]
        fake = Fake(names, shape, ca)
        watch = Watch(self.binary, self.home / "weir", fake, names, remux=False)
        try:
            watch.wait_for("DOWNLOADING", ramp + 60)
            time.sleep(3)
            cpu, size, begun = watch.cpu(), written(watch.folder), time.monotonic()
            time.sleep(args.seconds)
            cpu, size, seconds = watch.cpu() - cpu, written(watch.folder) - size, time.monotonic() - begun
            mib = resident([watch.process.pid]) / 2**20
            fake.ask("end")
            watch.wait_for("IDLE", 120)
        finally:
            watch.stop()
            fake.close()
        self.complain(watch.folder, names)
        share, per_gb = cpu / seconds, cpu / (size / 1e9)
        print(f"{len(names)} recordings of {HEAVY_KBPS + 100} kbit/s over TLS, {seconds:.0f} s: {share:.1%} of a core (goal {RECORDING_SHARE:.0%}), "
              f"{per_gb:.2f} CPU s/GB, {mib:.0f} MiB, {8 * size / seconds / len(names) / 1e6:.2f} Mbit/s each", flush=True)
        self.judge(share <= RECORDING_SHARE or args.smoke, f"recordings: {share:.1%} of a core")
        self.judge(8 * size / seconds >= 0.95e3 * HEAVY_KBPS * len(names), f"recordings: {8 * size / seconds / 1e6:.0f} Mbit/s of {len(names)} lives")
        shutil.rmtree(watch.folder)
        return per_gb

    def complain(self, folder: Path, names: list[str]) -> None:
        """Every recording is whole: `weir verify` says so, and it has as many units as numbers from its first to its last."""
        for name in names:
            told = subprocess.run([self.binary, "verify", "--json", f"{name}.ts"], cwd=folder, capture_output=True, text=True)
            gaps = json.loads(told.stdout)["gaps"] if told.stdout else None
            self.judge(told.returncode == 0 and gaps == [], f"recording {name}: verify says {told.returncode}: {(told.stdout + told.stderr)[:300]}")

    def peer_records(self, peer: str, shape: Shape, ca: TestCa) -> float:
        args, names = self.args, [str(30_000_000 + i) for i in range(self.args.peer_streams)]
        out = self.home / peer
        out.mkdir()
        fake = Fake(names, shape, ca)
        fake.ask("begin")
        try:
            started = [subprocess.Popen(self.command(peer, fake, name, out, ca), cwd=out, start_new_session=True, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) for name in names]
            pids = {process.pid for process in started}
            time.sleep(8)
            cpu, size = sessions_cpu(pids), written(out)
            time.sleep(args.seconds)
            cpu, size, mib = sessions_cpu(pids) - cpu, written(out) - size, resident(pids) / 2**20
            ended = [process for process in started if process.poll() is not None]
            for process in started:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        finally:
            fake.close()
        note = f"; {len(ended)} ended early: {ended[0].stderr.read()[-200:]!r}" if ended else ""
        per_gb = cpu / (size / 1e9) if size else float("nan")
        print(f"{peer}, {len(names)} processes: {cpu / args.seconds:.1%} of a core, {per_gb:.2f} CPU s/GB, {mib:.0f} MiB, "
              f"{8 * size / args.seconds / len(names) / 1e6:.2f} Mbit/s each{note}", flush=True)
        shutil.rmtree(out)
        return per_gb

    def command(self, peer: str, fake: Fake, name: str, out: Path, ca: TestCa) -> list[str]:
        if peer == "ffmpeg":
            return ["ffmpeg", "-v", "error", "-nostdin", "-ca_file", str(ca.ca), "-i", fake.ask("playlist", name), "-map", "0", "-c", "copy", "-f",
                    "mpegts", f"{name}.ts"]
        lines = [f'url = "{url}"\noutput = "{out}/{name}.{i}.ts"' for i, url in enumerate(fake.ask("fragments", name, self.args.seconds + 20))]
        (out / f"{name}.list").write_text("\n".join(lines) + "\n")
        return ["curl", "-sS", "--noproxy", "*", "--cacert", str(ca.ca), "--rate", "60/m", "-K", str(out / f"{name}.list")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", default=str(Path(__file__).resolve().parents[1] / "build" / "release" / "bin"))
    parser.add_argument("--channels", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--peer-streams", type=int, default=25)
    parser.add_argument("--warm-up", type=float, default=30)
    parser.add_argument("--rest-seconds", type=float, default=60)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--peers", nargs="*", choices=["curl", "ffmpeg"], default=["curl", "ffmpeg"])
    parser.add_argument("--only", nargs="*", choices=["rest", "recordings"], default=["rest", "recordings"])
    parser.add_argument("--smoke", action="store_true", help="a quick pass: costs are not judged")
    args = parser.parse_args()
    if args.smoke:
        args.channels, args.streams, args.peer_streams, args.warm_up, args.rest_seconds, args.seconds = 50, 5, 3, 5, 5, 6
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as home:
        bench = Bench(args, Path(home))
        for part in args.only:
            getattr(bench, part)()
    for problem in bench.problems[:20]:
        print(f"MISSED  {problem}")
    if not bench.problems:
        print("all goals met")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
