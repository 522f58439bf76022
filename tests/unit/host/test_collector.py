"""The background collector: real readings, faults, deltas, and the garbage collector's watch."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from capibara_otel._safety import Once, shield
from capibara_otel.host import Collector
from capibara_otel.host.gc_watch import GcWatch
from capibara_otel.host.readings import Readings
from capibara_otel.operation.clock import SystemClock
from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture

_READ = {
    "capibara6.system.cpu.usage",
    "capibara6.system.memory.usage",
    "capibara6.system.memory.limit",
    "capibara6.system.load",
    "capibara6.process.cpu.usage",
    "capibara6.process.memory.usage",
    "capibara6.process.threads",
    "capibara6.process.file_descriptors",
    "capibara6.process.uptime",
}
_DISKS = {"capibara6.system.disk.usage", "capibara6.system.disk.limit"}
_NETWORK = "capibara6.system.network.io"
_DISK_IO = "capibara6.system.disk.io"
_ERRORS = "capibara6.telemetry.errors"


@pytest.fixture(name="cap")
def _cap() -> Capibara:
    """An instance that nobody else uses."""
    return Capibara()


@pytest.fixture(name="capture")
def _capture(cap: Capibara) -> Iterator[Capture]:
    """Everything that instance emits."""
    with Capture(cap) as capture:
        yield capture


@pytest.fixture(name="collector")
def _collector(cap: Capibara, capture: Capture) -> Iterator[Collector]:
    """A collector that reads when it is told to."""
    collector = Collector(cap.system, 60, SystemClock(), cap.emitter.fault)
    yield collector
    collector.stop()


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


class TestReadings:
    """What psutil tells, really."""

    def test_every_metric_of_machine_and_process(self, collector: Collector, capture: Capture) -> None:
        """One reading gives every gauge, and a second one every counter, with values that can be true."""
        collector.collect()
        first = capture.metric_names
        collector.collect()

        has_disks = {_DISK_IO} if psutil.disk_io_counters() is not None else set()
        assert first - _DISKS == _READ
        assert capture.metric_names - _DISKS == _READ | {_NETWORK} | has_disks
        assert 0 <= capture.value("capibara6.system.cpu.usage") <= 100
        assert 0 < capture.value("capibara6.system.memory.usage") < capture.value("capibara6.system.memory.limit")
        assert capture.value("capibara6.system.memory.limit") == psutil.virtual_memory().total
        assert capture.value("capibara6.process.threads") == psutil.Process().num_threads()
        assert 1e6 < capture.value("capibara6.process.memory.usage") < 1e11
        assert capture.value("capibara6.process.file_descriptors") >= 3
        assert 0 < capture.value("capibara6.process.uptime") < 86_400
        windows = {
            (point.attributes or {})["capibara6.system.window"] for point in capture.points("capibara6.system.load")
        }
        assert windows == {"1m", "5m", "15m"}

    def test_every_mount_point(self, collector: Collector, capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each mounted file system has its use and size; one that cannot be read leaves the others."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        mounted = [SimpleNamespace(mountpoint=path) for path in ("/no/such/place", "/")]
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounted)
        collector.collect()

        usage = psutil.disk_usage("/")
        (limit,) = capture.points("capibara6.system.disk.limit")
        (used,) = capture.points("capibara6.system.disk.usage")
        assert (limit.attributes, limit.value) == ({"capibara6.system.mountpoint": "/"}, usage.total)  # type: ignore[union-attr]
        assert used.value == pytest.approx(usage.used, rel=0.05)  # type: ignore[union-attr]
        assert capture.value(_ERRORS, {"capibara6.telemetry.place": "system.disk"}) == 1

    @pytest.mark.parametrize(
        ("function", "fields", "metric", "directions"),
        [
            ("disk_io_counters", ("read_bytes", "write_bytes"), _DISK_IO, ("read", "write")),
            ("net_io_counters", ("bytes_recv", "bytes_sent"), _NETWORK, ("receive", "transmit")),
        ],
    )
    def test_counters_are_what_was_added(
        self,
        function: str,
        fields: tuple[str, str],
        metric: str,
        directions: tuple[str, str],
        cap: Capibara,
        capture: Capture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The first reading is where counting begins; a counter that fell, as after a reset, adds nothing."""
        readings = Readings(cap.system, SystemClock())
        reading = readings.disk_io if metric == _DISK_IO else readings.network
        seen = []
        for values in [(1000, 500), (1400, 500), (1500, 600), (10, 20), (30, 20)]:
            monkeypatch.setattr(
                psutil, function, lambda now=values: SimpleNamespace(**dict(zip(fields, now, strict=True)))
            )
            reading()
            seen.append(tuple(capture.value(metric, {"capibara6.system.direction": way}) for way in directions))

        assert seen == [(0, 0), (400, 0), (500, 100), (500, 100), (520, 100)]

    @pytest.mark.parametrize("function", ["disk_io_counters", "net_io_counters"])
    def test_a_machine_without(
        self, function: str, collector: Collector, capture: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A machine without disks or network, as psutil says by None, has no such metric and no fault."""
        monkeypatch.setattr(psutil, function, lambda: None)
        collector.collect()
        collector.collect()

        assert (_DISK_IO if function == "disk_io_counters" else _NETWORK) not in capture.metric_names
        assert _ERRORS not in capture.metric_names

    @pytest.mark.parametrize(
        ("function", "place", "missing"),
        [
            ("cpu_percent", "system.cpu", {"capibara6.system.cpu.usage"}),
            ("virtual_memory", "system.memory", {"capibara6.system.memory.usage", "capibara6.system.memory.limit"}),
            ("disk_partitions", "system.disk", _DISKS),
            ("disk_io_counters", "system.disk_io", {_DISK_IO}),
            ("net_io_counters", "system.network", {_NETWORK}),
            ("getloadavg", "system.load", {"capibara6.system.load"}),
            ("Process", "system.process", {name for name in _READ if name.startswith("capibara6.process")}),
        ],
    )
    def test_a_reading_that_fails(
        self,
        function: str,
        place: str,
        missing: set[str],
        collector: Collector,
        capture: Capture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is left out and counted, and all others are there."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")

        def broken(*_: Any, **__: Any) -> None:
            raise OSError("not on this machine")

        monkeypatch.setattr(psutil, function, broken)
        collector.collect()
        collector.collect()

        assert capture.value(_ERRORS, {"capibara6.telemetry.place": place}) == 2
        assert capture.value(_ERRORS) == 2
        assert not missing & capture.metric_names
        assert (_READ | {_NETWORK}) - missing <= capture.metric_names


def _begun_since(before: set[threading.Thread]) -> set[threading.Thread]:
    """Return the threads begun since; another test's may still be on its way out."""
    return set(threading.enumerate()) - before


class TestCollector:
    """Its thread."""

    def test_it_reads_at_once_and_then_every_interval(self, cap: Capibara, capture: Capture) -> None:
        """The first reading does not wait; later ones come by themselves, in a daemon thread."""
        collector = Collector(cap.system, 0.01, SystemClock())
        before = set(threading.enumerate())
        collector.start()
        try:
            assert _until(lambda: _NETWORK in capture.metric_names)
            (thread,) = [thread for thread in _begun_since(before) if thread.name == "capibara-otel-system"]
            assert thread.daemon
        finally:
            collector.stop()

    def test_an_interval_is_waited_for(self, collector: Collector, capture: Capture) -> None:
        """With a long interval there is one reading."""
        collector.start()

        assert _until(lambda: "capibara6.process.uptime" in capture.metric_names)
        assert _NETWORK not in capture.metric_names

    def test_starting_twice_is_starting_once(self, collector: Collector) -> None:
        """A second start changes nothing."""
        before = set(threading.enumerate())
        collector.start()
        collector.start()

        assert len([thread for thread in _begun_since(before) if thread.name == "capibara-otel-system"]) == 1

    def test_stop(self, cap: Capibara, capture: Capture) -> None:
        """After stopping nothing is read, the thread ends, and the garbage collector is not watched."""
        watchers = len(gc.callbacks)
        collector = Collector(cap.system, 0.01, SystemClock())
        collector.start()
        assert len(gc.callbacks) == watchers + 1
        assert _until(lambda: _NETWORK in capture.metric_names)
        threads = [thread for thread in threading.enumerate() if thread.name == "capibara-otel-system"]
        collector.stop()
        for thread in threads:
            thread.join(5)

        assert not any(thread.is_alive() for thread in threads)
        assert len(gc.callbacks) == watchers

    def test_stopping_and_starting_again(self, cap: Capibara, capture: Capture) -> None:
        """A collector that was stopped reads again after a start, also when its thread has not ended yet."""
        reading, going_on = threading.Event(), threading.Event()
        collector = Collector(cap.system, 0.01, SystemClock())
        read = collector.collect

        def slow() -> None:
            reading.set()
            assert going_on.wait(5)
            read()

        collector.collect = slow  # type: ignore[method-assign]
        collector.start()
        assert reading.wait(5)
        collector.stop()
        collector.collect = read  # type: ignore[method-assign]
        collector.start()
        going_on.set()
        try:
            assert _until(lambda: _NETWORK in capture.metric_names)
        finally:
            collector.stop()

    def test_stopping_one_that_never_started(self, cap: Capibara) -> None:
        """There is nothing to do, and nothing fails."""
        Collector(cap.system, 60, SystemClock()).stop()

    def test_faults_do_not_end_it(
        self, cap: Capibara, capture: Capture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A reading that fails every time is said once, and the thread goes on reading the others."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        monkeypatch.setattr(shield, "_said", Once())
        times: list[float] = []

        def broken() -> None:
            times.append(time.monotonic())
            raise LookupError("no load")

        monkeypatch.setattr(psutil, "getloadavg", broken)
        collector = Collector(cap.system, 0.005, SystemClock())
        with caplog.at_level(logging.ERROR, logger="capibara_otel"):
            collector.start()
            assert _until(lambda: len(times) >= 3)
            collector.stop()

        assert "capibara6.system.memory.usage" in capture.metric_names
        said = [
            record for record in caplog.records if record.getMessage().startswith("telemetry fault in system.load;")
        ]
        assert len(said) == 1


class TestGarbageCollections:
    """The watch on the garbage collector."""

    def test_a_real_collection(self, collector: Collector, capture: Capture) -> None:
        """A collection is recorded at the next reading, with its generation, time, and what it freed."""
        gc.disable()
        try:
            collector.start()
            assert _until(lambda: "capibara6.process.uptime" in capture.metric_names)
            rings: list[list[Any]] = [[] for _ in range(100)]
            for ring in rings:
                ring.append(rings)
            del rings, ring
            gc.collect()
            collector.collect()
        finally:
            gc.enable()

        labels = {"cpython.gc.generation": 2}
        assert capture.value("capibara6.gc.collections", labels) == 1
        assert capture.value("capibara6.gc.duration", labels) == 1
        assert capture.value("capibara6.gc.objects.collected", labels) >= 100
        (duration,) = capture.points("capibara6.gc.duration")
        assert 0 < duration.sum < 10  # type: ignore[union-attr]

    def test_nothing_is_recorded_inside_of_a_collection(self, cap: Capibara, monkeypatch: pytest.MonkeyPatch) -> None:
        """The callback only notes: a lock that the interrupted code holds is never waited for."""
        told: list[tuple[int, float, int]] = []
        monkeypatch.setattr(cap.system, "record_gc", lambda *one: told.append(one))
        watch = GcWatch(SystemClock().monotonic_ns)
        watch.start()
        try:
            gc.collect()
            assert told == []
        finally:
            watch.stop()
        watch.tell(cap.system)

        assert [one[0] for one in told][-1] == 2

    def test_collections_are_told_once(self, cap: Capibara, capture: Capture) -> None:
        """What was told is forgotten; after stopping nothing is noted."""
        now = iter(range(1000, 10_000, 1000))
        watch = GcWatch(lambda: next(now))
        watch._note("stop", {"generation": 0, "collected": 9})  # began before the watch did
        watch._note("start", {"generation": 1, "collected": 0})
        watch._note("stop", {"generation": 1, "collected": 4})
        watch.tell(cap.system)
        watch.tell(cap.system)

        assert capture.value("capibara6.gc.collections") == 1
        assert capture.value("capibara6.gc.objects.collected", {"cpython.gc.generation": 1}) == 4
        (duration,) = capture.points("capibara6.gc.duration")
        assert duration.sum == pytest.approx(1e-6)  # type: ignore[union-attr]

    def test_a_clock_that_goes_back(self, cap: Capibara, capture: Capture) -> None:
        """A collection never takes less than no time."""
        now = iter((2000, 1000))
        watch = GcWatch(lambda: next(now))
        watch._note("start", {"generation": 0, "collected": 0})
        watch._note("stop", {"generation": 0, "collected": 0})
        watch.tell(cap.system)

        (duration,) = capture.points("capibara6.gc.duration")
        assert duration.sum == 0  # type: ignore[union-attr]

    def test_telling_that_fails(
        self, collector: Collector, cap: Capibara, capture: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What cannot be recorded is a fault of this place, and the readings are there."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")

        def broken(*_: object) -> None:
            raise LookupError

        monkeypatch.setattr(cap.system, "record_gc", broken)
        collector._gc._note("start", {"generation": 0, "collected": 0})
        collector._gc._note("stop", {"generation": 0, "collected": 0})
        collector.collect()

        assert capture.value(_ERRORS, {"capibara6.telemetry.place": "system.gc"}) == 1
        assert "capibara6.process.uptime" in capture.metric_names

    def test_what_is_noted_is_bounded(self, cap: Capibara, capture: Capture) -> None:
        """If nobody asks for hours, the oldest notes go."""
        watch = GcWatch(SystemClock().monotonic_ns)
        for _ in range(10_050):
            watch._note("start", {"generation": 0, "collected": 0})
            watch._note("stop", {"generation": 0, "collected": 0})
        watch.tell(cap.system)

        assert capture.value("capibara6.gc.collections") == 10_000

    def test_watching_twice(self) -> None:
        """Starting or stopping twice is as once."""
        watchers = len(gc.callbacks)
        watch = GcWatch(SystemClock().monotonic_ns)
        watch.stop()
        watch.start()
        watch.start()
        assert len(gc.callbacks) == watchers + 1
        watch.stop()
        watch.stop()

        assert len(gc.callbacks) == watchers
