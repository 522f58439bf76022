"""Views of the own pipeline as the official SDK has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
)
from opentelemetry.sdk.metrics.view import View as OfficialView

from capibara_otel.pipeline.metrics import views as own

_INSTRUMENTS: Final = {
    "counter": sdk.Counter,
    "updowncounter": sdk.UpDownCounter,
    "gauge": sdk._Gauge,  # noqa: SLF001 - the SDK has no other name for it
    "histogram": sdk.Histogram,
    "observable_counter": sdk.ObservableCounter,
    "observable_updowncounter": sdk.ObservableUpDownCounter,
    "observable_gauge": sdk.ObservableGauge,
}


def official_views(views: Sequence[own.View]) -> list[OfficialView]:
    """Return the same views for the SDK.

    Args:
        views: of the own pipeline.
    """
    return [
        OfficialView(
            instrument_type=None if view.instrument_type is None else _INSTRUMENTS[view.instrument_type],
            instrument_name=view.instrument_name,
            instrument_unit=view.instrument_unit,
            meter_name=view.meter_name,
            meter_version=view.meter_version,
            meter_schema_url=view.meter_schema_url,
            name=view.name,
            description=view.description,
            attribute_keys=None if view.attribute_keys is None else set(view.attribute_keys),
            aggregation=_aggregation(view.aggregation),
            aggregation_cardinality_limit=view.cardinality_limit,
        )
        for view in views
    ]


def limit_series(reader: MetricReader, limit: int) -> MetricReader:
    """Have a reader keep at most so many series of each metric; the official page's constructor takes no such limit.

    Args:
        reader: not added to a provider yet.
        limit: most series.
    """
    kinds: dict[type, int] = getattr(reader, "_instrument_class_cardinality_limit", {})
    for kind in kinds:
        kinds[kind] = limit
    return reader


def _aggregation(chosen: own.Aggregation | None) -> Aggregation | None:
    match chosen:
        case own.Drop():
            return DropAggregation()
        case own.Sum():
            return SumAggregation()
        case own.LastValue():
            return LastValueAggregation()
        case own.ExplicitBuckets(bounds, record_min_max):
            return ExplicitBucketHistogramAggregation(bounds, record_min_max)
        case own.ExponentialBuckets(max_size, max_scale):
            return ExponentialBucketHistogramAggregation(max_size=max_size, max_scale=max_scale)
        case None:
            return None
