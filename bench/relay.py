#!/usr/bin/env python3
"""The websocket relay beside node's `ws` and beside programs that only write the same frames.

One stream of 4 Mbit/s and 25 pictures a second is pushed by chunked POST to N websocket viewers, who look at what they get. Every
figure of weir, of the floors and of node comes from the same run, one after the other, under the same load. CPU is the relay's
process alone (the scheduler's run time of all its threads), in seconds per GB that the viewers received.

  floor, batch   one frame for each body chunk; all frames that wait go out in one writev
  floor, each    a write for each frame and viewer
  node           bench/relay_node.mjs: a send for each piece of body and viewer, as jsmpeg's relay does

Goals (issue 4): at 50 viewers and more within 1.25 of the batching floor for every size of chunk; at one viewer half of the packets
within 0.3 ms; at most 25 MB with 500 viewers; no healthy viewer loses a packet; a silent feed costs nothing. Destinations that are
dialled get frames with masks of their own, a copy each: there weir has to be cheaper than node.
"""
import argparse
import http.client
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
RATIO, P50_MS, RSS_MB, SILENT_MS = 1.25, 0.3, 25, 1.0
WEIR, BATCH, EACH, NODE = "weir", "floor, batch", "floor, each", "node"


def run_time(pid):
    """Seconds on a CPU, all threads of `pid` (kernel work on its behalf included)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            pass  # a thread that has just ended
    return total / 1e9


def memory_mb(pid, what):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1000
    return 0.0


class Certificate:
    """A throw-away one for loopback."""

    def __init__(self, folder):
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate],
                       check=True, capture_output=True)


class Relay:
    """One relay process; it names its address on its first lines."""

    def __init__(self, argv):
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.port = [], None
        while self.port is None:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"{argv[0]} ended before it listened:\n{''.join(self.lines[-20:])}")
            self.lines.append(line)
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            self.port = found and int(found.group(1))
        self.pid = self.process.pid
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        for line in self.process.stdout:
            self.lines = [*self.lines[-50:], line]

    def post(self, path, rule):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", path, json.dumps(rule), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"POST {path}: {answer.status} {body!r}"

    def stop(self):
        if self.process.poll() is not None:
            raise SystemExit(f"the relay ended by itself with {self.process.returncode}:\n{''.join(self.lines[-20:])}")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bench:
    def __init__(self, args, folder):
        self.args, self.bins, self.problems, self.load_costs = args, args.bin_dir, [], []
        self.certificate = Certificate(folder)

    def argv(self, kind, tls=False, drop=False, dial=None):
        """How a relay of that kind is started. `dial`: (port, count) of destinations."""
        if kind == WEIR:
            extra = ["--tls-cert", self.certificate.certificate, "--tls-key", self.certificate.key] if tls else []
            return [self.bins / "weir", "relay", "--listen", "127.0.0.1", "--port", 0, *extra]
        extra = ["--cert", self.certificate.certificate, "--key", self.certificate.key] if tls else []
        if kind == NODE:
            to = ["--dial", f"ws://127.0.0.1:{dial[0]}/", "--count", dial[1]] if dial else []
            return ["node", HERE / "relay_node.mjs", *extra, *to]
        to = ["--dial", dial[0], "--count", dial[1]] if dial else []
        return [self.bins / "relay_floor", "--mode", "each" if kind == EACH else "batch", *extra, *to, *(["--drop"] if drop else [])]

    def load(self, *options, stdin=None):
        return subprocess.Popen([str(a) for a in (self.bins / "relay_load", *options)], stdin=stdin, stdout=subprocess.PIPE, text=True)

    def watch(self, relay, load):
        """Cost between the load's "begin" and "end", and what it found."""
        def line():
            text = load.stdout.readline()
            if not text:
                raise SystemExit(f"the load ended early; the relay said:\n{''.join(relay.lines[-20:])}")
            return text.strip()
        try:
            assert line() == "begin"
            before = run_time(relay.pid)
            assert line() == "end"
            cpu = run_time(relay.pid) - before
            rss, peak = memory_mb(relay.pid, "VmRSS"), memory_mb(relay.pid, "VmHWM")
            found = json.loads(line())
            load.wait(timeout=20)
        finally:
            load.kill()
            relay.stop()
        payload = found["payload"]
        self.load_costs += [found["load_cpu"] / (payload / 1e9)] if payload > 1e8 else []
        return {**found, "cpu": cpu, "rss": rss, "peak": peak, "cost": cpu / (payload / 1e9) if payload else None}

    def measure(self, kind, *options, tls=False, drop=False):
        relay = Relay(self.argv(kind, tls, drop))
        load = self.load("--push", relay.port, "--view", relay.port, *options, *(["--tls"] if tls else []))
        return self.watch(relay, load)

    def measure_destinations(self, kind, count, *options):
        load = self.load("--push", "-", "--sinks", count, *options, stdin=subprocess.PIPE)
        word, port = load.stdout.readline().split()
        assert word == "port"
        relay = Relay(self.argv(kind, dial=(port, count)))
        if kind == WEIR:
            for i in range(count):
                relay.post("/api/destinations", {"id": str(i), "stream": "bench", "destination": f"ws://127.0.0.1:{port}/", "token": ""})
        load.stdin.write(f"{relay.port}\n")
        load.stdin.flush()
        return self.watch(relay, load)

    def missed(self, text):
        self.problems.append(text)

    def complain(self, where, found, viewers=None):
        """Every healthy viewer must have had every packet, in messages of whole packets."""
        if found["missing"] or found["broken"] or found["lost"]:
            self.missed(f"{where}: {found['missing']} packets missing, {found['broken']} broken, {found['lost']} viewers lost")
        if found["unaligned"]:
            self.missed(f"{where}: {found['unaligned']} messages begin inside a packet")
        if viewers:
            share = found["payload"] / (viewers * found["seconds"] * 25 * 106 * 188)
            if share < 0.95:
                self.missed(f"{where}: the viewers got {share:.1%} of the stream")

    def row(self, name, kinds, run, judge=True, viewers=None):
        """One line: what weir costs beside its peers; weir and the batching floor take turns."""
        turns = [{kind: run(kind) for kind in (WEIR, BATCH)} for _ in range(self.args.rounds)]
        results = {kind: sorted((t[kind] for t in turns), key=lambda r: r["cost"] or 0)[len(turns) // 2] for kind in (WEIR, BATCH)}
        results.update({kind: run(kind) for kind in kinds if kind not in results})
        for turn in turns:
            self.complain(f"weir, {name}", turn[WEIR], viewers)
        costs = [(t[WEIR]["cost"], t[BATCH]["cost"]) for t in turns]
        ratio = statistics.median(w / b for w, b in costs) if all(w and b for w, b in costs) else None
        if judge and not self.args.smoke and (ratio is None or ratio > RATIO):
            self.missed(f"{name}: {'nothing delivered' if ratio is None else f'{ratio:.2f} of the batching floor'}, goal {RATIO}")
        cells = [f"{results[k]['cost']:>12.3f}" if k in results and results[k]["cost"] else f"{'-':>12}" for k in (WEIR, BATCH, EACH, NODE)]
        weir = results[WEIR]
        print(f"{name:<28} {' '.join(cells)}  {ratio or 0:>5.2f}  {weir['rss']:>6.1f} {weir['p50_ms']:>7.2f} {weir['p99_ms']:>7.2f}"
              f"  {results[BATCH]['p50_ms']:>7.2f}", flush=True)
        return results

    def compare(self):
        for chunk in self.args.chunks:
            for viewers in self.args.viewers:
                # What one write a frame cannot keep up with says nothing: node needs 33 s per GB for such chunks (WIN-1).
                hopeless = chunk == "188" and viewers > 50
                kinds = [] if hopeless else [EACH, NODE]
                results = self.row(f"{viewers} viewers, {chunk}", kinds, lambda kind: self.measure(
                    kind, "--viewers", viewers, "--chunk", chunk, "--seconds", self.args.seconds), viewers >= 50, viewers)
                weir = results[WEIR]
                if viewers == 1 and chunk == "picture" and not self.args.smoke and weir["p50_ms"] > P50_MS:
                    self.missed(f"one viewer, {chunk}: p50 {weir['p50_ms']:.2f} ms, goal {P50_MS}")
                if viewers >= 500 and weir["peak"] > RSS_MB:
                    self.missed(f"{viewers} viewers, {chunk}: {weir['peak']:.1f} MB, goal {RSS_MB}")

    def unpaced(self):
        viewers, megabytes = (5, 10) if self.args.smoke else (50, 100)
        self.row(f"{viewers} viewers, no pace", [NODE], lambda kind: self.measure(
            kind, "--viewers", viewers, "--megabytes", megabytes, "--chunk", "picture"))

    def tls(self):
        viewers = 5 if self.args.smoke else 50
        self.row(f"{viewers} viewers, TLS", [NODE], lambda kind: self.measure(
            kind, "--viewers", viewers, "--chunk", "picture", "--seconds", self.args.seconds, tls=True), viewers=viewers)

    def destinations(self):
        count = 2 if self.args.smoke else 8
        for chunk in ("picture", "1316"):
            results = self.row(f"{count} destinations, {chunk}", [EACH, NODE], lambda kind: self.measure_destinations(
                kind, count, "--chunk", chunk, "--seconds", self.args.seconds), judge=False, viewers=count)
            if not self.args.smoke and results[WEIR]["cost"] > results[NODE]["cost"]:
                self.missed(f"{count} destinations, {chunk}: dearer than node")

    def stalled(self):
        healthy, stalled = (5, 2) if self.args.smoke else (50, 10)
        seconds = max(self.args.seconds, 1 if self.args.smoke else 8)
        results = self.row(f"{stalled} of {healthy + stalled} stalled", [NODE], lambda kind: self.measure(
            kind, "--viewers", healthy, "--stalled", stalled, "--seconds", seconds, "--chunk", "picture", drop=True), viewers=healthy)
        alone = self.measure(WEIR, "--viewers", healthy, "--seconds", seconds, "--chunk", "picture")
        weir = results[WEIR]
        print(f"    memory {weir['peak']:.1f} MB, without the stalled {alone['peak']:.1f}, node {results[NODE]['peak']:.1f}; "
              f"p99 {weir['p99_ms']:.2f} ms, without them {alone['p99_ms']:.2f}")
        if weir["p99_ms"] > alone["p99_ms"] + 50:
            self.missed("stalled viewers delay the others by more than 50 ms at p99")

    def silent(self):
        found = {kind: self.measure(kind, "--viewers", 1, "--silent", "--seconds", max(2, self.args.seconds)) for kind in (WEIR, BATCH, NODE)}
        each = {kind: 1000 * r["cpu"] / r["seconds"] for kind, r in found.items()}
        print(f"a silent feed: {each[WEIR]:.3f} ms of CPU a second, floor {each[BATCH]:.3f}, node {each[NODE]:.3f}")
        if each[WEIR] > SILENT_MS:
            self.missed(f"a silent feed costs {each[WEIR]:.2f} ms of CPU a second")


def need_node():
    if not shutil.which("node") or not shutil.which("npm"):
        raise SystemExit("relay.py: node and npm are needed: tools/install-packages bench")
    if not (HERE / "node_modules" / "ws").is_dir():
        subprocess.run(["npm", "ci", "--prefix", HERE, "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], check=True)


def main():
    parts = ["compare", "unpaced", "tls", "destinations", "stalled", "silent"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", type=Path, required=True)
    parser.add_argument("--viewers", type=int, nargs="*", default=[1, 50, 200, 500])
    parser.add_argument("--chunks", nargs="*", default=["picture", "1316", "188"])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="weir and the batching floor in turn, so often; the median ratio counts")
    parser.add_argument("--only", choices=parts, nargs="*", default=parts)
    parser.add_argument("--smoke", action="store_true", help="a quick pass of each part: no packet may be lost, costs are not judged")
    args = parser.parse_args()
    if args.smoke:
        args.viewers, args.seconds, args.rounds = [1, 5], 1, 1
    need_node()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, Path(folder))
        if set(args.only) - {"silent"}:
            print(f"{'CPU seconds per GB':<28} {' '.join(f'{k:>12}' for k in (WEIR, BATCH, EACH, NODE))}  ratio  RSS MB  p50 ms  p99 ms  floor p50")
        for part in parts:
            if part in args.only:
                getattr(bench, part)()
    if bench.load_costs:
        print(f"the load itself: {statistics.median(bench.load_costs):.2f} CPU seconds per GB (median)")
    for problem in bench.problems:
        print(f"MISSED  {problem}")
    if not bench.problems:
        print("all goals met")
    sys.exit(1 if bench.problems else 0)


if __name__ == "__main__":
    main()
