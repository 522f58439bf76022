"""A real OTLP receiver on loopback, over HTTP or gRPC, that can also be unwell."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

Protocol: TypeAlias = Literal["http/protobuf", "grpc"]
Mode: TypeAlias = Literal["healthy", "refuse", "black hole", "slow"]
Signal: TypeAlias = Literal["traces", "metrics", "logs"]

_REQUESTS: Final[dict[Signal, Any]] = {
    "traces": traces.ExportTraceServiceRequest,
    "metrics": metrics.ExportMetricsServiceRequest,
    "logs": logs.ExportLogsServiceRequest,
}
_RESPONSES: Final[dict[Signal, Any]] = {
    "traces": traces.ExportTraceServiceResponse,
    "metrics": metrics.ExportMetricsServiceResponse,
    "logs": logs.ExportLogsServiceResponse,
}
_SERVICES: Final[dict[str, Signal]] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
}


@dataclass(frozen=True)
class Said:
    """One answer: the request is stored where it is a success, and not else."""

    status: int = 200
    """Of HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """None for the signal's empty response."""
    code: grpc.StatusCode | None = None
    """Of gRPC, for a failure."""
    trailing: tuple[tuple[str, str | bytes], ...] = ()
    """Metadata of gRPC after the answer."""
    drip_s: float = 0.0
    """Seconds between two bytes of the body, over HTTP."""

    @property
    def is_success(self) -> bool:
        """Whether the request was taken."""
        return 200 <= self.status < 300 and self.code is None


def partial(signal: Signal, rejected: int, message: str) -> Said:
    """Return a success that rejects some items."""
    names = {"traces": "rejected_spans", "metrics": "rejected_data_points", "logs": "rejected_log_records"}
    body = _RESPONSES[signal](partial_success={names[signal]: rejected, "error_message": message})
    return Said(body=body.SerializeToString())


@dataclass(frozen=True)
class Tls:
    """Files in PEM: what a receiver shows, and the authority of the clients that it lets in, where it asks for one."""

    certificate: Path
    key: Path
    clients: Path | None = None


