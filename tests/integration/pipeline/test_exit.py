"""What happens to telemetry when the process ends, whatever the receiver does."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from textwrap import dedent
from typing import Literal

import pytest

from tests.integration.pipeline.programs import Ended, Program
from tests.support.receiver import Mode, Protocol, Receiver

Run = Callable[..., Program]

PROTOCOLS: tuple[Protocol, ...] = ("http/protobuf", "grpc")

# One of each signal, then the end, by the way that is asked for.
WORK = """
providers = start(load_settings(service_name="exit"))
trace.get_tracer("t").start_span("work").end()
_logs.get_logger("l").emit(body="work")
metrics.get_meter("m").create_counter("work").add(7)
report(ready=True)
"""
WAIT = "time.sleep(60)\n"

# More than the queues hold; what became of everything is counted once all hooks have run (the first registered runs
# last).
FLOOD = """
def account():
    health = providers.health
    report(**{
        f"{signal}_{what}": health.exported(signal) if what == "exported" else health.dropped(signal, what)
        for signal in ("traces", "logs") for what in ("exported", "queue_full", "export_failed", "shutdown")
    })
atexit.register(account)
providers = start(load_settings(service_name="exit"))
tracer, logger = trace.get_tracer("t"), _logs.get_logger("l")
metrics.get_meter("m").create_counter("work").add(7)
for number in range(5000):
    tracer.start_span("work").end()
    logger.emit(body="work")
