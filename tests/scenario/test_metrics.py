"""weir's numbers as Prometheus reads them: while it records, remuxes, joins and cleans, every panel of the reference's dashboards and of our
own shows something (telemetry sections 1 and 2, FC2-126, FC2-127)."""
import gzip
import json
import math
import os
import signal
import time
from pathlib import Path

import pytest

from judge import faults
from judge import media as known_media
from judge.fc2 import CANARY, ORZ
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, Case, WatchRun, config
from judge.prometheus import MISSING, Prometheus, expressions, families, fetch, filled, lint
from judge.weir import WHOLE, run, wait_until

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")

OTHER = "40740626"
TESTS = Path(__file__).resolve().parents[1]
DASHBOARDS = {"fc2-weir": TESTS / "data" / "grafana" / "fc2-live-dl-go.dashboard.json",
              "withny-weir": TESTS / "data" / "grafana" / "withny-dl.dashboard.json",
              "(fc2|withny)-weir": TESTS.parent / "deploy" / "grafana" / "weir.dashboard.json"}
LABELS = {"EnglishName": 'Ad "min"', "bad-key 1": "x"}

# What the reference's names break of Prometheus' habits; dashboards ask for them all the same.
INHERITED = {("cleaner_clean_time_milliseconds", 'use base unit "seconds" instead of "milliseconds"'),
             ("watcher_state", "label names should be written in 'snake_case' not 'camelCase'"),  # the user's own
             ("http_client_duration_milliseconds", 'use base unit "seconds" instead of "milliseconds"')}
# Of telemetry 1.1, what the sample does not hold as nothing of it had happened.
UNSEEN = {"concat_errors_total": "Accumulated failed runs of concats", "cleaner_errors_total": "Number of errors during cleaning",
          "post_processing_errors_total": "Accumulated failed runs of post processes"}
