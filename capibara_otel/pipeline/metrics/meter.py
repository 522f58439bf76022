"""Makes instruments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from opentelemetry.metrics import CallbackT, Instrument
from opentelemetry.metrics import Meter as ApiMeter

from capibara_otel.pipeline.metrics.data import InstrumentKind
from capibara_otel.pipeline.metrics.instruments import Counter, Gauge, Histogram, Recorder, UpDownCounter
from capibara_otel.pipeline.metrics.observed import (
    Observable,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
)
from capibara_otel.pipeline.metrics.views import are_bounds
from capibara_otel.pipeline.scope import Scope

logger: Final = logging.getLogger(__name__)

Made = TypeVar("Made", bound=Recorder | Observable)

_Key: TypeAlias = tuple[str, InstrumentKind, str, str]


class Meter(ApiMeter):
    """Makes the instruments of one scope; the same one for the same name, kind, unit and description.

    Args:
        scope: of the library that measures.
        register: has a new instrument read by all readers and puts it under its key, unless there is one; returns
            what is there then.
    """

    def __init__(self, scope: Scope, register: Callable[[dict[Any, Any], Any, Any], Any]) -> None:
        super().__init__(scope.name, scope.version or None, scope.schema_url or None)
        self.scope: Final = scope
        self._register: Final = register
        self._made: Final[dict[_Key, Any]] = {}

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """Make a counter, see the API."""
        return self._get(Counter, name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> UpDownCounter:
        """Make an up-down counter, see the API."""
        return self._get(UpDownCounter, name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Gauge:
        """Make a gauge, see the API."""
        return self._get(Gauge, name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        """Make a histogram, see the API. Bounds that cannot be bounds are left out, and that is said."""
        advised = _bounds(name, explicit_bucket_boundaries_advisory)
        histogram = self._get(Histogram, name, unit, description, advised=advised)
        if histogram.advised != advised:
            logger.warning("%s was made before with other bucket boundaries, %s; those hold", name, histogram.advised)
        return histogram

    def create_observable_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> ObservableCounter:
        """Make an observable counter, see the API."""
        return self._get(ObservableCounter, name, unit, description, callbacks=callbacks)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> ObservableUpDownCounter:
        """Make an observable up-down counter, see the API."""
        return self._get(ObservableUpDownCounter, name, unit, description, callbacks=callbacks)

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> ObservableGauge:
        """Make an observable gauge, see the API."""
        return self._get(ObservableGauge, name, unit, description, callbacks=callbacks)

    def _get(self, kind: type[Made], name: Any, unit: Any, description: Any, **more: Any) -> Made:
        unit = "" if unit is None else unit
        description = "" if description is None else description
        if not _is_valid(name, unit, description):
            logger.error(
                "an instrument must have a name of at most 255 ASCII letters, digits, `_`, `.`, `-` or `/`, the first a "
                "letter, and a unit of at most 63 ASCII characters, not %r and %r: what it measures is not recorded",
                name,
                unit,
            )
            return kind(str(name), str(unit), str(description), self.scope, **more)
        key: _Key = (name.strip().lower(), kind.kind, unit, description)
        found: Made | None = self._made.get(key)
        if found is None:
            found = self._register(self._made, key, kind(name, unit, description, self.scope, **more))
        return found


def _is_valid(name: Any, unit: Any, description: Any) -> bool:
    if not (isinstance(name, str) and isinstance(unit, str) and isinstance(description, str)):
        return False
    checked = Instrument._check_name_unit_description(name, unit, description)  # noqa: SLF001 - the API's own rule
    return checked["name"] is not None and checked["unit"] is not None


def _bounds(name: Any, advised: Any) -> tuple[float, ...] | None:
    if advised is None:
        return None
    if isinstance(advised, Sequence) and are_bounds(advised):
        return tuple(advised)
    logger.warning("explicit_bucket_boundaries_advisory of %s must be finite numbers that rise, not %r", name, advised)
    return None
