"""Time as operations read it; injected, so that tests can hold it still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of time."""

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch, for time stamps."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never goes back, for durations."""


class SystemClock:
    """The machine's clocks."""

    time_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.perf_counter_ns)
