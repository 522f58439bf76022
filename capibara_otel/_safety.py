"""Telemetry never harms the app it observes: faults inside it stop at this boundary.

A fault is swallowed, logged once per place and counted; under pytest it is raised, so that it is
found where it can still be mended (`CAPIBARA_RAISE=0` or `1` decides otherwise).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeAlias

logger: Final = logging.getLogger("capibara_otel")

_RAISE_VARIABLE: Final = "CAPIBARA_RAISE"

OnFault: TypeAlias = Callable[[str, Exception], None]
"""Told of a fault that was kept from the app, and of its place, so that it can be counted."""


def faults_are_raised() -> bool:
    """Tell whether faults in telemetry are raised instead of swallowed: yes in a pytest run."""
    setting = os.environ.get(_RAISE_VARIABLE)
    if setting is not None:
        return setting.strip().lower() in {"1", "true", "yes", "on"}
    return "PYTEST_CURRENT_TEST" in os.environ and "pytest" in sys.modules


class Once:
    """Remembers keys, so that a message is said once per key. Bounded: past `limit` keys it stays silent.

    It takes no lock: a signal handler or a forked process may ask while another asks. Threads that bring the last few
    keys at the same moment may go past the limit by as many.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._seen: dict[object, object] = {}
        self._limit = limit

    def first(self, key: object) -> bool:
        """Return True the first time a key is seen and there is room to remember it."""
        if len(self._seen) >= self._limit:
            return False
        mine = object()
        return self._seen.setdefault(key, mine) is mine


class shield:  # noqa: N801 - used as a verb in `with shield("place"):`
    """Context manager: keep faults of telemetry code from the caller.

    Only `Exception` is kept; `KeyboardInterrupt`, `SystemExit` and cancellation pass. Where every nanosecond counts,
    `except Exception as fault:` with `kept` does the same, and costs nothing while there is no fault.

    Args:
        place: where the fault happened, for the log line; constant per call site.
        on_fault: called with the place and the fault, for a counter. Its own faults are dropped.
    """

    __slots__ = ("_on_fault", "_place")

    _said: Final = Once()

    def __init__(self, place: str, on_fault: OnFault | None = None) -> None:
        self._place = place
        self._on_fault = on_fault

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(fault, Exception) and kept(self._place, fault, self._on_fault)


def kept(place: str, fault: Exception, on_fault: OnFault | None = None) -> bool:
    """Log a fault once and count it; return whether it is to be kept from the app, which is so but in a test run.

    Args:
        place: where the fault happened, for the log line; constant per call site.
        fault: what was raised there.
        on_fault: called with the place and the fault, for a counter; by default what `count_faults` was told. Its own
            faults are dropped.
    """
    if faults_are_raised():
        return False
    if shield._said.first((place, type(fault))):  # noqa: SLF001 - the same faults, met in another way
        logger.error("telemetry fault in %s; your code goes on, with less telemetry", place, exc_info=fault)
    for count in list(_counters) if on_fault is None else (on_fault,):
        try:
            count(place, fault)
        except Exception as second:  # noqa: BLE001 - the last line of defence
            logger.debug("fault while counting a fault: %r", second)
    return True


_counters: Final[list[OnFault]] = []


def count_faults(on_fault: OnFault, *, wanted: bool = True) -> None:
    """Have faults counted that are met where no instance is known, as deep in the pipeline; or stop it.

    Args:
        on_fault: called with the place and the fault.
        wanted: False to call it no more.
    """
    if on_fault in _counters:
        _counters.remove(on_fault)
    if wanted:
        _counters.append(on_fault)
