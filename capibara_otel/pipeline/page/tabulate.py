"""Makes a snapshot of a collection of metrics."""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from capibara_otel._safety import Once
from capibara_otel.pipeline.metrics.data import (
    Collection,
    Exemplar,
    HistogramPoint,
    Metric,
    NumberPoint,
    Point,
    Series,
)
from capibara_otel.pipeline.page import spelling
from capibara_otel.pipeline.page.pauses import with_pauses
from capibara_otel.pipeline.page.table import (
    Catalog,
    Family,
    FamilyKind,
    Rule,
    Snapshot,
    Table,
    WrittenExemplar,
    compact,
)
from capibara_otel.pipeline.scope import Resource
from capibara_otel.semconv import promnames, specs

GaugeRule: TypeAlias = Callable[[str], specs.Rule]
"""Says for the name of a gauge how the values of several processes become one."""

_Carrier: TypeAlias = tuple[int, NumberPoint | HistogramPoint]
_Gauge: TypeAlias = tuple[int, Sequence[NumberPoint]]


@dataclass(slots=True, eq=False)
class _Shape:
    """The table of collections that hold the same series, and what is to be done with their numbers."""

    key: list[object]
    table: Table
    folds: list[_Fold] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Fold:
    """Two series that Prometheus cannot tell apart: the numbers at `source` belong to those at `target`."""

    rule: Rule
    target: int
    source: int
    width: int

    def apply(self, values: list[float]) -> None:
        for step in range(self.width):
            source, target = self.source + step, self.target + step
            values[target] = (
                values[source] if self.rule == "latest" else _UNITE[self.rule](values[target], values[source])
            )


_UNITE: Final[Mapping[Rule, Callable[[float, float], float]]] = {
    "total": operator.add,
    "sum": operator.add,
    "max": max,
    "min": min,
}


class Tabulator:
    """Makes snapshots; remembers the table as long as the same series are there. Any number of threads may ask.

    Args:
        gauge_rule: how the values that several processes have of a gauge become one.
    """

    def __init__(self, gauge_rule: GaugeRule | None = None) -> None:
        self._gauge_rule: Final = gauge_rule
        self._said: Final = Once()
        self._shape = _Shape([], Table((), 0))
        self._target: tuple[Resource, Mapping[str, str]] = (Resource(), {})

    def snapshot(self, collection: Collection, *, with_exemplars: bool) -> Snapshot:
        """Make a snapshot.

        Args:
            collection: cumulative.
            with_exemplars: whether its exemplars are written, too.
        """
        key, values, carriers, gauges = _flatten(collection)
        shape = self._shape
        if shape.key != key:
            shape = self._shape = self._tabulate(collection, key)
        exemplars = _exemplars(carriers) if with_exemplars and carriers else {}
        for fold in shape.folds:
            fold.apply(values)
            _move(exemplars, fold)
        written = {
            slot: WrittenExemplar(each.time_ns, spelling.exemplar(each))
            for slot, each in with_pauses(exemplars.items())
        }
        set_at = {start + at: point.written_ns for start, points in gauges for at, point in enumerate(points)}
        return Snapshot(shape.table, values, written, self._target_of(collection.resource), set_at)

    def _target_of(self, resource: Resource) -> Mapping[str, str]:
        known, target = self._target
        if known is not resource:
            target = spelling.info_labels(resource.attributes)
            self._target = resource, target
        return target

    def _tabulate(self, collection: Collection, key: list[object]) -> _Shape:
        catalog = Catalog(self._said)
        slots: dict[str, dict[str, int]] = {}
        folds: list[_Fold] = []
        for metric, start in _placed(collection):
            family = self._family(metric, catalog)
            if family is None:
                continue
            there = slots.setdefault(family.name, {})
            slot = start
            for point in metric.points:
                labels = _labels(point.series, family.kind)
                width = _width(point)
                if isinstance(point, HistogramPoint) and tuple(point.bounds) != family.bounds:
                    catalog.refuse(metric.name, "it has other buckets than the rest of its family")
                elif labels in there:
                    folds.append(_Fold(family.rule, there[labels], slot, width))
                else:
                    there[labels] = slot
                slot += width
        families = [family for family in catalog.families if slots[family.name]]
        for family in families:
            family.labels = list(slots[family.name])
            family.slots = compact(list(slots[family.name].values()), family.width)
        return _Shape(key, Table(families, sum(map(_width, _points(collection)))), folds)

    def _family(self, metric: Metric, catalog: Catalog) -> Family | None:
        if metric.kind == "exponential_histogram":
            catalog.refuse(metric.name, "the text formats have no ExponentialHistogram")
            return None
        kind: FamilyKind = "gauge"
        rule: Rule = "sum"
        instrument: str = metric.kind
        if metric.kind == "histogram":
            kind, rule = "histogram", "total"
        elif metric.kind == "gauge":
            rule = self._gauge_rule(metric.name) if self._gauge_rule is not None else "latest"
        elif metric.monotonic:
            kind, rule, instrument = "counter", "total", "counter"
        name = promnames.family(metric.name, metric.unit, instrument)
        if kind == "counter":
            name = name.removesuffix("_total")
        if not name:
            catalog.refuse(metric.name, "nothing is left of its name in Prometheus")
            return None
        unit = "_".join(promnames.unit_tokens(metric.unit)) or ("ratio" if metric.unit == "1" else "")
        bounds = tuple(cast("HistogramPoint", metric.points[0]).bounds) if kind == "histogram" and metric.points else ()
        like = Family(name, kind, metric.description, unit if name.endswith(f"_{unit}") else "", rule, bounds)
        return catalog.take(like, metric.name)


