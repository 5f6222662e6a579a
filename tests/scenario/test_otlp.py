"""What `weir fc2 watch` sends to an OpenTelemetry collector (FC2-128, telemetry.md 3 and 4): spans and numbers of whole recordings, by
gRPC and by HTTP, through every fault that a collector may have, and nothing of it at the cost of a recording.
"""
import json
import signal
import socket

import pytest

from judge.fc2 import CANARY, ORZ
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, WatchRun, case, config, lines_with, segments_fetched  # noqa: F401
from judge.origin import TestCa
from judge.otlp import OtlpGrpcReceiver, OtlpHttpReceiver, client_certificate, grpc_code, partial, slow, status, unavailable
from judge.weir import SCALE, WHOLE, WRONG_USE, wait_until

PROTOCOLS = {"grpc": OtlpGrpcReceiver, "http/protobuf": OtlpHttpReceiver, "http/json": lambda **more: OtlpHttpReceiver(json_form=True, **more)}
BOTH = ["grpc", "http/protobuf"]
AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
SECRET = {"OTEL_EXPORTER_OTLP_HEADERS": f"x-key={CANARY}%20of%2Ca%20header, other = plain"}


@pytest.fixture(params=PROTOCOLS)
def collector(request):
    with PROTOCOLS[request.param]() as made:
        yield made
        no_secrets(made)


def no_secrets(collector):
    for one in collector.requests:
        for secret in (CANARY, ORZ):
            where = one.body.find(secret.encode())
            assert where < 0, f"a secret was exported: …{one.body[max(0, where - 200):where + 60]!r}…"


def stop(watch, seconds=8):
    watch.weir.signal(signal.SIGTERM)
    watch.weir.wait(seconds, WHOLE)


def finished(case, watch, name=f"{CHANNEL}.mp4"):
    wait_until(lambda: (case.folder / name).exists(), 60, f"{name}\n{watch.weir.story()}")
    watch.wait_for_state("IDLE")


def idle(case, **params):
    """Nothing is live; the cleaner looks into a folder, which is two spans."""
    case.fake.channel(CHANNEL)
    return config(CHANNEL, concat=True, scanDirectory=str(case.inputs), **params)


def cleaned(collector):
    return [span for span in collector.spans() if span["name"] == "cleaner.Clean"]


def names(events):
    return [event["name"] for event in events]


class Tree:
    """The spans of one trace."""

    def __init__(self, spans, channel=CHANNEL):
        self.root = next(span for span in spans if span["name"] == "withny.Process" and span["attrs"]["channelID"] == channel)
        self.spans = [span for span in spans if span["traceId"] == self.root["traceId"]]
        self.by_id = {span["spanId"]: span for span in self.spans}

    def one(self, name):
        found = self.all(name)
        assert len(found) == 1, f"{len(found)} of {name}: {sorted(span['name'] for span in self.spans)}"
        return found[0]

    def all(self, name):
        return [span for span in self.spans if span["name"] == name]

    def parent(self, span):
        return self.by_id[span["parentSpanId"]]["name"]


PARENTS = {
    "fc2.DownloadLiveStream": ("fc2", "withny.Process"),
    "fc2.GetWebSocketURL": ("fc2/api", "fc2.DownloadLiveStream"),
    "fc2.DownloadLiveStream.download": ("fc2", "fc2.DownloadLiveStream"),
    "ws.Dial": ("fc2/api", "fc2.DownloadLiveStream.download"),
    "fc2.FetchPlaylist": ("fc2", "fc2.DownloadLiveStream.download"),
    "ws.GetHLSInformation": ("fc2/api", "fc2.FetchPlaylist"),
    "fc2.downloadStream": ("fc2", "fc2.DownloadLiveStream.download"),
    "hls.Read": ("hls", "fc2.downloadStream"),
    "hls.fillQueue": ("hls", "hls.Read"),
}


