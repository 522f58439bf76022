"""Collections of metrics made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prometheus_client.metrics_core import Metric as Parsed
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from capibara_otel.pipeline.metrics.data import (
    Collection,
    Exemplar,
    ExponentialPoint,
    HistogramPoint,
    Metric,
    MetricKind,
    NumberPoint,
    Point,
    ScopeMetrics,
    Series,
)
from capibara_otel.pipeline.page.exposition import Exposition
from capibara_otel.pipeline.scope import Resource, Scope

OPENMETRICS: Final = "application/openmetrics-text;version=1.0.0"
NOW_NS: Final = 1_700_000_000_500_000_000

Labels = Mapping[str, Any]


def exemplar(value: float, trace: int = 1, attributes: Labels | None = None, *, at_ns: int = NOW_NS) -> Exemplar:
    """Return a measurement made in a trace."""
    return Exemplar(value, at_ns, trace, trace, attributes or {})


def number(value: float, labels: Labels | None = None, *exemplars: Exemplar, written_ns: int = 0) -> NumberPoint:
    """Return the value of a sum or gauge."""
    return NumberPoint(Series(labels or {}), 1, NOW_NS, value, exemplars, written_ns)


def timed(
    counts: Sequence[int],
    bounds: Sequence[float] = (0.1, 1.0),
    labels: Labels | None = None,
    *exemplars: Exemplar,
    total: float = 1.5,
) -> HistogramPoint:
    """Return a histogram."""
    return HistogramPoint(Series(labels or {}), 1, NOW_NS, sum(counts), total, None, None, bounds, counts, exemplars)


def exponential() -> ExponentialPoint:
    """Return a histogram that has no explicit buckets."""
    return ExponentialPoint(Series({}), 1, NOW_NS, 1, 1.0, 1.0, 1.0, 0, 0, 0, (1,), 0, ())


def metric(kind: MetricKind, name: str, *points: Point, unit: str = "", text: str = "A text.") -> Metric:
    """Return a metric."""
    return Metric(name, text, unit, kind, "cumulative", False, points)  # noqa: FBT003 - as it stands in the record


def counter(name: str, *points: Point, unit: str = "", text: str = "A text.") -> Metric:
    """Return a sum that never falls."""
    return Metric(name, text, unit, "sum", "cumulative", True, points)  # noqa: FBT003 - as it stands in the record


def collection(*metrics: Metric, resource: Labels | None = None) -> Collection:
    """Return all metrics of one scope."""
    return Collection(Resource(resource or {}), [ScopeMetrics(Scope("test"), metrics)])


def page(*metrics: Metric, accept: str | None = None, resource: Labels | None = None) -> str:
    """Return the page that shows these metrics."""
    made = collection(*metrics, resource=resource)
    return Exposition(lambda: made).render(accept).body.decode()


def families(text: str) -> dict[str, Parsed]:
    """Return what a parser of either format finds on a page."""
    parsed = parse_openmetrics(text) if text.endswith("# EOF\n") else parse_text(text)  # type: ignore[no-untyped-call]
    found = list(parsed)
    assert len({family.name for family in found}) == len(found), text
    return {family.name: family for family in found}


def samples(text: str) -> list[Sample]:
    """Return all samples of a page, in either format."""
    return [sample for family in families(text).values() for sample in family.samples]


def labels(text: str, name: str) -> list[dict[str, str]]:
    """Return the labels of all samples of one name."""
    return [sample.labels for sample in samples(text) if sample.name == name]
