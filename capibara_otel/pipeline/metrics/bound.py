"""Handles on one series of an instrument: the fast path for code that knows its attributes.

A handle makes its series when it is first used, stays valid in a forked child, and may be used by any thread.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from threading import get_ident
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry.context import Context
from opentelemetry.util.types import Attributes

from capibara_otel._safety import kept
from capibara_otel.pipeline.metrics.attributes import clean
from capibara_otel.pipeline.metrics.cells import NOBODY, Given, Store
from capibara_otel.pipeline.metrics.exemplars import SPAN_KEY, WANTED, current
from capibara_otel.pipeline.metrics.histograms import HistogramStore, stretch
from capibara_otel.pipeline.metrics.stream import Stream
from capibara_otel.pipeline.metrics.sums import SumStore

INFINITE: Final = math.inf


class _Instrument(Protocol):
    streams: tuple[Stream[Any], ...]

    def put(self, amount: float, attributes: Given, context: Context | None) -> None: ...

    def put_unusual(self, amount: Any, attributes: Given, context: Context | None) -> None: ...


class _Elsewhere:
    """Stands where there is no store of the kind that a handle writes into by itself.

    Args:
        instrument: looks for the series at each measurement, if there are several, or no room for it.
    """

    __slots__ = ("_instrument", "owner", "store")

    def __init__(self, instrument: _Instrument) -> None:
        self._instrument: Final = instrument
        self.owner: Final = NOBODY
        self.store: Store | None = None

    def put(self, amount: float, context: Context | None, attributes: Given) -> None:
        if self.store is None:
            self._instrument.put(amount, attributes, context)
        else:
            self.store.put(amount, context, attributes)


class _Handle:
    """What all handles have.

    Args:
        instrument: to record with.
        attributes: of the series; copied.
    """

    __slots__ = ("_attributes", "_elsewhere", "_instrument", "_store", "_streams")

    _takes: type[Any] = Store

    def __init__(self, instrument: _Instrument, attributes: Attributes) -> None:
        self._instrument: Final = instrument
        self._attributes: Final = clean(attributes)
        self._elsewhere: Final = _Elsewhere(instrument)
        self._store: Any = self._elsewhere
        self._streams: tuple[Stream[Any], ...] | None = None

    def _find(self) -> Any:
        """Return where to put measurements, looked for again where the instrument writes elsewhere by now."""
        while self._streams is not self._instrument.streams:
            streams = self._instrument.streams
            store = streams[0].find(self._attributes) if len(streams) == 1 else None
            self._elsewhere.store = store
            self._store = store if isinstance(store, self._takes) else self._elsewhere
            self._streams = streams
        return self._store


class BoundCounter(_Handle):
    """A handle on one series of a counter."""

    __slots__ = ()

    _takes = SumStore

    def add(self, amount: float, context: Context | None = None) -> None:
        """Add an amount that is not negative.

        Args:
            amount: finite.
            context: for the exemplar; the current one if it is empty or None.
        """
        # What `SumStore.put` does, without the calls in between.
        kind: object = type(amount)
        if (kind is int and amount >= 0) or (kind is float and 0.0 <= amount < INFINITE):
            try:
                store = cell = self._store
                ident = get_ident()
                if cell.owner != ident:
                    # Another thread's: this one has a cell, unless it has to look again, or for the first time.
                    cell = store.others.get(ident) if store.owner and store.others else None
                    if cell is None:
                        store = self._find()
                        if store is self._elsewhere:
                            store.put(amount, context, self._attributes)
                            return
                        cell = store.here()
                cell.value += amount
                taken = cell.taken
                if taken is None:
                    if SPAN_KEY in (context or current()):
                        store.offer(cell, amount, context, self._attributes)
                elif taken is WANTED:
                    store.offer(cell, amount, context, self._attributes)
            except Exception as fault:
                if not kept("metrics.record", fault):
                    raise
        else:
            self._instrument.put_unusual(amount, self._attributes, context)


class _SignedHandle(_Handle):
    __slots__ = ()

    def put(self, amount: float, context: Context | None = None) -> None:
        """Record an amount.

        Args:
            amount: finite.
            context: for the exemplar; the current one if it is empty or None.
        """
        kind: object = type(amount)
        if kind is int or (kind is float and -INFINITE < amount < INFINITE):
            try:
                store = self._store if self._streams is self._instrument.streams else self._find()
                store.put(amount, context, self._attributes)
            except Exception as fault:
                if not kept("metrics.record", fault):
                    raise
        else:
            self._instrument.put_unusual(amount, self._attributes, context)


class BoundUpDownCounter(_SignedHandle):
    """A handle on one series of an up-down counter; negative amounts take away."""

    __slots__ = ()

    add = _SignedHandle.put


class BoundGauge(_SignedHandle):
    """A handle on one series of a gauge."""

    __slots__ = ()

    set = _SignedHandle.put


class BoundHistogram(_Handle):
    """A handle on one series of a histogram."""

    __slots__ = ()

    _takes = HistogramStore

    def record(self, amount: float, context: Context | None = None) -> None:  # noqa: C901 - flat, for its speed
        """Record a measurement that is not negative.

        Args:
            amount: finite.
            context: for the exemplar; the current one if it is empty or None.
        """
        # What `HistogramStore.put` does, without the calls in between.
        kind: object = type(amount)
        if (kind is float and 0.0 <= amount < INFINITE) or (kind is int and amount >= 0):
            try:
                store = cell = self._store
                ident = get_ident()
                if cell.owner != ident:
                    # Another thread's: this one has a cell, unless it has to look again, or for the first time.
                    cell = store.others.get(ident) if store.owner and store.others else None
                    if cell is None:
                        store = self._find()
                        if store is self._elsewhere:
                            store.put(amount, context, self._attributes)
                            return
                        cell = store.here()
                extremes = cell.extremes
                if amount < extremes.low or amount > extremes.high:
                    stretch(cell, amount)
                cell.total += amount
                bucket = bisect_left(store.bounds, amount)
                cell.counts[bucket] += 1
                if cell.extremes is not extremes:
                    stretch(cell, amount)
                taken = cell.taken[bucket]
                if taken is None:
                    if SPAN_KEY in (context or current()):
                        store.offer(cell, bucket, amount, context, self._attributes)
                elif taken is WANTED:
                    store.offer(cell, bucket, amount, context, self._attributes)
            except Exception as fault:
                if not kept("metrics.record", fault):
                    raise
        else:
            self._instrument.put_unusual(amount, self._attributes, context)


Bound: TypeAlias = BoundCounter | BoundUpDownCounter | BoundGauge | BoundHistogram
