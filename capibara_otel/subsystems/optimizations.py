"""`cap.optimizations`: caches, batches and other savings."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

from capibara_otel.operation import Emitter, Operation
from capibara_otel.operation.values import is_zero
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.semconv.specs import MetricSpec

_HIT: Final = "hit"
_MOST_CACHES: Final = 200


class HitRates:
    """Counts look-ups and hits per cache, for the share since the process started."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}
        self._lock = threading.RLock()  # a signal handler may look up while a look-up is counted

    def after(self, cache: str, *, hit: bool) -> float | None:
        """Count a look-up and return the share of hits; None for a cache beyond the 200th name."""
        with self._lock:
            if cache not in self._counts and len(self._counts) >= _MOST_CACHES:
                return None
            hits, lookups = self._counts.get(cache, (0, 0))
            hits, lookups = hits + hit, lookups + 1
            self._counts[cache] = hits, lookups
            return hits / lookups

    def clear(self) -> None:
        """Begin anew, as a forked process does."""
        self._lock = threading.RLock()
        self._counts.clear()


class Lookup(Operation):
    """One look-up in a cache."""

    rates: HitRates

    def hit(self) -> None:
        """Tell that it was found."""
        self.take(a.CACHE_RESULT, _HIT)

    def miss(self) -> None:
        """Tell that it was not there."""
        self.take(a.CACHE_RESULT, "miss")

    def stale(self) -> None:
        """Tell that it was there, but too old."""
        self.take(a.CACHE_RESULT, "stale")

    def fresh(self) -> Lookup:
        """Return another one for the same cache."""
        twin = super().fresh()
        twin.rates = self.rates
        return twin

    def _before_end(self, _duration_s: float) -> None:
        result, cache = self._attributes.get(a.CACHE_RESULT), self._attributes.get(a.CACHE_NAME)
        if isinstance(result, str) and isinstance(cache, str):
            self.measure(m.CACHE_HIT_RATE, self.rates.after(cache, hit=result == _HIT))


class Batch(Operation):
    """One batch being processed."""

    def waited(self, seconds: float | Iterable[float]) -> None:
        """Tell how long an item, or each of several, waited for the batch."""
        call, several = self.spec.call, isinstance(seconds, Iterable) and not isinstance(seconds, str | bytes)
        for wait in (
            self.emitter.listed(call, "seconds", "number or list of number ≥ 0", seconds) if several else (seconds,)
        ):
            self.measure(m.BATCH_WAIT_DURATION, wait, "seconds")


class Application(Operation):
    """One optimization being applied."""

    def improved(self, share: float) -> None:
        """Tell the share that was saved.

        Args:
            share: 0 nothing to 1 all; below 0 it made things worse, which is counted apart.
        """
        saved: Any = self.take(a.OPTIMIZATIONS_IMPROVEMENT, share, "share")
        if saved is not None and saved >= 0:
            self.measure(m.OPTIMIZATIONS_IMPROVEMENT, saved)
        elif saved is not None:
            self.measure(m.OPTIMIZATIONS_REGRESSIONS, 1)


class Optimizations:
    """What makes the backend faster or cheaper."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self.rates = HitRates()

    def cache(self, name: str) -> Lookup:
        """Open a look-up in a cache; tell its result with `hit`, `miss` or `stale`.

        Args:
            name: the cache by its configured name.
        """
        lookup = Lookup(self._emitter, spans.OPTIMIZATIONS_CACHE)
        lookup.take(a.CACHE_NAME, name)
        lookup.rates = self.rates
        return lookup

    def cache_state(self, name: str, *, entries: int | None = None, evicted: int = 0) -> None:
        """Tell how full a cache is, and what was pushed out of it.

        Args:
            name: the cache by its configured name.
            entries: entries it holds now.
            evicted: entries pushed out since the last call.
        """
        if entries is not None:
            self._state("cache_state", m.CACHE_ENTRIES, name, entries, "entries")
        if not is_zero(evicted):
            self._state("cache_state", m.CACHE_EVICTIONS, name, evicted, "evicted")

    def batch(self, name: str, *, size: int) -> Batch:
        """Open the processing of a batch.

        Args:
            name: the queue by its configured name.
            size: items in the batch.
        """
        batch = Batch(self._emitter, spans.OPTIMIZATIONS_BATCH)
        batch.take(a.BATCH_NAME, name)
        return batch.measure(m.BATCH_SIZE, batch.take(a.BATCH_SIZE, size))

    def batch_wait(self, name: str, seconds: float) -> None:
        """Tell how long one item waited for its batch, where each caller knows that of its own item.

        Args:
            name: the queue by its configured name.
            seconds: how long.
        """
        call = "optimizations.batch_wait"
        checked = self._emitter.checked(call, a.BATCH_NAME, name, "name")
        if checked is not None:
            labels = {a.BATCH_NAME: checked}
            self._emitter.measure(call, m.BATCH_WAIT_DURATION, seconds, labels, argument="seconds")

    def apply(self, name: str) -> Application:
        """Open an optimization; tell what it saved with `improved`.

        Args:
            name: the optimization by its configured name.
        """
        application = Application(self._emitter, spans.OPTIMIZATIONS_APPLY)
        application.take(a.OPTIMIZATIONS_NAME, name)
        return application

    def record_cache(self, name: str, result: str, duration_s: float = 0.0) -> None:
        """Record a look-up that was measured elsewhere.

        Args:
            name: the cache by its configured name.
            result: `hit`, `miss` or `stale`.
            duration_s: seconds.
        """
        lookup = self.cache(name)
        lookup.take(a.CACHE_RESULT, result)
        lookup.record(duration_s)

    def record_batch(
        self,
        name: str,
        size: int,
        duration_s: float,
        *,
        wait_s: float | Iterable[float] | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record a batch that was measured elsewhere.

        Args:
            name: the queue by its configured name.
            size: items in the batch.
            duration_s: seconds.
            wait_s: seconds an item, or each of several, waited.
            outcome: how it ended; success by default.
            error: the failure.
        """
        batch = self.batch(name, size=size)
        if wait_s is not None:
            batch.waited(wait_s)
        batch.record(duration_s, outcome=outcome, error=error)

    def record_optimization(
        self,
        name: str,
        duration_s: float = 0.0,
        *,
        improvement: float | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record an optimization that was measured elsewhere.

        Args:
            name: the optimization by its configured name.
            duration_s: seconds.
            improvement: share saved.
            outcome: how it ended; success by default.
            error: the failure.
        """
        application = self.apply(name)
        if improvement is not None:
            application.improved(improvement)
        application.record(duration_s, outcome=outcome, error=error)

    def _state(self, call: str, metric: MetricSpec, name: str, value: int, argument: str) -> None:
        checked = self._emitter.checked(f"optimizations.{call}", a.CACHE_NAME, name)
        if checked is not None:
            self._emitter.measure(f"optimizations.{call}", metric, value, {a.CACHE_NAME: checked}, argument=argument)
