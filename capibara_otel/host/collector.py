"""Reads everything every interval."""

from __future__ import annotations

import threading

from capibara_otel._safety import shield
from capibara_otel.host.gc_watch import GcWatch
from capibara_otel.host.readings import OnFault, Readings
from capibara_otel.operation.clock import Clock
from capibara_otel.operation.threads import start_apart
from capibara_otel.subsystems.system import System


class Collector:
    """Reads the machine and the process with psutil, in a daemon thread.

    A reading that fails is left out, said once and counted; the others go on.

    Args:
        system: where readings go.
        on_fault: counts a reading that failed.
        interval_s: seconds between readings.
        clock: the time.
    """

    def __init__(self, system: System, interval_s: float, clock: Clock, on_fault: OnFault | None = None) -> None:
        self._system = system
        self._on_fault = on_fault
        self._interval_s = interval_s
        self._gc = GcWatch(clock.monotonic_ns)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._readings = Readings(system, clock, on_fault)

    def start(self) -> None:
        """Read now and then every interval, until `stop`."""
        if self._thread is not None and self._thread.is_alive() and not self._stop.is_set():
            return
        self._stop = threading.Event()
        self._gc.start()
        self._thread = threading.Thread(target=self._work, name="capibara-otel-system", daemon=True)
        start_apart(self._thread)

    def stop(self) -> None:
        """Read no more."""
        self._gc.stop()
        self._stop.set()

    def forget(self) -> None:
        """Be gone in a forked child, where the parent's thread may have left a lock held: nothing is told to it."""
        self._gc.stop()

    def collect(self) -> None:
        """Read everything once, here."""
        for reading in self._readings.all():
            with shield(f"system.{reading.__name__}", self._on_fault):
                reading()
        with shield("system.gc", self._on_fault):
            self._gc.tell(self._system)

    def _work(self) -> None:
        stop = self._stop
        while True:
            self.collect()
            if stop.wait(self._interval_s):
                return