FILE_NAMES = {"input0", "output", "numbered"}  # one series a recording: weir leaves them out
EXPORTERS = {"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}
STATES = {"UNSPECIFIED", "IDLE", "PREPARING_FILES", "DOWNLOADING", "POST_PROCESSING", "FINISHED", "CANCELED"}


def archive_of(folder: Path) -> Path:
    """What a recorder left three days ago: two parts and what they were joined to."""
    segments = known_media.media(60).segments
    folder.mkdir()
    names = [folder / "p.ts", folder / "p.1.ts"]
    for i, name in enumerate(names):
        name.write_bytes(b"".join(s.body for s in segments[2 * i:2 * i + 2]))
    run("concat", "-o", folder / "p.combined.mp4", *names, cwd=folder, expect=WHOLE)
    then = time.time() - 3 * 86400
    for path in [folder, *folder.iterdir()]:
        os.utime(path, (then, then))
    return folder


class Watched:
    """A watch of two channels, one of which goes on, scraped from its beginning until all expressions have an answer."""

    def __init__(self, root: Path):
        self.case = Case(root)
        self.prometheus = None
        self.early, self.late, self.texts, self.empty = "", "", [], {}

    def go(self) -> None:
        case, root = self.case, self.case.inputs.parent
        archive = archive_of(root / "archive")
        ends = case.fake.channel(CHANNEL).begin(Shape(seconds=12))
        case.fake.channel(OTHER).begin(Shape(stays=True, seconds=60, window=60))
        case.fake.fault(faults.cut(30_000), kind="segment", seq=ends.shape.first + 4, channel=CHANNEL)
        wishes = config(CHANNEL, OTHER, concat=True, scanDirectory=str(archive), labels=LABELS, cookiesFile=str(case.logged_in()))
        with WatchRun(case, wishes) as watch:
            watch.status()
            self.address = next(line for line in watch.weir.stdout.splitlines() if line.startswith("http://"))
            self.early = self.scrape()
            (root / "prometheus").mkdir()
            self.prometheus = Prometheus(root / "prometheus", self.address.split("/")[2], ["fc2-weir", "withny-weir"])
            watch.wait_for_state("DOWNLOADING", OTHER)
            wait_until(lambda: (case.folder / f"{CHANNEL}.combined.mp4").exists(), 60, f"the joined file\n{watch.weir.story()}")
            watch.wait_for_state("IDLE")
            self.ask_all()
            self.packed = fetch(self.address + "metrics", **{"Accept-Encoding": "gzip"})
            self.head = fetch(self.address + "metrics")[0]
            self.late = self.scrape()
            watch.weir.signal(signal.SIGTERM)
            watch.weir.wait(10, WHOLE)
        self.removed = not (archive / "p.ts").exists()

    def scrape(self) -> str:
        self.texts.append(fetch(self.address + "metrics")[1].decode())
        return self.texts[-1]

    def ask_all(self) -> None:
        """Until each has been answered once: rates need two scrapes."""
        wanted = {(job, panel, expression) for job, path in DASHBOARDS.items() for panel, expression in expressions(path)}
        self.asked = len(wanted)

        def none_left():
            nonlocal wanted
            wanted = {w for w in wanted if not any(map(finite, self.prometheus.query(filled(w[2], w[0]))))}
            return not wanted
        try:
            wait_until(none_left, 20, "answers", 0.5)
        except AssertionError:
            self.empty = wanted

    def close(self) -> None:
        if self.prometheus:
            self.prometheus.close()
        self.case.close()


def finite(series) -> bool:
    return math.isfinite(float(series["value"][1]))


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    made = Watched(tmp_path_factory.mktemp("metrics"))
    try:
        made.go()
        yield made
    finally:
        made.close()
    made.case.check_secrets()


@pytest.fixture(scope="module")
def sample():
    return families((TESTS / "data" / "prometheus" / "reference_exposition.txt").read_text())


def test_FC2_127_every_panel_of_every_dashboard_shows_something(watched):
    assert watched.asked > 100 and not watched.empty, "\n".join(map(str, sorted(watched.empty)))
    jobs = {s["metric"]["job"] for s in watched.prometheus.query("count by (job) (count_over_time(watcher_state[5m]))")}
    assert jobs == {"fc2-weir", "withny-weir"}, "the dashboards' variable is made of them"


def test_prometheus_finds_nothing_wrong_but_inherited_names(watched):
    for text in (watched.early, watched.late):
        code, remarks = lint(text)
        assert remarks <= INHERITED and code in (0, 3), remarks


def test_FC2_126_names_types_labels_and_help_are_the_references(watched, sample):
    ours = families(watched.late)
    same = [name for name in sample if name.startswith(("cleaner_", "concat_", "downloads_", "post_processing_", "watcher_", "http_client_"))]
    assert len(same) == 14, same
    for name in same:
        assert name in ours, f"{name} is missing"
        assert (ours[name].kind, ours[name].help) == (sample[name].kind, sample[name].help), name
        expected = sample[name].labels() - EXPORTERS - FILE_NAMES
        assert ours[name].labels() - {"error_type"} == expected, name
    for name, text in UNSEEN.items():
        assert (ours[name].kind, ours[name].help) == ("counter", text)


def test_process_and_scrape_metrics_are_those_of_go_programs(watched, sample):
    ours = families(watched.late)
    for name in (n for n in sample if n.startswith(("process_", "promhttp_"))):
        assert (ours[name].kind, ours[name].help) == (sample[name].kind, sample[name].help), name
        assert ours[name].labels() == sample[name].labels(), name
    for name in (n for n in ours if n.startswith("go_") and n in sample):
        assert ours[name].kind == sample[name].kind, name
    assert ours["target_info"].samples[0][1]["service_name"] == "weir"
    assert ours["target_info"].samples[0][1]["telemetry_sdk_language"] == "cpp"


def test_the_heap_is_looked_at(watched):
    if "WEIR_SANITIZED" in os.environ:
        pytest.skip("a sanitizer allocates")
    for name in ("alloc", "inuse", "sys"):
        assert 1 << 20 < value(watched.late, f"go_memstats_heap_{name}_bytes") < 1 << 31, name
    mallocs, frees = (value(watched.late, f"go_memstats_{what}_total") for what in ("mallocs", "frees"))
    assert mallocs - frees == value(watched.late, "go_memstats_heap_objects") > 1000, "jemalloc counts its blocks"
    assert value(watched.late, "go_goroutines") > 5 and value(watched.late, "go_threads") >= 2


def test_counters_without_labels_are_there_from_the_beginning(watched):
    early = families(watched.early)
    for name in ("downloads_errors_total", "concat_runs_total", "concat_errors_total", "cleaner_runs_total", "cleaner_files_removed_total",
                 "cleaner_errors_total"):
        assert [labels for _, labels, _ in early[name].samples] == [{}], name


def value(text, name, **labels):
    return sum(v for n, has, v in families(text)[name].samples if n == name and labels.items() <= has.items())


def test_numbers_are_those_of_what_happened(watched):
    late = watched.late
    assert value(late, "downloads_runs_total") == 2
    assert value(late, "downloads_errors_total") >= 1, "a segment was cut off once"
    assert value(late, "weir_segments_total", channel_id=CHANNEL, site="fc2") == 12
    assert value(late, "weir_segments_total", channel_id=OTHER) >= 12, "while it is recorded"
    assert value(late, "weir_received_bytes_total", channel_id=CHANNEL) > 100_000
    assert value(late, "weir_gaps_total") == value(late, "weir_missing_units_total") == 0
    assert value(late, "weir_recordings_running") == 1
    assert value(late, "concat_runs_total") == 2, "a remux and a join"
    assert value(late, "concat_errors_total") == value(late, "post_processing_errors_total") == 0
    assert value(late, "post_processing_runs_total", channel_id=CHANNEL) == 1
    assert watched.removed and value(late, "cleaner_files_removed_total") == 2
    assert value(late, "weir_channel_last_media_timestamp_seconds", channel_id=OTHER) > time.time() - 300


def test_each_channel_has_all_seven_states_and_one_is_true(watched):
    for channel, state in ((CHANNEL, "IDLE"), (OTHER, "DOWNLOADING")):
        rows = [(labels, v) for _, labels, v in families(watched.late)["watcher_state"].samples if labels["channel_id"] == channel]
        assert {labels["state"] for labels, _ in rows} == STATES and len(rows) == 7
        assert {labels["state"] for labels, v in rows if v} == {state}
        assert all(labels["bad_key_1"] == "x" and labels["EnglishName"] == r'Ad \"min\"' for labels, _ in rows)


def test_no_secret_and_no_address_of_a_stream_is_among_them(watched):
    for text in watched.texts:
        for secret in (CANARY, ORZ, ".m3u8", "/hls/", ".mp4", "http://", "ws://"):
            assert secret not in text, next(line for line in text.splitlines() if secret in line)


def test_what_comes_is_what_scrapers_take(watched):
    head, body = watched.packed
    assert head["Content-Encoding"] == "gzip" and len(families(gzip.decompress(body).decode())) > 40
    assert watched.head["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8" and watched.head["Content-Encoding"] is None
    assert list(families(watched.late)) == sorted(families(watched.late))


@pytest.mark.parametrize("job", DASHBOARDS)
def test_dashboards_are_ones_that_grafana_takes(job):
    board = json.loads(DASHBOARDS[job].read_text())
    assert board["schemaVersion"] == 39 and [v["name"] for v in board["templating"]["list"]] == ["ds", "job"]
    places = [(x, y) for p in board["panels"] for g in (p["gridPos"],) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
    assert len(places) == len(set(places)) and max(x for x, _ in places) < 24
    assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
    for panel in (p for p in board["panels"] if p["type"] != "row"):
        assert panel["datasource"]["uid"] == "${ds}" and panel["targets"] and all(t["datasource"]["uid"] == "${ds}" for t in panel["targets"])
