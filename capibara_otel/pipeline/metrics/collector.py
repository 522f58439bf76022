"""Reads the metrics of one provider for one reader, and tells what went beyond the limits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from capibara_otel._safety import shield
from capibara_otel.pipeline.metrics.data import Collection, Metric, ScopeMetrics
from capibara_otel.pipeline.metrics.instruments import Recorder
from capibara_otel.pipeline.metrics.observed import Observable, Observed
from capibara_otel.pipeline.metrics.turn import Turn
from capibara_otel.pipeline.scope import Resource, Scope

logger: Final = logging.getLogger(__name__)

OnOverflow: TypeAlias = Callable[[str, str, int], object]

_PATIENCE_S: Final = 0.1
"""Waited for a collection that is under way, even if the callbacks have used up all the time."""


@dataclass(slots=True)
class Shared:
    """What all collectors of a provider have."""

    resource: Resource
    time_ns: Callable[[], int]
    on_overflow: OnOverflow | None
    turn: Turn = field(default_factory=Turn)
    warned: set[tuple[str, str]] = field(default_factory=set)
    """Scopes and names of the metrics whose overflow was logged."""

    def after_fork(self, resource: Resource) -> None:
        """Forget in a forked child that the parent was collecting.

        Args:
            resource: of the child.
        """
        self.resource = resource
        self.turn = Turn()


@dataclass(frozen=True, slots=True)
class Entry:
    """An instrument and how a reader reads it."""

    instrument: Recorder | Observable
    taps: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Overflow:
    scope: Scope
    metric: str
    attribute: str
    limit: int
    measurements: int


class Collector:
    """Reads everything for one reader.

    Args:
        shared: with the other collectors of the provider.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared: Final = shared
        self._entries: Final[list[Entry]] = []
        self._has_said_late = False

    def add(self, entry: Entry) -> None:
        """Read an instrument from now on."""
        self._entries.append(entry)

    def collect(self, timeout_millis: float) -> Collection:
        """Return what there is now.

        Args:
            timeout_millis: for the callbacks.
        """
        shared = self._shared
        entries = self._entries[:]
        deadline = time.monotonic() + timeout_millis / 1000
        # Callbacks are the app's code: no lock is held but that of their own instrument.
        observed = self._observe(entries, deadline)
        turn = shared.turn
        if not turn.take(max(deadline - time.monotonic(), _PATIENCE_S)):
            return Collection(shared.resource, ())
        try:
            scopes = self._read(entries, observed)
            overflows = list(_overflows(entries))
        finally:
            turn.give_back()
        for overflow in overflows:
            self._tell(overflow)
        return Collection(shared.resource, [ScopeMetrics(scope, metrics) for scope, metrics in scopes.items()])

    def _observe(self, entries: Iterable[Entry], deadline: float) -> dict[Observable, list[Observed]]:
        observed: dict[Observable, list[Observed]] = {}
        for entry in entries:
            instrument = entry.instrument
            if isinstance(instrument, Observable) and entry.taps:
                left_s = deadline - time.monotonic()
                if left_s > 0:
                    observed[instrument] = instrument.observe(left_s * 1000)
                elif not self._has_said_late:
                    self._has_said_late = True
                    logger.warning("callbacks of observed metrics took too long: %s was not asked", instrument.name)
        return observed

    def _read(self, entries: Iterable[Entry], observed: dict[Observable, list[Observed]]) -> dict[Scope, list[Metric]]:
        now_ns = self._shared.time_ns()
        scopes: dict[Scope, list[Metric]] = {}
        for entry in entries:
            instrument = entry.instrument
            for tap in entry.taps:
                metric: Metric | None
                if isinstance(instrument, Observable):
                    metric = tap.collect(observed.get(instrument, ()), now_ns)
                else:
                    metric = tap.collect(now_ns)
                if metric is not None:
                    scopes.setdefault(instrument.scope, []).append(metric)
        return scopes

    def _tell(self, overflow: _Overflow) -> None:
        key = overflow.scope.name, overflow.metric
        if key not in self._shared.warned:
            self._shared.warned.add(key)
            logger.warning(
                "metric %s has reached its limit of %d series; measurements with other attributes go into one series, "
                "otel.metric.overflow=true. The attribute with the most values is %s: leave it out, keep only others "
                "with a view's attribute_keys, or raise the limit (setting series_limit, or cardinality_limit of a view)",
                overflow.metric,
                overflow.limit,
                overflow.attribute,
            )
        if self._shared.on_overflow is not None:
            with shield("metrics.on_overflow"):
                self._shared.on_overflow(overflow.metric, overflow.attribute, overflow.measurements)


def _overflows(entries: Iterable[Entry]) -> Iterable[_Overflow]:
    for entry in entries:
        instrument = entry.instrument
        tables = entry.taps if isinstance(instrument, Observable) else instrument.streams
        for table in tables:
            measurements = table.newly_folded()
            if measurements:
                yield _Overflow(instrument.scope, table.about.name, table.widest(), table.limit, measurements)
