"""What tests of the metrics read collections with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from capibara_otel.pipeline.metrics.data import Collection
from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.scope import Resource


class Clock:
    """Nanoseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        """Return the time."""
        return self.now


def provider(*readers: Any, **more: Any) -> MeterProvider:
    """Return a provider with these readers."""
    return MeterProvider(Resource({"service.name": "s"}), readers=readers, **more)


def metrics(collection: Collection) -> dict[str, Any]:
    """Return metrics by name; two of one name are a fault of the test."""
    found = [metric for scope in collection.scopes for metric in scope.metrics]
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


def points(collection: Collection, metric: str) -> list[Any]:
    """Return the points of a metric."""
    return list(metrics(collection)[metric].points) if metric in metrics(collection) else []


def point(collection: Collection, metric: str) -> Any:
    """Return the only point of a metric."""
    (found,) = points(collection, metric)
    return found


def values(collection: Collection, metric: str) -> list[tuple[dict[str, Any], float]]:
    """Return attributes and value, or count, of each series."""
    return [
        (dict(each.series.attributes), each.value if hasattr(each, "value") else each.count)
        for each in points(collection, metric)
    ]


@contextmanager
def in_span(trace_id: int, span_id: int = 1, *, is_sampled: bool = True) -> Iterator[SpanContext]:
    """Make a span of this trace the current one."""
    context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(int(is_sampled)))
    with trace.use_span(NonRecordingSpan(context)):
        yield context


def reader_and(make: Callable[[MeterProvider], Any], reader: Reader | None = None, **more: Any) -> tuple[Reader, Any]:
    """Return a reader and what is made of its provider."""
    made = reader or Reader()
    return made, make(provider(made, **more))
