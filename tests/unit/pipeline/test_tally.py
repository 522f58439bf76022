"""Counting that loses nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from capibara_otel.pipeline.tally import Tally


@pytest.fixture
def _hasty() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_sums_are_by_key() -> None:
    """What was added to a key is its sum, and nothing is zero."""
    tally = Tally[str]()
    tally.add("a", 2)
    tally.add("b", 5)
    tally.add("a", -1)
    assert (tally["a"], tally["b"], tally["c"]) == (1, 5, 0)
    assert list(tally) == ["a", "b"]


@pytest.mark.usefixtures("_hasty")
def test_threads_lose_nothing() -> None:
    """However threads that add and threads that read are mixed, every addition is in the sum."""
    tally = Tally[str]()

    def work() -> None:
        for number in range(5000):
            tally.add("a", 1)
            if number % 100 == 0:
                assert tally["a"] <= 20_000

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally["a"] == 20_000


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of Unix")
def test_a_signal_handler_loses_nothing_and_waits_for_nobody() -> None:
    """A handler that adds and reads while the same thread adds and reads neither hangs nor loses a count."""
    tally = Tally[str]()
    handled = 0

    def handle(_: int, __: FrameType | None) -> None:
        nonlocal handled
        handled += 1
        tally.add("a", 1)
        assert tally["a"] >= 0

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        added = 0
        while handled < 300:
            tally.add("a", 1)
            added += 1
            assert tally["a"] >= added
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert tally["a"] == added + handled


def test_what_nobody_reads_does_not_grow() -> None:
    """Additions are summed up from time to time, also where nobody ever looks."""
    tally = Tally[str]()
    for _ in range(10_000):
        tally.add("a", 1)
    assert len(tally._noted) <= 1001
