"""An OpenTelemetry collector of our own, that keeps what it is sent and misbehaves as told. Nothing of OpenTelemetry's is used.

    with OtlpHttpReceiver() as collector:                        # or OtlpGrpcReceiver()
        collector.fault(status(503, retry_after=1), times=2)     # the first two requests; signal="traces": only those
        … run weir with collector.environment(traces=True) …
        collector.wait(lambda: any(span["name"] == "fc2.Process" for span in collector.spans()))

requests   every request as it came, refused ones too: signal, path, headers, message (decoded), body, compressed, answered
traces()   the ExportTraceServiceRequests that were accepted, decoded (otlp_messages.py: the same tree for binary and JSON), in order
metrics()  the same for metrics
spans()    all spans of traces(), each with "scope", "resource" and "attrs" (attributes as a dict) added
points(n)  all data points of the metric called n, each with "scope", "metric" (without its points) and "attrs" added
tls        a judge.origin.TestCa; client_ca=True: only clients with a certificate of that CA (client_certificate() makes one)

A request that is no OTLP is answered 400 (INVALID_ARGUMENT) and every later look (traces(), metrics(), wait()) raises Broken.
"""
from __future__ import annotations

import gzip
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

from .origin import TestCa
from .otlp_messages import Broken, attributes, decode, read_json, varint

BINARY, JSON = "application/x-protobuf", "application/json"
SERVICES = {"/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics"}
UNAVAILABLE, INVALID_ARGUMENT = 14, 3


@dataclass
class Received:
    """headers: names in lower case (gRPC: the metadata, without what gRPC itself keeps). seconds: the sender's own limit, gRPC only."""

    at: float
    signal: str
    path: str
    headers: dict[str, str]
    body: bytes
    message: Optional[dict] = None
    compressed: bool = False  # HTTP only: gRPC's library tells nobody
    seconds: Optional[float] = None
    answered: str = ""  # "ok" (accepted), "partial", or what refused it


@dataclass
class Answer:
    """How one request is answered. `code`: of gRPC and of google.rpc.Status; `http`: over HTTP."""

    name: str = "ok"
    accept: bool = True
    http: int = 200
    code: int = 0
    message: str = ""
    retry_after: Optional[float] = None  # the header over HTTP, RetryInfo over gRPC
    wait: float = 0  # before answering
    rejected: Optional[int] = None  # a partial success
    hang_up: bool = False


def status(http, retry_after=None, message="not now"):
    """HTTP: that status with Retry-After. gRPC: the code that belongs to it, with RetryInfo."""
    code = {401: 16, 403: 7, 404: 12, 429: 8, 502: 14, 503: 14, 504: 14, 400: 3}.get(http, 2)
    return Answer(str(http), accept=False, http=http, code=code, message=message, retry_after=retry_after)


def unavailable(retry_after=None):
    return status(503, retry_after, "unavailable")


def grpc_code(code, retry_after=None, message="refused"):
    return Answer(f"grpc {code}", accept=False, http=500, code=code, message=message, retry_after=retry_after)


def slow(seconds):
    """Accepts and answers late."""
    return Answer("slow", wait=seconds)


def partial(rejected, message=""):
    return Answer("partial", rejected=rejected, message=message)


def hang_up():
    """HTTP: the connection ends without an answer (gRPC: CANCELLED)."""
    return Answer("hang up", accept=False, code=1, hang_up=True)


@dataclass
class Fault:
    answer: Answer
    signal: Optional[str]
    times: Optional[int]
    hits: int = 0


def message_field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def number_field(number, value):
    return varint(number << 3) + varint(value & (1 << 64) - 1) if value else b""


def response(answer, json_form=False):
    """The Export…ServiceResponse (both signals' are alike but for a name in JSON, which `json_form` gives)."""
    if answer.rejected is None:
        return b"{}" if json_form else b""
    if json_form:
        return json.dumps({"partialSuccess": {json_form: str(answer.rejected), "errorMessage": answer.message}}).encode()
    return message_field(1, number_field(1, answer.rejected) + message_field(2, answer.message.encode()))


def rpc_status(answer, json_form=False, details=False):
    """google.rpc.Status, with RetryInfo when `details` are wanted."""
    if json_form:
        return json.dumps({"code": answer.code, "message": answer.message}).encode()
    out = number_field(1, answer.code) + message_field(2, answer.message.encode())
    if details and answer.retry_after is not None:
        seconds = int(answer.retry_after)
        delay = number_field(1, seconds) + number_field(2, round((answer.retry_after - seconds) * 1e9))
        info = message_field(1, b"type.googleapis.com/google.rpc.RetryInfo") + message_field(2, message_field(1, delay))
        out += message_field(3, info)
    return out


