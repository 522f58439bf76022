"""OpenTelemetry instruments made from specifications, on first use, so that what never happened is not shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from capibara_otel.semconv.series import Cell, Labels, Metric, Row, Rows, Write
from capibara_otel.semconv.specs import MetricSpec, SpanSpec

Callback: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]


class Instruments:
    """The instruments of one meter.

    Args:
        meter: where they are created; a proxy meter works too.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter: Final = meter
        self._metrics: Final[dict[str, Metric]] = {}
        self._observed: Final[set[str]] = set()
        self._lock = threading.RLock()  # a signal handler may record while the first measurement is made
        self.writes: Final[dict[str, Write]] = {}
        """What `write_of` returned before, by the metric's name."""
        self.rows: Final[dict[str, Rows]] = {}
        """What `rows_of` returned before, by the span's type."""

    def after_fork(self) -> None:
        """Go on in a child, where no thread is left to give the lock back."""
        self._lock = threading.RLock()

    def record(self, spec: MetricSpec, value: float, labels: Labels, context: Context | None = None) -> None:
        """Record one measurement: add to a counter, set a gauge, put into a histogram.

        Args:
            spec: which metric.
            value: in the metric's unit; for counters the increment.
            labels: attribute values by name; the caller keeps them to what the specification allows.
            context: the context for the exemplar; the current one by default.
        """
        self._metric(spec).record(value, labels, context)

    def write_of(self, spec: MetricSpec) -> Write:
        """Return what records one metric, cutting any attributes to what the specification allows.

        Args:
            spec: which metric.
        """
        return self.writes.get(spec.name) or self.writes.setdefault(spec.name, self._metric(spec).writing())

    def rows_of(self, spec: SpanSpec) -> Rows:
        """Return the series of what operations of one kind measure.

        Args:
            spec: the kind.
        """
        return self.rows.get(spec.type) or self.rows.setdefault(spec.type, Rows(spec))

    def add_to(self, row: Row, spec: SpanSpec, metric: MetricSpec, attributes: Labels) -> Cell:
        """Return a metric's cell, and add it to the row if the row stands for it.

        Args:
            row: one of those of its kind.
            spec: the kind of operation.
            metric: what it measures.
            attributes: the operation's.
        """
        cell = self.rows[spec.type].fill(row, metric, self._metric(metric), attributes)
        if cell is not None:
            return cell
        write = self.write_of(metric)
        return lambda value, context: write(value, attributes, context)

    def observe(self, spec: MetricSpec, callback: Callback) -> None:
        """Have a counter, an up-down counter or a gauge read by a callback at each collection; once per metric.

        Raises:
            ValueError: the metric is a histogram, or is observed already.
        """
        with self._lock:
            if spec.name in self._observed or spec.instrument == "histogram":
                raise ValueError(f"{spec.name} cannot be observed: it is a histogram or observed already")
            self._observed.add(spec.name)
        create: dict[str, Callable[..., Any]] = {
            "counter": self._meter.create_observable_counter,
            "updowncounter": self._meter.create_observable_up_down_counter,
            "gauge": self._meter.create_observable_gauge,
        }
        create[spec.instrument](spec.name, [callback], unit=spec.unit, description=spec.brief)

    def _metric(self, spec: MetricSpec) -> Metric:
        made = self._metrics.get(spec.name)
        if made is None:
            with self._lock:
                made = self._metrics.get(spec.name)
                if made is None:
                    made = self._metrics[spec.name] = Metric(spec, self._create(spec))
        return made

    def _create(self, spec: MetricSpec) -> Any:
        words = {"unit": spec.unit, "description": spec.brief}
        match spec.instrument:
            case "counter":
                return self._meter.create_counter(spec.name, **words)
            case "updowncounter":
                return self._meter.create_up_down_counter(spec.name, **words)
            case "gauge":
                return self._meter.create_gauge(spec.name, **words)
            case "histogram":
                return self._meter.create_histogram(
                    spec.name, **words, explicit_bucket_boundaries_advisory=spec.buckets
                )
