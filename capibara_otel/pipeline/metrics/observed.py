"""Instruments that are asked for their values at each collection, and how a reader reads them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, CallbackT, Observation
from opentelemetry.metrics import ObservableCounter as ApiObservableCounter
from opentelemetry.metrics import ObservableGauge as ApiObservableGauge
from opentelemetry.metrics import ObservableUpDownCounter as ApiObservableUpDownCounter

from capibara_otel.pipeline.metrics.attributes import Labels, clean
from capibara_otel.pipeline.metrics.data import Exemplar, InstrumentKind, Metric, NumberPoint, Series
from capibara_otel.pipeline.metrics.exemplars import SPAN_KEY, WANTED, Sampling, current
from capibara_otel.pipeline.metrics.numbers import plain_number, writable
from capibara_otel.pipeline.metrics.stream import About
from capibara_otel.pipeline.metrics.table import SeriesTable
from capibara_otel.pipeline.metrics.turn import Turn
from capibara_otel.pipeline.scope import Scope

logger: Final = logging.getLogger(__name__)

_Callback = Callable[[CallbackOptions], Iterable[Observation]]


class Observed(NamedTuple):
    """One value that a callback told."""

    value: float
    attributes: Mapping[str, Any]
    context: Context | None


class Observable:
    """What all these instruments have.

    Args:
        name: valid; kept in lower case.
        unit: UCUM.
        description: for people.
        scope: of the meter.
        callbacks: each is called at each collection of each reader, and never twice at once. A generator is sent the
            options and yields observations each time.
    """

    kind: ClassVar[InstrumentKind]

    def __init__(
        self, name: str, unit: str, description: str, scope: Scope, *, callbacks: Sequence[CallbackT] | None = None
    ) -> None:
        self.name: Final = name.lower()
        self.unit: Final = unit
        self.description: Final = description
        self.scope: Final = scope
        self.advised: Final = None
        self._callbacks: Final[list[_Callback]] = []
        self._turn = Turn()
        self._said: Final[set[str]] = set()
        for callback in callbacks or ():
            self._add(callback)

    def observe(self, timeout_millis: float) -> list[Observed]:
        """Ask all callbacks.

        Args:
            timeout_millis: for each callback, and to wait for another reader that is asking.
        """
        found: list[Observed] = []
        turn = self._turn
        if turn.take(timeout_millis / 1000):
            try:
                for callback in self._callbacks:
                    self._ask(callback, CallbackOptions(timeout_millis), found)
            finally:
                turn.give_back()
        return found

    def after_fork(self) -> None:
        """Forget in a forked child that the parent was asking."""
        self._turn = Turn()

    def _add(self, callback: CallbackT) -> None:
        if not isinstance(callback, Generator):
            self._callbacks.append(callback)
            return
        try:
            next(callback)
        except Exception:
            logger.exception("the callback of %s failed before its first yield and is not used", self.name)
            return

        def resume(options: CallbackOptions) -> Iterable[Observation]:
            try:
                return callback.send(options)
            except StopIteration:
                return ()

        self._callbacks.append(resume)

    def _ask(self, callback: _Callback, options: CallbackOptions, found: list[Observed]) -> None:
        try:
            for observation in callback(options):
                number = plain_number(observation.value)
                if number is None or not -math.inf < number < math.inf:
                    self._say_once("a callback of %s has returned what is no finite number; it is ignored")
                else:
                    found.append(Observed(number, clean(observation.attributes), observation.context))
        except Exception as fault:  # noqa: BLE001 - the app's code; it harms neither the app nor other metrics
            message = "a callback of %s has failed; what it had returned is kept, later failures are not told"
            self._say_once(message, fault)

    def _say_once(self, message: str, fault: Exception | None = None) -> None:
        if message not in self._said:
            self._said.add(message)
            logger.warning(message, self.name, exc_info=fault)


class ObservableCounter(Observable, ApiObservableCounter):
    """A sum that only grows and is known elsewhere."""

    kind = "observable_counter"


class ObservableUpDownCounter(Observable, ApiObservableUpDownCounter):
    """A sum that is known elsewhere."""

    kind = "observable_updowncounter"


class ObservableGauge(Observable, ApiObservableGauge):
    """A value that is known elsewhere."""

    kind = "observable_gauge"


class ObservedSeries(Series):
    """A series of observations, as one reader knows it."""

    __slots__ = ("before", "exemplar", "start_ns")

    def __init__(self, labels: Labels, start_ns: int) -> None:
        super().__init__(labels)
        self.start_ns = start_ns
        self.before: float = 0
        self.exemplar: Exemplar | None = None


class ObservedTap(SeriesTable[ObservedSeries]):
    """How one reader reads an instrument that is observed. Collections do not overlap.

    Args:
        about: the metric.
        sampling: makes its exemplars.
        keys: the only attributes its series keep; None for all.
        limit: most series, besides the one for the overflow.
        is_delta: whether sums are shown as what came since the last collection.
        keeps_exemplars: whether an exemplar is shown until there is another, or once.
    """

    def __init__(
        self,
        about: About,
        sampling: Sampling,
        keys: AbstractSet[str] | None,
        limit: int,
        *,
        is_delta: bool,
        keeps_exemplars: bool,
    ) -> None:
        super().__init__(keys, limit)
        self.about: Final = about
        self.sampling: Final = sampling
        self._folded = 0
        self._is_sum: Final = about.kind == "sum"
        self._is_delta: Final = is_delta
        self._keeps_exemplars: Final = keeps_exemplars

    def collect(self, observations: Iterable[Observed], now_ns: int) -> Metric | None:
        """Return the metric with what was observed, or None if nothing was.

        Args:
            observations: in the order they were made; those of one series are summed up if this is a sum.
            now_ns: Unix nanoseconds of the collection.
        """
        values: dict[ObservedSeries, float] = {}
        for value, attributes, context in observations:
            series = self.find(attributes)
            if series is None:
                series = self.overflow()
                self._folded += 1
            values[series] = values.get(series, 0) + value if self._is_sum else value
            self._offer(series, value, attributes, context)
        points = [self._point(series, value, now_ns) for series, value in values.items()]
        return self.about.metric(points, is_delta=self._is_delta) if points else None

    def newly_folded(self) -> int:
        """Return how many observations went into the overflow since this was asked last."""
        folded, self._folded = self._folded, 0
        return folded

    def _make(self, labels: Labels) -> ObservedSeries:
        return ObservedSeries(labels, self.sampling.time_ns())

    def _offer(
        self, series: ObservedSeries, value: float, attributes: Mapping[str, Any], context: Context | None
    ) -> None:
        blank = self.sampling.blank
        if blank is WANTED or (blank is None and SPAN_KEY in (context or current())):
            series.exemplar = self.sampling.exemplar(value, context, attributes, series) or series.exemplar

    def _point(self, series: ObservedSeries, value: float, now_ns: int) -> NumberPoint:
        exemplars = (series.exemplar,) if series.exemplar else ()
        if not self._keeps_exemplars:
            series.exemplar = None
        if not self._is_sum:
            return NumberPoint(series, 0, now_ns, writable(value), exemplars, now_ns)
        start_ns = min(series.start_ns, now_ns)
        if self._is_delta:
            value, series.before = value - series.before, value
            series.start_ns = now_ns
        return NumberPoint(series, start_ns, now_ns, writable(value), exemplars)
