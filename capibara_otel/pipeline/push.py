"""Metrics that are pushed: collected and exported at an interval by one thread, with deadlines that hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

from capibara_otel.pipeline.exporters import Outlet, aggregation, temporality
from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.worker import Occasion, Worker

logger: Final = logging.getLogger(__name__)


class MetricPush(MetricReader):
    """Collects and exports at an interval, when a flush is asked for, and a last time when it is closed.

    The SDK's own periodic reader exports in the caller's thread when flushed, whatever the deadline, and keeps a lock
    that a forked child finds held.

    Args:
        outlet: where the points go.
        health: where they are counted.
        environ: the environment, checked already; `OTEL_METRIC_EXPORT_INTERVAL` and the OTLP preferences are read.
        clock: monotonic seconds.
    """

    signal: Final[Signal] = "metrics"

    def __init__(
        self,
        outlet: Outlet[MetricsData],
        health: Health,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(preferred_temporality=temporality(environ), preferred_aggregation=aggregation(environ))
        self.target: Final = outlet.target
        self._outlet: Final = outlet
        self._health: Final = health
        self._clock: Final = clock
        self._in_flight = 0
        self._given_up = False
        self._went_well = True
        interval_s = float(environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 60_000) / 1000
        health.watch(self.signal)
        self._worker: Final = Worker("capibara-otel-metrics", self._send, delay_s=interval_s)

    def ask_flush(self) -> int:
        """Have the metrics collected and sent; does not wait."""
        return self._worker.ask_flush()

    def wait_flush(self, ticket: int, timeout_s: float) -> bool:
        """Wait for a flush; see `Worker.wait_flush`."""
        return self._worker.wait_flush(ticket, timeout_s)

    def close(self) -> None:
        """Collect and send a last time; does not wait."""
        self._worker.stop()

    def finish(self, timeout_s: float) -> bool:
        """Wait until the last points are sent, then give them up and count them.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            Whether nothing was left.
        """
        ended = self._worker.join(timeout_s)
        self._given_up = True
        if not ended:
            self._health.count_dropped(self.signal, "shutdown", self._in_flight)
        self._outlet.close()
        return ended

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Collect and send now.

        Args:
            timeout_millis: milliseconds to wait at most.

        Returns:
            Whether the points reached the receiver in time.
        """
        return self.wait_flush(self.ask_flush(), timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 2_000, **_: Any) -> None:
        """Collect and send a last time.

        Args:
            timeout_millis: milliseconds to wait at most.
        """
        self.close()
        self.finish(timeout_millis / 1000)

    def after_fork(self) -> None:
        """Start anew in a forked child, with an exporter of its own."""
        self._in_flight = 0
        self._outlet.after_fork()
        self._worker.after_fork()

    def _send(self, _: Occasion) -> bool:
        self._went_well = True
        self.collect()
        return self._went_well

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:  # noqa: ARG002
        points = count_points(metrics_data)
        self._in_flight = points
        start = self._clock()
        self._went_well = self._outlet.send(metrics_data)
        self._health.record_export(self.signal, self._clock() - start, went_well=self._went_well)
        if self._given_up:
            return
        self._in_flight = 0
        if self._went_well:
            self._health.count_exported(self.signal, points)
        else:
            self._health.count_dropped(self.signal, "export_failed", points)


def count_points(metrics_data: MetricsData) -> int:
    """Return how many data points a collection holds."""
    return sum(
        len(metric.data.data_points)
        for resource in metrics_data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
