"""What an instance emits, in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.types import AttributeValue

from capibara_otel.logs import CanonicalLines, LogLevel, Output
from capibara_otel.operation import Emitter, OperationRecord, Policy
from capibara_otel.operation.emitter import GenAiMetrics
from capibara_otel.sdk import DEFAULT, Capibara
from capibara_otel.subsystems.optimizations import HitRates
from capibara_otel.testing.clock import FakeClock
from capibara_otel.testing.providers import own, sdk


class Capture:
    """Takes everything an instance emits, in memory, instead of what it is configured with.

    Args:
        instance: the instance; the default one by default.
        clock: the time; a `FakeClock` by default.
        capture_content: record what users and models wrote.
        gen_ai_metrics: names of the GenAI metrics.
        pipeline: what carries it, `capibara` or `sdk`; what `CAPIBARA_PIPELINE` says by default, else `capibara`.
    """

    def __init__(
        self,
        instance: Capibara = DEFAULT,
        *,
        clock: FakeClock | None = None,
        capture_content: bool = False,
        gen_ai_metrics: GenAiMetrics = "latest",
        pipeline: Literal["capibara", "sdk"] | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.records: list[OperationRecord] = []
        self._instance = instance
        self._policy = Policy(capture_content, gen_ai_metrics)
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._log_records = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        chosen = pipeline or os.environ.get("CAPIBARA_PIPELINE") or "capibara"
        made = (sdk if chosen == "sdk" else own)(self._spans, self._reader, self._log_records)
        self.tracer_provider, self.meter_provider, self.logger_provider = made
        self.stream = io.StringIO()

    def __enter__(self) -> Self:
        emitter = self._instance.emitter
        self._before = _State(self._instance)
        emitter.clock = self.clock
        emitter.policy = self._policy
        emitter.bind(self.tracer_provider, self.meter_provider)
        logs = self._instance.log
        logs.send_to(Output("json", LogLevel.DEBUG, stream=self.stream, provider=self.logger_provider))
        emitter.hooks = (self, CanonicalLines(logs))
        self._instance.optimizations.rates = HitRates()
        return self

    def __exit__(self, *_: object) -> None:
        self._instance.emitter.reaper.drain()
        self._before.restore()

    def on_end(self, record: OperationRecord, _span: Any) -> None:
        """Take the record of an operation, as a hook does."""
        self.records.append(record)

    # --- spans

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that ended, in that order."""
        self._instance.emitter.reaper.drain()
        return self._spans.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        """Return the only span of that name.

        Raises:
            AssertionError: there is none, or more than one; the message names those there are.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} spans named {name!r} in {[span.name for span in self.spans]}")
        return found[0]

    def attributes(self, name: str) -> dict[str, AttributeValue]:
        """Return the attributes of the only span of that name.

        Raises:
            AssertionError: there is none, or more than one.
        """
        return dict(self.span(name).attributes or {})

    # --- metrics

    def points(self, metric: str) -> Sequence[NumberDataPoint | HistogramDataPoint]:
        """Return the points of a metric, one per set of labels."""
        return [
            point  # type: ignore[misc]
            for resource in self._data().resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric
            for point in one.data.data_points
        ]

    def value(self, metric: str, labels: Mapping[str, AttributeValue] | None = None) -> float:
        """Return a metric's value: the sum of a counter, the value of a gauge, the count of a histogram.

        Args:
            metric: the metric's name.
            labels: only points that carry these labels; all are added up.
        """
        total = 0.0
        for point in self.points(metric):
            attributes = point.attributes or {}
            if all(attributes.get(name) == value for name, value in (labels or {}).items()):
                total += point.count if isinstance(point, HistogramDataPoint) else point.value
        return total

    @property
    def metric_names(self) -> set[str]:
        """The names of all metrics that were recorded."""
        return {
            one.name
            for resource in self._data().resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
        }

    def _data(self) -> MetricsData:
        self._instance.emitter.reaper.drain()
        return self._reader.get_metrics_data() or MetricsData([])

    # --- logs

    @property
    def lines(self) -> Sequence[str]:
        """The log lines that were written, as JSON."""
        self._instance.emitter.reaper.drain()
        return self.stream.getvalue().splitlines()

    @property
    def log_records(self) -> Sequence[ReadableLogRecord]:
        """The log records that went to OpenTelemetry."""
        self._instance.emitter.reaper.drain()
        return self._log_records.get_finished_logs()


class _State:
    """What a capture replaces, to put it back."""

    def __init__(self, instance: Capibara) -> None:
        emitter = instance.emitter
        self._instance = instance
        self._kept: Mapping[str, Any] = {name: getattr(emitter, name) for name in _REPLACED}
        self._output = instance.log.output
        self._rates = instance.optimizations.rates

    def restore(self) -> None:
        emitter: Emitter = self._instance.emitter
        for name, value in self._kept.items():
            setattr(emitter, name, value)
        self._instance.log.send_to(self._output)
        self._instance.optimizations.rates = self._rates


_REPLACED: Final = ("clock", "policy", "tracer", "instruments", "hooks")
