"""Signal handlers and finalizers may record, read and make instruments in the middle of anything."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from capibara_otel.pipeline.metrics import provider as rooms
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets
from tests.unit.pipeline.metrics.reading import point, points, provider

ROOM = rooms.__file__.rpartition("/")[0]
STEPS = 3_000
EVERY = 13
"""So many bytecodes are passed by for each at which something is done; a prime, so that others are met each time."""


class Everything:
    """A provider with all that can be recorded, by four readers."""

    def __init__(self) -> None:
        self.cumulative = Reader()
        self.delta = Reader({"counter": "delta", "histogram": "delta"})
        self.exponential = Reader(aggregation={"histogram": ExponentialBuckets(max_size=10)})
        self.made = provider(self.cumulative, self.delta, self.exponential, cardinality_limit=50)
        self.meter = self.made.get_meter("m")
        self.counter = self.meter.create_counter("c")
        self.bound = self.counter.bind({"bound": True})
        self.histogram = self.meter.create_histogram("h")
        self.bound_histogram = self.histogram.bind()
        self.gauge = self.meter.create_gauge("g")
        self.recorded = 0
        self.total = 0.0
        self.deltas = [0.0, 0.0]

    def record(self) -> None:
        """Record once with each instrument; half of the series are new ones."""
        self.recorded += 1
        number = self.recorded
        value = 0.25 * (number * 37 % 101) ** 3
        self.total += value
        self.counter.add(1, {"n": number, "kind": "x"})
        self.bound.add(1)
        self.bound_histogram.record(value)
        self.gauge.set(number)

    def read(self) -> None:
        """Add up deltas."""
        collection = self.delta.collect()
        self.deltas[0] += sum(each.value for each in points(collection, "c"))
        self.deltas[1] += sum(each.count for each in points(collection, "h"))

    def check(self) -> None:
        """Nothing was lost."""
        self.read()
        collection = self.cumulative.collect()
        assert sum(each.value for each in points(collection, "c")) == 2 * self.recorded == self.deltas[0]
        for found in (point(collection, "h"), point(self.exponential.collect(), "h")):
            assert (found.count, found.sum) == (self.recorded, self.total)
        assert self.deltas[1] == self.recorded
        assert point(self.exponential.collect(), "h").zero_count == sum(
            number * 37 % 101 == 0 for number in range(1, self.recorded + 1)
        )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that signal")
def test_signal_handlers_lose_nothing() -> None:
    """What a handler records, between any two steps of what it interrupts, is in the data; and that too."""
    everything = Everything()
    interrupted = 0

    def handle(_: int, __: FrameType | None) -> None:
        nonlocal interrupted
        interrupted += 1
        everything.record()

    before = signal.signal(signal.SIGVTALRM, handle)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1e-4, 1e-4)
    try:
        while interrupted < 50:
            for _ in range(STEPS // 10):
                everything.record()
            everything.read()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    everything.check()


def test_finalizers_lose_nothing() -> None:
    """What a finalizer records while the collector runs, at any allocation, is in the data."""
    everything = Everything()
    finalized = 0

    class Garbage:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            nonlocal finalized
            finalized += 1
            everything.record()

    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(STEPS // 10):
            Garbage()
            everything.record()
            Garbage()
            everything.read()
    finally:
        gc.set_threshold(*before)
        gc.collect()
    assert finalized == STEPS // 10 * 2
    everything.check()


def test_nothing_waits_for_ever() -> None:
    """Between any two bytecodes of the metrics, everything can be done and comes to an end; the data stays sound."""
    everything = Everything()
    operations: list[Callable[[], Any]] = [
        everything.record,
        everything.read,
        everything.exponential.collect,
        lambda: everything.meter.create_counter("made"),
        lambda: everything.made.get_meter("other"),
        lambda: everything.counter.bind({"other": 1}).add(1),
        lambda: everything.made.add_metric_reader(Reader()),
    ]
    seen = done = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal done, seen
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
        if event == "opcode" and seen % EVERY == 0:
            operations[done % (len(operations) - 1)]()
            done += 1
        return trace

    before = sys.gettrace()
    for operation in operations:
        sys.settrace(trace)
        try:
            operation()
        finally:
            sys.settrace(before)
    assert done > 100
    # What Python does between two bytecodes here, no signal handler can; sums may be short, but everything goes on.
    for reader, name in ((everything.cumulative, "c"), (everything.exponential, "h"), (everything.delta, "c")):
        reader.collect()
        first = sum(getattr(each, "value", getattr(each, "count", 0)) for each in points(reader.collect(), name))
        everything.record()
        second = sum(getattr(each, "value", getattr(each, "count", 0)) for each in points(reader.collect(), name))
        assert second - first == (2 if name == "c" else 1)