def test_the_spans_and_numbers_of_a_whole_recording(case, collector):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    cookies = case.logged_in()
    wished = {**config(CHANNEL, extractAudio=True, concat=True, writeChat=True, labels={"team": "red"}), "cookiesImportFile": str(cookies)}
    with WatchRun(case, wished, env=collector.environment(traces=True, metrics=True, **SECRET)) as watch:
        finished(case, watch, f"{CHANNEL}.combined.m4a")
        stop(watch)
    spans = collector.spans()
    tree = Tree(spans)
    root = tree.root
    assert root["scope"] == "fc2" and "parentSpanId" not in root and root["kind"] == 1
    assert names(root["events"]) == ["preparing files", "downloading", "post-processing", "done"]
    params = json.loads(root["attrs"]["params"])
    assert params["quality"] == "3Mbps" and params["waitPollInterval"] == "500ms" and params["extractAudio"] is True and params["labels"] == {"team": "red"}
    for name, (scope, parent) in PARENTS.items():
        span = tree.one(name)
        assert (span["scope"], tree.parent(span)) == (scope, parent), name
        assert span["status"] == {}, span
        assert int(root["startTimeUnixNano"]) <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= int(root["endTimeUnixNano"])
    assert tree.one("fc2.DownloadLiveStream")["attrs"] == {
        "channel_id": CHANNEL, "fname_stream": f"{CHANNEL}.mp4", "fname_chat": f"{CHANNEL}.fc2chat.json"}
    line = tree.one("fc2.DownloadLiveStream.download")["attrs"]
    assert line["channel_id"] == CHANNEL and line["ws_url"].startswith("ws") and line["ws_url"].endswith("***")
    assert tree.one("ws.Dial")["attrs"] == {"url": line["ws_url"]} == tree.one("ws.GetHLSInformation")["attrs"]
    stream = tree.one("fc2.downloadStream")
    assert stream["attrs"] == {"channel_id": CHANNEL, "fname": f"{CHANNEL}.mp4"}
    assert names(stream["events"]) == ["playlist received", "downloading"]
    got = {one["key"]: one["value"]["stringValue"] for one in stream["events"][0]["attributes"]}
    assert got["mode"].startswith("3Mbps") and got["url"].startswith("http://"), got
    reader = tree.one("hls.Read")["attrs"]
    assert set(reader) == {"last_fragment_name", "last_fragment_time", "use_time_based_sorting"} and reader["last_fragment_name"]
    joins = {span["attrs"]["output"].rsplit("/", 1)[-1]: span["attrs"] for span in tree.all("concat.Do")}
    assert set(joins) == {f"{CHANNEL}.mp4", f"{CHANNEL}.m4a", f"{CHANNEL}.combined.mp4", f"{CHANNEL}.combined.m4a"}
    assert joins[f"{CHANNEL}.combined.m4a"]["audio_only"] is True and joins[f"{CHANNEL}.mp4"]["audio_only"] is False
    assert joins[f"{CHANNEL}.combined.mp4"]["input0"].endswith(f"{CHANNEL}.mp4")
    assert all(span["scope"] == "video/probe" and span["attrs"]["input0"] for span in tree.all("probe.Do"))
    assert tree.all("probe.Do") and all(tree.parent(span) == "withny.Process" for span in tree.all("probe.Do") + tree.all("concat.Do"))

    resource = spans[0]["resource"]
    assert resource["service.name"] == "weir" and resource["telemetry.sdk.language"] == "cpp"
    runs = collector.points("downloads.runs")[-1]
    assert runs["attrs"] == {"channel_id": CHANNEL} and runs["asInt"] == "1" and runs["metric"]["sum"]["isMonotonic"] is True
    assert runs["scope"] == "github.com/darkness4/fc2-live-dl-go"
    states = {point["attrs"]["state"]: point for point in collector.points("watcher.state") if point["attrs"]["channel_id"] == CHANNEL}
    assert states["IDLE"]["metric"]["kind"] == "gauge" and states["IDLE"]["attrs"]["team"] == "red"
    for name in ("downloads.init.time", "post_processing.completion.time", "concat.completion.time"):
        point = collector.points(name)[-1]
        assert point["metric"]["kind"] == "histogram" and point["metric"]["unit"] == "s" and int(point["count"]) >= 1, name
    assert all(one.headers["x-key"] == f"{CANARY} of,a header" and one.headers["other"] == "plain" for one in collector.requests)
    case.exact(live, watch.weir, name=CHANNEL, alone=False)


