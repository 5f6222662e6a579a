#!/usr/bin/env python3
"""HTTP-TS fan-out of one 4 Mbit/s stream, beside programs that only write the same bytes.

Each figure of weir and of the floors is taken in the same run, one after the other, with the same load generator. CPU is the
server process alone (scheduler's run time of all its threads), per GB that the viewers received. Goal: within 1.25 of the
batching floor at 50 viewers and more.
"""
import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

GOAL = 1.25


def run_time_ns(pid):
    """Nanoseconds on a CPU, all threads of `pid` (kernel work on its behalf included)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def rss_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def batch_ms(viewers):
    """What weir waits for more to share a write (Viewers::Settings), for the floor to do the same."""
    return 0 if viewers < 8 else min(max(5, viewers // 10), 10)


class Server:
    def __init__(self, argv):
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True)
        word, port = self.process.stdout.readline().split()
        assert word == "port"
        self.port = int(port)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=20)
        return json.loads(out) if out.strip() else {}


def measure(bins, server_argv, viewers, seconds, wedged=0):
    """One server under one load: cost, memory, and what the load found."""
    server = Server(server_argv)
    pid = server.process.pid
    load = subprocess.Popen([str(bins / "fanout_load"), str(server.port), str(viewers), str(seconds), str(wedged)],
                            stdout=subprocess.PIPE, text=True)
    assert load.stdout.readline() == "begin\n"
    before = run_time_ns(pid)
    assert load.stdout.readline() == "end\n"
    cpu = (run_time_ns(pid) - before) / 1e9
    rss = rss_mb(pid)
    found = json.loads(load.stdout.readline())
    load.wait(timeout=10)
    time.sleep(0.1)
    report = server.stop()
    expected = viewers * seconds * 500_000
    return {"cost": cpu / (found["bytes"] / 1e9), "cpu": cpu, "rss": rss, "share": found["bytes"] / expected,
            "server": report, **found}


def complain(where, result, problems):
    """Every healthy viewer must have had every byte."""
    if result["missing"] or result["broken"] or result["lost"]:
        problems.append(f"{where}: {result['missing']} packets missing, {result['broken']} broken, {result['lost']} lost viewers")
    if result["share"] < 0.97 or result["least"] < 0.95 * result["most"]:
        problems.append(f"{where}: viewers got {result['share']:.3f} of the stream, least/most {result['least']}/{result['most']}")


def compare(bins, args, problems):
    print(f"{'viewers':>7} {'chunk':>6}  {'weir':>6} {'floor':>6} {'floor, each':>11}  {'ratio':>5}  {'weir RSS':>8}"
          f"  {'p50 ms':>6} {'p99 ms':>6}   (CPU-s per GB; floor: batched as weir does; each: a write per chunk)")
    for chunk in args.chunks:
        for viewers in args.viewers:
            rows = []
            for _ in range(args.rounds):
                weir = measure(bins, [bins / "fanout_server", "--chunk", chunk], viewers, args.seconds)
                floor = measure(bins, [bins / "fanout_floor", "--chunk", chunk, "--batch-ms", batch_ms(viewers)], viewers, args.seconds)
                complain(f"weir {viewers} x {chunk}", weir, problems)
                rows.append((weir, floor))
            each = measure(bins, [bins / "fanout_floor", "--chunk", chunk], viewers, args.seconds)
            ratio = statistics.median(w["cost"] / f["cost"] for w, f in rows)
            weir = sorted((w for w, _ in rows), key=lambda r: r["cost"])[len(rows) // 2]
            floor = statistics.median(f["cost"] for _, f in rows)
            print(f"{viewers:>7} {chunk:>6}  {weir['cost']:>6.3f} {floor:>6.3f} {each['cost']:>11.3f}  {ratio:>5.2f}  {weir['rss']:>5.1f} MB"
                  f"  {weir['p50_ms']:>6.2f} {weir['p99_ms']:>6.2f}", flush=True)
            if viewers >= 50 and ratio > GOAL:
                problems.append(f"ratio {ratio:.2f} at {viewers} viewers, chunk {chunk}: above {GOAL}")


def wedged(bins, args, problems):
    alone = measure(bins, [bins / "fanout_server"], 49, args.seconds)
    beside = measure(bins, [bins / "fanout_server"], 49, args.seconds, wedged=1)
    complain("49 beside a wedged one", beside, problems)
    print(f"one wedged viewer among 50: the other 49 got {beside['share']:.3f} of the stream, {beside['missing']} packets missing; "
          f"p99 {beside['p99_ms']:.1f} ms (without it {alone['p99_ms']:.1f}), {beside['rss']:.1f} MB (without it {alone['rss']:.1f})")
    if beside["p99_ms"] > alone["p99_ms"] + 50:
        problems.append("a wedged viewer delays the others by more than 50 ms at p99")


def two_shards(bins, args, problems):
    both = measure(bins, [bins / "fanout_server", "--shards", 2], 100, args.seconds)
    complain("two shards", both, problems)
    sent = [s["bytes"] for s in both["server"]["shards"]]
    share = [b / sum(sent) for b in sent]
    print(f"two shards, 100 viewers: {share[0]:.1%} and {share[1]:.1%} of the bytes, {both['cost']:.3f} CPU-s per GB")
    if not all(0.4 <= s <= 0.6 for s in share):
        problems.append(f"a shard carries {max(share):.0%} of the bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", type=Path, required=True)
    parser.add_argument("--viewers", type=int, nargs="*", default=[1, 50, 200, 500])
    parser.add_argument("--chunks", type=int, nargs="*", default=[1316, 65536])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3, help="weir and floor in turn, so often; the median ratio counts")
    parser.add_argument("--only", choices=["compare", "wedged", "shards"])
    args = parser.parse_args()
    problems = []
    parts = {"compare": compare, "wedged": wedged, "shards": two_shards}
    for name, part in parts.items():
        if args.only in (None, name):
            part(args.bin_dir, args, problems)
    for problem in problems:
        print(f"MISSED  {problem}")
    if not problems:
        print("all goals met")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