class Receiver:
    """Stores what it is sent, decoded. Use it in a `with` block.

    Args:
        protocol: what it speaks.
        mode: `refuse` answers with `status`, `black hole` accepts and never answers, `slow` answers after `delay_s`.
        status: of HTTP; gRPC refuses with UNAVAILABLE for 503 and INVALID_ARGUMENT else.
        delay_s: seconds before a slow answer.
        answers: what it answers to the first requests, before it behaves as `mode` says.
        port: 0 picks a free one.
        tls: without it, it listens without TLS.
    """

    def __init__(
        self,
        protocol: Protocol = "http/protobuf",
        mode: Mode = "healthy",
        *,
        status: int = 503,
        delay_s: float = 1.0,
        answers: Iterable[Said] = (),
        port: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self.protocol: Final = protocol
        self.mode: Mode = mode
        self.status = status
        self.delay_s = delay_s
        self.received: dict[Signal, list[Any]] = {"traces": [], "metrics": [], "logs": []}
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.arrived: list[float] = []
        """When each attempt came, in monotonic seconds."""
        self.connections = 0
        """How many were made, over HTTP."""
        self.answers = deque(answers)
        self._tls: Final = tls
        self._port: Final = port
        self._closing = threading.Event()
        self._stop: Callable[[], None]
        self.port, self._stop = self._serve_grpc() if protocol == "grpc" else self._serve_http()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        self._stop()

    @property
    def attempts(self) -> int:
        """How many requests came."""
        return len(self.arrived)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What points an exporter at it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol}

    @property
    def spans(self) -> list[str]:
        """Names of the spans, in the order of their arrival."""
        return [
            span.name
            for request in self.received["traces"]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def logs(self) -> list[str]:
        """Bodies of the log records, in the order of their arrival."""
        return [
            record.body.string_value
            for request in self.received["logs"]
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def resources(self, signal: Signal) -> list[dict[str, str]]:
        """Return the resource of every request of a signal."""
        field = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}[signal]
        return [
            _attributes(each.resource.attributes)
            for request in self.received[signal]
            for each in getattr(request, field)
        ]

    def metrics(self, name: str) -> Iterator[tuple[dict[str, str], Metric]]:
        """Yield every arrival of a metric, with its resource."""
        for request in self.received["metrics"]:
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == name:
                            yield _attributes(resource.resource.attributes), metric

    def wait_for(self, condition: Callable[[Self], bool], timeout_s: float = 10.0) -> bool:
        """Wait until a condition on the receiver holds; answer whether it does."""
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _take(self, signal: Signal, body: bytes) -> Said:
        self.arrived.append(time.monotonic())
        if self.answers:
            said = self.answers.popleft()
        elif self.mode == "refuse":
            is_passing = self.status == 503
            code = grpc.StatusCode.UNAVAILABLE if is_passing else grpc.StatusCode.INVALID_ARGUMENT
            said = Said(self.status, body=b"", code=code)
        else:
            said = Said()
            if self.mode == "black hole":
                self._closing.wait()
                said = Said(503, body=b"", code=grpc.StatusCode.UNAVAILABLE)
            if self.mode == "slow":
                self._closing.wait(self.delay_s)
        if said.is_success:
            self.received[signal].append(_REQUESTS[signal].FromString(body))
        return said

    def _serve_http(self) -> tuple[int, Callable[[], None]]:
        server = _Server(self, self._port)
        if self._tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._tls.certificate, self._tls.key)
            if self._tls.clients is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self._tls.clients)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()
            for connection in list(server.open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

        return int(server.server_address[1]), stop

    def _serve_grpc(self) -> tuple[int, Callable[[], None]]:
        receiver = self

        def export(signal: Signal, body: bytes, call: grpc.ServicerContext) -> bytes:
            receiver.headers.append({str(each.key): str(each.value) for each in call.invocation_metadata()})
            said = receiver._take(signal, body)
            if said.trailing:
                call.set_trailing_metadata(said.trailing)
            if said.code is not None:
                call.abort(said.code, "refused")
            return bytes(_RESPONSES[signal]().SerializeToString()) if said.body is None else said.body

        def handler(name: str, signal: Signal) -> grpc.GenericRpcHandler:
            method = grpc.unary_unary_rpc_method_handler(lambda body, call: export(signal, body, call))
            return grpc.method_handlers_generic_handler(name, {"Export": method})

        handlers = [handler(name, signal) for name, signal in _SERVICES.items()]
        server = grpc.server(ThreadPoolExecutor(max_workers=16), handlers=handlers)
        address = f"127.0.0.1:{self._port}"
        if self._tls is None:
            port = server.add_insecure_port(address)
        else:
            pair = (self._tls.key.read_bytes(), self._tls.certificate.read_bytes())
            clients = self._tls.clients.read_bytes() if self._tls.clients else None
            credentials = grpc.ssl_server_credentials([pair], clients, require_client_auth=clients is not None)
            port = server.add_secure_port(address, credentials)
        server.start()
        return port, lambda: server.stop(None).wait()


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in pairs}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, receiver: Receiver, port: int) -> None:
        self.receiver = receiver
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the sender was killed, or the handshake failed


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.server.receiver.connections += 1
        self.server.open.add(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.open.discard(self.request)
        super().finish()

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
        receiver.paths.append(self.path)
        match self.headers.get("Content-Encoding"):
            case "gzip":
                body = gzip.decompress(body)
            case "deflate":
                body = zlib.decompress(body)
        signal: Any = self.path.partition("?")[0].rpartition("/")[2]
        said = receiver._take(signal, body)
        answer = _RESPONSES[signal]().SerializeToString() if said.body is None else said.body
        headers = {"Content-Type": "application/x-protobuf", "Content-Length": str(len(answer))}
        try:
            self.send_response(said.status)
            for name, value in {**headers, **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self._write(answer, said.drip_s)
        except OSError:
            self.close_connection = True  # the sender gave up

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _write(self, answer: bytes, drip_s: float) -> None:
        pieces = [answer[at : at + 1] for at in range(len(answer))] if drip_s else [answer]
        for piece in pieces:
            self.wfile.write(piece)
            if drip_s:
                self.server.receiver._closing.wait(drip_s)
