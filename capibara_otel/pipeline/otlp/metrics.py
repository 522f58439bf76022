"""Writes metrics: `ExportMetricsServiceRequest` of opentelemetry-proto, `metrics/v1/metrics.proto`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from capibara_otel.pipeline.metrics.data import (
    Collection,
    Exemplar,
    ExponentialPoint,
    HistogramPoint,
    Metric,
    NumberPoint,
    Point,
    Series,
)
from capibara_otel.pipeline.otlp.common import FAULTS, SLICE, LeftOut, Pause, attributes, request
from capibara_otel.pipeline.otlp.wire import (
    pack_double,
    pack_fixed64,
    pack_sfixed64,
    sized,
    text,
    varint,
    zigzag,
)
from capibara_otel.pipeline.scope import Scope

_TEMPORALITIES: Final = {"delta": b"\x10\x01", "cumulative": b"\x10\x02"}
_DATA: Final = {"gauge": b"\x2a", "sum": b"\x3a", "histogram": b"\x4a", "exponential_histogram": b"\x52"}

# Times, and count and sum of histograms, stand beside each other, with their tags between them.
_pack_times: Final[Callable[..., bytes]] = struct.Struct("<BQBQ").pack
_pack_totals: Final[Callable[..., bytes]] = struct.Struct("<BQBQBQBd").pack


def encode(collection: Collection, *, pause: Pause | None = None, left_out: LeftOut | None = None) -> bytes:
    """Return a request with a collection.

    Args:
        collection: what was found.
        pause: called between slices of points.
        left_out: told of each point that could not be written; the others go without it.

    Returns:
        The bytes; none where there is nothing to send.
    """
    writer = _Writer(pause, left_out)
    groups: list[tuple[Scope, list[bytes]]] = [
        (scope.scope, [sized(writer.metric(metric)) for metric in scope.metrics if metric.points])
        for scope in collection.scopes
    ]
    return request(collection.resource, groups)


class _Writer:
    def __init__(self, pause: Pause | None, left_out: LeftOut | None) -> None:
        self._pause = pause
        self._left_out = left_out
        self._points = 0
        self._bounds: Sequence[float] = ()
        self._written_bounds = b""

    def metric(self, metric: Metric) -> bytes:
        tail = b"" if metric.kind == "gauge" else _TEMPORALITIES[metric.temporality]
        if metric.kind == "sum" and metric.monotonic:
            tail += b"\x18\x01"
        data = b"\x0a".join([b"", *self._written(metric.points)]) + tail
        return _head(metric.name, metric.description, metric.unit) + _DATA[metric.kind] + sized(data)

    def _written(self, points: Iterable[Point]) -> Iterable[bytes]:
        for point in points:
            try:
                yield sized(self._point(point))
            except FAULTS as fault:
                if self._left_out is not None:
                    self._left_out(fault)
            self._points += 1
            if self._pause is not None and not self._points % SLICE:
                self._pause()

    def _point(self, point: Point) -> bytes:
        if isinstance(point, NumberPoint):
            return _number(point)
        if isinstance(point, ExponentialPoint):
            return _exponential(point)
        if point.bounds is not self._bounds:  # all series of a metric have the same
            self._bounds, self._written_bounds = point.bounds, _doubles(b"\x3a", point.bounds)
        return _histogram(point, self._written_bounds)


@lru_cache(4096)
def _head(name: str, description: str, unit: str) -> bytes:
    head = b"\x0a" + sized(text(name))
    if description:
        head += b"\x12" + sized(text(description))
    return head + b"\x1a" + sized(text(unit)) if unit else head


def _number(point: NumberPoint) -> bytes:
    body = _labels(point.series, b"\x3a")
    if point.start_ns:
        body += _pack_times(0x11, point.start_ns, 0x19, point.time_ns)
    else:
        body += b"\x19" + pack_fixed64(point.time_ns)
    value = point.value
    body += b"\x31" + pack_sfixed64(value) if isinstance(value, int) else b"\x21" + pack_double(value)
    return body + _exemplars(b"\x2a", point.exemplars) if point.exemplars else body


def _histogram(point: HistogramPoint, bounds: bytes) -> bytes:
    counts = point.counts
    parts = [
        _labels(point.series, b"\x4a"),
        _pack_totals(0x11, point.start_ns, 0x19, point.time_ns, 0x21, point.count, 0x29, point.sum),
        b"\x32" + varint(8 * len(counts)) + _packer(len(counts), "Q")(*counts) if counts else b"",
        bounds,
        b"\x59" + pack_double(point.minimum) if point.minimum is not None else b"",
        b"\x61" + pack_double(point.maximum) if point.maximum is not None else b"",
    ]
    if point.exemplars:
        parts.append(_exemplars(b"\x42", point.exemplars))
    return b"".join(parts)


def _exponential(point: ExponentialPoint) -> bytes:
    parts = [
        _labels(point.series, b"\x0a"),
        _pack_totals(0x11, point.start_ns, 0x19, point.time_ns, 0x21, point.count, 0x29, point.sum),
        b"\x30" + zigzag(point.scale),
        b"\x39" + pack_fixed64(point.zero_count),
        _buckets(b"\x42", point.positive_offset, point.positive_counts),
        _buckets(b"\x4a", point.negative_offset, point.negative_counts),
        b"\x61" + pack_double(point.minimum) if point.minimum is not None else b"",
        b"\x69" + pack_double(point.maximum) if point.maximum is not None else b"",
    ]
    if point.exemplars:
        parts.append(_exemplars(b"\x5a", point.exemplars))
    return b"".join(parts)


def _buckets(tag: bytes, offset: int, counts: Sequence[int]) -> bytes:
    if not counts:
        return b""
    return tag + sized(b"\x08" + zigzag(offset) + b"\x12" + sized(b"".join(map(varint, counts))))


def _labels(series: Series, tag: bytes) -> bytes:
    """Return the attributes of a series; they never change, so they are written once."""
    written = series.otlp
    if written is None or not written.startswith(tag):
        written = series.otlp = attributes(tag, series.attributes)
    return written


def _exemplars(tag: bytes, exemplars: Iterable[Exemplar]) -> bytes:
    return tag.join([b"", *(sized(_exemplar(each)) for each in exemplars)])


def _exemplar(exemplar: Exemplar) -> bytes:
    value = exemplar.value
    body = b"\x11" + pack_fixed64(exemplar.time_ns)
    body += b"\x31" + pack_sfixed64(value) if isinstance(value, int) else b"\x19" + pack_double(value)
    if exemplar.trace_id:
        body += b"\x22\x08" + exemplar.span_id.to_bytes(8, "big") + b"\x2a\x10" + exemplar.trace_id.to_bytes(16, "big")
    return body + attributes(b"\x3a", exemplar.attributes) if exemplar.attributes else body


@lru_cache(256)
def _packer(size: int, kind: str) -> Callable[..., bytes]:
    return struct.Struct(f"<{size}{kind}").pack


def _doubles(tag: bytes, values: Sequence[float]) -> bytes:
    return tag + varint(8 * len(values)) + _packer(len(values), "d")(*values) if values else b""
