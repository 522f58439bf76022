"""The global providers that the app has set itself: used as they are, never replaced."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs._internal import ProxyLoggerProvider
from opentelemetry.metrics._internal import _ProxyMeterProvider

from capibara_otel.pipeline.health import Signal

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Apps:
    """What the app has set; None where it has set nothing."""

    tracer: trace.TracerProvider | None = None
    meter: metrics.MeterProvider | None = None
    logger: _logs.LoggerProvider | None = None

    @classmethod
    def now(cls) -> Apps:
        """Return what is set now."""
        tracer, meter, log = trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()
        return cls(
            None if isinstance(tracer, trace.ProxyTracerProvider) else tracer,
            None if isinstance(meter, _ProxyMeterProvider) else meter,
            None if isinstance(log, ProxyLoggerProvider) else log,
        )

    def has(self, signal: Signal) -> bool:
        """Tell whether the app has set the provider of a signal."""
        return {"traces": self.tracer, "metrics": self.meter, "logs": self.logger}[signal] is not None

    def complete(self, tracer: trace.TracerProvider, meter: metrics.MeterProvider, log: _logs.LoggerProvider) -> None:
        """Set the global providers that the app has not set."""
        if self.meter is None:
            metrics.set_meter_provider(meter)
        if self.tracer is None:
            trace.set_tracer_provider(tracer)
        if self.logger is None:
            _logs.set_logger_provider(log)

    def flushes(self) -> list[Any]:
        """Return how what the app has set is flushed."""
        return [
            provider.force_flush
            for provider in (self.tracer, self.meter, self.logger)
            if provider is not None and hasattr(provider, "force_flush")
        ]


def add_to(provider: object, method: str, items: Iterable[object]) -> bool:
    """Add processors or readers to a provider, if it takes any.

    Args:
        provider: an app's own, or one of the pipeline's.
        method: that adds one.
        items: what to add.

    Returns:
        Whether it takes any.
    """
    add = getattr(provider, method, None)
    if add is None:
        logger.info("the app's %s is not the OpenTelemetry SDK's: nothing is added to it", type(provider).__name__)
        return False
    for item in items:
        add(item)
    return True
