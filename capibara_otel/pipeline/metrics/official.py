"""Joins the official SDK's readers to the own provider, and gives its objects to whoever wants those.

The SDK is imported by the functions, so that nobody pays for it who does not use it.
"""

# ruff: noqa: PLC0415, SLF001 - the SDK is imported where it is used, and has no other way to read what it was told

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from capibara_otel.pipeline.metrics.data import (
    Collection,
    Exemplar,
    HistogramPoint,
    InstrumentKind,
    Metric,
    NumberPoint,
    Temporality,
)
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import (
    Aggregation,
    Drop,
    ExplicitBuckets,
    ExponentialBuckets,
    LastValue,
    Sum,
)
from capibara_otel.pipeline.scope import Resource, Scope

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import export
    from opentelemetry.sdk.resources import Resource as OfficialResource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

logger: Final = logging.getLogger(__name__)

_SDK_LIMIT: Final = 2000
"""Of a reader that has said nothing about it; the provider's own limit holds then."""
_FINEST_SCALE: Final = 20


def bridge(reader: Any, provider: Any) -> Reader | None:
    """Have a reader of the official SDK read what the own reader that is returned reads.

    Args:
        reader: a `MetricReader`.
        provider: the own meter provider, from which the reader may take a meter for its own metrics.

    Returns:
        The reader to add to the provider, or None if the official one cannot be added.
    """
    from opentelemetry.sdk.metrics.export import MetricReader

    if not isinstance(reader, MetricReader):
        logger.warning("%s is no reader of metrics and is not added", type(reader).__name__)
        return None
    if reader._collect is not None:
        logger.warning("a reader can be added to one provider, and once")
        return None
    own = Reader(
        {kind: _temporality(value) for kind, value in _by_kind(reader._instrument_class_temporality).items()},
        {
            kind: aggregation
            for kind, value in _by_kind(reader._instrument_class_aggregation).items()
            if (aggregation := _aggregation(value)) is not None
        },
        limits={
            kind: limit
            for kind, limit in _by_kind(reader._instrument_class_cardinality_limit).items()
            if limit != _SDK_LIMIT
        },
    )

    def collect(_: MetricReader, timeout_millis: float = 10_000) -> export.MetricsData | None:
        return to_official(own.collect(timeout_millis))

    reader._set_collect_callback(collect)  # type: ignore[arg-type]
    reader._set_meter_provider(provider)
    return own


def to_official(collection: Collection) -> export.MetricsData | None:
    """Return a collection as the official SDK's objects, or None if it holds nothing, as the SDK's readers expect.

    Args:
        collection: of an own reader.
    """
    from opentelemetry.sdk.metrics import export

    if not collection.scopes:
        return None
    resource = official_resource(collection.resource)
    scopes = [
        export.ScopeMetrics(
            scope=_scope(each.scope),
            metrics=[_metric(metric) for metric in each.metrics],
            schema_url=each.scope.schema_url,
        )
        for each in collection.scopes
    ]
    return export.MetricsData(
        resource_metrics=[
            export.ResourceMetrics(resource=resource, scope_metrics=scopes, schema_url=resource.schema_url)
        ]
    )


@lru_cache(maxsize=16)
def official_resource(resource: Resource) -> OfficialResource:
    """Return a resource as the official SDK's object, the same one each time."""
    from opentelemetry.sdk.resources import Resource as OfficialResource

    return OfficialResource(dict(resource.attributes), resource.schema_url or None)


@lru_cache(maxsize=1024)
def _scope(scope: Scope) -> InstrumentationScope:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope(scope.name, scope.version or None, scope.schema_url or None, dict(scope.attributes))


def _metric(metric: Metric) -> export.Metric:
    from opentelemetry.sdk.metrics import export

    temporality = export.AggregationTemporality[metric.temporality.upper()]
    points: Any = [_point(point) for point in metric.points]
    data: export.DataT
    match metric.kind:
        case "sum":
            data = export.Sum(points, temporality, metric.monotonic)
        case "gauge":
            data = export.Gauge(points)
        case "histogram":
            data = export.Histogram(points, temporality)
        case "exponential_histogram":
            data = export.ExponentialHistogram(points, temporality)
    return export.Metric(name=metric.name, description=metric.description, unit=metric.unit, data=data)


def _point(point: Any) -> Any:
    from opentelemetry.sdk.metrics import export

    words: dict[str, Any] = {
        "attributes": dict(point.series.attributes),
        "start_time_unix_nano": point.start_ns,
        "time_unix_nano": point.time_ns,
        "exemplars": [_exemplar(exemplar) for exemplar in point.exemplars],
    }
    if isinstance(point, NumberPoint):
        words["start_time_unix_nano"] = point.start_ns or None
        return export.NumberDataPoint(value=point.value, **words)
    words |= {
        "count": point.count,
        "sum": point.sum,
        "min": math.inf if point.minimum is None else point.minimum,
        "max": -math.inf if point.maximum is None else point.maximum,
    }
    if isinstance(point, HistogramPoint):
        return export.HistogramDataPoint(
            bucket_counts=tuple(point.counts), explicit_bounds=tuple(point.bounds), **words
        )
    return export.ExponentialHistogramDataPoint(
        scale=point.scale,
        zero_count=point.zero_count,
        positive=export.Buckets(point.positive_offset, list(point.positive_counts)),
        negative=export.Buckets(point.negative_offset, list(point.negative_counts)),
        flags=0,
        **words,
    )


def _exemplar(exemplar: Exemplar) -> Any:
    from opentelemetry.sdk.metrics import Exemplar as OfficialExemplar

    return OfficialExemplar(
        dict(exemplar.attributes),
        exemplar.value,
        exemplar.time_ns,
        exemplar.span_id or None,
        exemplar.trace_id or None,
    )


def _by_kind(by_class: Mapping[Any, Any]) -> dict[InstrumentKind, Any]:
    from opentelemetry.sdk import metrics

    kinds: list[tuple[type, InstrumentKind]] = [
        (metrics.Counter, "counter"),
        (metrics.UpDownCounter, "updowncounter"),
        (metrics.Histogram, "histogram"),
        (metrics.ObservableCounter, "observable_counter"),
        (metrics.ObservableUpDownCounter, "observable_updowncounter"),
        (metrics.ObservableGauge, "observable_gauge"),
        (metrics._Gauge, "gauge"),
    ]
    return {kind: value for each, value in by_class.items() for base, kind in kinds if issubclass(each, base)}


def _temporality(temporality: Any) -> Temporality:
    return "delta" if temporality.name == "DELTA" else "cumulative"


def _aggregation(aggregation: Any) -> Aggregation | None:  # noqa: PLR0911 - one line for each class
    from opentelemetry.sdk.metrics import view

    match aggregation:
        case view.DropAggregation():
            return Drop()
        case view.SumAggregation():
            return Sum()
        case view.LastValueAggregation():
            return LastValue()
        case view.ExplicitBucketHistogramAggregation():
            return ExplicitBuckets(aggregation._boundaries, aggregation._record_min_max)
        case view.ExponentialBucketHistogramAggregation():
            return ExponentialBuckets(
                aggregation._max_size, min(aggregation._max_scale, _FINEST_SCALE), aggregation._record_min_max
            )
        case view.DefaultAggregation():
            return None
    logger.warning("a reader prefers %s, which is not known here; the default is used", type(aggregation).__name__)
    return None