def test_a_stop_in_the_middle_of_a_recording_loses_no_span_and_no_number(case, collector):
    case.fake.channel(CHANNEL).begin(Shape(stays=True, seconds=60, window=60))
    environment = collector.environment(traces=True, metrics=True)  # nothing would be sent before five seconds, and sixty
    with WatchRun(case, config(CHANNEL), env=environment) as watch:
        segments_fetched(case, 4)
        stop(watch)
    tree = Tree(collector.spans())
    assert names(tree.root["events"]) == ["preparing files", "downloading", "post-processing", "done"]
    assert set(PARENTS) <= {span["name"] for span in tree.spans}
    assert collector.points("downloads.runs") and collector.points("watcher.state")
    assert len({one.at for one in collector.requests if one.signal == "metrics"}) == 1


def test_a_quality_that_gets_better_is_an_event(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(stays=True, seconds=80, window=80), qualities=["1.2Mbps"])
    wished = config(CHANNEL, allowQualityUpgrade=True, pollQualityUpgradeInterval="200ms", waitForQualityMaxTries=1)
    with OtlpGrpcReceiver() as collector:
        with WatchRun(case, wished, env=collector.environment(traces=True)) as watch:
            segments_fetched(case, 3)
            live.add_quality("3Mbps")
            wait_until(lambda: lines_with(watch.weir, "another playlist is followed"), 30, watch.weir.story())
            stop(watch)
        tree = Tree(collector.spans())
        assert names(tree.one("fc2.downloadStream")["events"]) == [
            "playlist received", "downloading", "quality upgrade", "stream alive, cancel old downloader"]
        assert tree.parent(tree.one("fc2.FetchPlaylistAndQualityUpgrade")) == "fc2.DownloadLiveStream.download"


def test_what_fails_is_marked_as_failed(case):
    case.fake.channel(CHANNEL, refuse_code=4101).begin(Shape(stays=True))
    with OtlpGrpcReceiver() as collector:
        with WatchRun(case, config(CHANNEL), env=collector.environment(traces=True, **AT_ONCE)) as watch:
            collector.wait(lambda: any(span["name"] == "withny.Process" for span in collector.spans()))
            stop(watch)
        tree = Tree(collector.spans())
        for span in (tree.root, tree.one("fc2.DownloadLiveStream")):
            assert span["status"]["code"] == 2 and span["status"]["message"], span
            failure = next(event for event in span["events"] if event["name"] == "exception")
            assert {one["key"] for one in failure["attributes"]} == {"exception.type", "exception.message"}


# ---------------------------------------------------------------- the way there

