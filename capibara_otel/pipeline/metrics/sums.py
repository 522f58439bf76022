"""Sums and last values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from threading import get_ident
from typing import Any, Final

from opentelemetry.context import Context

from capibara_otel.pipeline.metrics.attributes import Labels
from capibara_otel.pipeline.metrics.cells import Given, OwnedStore, Store
from capibara_otel.pipeline.metrics.data import Exemplar, NumberPoint
from capibara_otel.pipeline.metrics.exemplars import SPAN_KEY, WANTED, current
from capibara_otel.pipeline.metrics.numbers import writable
from capibara_otel.pipeline.metrics.stream import Stream, Tap


class SumCell:
    """What one thread has added to a series."""

    __slots__ = ("taken", "value")

    def __init__(self, blank: Any) -> None:
        self.value: float = 0
        self.taken: Any = blank
        """The exemplar of this interval. Only its thread puts one in the place of the blank, only readers remove it."""


class SumStore(OwnedStore):
    """The sum of one series."""

    __slots__ = ("taken", "value")

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(place, labels)
        self.value: float = 0
        self.taken: Any = place.sampling.blank

    def cell(self) -> SumCell:
        """Return a new cell for another thread."""
        return SumCell(self.place.sampling.blank)

    def put(self, amount: float, context: Context | None, attributes: Given) -> None:
        """Add a number."""
        cell = self if self.owner == get_ident() else self.here()
        cell.value += amount
        taken = cell.taken
        if taken is None:
            if SPAN_KEY in (context or current()):
                self.offer(cell, amount, context, attributes)
        elif taken is WANTED:
            self.offer(cell, amount, context, attributes)

    def offer(self, cell: SumStore | SumCell, amount: float, context: Context | None, attributes: Given) -> None:
        """Keep the measurement as this thread's exemplar, if the filter takes it."""
        exemplar = self.place.sampling.exemplar(amount, context, attributes, self)
        if exemplar is not None:
            cell.taken = exemplar


class SumStream(Stream[SumStore]):
    """The sums of a metric."""

    def _make(self, labels: Labels) -> SumStore:
        return SumStore(self, labels)

    def tap(self, *, is_delta: bool, keeps_exemplars: bool) -> SumTap:
        """Return a new way to read this stream."""
        return SumTap(self, is_delta=is_delta, keeps_exemplars=keeps_exemplars)


class SumTap(Tap[SumStore]):
    """How one reader reads sums. A sum that has not changed since the last collection has no delta."""

    def __init__(self, stream: SumStream, *, is_delta: bool, keeps_exemplars: bool) -> None:
        super().__init__(stream, is_delta=is_delta, keeps_exemplars=keeps_exemplars)
        self._seen: Final[dict[SumStore, float]] = {}

    def _point(self, store: SumStore, cells: Sequence[Any], start_ns: int, now_ns: int) -> NumberPoint | None:
        value: float = cells[0].value if len(cells) == 1 else sum([cell.value for cell in cells])
        found = _harvest(cells, self.stream.sampling.blank)
        if found is not None:
            self._give(store, {0: found})
        if self._is_delta:
            seen = self._seen.get(store)
            if seen == value:
                return None
            self._seen[store] = value
            value -= seen or 0
        return NumberPoint(store, start_ns, now_ns, writable(value), self._shown(store))


class GaugeStore(Store):
    """The last value of one series. Any thread may set it, for nothing is added up."""

    __slots__ = ("taken", "value")

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(place, labels)
        self.value: tuple[float, int] | None = None
        """The number and when it was set; a new tuple each time, so that the same number is seen to be set again."""
        self.taken: Any = place.sampling.blank

    def put(self, amount: float, context: Context | None, attributes: Given) -> None:
        """Set the value."""
        self.value = (amount, self.place.sampling.time_ns())
        taken = self.taken
        if taken is WANTED or (taken is None and SPAN_KEY in (context or current())):
            exemplar = self.place.sampling.exemplar(amount, context, attributes, self)
            if exemplar is not None:
                self.taken = exemplar


class GaugeStream(Stream[GaugeStore]):
    """The last values of a metric."""

    def _make(self, labels: Labels) -> GaugeStore:
        return GaugeStore(self, labels)

    def tap(self, *, is_delta: bool, keeps_exemplars: bool) -> GaugeTap:
        """Return a new way to read this stream."""
        return GaugeTap(self, is_delta=is_delta, keeps_exemplars=keeps_exemplars)


class GaugeTap(Tap[GaugeStore]):
    """How one reader reads last values. As a delta, one that was not set since the last collection is left out."""

    def __init__(self, stream: GaugeStream, *, is_delta: bool, keeps_exemplars: bool) -> None:
        super().__init__(stream, is_delta=is_delta, keeps_exemplars=keeps_exemplars)
        self._seen: Final[dict[GaugeStore, tuple[float, int]]] = {}

    def _point(
        self,
        store: GaugeStore,
        cells: Sequence[Any],
        start_ns: int,  # noqa: ARG002 - what is now has no beginning
        now_ns: int,
    ) -> NumberPoint | None:
        # There are several only where series that came beyond the limit are part of the overflow.
        value = max((cell.value for cell in cells if cell.value is not None), key=itemgetter(1), default=None)
        found = _harvest(cells, self.stream.sampling.blank)
        if found is not None:
            self._give(store, {0: found})
        if value is None:
            return None
        if self._is_delta:
            if self._seen.get(store) is value:
                return None
            self._seen[store] = value
        amount, written_ns = value
        return NumberPoint(store, 0, now_ns, writable(amount), self._shown(store), written_ns)


def _harvest(cells: Iterable[Any], blank: Any) -> Exemplar | None:
    """Take the exemplars out of the cells and return the first one."""
    found: Exemplar | None = None
    for cell in cells:
        taken = cell.taken
        if type(taken) is Exemplar:
            cell.taken = blank
            if found is None or taken.time_ns < found.time_ns:
                found = taken
    return found