def client_certificate(ca: TestCa, folder: Path, name="weir"):
    """A client's (certificate, key) by that CA."""
    key, request, cert = folder / f"{name}.key", folder / f"{name}.csr", folder / f"{name}.pem"
    for args in (["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}"],
                 ["x509", "-req", "-in", request, "-CA", ca.ca, "-CAkey", ca.ca.parent / "ca.key", "-CAcreateserial", "-days", 2, "-out", cert]):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
    return cert, key


class Receiver:
    """What both kinds share."""

    protocol = ""

    def __init__(self, tls: Optional[TestCa] = None, client_ca=False):
        self.tls, self.client_ca = tls, client_ca
        self.requests: list[Received] = []
        self.port = 0
        self._faults: list[Fault] = []
        self._broken: list[str] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def endpoint(self):
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def environment(self, traces=False, metrics=False, **more):
        """What weir needs to send here, as environment variables; more: further ones."""
        out = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol}
        if traces:
            out["OTEL_EXPORTER_OTLP_TRACES_ENABLED"] = "true"
        if metrics:
            out["OTEL_EXPORTER_OTLP_METRICS_ENABLED"] = "true"
        if self.tls:
            out["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(self.tls.ca)
        return {**out, **more}

    def fault(self, answer: Answer, times: Optional[int] = None, signal: Optional[str] = None):
        """The next `times` requests (None: all) of that signal get this answer. The fault's .hits counts them."""
        made = Fault(answer, signal, times)
        with self._changed:
            self._faults.append(made)
        return made

    def heal(self):
        """No more faults."""
        with self._changed:
            self._faults.clear()

    def check(self):
        if self._broken:
            raise Broken("; ".join(self._broken))

    def _accepted(self, signal):
        self.check()
        with self._changed:
            return [one.message for one in self.requests if one.signal == signal and one.answered in ("ok", "slow", "partial")]

    def traces(self):
        return self._accepted("traces")

    def metrics(self):
        return self._accepted("metrics")

    def spans(self):
        out = []
        for message in self.traces():
            for resource in message.get("resourceSpans", []):
                about = attributes(resource.get("resource", {}).get("attributes", []))
                for scope in resource.get("scopeSpans", []):
                    for span in scope.get("spans", []):
                        out.append({**span, "scope": scope.get("scope", {}).get("name", ""), "resource": about,
                                    "attrs": attributes(span.get("attributes", []))})
        return out

    def points(self, name):
        out = []
        for message in self.metrics():
            for resource in message.get("resourceMetrics", []):
                for scope in resource.get("scopeMetrics", []):
                    for metric in scope.get("metrics", []):
                        if metric.get("name") == name:
                            out += self._points_of(metric, scope.get("scope", {}).get("name", ""))
        return out

    @staticmethod
    def _points_of(metric, scope):
        kind = next(k for k in ("gauge", "sum", "histogram", "exponentialHistogram") if k in metric)
        about = {**metric, "kind": kind, kind: {k: v for k, v in metric[kind].items() if k != "dataPoints"}}
        return [{**point, "scope": scope, "metric": about, "attrs": attributes(point.get("attributes", []))}
                for point in metric[kind].get("dataPoints", [])]

    def wait(self, wish: Callable[[], object], timeout=20.0):
        """Until `wish()` is true, asked after each request; returns what it gave."""
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                self.check()
                if got := wish():
                    return got
                left = until - time.monotonic()
                if left <= 0:
                    told = [(one.signal, one.answered) for one in self.requests]
                    raise AssertionError(f"nothing of that sort in {timeout} s: {told}")
                self._changed.wait(min(left, 0.25))

    def _answer_for(self, signal):
        with self._changed:
            for one in self._faults:
                if one.signal in (None, signal) and (one.times is None or one.hits < one.times):
                    one.hits += 1
                    return one.answer
        return Answer()

    def _keep(self, request: Received, read: Callable[[], dict]):
        """Reads and records one request; returns how to answer it."""
        try:
            request.message = read()
            answer = self._answer_for(request.signal)
        except (Broken, OSError, EOFError, ValueError) as e:
            self._broken.append(f"{request.path}: {e}")
            answer = Answer("broken", accept=False, http=400, code=INVALID_ARGUMENT, message=str(e))
        request.answered = answer.name
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if answer.wait:
            self._stopping.wait(answer.wait)
        return answer


class OtlpHttpReceiver(Receiver):
    """HTTP/1.1 with both forms. A path's last part names the signal; paths={"/": "traces"} names more."""

    def __init__(self, tls=None, client_ca=False, json_form=False, paths=None):
        super().__init__(tls, client_ca)
        self.protocol = "http/json" if json_form else "http/protobuf"
        self.paths = paths or {}
        self._server = None
        self._alive: set[socket.socket] = set()

    def start(self):
        receiver = self

        class Handler(HttpExchange):
            owner = receiver

        self._server = HttpServer(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self._stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            for one in list(self._alive):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self._server = None

    def context(self):
        made = self.tls.server_context()
        if self.client_ca:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(self.tls.ca)
        return made

    def signal_of(self, path):
        if path in self.paths:
            return self.paths[path]
        last = path.rsplit("/", 1)[-1]
        return last if last in ("traces", "metrics") else ""


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    owner: OtlpHttpReceiver

    def handle_error(self, request, client_address):
        pass  # a client that hangs up, or that has no certificate

    def finish_request(self, request, client_address):
        if self.owner.tls:
            request = self.owner.context().wrap_socket(request, server_side=True)
        self.owner._alive.add(request)
        try:
            self.RequestHandlerClass(request, client_address, self)
        finally:
            self.owner._alive.discard(request)
            if self.owner.tls:
                request.close()


class HttpExchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    owner: OtlpHttpReceiver

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(405, b"", "text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signal, form = self.owner.signal_of(self.path), self.headers.get("Content-Type", "")
        if not signal or form not in (BINARY, JSON):
            self.owner._broken.append(f"POST {self.path} as {form!r}")
            return self.reply(415 if signal else 404, b"", "text/plain")
        packed = self.headers.get("Content-Encoding", "")
        made = Received(time.monotonic(), signal, self.path, {k.lower(): v for k, v in self.headers.items()}, body, compressed=packed == "gzip")

        def read():
            if packed not in ("", "gzip"):
                raise Broken(f"Content-Encoding {packed}")
            if made.compressed:
                made.body = gzip.decompress(body)
            return read_json(signal, made.body) if form == JSON else decode(signal, made.body)

        answer = self.owner._keep(made, read)
        if answer.hang_up:
            self.close_connection = True
            return None
        if not answer.accept:
            return self.reply(answer.http, rpc_status(answer, form == JSON), form, answer.retry_after)
        name = {"traces": "rejectedSpans", "metrics": "rejectedDataPoints"}[signal]
        return self.reply(200, response(answer, name if form == JSON else False), form)

    def reply(self, code, body, form, retry_after=None):
        self.send_response(code)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)


class OtlpGrpcReceiver(Receiver):
    """gRPC by Debian's python3-grpcio, which knows no message: the handler keeps the bytes."""

    protocol = "grpc"

    def start(self):
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        self._grpc = grpc
        handlers = {path: grpc.unary_unary_rpc_method_handler(self._handler(path, signal)) for path, signal in SERVICES.items()}

        class Everything(grpc.GenericRpcHandler):
            def service(self, details):
                return handlers.get(details.method)

        self._server = grpc.server(ThreadPoolExecutor(8), handlers=[Everything()], options=[("grpc.so_reuseport", 0)])
        if self.tls:
            pair = [(self.tls.key.read_bytes(), self.tls.cert.read_bytes())]
            ca = self.tls.ca.read_bytes() if self.client_ca else None
            self.port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair, ca, self.client_ca))
        else:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def stop(self):
        self._stopping.set()
        self._server.stop(None).wait(5)

    def _handler(self, path, signal):
        codes = {one.value[0]: one for one in self._grpc.StatusCode}

        def handle(body, context):
            headers = {k: v for k, v in context.invocation_metadata()}
            left = context.time_remaining()
            made = Received(time.monotonic(), signal, path, headers, body, seconds=left if left and left < 1e6 else None)
            answer = self._keep(made, lambda: decode(signal, body))
            if not answer.accept:
                if answer.retry_after is not None:
                    context.set_trailing_metadata((("grpc-status-details-bin", rpc_status(answer, details=True)),))
                context.abort(codes[answer.code], answer.message)
            return response(answer)

        return handle