@pytest.mark.parametrize("protocol", BOTH)
def test_tls_with_an_own_ca_and_a_certificate_of_ours(case, protocol):
    ca = TestCa(case.inputs)
    certificate, key = client_certificate(ca, case.inputs)
    with PROTOCOLS[protocol](tls=ca, client_ca=True) as collector:
        pair = {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(certificate), "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(key)}
        with WatchRun(case, idle(case), env=collector.environment(traces=True, metrics=True, **AT_ONCE, **pair)) as watch:
            collector.wait(lambda: cleaned(collector))
            stop(watch)
        assert collector.metrics()
        seen = len(collector.requests)
        with WatchRun(case, idle(case), env=collector.environment(traces=True, **AT_ONCE)) as watch:  # none of ours
            wait_until(lambda: lines_with(watch.weir, "does not take", "signal=traces"), 10, watch.weir.story())
            stop(watch)
        assert len(collector.requests) == seen


@pytest.mark.parametrize("protocol", BOTH)
def test_a_ca_that_is_not_trusted_is_told(case, protocol):
    with PROTOCOLS[protocol](tls=TestCa(case.inputs)) as collector:
        untrusting = {**collector.environment(traces=True), **AT_ONCE}
        del untrusting["OTEL_EXPORTER_OTLP_CERTIFICATE"]
        with WatchRun(case, idle(case), env=untrusting) as watch:
            wait_until(lambda: lines_with(watch.weir, "does not take", "certificate"), 10, watch.weir.story())
            stop(watch)
        assert not collector.requests


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_gzip(case, protocol):
    with PROTOCOLS[protocol]() as collector:
        packed = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", **AT_ONCE}
        with WatchRun(case, idle(case), env=collector.environment(traces=True, metrics=True, **packed)) as watch:
            collector.wait(lambda: cleaned(collector))
            stop(watch)
        assert collector.metrics()
        assert protocol == "grpc" or all(one.compressed for one in collector.requests)


def test_the_path_of_an_endpoint(case):
    with OtlpHttpReceiver(paths={"/": "metrics"}) as collector:
        environment = {**collector.environment(traces=True, metrics=True), **AT_ONCE}
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] += "/base/"
        environment["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = collector.endpoint
        with WatchRun(case, idle(case), env=environment) as watch:
            collector.wait(lambda: cleaned(collector))
            stop(watch)
        assert {(one.signal, one.path) for one in collector.requests} == {("traces", "/base/v1/traces"), ("metrics", "/")}


# ---------------------------------------------------------------- a collector's faults

@pytest.mark.parametrize("protocol, answer", [("grpc", unavailable(retry_after=1)), ("grpc", grpc_code(8, retry_after=1)),
                                              ("http/protobuf", status(503, retry_after=1)), ("http/json", status(429, retry_after=1))],
                         ids=lambda value: getattr(value, "name", value))
def test_what_may_pass_is_sent_again_when_the_collector_wishes(case, protocol, answer):
    with PROTOCOLS[protocol]() as collector:
        fault = collector.fault(answer, times=2, signal="traces")
        with WatchRun(case, idle(case), env=collector.environment(traces=True, **AT_ONCE)) as watch:
            collector.wait(lambda: cleaned(collector))
            stop(watch)
        tries = [one for one in collector.requests if one.signal == "traces"]
        assert fault.hits == 2 and len(tries) == 3 and tries[0].message == tries[2].message
        assert all(0.95 <= later.at - earlier.at <= 2.4 * SCALE for earlier, later in zip(tries, tries[1:]))
        assert len(lines_with(watch.weir, "does not take")) == 1 and len(lines_with(watch.weir, "takes what we send again")) == 1


@pytest.mark.parametrize("protocol, answer", [("grpc", grpc_code(3)), ("grpc", grpc_code(8)), ("http/protobuf", status(400)), ("http/json", status(401))],
                         ids=lambda value: getattr(value, "name", value))
def test_what_cannot_pass_is_dropped(case, protocol, answer):
    with PROTOCOLS[protocol]() as collector:
        collector.fault(answer, signal="traces")
        with WatchRun(case, idle(case), env=collector.environment(traces=True, metrics=True, **AT_ONCE)) as watch:
            collector.wait(lambda: [one for one in collector.requests if one.signal == "traces"])
            wait_until(lambda: lines_with(watch.weir, "does not take", "again=dropped"), 10, watch.weir.story())
            stop(watch)
        sent = [one.body for one in collector.requests if one.signal == "traces"]
        assert len(sent) == len(set(sent)), "the same was sent twice"
        failed = {point["attrs"]["signal"]: point for point in collector.points("weir_otlp_exports") if point["attrs"]["result"] == "failed"}
        assert float(failed["traces"].get("asInt", failed["traces"].get("asDouble"))) >= 1


@pytest.mark.parametrize("protocol", BOTH)
def test_a_slow_collector_is_given_up_and_tried_again(case, protocol):
    with PROTOCOLS[protocol]() as collector:
        collector.fault(slow(3), times=1, signal="traces")
        with WatchRun(case, idle(case), env=collector.environment(traces=True, OTEL_EXPORTER_OTLP_TIMEOUT="400", **AT_ONCE)) as watch:
            wait_until(lambda: lines_with(watch.weir, "does not take"), 10, watch.weir.story())
            stop(watch)  # does not wait for the pause, which is seconds long
        tries = [one for one in collector.requests if one.signal == "traces"]
        assert len(tries) >= 2 and tries[0].body == tries[1].body
        assert protocol != "grpc" or 0 < tries[0].seconds <= 0.4


@pytest.mark.parametrize("protocol", BOTH)
def test_a_partial_success_is_told_and_not_sent_again(case, protocol):
    with PROTOCOLS[protocol]() as collector:
        collector.fault(partial(1, f"the key {CANARY} of,a header is old"), signal="traces")
        with WatchRun(case, idle(case), env=collector.environment(traces=True, **AT_ONCE, **SECRET)) as watch:
            wait_until(lambda: lines_with(watch.weir, "left out some", "the key *** is old"), 10, watch.weir.story())
            stop(watch)
        sent = [one.body for one in collector.requests]
        assert len(sent) == len(set(sent))


def test_a_collector_that_is_away_changes_nothing(case):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taken.getsockname()[1]}", "OTEL_METRIC_EXPORT_INTERVAL": "300", **AT_ONCE, **SECRET}
        live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
        with WatchRun(case, config(CHANNEL), options=["--traces.export", "--metrics.export"], env=away) as watch:
            finished(case, watch)
            stop(watch, seconds=4)
        for which in ("traces", "metrics"):
            assert len(lines_with(watch.weir, "does not take", f"signal={which}")) == 1
    case.exact(live, watch.weir, name=CHANNEL, alone=False)


