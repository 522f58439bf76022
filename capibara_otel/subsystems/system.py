"""`cap.system`: the machine and the process. `host.Collector` reads them in the background."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from capibara_otel._safety import shield
from capibara_otel.operation import Emitter
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv.specs import MetricSpec

_LAG_INTERVAL_S: Final = 0.25


class System:
    """The machine and the process."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def record_cpu(self, percent: float) -> None:
        """Set the processor use of the machine, 0 to 100."""
        self._set("cpu", m.SYSTEM_CPU_USAGE, percent, argument="percent")

    def record_memory(self, used: int, limit: int | None = None) -> None:
        """Set the memory in use and the memory there is, bytes."""
        self._set("memory", m.SYSTEM_MEMORY_USAGE, used, argument="used")
        if limit is not None:
            self._set("memory", m.SYSTEM_MEMORY_LIMIT, limit, argument="limit")

    def record_disk(self, mountpoint: str, used: int, limit: int | None = None) -> None:
        """Set the disk space in use and there is, bytes, by mount point."""
        self._set("disk", m.SYSTEM_DISK_USAGE, used, a.SYSTEM_MOUNTPOINT, mountpoint, argument="used")
        if limit is not None:
            self._set("disk", m.SYSTEM_DISK_LIMIT, limit, a.SYSTEM_MOUNTPOINT, mountpoint, argument="limit")

    def record_disk_io(self, *, read: int, written: int) -> None:
        """Add bytes read from and written to disks since the last call."""
        self._set("disk_io", m.SYSTEM_DISK_IO, read, a.SYSTEM_DIRECTION, "read", argument="read")
        self._set("disk_io", m.SYSTEM_DISK_IO, written, a.SYSTEM_DIRECTION, "write", argument="written")

    def record_network(self, *, received: int, sent: int) -> None:
        """Add bytes received from and sent to the network since the last call."""
        self._set("network", m.SYSTEM_NETWORK_IO, received, a.SYSTEM_DIRECTION, "receive", argument="received")
        self._set("network", m.SYSTEM_NETWORK_IO, sent, a.SYSTEM_DIRECTION, "transmit", argument="sent")

    def record_load(self, one: float, five: float, fifteen: float) -> None:
        """Set the load averages over 1, 5 and 15 minutes."""
        for window, argument, load in (("1m", "one", one), ("5m", "five", five), ("15m", "fifteen", fifteen)):
            self._set("load", m.SYSTEM_LOAD, load, a.SYSTEM_WINDOW, window, argument=argument)

    def record_process(
        self,
        *,
        cpu_percent: float,
        memory: int,
        threads: int,
        file_descriptors: int | None = None,
        uptime_s: float | None = None,
    ) -> None:
        """Set what this process uses.

        Args:
            cpu_percent: processor use, 100 is one core.
            memory: resident bytes.
            threads: how many.
            file_descriptors: how many are open.
            uptime_s: seconds since it started.
        """
        self._set("process", m.PROCESS_CPU_USAGE, cpu_percent, argument="cpu_percent")
        self._set("process", m.PROCESS_MEMORY_USAGE, memory, argument="memory")
        self._set("process", m.PROCESS_THREADS, threads, argument="threads")
        if file_descriptors is not None:
            self._set("process", m.PROCESS_FILE_DESCRIPTORS, file_descriptors, argument="file_descriptors")
        if uptime_s is not None:
            self._set("process", m.PROCESS_UPTIME, uptime_s, argument="uptime_s")

    def record_gc(self, generation: int, duration_s: float, collected: int) -> None:
        """Record one garbage collection.

        Args:
            generation: 0 to 2.
            duration_s: seconds the process stood still.
            collected: objects freed.
        """
        for metric, argument, value in (
            (m.GC_DURATION, "duration_s", duration_s),
            (m.GC_COLLECTIONS, "", 1),
            (m.GC_OBJECTS_COLLECTED, "collected", collected),
        ):
            self._set("gc", metric, value, a.CPYTHON_GC_GENERATION, generation, argument=argument)

    def record_event_loop_lag(self, seconds: float) -> None:
        """Record how late an event loop ran what was due, seconds."""
        self._set("event_loop_lag", m.EVENT_LOOP_LAG, seconds, argument="seconds")

    async def watch_event_loop(self, interval_s: float = _LAG_INTERVAL_S) -> None:
        """Measure the running loop's lag until cancelled.

        Args:
            interval_s: seconds between measurements.
        """
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + interval_s
            await asyncio.sleep(interval_s)
            with shield("system.event_loop"):
                self.record_event_loop_lag(max(0.0, loop.time() - due))

    def _set(
        self, call: str, metric: MetricSpec, value: Any, label: str = "", labelled: Any = None, *, argument: str = ""
    ) -> None:
        name = f"system.record_{call}"
        labels = {}
        if label:
            checked = self._emitter.checked(name, label, labelled)
            if checked is None:
                return
            labels[label] = checked
        self._emitter.measure(name, metric, value, labels, argument=argument)
