"""OpenTelemetry instruments made from specifications, on first use, so that what never happened is not shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.util.types import AttributeValue

from capibara_otel.semconv.specs import MetricSpec

Labels: TypeAlias = Mapping[str, AttributeValue]
Callback: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]
_Write: TypeAlias = Callable[..., None]


class Instruments:
    """The instruments of one meter.

    Args:
        meter: where they are created; a proxy meter works too.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter: Final = meter
        self._writes: dict[str, _Write] = {}
        self._observed: set[str] = set()
        self._lock = threading.Lock()

    def record(self, spec: MetricSpec, value: float, labels: Labels, context: Context | None = None) -> None:
        """Record one measurement: add to a counter, set a gauge, put into a histogram.

        Args:
            spec: which metric.
            value: in the metric's unit; for counters the increment.
            labels: attribute values by name; the caller keeps them to what the specification allows.
            context: the context for the exemplar; the current one by default.
        """
        write = self._writes.get(spec.name)
        if write is None:
            with self._lock:
                write = self._writes.setdefault(spec.name, self._create(spec))
        write(value, labels, context)

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

    def _create(self, spec: MetricSpec) -> _Write:
        words = {"unit": spec.unit, "description": spec.brief}
        match spec.instrument:
            case "counter":
                return self._meter.create_counter(spec.name, **words).add
            case "updowncounter":
                return self._meter.create_up_down_counter(spec.name, **words).add
            case "gauge":
                return self._meter.create_gauge(spec.name, **words).set
            case "histogram":
                return self._meter.create_histogram(
                    spec.name, **words, explicit_bucket_boundaries_advisory=spec.buckets
                ).record
