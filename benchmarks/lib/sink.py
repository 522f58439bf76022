"""A receiver of OTLP in a process of its own, so that peers export for real and its work is not counted as theirs."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any, Final

from benchmarks.lib.answers import Answers

ROUTE: Final = "/items/{item_id}"
_SERVER: Final = 2
"""`SPAN_KIND_SERVER` of the OTLP protocol."""


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def sink() -> Answers:
    """Start a healthy receiver per protocol and one that never answers; the rooms of its process."""
    from tests.support.receiver import Receiver  # noqa: PLC0415 - peers' processes have no gRPC

    receivers: dict[str, Receiver] = {}

    def endpoint(protocol: Any = "http/protobuf", mode: Any = "healthy") -> list[str]:
        receiver = receivers.setdefault(f"{protocol} {mode}", Receiver(protocol, mode))
        return [receiver.endpoint]

    def taken() -> dict[str, int]:
        """Count what has arrived since the last time."""
        counts: Counter[str] = Counter(spans=0, requests=0, points=0, records=0)
        for receiver in receivers.values():
            for request in _drain(receiver.received["traces"]):
                for scope in (scope for each in request.resource_spans for scope in each.scope_spans):
                    counts["spans"] += len(scope.spans)
                    counts["requests"] += sum(map(_is_request, scope.spans))
            for request in _drain(receiver.received["metrics"]):
                counts["points"] += sum(
                    _points(metric)
                    for each in request.resource_metrics
                    for scope in each.scope_metrics
                    for metric in scope.metrics
                )
            for request in _drain(receiver.received["logs"]):
                counts["records"] += sum(
                    len(scope.log_records) for each in request.resource_logs for scope in each.scope_logs
                )
            receiver.headers.clear()
        return dict(counts)

    return {"endpoint": endpoint, "taken": taken}


def _drain(arrived: list[Any]) -> list[Any]:
    taken = arrived[:]
    del arrived[: len(taken)]
    return taken


def _is_request(span: Any) -> bool:
    return span.kind == _SERVER and any(
        each.key == "http.route" and each.value.string_value == ROUTE for each in span.attributes
    )


def _points(metric: Any) -> int:
    return len(getattr(metric, metric.WhichOneof("data")).data_points)
