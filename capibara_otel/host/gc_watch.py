"""Watches the garbage collector."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable

from capibara_otel.subsystems.system import System


class GcWatch:
    """Notes garbage collections and tells of them later: inside of one nothing may be recorded.

    Args:
        monotonic_ns: the clock.
    """

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._monotonic_ns = monotonic_ns
        self._began_ns = 0
        self._noted: deque[tuple[int, int, int]] = deque(maxlen=10_000)

    def start(self) -> None:
        """Begin to take note."""
        if self._note not in gc.callbacks:
            gc.callbacks.append(self._note)

    def stop(self) -> None:
        """Take note no more."""
        if self._note in gc.callbacks:
            gc.callbacks.remove(self._note)

    def tell(self, system: System) -> None:
        """Record what was noted."""
        while self._noted:
            generation, duration_ns, collected = self._noted.popleft()
            system.record_gc(generation, duration_ns / 1e9, collected)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        now = self._monotonic_ns()
        if phase == "start":
            self._began_ns = now
        elif self._began_ns:
            self._noted.append((info["generation"], max(0, now - self._began_ns), info["collected"]))
