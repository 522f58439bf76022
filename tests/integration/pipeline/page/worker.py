"""A worker process that counts when it is told to, and writes the page of all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any, Final

from capibara_otel.pipeline.metrics.data import (
    Collection,
    HistogramPoint,
    Metric,
    MetricKind,
    NumberPoint,
    Point,
    ScopeMetrics,
    Series,
)
from capibara_otel.pipeline.page import Exposition, Workers
from capibara_otel.pipeline.scope import Resource, Scope

_BOUNDS: Final = (0.1, 1.0)
_DEADLINE_S: Final = 30.0


class Measured:
    """What one process has measured: a counter, a sum that may fall, a gauge and a histogram."""

    def __init__(self) -> None:
        self.work = 0
        self.load = 0
        self.level: float | None = None
        self.level_ns = 0
        self.counts = [0, 0, 0]
        self.sum = 0.0
        self.resource = Resource({"service.name": "app", "process.pid": os.getpid()})
        self._series = [Series({"kind": "a"}) for _ in range(4)]
        self._scope = Scope("test")

    def collect(self) -> Collection:
        """Return all of it."""
        work, load, level, timed = self._series
        now, counts = time.time_ns(), list(self.counts)
        metrics = [
            _metric("work", "sum", NumberPoint(work, 1, now, self.work), is_monotonic=True),
            _metric("load", "sum", NumberPoint(load, 1, now, self.load)),
            _metric(
                "time", "histogram", HistogramPoint(timed, 1, now, sum(counts), self.sum, None, None, _BOUNDS, counts)
            ),
        ]
        if self.level is not None:
            metrics.append(_metric("level", "gauge", NumberPoint(level, 0, now, self.level, (), self.level_ns)))
        return Collection(self.resource, [ScopeMetrics(self._scope, metrics)])

    def record(self, seconds: float) -> None:
        """Measure a duration."""
        self.counts[sum(seconds > bound for bound in _BOUNDS)] += 1
        self.sum += seconds


def _metric(name: str, kind: MetricKind, point: Point, *, is_monotonic: bool = False) -> Metric:
    unit = "s" if kind == "histogram" else ""
    return Metric(name, "A text.", unit, kind, "cumulative", is_monotonic, [point])


class _Commands:
    """What a worker can be told."""

    def __init__(self, workers: Workers, spares: Sequence[Connection]) -> None:
        self._workers = workers
        self._spares = spares
        self._measured = Measured()
        self._exposition = Exposition(self._collect, workers=workers)
        self._hanging = threading.Event()
        self._child: Worker
        workers.start()

    def add(self, amount: int) -> int:
        self._measured.work += amount
        return self._measured.work

    def record(self, seconds: float) -> None:
        self._measured.record(seconds)

    def set(self, name: str, value: float) -> None:
        setattr(self._measured, name, value)
        self._measured.level_ns = time.time_ns()

    def page(self, accept: str | None = None) -> str:
        return self._exposition.render(accept).body.decode()

    def pid(self) -> int:
        return os.getpid()

    def hang(self) -> None:
        """Have every collection from now on take for ever."""
        self._hanging.set()

    def close(self) -> None:
        self._workers.close()

    def threads(self) -> list[str]:
        return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("capibara"))

    def fork(self, spare: int) -> int:
        """Fork a worker that is told on another connection."""
        pid = os.fork()
        if pid == 0:
            try:
                self._measured = Measured()
                self._exposition.after_fork(None)
                _answer(self, self._spares[spare])
            finally:
                os._exit(0)
        return pid

    def spawn(self) -> None:
        """Have a worker of its own."""
        self._child = Worker()

    def child(self, name: str, *arguments: Any) -> Any:
        """Tell it something."""
        return self._child.tell(name, *arguments)

    def reap(self, pid: int) -> None:
        os.waitpid(pid, 0)

    def _collect(self) -> Collection:
        if self._hanging.is_set():
            threading.Event().wait()
        return self._measured.collect()


def _answer(commands: _Commands, connection: Connection) -> None:
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(getattr(commands, name)(*arguments))
        except Exception as fault:  # noqa: BLE001 - told to the test
            connection.send(fault)


def serve(
    told: Connection, also: Connection, spares: Sequence[Connection], options: dict[str, Any], *, closes: bool
) -> None:
    """Be a worker: do what is told on two connections, so that a page is written while counts go on.

    Args:
        told: where it is told what to do; it ends with it.
        also: the same.
        spares: for forked children.
        options: of `Workers`.
        closes: whether it closes when its parent has ended.
    """
    parent = os.getppid()
    commands = _Commands(Workers(**options), spares)
    threading.Thread(target=_answer, args=(commands, also), daemon=True).start()
    _answer(commands, told)
    if closes:
        while os.getppid() == parent:
            time.sleep(0.01)
        commands.close()


class Told:
    """One of a worker's connections; one thread at a time uses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Tell the worker something; return its answer.

        Raises:
            EOFError: it has ended.
        """
        try:
            self._connection.send((name, arguments))
            assert self._connection.poll(_DEADLINE_S), f"no answer to {name}"
            answer = self._connection.recv()
        except (ConnectionError, BrokenPipeError) as fault:
            raise EOFError from fault
        if isinstance(answer, Exception):
            raise answer
        return answer


class Worker:
    """A worker process, spawned as servers spawn theirs."""

    def __init__(self, *, spares: int = 0, method: str = "spawn", closes: bool = False, **options: Any) -> None:
        # On a busy machine a worker that is well may take long to answer.
        options = {"patience_s": _DEADLINE_S} | options
        context: Any = get_context(method)
        (mine, its), (my_other, its_other) = Pipe(), Pipe()
        pairs = [Pipe() for _ in range(spares)]
        self.tell, self.other = Told(mine), Told(my_other)
        self.forked = [Told(pair[0]) for pair in pairs]
        self.process = context.Process(
            target=serve, args=(its, its_other, [pair[1] for pair in pairs], options), kwargs={"closes": closes}
        )
        self.process.start()
        for connection in (its, its_other, *(pair[1] for pair in pairs)):
            connection.close()
        self._connections = [mine, my_other, *(pair[0] for pair in pairs)]

    def kill(self) -> None:
        """End it as the system ends what takes too much memory."""
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """Let it end by itself, without a last word."""
        for connection in self._connections:
            connection.close()
        self.process.join(_DEADLINE_S)
        self.kill()


def value(page: str, name: str) -> float:
    """Return the only value of a sample."""
    (line,) = (line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
    return float(line.rpartition(" ")[2])
