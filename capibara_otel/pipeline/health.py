"""How the telemetry itself fares: what was exported, what was dropped and why, what waits, what was decided.

The counts are plain integers that the metrics read when they are collected; counting makes no telemetry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from opentelemetry.metrics import CallbackOptions, Observation

from capibara_otel.pipeline.outlet import Sent
from capibara_otel.pipeline.tally import Tally
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv.instruments import Instruments

Signal: TypeAlias = Literal["traces", "metrics", "logs"]
Reason: TypeAlias = Literal["queue_full", "export_failed", "rejected", "unencodable", "spool_full", "shutdown"]
Decision: TypeAlias = Literal["error", "slow", "dear", "share", "dropped"]

SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)


@dataclass(frozen=True, slots=True)
class _Queue:
    signal: Signal
    size: Callable[[], int]
    capacity: int


class Health:
    """Counts of one pipeline. Spans, log records and metric points are all items."""

    def __init__(self) -> None:
        self._exported: Final[Tally[Signal]] = Tally()
        self._spooled: Final[Tally[Signal]] = Tally()
        self._dropped: Final[Tally[tuple[Signal, Reason]]] = Tally()
        self._decided: Final[Tally[Decision]] = Tally()
        self._overflown: Final[Tally[tuple[str, str]]] = Tally()
        self._signals: set[Signal] = set()
        self._queues: list[_Queue] = []
        self._undecided: Callable[[], int] | None = None
        self._spool: Callable[[], int] | None = None
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

    def watch_spool(self, size: Callable[[], int]) -> None:
        """Show how many bytes wait on disk.

        Args:
            size: reads them.
        """
        self._spool = size

    def watch_undecided(self, size: Callable[[], int]) -> None:
        """Show how many spans wait for their trace's end, and what was decided, also while nothing was.

        Args:
            size: reads how many wait.
        """
        self._undecided = size

    def count_exported(self, signal: Signal, items: int) -> None:
        """Count items that the receiver took."""
        self._exported.add(signal, items)

    def count_spooled(self, signal: Signal, items: int) -> None:
        """Count items that were put aside on disk; negative ones have left it again."""
        self._spooled.add(signal, items)

    def count_dropped(self, signal: Signal, reason: Reason, items: int) -> None:
        """Count items that will not reach the receiver."""
        self._dropped.add((signal, reason), items)

    def count_sent(self, signal: Signal, items: int, sent: Sent, *, lost: Reason = "export_failed") -> None:
        """Count every item of a batch once.

        Args:
            signal: of the batch.
            items: how many it had.
            sent: what became of it.
            lost: why those are dropped that were neither delivered nor put aside.
        """
        unencodable = min(sent.unencodable, items)
        left = items - unencodable
        rejected = min(sent.rejected, left) if sent.delivered else 0
        spooled = 0 if sent.delivered else min(sent.spooled, left)
        failed = 0 if sent.delivered else left - spooled
        counts: tuple[tuple[Reason, int], ...] = (
            ("unencodable", unencodable),
            ("rejected", rejected),
            ("spool_full" if sent.spool_was_full else lost, failed),
        )
        for reason, dropped in counts:
            if dropped:
                self._dropped.add((signal, reason), dropped)
        if spooled:
            self.count_spooled(signal, spooled)
        if sent.delivered and left > rejected:
            self.count_exported(signal, left - rejected)

    def count_decided(self, decision: Decision, traces: int = 1) -> None:
        """Count traces that tail sampling decided about."""
        self._decided.add(decision, traces)

    def count_overflow(self, metric: str, attribute: str, measurements: int = 1) -> None:
        """Count measurements that went into the overflow series of a metric, and the attribute that is to blame."""
        self._overflown.add((metric, attribute), measurements)

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

    def spooled(self, signal: Signal) -> int:
        """Return how many items of a signal this process put aside on disk and has not seen leave it."""
        return self._spooled[signal]

    def dropped(self, signal: Signal, reason: Reason | None = None) -> int:
        """Return how many items of a signal were dropped, for one reason or for any."""
        reasons = REASONS if reason is None else (reason,)
        return sum(self._dropped[signal, each] for each in reasons)

    def decided(self, decision: Decision) -> int:
        """Return how many traces tail sampling decided about in this way."""
        return self._decided[decision]

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
        # These have no series, and so are not shown, until there is something to say.
        instruments.observe(m.TELEMETRY_SPOOL_SIZE, lambda _: _read(self._spool))
        instruments.observe(m.TELEMETRY_TRACES_UNDECIDED, lambda _: _read(self._undecided))
        instruments.observe(m.TELEMETRY_TRACES_DECIDED, self._read_decided)
        instruments.observe(m.TELEMETRY_OVERFLOW, self._read_overflown)

    def after_fork(self) -> None:
        """Count from zero in a forked child."""
        for tally in (self._exported, self._spooled, self._dropped, self._decided, self._overflown):
            tally.after_fork()
        if self._instruments is not None:
            self._instruments.after_fork()

    def _read_exported(self, _: CallbackOptions) -> Iterable[Observation]:
        for signal in sorted(self._signals):
            yield Observation(self._exported[signal], {a.TELEMETRY_SIGNAL: signal})

    def _read_dropped(self, _: CallbackOptions) -> Iterable[Observation]:
        reasons = [reason for reason in REASONS if reason != "spool_full" or self._spool is not None]
        for signal in sorted(self._signals):
            for reason in reasons:
                labels = {a.TELEMETRY_SIGNAL: signal, a.TELEMETRY_REASON: reason}
                yield Observation(self._dropped[signal, reason], labels)

    def _read_decided(self, _: CallbackOptions) -> Iterable[Observation]:
        if self._undecided is None and not any(self._decided):
            return
        for decision in DECISIONS:
            yield Observation(self._decided[decision], {a.TELEMETRY_DECISION: decision})

    def _read_overflown(self, _: CallbackOptions) -> Iterable[Observation]:
        for metric, attribute in self._overflown:
            labels = {a.TELEMETRY_METRIC: metric, a.TELEMETRY_ATTRIBUTE: attribute}
            yield Observation(self._overflown[metric, attribute], labels)

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


def _read(size: Callable[[], int] | None) -> Iterable[Observation]:
    return () if size is None else (Observation(size()),)
