"""Histograms with bounds that are known before, and what they share with exponential ones."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from threading import get_ident
from typing import Any, Final, TypeVar

from opentelemetry.context import Context

from capibara_otel.pipeline.metrics.attributes import Labels
from capibara_otel.pipeline.metrics.cells import Given, OwnedStore
from capibara_otel.pipeline.metrics.data import Exemplar, HistogramPoint
from capibara_otel.pipeline.metrics.exemplars import SPAN_KEY, WANTED, Sampling, current
from capibara_otel.pipeline.metrics.numbers import writable
from capibara_otel.pipeline.metrics.stream import About, Stream, Tap
from capibara_otel.pipeline.metrics.views import ExplicitBuckets


class Extremes:
    """The smallest and the largest measurement of one thread since a reader last took this object away.

    Args:
        is_kept: False if they are not wanted.
    """

    __slots__ = ("high", "low")

    def __init__(self, *, is_kept: bool) -> None:
        self.low: float = math.inf if is_kept else -math.inf
        self.high: float = -self.low


class DistributionStore(OwnedStore):
    """A histogram of one series; also what each cell has."""

    __slots__ = ("extremes", "taken", "total")

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(place, labels)
        begin(self, place)

    def offer(self, cell: Any, bucket: int, amount: float, context: Context | None, attributes: Given) -> None:
        """Keep the measurement as this thread's exemplar of a bucket, if the filter takes it.

        Args:
            cell: of this thread.
            bucket: index into the cell's exemplars.
            amount: what was measured.
            context: for the exemplar.
            attributes: as the caller gave them.
        """
        exemplar = self.place.sampling.exemplar(amount, context, attributes, self)
        taken = None
        while exemplar is not None and cell.taken is not taken:  # else a reader has taken it away, perhaps without this
            if type(cell.taken) is tuple:
                cell.taken = list(cell.taken)
            taken = cell.taken
            taken[bucket] = exemplar


D = TypeVar("D", bound=DistributionStore)


class DistributionStream(Stream[D]):
    """The histograms of a metric.

    Args:
        about: the metric.
        sampling: makes its exemplars.
        keys: the only attributes its series keep; None for all.
        limit: most series.
        places: how many exemplars a series has.
        keeps_extremes: whether the smallest and the largest measurement are kept.
    """

    def __init__(
        self,
        about: About,
        sampling: Sampling,
        keys: AbstractSet[str] | None,
        limit: int,
        *,
        places: int,
        keeps_extremes: bool,
    ) -> None:
        super().__init__(about, sampling, keys, limit)
        self.blanks: Final = (sampling.blank,) * places
        """Stands where a cell has no exemplars yet."""
        self.keeps_extremes: Final = keeps_extremes
        self.taps_of_extremes: Final[list[DistributionTap[D]]] = []
        self.has_intervals = False
        """Whether a reader wants the extremes since its last collection."""


class DistributionTap(Tap[D]):
    """How one reader reads histograms."""

    def __init__(self, stream: DistributionStream[D], *, is_delta: bool, keeps_exemplars: bool) -> None:
        super().__init__(stream, is_delta=is_delta, keeps_exemplars=keeps_exemplars)
        self._source: Final = stream
        self._extremes: Final[dict[D, tuple[float, float]]] = {}
        stream.taps_of_extremes.append(self)
        stream.has_intervals = stream.has_intervals or is_delta

    def widen(self, store: D, low: float, high: float) -> None:
        """Take over extremes of a series."""
        before = self._extremes.get(store, (math.inf, -math.inf))
        self._extremes[store] = min(low, before[0]), max(high, before[1])

    # What is counted now must be within the extremes of now, and what is counted later within those of then, while
    # threads record. So extremes are taken away before the counts are read, and looked at after that, with those that
    # threads have begun meanwhile; and a thread that has counted sees whether its extremes were taken away. What is
    # recorded in that moment may be within the extremes of both intervals.

    def _take(self, store: D, cells: Iterable[Any]) -> list[Extremes]:
        """Take exemplars and give them to all readers; take away extremes, if somebody wants those of intervals."""
        stream = self._source
        found: dict[int, Exemplar] = {}
        extremes: list[Extremes] = []
        for cell in cells:
            ended = cell.taken
            if type(ended) is list:
                cell.taken = stream.blanks
                for bucket, taken in enumerate(ended):
                    if type(taken) is Exemplar and (bucket not in found or taken.time_ns < found[bucket].time_ns):
                        found[bucket] = taken
            if stream.has_intervals and stream.keeps_extremes and cell.extremes.low <= cell.extremes.high:
                extremes.append(cell.extremes)
                cell.extremes = Extremes(is_kept=True)
        if found:
            self._give(store, found)
        return extremes

    def _give_extremes(self, store: D, extremes: Iterable[Extremes]) -> None:
        """Give extremes that were taken away to all readers, once the counts are read."""
        for each in extremes:
            for tap in self._source.taps_of_extremes:
                tap.widen(store, each.low, each.high)

    def _low_high(self, store: D, cells: Iterable[Any]) -> tuple[float | None, float | None]:
        """Return the smallest and the largest measurement of what this reader shows now."""
        if not self._source.keeps_extremes:
            return None, None
        given = self._extremes.pop(store, None) if self._is_delta else self._extremes.get(store)
        low, high = given or (math.inf, -math.inf)
        for cell in cells:
            extremes = cell.extremes
            if extremes.low < low:  # noqa: PLR1730 - `min` would take as long as all the rest
                low = extremes.low
            if extremes.high > high:  # noqa: PLR1730 - the same
                high = extremes.high
        return writable(low), writable(high)


class HistogramCell:
    """What one thread has recorded in a series."""

    __slots__ = ("counts", "extremes", "taken", "total")

    def __init__(self, place: HistogramStream) -> None:
        begin(self, place)
        self.counts = [0] * len(place.blanks)


class HistogramStore(DistributionStore):
    """A histogram of one series."""

    __slots__ = ("bounds", "counts")

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(place, labels)
        self.bounds: Final[tuple[float, ...]] = place.bounds
        self.counts = [0] * len(place.blanks)

    def cell(self) -> HistogramCell:
        """Return a new cell for another thread."""
        return HistogramCell(self.place)

    def put(self, amount: float, context: Context | None, attributes: Given) -> None:
        """Record a measurement."""
        cell: Any = self if self.owner == get_ident() else self.here()
        extremes = cell.extremes
        if amount < extremes.low or amount > extremes.high:
            stretch(cell, amount)
        cell.total += amount
        bucket = bisect_left(self.bounds, amount)
        cell.counts[bucket] += 1
        if cell.extremes is not extremes:
            stretch(cell, amount)
        taken = cell.taken[bucket]
        if taken is None:
            if SPAN_KEY in (context or current()):
                self.offer(cell, bucket, amount, context, attributes)
        elif taken is WANTED:
            self.offer(cell, bucket, amount, context, attributes)


class HistogramStream(DistributionStream[HistogramStore]):
    """The histograms of a metric.

    Args:
        about: the metric.
        sampling: makes its exemplars.
        keys: the only attributes its series keep; None for all.
        limit: most series.
        buckets: how to aggregate, with bounds.
    """

    def __init__(
        self, about: About, sampling: Sampling, keys: AbstractSet[str] | None, limit: int, buckets: ExplicitBuckets
    ) -> None:
        self.bounds: Final = tuple(buckets.bounds or ())
        super().__init__(
            about, sampling, keys, limit, places=len(self.bounds) + 1, keeps_extremes=buckets.record_min_max
        )

    def _make(self, labels: Labels) -> HistogramStore:
        return HistogramStore(self, labels)

    def tap(self, *, is_delta: bool, keeps_exemplars: bool) -> HistogramTap:
        """Return a new way to read this stream."""
        return HistogramTap(self, is_delta=is_delta, keeps_exemplars=keeps_exemplars)


class HistogramTap(DistributionTap[HistogramStore]):
    """How one reader reads histograms."""

    def __init__(self, stream: HistogramStream, *, is_delta: bool, keeps_exemplars: bool) -> None:
        super().__init__(stream, is_delta=is_delta, keeps_exemplars=keeps_exemplars)
        self._bounds: Final = stream.bounds
        self._seen: Final[dict[HistogramStore, tuple[list[int], float]]] = {}

    def _point(self, store: HistogramStore, cells: Sequence[Any], start_ns: int, now_ns: int) -> HistogramPoint | None:
        ended = self._take(store, cells)
        # Threads write the total before the count: what is counted is in it.
        counts: list[int] = cells[0].counts.copy()
        for cell in cells[1:]:
            counts = [a + b for a, b in zip(counts, cell.counts.copy(), strict=True)]
        total = sum([cell.total for cell in cells])
        self._give_extremes(store, ended)
        shown, shown_total = counts, total
        seen = self._seen.get(store)
        if seen is not None:
            shown = [a - b for a, b in zip(counts, seen[0], strict=True)]
            shown_total -= seen[1]
        count = sum(shown)
        if not count:
            return None
        if self._is_delta:
            self._seen[store] = counts, total
        low, high = self._low_high(store, cells)
        exemplars = self._shown(store)
        return HistogramPoint(
            store, start_ns, now_ns, count, writable(shown_total), low, high, self._bounds, shown, exemplars
        )


def begin(cell: Any, place: DistributionStream[Any]) -> None:
    """Set what a cell has of every kind of histogram."""
    cell.total = 0
    cell.extremes = Extremes(is_kept=place.keeps_extremes)
    cell.taken = place.blanks


def stretch(cell: Any, amount: float) -> None:
    """Take a measurement into the extremes of this thread's cell.

    To be called before the measurement is counted, and again after it if a reader has replaced the object meanwhile:
    it is then in the extremes of the interval that counts it, whichever that is.
    """
    # No calls of min and max: a signal handler that records may run at the end of a call.
    extremes = cell.extremes
    if amount < extremes.low:  # noqa: PLR1730
        extremes.low = amount
    if amount > extremes.high:  # noqa: PLR1730
        extremes.high = amount
