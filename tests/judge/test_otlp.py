"""The decoder reads what the Go SDK wrote as that SDK's own JSON says, and the collector behaves as told, before weir is judged by them."""
import gzip
import http.client
import json
import ssl
from pathlib import Path

import pytest

from judge import otlp
from judge.origin import TestCa
from judge.otlp_messages import Broken, attributes, decode, encode, read_json

DATA = Path(__file__).parents[1] / "data" / "otlp"
TRACE, METRICS = ((DATA / f"{name}_request.pb").read_bytes() for name in ("trace", "metrics"))
SERVICE = {signal: path for path, signal in otlp.SERVICES.items()}


@pytest.mark.parametrize("signal, name", [("traces", "trace"), ("metrics", "metrics")])
def test_both_forms_of_the_sample_are_one(signal, name):
    binary, text = (DATA / f"{name}_request.pb").read_bytes(), (DATA / f"{name}_request.otlp.json").read_text()
    assert decode(signal, binary) == json.loads(text)
    assert read_json(signal, text) == json.loads(text)
    assert sorted(encode(signal, json.loads(text))) == sorted(binary)  # Go writes the members of a choice last


EVERY = {
    "Span": {"traceId": "ab" * 16, "spanId": "cd" * 8, "kind": 3, "droppedAttributesCount": 7, "flags": 0xffffffff, "endTimeUnixNano": str(2**64 - 1),
             "links": [{"traceId": "01" * 16, "spanId": "02" * 8, "flags": 1}], "status": {}},
    "AnyValue": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": str(-2**63)}}, {"key": "b", "value": {"boolValue": False}},
                                            {"key": "c", "value": {"doubleValue": "NaN"}}, {"key": "d", "value": {"bytesValue": "/+8="}},
                                            {"key": "é", "value": {"arrayValue": {"values": [{}, {"stringValue": ""}]}}}]}},
    "Exponential": {"dataPoints": [{"count": "9", "sum": -0.5, "scale": -3, "zeroCount": "1", "positive": {"offset": -2, "bucketCounts": ["0", "300"]},
                                    "negative": {"offset": 5, "bucketCounts": []}, "min": "-Infinity", "max": "Infinity", "zeroThreshold": 0.25}],
                    "aggregationTemporality": 1},
    "Number": {"asInt": str(-2**63), "attributes": [{"key": "k", "value": {"stringValue": "v"}}], "flags": 1},
}


@pytest.mark.parametrize("message", EVERY)
def test_what_the_sample_lacks_comes_back_too(message):
    assert decode(message, encode(message, EVERY[message])) == EVERY[message]
    assert read_json(message, json.dumps(EVERY[message])) == EVERY[message]


@pytest.mark.parametrize("message, raw", [
    ("Span", b"\x88\x01\x01"),  # field 17
    ("Span", b"\x08\x01"),  # an id as a number
    ("Span", b"\x0a\x03abc"),  # an id of three bytes
    ("Span", b"\x2a\x01a\x2a\x01b"),  # two names
    ("Span", b"\x2a\x02\xff\xfe"),  # no UTF-8
    ("Span", b"\x2a\x05ab"),  # cut off
    ("Span", b"\x50" + b"\xff" * 10),  # endless
    ("AnyValue", b"\x0a\x01a\x10\x01"),  # two of a choice
    ("Metric", b"\x2a\x00\x3a\x00"),
    ("Sum", b"\x18\x02"),  # a truth of 2
    ("Buckets", b"\x10\x01"),  # not packed
])
def test_what_is_no_message_is_broken(message, raw):
    with pytest.raises(Broken):
        decode(message, raw)