def _flatten(collection: Collection) -> tuple[list[object], list[float], list[_Carrier], list[_Gauge]]:
    """Return what a collection is made of, by which it is known again; its numbers; the exemplars; the gauges."""
    key: list[object] = []
    values: list[float] = []
    carriers: list[_Carrier] = []
    gauges: list[_Gauge] = []
    for scope in collection.scopes:
        for metric in scope.metrics:
            points = metric.points
            key += (metric.name, metric.kind, metric.unit, metric.description, metric.monotonic)
            key += [point.series for point in points]
            if metric.kind == "histogram":
                for histogram in cast("Sequence[HistogramPoint]", points):
                    if histogram.exemplars:
                        carriers.append((len(values), histogram))
                    key.append(histogram.bounds)
                    values += histogram.counts
                    values.append(histogram.sum)
            elif metric.kind != "exponential_histogram":
                numbers = cast("Sequence[NumberPoint]", points)
                start = len(values)
                if metric.kind == "gauge":
                    gauges.append((start, numbers))
                elif metric.monotonic:
                    carriers += [(start + index, each) for index, each in enumerate(numbers) if each.exemplars]
                values += [number.value for number in numbers]
    return key, values, carriers, gauges


def _placed(collection: Collection) -> Iterator[tuple[Metric, int]]:
    """Yield each metric with the slot at which its numbers begin."""
    start = 0
    for scope in collection.scopes:
        for metric in scope.metrics:
            yield metric, start
            start += sum(map(_width, metric.points))


def _points(collection: Collection) -> Iterable[Point]:
    return (point for scope in collection.scopes for metric in scope.metrics for point in metric.points)


def _width(point: Point) -> int:
    if isinstance(point, HistogramPoint):
        return len(point.counts) + 1
    return 1 if isinstance(point, NumberPoint) else 0


def _labels(series: Series, kind: FamilyKind) -> str:
    if series.page is None:
        series.page = spelling.labels_of(series.attributes, but="le" if kind == "histogram" else "")
    return cast("str", series.page)


def _exemplars(carriers: list[_Carrier]) -> dict[int, Exemplar]:
    """Return the newest exemplar for each slot."""
    found: dict[int, Exemplar] = {}
    for start, point in carriers:
        for each in point.exemplars:
            slot = start + bisect_left(point.bounds, each.value) if isinstance(point, HistogramPoint) else start
            _keep(found, slot, each)
    return found


def _move(exemplars: dict[int, Exemplar], fold: _Fold) -> None:
    for step in range(fold.width):
        moved = exemplars.pop(fold.source + step, None)
        if moved is not None:
            _keep(exemplars, fold.target + step, moved)


def _keep(exemplars: dict[int, Exemplar], slot: int, new: Exemplar) -> None:
    old = exemplars.get(slot)
    if old is None or old.time_ns <= new.time_ns:
        exemplars[slot] = new
