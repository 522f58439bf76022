"""Metrics that are pushed: collected and exported at an interval by one thread, with deadlines that hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.outlet import LAST_S, Outlet, spare_s
from capibara_otel.pipeline.part import WorkerPart
from capibara_otel.pipeline.worker import Occasion, Worker

C = TypeVar("C")


class MetricPush(WorkerPart, Generic[C]):
    """Collects and exports at an interval, when a flush is asked for, and a last time when it is closed.

    Args:
        collect: takes a collection.
        count: tells how many points one holds; one without points is not sent.
        outlet: where they go.
        health: where they are counted.
        interval_s: seconds between two collections.
        clock: monotonic seconds.
    """

    signal: Final[Signal] = "metrics"

    def __init__(
        self,
        collect: Callable[[], C],
        count: Callable[[C], int],
        outlet: Outlet[C],
        health: Health,
        *,
        interval_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target: Final = outlet.target
        self._collect: Final = collect
        self._points: Final = count
        self._outlet: Final = outlet
        self._health: Final = health
        self._clock: Final = clock
        self._lock = threading.RLock()
        self._in_flight = 0
        self._under_way: C | None = None
        self._given_up = False
        health.watch(self.signal)
        super().__init__(Worker("capibara-otel-metrics", self._send, delay_s=interval_s))

    def finish(self, timeout_s: float) -> bool:
        """Wait until the last points are sent, then give them up: they are put aside if they can be, and counted.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            Whether nothing was left.
        """
        ended = self._worker.join(timeout_s - spare_s(self._outlet, timeout_s))
        with self._lock:
            self._given_up = True
            left, points = self._under_way, self._in_flight
            self._under_way = None
        if left is not None and self._outlet.keeps:
            self._health.count_sent(self.signal, points, self._outlet.keep(left), lost="shutdown")
        elif left is not None:
            self._health.count_dropped(self.signal, "shutdown", points)
        self._outlet.close()
        return ended and left is None

    def after_fork(self) -> None:
        """Start anew in a forked child, with an exporter of its own."""
        self._lock = threading.RLock()
        self._in_flight = 0
        self._under_way = None
        self._outlet.after_fork()
        super().after_fork()

    def _send(self, occasion: Occasion) -> bool:
        went_well = self._deliver(self._collect())
        if went_well and occasion != "flush":
            until = self._clock() + LAST_S
            self._outlet.catch_up(lambda: self._given_up or self._worker.is_wanted or self._clock() >= until)
        return went_well

    def _deliver(self, collection: C) -> bool:
        points = self._points(collection)
        if not points:
            return True
        self._in_flight = points
        self._under_way = collection
        start = self._clock()
        sent = self._outlet.send(collection)
        if sent.was_tried:
            self._health.record_export(self.signal, self._clock() - start, went_well=sent.delivered)
        with self._lock:
            if self._given_up:
                return sent.delivered
            self._in_flight = 0
            self._under_way = None
        self._health.count_sent(self.signal, points, sent)
        return sent.delivered


def interval_s(environ: Mapping[str, str]) -> float:
    """Return what `OTEL_METRIC_EXPORT_INTERVAL` says, in seconds; a minute where it says nothing."""
    return float(environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 60_000) / 1000