@pytest.mark.parametrize("message, text", [
    ("Span", '{"trace_id": "' + "ab" * 16 + '"}'), ("Span", '{"traceId": "q83vASNFZ4mrze8BI0VniQ=="}'), ("Span", '{"kind": "SPAN_KIND_INTERNAL"}'),
    ("Span", '{"startTimeUnixNano": 17}'), ("Span", '{"flags": "257"}'), ("Span", '{"kind": 1, "kind": 1}'), ("Span", '{"name": 5}'),
    ("Span", '{"events": {}}'), ("Span", '{"status": null}'), ("Number", '{"asInt": "1.5"}'), ("Number", '{"asInt": "01"}'),
    ("Number", '{"asDouble": NaN}'), ("Number", '{"asDouble": "1"}'), ("Number", '{"asInt": "1", "asDouble": 1}'), ("Span", "[]"), ("Span", "{"),
    ("Number", '{"asInt": "9223372036854775808"}'),
])
def test_what_is_no_json_form_is_broken(message, text):
    with pytest.raises(Broken):
        read_json(message, text)


def test_attributes_as_a_dict():
    pairs = [{"key": "a", "value": {"intValue": "5"}}, {"key": "b", "value": {"arrayValue": {"values": [{"boolValue": True}]}}}]
    assert attributes(pairs) == {"a": 5, "b": [True]}
    with pytest.raises(Broken):
        attributes([{"key": "a", "value": {}}] * 2)


# ---- over HTTP ----------------------------------------------------------------------------------------------------------------------------


def post(receiver, path, body, form=otlp.BINARY, context=None, **headers):
    made = (http.client.HTTPSConnection("localhost", receiver.port, timeout=10, context=context) if context
            else http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10))
    try:
        made.request("POST", path, body, {"Content-Type": form, **headers})
        answer = made.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        made.close()


def test_http_takes_both_forms_and_gzip():
    with otlp.OtlpHttpReceiver() as receiver:
        assert post(receiver, "/v1/traces", TRACE)[::2] == (200, b"")
        text = (DATA / "trace_request.otlp.json").read_bytes()
        assert post(receiver, "/base/v1/traces", gzip.compress(text), otlp.JSON, **{"Content-Encoding": "gzip", "X-Key": "v"})[::2] == (200, b"{}")
        assert post(receiver, "/v1/metrics", METRICS)[0] == 200
        one, two = receiver.traces()
        assert one == two == decode("traces", TRACE)
        assert receiver.metrics() == [decode("metrics", METRICS)]
        assert [r.compressed for r in receiver.requests] == [False, True, False]
        assert receiver.requests[1].headers["x-key"] == "v" and receiver.requests[1].path == "/base/v1/traces"
        names = [(s["name"], s["scope"], s["resource"]["service.name"]) for s in receiver.spans()]
        assert names[:2] == [("withny.downloadStream", "withny", "withny-dl"), ("withny.Process", "withny", "withny-dl")]
        runs, = receiver.points("downloads.runs")
        assert runs["asInt"] == "1" and runs["attrs"] == {"channel_id": "admin"} and runs["metric"]["sum"]["isMonotonic"]
        assert runs["scope"] == "github.com/Darkness4/withny-dl" and len(receiver.points("watcher.state")) == 7


def test_http_faults():
    with otlp.OtlpHttpReceiver(paths={"/": "traces"}) as receiver:
        receiver.fault(otlp.status(503, retry_after=2), times=1, signal="traces")
        receiver.fault(otlp.partial(3, "too old"), times=2)
        receiver.fault(otlp.hang_up(), times=1)
        assert post(receiver, "/v1/metrics", METRICS)[::2] == (200, b"\x0a\x0b\x08\x03\x12\x07too old")
        code, headers, body = post(receiver, "/v1/traces", TRACE)
        assert (code, headers["Retry-After"], body) == (503, "2", b"\x08\x0e\x12\x07not now")
        assert receiver.traces() == [] and receiver.requests[-1].answered == "503"
        told = post(receiver, "/", (DATA / "trace_request.otlp.json").read_bytes(), otlp.JSON)[2]
        assert json.loads(told) == {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}
        with pytest.raises(http.client.RemoteDisconnected):
            post(receiver, "/v1/traces", TRACE)
        late = receiver.fault(otlp.slow(0.05), times=1)
        assert post(receiver, "/v1/traces", TRACE)[0] == 200 and late.hits == 1
        assert receiver.wait(lambda: len(receiver.traces()) == 2)


