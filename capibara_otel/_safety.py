"""Telemetry never harms the app it observes: faults inside it stop at this boundary.

A fault is swallowed, logged once per place and counted; under pytest it is raised, so that it is
found where it can still be mended (`CAPIBARA_RAISE=0` or `1` decides otherwise).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

logger: Final = logging.getLogger("capibara_otel")

_RAISE_VARIABLE: Final = "CAPIBARA_RAISE"


def faults_are_raised() -> bool:
    """Tell whether faults in telemetry are raised instead of swallowed: yes in a pytest run."""
    setting = os.environ.get(_RAISE_VARIABLE)
    if setting is not None:
        return setting.strip().lower() in {"1", "true", "yes", "on"}
    return "PYTEST_CURRENT_TEST" in os.environ and "pytest" in sys.modules


class Once:
    """Remembers keys, so that a message is said once per key. Bounded: past `limit` keys it stays silent."""

    def __init__(self, limit: int = 1000) -> None:
        self._seen: set[object] = set()
        self._limit = limit
        self._lock = threading.Lock()

    def first(self, key: object) -> bool:
        """Return True the first time a key is seen and there is room to remember it."""
        with self._lock:
            if key in self._seen or len(self._seen) >= self._limit:
                return False
            self._seen.add(key)
            return True


class shield:  # noqa: N801 - used as a verb in `with shield("place"):`
    """Context manager: keep faults of telemetry code from the caller.

    Only `Exception` is kept; `KeyboardInterrupt`, `SystemExit` and cancellation pass.

    Args:
        place: where the fault happened, for the log line; constant per call site.
        on_fault: called with the place and the fault, for a counter. Its own faults are dropped.
    """

    __slots__ = ("_on_fault", "_place")

    _said: Final = Once()

    def __init__(self, place: str, on_fault: Callable[[str, Exception], None] | None = None) -> None:
        self._place = place
        self._on_fault = on_fault

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(fault, Exception):
            return False
        if faults_are_raised():
            return False
        if shield._said.first((self._place, kind)):
            logger.error("telemetry fault in %s; your code goes on, with less telemetry", self._place, exc_info=fault)
        if self._on_fault is not None:
            try:
                self._on_fault(self._place, fault)
            except Exception as second:  # noqa: BLE001 - the last line of defence
                logger.debug("fault while counting a fault: %r", second)
        return True
