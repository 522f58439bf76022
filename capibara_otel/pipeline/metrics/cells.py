"""Where measurements of one series are kept.

A series is written without locks. The thread that made it writes into the series itself, any other thread into a cell
of its own, and whoever reads adds them up: nothing is ever written by two threads. What a thread writes only grows; a
reader that wants what happened since its last collection remembers what it saw then.

There are as many cells as threads with different idents have used the series. The system gives the ident of a thread
that has ended to a later one, so that is as many as ran at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from threading import get_ident
from typing import Any, Final, TypeAlias, TypeVar

from opentelemetry.context import Context

from capibara_otel.pipeline.metrics.attributes import Labels
from capibara_otel.pipeline.metrics.data import Series
from capibara_otel.pipeline.metrics.exemplars import Sampling

NOBODY: Final = 0
"""No thread has this ident."""

Given: TypeAlias = Mapping[str, Any] | None
"""Attributes as a caller gave them."""

K = TypeVar("K")
V = TypeVar("V")


class Place:
    """What all series of a metric share.

    Args:
        sampling: makes exemplars.
    """

    def __init__(self, sampling: Sampling) -> None:
        self.sampling: Final = sampling
        self.others: Final[dict[Store, dict[int, Any]]] = {}
        """The cells of other threads than the owner, of each series that has any."""
        self._idents: Final[dict[int, int]] = {}

    def ident(self) -> int:
        """Return the ident of this thread, always the same object: another one in each series would take memory."""
        ident = get_ident()
        return self._idents.setdefault(ident, ident)


class Store(Series):
    """A series that measurements go into.

    Args:
        place: shared with the other series of the metric.
        labels: its attributes.
    """

    __slots__ = ("place", "start_ns")

    others: Any = None
    """Cells of other threads than the owner, where there are any."""

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(labels)
        self.place: Any = place
        self.start_ns: Final[int] = place.sampling.time_ns()

    @abstractmethod
    def put(self, amount: float, context: Context | None, attributes: Given) -> None:
        """Record a measurement.

        Args:
            amount: a finite int or float.
            context: for the exemplar; the current one if it is empty or None.
            attributes: as the caller gave them, for the exemplar.
        """

    def disown(self) -> None:
        """Have no thread write into the series itself any more, so that whoever kept it looks again."""

    def cells(self) -> list[Any]:
        """Return what threads write into."""
        return [self]


class OwnedStore(Store):
    """A series that one thread writes into directly."""

    __slots__ = ("others", "owner")

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(place, labels)
        self.owner: int = place.ident()
        self.others = None

    @abstractmethod
    def cell(self) -> Any:
        """Return a new cell for another thread."""

    def here(self) -> Any:
        """Return what this thread writes into: the series itself, or a cell."""
        ident = get_ident()
        if ident == self.owner:
            return self
        others = self.others
        if others is None:
            others = self.others = self.place.others.setdefault(self, {})
        found = others.get(ident)
        return others.setdefault(ident, self.cell()) if found is None else found

    def cells(self) -> list[Any]:
        """Return the series itself and the cells of other threads."""
        return [self] if self.others is None else [self, *values(self.others)]

    def disown(self) -> None:
        """Have no thread write into the series itself any more, so that whoever kept it looks again."""
        self.owner = NOBODY


class Tally:
    """Counts what any number of threads do, without a lock."""

    def __init__(self) -> None:
        self._counts: Final[dict[int, int]] = {}

    def count(self) -> None:
        """Count one."""
        ident = get_ident()
        try:
            self._counts[ident] += 1
        except KeyError:
            self._counts.setdefault(ident, 0)
            self._counts[ident] += 1

    def total(self) -> int:
        """Return the count of all threads."""
        return sum(values(self._counts))


def values(mapping: Mapping[K, V]) -> list[V]:
    """Return the values of a dict that other threads may add to meanwhile."""
    while True:
        try:
            return list(mapping.values())
        except RuntimeError:  # it grew in the middle
            continue
