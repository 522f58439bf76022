"""What a collection of metrics holds: the data model of OTLP's metrics, as plain objects.

Readers make of it what they need: OTLP bytes, the metrics page, or the official SDK's objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from capibara_otel.pipeline.scope import Resource, Scope

InstrumentKind: TypeAlias = Literal[
    "counter",
    "updowncounter",
    "gauge",
    "histogram",
    "observable_counter",
    "observable_updowncounter",
    "observable_gauge",
]
MetricKind: TypeAlias = Literal["sum", "gauge", "histogram", "exponential_histogram"]
Temporality: TypeAlias = Literal["cumulative", "delta"]


class Series:
    """One set of attributes of one metric, the same object from its first to its last collection.

    Args:
        attributes: the set, cleaned; never changed.
    """

    __slots__ = ("attributes", "otlp", "page")

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        self.page: Any = None
        """Where the metrics page keeps what it has written of this series before."""
        self.otlp: bytes | None = None
        """Where the OTLP encoder keeps the attributes as it has written them before."""


@dataclass(slots=True, eq=False)
class Exemplar:
    """One measurement, with the trace it was made in."""

    value: float
    """An int where the measurement was one."""
    time_ns: int
    trace_id: int
    """0 outside of a trace."""
    span_id: int
    attributes: Mapping[str, Any]
    """What the measurement carried and the series does not."""


@dataclass(slots=True, eq=False)
class NumberPoint:
    """A sum or a gauge of one series."""

    series: Series
    start_ns: int
    """0 for a gauge."""
    time_ns: int
    value: float
    """An int where every measurement was one; OTLP tells `asInt` from `asDouble`."""
    exemplars: Sequence[Exemplar] = ()
    written_ns: int = 0
    """When the value of a gauge was set, for pages that several processes share; 0 where nobody noted it."""


@dataclass(slots=True, eq=False)
class HistogramPoint:
    """A histogram of one series; `counts` has one more item than `bounds`, and `count` is their sum."""

    series: Series
    start_ns: int
    time_ns: int
    count: int
    sum: float
    minimum: float | None
    maximum: float | None
    bounds: Sequence[float]
    counts: Sequence[int]
    exemplars: Sequence[Exemplar] = ()


@dataclass(slots=True, eq=False)
class ExponentialPoint:
    """A base-2 exponential histogram of one series."""

    series: Series
    start_ns: int
    time_ns: int
    count: int
    sum: float
    minimum: float | None
    maximum: float | None
    scale: int
    zero_count: int
    positive_offset: int
    positive_counts: Sequence[int]
    negative_offset: int
    negative_counts: Sequence[int]
    exemplars: Sequence[Exemplar] = ()


Point: TypeAlias = NumberPoint | HistogramPoint | ExponentialPoint


@dataclass(slots=True, eq=False)
class Metric:
    """All series of one metric in one collection."""

    name: str
    description: str
    unit: str
    kind: MetricKind
    temporality: Temporality
    """`cumulative` for a gauge, where it means nothing."""
    monotonic: bool
    """Whether a sum never falls; False for everything else."""
    points: Sequence[Point]


@dataclass(slots=True, eq=False)
class ScopeMetrics:
    """The metrics of one scope."""

    scope: Scope
    metrics: Sequence[Metric]


@dataclass(slots=True, eq=False)
class Collection:
    """What one collection of one reader found."""

    resource: Resource
    scopes: Sequence[ScopeMetrics]

    @property
    def points(self) -> int:
        """How many points there are."""
        return sum(len(metric.points) for scope in self.scopes for metric in scope.metrics)
