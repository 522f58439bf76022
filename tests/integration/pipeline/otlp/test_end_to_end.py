"""Queue, outlet, transport and spool together, to receivers that are well, ill, slow, gone and back."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from capibara_otel.pipeline.batch import BatchLimits, BatchQueue
from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.otlp.spool import Spool
from tests.support.otlp_send import outlet, records
from tests.support.receiver import Protocol, Receiver, Said, partial

PROTOCOLS: list[Protocol] = ["http/protobuf", "grpc"]


class Rig:
    """A queue of log records, and where it sends them.

    Args:
        queue: the queue.
        health: its counts.
        spool: where they wait.
    """

    def __init__(self, queue: BatchQueue[Record], health: Health, spool: Spool | None) -> None:
        self.queue = queue
        self.health = health
        self.spool = spool

    @property
    def counts(self) -> tuple[int, int, int]:
        """Exported, waiting on disk, dropped."""
        return self.health.exported("logs"), self.health.spooled("logs"), self.health.dropped("logs")

    def put(self, *bodies: str) -> None:
        """Put records."""
        for record in records(*bodies):
            self.queue.put(record)

    def flush(self) -> bool:
        """Send what is there."""
        return self.queue.wait_flush(self.queue.ask_flush(), 30)


@contextmanager
def queue_to(
    environ: dict[str, str], folder: Path | None = None, *, delay_s: float = 0.05, batch: int = 4
) -> Iterator[Rig]:
    """Give a queue that sends soon, and end it."""
    health = Health()
    spool = None if folder is None else Spool(folder, 2**26, health)
    with outlet(environ, health=health, spool=spool) as made:
        queue = BatchQueue[Record]("logs", made, BatchLimits(1000, batch, delay_s), health)
        try:
            yield Rig(queue, health, spool)
        finally:
            queue.close()
            queue.finish(10)


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def environment(port: int, protocol: Protocol = "http/protobuf", timeout_s: float = 0.2) -> dict[str, str]:
    """Return what points an exporter at a port."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": str(timeout_s),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_is_busy_gets_it_when_it_wants(protocol: Protocol) -> None:
    """A refusal that may pass is followed by another try, and the batch arrives once."""
    with Receiver(protocol) as receiver, queue_to(receiver.environment, delay_s=3600) as rig:
        receiver.mode = "refuse"
        rig.put("1", "2")
        ticket = rig.queue.ask_flush()
        assert receiver.wait_for(lambda each: each.attempts == 1)
        receiver.mode = "healthy"
        assert rig.queue.wait_flush(ticket, 30)
        assert rig.counts == (2, 0, 0)
    assert receiver.logs == ["1", "2"]
    assert receiver.attempts == 2


