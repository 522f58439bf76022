"""A cache in memory: least recently used entries leave first, old ones are stale, equal misses are worked out once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Outcome(StrEnum):
    """What a lookup found: a fresh entry, none, or one that is older than its time to live."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"


@dataclass(frozen=True)
class Lookup(Generic[V]):
    """Result of a lookup.

    Attributes:
        outcome: hit, miss or stale.
        value: the entry's value on a hit, the freshly made one from `get_or_make`; None on a plain miss. A stale
            lookup gives the old value, for callers who would rather serve that than wait.
        age_s: seconds since the found entry was put; None on a miss.
    """

    outcome: Outcome
    value: V | None
    age_s: float | None


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since the cache was made.

    Attributes:
        hits: lookups that found a fresh entry.
        misses: lookups that found nothing.
        stale: lookups that found an entry past its time to live.
        evictions: entries dropped for want of room.
        entries: entries held now, stale ones included.
    """

    hits: int
    misses: int
    stale: int
    evictions: int
    entries: int

    @property
    def lookups(self) -> int:
        """All lookups."""
        return self.hits + self.misses + self.stale

    @property
    def hit_rate(self) -> float:
        """Share of lookups that were hits, 0 to 1; 0 before the first."""
        return self.hits / self.lookups if self.lookups else 0.0


class TtlLruCache(Generic[K, V]):
    """A bounded cache for one event loop; its calls do not block.

    Args:
        max_entries: how many entries it holds; the least recently used one leaves for a new one.
        ttl_s: seconds after which an entry is stale.
        clock: seconds that only go forward.
    """

    def __init__(self, max_entries: int, ttl_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        faults = [f"max_entries={max_entries}: give it 1 or more"] * (max_entries < 1)
        faults += [f"ttl_s={ttl_s}: give it seconds above 0"] * (not ttl_s > 0)
        if faults:
            raise ValueError(f"TtlLruCache({'; '.join(faults)})")
        self._max_entries = max_entries
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._making: dict[K, asyncio.Task[V]] = {}
        self._counts = dict.fromkeys(Outcome, 0)
        self._evictions = 0

    def get(self, key: K) -> Lookup[V]:
        """Look a key up, and count what was found."""
        entry = self._entries.get(key)
        if entry is None:
            self._counts[Outcome.MISS] += 1
            return Lookup(Outcome.MISS, None, None)
        value, put_at = entry
        age = self._clock() - put_at
        outcome = Outcome.HIT if age < self._ttl_s else Outcome.STALE
        if outcome is Outcome.HIT:
            self._entries.move_to_end(key)
        self._counts[outcome] += 1
        return Lookup(outcome, value, age)

    def put(self, key: K, value: V) -> None:
        """Keep a value as the most recently used entry, from now on."""
        self._entries[key] = (value, self._clock())
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
            self._evictions += 1

    async def get_or_make(self, key: K, make: Callable[[], Awaitable[V]]) -> Lookup[V]:
        """Look a key up; on a miss or a stale entry have the value made, once for all who ask meanwhile.

        Cancelling one caller does not take the value from the others. What `make` raises reaches all of them, and
        nothing is kept.

        Args:
            key: what is looked for.
            make: called without arguments to get the value.

        Returns:
            What the lookup found, with the value: the fresh one where it was not a hit.
        """
        found = self.get(key)
        if found.outcome is Outcome.HIT:
            return found
        task = self._making.get(key)
        if task is None:
            task = asyncio.ensure_future(self._make(key, make))
            self._making[key] = task
            task.add_done_callback(_look_at_fault)
        return Lookup(found.outcome, await asyncio.shield(task), found.age_s)

    def drop(self, key: K) -> bool:
        """Forget a key, and tell whether it was there."""
        return self._entries.pop(key, None) is not None

    def stats(self) -> CacheStats:
        """Return the counts so far."""
        return CacheStats(
            hits=self._counts[Outcome.HIT],
            misses=self._counts[Outcome.MISS],
            stale=self._counts[Outcome.STALE],
            evictions=self._evictions,
            entries=len(self._entries),
        )

    async def _make(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        try:
            value = await make()
            self.put(key, value)
            return value
        finally:
            del self._making[key]


def _look_at_fault(task: asyncio.Task[V]) -> None:
    """Read a failed task's fault, so that asyncio does not report it when every caller was cancelled."""
    if not task.cancelled():
        task.exception()
