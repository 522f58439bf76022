"""Base-2 exponential histograms."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from threading import get_ident
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context

from capibara_otel.pipeline.metrics.attributes import Labels
from capibara_otel.pipeline.metrics.buckets import Buckets, excess, fitted, index_of
from capibara_otel.pipeline.metrics.cells import Given
from capibara_otel.pipeline.metrics.data import ExponentialPoint
from capibara_otel.pipeline.metrics.exemplars import SPAN_KEY, WANTED, Sampling, current
from capibara_otel.pipeline.metrics.histograms import (
    DistributionStore,
    DistributionStream,
    DistributionTap,
    begin,
    stretch,
)
from capibara_otel.pipeline.metrics.numbers import writable
from capibara_otel.pipeline.metrics.stream import About
from capibara_otel.pipeline.metrics.views import ExponentialBuckets

_MOST_EXEMPLARS: Final = 20
"""As many as the official SDK keeps; here the first of each power of two, of which some share a place."""


class ExponentialCell:
    """What one thread has recorded in a series."""

    __slots__ = ("extremes", "sides", "taken", "total", "zeros")

    def __init__(self, place: ExponentialStream) -> None:
        begin(self, place)
        self.zeros = 0
        self.sides = place.empty


class ExponentialStore(DistributionStore):
    """An exponential histogram of one series."""

    __slots__ = ("places", "sides", "zeros")

    def __init__(self, place: Any, labels: Labels) -> None:
        super().__init__(place, labels)
        self.places: Final[int] = len(place.blanks)
        self.zeros = 0
        self.sides: tuple[Buckets, Buckets] = place.empty
        """Of positive and of negative values; replaced as a whole, so that readers see buckets that fit together."""

    def cell(self) -> ExponentialCell:
        """Return a new cell for another thread."""
        return ExponentialCell(self.place)

    def put(self, amount: float, context: Context | None, attributes: Given) -> None:
        """Record a measurement."""
        cell: Any = self if self.owner == get_ident() else self.here()
        extremes = cell.extremes
        if amount < extremes.low or amount > extremes.high:
            stretch(cell, amount)
        cell.total += amount
        if amount > 0:
            bucket = self._count(cell, amount, 0)
        elif amount < 0:
            bucket = self._count(cell, -amount, 1)
        else:
            cell.zeros += 1
            bucket = 0
        if cell.extremes is not extremes:
            stretch(cell, amount)
        taken = cell.taken[bucket]
        if taken is None:
            if SPAN_KEY in (context or current()):
                self.offer(cell, bucket, amount, context, attributes)
        elif taken is WANTED:
            self.offer(cell, bucket, amount, context, attributes)

    def _count(self, cell: Any, size: float, side: int) -> int:
        """Count a value in its bucket, and return which of the exemplars may be its."""
        # A signal handler that records may run at the end of any call, so there is none between a look and a write.
        while True:
            sides = cell.sides
            buckets = sides[side]
            scale = buckets.scale
            index = index_of(size, scale)
            place = index - buckets.offset
            if not 0 <= place < len(buckets.counts):
                self._make_room(cell, index, side)
            elif cell.sides is sides:
                buckets.counts[place] += 1
                return (index >> scale if scale > 0 else index) % self.places

    def _make_room(self, cell: Any, index: int, side: int) -> None:
        total = cell.total
        sides = cell.sides
        buckets = sides[side]
        low = high = index
        if buckets.counts:
            low, high = min(low, buckets.offset), max(high, buckets.offset + len(buckets.counts) - 1)
        by = excess(low, high, self.place.max_size)
        if by:
            made = sides[0].coarser(by), sides[1].coarser(by)
        else:
            wider = buckets.covering(low).covering(high)
            made = (sides[0], wider) if side else (wider, sides[1])
        if cell.total is total:  # else a signal handler has counted meanwhile
            cell.sides = made


class ExponentialStream(DistributionStream[ExponentialStore]):
    """The exponential histograms of a metric.

    Args:
        about: the metric.
        sampling: makes its exemplars.
        keys: the only attributes its series keep; None for all.
        limit: most series.
        buckets: how to aggregate.
    """

    def __init__(
        self, about: About, sampling: Sampling, keys: AbstractSet[str] | None, limit: int, buckets: ExponentialBuckets
    ) -> None:
        self.max_size: Final = buckets.max_size
        self.empty: Final = (Buckets(buckets.max_scale), Buckets(buckets.max_scale))
        places = min(_MOST_EXEMPLARS, buckets.max_size)
        super().__init__(about, sampling, keys, limit, places=places, keeps_extremes=buckets.record_min_max)

    def _make(self, labels: Labels) -> ExponentialStore:
        return ExponentialStore(self, labels)

    def tap(self, *, is_delta: bool, keeps_exemplars: bool) -> ExponentialTap:
        """Return a new way to read this stream."""
        return ExponentialTap(self, is_delta=is_delta, keeps_exemplars=keeps_exemplars)


class _State(NamedTuple):
    positive: Buckets
    negative: Buckets
    zeros: int
    total: float

    @property
    def measurements(self) -> int:
        return sum(self.positive.counts) + sum(self.negative.counts) + self.zeros

    def since(self, seen: _State) -> _State:
        """Return what came after an earlier state, whose scale was not lower."""
        scale = self.positive.scale
        return _State(
            self.positive.plus(seen.positive.coarser(seen.positive.scale - scale), -1),
            self.negative.plus(seen.negative.coarser(seen.negative.scale - scale), -1),
            self.zeros - seen.zeros,
            self.total - seen.total,
        )


class ExponentialTap(DistributionTap[ExponentialStore]):
    """How one reader reads exponential histograms. A delta has the scale of all that was ever recorded."""

    def __init__(self, stream: ExponentialStream, *, is_delta: bool, keeps_exemplars: bool) -> None:
        super().__init__(stream, is_delta=is_delta, keeps_exemplars=keeps_exemplars)
        self._max_size: Final = stream.max_size
        self._seen: Final[dict[ExponentialStore, _State]] = {}

    def _point(
        self, store: ExponentialStore, cells: Sequence[Any], start_ns: int, now_ns: int
    ) -> ExponentialPoint | None:
        ended = self._take(store, cells)
        zeros = sum([cell.zeros for cell in cells])
        sides = [(positive.copy(), negative.copy()) for positive, negative in [cell.sides for cell in cells]]
        state = shown = _State(*fitted(sides, self._max_size), zeros, sum([cell.total for cell in cells]))
        self._give_extremes(store, ended)
        seen = self._seen.get(store)
        if seen is not None:
            shown = state.since(seen)
        count = shown.measurements
        if not count:
            return None
        if self._is_delta:
            self._seen[store] = state
        low, high = self._low_high(store, cells)
        positive, negative = shown.positive.trimmed(), shown.negative.trimmed()
        scale = positive.scale if positive.counts or negative.counts else 0
        return ExponentialPoint(
            store,
            start_ns,
            now_ns,
            count,
            writable(shown.total),
            low,
            high,
            scale,
            shown.zeros,
            positive.offset,
            positive.counts,
            negative.offset,
            negative.counts,
            self._shown(store),
        )