@pytest.mark.parametrize("protocol", BOTH)
def test_a_collector_that_never_answers_holds_up_the_end_for_seconds_only(case, protocol):
    with PROTOCOLS[protocol]() as collector:
        collector.fault(slow(60))
        with WatchRun(case, idle(case), env=collector.environment(traces=True, metrics=True, **AT_ONCE)) as watch:
            collector.wait(lambda: collector.requests)
            stop(watch, seconds=6)


# ---------------------------------------------------------------- what is wished

@pytest.mark.parametrize("variable, value", [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://there"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
    ("OTEL_EXPORTER_OTLP_HEADERS", f"{CANARY}without-equals"), ("OTEL_TRACES_SAMPLER", "now_and_then"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/there/is/no/ca.pem"), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/there/is/no/key.pem")])
def test_a_wrong_variable_is_one_line(case, variable, value):
    path = case.inputs / "config.yaml"
    path.write_text(json.dumps(config(CHANNEL)))
    weir = case.run("fc2", "watch", "-c", path, "--pprof.listen-address", "127.0.0.1:0", "--traces.export", env={variable: value})
    with weir:
        weir.wait(10, WRONG_USE)
    said = [line for line in weir.stderr.splitlines() if line.startswith("weir: ")]
    assert len(said) == 1 and (variable in said[0] or value in said[0] or "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" in said[0]), weir.stderr


def test_it_is_off_by_default_and_can_be_switched_off(case):
    with OtlpHttpReceiver() as collector:
        for more in ({"OTEL_EXPORTER_OTLP_TRACES_ENABLED": "false"}, {"OTEL_EXPORTER_OTLP_TRACES_ENABLED": "true", "OTEL_SDK_DISABLED": "true"}):
            with WatchRun(case, idle(case), env={**collector.environment(), **AT_ONCE, **more}) as watch:
                watch.wait_for_state("IDLE")
                stop(watch)
        assert not collector.requests


def test_a_sampler_and_the_names_of_the_service(case):
    with OtlpGrpcReceiver() as collector:
        wished = {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_SERVICE_NAME": "recorder", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=a%20test"}
        with WatchRun(case, idle(case), env=collector.environment(traces=True, metrics=True, **AT_ONCE, **wished)) as watch:
            watch.wait_for_state("IDLE")
            stop(watch)
        assert not collector.traces()
        resource = {one["key"]: one["value"]["stringValue"] for one in collector.metrics()[-1]["resourceMetrics"][0]["resource"]["attributes"]}
        assert resource["service.name"] == "recorder" and resource["deployment.environment"] == "a test"


def test_a_relay_exports_its_numbers(case):
    with OtlpGrpcReceiver() as collector:
        with case.run("relay", "--port", "0", env=collector.environment(metrics=True)) as weir:
            wait_until(lambda: "http://" in weir.stdout, 10, weir.story())
            weir.signal(signal.SIGTERM)
            weir.wait(8, WHOLE)
        assert collector.metrics()
