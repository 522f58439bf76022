"""What a started pipeline is: its providers, and how it is flushed and shut down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from opentelemetry._logs import LoggerProvider
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from capibara_otel._safety import shield
from capibara_otel.pipeline.batch import BatchQueue
from capibara_otel.pipeline.endpoint import MetricsEndpoint
from capibara_otel.pipeline.guests import Guests
from capibara_otel.pipeline.health import SIGNALS, Health, Signal
from capibara_otel.pipeline.plan import MetricsPage
from capibara_otel.pipeline.push import MetricPush
from capibara_otel.pipeline.resource import resource_of_child
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.shutdown import Deadline, Part, finish_all, flush_all, forget

logger: Final = logging.getLogger(__name__)

_SOON_S: Final = 10.0
"""A shutdown within these seconds after the app's end is part of that end."""
_IDLE_S: Final = 0.2
"""What a process that observed nothing may take to end."""
_WORDS: Final[dict[Signal, tuple[str, str]]] = {
    "traces": ("span", "spans"),
    "metrics": ("metric point", "metric points"),
    "logs": ("log record", "log records"),
}


@dataclass(eq=False)
class Providers:
    """A started pipeline; `start` makes it.

    Args:
        tracer_provider: makes tracers; the app's own where it had set one.
        meter_provider: makes meters; the same.
        logger_provider: makes loggers; the same.
        resource: of the providers made here.
        exposition: writes the metrics page.
        health: counts what was exported and dropped.
        endpoint: serves the page on a port of its own, where that is asked for.
        timeout_s: deadline in seconds of a flush or shutdown that names none.
        clock: monotonic seconds.
        queues: what is sent item by item.
        pushes: metrics that are sent.
        guests: what others brought.
        tell_fork: told the resource of a forked child, in the child.
        gathers: called before each flush and the shutdown, so that what waits elsewhere comes along.
        is_used: tells whether the app observed anything.
        at_shutdown: called when the pipeline begins to end.
        at_end: called when it has ended.
    """

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider
    resource: Resource
    exposition: MetricsPage
    health: Health
    endpoint: MetricsEndpoint | None
    timeout_s: float
    clock: Callable[[], float]
    queues: Sequence[BatchQueue[Any]] = ()
    pushes: Sequence[MetricPush[Any]] = ()
    guests: Guests | None = None
    tell_fork: Callable[[Resource], object] | None = None
    gathers: Sequence[Callable[[], object]] = ()
    is_used: Callable[[], bool] | None = None
    at_shutdown: Callable[[], object] | None = None
    at_end: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        self._parts: list[Part] = [*self.queues, *self.pushes, *([self.guests] if self.guests else [])]
        self._lock = threading.RLock()  # a signal's handler may shut down while its own thread does
        self._deadline: Deadline | None = None
        self._last: tuple[float, Deadline] | None = None
        self._limit_s = self.timeout_s
        self._is_idle = False
        self._dropped_before: dict[Signal, int] = {}
        self._spooled_before: dict[Signal, int] = {}
        self._finishing = False
        self._finished = threading.Event()
        self._delivered = False

    def force_flush(self, timeout_s: float | None = None) -> bool:
        """Send now what waits.

        Args:
            timeout_s: seconds to wait at most; the setting `shutdown_timeout` by default.

        Returns:
            Whether all of it reached its receiver in time.
        """
        self._gather()
        return flush_all(self._parts, Deadline(self.timeout_s if timeout_s is None else timeout_s, self.clock))

    def flush_at_end(self) -> bool:
        """Send now what waits, because the app has ended: a shutdown soon after has only what is left of the time.

        Returns:
            Whether all of it reached its receiver in time.
        """
        self._gather()
        deadline = Deadline(self.timeout_s, self.clock)
        self._last = self.clock(), deadline
        return flush_all(self._parts, deadline)

    def begin_shutdown(self, timeout_s: float | None = None) -> bool:
        """Refuse further telemetry and send the rest, without waiting; `shutdown` waits.

        Args:
            timeout_s: seconds it may take; the setting `shutdown_timeout` by default.

        Returns:
            Whether this was the first call; the others do nothing.
        """
        with self._lock:
            if self._deadline is not None:
                return False
            self._limit_s = self.timeout_s if timeout_s is None else timeout_s
            self._is_idle = timeout_s is None and self._nothing_to_wait_for()
            self._deadline = Deadline(self._time_left() if timeout_s is None else timeout_s, self.clock)
        self._gather()
        self._dropped_before = {signal: self.health.dropped(signal) for signal in SIGNALS}
        self._spooled_before = {signal: self.health.spooled(signal) for signal in SIGNALS}
        if self.at_shutdown is not None:
            with shield("pipeline.at_shutdown"):
                self.at_shutdown()
        for part in self._parts:
            with shield("pipeline.close"):
                part.close()
        return True

    def _nothing_to_wait_for(self) -> bool:
        """Tell whether this process only minds others, as a server's supervisor does."""
        return self.is_used is not None and not self.is_used() and not any(len(queue) for queue in self.queues)

    def _time_left(self) -> float:
        if self._is_idle:
            return min(_IDLE_S, self.timeout_s)
        if self._last is not None and self.clock() - self._last[0] < _SOON_S:
            return self._last[1].remaining()
        return self.timeout_s

    @property
    def exports_logs(self) -> bool:
        """Whether log records are sent somewhere."""
        return any(queue.signal == "logs" for queue in self.queues)

    def _gather(self) -> None:
        for gather in self.gathers:
            with shield("pipeline.before_flush"):
                gather()

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Send what waits, then end the pipeline. What comes later is dropped and counted; nothing raises.

        An app's own providers are flushed and go on. Any number of calls shut down once; all wait for it.

        Args:
            timeout_s: seconds to wait at most; the setting `shutdown_timeout` by default. The first call's holds.

        Returns:
            Whether everything reached its receiver.
        """
        self.begin_shutdown(timeout_s)
        with self._lock:
            is_mine, self._finishing = not self._finishing, True
        deadline = self._deadline or Deadline(0, self.clock)
        if not is_mine:
            return self._finished.wait(deadline.remaining() + 1) and self._delivered
        if self.endpoint is not None:
            with shield("pipeline.endpoint"):
                self.endpoint.close()
        in_time = finish_all(self._parts, deadline)
        forget(self)
        if self.at_end is not None:
            with shield("pipeline.at_end"):
                self.at_end()
        lost = {signal: self.health.dropped(signal) - before for signal, before in self._dropped_before.items()}
        kept = {signal: self.health.spooled(signal) - before for signal, before in self._spooled_before.items()}
        self._delivered = in_time and not any(lost.values()) and not any(count > 0 for count in kept.values())
        self._say(lost, "did not reach %s")
        self._say(kept, "wait on disk for %s")
        self._finished.set()
        return self._delivered

    def after_fork(self) -> None:
        """Start from zero in a forked child."""
        self._lock = threading.RLock()
        self._finished = threading.Event()
        if self._deadline is not None:
            self._finished.set()
        self._last = None
        self.health.after_fork()
        self.resource = resource_of_child(self.resource)
        renewals: list[Callable[[], object]] = [part.after_fork for part in self._parts]
        if self.tell_fork is not None:
            renewals.insert(0, partial(self.tell_fork, self.resource))
        if self.endpoint is not None:
            renewals.append(self.endpoint.after_fork)
        for renew in renewals:  # each by itself: one that fails must not leave the others with the parent's locks
            with shield("pipeline.after_fork"):
                renew()

    def _say(self, items: dict[Signal, int], what: str) -> None:
        """Say once what became of the items that no receiver has taken."""
        counts = [f"{count} {_WORDS[signal][count != 1]}" for signal, count in items.items() if count > 0]
        if self._is_idle or not counts:
            return
        senders: list[BatchQueue[Any] | MetricPush[Any]] = [*self.queues, *self.pushes]
        targets = dict.fromkeys(sender.target for sender in senders if items[sender.signal] > 0)
        logger.warning(
            f"shutdown after %g s at most: %s {what}",  # noqa: G004 - a constant of this file
            self._limit_s,
            " and ".join(filter(None, [", ".join(counts[:-1]), counts[-1]])),
            ", ".join(targets),
        )
