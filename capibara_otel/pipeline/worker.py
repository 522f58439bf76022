"""One daemon thread that runs a job: after each delay, when it is woken, when a flush is asked for, and a last time."""

from __future__ import annotations

import logging
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
    attach,
    set_value,
)

from capibara_otel._safety import shield

Occasion: TypeAlias = Literal["tick", "wake", "flush", "stop"]

logger: Final = logging.getLogger(__name__)

WORKERS: Final[set[int]] = set()
"""Idents of the threads that export telemetry, so that what they emit is not exported in turn."""


def in_worker() -> bool:
    """Tell whether the current thread is one of them."""
    return get_ident() in WORKERS


class Worker:
    """Runs a job in a daemon thread. No method but `wait_flush` and `join` ever waits.

    Args:
        name: of the thread.
        job: what to do; told the occasion, answers whether all went well.
        delay_s: seconds between two runs; None to run only when asked.
    """

    def __init__(self, name: str, job: Callable[[Occasion], bool], *, delay_s: float | None) -> None:
        self._name: Final = name
        self._job: Final = job
        self._delay_s: Final = delay_s
        self._stopping = False
        self._ident: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._woken = False
        self._asked = 0
        self._answered = 0
        self._went_well = True
        self._ended = self._stopping
        if not self._stopping:
            try:
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            except RuntimeError as fault:  # the machine has no more threads
                self._ended = True
                logger.error("no thread %s (%s): what it would send is dropped and counted", self._name, fault)  # noqa: TRY400

    def wake(self) -> None:
        """Have the job run soon."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def ask_flush(self) -> int:
        """Have the job run once more, from its start.

        Returns:
            A ticket for `wait_flush`.
        """
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
            return self._asked

    def wait_flush(self, ticket: int, timeout_s: float) -> bool:
        """Wait until the run that was asked for has ended.

        Args:
            ticket: from `ask_flush`.
            timeout_s: seconds to wait at most.

        Returns:
            Whether it ended in time and went well.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._answered >= ticket or self._ended, timeout_s)
            return self._answered >= ticket and self._went_well

    def stop(self) -> None:
        """Have the job run a last time; the thread ends after it."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            Whether it has.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout_s)

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a run that has not begun."""
        return self._woken or self._asked > self._answered or self._stopping

    def after_fork(self) -> None:
        """Start anew in a forked child, where the parent's thread does not exist."""
        if self._ident is not None:
            WORKERS.discard(self._ident)
        self._begin()

    def _run(self) -> None:
        self._ident = get_ident()
        WORKERS.add(self._ident)
        # Set once for the life of the thread. `instrumentation.utils.suppress_instrumentation` sets the same keys, but
        # importing it costs more than the rest of the SDK.
        for key in (_SUPPRESS_INSTRUMENTATION_KEY, _SUPPRESS_HTTP_INSTRUMENTATION_KEY):
            attach(set_value(key, value=True))
        try:
            self._work(self._changed)
        finally:
            WORKERS.discard(self._ident)

    def _work(self, changed: threading.Condition) -> None:
        occasion: Occasion = "tick"
        while occasion != "stop":
            with changed:
                changed.wait_for(lambda: self.is_wanted, self._delay_s)
                occasion = self._occasion()
                self._woken = False
                ticket = self._asked
            went_well = False
            try:
                with shield("pipeline.worker"):
                    went_well = self._job(occasion)
            finally:
                with changed:
                    self._answered = ticket
                    self._went_well = went_well
                    self._ended = occasion == "stop"
                    changed.notify_all()

    def _occasion(self) -> Occasion:
        if self._stopping:
            return "stop"
        if self._asked > self._answered:
            return "flush"
        return "wake" if self._woken else "tick"
