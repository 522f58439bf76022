"""What psutil tells of the machine and the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import psutil

from capibara_otel._safety import shield
from capibara_otel.operation.clock import Clock
from capibara_otel.subsystems.system import System

OnFault: TypeAlias = Callable[[str, Exception], None]


class Readings:
    """psutil's readings; counters of the machine are told as what was added since the last reading.

    Args:
        system: where readings go.
        clock: the time.
        on_fault: counts a file system that cannot be read; the others are.
    """

    def __init__(self, system: System, clock: Clock, on_fault: OnFault | None = None) -> None:
        self._system = system
        self._clock = clock
        self._on_fault = on_fault
        self._disk: tuple[int, int] | None = None
        self._network: tuple[int, int] | None = None
        self._self: psutil.Process | None = None

    def all(self) -> tuple[Callable[[], None], ...]:
        """Return the readings."""
        return (self.cpu, self.memory, self.disk, self.disk_io, self.network, self.load, self.process)

    def cpu(self) -> None:
        """Read the processor use since the last reading."""
        self._system.record_cpu(psutil.cpu_percent())

    def memory(self) -> None:
        """Read the machine's memory."""
        memory = psutil.virtual_memory()
        self._system.record_memory(memory.total - memory.available, memory.total)

    def disk(self) -> None:
        """Read the space on each mounted file system."""
        for partition in psutil.disk_partitions(all=False) or ():
            with shield("system.disk", self._on_fault):
                usage = psutil.disk_usage(partition.mountpoint)
                self._system.record_disk(partition.mountpoint, usage.used, usage.total)

    def disk_io(self) -> None:
        """Read what disks moved since the last reading."""
        counters = psutil.disk_io_counters()
        if counters is None:
            return
        now = (counters.read_bytes, counters.write_bytes)
        before, self._disk = self._disk, now
        if before is not None:
            self._system.record_disk_io(read=max(0, now[0] - before[0]), written=max(0, now[1] - before[1]))

    def network(self) -> None:
        """Read what the network moved since the last reading."""
        counters: Any = psutil.net_io_counters()  # None where there is no network, whatever the stubs say
        if counters is None:
            return
        now = (counters.bytes_recv, counters.bytes_sent)
        before, self._network = self._network, now
        if before is not None:
            self._system.record_network(received=max(0, now[0] - before[0]), sent=max(0, now[1] - before[1]))

    def load(self) -> None:
        """Read the load averages."""
        self._system.record_load(*psutil.getloadavg())

    def process(self) -> None:
        """Read what this process uses."""
        if self._self is None or not self._self.is_running():
            self._self = psutil.Process()
        process = self._self
        with process.oneshot():
            self._system.record_process(
                cpu_percent=process.cpu_percent(),
                memory=process.memory_info().rss,
                threads=process.num_threads(),
                file_descriptors=process.num_fds() if hasattr(process, "num_fds") else None,
                uptime_s=max(0.0, self._clock.time_ns() / 1e9 - process.create_time()),
            )
