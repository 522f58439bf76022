"""When to try again: after a growing pause with some chance in it, or when the receiver says, and never past the deadline.

Source: the OTLP specification, "Failures" and "OTLP/HTTP Throttling", "OTLP/gRPC Throttling".
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from capibara_otel.pipeline.otlp.reply import Reply

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0
LONGEST_OUTAGE_PAUSE_S: Final = 30.0
LONGEST_WAIT_S: Final = 3600.0
"""What a receiver may ask for at most; one that errs would otherwise silence a process for good."""

_ASKED_TO_WAIT: Final = Reply(taken=False, fault="it asked not to be asked yet", is_retryable=True)


class Closing:
    """A wait that ends at once when `close` is called; which may be done at any moment, also by a signal handler."""

    def __init__(self) -> None:
        self.is_closed = False
        self._gate = threading.Lock()
        self._gate.acquire()
        self._keys = [self._gate]  # taken by one of all who close

    def close(self) -> None:
        """End all waits, those to come too."""
        self.is_closed = True
        with suppress(IndexError):
            self._keys.pop().release()

    def wait(self, seconds: float) -> bool:
        """Wait; answer whether it was closed."""
        if self._gate.acquire(timeout=max(seconds, 0)):
            self._gate.release()
        return self.is_closed


class Retry:
    """Sends until the receiver has taken it, refuses for good, or the time is up.

    Args:
        clock: monotonic seconds.
        random: a number from 0 to 1, for the pauses.
        closing: ends the pauses.
    """

    def __init__(self, clock: Callable[[], float], random: Callable[[], float], closing: Closing) -> None:
        self._clock: Final = clock
        self._random: Final = random
        self._closing: Final = closing
        self._not_before = 0.0

    def send(self, attempt: Callable[[float], Reply], timeout_s: float, *, once: bool = False) -> Reply:
        """Try, and try again.

        Args:
            attempt: tries once, within so many seconds.
            timeout_s: seconds that all of it may take.
            once: do not try again.

        Returns:
            The last reply.
        """
        until = self._clock() + timeout_s
        wait_s = self._not_before - self._clock()
        if wait_s > 0 and (self._closing.wait(min(wait_s, timeout_s)) or wait_s >= timeout_s):
            return _ASKED_TO_WAIT
        number = 0
        while True:
            reply = attempt(max(until - self._clock(), 0.001))
            if reply.wait_s is not None:
                self._not_before = self._clock() + min(reply.wait_s, LONGEST_WAIT_S)
            if reply.taken or not reply.is_retryable or once:
                return reply
            pause_s = self._pause(number) if reply.wait_s is None else reply.wait_s
            if pause_s >= until - self._clock() or self._closing.wait(pause_s):
                return reply
            number += 1

    def _pause(self, number: int) -> float:
        return min(FIRST_PAUSE_S * 2.0**number, LONGEST_PAUSE_S) * (0.8 + 0.4 * self._random())


class Outage:
    """Spares a receiver that is down, where batches can wait on disk: it is asked again after growing pauses.

    Args:
        clock: monotonic seconds.
        random: a number from 0 to 1, for the pauses.
    """

    def __init__(self, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._random: Final = random
        self._failures = 0
        self._until = 0.0

    def begin(self, wait_s: float | None) -> None:
        """The receiver did not take a batch that it might take later; it may have said when."""
        pause_s = min(2.0**self._failures, LONGEST_OUTAGE_PAUSE_S) * (0.8 + 0.4 * self._random())
        self._failures = min(self._failures + 1, 16)
        self._until = self._clock() + max(pause_s, min(wait_s or 0.0, LONGEST_WAIT_S))

    def end(self) -> None:
        """The receiver has answered."""
        self._failures = 0
        self._until = 0.0

    @property
    def spares(self) -> bool:
        """Whether the receiver is not to be asked now."""
        return self._clock() < self._until

    def probe_s(self, timeout_s: float) -> float | None:
        """Return the seconds that one careful try may take; None where there is no outage."""
        return min(timeout_s, max(1.0, 2.0 ** (self._failures - 2))) if self._failures else None
