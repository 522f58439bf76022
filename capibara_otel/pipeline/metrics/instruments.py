"""Instruments that code records with."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from opentelemetry.context import Context
from opentelemetry.metrics import Counter as ApiCounter
from opentelemetry.metrics import Histogram as ApiHistogram
from opentelemetry.metrics import UpDownCounter as ApiUpDownCounter
from opentelemetry.metrics import _Gauge as ApiGauge
from opentelemetry.util.types import Attributes

from capibara_otel._safety import kept
from capibara_otel.pipeline.metrics.bound import BoundCounter, BoundGauge, BoundHistogram, BoundUpDownCounter
from capibara_otel.pipeline.metrics.cells import Given
from capibara_otel.pipeline.metrics.data import InstrumentKind
from capibara_otel.pipeline.metrics.numbers import plain_number
from capibara_otel.pipeline.metrics.stream import Stream
from capibara_otel.pipeline.scope import Scope

logger: Final = logging.getLogger(__name__)

INFINITE: Final = math.inf


class Recorder:
    """What all these instruments have.

    Args:
        name: valid; kept in lower case.
        unit: UCUM.
        description: for people.
        scope: of the meter.
        advised: bounds of buckets that the code which makes it thinks right.
    """

    kind: ClassVar[InstrumentKind]
    least: ClassVar[float] = -INFINITE
    """The smallest measurement that is not refused."""

    def __init__(
        self, name: str, unit: str, description: str, scope: Scope, *, advised: Sequence[float] | None = None
    ) -> None:
        self.name: Final = name.lower()
        self.unit: Final = unit
        self.description: Final = description
        self.scope: Final = scope
        self.advised: Final = advised
        self.streams: tuple[Stream[Any], ...] = ()
        """Where measurements go; replaced when a reader comes and in a forked child."""
        self._refused: Final[set[str]] = set()

    def put(self, amount: float, attributes: Given, context: Context | None) -> None:
        """Record a measurement that was judged.

        Args:
            amount: a finite int or float.
            attributes: as the caller gave them.
            context: for the exemplar; the current one if it is empty or None.
        """
        try:
            for stream in self.streams:
                store = stream.find(attributes)
                if store is None:
                    stream.fold(amount, context, attributes)
                else:
                    store.put(amount, context, attributes)
        except Exception as fault:
            if not kept("metrics.record", fault):
                raise

    def put_unusual(self, amount: Any, attributes: Given, context: Context | None) -> None:
        """Record what is no plain number in range, if it can be recorded; say once why if not.

        Args:
            amount: anything.
            attributes: as the caller gave them.
            context: for the exemplar.
        """
        number = plain_number(amount)
        if number is None:
            self._refuse("is not a number", amount)
        elif not -INFINITE < number < INFINITE:
            self._refuse("is not finite", amount)
        elif number < self.least:
            self._refuse("is negative", amount)
        else:
            self.put(number, attributes, context)

    def _refuse(self, why: str, amount: Any) -> None:
        if why not in self._refused:
            self._refused.add(why)
            shown = repr(amount)[:40]
            logger.warning("%s %s: %s %s; such measurements are ignored", self.kind, self.name, shown, why)


def _record_positive(
    self: Recorder, amount: float, attributes: Attributes = None, context: Context | None = None
) -> None:
    """Record an amount that is not negative, see the API."""
    kind: object = type(amount)
    if (kind is int and amount >= 0) or (kind is float and 0.0 <= amount < INFINITE):
        self.put(amount, attributes, context)
    else:
        self.put_unusual(amount, attributes, context)


def _record_any(self: Recorder, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
    """Record a finite amount, see the API."""
    kind: object = type(amount)
    if kind is int or (kind is float and -INFINITE < amount < INFINITE):
        self.put(amount, attributes, context)
    else:
        self.put_unusual(amount, attributes, context)


class Counter(Recorder, ApiCounter):
    """Sums what is added to it."""

    kind = "counter"
    least = 0
    add = _record_positive

    def bind(self, attributes: Attributes = None) -> BoundCounter:
        """Return a handle on one series, for code that adds to it often."""
        return BoundCounter(self, attributes)


class UpDownCounter(Recorder, ApiUpDownCounter):
    """Sums what is added to it and, with negative amounts, taken away."""

    kind = "updowncounter"
    add = _record_any

    def bind(self, attributes: Attributes = None) -> BoundUpDownCounter:
        """Return a handle on one series, for code that adds to it often."""
        return BoundUpDownCounter(self, attributes)


class Gauge(Recorder, ApiGauge):
    """Knows the last value."""

    kind = "gauge"
    set = _record_any

    def bind(self, attributes: Attributes = None) -> BoundGauge:
        """Return a handle on one series, for code that sets it often."""
        return BoundGauge(self, attributes)


class Histogram(Recorder, ApiHistogram):
    """Knows how measurements are distributed."""

    kind = "histogram"
    least = 0
    record = _record_positive

    def bind(self, attributes: Attributes = None) -> BoundHistogram:
        """Return a handle on one series, for code that records into it often."""
        return BoundHistogram(self, attributes)
