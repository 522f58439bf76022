"""How measurements become metrics: aggregations, and views that choose and change them."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, Final, TypeAlias

from capibara_otel.pipeline.metrics.data import InstrumentKind
from capibara_otel.pipeline.scope import Scope

logger: Final = logging.getLogger(__name__)

DEFAULT_BOUNDS: Final = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2.5e3, 5e3, 7.5e3, 1e4)
"""Of histograms that say nothing else; OpenTelemetry's specification of the SDK's explicit bucket aggregation."""

_MOST_BUCKETS: Final = 16_384
_FINEST_SCALE: Final = 20
_COARSEST_SCALE: Final = -10


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing is recorded."""


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of the measurements."""


@dataclass(frozen=True, slots=True)
class LastValue:
    """The last measurement."""


@dataclass(frozen=True, slots=True)
class ExplicitBuckets:
    """A histogram with bounds that are known before.

    Args:
        bounds: upper bounds, included, rising; by default what the instrument advises, else `DEFAULT_BOUNDS`.
        record_min_max: whether to keep the smallest and the largest measurement.

    Raises:
        ValueError: the bounds are not finite or do not rise.
    """

    bounds: Sequence[float] | None = None
    record_min_max: bool = True

    def __post_init__(self) -> None:
        if self.bounds is not None:
            bounds = tuple(self.bounds)
            if not are_bounds(bounds):
                raise ValueError(f"bounds of buckets must be finite and rise, not {bounds}")
            object.__setattr__(self, "bounds", tuple(map(float, bounds)))


@dataclass(frozen=True, slots=True)
class ExponentialBuckets:
    """A base-2 exponential histogram.

    Args:
        max_size: most buckets for positive and for negative values each, 2 to 16384.
        max_scale: finest resolution, -10 to 20.
        record_min_max: whether to keep the smallest and the largest measurement.

    Raises:
        ValueError: a size or a scale out of range.
    """

    max_size: int = 160
    max_scale: int = 20
    record_min_max: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.max_size <= _MOST_BUCKETS:  # noqa: PLR2004 - a smallest size, told above
            raise ValueError(f"max_size must be 2 to {_MOST_BUCKETS}, not {self.max_size}")
        if not _COARSEST_SCALE <= self.max_scale <= _FINEST_SCALE:
            raise ValueError(f"max_scale must be {_COARSEST_SCALE} to {_FINEST_SCALE}, not {self.max_scale}")


Aggregation: TypeAlias = Drop | Sum | LastValue | ExplicitBuckets | ExponentialBuckets


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Chooses instruments and changes the metric they make. Each view that fits an instrument makes one of it.

    The first six arguments choose, and all that are given must fit; the others change.

    Args:
        instrument_name: may have the wildcards `*` and `?`; upper and lower case are the same.
        instrument_type: the kind of instrument.
        instrument_unit: may have wildcards.
        meter_name: of the scope.
        meter_version: of the scope.
        meter_schema_url: of the scope.
        name: of the metric; the instrument's by default.
        description: of the metric; the instrument's by default.
        attribute_keys: the only attributes a series keeps; all by default.
        aggregation: how to aggregate; what the reader prefers by default.
        cardinality_limit: most series, besides the one that takes what goes beyond; the provider's by default.

    Raises:
        ValueError: nothing is chosen, a name is given to whatever fits a wildcard, or the limit is below 1.
    """

    instrument_name: str | None = None
    instrument_type: InstrumentKind | None = None
    instrument_unit: str | None = None
    meter_name: str | None = None
    meter_version: str | None = None
    meter_schema_url: str | None = None
    name: str | None = None
    description: str | None = None
    attribute_keys: AbstractSet[str] | None = None
    aggregation: Aggregation | None = None
    cardinality_limit: int | None = None

    def __post_init__(self) -> None:
        criteria = (self.instrument_name, self.instrument_type, self.instrument_unit)
        if all(each is None for each in (*criteria, self.meter_name, self.meter_version, self.meter_schema_url)):
            raise ValueError("a view needs something to choose instruments by, such as instrument_name='*'")
        if self.name is not None and self.instrument_name is not None and set("*?") & set(self.instrument_name):
            raise ValueError(f"the view {self.name} would give its name to all that fit {self.instrument_name!r}")
        if self.cardinality_limit is not None and self.cardinality_limit < 1:
            raise ValueError(f"cardinality_limit must be at least 1, not {self.cardinality_limit}")
        if self.attribute_keys is not None:
            object.__setattr__(self, "attribute_keys", frozenset(self.attribute_keys))

    def fits(self, kind: InstrumentKind, name: str, unit: str, scope: Scope) -> bool:
        """Tell whether an instrument is chosen.

        Args:
            kind: of the instrument.
            name: in lower case.
            unit: of the instrument.
            scope: of its meter.
        """
        return (
            self.instrument_type in {None, kind}
            and (self.instrument_name is None or fnmatchcase(name, self.instrument_name.lower()))
            and (self.instrument_unit is None or fnmatchcase(unit, self.instrument_unit))
            and self.meter_name in {None, scope.name}
            and self.meter_version in {None, scope.version}
            and self.meter_schema_url in {None, scope.schema_url}
        )


def are_bounds(bounds: Sequence[Any]) -> bool:
    """Tell whether these can be the bounds of buckets: finite numbers that rise."""
    return all(isinstance(each, int | float) and -math.inf < each < math.inf for each in bounds) and all(
        low < high for low, high in pairwise(bounds)
    )


def chosen(
    kind: InstrumentKind, view: View | None, preferred: Aggregation | None, advised: Sequence[float] | None
) -> Aggregation:
    """Return how an instrument is aggregated for a reader.

    Args:
        kind: of the instrument.
        view: that fits it.
        preferred: by the reader, for this kind.
        advised: bounds that the instrument advises.
    """
    found = (view.aggregation if view is not None else None) or preferred or _default(kind)
    if isinstance(found, ExplicitBuckets) and found.bounds is None:
        return ExplicitBuckets(DEFAULT_BOUNDS if advised is None else advised, found.record_min_max)
    return found


def _default(kind: InstrumentKind) -> Aggregation:
    if kind == "histogram":
        return ExplicitBuckets()
    return LastValue() if kind in {"gauge", "observable_gauge"} else Sum()
