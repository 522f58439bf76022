"""When the process ends: at exit, and on SIGTERM where nobody else handles it.

Everything is told to finish first and waited for afterwards, so that one deadline holds for all. At exit no thread can
be started any more, so those that send are the ones that always did.
"""

from __future__ import annotations

import _thread
import atexit
import multiprocessing.util
import os
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final, Protocol

from capibara_otel._safety import shield


class Part(Protocol):
    """A part of the pipeline that holds telemetry. Only `wait_flush` and `finish` wait."""

    def ask_flush(self) -> int:
        """Have everything sent that is there; answers a ticket."""

    def wait_flush(self, ticket: int, timeout_s: float) -> bool:
        """Wait for that flush; answers whether it went well in time."""

    def close(self) -> None:
        """Refuse more and send the rest."""

    def finish(self, timeout_s: float) -> bool:
        """Wait for the rest and give up what is left; answers whether nothing was."""

    def after_fork(self) -> None:
        """Start from nothing in a forked child."""


class Deadline:
    """A point in time.

    Args:
        seconds: from now.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._at: Final = clock() + seconds

    def remaining(self) -> float:
        """Return the seconds until then, 0 when it has passed."""
        return max(0.0, self._at - self._clock())


def flush_all(parts: Iterable[Part], deadline: Deadline) -> bool:
    """Flush at the same time what there is; answer whether all went well in time."""
    tickets = [(part, part.ask_flush()) for part in parts]
    answers = [part.wait_flush(ticket, deadline.remaining()) for part, ticket in tickets]
    return all(answers)


def finish_all(parts: Iterable[Part], deadline: Deadline) -> bool:
    """Wait for parts that are all closed; answer whether nothing was left."""
    answers = [_finished(part, deadline) for part in parts]
    return all(answers)


def _finished(part: Part, deadline: Deadline) -> bool:
    with shield("pipeline.finish"):
        return part.finish(deadline.remaining())
    return False


class Closable(Protocol):
    """What is to be shut down when the process ends."""

    def begin_shutdown(self) -> Any:
        """Start to shut down; does not wait."""

    def shutdown(self) -> Any:
        """Wait until it is shut down, or for as long as it may take."""


# Held until they are shut down, also when nobody else holds them.
_open: Final[dict[Closable, None]] = {}
_AT_EXIT: Final = "interpreter shutdown"
"""What Python's message says when no thread can be started any more because the process exits."""
_terminating: Final = threading.Event()


def shut_down_at_exit(closable: Closable) -> None:
    """Have it shut down at exit, on SIGTERM, and at the end of children of `multiprocessing`, which run no exit hooks.

    The signal's handler is installed from the main thread only, and only where the default stands; a server's handler
    is never replaced.
    """
    _open[closable] = None
    multiprocessing.util.register_after_fork(closable, _shut_down_with_child)
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    if _in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def forget(closable: Closable) -> None:
    """It is shut down already."""
    _open.pop(closable, None)
    if not _open and _in_main_thread() and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _shut_down_with_child(closable: Closable) -> None:
    multiprocessing.util.Finalize(None, closable.shutdown, exitpriority=0)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _at_exit() -> None:
    _shut_down_open()
    if _terminating.is_set():
        _die()


def _on_sigterm(_signal: int, _frame: FrameType | None) -> None:
    # The main thread may hold any lock right now, so it must get on; the work is done beside it. `Thread.start` takes
    # a lock too, the function below none. A second signal ends the process at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _terminating.set()
    try:
        _thread.start_new_thread(_terminate, ())
    except RuntimeError as fault:
        if _AT_EXIT not in str(fault):  # the machine has no more threads; else `_at_exit` goes on from here
            _die()


def _terminate() -> None:
    try:
        _shut_down_open()
    finally:
        _die()


def _shut_down_open() -> None:
    closing = list(_open)
    for closable in closing:
        closable.begin_shutdown()
    for closable in closing:
        closable.shutdown()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