def test_what_is_no_otlp_is_told():
    with otlp.OtlpHttpReceiver() as receiver:
        assert post(receiver, "/v1/traces", b"\x88\x01\x01")[0] == 400
        with pytest.raises(Broken):
            receiver.traces()
    with otlp.OtlpHttpReceiver() as receiver:
        assert post(receiver, "/v1/traces", TRACE, "application/protobuf")[0] == 415
        with pytest.raises(Broken):
            receiver.wait(lambda: True)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return TestCa(tmp_path_factory.mktemp("ca"))


def test_https_with_certificates_of_both(ca, tmp_path):
    cert, key = otlp.client_certificate(ca, tmp_path)
    with otlp.OtlpHttpReceiver(tls=ca, client_ca=True) as receiver:
        assert receiver.environment(traces=True)["OTEL_EXPORTER_OTLP_CERTIFICATE"] == str(ca.ca)
        context = ssl.create_default_context(cafile=str(ca.ca))
        with pytest.raises((ssl.SSLError, OSError)):
            post(receiver, "/v1/traces", TRACE, context=context)
        assert receiver.requests == []
        context.load_cert_chain(cert, key)
        assert post(receiver, "/v1/traces", TRACE, context=context)[0] == 200
        assert len(receiver.traces()) == 1


# ---- over gRPC ----------------------------------------------------------------------------------------------------------------------------


def call(receiver, signal, body, credentials=None, **options):
    import grpc
    channel = grpc.secure_channel(f"localhost:{receiver.port}", credentials) if credentials else grpc.insecure_channel(f"127.0.0.1:{receiver.port}")
    with channel:
        return channel.unary_unary(SERVICE[signal])(body, **{"timeout": 10, **options})


def test_grpc_takes_both_signals():
    import grpc
    with otlp.OtlpGrpcReceiver() as receiver:
        assert call(receiver, "traces", TRACE, metadata=[("x-key", "v")], compression=grpc.Compression.Gzip) == b""
        assert call(receiver, "metrics", METRICS) == b""
        assert receiver.traces() == [decode("traces", TRACE)] and receiver.metrics() == [decode("metrics", METRICS)]
        assert receiver.requests[0].headers["x-key"] == "v" and receiver.requests[0].body == TRACE
        assert 9 < receiver.requests[0].seconds < 11


@pytest.mark.parametrize("retry_after, details", [(None, None), (1.5, b"\x08\x0e\x12\x0bunavailable\x1a\x36\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
                                                                      b"\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01")])
def test_grpc_faults(retry_after, details):
    import grpc
    with otlp.OtlpGrpcReceiver() as receiver:
        receiver.fault(otlp.unavailable(retry_after), times=1)
        receiver.fault(otlp.partial(1, "x"), times=1)
        with pytest.raises(grpc.RpcError) as told:
            call(receiver, "traces", TRACE)
        assert told.value.code() == grpc.StatusCode.UNAVAILABLE
        assert dict(told.value.trailing_metadata()).get("grpc-status-details-bin") == details
        assert call(receiver, "traces", TRACE) == b"\x0a\x05\x08\x01\x12\x01x"
        assert [one.answered for one in receiver.requests] == ["503", "partial"]


def test_grpc_with_certificates_of_both(ca, tmp_path):
    import grpc
    cert, key = otlp.client_certificate(ca, tmp_path)
    with otlp.OtlpGrpcReceiver(tls=ca, client_ca=True) as receiver:
        known = grpc.ssl_channel_credentials(ca.ca.read_bytes(), key.read_bytes(), cert.read_bytes())
        assert call(receiver, "traces", TRACE, known) == b""
        with pytest.raises(grpc.RpcError):
            call(receiver, "traces", TRACE, grpc.ssl_channel_credentials(ca.ca.read_bytes()), timeout=2)
        assert len(receiver.traces()) == 1
