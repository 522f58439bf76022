"""Exporters that others made, behind the own pipeline: they take what the official SDK makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.trace import ReadableSpan

from capibara_otel.pipeline.environment import plugin_exporters
from capibara_otel.pipeline.health import Signal
from capibara_otel.pipeline.logs.official import readable as readable_record
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.metrics.data import Collection
from capibara_otel.pipeline.metrics.official import to_official
from capibara_otel.pipeline.official.exporters import OfficialOutlet, outlet
from capibara_otel.pipeline.outlet import Outlet, Sent
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.official import readable as readable_span
from capibara_otel.pipeline.traces.span import Span

B = TypeVar("B")


class Converted(Generic[B]):
    """Hands batches of the own pipeline to an official exporter.

    Args:
        outlet: that exporter.
        convert: makes the SDK's objects of a batch.
    """

    keeps: Final = False

    def __init__(self, outlet: OfficialOutlet[Any], convert: Callable[[B], Any]) -> None:
        self._outlet: Final = outlet
        self._convert: Final = convert
        self.target: Final = outlet.target
        self.keep: Final = outlet.keep
        self.catch_up: Final = outlet.catch_up
        self.close: Final = outlet.close
        self.after_fork: Final = outlet.after_fork

    def send(self, batch: B, /) -> Sent:
        """Send a batch; see `OfficialOutlet.send`."""
        return self._outlet.send(self._convert(batch))


def plugged_outlets(signal: Signal, environ: Mapping[str, str], resource: Callable[[], Resource]) -> list[Outlet[Any]]:
    """Return what the environment asks for besides OTLP: the console, and exporters that are installed as plugins.

    Args:
        signal: which.
        environ: the environment, checked already.
        resource: returns the resource of this process.
    """

    def spans(batch: Sequence[Span]) -> list[ReadableSpan]:
        return [readable_span(span, resource()) for span in batch]

    def records(batch: Sequence[Record]) -> list[ReadableLogRecord]:
        return [readable_record(record, resource()) for record in batch]

    def points(batch: Collection) -> MetricsData:
        return to_official(batch) or MetricsData([])

    convert: dict[Signal, Callable[[Any], Any]] = {"traces": spans, "metrics": points, "logs": records}
    return [Converted(outlet(signal, name, environ), convert[signal]) for name in plugin_exporters(signal, environ)]
