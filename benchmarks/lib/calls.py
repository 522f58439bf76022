"""Times a statement in a peer's process: what the caller works, and what the process works with sending included.

Processor time, so that what else the machine does is not counted; nothing here waits for anything.
"""

from __future__ import annotations

import gc
import time
import timeit
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.lib.answers import Answers

_ROUND_S: Final = 0.02
_CALIBRATION: Final = 100


@dataclass(frozen=True, slots=True)
class Case:
    """A statement to be timed."""

    statement: str
    names: Mapping[str, Any]
    calls: int = 1
    """How many calls the statement makes."""
    number: int = 0
    """How often it runs in a round; by default as often as fits into 20 ms."""
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Open around a round, such as a span."""
    flush: Callable[[], object] = int
    """Sends what waits."""


def answers(cases: Mapping[str, Callable[[], Case]]) -> Answers:
    """Return the rooms of a process that times cases.

    Args:
        cases: by name; each is set up when it is first asked for.
    """
    ready: dict[str, tuple[Case, timeit.Timer, int]] = {}

    def prepare(name: str) -> tuple[Case, timeit.Timer, int]:
        case = cases[name]()
        timer = timeit.Timer(case.statement, "gc.enable()", time.thread_time, {**case.names, "gc": gc})
        number = case.number
        if not number:
            with case.within():
                timer.timeit(_CALIBRATION)
                number = max(_CALIBRATION, int(_ROUND_S / timer.timeit(_CALIBRATION) * _CALIBRATION))
        return case, timer, number

    def timed(name: str) -> dict[str, float]:
        if name not in ready:
            ready[name] = prepare(name)
        case, timer, number = ready[name]
        case.flush()
        gc.collect()
        began = time.process_time()
        with case.within():
            called = timer.timeit(number)
        case.flush()
        worked = time.process_time() - began
        empty = timeit.timeit(timer=time.thread_time, number=number)
        calls = number * case.calls
        return {"call_us": (called - empty) / calls * 1e6, "whole_us": worked / calls * 1e6}

    return {"timed": timed}


THREE: Final = {"index": "docs", "outcome": "success", "tier": "pro"}
"""The attributes of a measurement, the same for all."""
SECONDS: Final = (0.003, 0.04, 0.3, 2.0)
"""What histograms are given in turn: four buckets of those every peer has."""
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The buckets, the same for all."""
