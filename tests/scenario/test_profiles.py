"""Profiles of a running recorder, read by Go's own tool (telemetry sections 5 to 7)."""
import gzip
import os
import re
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, Case, WatchRun, config, segments_fetched
from judge.pprof import GO, GoTool, Stripped
from judge.weir import wait_until

pytestmark = pytest.mark.skipif(not GO, reason="no go: install golang-go")

SANITIZED = "WEIR_SANITIZED" in os.environ
HEAP = {"heap", "allocs", "delta_heap"}
HEAP_TYPES = ["alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"]
CONTENTION = ["contentions/count", "delay/nanoseconds"]
TYPES = {"heap": HEAP_TYPES, "allocs": HEAP_TYPES, "delta_heap": HEAP_TYPES, "block": CONTENTION, "mutex": CONTENTION,
         "delta_block": CONTENTION, "delta_mutex": CONTENTION, "goroutine": ["goroutine/count"], "threadcreate": ["threadcreate/count"],
         "profile?seconds=1": ["samples/count", "cpu/nanoseconds"]}
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Profiled:
    """A watch that records all the time, and whose every 16th kilobyte is looked at (else small runs would show little)."""

    def __init__(self, root):
        self.case, self.go = Case(root), GoTool(root / "go")
        self.case.fake.channel(CHANNEL).begin(Shape(stays=True, seconds=300, window=60))
        self.watch = WatchRun(self.case, config(CHANNEL), env={"MALLOC_CONF": "lg_prof_sample:14"})
        line = wait_until(lambda: next((line for line in self.watch.weir.stdout.splitlines() if line.startswith("http://")), None), 20,
                          "the address")
        self.root = line.split()[0].rstrip("/")
        segments_fetched(self.case, 4)

    def url(self, path: str) -> str:
        return f"{self.root}/debug/pprof/{path}"

    def ask(self, path: str, body: bytes | None = None):
        """Status, headers, body; errors are answers too."""
        try:
            with LOCAL.open(urllib.request.Request(self.url(path), data=body), timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()

    @contextmanager
    def load(self):
        """The page asked for as quickly as it comes."""
        over = threading.Event()

        def ask():
            while not over.is_set():
                with LOCAL.open(f"{self.root}/metrics", timeout=30) as answer:
                    answer.read()

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = Profiled(tmp_path_factory.mktemp("profiles"))
    try:
        with made.watch.weir:
            yield made
            assert "PROFILE:" not in made.watch.weir.stderr, "gperftools' numbers among our lines"
            made.watch.weir.kill()
    finally:
        made.case.close()
    made.case.check_secrets()


@pytest.mark.parametrize("name", TYPES)
def test_go_opens_every_profile(run, name):
    status, headers, body = run.ask(name)
    if SANITIZED and name in HEAP:
        assert status == 501 and headers["X-Go-Pprof"] == "1", "a sanitizer's allocator has no profiles"
        return
    kind = name.partition("?")[0]
    file = f"{kind[6:]}.pprof.gz" if kind.startswith("delta_") else kind
    assert status == 200 and headers["Content-Type"] == "application/octet-stream" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == f'attachment; filename="{file}"' and headers["Content-Encoding"] is None
    gzip.decompress(body)
    raw = run.go.raw(run.url(name))
    assert raw.types == TYPES[name]
    for form in ("-top", "-traces"):
        run.go.pprof(form, run.url(name))
    assert not raw.samples or kind not in ("block", "mutex", "delta_block", "delta_mutex")
    assert kind not in ("goroutine", "threadcreate", "heap", "allocs") or "weir::" in raw.locations


def test_a_cpu_profile_under_load_shows_our_functions(run):
    with run.load():
        top = run.go.pprof("-top", "-cum", "-seconds", 2, run.url("profile"))
    assert "Type: cpu" in top and re.search(r"Duration: [2-4](\.\d+)?s", top), top[:400]
    assert re.search(r"weir::\w", top), top[:2000]
    seen = float(re.search(r"Total samples = ([\d.]+)(?=s|ms)", top)[1])
    assert seen > 0


def test_threads_are_known_by_their_names(run):
    traces = run.go.pprof("-traces", run.url("goroutine"))
    assert re.search(r"thread: +weir-file", traces) and re.search(r"thread: +weir-pprof", traces), traces
    assert run.go.raw(run.url("goroutine")).total("goroutine/count") == len(os.listdir(f"/proc/{run.watch.weir.process.pid}/task"))


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's allocator has no profiles: test_go_opens_every_profile looks at that")
class TestHeap:
    def test_what_is_in_use_is_shown_with_who_asked_for_it(self, run):
        top = run.go.pprof("-top", "-cum", "-sample_index=inuse_space", run.url("heap"))
        assert "Type: inuse_space" in top and re.search(r"[1-9][\d.]*[kM]B .* weir::\w", top), top
        raw = run.go.raw(run.url("heap"))
        resident = int(re.search(r"RssAnon:\s+(\d+)", open(f"/proc/{run.watch.weir.process.pid}/status").read())[1]) << 10
        assert 0.05 * resident < raw.total("inuse_space/bytes") < 1.5 * resident
        assert raw.period == 1 << 14 and raw.default == "inuse_space/bytes"
        assert run.go.raw(run.url("allocs")).default == "alloc_space/bytes"

    def test_counters_only_rise(self, run):
        before = run.go.raw(run.url("allocs"))
        with run.load():
            after = run.go.raw(run.url("allocs"))
        rises = after.total("alloc_space/bytes") - before.total("alloc_space/bytes")
        assert rises > 0 and after.total("alloc_objects/count") > before.total("alloc_objects/count")

    def test_a_delta_is_what_came_since_the_last(self, run):
        run.go.raw(run.url("delta_heap"))
        quiet = run.go.raw(run.url("delta_heap"))
        whole = run.go.raw(run.url("allocs"))
        assert quiet.total("alloc_space/bytes") < 0.5 * whole.total("alloc_space/bytes")
        with run.load():
            time.sleep(0.5)
        busy = run.go.raw(run.url("delta_heap"))
        assert busy.total("alloc_space/bytes") > quiet.total("alloc_space/bytes")
        assert all(values[0] >= 0 and values[1] >= 0 for values, _ in busy.samples)

    def test_a_heap_watched_for_seconds(self, run):
        status, headers, body = run.ask("heap?seconds=1&gc=1")
        assert status == 200 and headers["Content-Disposition"] == 'attachment; filename="heap-delta"'
        (run.case.inputs / "delta.pb.gz").write_bytes(body)
        assert run.go.raw(run.case.inputs / "delta.pb.gz").types == HEAP_TYPES

    def test_by_default_every_512_kilobytes(self, run, tmp_path):
        case = Case(tmp_path)
        case.fake.channel(CHANNEL)
        with WatchRun(case, config(CHANNEL)) as watch:
            line = wait_until(lambda: next((x for x in watch.weir.stdout.splitlines() if x.startswith("http://")), None), 20, "the address")
            raw = run.go.raw(line.split()[0] + "debug/pprof/heap")
            watch.weir.kill()
        case.close()
        assert raw.period == 524288


def test_one_cpu_profile_at_a_time(run):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(run.ask("profile?seconds=2"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won, _, profile), (lost, headers, text) = sorted(answers, key=lambda a: a[0])
    assert won == 200 and profile[:2] == b"\x1f\x8b"
    assert lost == 500 and headers["X-Go-Pprof"] == "1" and headers["Content-Disposition"] is None
    assert text == b"Could not enable CPU profiling: cpu profiling already in use\n"


def test_symbols_are_told_to_who_asks(run):
    raw = run.go.raw(run.url("goroutine"))
    assert re.search(r"weir::.*\.cpp:\d+", raw.locations), "our own names, with their lines"
    with Stripped(run.root) as bare:
        named = run.go.raw(f"{bare.url}/debug/pprof/goroutine", "-symbolize=remote")
        assert [path for path, _ in bare.asked] == ["/debug/pprof/symbol"] * len(bare.asked) and bare.asked
        assert re.match(rb"0x[0-9a-f]+\+0x", bare.asked[0][1])
        assert "weir::" in named.locations
        nameless = run.go.raw(f"{bare.url}/debug/pprof/goroutine", "-symbolize=none")
        assert "weir::" not in nameless.locations
    address = re.search(r"(0x[0-9a-f]+) M=1 .*weir::", raw.locations)[1]
    for answer in (run.ask("symbol", address.encode() + b"+0x1"), run.ask(f"symbol?{address}")):
        assert answer[0] == 200 and re.fullmatch(rb"num_symbols: 1\n0x[0-9a-f]+ .+\n", answer[2]), answer


@pytest.mark.parametrize("path, status, text", [
    ("nonsense", 404, "Unknown profile\n"),
    ("trace?seconds=1", 501, "weir has no execution traces as Go's\n"),
    ("goroutine?seconds=abc", 400, 'invalid value for "seconds" - must be a positive integer\n'),
    ("heap?seconds=0", 400, 'invalid value for "seconds" - must be a positive integer\n'),
    ("goroutine?seconds=1&debug=1", 400, "seconds and debug params are incompatible\n"),
])
def test_errors_in_gos_words(run, path, status, text):
    answered, headers, body = run.ask(path)
    assert (answered, body.decode()) == (status, text) and headers["X-Go-Pprof"] == "1" and headers["Content-Type"].startswith("text/plain")


def test_for_people(run):
    status, headers, page = run.ask("")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b'href="goroutine?debug=1"' in page
    status, headers, text = run.ask("goroutine?debug=2")
    assert status == 200 and headers["Content-Type"] == "text/plain; charset=utf-8" and b"weir::" in text
    status, _, line = run.ask("cmdline")
    assert status == 200 and line.split(b"\0")[1:3] == [b"fc2", b"watch"]
