"""Runs one workload through the official SDK and through the own provider, and makes what comes out comparable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics import export, view
from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes
from opentelemetry.sdk.resources import Resource as SdkResource

from capibara_otel.pipeline.metrics.data import InstrumentKind
from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.metrics.views import (
    Aggregation,
    Drop,
    ExplicitBuckets,
    ExponentialBuckets,
    LastValue,
    Sum,
    View,
)
from capibara_otel.pipeline.scope import Resource

CLASSES: Final[Mapping[InstrumentKind, type]] = {
    "counter": sdk.Counter,
    "updowncounter": sdk.UpDownCounter,
    "gauge": sdk._Gauge,
    "histogram": sdk.Histogram,
    "observable_counter": sdk.ObservableCounter,
    "observable_updowncounter": sdk.ObservableUpDownCounter,
    "observable_gauge": sdk.ObservableGauge,
}
SYNCHRONOUS: Final[tuple[InstrumentKind, ...]] = ("counter", "updowncounter", "gauge", "histogram")
OBSERVED: Final[tuple[InstrumentKind, ...]] = ("observable_counter", "observable_updowncounter", "observable_gauge")

Observations = list[tuple[float, Mapping[str, Any]]]


@dataclass(frozen=True)
class Made:
    """An instrument of the workload."""

    name: str
    kind: InstrumentKind
    unit: str = ""
    description: str = ""
    meter: str = "m"
    advised: Sequence[float] | None = None


@dataclass(frozen=True)
class Reading:
    """A reader of the workload."""

    deltas: frozenset[InstrumentKind] = frozenset()
    preferred: tuple[tuple[InstrumentKind, Aggregation], ...] = ()


@dataclass(frozen=True)
class Measure:
    """Record; with an observed instrument, let it be observed from now on."""

    instrument: int
    value: float
    attributes: Mapping[str, Any] | None


@dataclass(frozen=True)
class Collect:
    """Collect with one reader."""

    reader: int


@dataclass(frozen=True)
class Workload:
    """What happens, in order."""

    instruments: Sequence[Made]
    readers: Sequence[Reading]
    steps: Sequence[Measure | Collect]
    views: Sequence[View] = ()
    limit: int = 2000


@dataclass
class Running:
    """A provider with the workload's instruments."""

    record: list[Callable[[float, Any], None]] = field(default_factory=list)
    readers: list[export.InMemoryMetricReader] = field(default_factory=list)


def run_both(workload: Workload) -> list[tuple[Any, Any]]:
    """Return what each collection has found: the official SDK's data, and ours."""
    theirs, ours = _official(workload), _own(workload)
    collected = []
    for step in workload.steps:
        if isinstance(step, Measure):
            for running in (theirs, ours):
                running.record[step.instrument](step.value, step.attributes)
        else:
            collected.append(
                (theirs.readers[step.reader].get_metrics_data(), ours.readers[step.reader].get_metrics_data())
            )
    return collected


def _official(workload: Workload) -> Running:
    running = Running(readers=[_reader(each, workload.limit) for each in workload.readers])
    provider = sdk.MeterProvider(
        running.readers,
        SdkResource({"service.name": "s"}),
        exemplar_filter=sdk.AlwaysOffExemplarFilter(),
        shutdown_on_exit=False,
        views=[official_view(each) for each in workload.views],
    )
    running.record = [_make(provider.get_meter(each.meter, "1", "url"), each) for each in workload.instruments]
    return running


def _own(workload: Workload) -> Running:
    running = Running(readers=[_reader(each, workload.limit) for each in workload.readers])
    provider = MeterProvider(
        Resource({"service.name": "s"}),
        readers=running.readers,
        views=workload.views,
        exemplar_filter="always_off",
        cardinality_limit=workload.limit,
    )
    running.record = [_make(provider.get_meter(each.meter, "1", "url"), each) for each in workload.instruments]
    return running


def _reader(reading: Reading, limit: int) -> export.InMemoryMetricReader:
    return export.InMemoryMetricReader(
        {CLASSES[kind]: export.AggregationTemporality.DELTA for kind in reading.deltas},
        {CLASSES[kind]: official_aggregation(each) for kind, each in reading.preferred},
        dict.fromkeys(CLASSES.values(), limit),
    )


def _make(meter: Meter, made: Made) -> Callable[[float, Any], None]:
    words = {"unit": made.unit, "description": made.description}
    match made.kind:
        case "counter":
            return meter.create_counter(made.name, **words).add
        case "updowncounter":
            return meter.create_up_down_counter(made.name, **words).add
        case "gauge":
            return meter.create_gauge(made.name, **words).set
        case "histogram":
            return meter.create_histogram(made.name, **words, explicit_bucket_boundaries_advisory=made.advised).record
        case _:
            observations: Observations = []

            def observe(_: CallbackOptions) -> list[Observation]:
                return [Observation(value, attributes) for value, attributes in observations]

            create: Callable[..., object] = {
                "observable_counter": meter.create_observable_counter,
                "observable_updowncounter": meter.create_observable_up_down_counter,
                "observable_gauge": meter.create_observable_gauge,
            }[made.kind]
            create(made.name, [observe], **words)
            return lambda value, attributes: observations.append((value, attributes))