report(ready=True)
"""


def refused_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("way", "codes"),
    [("return", {0}), (signal.SIGTERM, {-signal.SIGTERM}), (signal.SIGINT, {1, -signal.SIGINT})],
    ids=["return", "SIGTERM", "SIGINT"],
)
def test_a_healthy_receiver_gets_everything(program: Run, protocol: Protocol, way: object, codes: set[int]) -> None:
    """Whichever way a process ends, what it recorded arrives, and its exit code is the one it would have had.

    An interrupted `python -c` ends with 1 or by the signal, depending on where it was.
    """
    with Receiver(protocol) as receiver:
        running = program(WORK + ("" if way == "return" else WAIT), receiver.environment)
        running.wait_for_report()
        ended = running.end(way if isinstance(way, signal.Signals) else None)
        counted = [point.sum.data_points[0].as_int for _, point in receiver.metrics("work")]

    assert ended.code in codes, ended.stderr
    assert receiver.spans == ["work"]
    assert receiver.logs == ["work"]
    assert counted == [7]
    assert "did not reach" not in ended.stderr


@pytest.mark.parametrize("mode", ["refused", "refuse", "black hole", "slow"])
def test_no_receiver_keeps_a_process_from_ending(program: Run, mode: Mode | Literal["refused"]) -> None:
    """With full queues and a receiver that is gone, refuses, never answers or is slow, it takes 3 s at most.

    Over HTTP and gRPC, whether the program returns or is told to end; what was lost is said, and counted exactly.
    """
    with ExitStack() as stack:
        running: list[tuple[signal.Signals | None, Program]] = []
        for protocol in PROTOCOLS:
            receiver = stack.enter_context(Receiver(protocol, "healthy" if mode == "refused" else mode, delay_s=2))
            env = dict(receiver.environment)
            if mode == "refused":
                env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{refused_port()}"
            running += [(None, program(FLOOD, env, is_timed=True))]
            running += [(signal.SIGTERM, program(FLOOD + WAIT, env, is_timed=True))]
        for _, each in running:
            each.wait_for_report()
        for number, each in running:
            each.send(number)
        endings = [(number, each.end()) for number, each in running]

    for number, ended in endings:
        # Where the program returns, the interpreter tidies up after our hooks, which takes as long as the machine is busy.
        assert (ended.reported_s if number is None else ended.seconds) <= 3, ended.stderr
        assert ended.code == (0 if number is None else -signal.SIGTERM), ended.stderr
        lost = r"shutdown after 1\.5 s at most: \d+ spans.* did not reach http://127\.0\.0\.1:\d+"
        assert re.search(lost, ended.stderr), ended.stderr
        if number is None:
            assert all(total(ended, each) == 5000 for each in ("traces", "logs"))


def total(ended: Ended, kind: str) -> int:
    """Add up what became of the items of a kind."""
    return sum(ended[f"{kind}_{what}"] for what in ("exported", "queue_full", "export_failed", "shutdown"))


def test_a_receiver_that_refuses_for_good_is_counted_as_such(program: Run) -> None:
    """What a receiver refuses with a status that is no use to repeat is counted as failed to export, at once."""
    with Receiver(mode="refuse", status=400) as receiver:
        ended = program(FLOOD, receiver.environment).end()

    assert ended.code == 0
    for kind in ("traces", "logs"):
        assert ended[f"{kind}_exported"] == ended[f"{kind}_shutdown"] == 0
        assert total(ended, kind) == 5000


def test_a_process_that_may_take_no_time_gives_everything_up(program: Run) -> None:
    """With a deadline of 0 s nothing is waited for, and everything is counted as lost."""
    with Receiver(mode="black hole") as receiver:
        ended = program(FLOOD, {**receiver.environment, "CAPIBARA_SHUTDOWN_TIMEOUT": "0"}).end()

    assert ended.code == 0
    for kind in ("traces", "logs"):
        assert ended[f"{kind}_exported"] == ended[f"{kind}_export_failed"] == 0
        assert ended[f"{kind}_shutdown"] >= 2048
        assert total(ended, kind) == 5000


def test_a_servers_own_handler_is_kept(program: Run) -> None:
    """Where the app handles SIGTERM itself, its handler stays, and leaving by it loses nothing."""
    source = """
    def leave(number, frame):
        report(own_handler=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, leave)
    """
    with Receiver() as receiver:
        running = program(dedent(source) + WORK + WAIT, receiver.environment)
        running.wait_for_report()
        ended = running.end(signal.SIGTERM)

    assert ended["own_handler"]
    assert ended.code == 3
    assert receiver.spans == ["work"]


def test_a_handler_set_later_is_kept(program: Run) -> None:
    """A handler that the app sets after start-up replaces ours, and shutting down does not take it away."""
    source = """
    providers = start(load_settings())
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(4))
    providers.shutdown()
    report(ready=True)
    time.sleep(60)
    """
    running = program(source)
    running.wait_for_report()
    assert running.end(signal.SIGTERM).code == 4


def test_after_shutdown_the_default_handler_is_back(program: Run) -> None:
    """When nothing is left to flush, SIGTERM is handled as if we had never been there."""
    source = """
    providers = start(load_settings())
    ours = signal.getsignal(signal.SIGTERM)
    providers.shutdown()
    report(was_ours=callable(ours), is_default=signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    ended = program(source).end()
    assert ended["was_ours"]
    assert ended["is_default"]


def test_started_from_a_thread_the_signal_is_left_alone(program: Run) -> None:
    """Handlers can be set from the main thread only: started elsewhere, telemetry still leaves at exit."""
    source = """
    def run():
        global providers
        providers = start(load_settings())
        trace.get_tracer("t").start_span("work").end()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    report(is_default=signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    with Receiver() as receiver:
        ended = program(source, receiver.environment).end()
    assert ended["is_default"]
    assert receiver.spans == ["work"]


def test_a_signal_in_the_midst_of_recording_does_not_block(program: Run) -> None:
    """SIGTERM may find the main thread holding any lock of ours: it goes on, and all that was taken is delivered."""
    source = """
    providers = start(load_settings(service_name="busy"))
    tracer = trace.get_tracer("t")
    report(ready=True)
    while True:
        tracer.start_span("work").end()
    """
    with Receiver() as receiver:
        for _ in range(5):
            running = program(source, {**receiver.environment, "OTEL_BSP_MAX_QUEUE_SIZE": "1000000"}, is_timed=True)
            running.wait_for_report()
            time.sleep(0.2)
            ended = running.end(signal.SIGTERM)
            assert ended.code == -signal.SIGTERM, ended.stderr
            assert ended.seconds <= 3


def test_a_second_signal_ends_the_process_at_once(program: Run) -> None:
    """Who sends SIGTERM twice is not kept waiting for a receiver that does not answer."""
    with Receiver(mode="black hole") as receiver:
        env = {**receiver.environment, "CAPIBARA_SHUTDOWN_TIMEOUT": "30"}
        running = program(WORK + WAIT, env, is_timed=True)
        running.wait_for_report()
        running.process.send_signal(signal.SIGTERM)
        assert receiver.wait_for(lambda it: it.attempts > 0)
        ended = running.end(signal.SIGTERM)

    assert ended.code == -signal.SIGTERM
    assert ended.seconds < 5


def test_a_signal_while_the_process_ends_keeps_its_meaning(program: Run) -> None:
    """SIGTERM during the flush at exit ends the process with the signal's code, within the deadline."""
    with Receiver(mode="black hole") as receiver:
        running = program(WORK, receiver.environment, is_timed=True)
        running.wait_for_report()
        assert receiver.wait_for(lambda it: it.attempts > 0)
        ended = running.end(signal.SIGTERM)

    assert ended.code == -signal.SIGTERM
    assert ended.seconds <= 3


def test_what_comes_after_shutdown_is_counted_and_harms_nobody(program: Run) -> None:
    """After shutdown every call still works, everything is dropped, and the drops are counted exactly."""
    source = """
    providers = start(load_settings())
    first = providers.shutdown()
    again = providers.shutdown()
    tracer, logger = trace.get_tracer("t"), _logs.get_logger("l")
    for number in range(10):
        tracer.start_span("late").end()
        logger.emit(body="late")
    metrics.get_meter("m").create_counter("late").add(1)
    page = providers.exposition.render().body.decode()
    report(
        first=first, again=again, flushed=providers.force_flush(),
        spans=providers.health.dropped("traces", "shutdown"), logs=providers.health.dropped("logs", "shutdown"),
        late="late_total 1.0" in page,
        shown='{capibara6_telemetry_reason="shutdown",capibara6_telemetry_signal="traces"} 10.0' in page,
    )
    """
    with Receiver() as receiver:
        ended = program(source, receiver.environment).end()

    assert ended.code == 0, ended.stderr
    assert ended.reports == [
        {"first": True, "again": True, "flushed": False, "spans": 10, "logs": 10, "late": True, "shown": True}
    ]
    assert receiver.spans == []
