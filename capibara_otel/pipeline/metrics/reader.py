"""Readers of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias

from capibara_otel.pipeline.metrics.data import Collection, InstrumentKind, Temporality
from capibara_otel.pipeline.metrics.views import Aggregation
from capibara_otel.pipeline.scope import Resource

ShownExemplars: TypeAlias = Literal["interval", "latest"]


class Source(Protocol):
    """What an attached reader reads."""

    def collect(self, timeout_millis: float) -> Collection:
        """Return what there is now."""


class Reader:
    """Reads the metrics of the provider it is added to, each reader as if it were the only one.

    Args:
        temporality: by kind of instrument; `cumulative` for those not named.
        aggregation: what this reader prefers where no view says otherwise, by kind of instrument; OpenTelemetry's
            default for those not named.
        exemplars: `interval` shows an exemplar once, `latest` until there is another of the same bucket.
        limits: most series of each metric, by kind of instrument; the provider's for those not named.
    """

    def __init__(
        self,
        temporality: Mapping[InstrumentKind, Temporality] | None = None,
        aggregation: Mapping[InstrumentKind, Aggregation] | None = None,
        exemplars: ShownExemplars = "interval",
        *,
        limits: Mapping[InstrumentKind, int] | None = None,
    ) -> None:
        self.temporality: Final = MappingProxyType(dict(temporality or {}))
        self.aggregation: Final = MappingProxyType(dict(aggregation or {}))
        self.exemplars: Final = exemplars
        self.limits: Final = MappingProxyType(dict(limits or {}))
        self._source: Source | None = None

    @property
    def is_attached(self) -> bool:
        """Whether a provider has this reader."""
        return self._source is not None

    def attach(self, source: Source) -> None:
        """Read this from now on; called by the provider.

        Args:
            source: what to read.
        """
        self._source = source

    def collect(self, timeout_millis: float = 10_000) -> Collection:
        """Read everything there is to say now, and ask the instruments that are observed.

        Any thread may collect, and collections may overlap: what is a delta is in exactly one of them. From within a
        collection, such as in a signal handler that interrupts it, there is nothing to read.

        Args:
            timeout_millis: for the callbacks; what was not asked by then is left out.
        """
        if self._source is None:
            return Collection(Resource(), ())
        return self._source.collect(timeout_millis)
