"""How the telemetry itself fares: what was exported, what was dropped and why, what waits.

The counts are plain integers that the metrics read when they are collected; counting makes no telemetry.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from opentelemetry.metrics import CallbackOptions, Observation

from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv.instruments import Instruments

Signal: TypeAlias = Literal["traces", "metrics", "logs"]
Reason: TypeAlias = Literal["queue_full", "export_failed", "shutdown"]

SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class _Queue:
    signal: Signal
    size: Callable[[], int]
    capacity: int


class Health:
    """Counts of one pipeline. Spans, log records and metric points are all items."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._exported: Counter[Signal] = Counter()
        self._dropped: Counter[tuple[Signal, Reason]] = Counter()
        self._signals: set[Signal] = set()
        self._queues: list[_Queue] = []
        self._instruments: Instruments | None = None

    def watch(self, signal: Signal, *, size: Callable[[], int] | None = None, capacity: int = 0) -> None:
        """Show a signal's counts from now on, also while they are zero.

        Args:
            signal: which.
            size: reads how many items wait in its queue, where it has one.
            capacity: how many that queue can hold.
        """
        self._signals.add(signal)
        if size is not None:
            self._queues.append(_Queue(signal, size, capacity))

    def count_exported(self, signal: Signal, items: int) -> None:
        """Count items that the receiver took."""
        with self._lock:
            self._exported[signal] += items

    def count_dropped(self, signal: Signal, reason: Reason, items: int) -> None:
        """Count items that will not reach the receiver."""
        with self._lock:
            self._dropped[signal, reason] += items

    def record_export(self, signal: Signal, seconds: float, *, went_well: bool) -> None:
        """Record the time of one export."""
        labels = {a.TELEMETRY_SIGNAL: signal, a.OUTCOME: "success" if went_well else "error"}
        if self._instruments is not None:
            self._instruments.record(m.TELEMETRY_EXPORT_DURATION, seconds, labels)

    def record_scrape(self, seconds: float) -> None:
        """Record the time of writing the metrics page."""
        if self._instruments is not None:
            self._instruments.record(m.TELEMETRY_SCRAPE_DURATION, seconds, {})

    def exported(self, signal: Signal) -> int:
        """Return how many items of a signal the receiver took."""
        return self._exported[signal]

    def dropped(self, signal: Signal, reason: Reason | None = None) -> int:
        """Return how many items of a signal were dropped, for one reason or for any."""
        reasons = REASONS if reason is None else (reason,)
        return sum(self._dropped[signal, each] for each in reasons)

    def publish(self, instruments: Instruments) -> None:
        """Show the counts as metrics.

        Args:
            instruments: of the meter they belong to; once per meter.
        """
        self._instruments = instruments
        instruments.observe(m.TELEMETRY_EXPORTED, self._read_exported)
        instruments.observe(m.TELEMETRY_DROPPED, self._read_dropped)
        instruments.observe(m.TELEMETRY_QUEUE_SIZE, self._read_sizes)
        instruments.observe(m.TELEMETRY_QUEUE_CAPACITY, self._read_capacities)

    def after_fork(self) -> None:
        """Count from zero in a forked child."""
        self._lock = threading.RLock()
        self._exported.clear()
        self._dropped.clear()

    def _read_exported(self, _: CallbackOptions) -> Iterable[Observation]:
        for signal in sorted(self._signals):
            yield Observation(self._exported[signal], {a.TELEMETRY_SIGNAL: signal})

    def _read_dropped(self, _: CallbackOptions) -> Iterable[Observation]:
        for signal in sorted(self._signals):
            for reason in REASONS:
                labels = {a.TELEMETRY_SIGNAL: signal, a.TELEMETRY_REASON: reason}
                yield Observation(self._dropped[signal, reason], labels)

    def _read_sizes(self, _: CallbackOptions) -> Iterable[Observation]:
        yield from self._sum_queues(lambda queue: queue.size())

    def _read_capacities(self, _: CallbackOptions) -> Iterable[Observation]:
        yield from self._sum_queues(lambda queue: queue.capacity)

    def _sum_queues(self, value: Callable[[_Queue], int]) -> Iterable[Observation]:
        totals: Counter[Signal] = Counter()
        for queue in self._queues:
            totals[queue.signal] += value(queue)
        for signal, total in sorted(totals.items()):
            yield Observation(total, {a.TELEMETRY_SIGNAL: signal})
