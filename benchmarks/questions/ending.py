"""How long a process takes to end while telemetry waits and the receiver is dead."""

# ruff: noqa: PLC0415 - each process imports one peer only

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.lib import setups
from benchmarks.lib.child import Child, seconds_until_end
from benchmarks.lib.environments import ROOT, variables
from benchmarks.lib.peers import OURS, PEERS
from benchmarks.lib.question import Question, Row, Run, otlp, rounds_of
from benchmarks.lib.sink import free_port

REFUSED: Final = Row("exit-refused", "the receiver refuses connections", "s")
BLACK_HOLE: Final = Row("exit-black-hole", "the receiver accepts and never answers", "s")
HEALTHY: Final = Row("exit-healthy", "the receiver is healthy", "s")
_PEERS: Final = (OURS, "capibara-sdk", "opentelemetry", "opentelemetry-grpc", "logfire", "openlit")

_PATIENCE_S: Final = 120.0


def emit(name: str) -> None:
    """Set a peer up and leave one span, one point and one log record waiting."""
    set_up: dict[str, Callable[[], object]] = {
        "opentelemetry": setups.opentelemetry,
        "opentelemetry-grpc": lambda: setups.opentelemetry(grpc=True),
        "logfire": setups.logfire,
        "openlit": setups.openlit,
    }
    set_up.get(name, setups.capibara)()
    from opentelemetry import _logs, metrics, trace

    with trace.get_tracer("bench").start_as_current_span("waiting"):
        metrics.get_meter("bench").create_counter("bench.waiting").add(1)
        _logs.get_logger("bench").emit(_logs.LogRecord(body="waiting"))


def _begin_end(run: Run, peer: str, row: Row, sink: Child) -> subprocess.Popen[str]:
    """Start a peer's process; return when it begins to end."""
    protocol = "grpc" if peer.endswith("-grpc") else "http/protobuf"
    endpoint = f"http://127.0.0.1:{free_port()}"
    if row is not REFUSED:
        mode = "black hole" if row is BLACK_HOLE else "healthy"
        (endpoint,) = sink.ask("endpoint", protocol=protocol, mode=mode)
    process = subprocess.Popen(
        [
            run.environments.python(PEERS[peer].environment),
            "-m",
            "benchmarks.lib.launch",
            "benchmarks.questions.ending:emit",
            peer,
        ],
        cwd=ROOT,
        env=variables(PEERS[peer], otlp(endpoint, protocol)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    with process.stdout as told:
        if not told.readline():
            process.kill()
            raise RuntimeError(f"{peer} did not come to its end")
    return process


def measure(run: Run) -> None:
    """Bring one peer after the other to its end; while those with dead receivers wait, the next ones start."""
    with run.sink() as sink, ThreadPoolExecutor(2 * len(_PEERS)) as threads:
        for order in rounds_of(run.peers(_PEERS), run.pick(3, 1)):
            for peer in order:
                run.add(HEALTHY, peer, seconds_until_end(_begin_end(run, peer, HEALTHY, sink), _PATIENCE_S))
            ending = {
                (row, peer): threads.submit(seconds_until_end, _begin_end(run, peer, row, sink), _PATIENCE_S)
                for peer in order
                for row in (REFUSED, BLACK_HOLE)
            }
            for (row, peer), seconds in ending.items():
                run.add(row, peer, seconds.result())


QUESTION: Final = Question(
    "exit",
    "The end with a dead receiver",
    (REFUSED, BLACK_HOLE, HEALTHY),
    "A program with one span, one measurement and one log record waiting comes to its end; from there to the end of the "
    "process. Those with dead receivers wait, idle, while the next ones start.",
    measure,
)
