"""Bounded batching of spans and log records, with exact counts of what is dropped and deadlines that hold."""

from __future__ import annotations

import sys
import threading
import time
from _thread import get_ident
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.outlet import LAST_S, SPARE_S, Outlet, spare_s
from capibara_otel.pipeline.worker import WORKERS, Occasion, Worker

T = TypeVar("T")

_DEFAULT_DELAY_MS: Final[Mapping[str, int]] = {"OTEL_BSP": 5000, "OTEL_BLRP": 1000}


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much waits, how much goes at once, how long it waits at most."""

    capacity: int = 2048
    batch_size: int = 512
    delay_s: float = 5.0

    @classmethod
    def read(cls, prefix: str, environ: Mapping[str, str]) -> BatchLimits:
        """Read them as the OpenTelemetry SDK does.

        Args:
            prefix: `OTEL_BSP` for spans, `OTEL_BLRP` for log records.
            environ: the environment, checked already.
        """
        capacity = int(environ.get(f"{prefix}_MAX_QUEUE_SIZE") or 2048)
        batch_size = int(environ.get(f"{prefix}_MAX_EXPORT_BATCH_SIZE") or 512)
        delay_ms = int(environ.get(f"{prefix}_SCHEDULE_DELAY") or _DEFAULT_DELAY_MS[prefix])
        return cls(capacity, min(batch_size, capacity), delay_ms / 1000)


class BatchQueue(Generic[T]):
    """A bounded queue that one thread empties into an outlet, batch by batch.

    Every item that is put ends in exactly one count of `health`: exported, put aside on disk, or dropped for a reason.
    Putting takes no lock, so that a signal handler may put at any moment; threads that put the last items at the same
    moment may go past the capacity by as many.

    Args:
        signal: what the items are.
        outlet: where they go.
        limits: see `BatchLimits`.
        health: where they are counted.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        signal: Signal,
        outlet: Outlet[Sequence[T]],
        limits: BatchLimits,
        health: Health,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal: Final = signal
        self.target: Final = outlet.target
        self._outlet: Final = outlet
        self._limits: Final = limits
        self._health: Final = health
        self._clock: Final = clock
        self._lock = threading.RLock()
        self._items: Final[deque[T]] = deque()
        self._under_way: Sequence[T] = ()
        self._is_closed = False
        self._is_over = False
        self._room = limits.capacity
        """From this length on nothing is taken."""
        self._attended_from = limits.batch_size
        """From this length on there is something to do about an item that was put."""
        health.watch(signal, size=self._items.__len__, capacity=limits.capacity)
        self._worker: Final = Worker(f"capibara-otel-{signal}", self._send, delay_s=limits.delay_s)

    def put(self, item: T) -> None:
        """Take an item, or count it as dropped; never waits for the receiver, never raises."""
        if get_ident() in WORKERS:
            return
        items = self._items
        if len(items) >= self._room:
            self._health.count_dropped(self.signal, "shutdown" if self._is_closed else "queue_full", 1)
            return
        items.append(item)
        if len(items) >= self._attended_from:
            self._attend()

    def __len__(self) -> int:
        return len(self._items)

    def ask_flush(self) -> int:
        """Have everything sent that is in the queue now; does not wait."""
        return self._worker.ask_flush()

    def wait_flush(self, ticket: int, timeout_s: float) -> bool:
        """Wait for a flush; see `Worker.wait_flush`."""
        return self._worker.wait_flush(ticket, timeout_s)

    def close(self) -> None:
        """Refuse further items and send the rest; does not wait."""
        self._is_closed = True
        self._room = 0
        self._worker.stop()

    def finish(self, timeout_s: float) -> bool:
        """Wait until the rest is sent, then give up what is left: it is put aside if it can be, and counted.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            Whether nothing was left.
        """
        until = self._clock() + max(timeout_s, SPARE_S)
        self._worker.join(timeout_s - spare_s(self._outlet, timeout_s))
        with self._lock:
            self._is_over = True
            self._room = self._attended_from = 0
            under_way, self._under_way = self._under_way, ()
            rest = list(self._drain())
        for batch in (under_way, *self._batches(rest)):
            if self._outlet.keeps and self._clock() < until:
                self._health.count_sent(self.signal, len(batch), self._outlet.keep(batch), lost="shutdown")
            else:
                self._health.count_dropped(self.signal, "shutdown", len(batch))
        self._outlet.close()
        return not under_way and not rest

    def after_fork(self) -> None:
        """Start empty in a forked child, with a connection of its own."""
        self._lock = threading.RLock()
        self._items.clear()
        self._under_way = ()
        if not self._is_closed:
            self._attended_from = self._limits.batch_size
        self._outlet.after_fork()
        self._worker.after_fork()

    def _attend(self) -> None:
        with self._lock:
            if not self._is_over:
                self._attended_from = sys.maxsize  # until the worker looks, nobody need wake it again
        if not self._is_over:
            self._worker.wake()
            return
        # The queue was given up while this item was on its way in.
        late = len(list(self._drain()))
        if late:
            self._health.count_dropped(self.signal, "shutdown", late)

    def _drain(self) -> Iterator[T]:
        while True:
            try:
                yield self._items.popleft()
            except IndexError:
                return

    def _batches(self, items: Sequence[T]) -> list[Sequence[T]]:
        size = self._limits.batch_size
        return [items[start : start + size] for start in range(0, len(items), size)]

    def _send(self, occasion: Occasion) -> bool:
        size = self._limits.batch_size
        with self._lock:
            if not self._is_over:
                self._attended_from = size
        # A run is bounded by what was there at its start: under constant load it would not end otherwise.
        todo = len(self._items)
        smallest = size if occasion == "wake" else 1
        all_well = True
        while todo >= smallest and (batch := self._take(min(todo, size))):
            todo -= len(batch)
            all_well = self._deliver(batch) and all_well
        if all_well and occasion != "flush":
            self._catch_up(occasion)
        return all_well

    def _take(self, size: int) -> Sequence[T]:
        with self._lock:
            if self._is_over:
                return ()
            batch = [self._items.popleft() for _ in range(min(size, len(self._items)))]
            self._under_way = batch
            return batch

    def _deliver(self, batch: Sequence[T]) -> bool:
        start = self._clock()
        sent = self._outlet.send(batch)
        if sent.was_tried:
            self._health.record_export(self.signal, self._clock() - start, went_well=sent.delivered)
        with self._lock:
            if self._is_over:
                return False  # `finish` has counted it
            self._under_way = ()
            self._health.count_sent(self.signal, len(batch), sent)
        return sent.delivered

    def _catch_up(self, occasion: Occasion) -> None:
        until = self._clock() + LAST_S

        def enough() -> bool:
            if occasion == "stop":
                return self._is_over or self._clock() >= until
            return self._worker.is_wanted or len(self._items) >= self._limits.batch_size

        self._outlet.catch_up(enough)
