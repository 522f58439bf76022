"""The series of one metric, and how a reader reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from opentelemetry.context import Context

from capibara_otel.pipeline.metrics.cells import Given, Place, Store, Tally
from capibara_otel.pipeline.metrics.data import Exemplar, Metric, MetricKind, Point, Temporality
from capibara_otel.pipeline.metrics.exemplars import Sampling
from capibara_otel.pipeline.metrics.table import SeriesTable

S = TypeVar("S", bound=Store)


@dataclass(frozen=True, slots=True)
class About:
    """What a metric is."""

    name: str
    description: str
    unit: str
    kind: MetricKind
    monotonic: bool = False

    def metric(self, points: Sequence[Point], *, is_delta: bool) -> Metric:
        """Return the metric with these points."""
        temporality: Temporality = "delta" if is_delta and self.kind != "gauge" else "cumulative"
        return Metric(self.name, self.description, self.unit, self.kind, temporality, self.monotonic, points)


class Stream(SeriesTable[S], Place):
    """The series of one metric, written by an instrument and read by any number of taps.

    Args:
        about: the metric.
        sampling: makes its exemplars.
        keys: the only attributes its series keep; None for all.
        limit: most series, besides the one for the overflow.
    """

    def __init__(self, about: About, sampling: Sampling, keys: AbstractSet[str] | None, limit: int) -> None:
        SeriesTable.__init__(self, keys, limit)
        Place.__init__(self, sampling)
        self.about: Final = about
        self.tells_overflow = True
        self._folded: Final = Tally()
        self._told = 0
        self.taps: Final[list[Tap[S]]] = []

    def fold(self, amount: float, context: Context | None, attributes: Given) -> None:
        """Record a measurement that `find` has found no room for."""
        self.overflow().put(amount, context, attributes)
        self._folded.count()

    def newly_folded(self) -> int:
        """Return how many measurements went into the overflow since this was asked last."""
        before, self._told = self._told, self._folded.total()
        return self._told - before if self.tells_overflow else 0

    def disown(self) -> None:
        """Have whoever kept a series look again."""
        for store in (*self.all(), *self.extra()):
            store.disown()

    @abstractmethod
    def tap(self, *, is_delta: bool, keeps_exemplars: bool) -> Tap[S]:
        """Return a new way to read this stream, see `Tap`."""


class Tap(ABC, Generic[S]):
    """How one reader reads a stream. Collections do not overlap.

    Args:
        stream: what is read.
        is_delta: whether points hold what happened since the last collection, or since the beginning.
        keeps_exemplars: whether an exemplar is shown until there is another, or once.
    """

    def __init__(self, stream: Stream[S], *, is_delta: bool, keeps_exemplars: bool) -> None:
        self.stream: Final = stream
        self._is_delta: Final = is_delta
        self._keeps_exemplars: Final = keeps_exemplars
        self._exemplars: Final[dict[S, dict[int, Exemplar]]] = {}
        self._last_ns = 0
        stream.taps.append(self)

    def collect(self, now_ns: int) -> Metric | None:
        """Return the metric with what there is to say, or None if there is nothing.

        Args:
            now_ns: Unix nanoseconds of the collection.
        """
        points = []
        stores = self.stream.all()
        extra = self.stream.extra()
        overflow = self.stream.overflow() if extra else None
        for store in stores:
            cells = store.cells()
            if store is overflow:
                cells = [*cells, *(cell for each in extra for cell in each.cells())]
            start_ns = self._last_ns or store.start_ns
            point = self._point(store, cells, min(start_ns, now_ns), now_ns)
            if point is not None:
                points.append(point)
        if self._is_delta and stores:
            self._last_ns = now_ns
        return self.stream.about.metric(points, is_delta=self._is_delta) if points else None

    def keep(self, store: S, found: Mapping[int, Exemplar]) -> None:
        """Take over exemplars of a series.

        Args:
            store: the series.
            found: by bucket.
        """
        kept = self._exemplars.setdefault(store, {})
        for bucket, exemplar in found.items():
            if self._keeps_exemplars or bucket not in kept:
                kept[bucket] = exemplar

    @abstractmethod
    def _point(self, store: S, cells: Sequence[Any], start_ns: int, now_ns: int) -> Point | None:
        """Return what there is to say about a series.

        Args:
            store: the series.
            cells: what threads have written into it.
            start_ns: Unix nanoseconds, of the interval or of the series.
            now_ns: of the collection.
        """

    def _give(self, store: S, found: Mapping[int, Exemplar]) -> None:
        """Give exemplars that were found to all readers of the stream.

        Args:
            store: of this series.
            found: by bucket.
        """
        for tap in self.stream.taps:
            tap.keep(store, found)

    def _shown(self, store: S) -> Sequence[Exemplar]:
        """Return the exemplars that this reader shows now."""
        if not self._exemplars:
            return ()
        kept = self._exemplars.get(store) if self._keeps_exemplars else self._exemplars.pop(store, None)
        return [kept[bucket] for bucket in sorted(kept)] if kept else ()