def test_a_receiver_that_names_a_time_is_not_asked_before() -> None:
    """Between the two tries lies what `Retry-After` says."""
    with Receiver(answers=[Said(429, {"Retry-After": "1"}, b"")]) as receiver:
        with queue_to(receiver.environment, delay_s=3600) as rig:
            rig.put("1")
            assert rig.flush()
        first, second = receiver.arrived
    assert second - first >= 1
    assert receiver.logs == ["1"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_record_ends_in_one_count(protocol: Protocol) -> None:
    """Delivered, rejected, refused and not to be written: each is counted as what it is, and all of them once."""
    answers = [partial("logs", 1, "too old"), Said(400, body=b"", code=None if protocol != "grpc" else _invalid())]
    with Receiver(protocol, answers=answers) as receiver, queue_to(receiver.environment, delay_s=3600) as rig:
        bad = records("bad")[0]
        bad.severity_number = -1
        rig.put("1", "2")
        rig.queue.put(bad)
        assert rig.flush()
        rig.put("3")
        assert not rig.flush()
        rig.put("4")
        assert rig.flush()
        health = rig.health
        assert (health.dropped("logs", "rejected"), health.dropped("logs", "unencodable")) == (1, 1)
        assert health.dropped("logs", "export_failed") == 1
        assert rig.counts == (2, 0, 3)
    assert receiver.logs == ["1", "2", "4"]


def _invalid() -> object:
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - only here

    return grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_dead_receiver_did_not_take_is_sent_when_it_is_back(protocol: Protocol, tmp_path: Path) -> None:
    """While it is dead everything waits on disk; when it is back all of it arrives, each record once."""
    port = free_port()
    with queue_to(environment(port, protocol), tmp_path) as rig:
        rig.put(*map(str, range(10)))
        assert not rig.flush()
        assert rig.counts == (0, 10, 0)
        with Receiver(protocol, port=port) as receiver:
            assert receiver.wait_for(lambda each: len(each.logs) >= 10, 30)
            rig.put("live")
            assert rig.flush()
            assert rig.counts == (11, 0, 0)
        assert list(tmp_path.iterdir()) == []
    assert sorted(receiver.logs) == sorted([*map(str, range(10)), "live"])


def test_the_oldest_arrive_first(tmp_path: Path) -> None:
    """What has waited is sent in the order in which it was put aside."""
    port = free_port()
    with queue_to(environment(port), tmp_path, batch=1) as rig:
        for number in range(5):
            rig.put(str(number))
            rig.flush()
        with Receiver(port=port) as receiver:
            assert receiver.wait_for(lambda each: len(each.logs) == 5, 30)
    assert receiver.logs == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_at_the_end_the_rest_waits_on_disk_though_the_worker_hangs(protocol: Protocol, tmp_path: Path) -> None:
    """With a receiver that never answers, whoever shuts down puts aside what is left, and the next process sends it."""
    with Receiver(protocol, "black hole") as receiver:
        with outlet(environment(receiver.port, protocol, 60), spool=Spool(tmp_path, 2**26, health := Health())) as made:
            queue = BatchQueue[Record]("logs", made, BatchLimits(1000, 4, 3600), health)
            for record in records(*map(str, range(10))):
                queue.put(record)
            assert receiver.wait_for(lambda each: each.attempts == 1)
            queue.close()
            queue.put(records("late")[0])
            assert not queue.finish(0.5)
        assert (health.spooled("logs"), health.dropped("logs", "shutdown")) == (10, 1)
    with Receiver(protocol, port=receiver.port) as later, queue_to(later.environment, tmp_path):
        assert later.wait_for(lambda each: len(each.logs) == 10, 30)
    assert sorted(later.logs) == [str(number) for number in range(10)]


def test_at_the_end_a_short_run_sends_what_an_earlier_one_left(tmp_path: Path) -> None:
    """A process that ends before its first interval catches up at its end."""
    Spool(tmp_path, 2**26, Health()).put("logs", b"", 1)
    with Receiver() as receiver:
        with queue_to(receiver.environment, tmp_path, delay_s=3600) as rig:
            rig.put("live")
        assert receiver.logs == ["live"]
        assert receiver.attempts == 2
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
    import os, sys, time
    from pathlib import Path
    from capibara_otel.pipeline.batch import BatchLimits, BatchQueue
    from capibara_otel.pipeline.health import Health
    from capibara_otel.pipeline.otlp.spool import Spool
    from tests.support.otlp_send import outlet, records
    health = Health()
    spool = Spool(Path(sys.argv[1]), 2**26, health)
    with outlet(os.environ, health=health, spool=spool) as made:
        queue = BatchQueue("logs", made, BatchLimits(1000, 4, 0.02), health)
        for record in records(*sys.argv[2:]):
            queue.put(record)
        queue.wait_flush(queue.ask_flush(), 30)
        print("flushed", flush=True)
        time.sleep(60)
"""


@contextmanager
def process(folder: Path, environ: dict[str, str], *bodies: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that sends records, and kill it in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", dedent(PROGRAM), str(folder), *bodies], env=environ, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGKILL)


def test_a_killed_process_loses_nothing_that_was_put_aside(tmp_path: Path) -> None:
    """SIGKILL, at any moment after the batch was put aside, leaves the requests to the next process."""
    port = free_port()
    with process(tmp_path, environment(port), "1", "2", "3") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "flushed\n"
    with Receiver(port=port) as receiver, process(tmp_path, environment(port)):
        assert receiver.wait_for(lambda each: len(each.logs) == 3, 30)
    assert receiver.logs == ["1", "2", "3"]


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    """A request that a process was sending when it was killed is sent by the next one."""
    port = free_port()
    with process(tmp_path, environment(port), "1") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "flushed\n"
    with Receiver(mode="black hole") as hole, process(tmp_path, environment(hole.port, timeout_s=60)):
        assert hole.wait_for(lambda each: each.attempts == 1, 30)
        claim = Spool(tmp_path, 2**26, Health()).claim("logs")
    assert claim is None
    with Receiver() as receiver, process(tmp_path, environment(receiver.port)):
        assert receiver.wait_for(lambda each: each.logs == ["1"], 30)


def test_processes_share_a_spool(tmp_path: Path) -> None:
    """Several that catch up at the same time send every request once."""
    port = free_port()
    with queue_to(environment(port), tmp_path, batch=1) as rig:
        rig.put(*map(str, range(60)))
        rig.flush()
        assert rig.counts == (0, 60, 0)
        with (
            Receiver(port=port) as receiver,
            process(tmp_path, environment(port)),
            process(tmp_path, environment(port)),
        ):
            assert receiver.wait_for(lambda each: len(each.logs) >= 60, 30)
    assert sorted(receiver.logs, key=int) == [str(number) for number in range(60)]
    assert list(tmp_path.iterdir()) == []


def test_live_batches_go_before_what_waits(tmp_path: Path) -> None:
    """A batch that comes while old ones are caught up on is sent after the request under way, not after all of them."""
    spool = Spool(tmp_path, 2**26, Health())
    for number in range(50):
        spool.put("logs", b"", number)
    with Receiver(mode="slow", delay_s=0.05) as receiver, queue_to(receiver.environment, tmp_path) as rig:
        assert receiver.wait_for(lambda each: each.attempts >= 2)
        rig.put("live", "live", "live", "live")
        assert receiver.wait_for(lambda each: len(each.logs) == 4)
        assert receiver.attempts < 50


def test_many_threads_through_an_outage_lose_no_count(tmp_path: Path) -> None:
    """Put from many threads while the receiver fails and recovers, every record arrives or has one count."""
    with Receiver() as receiver, queue_to(receiver.environment, tmp_path, batch=50) as rig:

        def put() -> None:
            for number in range(300):
                rig.put(str(number))

        threads = [threading.Thread(target=put) for _ in range(4)]
        for thread in threads:
            thread.start()
        receiver.mode, receiver.status = "refuse", 400
        receiver.wait_for(lambda each: each.attempts > 3)
        receiver.mode = "healthy"
        for thread in threads:
            thread.join()
        rig.flush()
        exported, spooled, dropped = rig.counts
        assert exported + spooled + dropped == 1200
        assert exported == len(receiver.logs)
        assert rig.health.dropped("logs", "export_failed") + rig.health.dropped("logs", "queue_full") == dropped
