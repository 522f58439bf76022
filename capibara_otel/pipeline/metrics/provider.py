"""The meter provider: what OpenTelemetry's API asks for meters."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.metrics import MeterProvider as ApiMeterProvider
from opentelemetry.util.types import Attributes

from capibara_otel.pipeline.metrics.attributes import clean, identify
from capibara_otel.pipeline.metrics.collector import Collector, OnOverflow, Shared
from capibara_otel.pipeline.metrics.exemplars import Sampling
from capibara_otel.pipeline.metrics.instruments import Recorder
from capibara_otel.pipeline.metrics.meter import Meter
from capibara_otel.pipeline.metrics.observed import Observable
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import View
from capibara_otel.pipeline.metrics.wiring import Wiring
from capibara_otel.pipeline.scope import Resource, Scope

logger: Final = logging.getLogger(__name__)


class MeterProvider(ApiMeterProvider):
    """Makes meters whose measurements all readers read.

    What is measured before there is a reader is not recorded. A reader that comes later is told of everything since
    the first of the readers that aggregate as it does.

    Args:
        resource: what the metrics are of.
        readers: own readers, or the official SDK's.
        views: choose instruments and change their metrics.
        exemplar_filter: which measurements may become exemplars: `trace_based` takes those in a sampled span,
            `always_on` all, `always_off` none.
        cardinality_limit: most series of a metric; what goes beyond is added up in one more.
        time_ns: Unix nanoseconds.
        on_overflow: called after a collection with the name of a metric that has reached its limit, its attribute with
            the most values and how many measurements went beyond the limit since it was called last.

    Raises:
        ValueError: there is no such filter, or the limit is below 1.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        readers: Sequence[Any] = (),
        views: Sequence[View] = (),
        exemplar_filter: str = "trace_based",
        cardinality_limit: int = 2000,
        time_ns: Callable[[], int] = time.time_ns,
        on_overflow: OnOverflow | None = None,
    ) -> None:
        if cardinality_limit < 1:
            raise ValueError(f"cardinality_limit must be at least 1, not {cardinality_limit}")
        self._shared: Final = Shared(resource, time_ns, on_overflow)
        self._wiring: Final = Wiring(Sampling(exemplar_filter, time_ns), views, cardinality_limit)
        # Re-entrant: a signal handler or a finalizer may make an instrument.
        self._lock = threading.RLock()
        self._instruments: Final[list[Recorder | Observable]] = []
        self._collectors: dict[Reader, Collector] = {}
        self._official: Final[list[Any]] = []
        self._meters: Final[dict[Any, Meter]] = {}
        self._is_shut_down = False
        for reader in readers:
            self.add_metric_reader(reader)

    @property
    def resource(self) -> Resource:
        """What the metrics are of."""
        return self._shared.resource

    def get_meter(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Attributes = None
    ) -> Meter:
        """Return the meter of a scope, the same one each time.

        Without a name, and after the shutdown, it is one whose instruments record nothing.

        Args:
            name: of the library that measures.
            version: of it.
            schema_url: of the conventions its metrics follow.
            attributes: of the scope.
        """
        if self._is_shut_down or not name:
            why = "the provider is shut down" if name else "a meter must have a name"
            logger.warning("%s: what this meter's instruments measure is not recorded", why)
            return Meter(Scope(name or "", version or "", schema_url or ""), dict.setdefault)
        cleaned = clean(attributes)
        identity = identify(cleaned)
        key = name, version or "", schema_url or "", identity.names, identity.key
        found = self._meters.get(key)
        if found is None:
            scope = Scope(name, version or "", schema_url or "", cleaned)
            found = self._meters.setdefault(key, Meter(scope, self._register))
        return found

    def add_metric_reader(self, reader: Any) -> None:
        """Have one more reader read everything.

        Args:
            reader: an own `Reader`, or a `MetricReader` of the official SDK; of no other provider.
        """
        if not isinstance(reader, Reader):
            # Whoever has such a reader has imported the SDK already.
            from capibara_otel.pipeline.metrics.official import bridge  # noqa: PLC0415

            own = bridge(reader, self)
            if own is None:
                return
            self._official.append(reader)
            reader = own
        if reader.is_attached:
            logger.warning("a reader can be added to one provider, and once")
            return
        with self._lock:
            collector = Collector(self._shared)
            self._attach(reader, collector)
            self._collectors = {**self._collectors, reader: collector}
        self._say_warnings()

    def after_fork(self, resource: Resource) -> None:
        """Start from zero in a forked child. Instruments and handles stay valid; what was observed is asked anew.

        Args:
            resource: of the child.
        """
        self._lock = threading.RLock()
        self._shared.after_fork(resource)
        self._wiring.disconnect(self._instruments)
        for instrument in self._instruments:
            if isinstance(instrument, Observable):
                instrument.after_fork()
        for reader in self._collectors:
            self._collectors[reader] = Collector(self._shared)
            self._attach(reader, self._collectors[reader])
        self._wiring.warnings.clear()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Have the official SDK's readers export now; own readers are read by whoever has them.

        Args:
            timeout_millis: for all of them.

        Returns:
            Whether all have done so in time.
        """
        return self._each_official("force_flush", timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Shut down the official SDK's readers. No meters are made any more; own readers can still be read.

        Args:
            timeout_millis: for all of them.
        """
        if self._is_shut_down:
            logger.warning("the meter provider is shut down already")
            return
        self._is_shut_down = True
        self._each_official("shutdown", timeout_millis)

    def _attach(self, reader: Reader, collector: Collector) -> None:
        for instrument in self._instruments:
            collector.add(self._wiring.connect(instrument, reader))
        reader.attach(collector)

    def _register(self, made: dict[Any, Any], key: Any, instrument: Any) -> Any:
        with self._lock:
            if key in made:
                return made[key]
            # Connected before anyone can record with it, so that nothing is lost.
            entries = [(each, self._wiring.connect(instrument, reader)) for reader, each in self._collectors.items()]
            found = made.setdefault(key, instrument)
            if found is instrument:
                self._instruments.append(instrument)
                for collector, entry in entries:
                    collector.add(entry)
        self._say_warnings()
        return found

    def _say_warnings(self) -> None:
        # Not under the lock: handlers of log records are foreign code.
        warnings = self._wiring.warnings
        while warnings:
            logger.warning("%s", warnings.pop(0))

    def _each_official(self, method: str, timeout_millis: float) -> bool:
        deadline = time.monotonic() + timeout_millis / 1000
        went_well = True
        for reader in self._official:
            left_millis = (deadline - time.monotonic()) * 1000
            try:
                getattr(reader, method)(timeout_millis=max(left_millis, 1))
            except Exception:
                logger.exception("%s of %s has failed", method, type(reader).__name__)
                went_well = False
        return went_well
