"""Reads the official SDK's metrics for those who push them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader, MetricsData
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation

from capibara_otel.pipeline.environment import prefers_exponential, temporality_preference


class PushReader(MetricReader):
    """Hands over what a collection finds. Only one thread may read.

    The SDK's own periodic reader exports in the caller's thread when flushed, whatever the deadline, and keeps a lock
    that a forked child finds held.

    Args:
        environ: the environment, checked already; the OTLP preferences are read.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(preferred_temporality=temporality(environ), preferred_aggregation=aggregation(environ))
        self._found = MetricsData([])

    def read(self) -> MetricsData:
        """Collect."""
        self._found = MetricsData([])
        self.collect()
        return self._found

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Do nothing: whoever reads ends before."""

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:  # noqa: ARG002
        self._found = metrics_data


def temporality(environ: Mapping[str, str]) -> dict[type, AggregationTemporality]:
    """Return what `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says; cumulative where it says nothing."""
    delta: dict[str, tuple[type, ...]] = {
        "delta": (Counter, ObservableCounter, Histogram),
        "lowmemory": (Counter, Histogram),
    }
    return dict.fromkeys(delta.get(temporality_preference(environ), ()), AggregationTemporality.DELTA)


def aggregation(environ: Mapping[str, str]) -> dict[type, Aggregation]:
    """Return what `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` says."""
    return {Histogram: ExponentialBucketHistogramAggregation()} if prefers_exponential(environ) else {}


def count_points(metrics_data: MetricsData) -> int:
    """Return how many data points a collection holds."""
    return sum(
        len(metric.data.data_points)
        for resource in metrics_data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
