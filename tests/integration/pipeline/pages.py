"""What a metrics page says, and what is pushed over OTLP, in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, Self, TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from capibara_otel.pipeline.page.spelling import bound
from capibara_otel.semconv import promnames
from capibara_otel.semconv.metrics import METRICS
from tests.unit.pipeline.page.made import samples

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels of a sample."""

_MOVING: Final = {
    name for spec in METRICS if spec.subsystem in {"system", "telemetry"} for name in promnames.samples(spec)
} | {"target_info"}


class Page:
    """Samples of a page.

    Args:
        values: by name and labels.
    """

    def __init__(self, values: Mapping[Key, float]) -> None:
        self.values = values

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a page, in either format."""
        return cls({(each.name, _key(each.labels)): each.value for each in samples(text)})

    @classmethod
    def pushed(cls, request: ExportMetricsServiceRequest) -> Self:
        """Return what a page would show of cumulative metrics that were pushed."""
        scopes = [scope for resource in request.resource_metrics for scope in resource.scope_metrics]
        return cls({key: value for scope in scopes for metric in scope.metrics for key, value in _shown(metric)})

    @property
    def settled(self) -> Mapping[Key, float]:
        """What stands still while nobody asks anything: not what tells of the machine and of the telemetry."""
        return {key: value for key, value in self.values.items() if key[0] not in _MOVING}

    @property
    def requests(self) -> int:
        """How many requests it tells of."""
        return self.total("capibara6_api_requests_total")

    def total(self, name: str, **labels: str) -> int:
        """Add up the samples of a name that have these labels."""
        wanted = labels.items()
        return int(
            sum(value for (each, pairs), value in self.values.items() if each == name and wanted <= dict(pairs).items())
        )

    def by(self, name: str, of: str) -> dict[str, float]:
        """Return the samples of a name by the value of a label, which is empty where it is missing."""
        return {dict(pairs).get(of, ""): value for (each, pairs), value in self.values.items() if each == name}


def _key(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _shown(metric: Metric) -> Iterator[tuple[Key, float]]:
    is_counter = metric.sum.is_monotonic
    name = promnames.family(metric.name, metric.unit, "counter" if is_counter else "gauge")
    for point in metric.sum.data_points or metric.gauge.data_points:
        yield (name, _labels(point.attributes)), point.as_int or point.as_double
    name = promnames.family(metric.name, metric.unit, "histogram")
    for timed in metric.histogram.data_points:
        bounds = [*map(bound, timed.explicit_bounds), "+Inf"]
        for each, count in zip(bounds, accumulate(timed.bucket_counts), strict=True):
            yield (f"{name}_bucket", _labels(timed.attributes, le=each)), count
        yield (f"{name}_count", _labels(timed.attributes)), timed.count
        yield (f"{name}_sum", _labels(timed.attributes)), timed.sum


def _labels(attributes: Any, **more: str) -> tuple[tuple[str, str], ...]:
    return _key({**{promnames.label(pair.key): _text(pair) for pair in attributes}, **more})


def _text(pair: KeyValue) -> str:
    value = getattr(pair.value, str(pair.value.WhichOneof("value")))
    return str(value).lower() if isinstance(value, bool) else str(value)
