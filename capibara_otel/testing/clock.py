"""Time and ids that tests decide."""

from __future__ import annotations

import itertools
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator

START_NS: Final = 1_700_000_000_000_000_000
"""When a `FakeClock` begins: 2023-11-14 22:13:20 UTC."""


class FakeClock:
    """A clock that stands still until it is told otherwise.

    Args:
        now_ns: nanoseconds since the epoch to begin with.
    """

    def __init__(self, now_ns: int = START_NS) -> None:
        self.now_ns = now_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * 1e9)

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return self.now_ns

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go back, as long as `advance` is not given a negative time."""
        return self.now_ns - START_NS


class SequentialIds(IdGenerator):
    """Trace and span ids 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """Return the next span id."""
        return next(self._spans)
