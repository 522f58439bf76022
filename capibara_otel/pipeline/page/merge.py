"""Makes one snapshot of those of several processes."""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from capibara_otel._safety import Once
from capibara_otel.pipeline.page.pauses import pause
from capibara_otel.pipeline.page.table import Catalog, Family, Rule, Snapshot, Table, WrittenExemplar, compact

OVERFLOW: Final = '{otel_metric_overflow="true"}'
"""Labels of the series that takes what has no place of its own (OpenTelemetry's metrics SDK, "Cardinality limits")."""

_CHOSEN: Final[frozenset[Rule]] = frozenset({"latest", "max", "min"})
_BETTER: Final[Mapping[Rule, Callable[[float, float], bool]]] = {"max": operator.gt, "min": operator.lt}


@dataclass(slots=True, eq=False)
class _Source:
    """Where the numbers of one process go.

    Args:
        targets: for each of its slots the slot it is added to; the last one takes what goes nowhere.
        chosen: rule, own slot, target and place among its stamps, of what is not added up.
    """

    table: Table
    targets: list[int]
    chosen: list[tuple[Rule, int, int, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Plan:
    table: Table
    sources: list[_Source]

    def fits(self, live: Sequence[Snapshot], ended: Sequence[Snapshot]) -> bool:
        return [id(source.table) for source in self.sources] == [id(each.table) for each in (*live, *ended)]


class Merger:
    """Merges snapshots; remembers how as long as the tables are the same objects.

    Args:
        said: remembers which refusals were said.
        limit: most series a family may have that stands for ended processes.
    """

    def __init__(self, said: Once, *, limit: int | None = None) -> None:
        self._said: Final = said
        self._limit: Final = limit
        self._plan: tuple[int, _Plan] | None = None

    def merge(self, live: Sequence[Snapshot], ended: Sequence[Snapshot]) -> Snapshot:
        """Return what all of them say together.

        Args:
            live: of processes that live; the first one decides where they do not agree what a family is.
            ended: of processes that have ended: what they counted stays, what they measured is gone.
        """
        plan = self._planned(live, ended)
        size = plan.table.size
        totals = [0.0] * (size + 1)
        stamps: dict[int, float] = {}
        exemplars: dict[int, WrittenExemplar] = {}
        for source, snapshot in zip(plan.sources, (*live, *ended), strict=True):
            for target, value in zip(source.targets, snapshot.values, strict=True):
                totals[target] += value
            for rule, slot, target, stamp in source.chosen:
                value, since = snapshot.values[slot], snapshot.stamps[stamp] if rule == "latest" else 0.0
                is_better = (
                    since >= stamps.get(target, 0.0) if rule == "latest" else _BETTER[rule](value, totals[target])
                )
                if target not in stamps or is_better:
                    totals[target], stamps[target] = value, since
            for slot, exemplar in snapshot.exemplars.items():
                target = source.targets[slot]
                if target < size and (target not in exemplars or exemplars[target].time_ns <= exemplar.time_ns):
                    exemplars[target] = exemplar
            pause()
        return Snapshot(plan.table, totals[:size], exemplars, _common([each.target for each in (*live, *ended)]))

    def _planned(self, live: Sequence[Snapshot], ended: Sequence[Snapshot]) -> _Plan:
        known = self._plan
        if known is not None and known[0] == len(live) and known[1].fits(live, ended):
            return known[1]
        drawing = _Drawing(self._said, self._limit)
        sources = [drawing.source(each.table, is_live=True) for each in live]
        sources += [drawing.source(each.table, is_live=False) for each in ended]
        plan = _Plan(drawing.table(), sources)
        for source in sources:
            source.targets = [plan.table.size if target < 0 else target for target in source.targets]
        self._plan = len(live), plan
        return plan


class _Drawing:
    """A plan in the making."""

    def __init__(self, said: Once, limit: int | None) -> None:
        self._catalog: Final = Catalog(said)
        self._limit: Final = limit
        self._places: Final[dict[str, dict[str, int]]] = {}
        self._size = 0

    def source(self, table: Table, *, is_live: bool) -> _Source:
        source = _Source(table, [-1] * table.size)
        stamp = 0
        for family in table.families:
            if is_live or family.rule == "total":
                merged = self._catalog.take(family, family.name)
                if merged is not None and merged.rule != family.rule:
                    self._catalog.refuse(
                        family.name, f"for another process it is a {merged.rule}, for one a {family.rule}"
                    )
                elif merged is not None:
                    self._place(family, merged, source, stamp)
            stamp += len(family.slots) if family.rule == "latest" else 0
        return source

    def table(self) -> Table:
        families = self._catalog.families
        for family in families:
            places = self._places[family.name]
            family.labels, family.slots = list(places), compact(list(places.values()), family.width)
        return Table(families, self._size)

    def _place(self, family: Family, merged: Family, source: _Source, stamp: int) -> None:
        places = self._places.setdefault(merged.name, {})
        steps = _steps(family, merged)
        for index, (labels, slot) in enumerate(zip(family.labels, family.slots, strict=True)):
            target = self._target(places, labels, merged.width)
            if merged.rule in _CHOSEN:
                source.chosen.append((merged.rule, slot, target, stamp + index))
            else:
                source.targets[slot : slot + family.width] = [target + step for step in steps]

    def _target(self, places: dict[str, int], labels: str, width: int) -> int:
        if labels not in places:
            if self._limit is not None and len(places) >= self._limit:
                labels = OVERFLOW
            if labels not in places:
                places[labels] = self._size
                self._size += width
        return places[labels]


def _steps(family: Family, merged: Family) -> Sequence[int]:
    """Return where in the merged series each number of a series goes.

    What another version of the app counted in other buckets goes into the lowest bucket that surely holds it.
    """
    if family.bounds == merged.bounds:
        return range(merged.width)
    last = len(merged.bounds)
    return [*(bisect_left(merged.bounds, bound) for bound in family.bounds), last, last + 1]


def _common(targets: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the labels that are the same everywhere."""
    first, *others = targets or [{}]
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}


class Stamps:
    """Knows when gauges were set, as good as that is known: else when their values were first seen to be others."""

    def __init__(self) -> None:
        self._table: Table | None = None
        self._values: list[float] = []
        self._stamps: list[float] = []

    def of(self, snapshot: Snapshot, now_ns: int) -> list[float]:
        """Return the stamps of a process' next snapshot.

        Args:
            snapshot: made after all that were asked for before.
            now_ns: when it was made.
        """
        slots = list(snapshot.table.stamped())
        values = [snapshot.values[slot] for slot in slots]
        before = self._before(snapshot.table)
        self._stamps = [
            float(snapshot.written.get(slot) or (now_ns if old is None or old[0] != value else old[1]))
            for slot, old, value in zip(slots, before, values, strict=True)
        ]
        self._table, self._values = snapshot.table, values
        return self._stamps

    def _before(self, table: Table) -> list[tuple[float, float] | None]:
        if table is self._table:
            return list(zip(self._values, self._stamps, strict=True))
        known = (
            {}
            if self._table is None
            else dict(zip(_names(self._table), zip(self._values, self._stamps, strict=True), strict=True))
        )
        return [known.get(name) for name in _names(table)]


def _names(table: Table) -> list[tuple[str, str]]:
    return [(family.name, labels) for family in table.families if family.rule == "latest" for labels in family.labels]
