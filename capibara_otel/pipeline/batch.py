"""Bounded batching of spans and log records, with exact counts of what is dropped and deadlines that hold."""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from capibara_otel.pipeline.exporters import Outlet
from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.worker import Occasion, Worker, in_worker

T = TypeVar("T")

_DEFAULT_DELAY_MS: Final[Mapping[str, int]] = {"OTEL_BSP": 5000, "OTEL_BLRP": 1000}
_NO_RESOURCE: Final = Resource.get_empty()


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
    """A bounded queue that one thread empties into an exporter, batch by batch.

    Every item that is put ends in exactly one count of `health`: exported, or dropped for a reason.

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
        self._items: deque[T] = deque()
        self._in_flight = 0
        self._closed = False
        self._given_up = False
        health.watch(signal, size=lambda: len(self._items), capacity=limits.capacity)
        self._worker: Final = Worker(f"capibara-otel-{signal}", self._send, delay_s=limits.delay_s)

    def put(self, item: T) -> None:
        """Take an item, or count it as dropped; never waits for the receiver, never raises."""
        if in_worker():
            return
        batch_is_full = False
        with self._lock:
            if self._closed:
                self._health.count_dropped(self.signal, "shutdown", 1)
            elif len(self._items) >= self._limits.capacity:
                self._health.count_dropped(self.signal, "queue_full", 1)
            else:
                self._items.append(item)
                batch_is_full = len(self._items) == self._limits.batch_size
        if batch_is_full:
            self._worker.wake()

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
        with self._lock:
            self._closed = True
        self._worker.stop()

    def finish(self, timeout_s: float) -> bool:
        """Wait until the rest is sent, then give up what is left and count it.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            Whether nothing was left.
        """
        self._worker.join(timeout_s)
        with self._lock:
            self._given_up = True
            left = len(self._items) + self._in_flight
            self._items.clear()
            self._in_flight = 0
        if left:
            self._health.count_dropped(self.signal, "shutdown", left)
        self._outlet.close()
        return left == 0

    def after_fork(self) -> None:
        """Start empty in a forked child, with an exporter of its own."""
        self._lock = threading.RLock()
        self._items.clear()
        self._in_flight = 0
        self._outlet.after_fork()
        self._worker.after_fork()

    def _send(self, occasion: Occasion) -> bool:
        # A run is bounded by what was there at its start: under constant load it would not end otherwise.
        todo = len(self._items)
        smallest = self._limits.batch_size if occasion == "wake" else 1
        all_well = True
        while todo >= smallest and (batch := self._take(min(todo, self._limits.batch_size))):
            todo -= len(batch)
            start = self._clock()
            went_well = self._outlet.send(batch)
            self._health.record_export(self.signal, self._clock() - start, went_well=went_well)
            self._count(len(batch), went_well=went_well)
            all_well = all_well and went_well
        return all_well

    def _take(self, size: int) -> list[T]:
        with self._lock:
            batch = [self._items.popleft() for _ in range(min(size, len(self._items)))]
            self._in_flight = len(batch)
            return batch

    def _count(self, items: int, *, went_well: bool) -> None:
        with self._lock:
            if self._given_up:
                return
            self._in_flight = 0
        if went_well:
            self._health.count_exported(self.signal, items)
        else:
            self._health.count_dropped(self.signal, "export_failed", items)


class BatchSpans(SpanProcessor):
    """Puts sampled spans into a queue as they end.

    Args:
        queue: where they go.
    """

    def __init__(self, queue: BatchQueue[ReadableSpan]) -> None:
        self._queue: Final = queue

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._queue.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued.

        Args:
            timeout_millis: milliseconds to wait at most.

        Returns:
            Whether all of it reached the receiver in time.
        """
        return self._queue.wait_flush(self._queue.ask_flush(), timeout_millis / 1000)

    def shutdown(self, timeout_millis: int = 2_000) -> None:
        """Send what is queued and refuse the rest.

        Args:
            timeout_millis: milliseconds to wait at most.
        """
        self._queue.close()
        self._queue.finish(timeout_millis / 1000)


class BatchLogs(LogRecordProcessor):
    """Puts log records into a queue.

    Args:
        queue: where they go.
    """

    def __init__(self, queue: BatchQueue[ReadableLogRecord]) -> None:
        self._queue: Final = queue

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a record."""
        record = copy.copy(log_record.log_record)
        record.context = Context()  # what it refers to may be large, and must not live as long as the queue
        self._queue.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource or _NO_RESOURCE,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; see `BatchSpans.force_flush`."""
        return self._queue.wait_flush(self._queue.ask_flush(), timeout_millis / 1000)

    def shutdown(self, timeout_millis: int = 2_000) -> None:
        """Send what is queued and refuse the rest; see `BatchSpans.shutdown`."""
        self._queue.close()
        self._queue.finish(timeout_millis / 1000)
