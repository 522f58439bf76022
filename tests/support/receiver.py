"""A real OTLP receiver on loopback, over HTTP or gRPC, that can also be unwell."""

from __future__ import annotations

import gzip
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class Receiver:
    """Stores what it is sent, decoded. Use it in a `with` block.

    Args:
        protocol: what it speaks.
        mode: `refuse` answers with `status`, `black hole` accepts and never answers, `slow` answers after `delay_s`.
        status: of HTTP; gRPC refuses with UNAVAILABLE for 503 and INVALID_ARGUMENT else.
        delay_s: seconds before a slow answer.
    """

    def __init__(
        self,
        protocol: Protocol = "http/protobuf",
        mode: Mode = "healthy",
        *,
        status: int = 503,
        delay_s: float = 1.0,
    ) -> None:
        self.protocol: Final = protocol
        self.mode: Mode = mode
        self.status = status
        self.delay_s = delay_s
        self.received: dict[Signal, list[Any]] = {"traces": [], "metrics": [], "logs": []}
        self.headers: list[dict[str, str]] = []
        self.attempts = 0
        self._closing = threading.Event()
        self._stop: Callable[[], None]
        self.port, self._stop = self._serve_grpc() if protocol == "grpc" else self._serve_http()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        self._stop()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

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

    def _take(self, signal: Signal, body: bytes) -> int:
        self.attempts += 1
        if self.mode == "black hole":
            self._closing.wait()
            return 503
        if self.mode == "slow":
            self._closing.wait(self.delay_s)
        if self.mode == "refuse":
            return self.status
        self.received[signal].append(_REQUESTS[signal].FromString(body))
        return 200

    def _serve_http(self) -> tuple[int, Callable[[], None]]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                match self.headers.get("Content-Encoding"):
                    case "gzip":
                        body = gzip.decompress(body)
                    case "deflate":
                        body = zlib.decompress(body)
                signal: Any = self.path.rpartition("/")[2]
                status = receiver._take(signal, body)
                answer = _RESPONSES[signal]().SerializeToString() if status == 200 else b""
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/x-protobuf")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    self.close_connection = True  # the sender gave up

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the sender was killed

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return int(server.server_address[1]), stop

    def _serve_grpc(self) -> tuple[int, Callable[[], None]]:
        receiver = self

        def export(signal: Signal, body: bytes, call: grpc.ServicerContext) -> bytes:
            receiver.headers.append({str(each.key): str(each.value) for each in call.invocation_metadata()})
            status = receiver._take(signal, body)
            if status != 200:
                code = grpc.StatusCode.UNAVAILABLE if status == 503 else grpc.StatusCode.INVALID_ARGUMENT
                call.abort(code, "refused")
            return bytes(_RESPONSES[signal]().SerializeToString())

        def handler(name: str, signal: Signal) -> grpc.GenericRpcHandler:
            method = grpc.unary_unary_rpc_method_handler(lambda body, call: export(signal, body, call))
            return grpc.method_handlers_generic_handler(name, {"Export": method})

        handlers = [handler(name, signal) for name, signal in _SERVICES.items()]
        server = grpc.server(ThreadPoolExecutor(max_workers=16), handlers=handlers)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return port, lambda: server.stop(None).wait()


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in pairs}