def official_aggregation(aggregation: Aggregation | None) -> view.Aggregation:
    """Return the official SDK's form of an own aggregation."""
    match aggregation:
        case Drop():
            return view.DropAggregation()
        case Sum():
            return view.SumAggregation()
        case LastValue():
            return view.LastValueAggregation()
        case ExplicitBuckets(bounds, record_min_max):
            return view.ExplicitBucketHistogramAggregation(bounds, record_min_max)
        case ExponentialBuckets(max_size, max_scale, record_min_max):
            return view.ExponentialBucketHistogramAggregation(max_size, max_scale, record_min_max)
        case None:
            return view.DefaultAggregation()


def official_view(own: View) -> view.View:
    """Return the official SDK's form of an own view."""
    return view.View(
        instrument_type=CLASSES[own.instrument_type] if own.instrument_type else None,
        instrument_name=own.instrument_name,
        instrument_unit=own.instrument_unit,
        meter_name=own.meter_name,
        meter_version=own.meter_version,
        meter_schema_url=own.meter_schema_url,
        name=own.name,
        description=own.description,
        attribute_keys=set(own.attribute_keys) if own.attribute_keys is not None else None,
        aggregation=official_aggregation(own.aggregation),
        aggregation_cardinality_limit=own.cardinality_limit,
    )


def comparable(data: export.MetricsData | None, *, drop_unchanged: bool = True) -> list[Any]:
    """Return the metrics in an order of their own, with times masked, and without what is deviated from on purpose.

    Args:
        data: of one collection.
        drop_unchanged: leave out deltas of sums that have not changed; ours are never told, the SDK's are if somebody
            added nothing, or the same forth and back.
    """
    metrics = []
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = [
                    _comparable_point(point)
                    for point in metric.data.data_points
                    if not (drop_unchanged and _is_unchanged(metric.data, point))
                ]
                if points:
                    metrics.append(
                        (
                            dict(resource.resource.attributes),
                            (scope.scope.name, scope.scope.version, scope.scope.schema_url),
                            (metric.name, metric.unit, metric.description),
                            type(metric.data).__name__,
                            getattr(metric.data, "aggregation_temporality", None),
                            getattr(metric.data, "is_monotonic", None),
                            sorted(points, key=repr),
                        )
                    )
    return sorted(metrics, key=repr)


def _is_unchanged(data: Any, point: Any) -> bool:
    return (
        isinstance(data, export.Sum)
        and data.aggregation_temporality is export.AggregationTemporality.DELTA
        and point.value == 0
    )


def _comparable_point(point: Any) -> tuple[Any, ...]:
    key = repr(_hash_attributes(point.attributes))
    has_start = bool(point.start_time_unix_nano)
    assert point.time_unix_nano >= (point.start_time_unix_nano or 0)
    if isinstance(point, export.NumberDataPoint):
        return key, has_start, *_number(point.value)
    measured = (point.count, *_number(point.sum), point.min, point.max)
    if isinstance(point, export.HistogramDataPoint):
        return key, has_start, *measured, tuple(point.bucket_counts), tuple(point.explicit_bounds)
    return key, has_start, *measured, point.scale, point.zero_count, _side(point.positive), _side(point.negative)


def _number(value: float) -> tuple[str, float]:
    """Tell what OTLP tells apart; what does not fit into its ints, the SDK cannot write."""
    is_whole = isinstance(value, int) and -(2**63) <= value < 2**63
    return ("int", int(value)) if is_whole else ("float", float(value))


def _side(buckets: export.Buckets) -> tuple[tuple[int, int], ...]:
    return tuple((index, count) for index, count in enumerate(buckets.bucket_counts, buckets.offset) if count)


def coarsened(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return comparable data of exponential histograms, with points brought to the coarser scale of the two."""
    return [_coarsened(*pair) for pair in pairs]


def _coarsened(theirs: list[Any], ours: list[Any]) -> tuple[list[Any], list[Any]]:
    scales: dict[Any, int] = {}
    for metrics in (theirs, ours):
        for metric in metrics:
            for point in metric[-1]:
                key = (*metric[2], point[0])
                scales[key] = min(scales.get(key, 99), point[7])
    return tuple(  # type: ignore[return-value]
        [
            (*metric[:-1], sorted([_at_scale(point, scales[(*metric[2], point[0])]) for point in metric[-1]], key=repr))
            for metric in metrics
        ]
        for metrics in (theirs, ours)
    )


def _at_scale(point: tuple[Any, ...], scale: int) -> tuple[Any, ...]:
    *start, own, zeros, positive, negative = point
    return (*start, scale, zeros, *(_merged(side, own - scale) for side in (positive, negative)))


def _merged(side: tuple[tuple[int, int], ...], by: int) -> tuple[tuple[int, int], ...]:
    merged: dict[int, int] = {}
    for index, count in side:
        merged[index >> by] = merged.get(index >> by, 0) + count
    return tuple(sorted(merged.items()))
