"""Ends operations that were dropped, outside of the garbage collector.

The collector may run anywhere, also while this very thread holds a lock of the metrics SDK; to record anything there
could wait for ever. So what ends in a collector's call is only noted, and a thread of its own does the rest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from capibara_otel._safety import shield
from capibara_otel.operation.threads import start_apart


class Reaper:
    """A queue of things to do and the daemon thread that does them."""

    def __init__(self) -> None:
        self._todo: Final[deque[Callable[[], None]]] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._busy = threading.RLock()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Have the thread running, in this process; call it where starting a thread is safe."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=self._work, name="capibara-otel-reaper", daemon=True)
            self._thread = thread
            start_apart(thread)

    def put(self, task: Callable[[], None]) -> None:
        """Note a task. Safe in a finalizer: neither call takes a lock that this thread may hold."""
        self._todo.append(task)
        self._bell.put(None)

    def drain(self) -> None:
        """Do all that is noted, now and here."""
        with self._busy:
            while self._todo:
                task = self._todo.popleft()
                with shield("operation.reaper"):
                    task()

    def renew(self) -> None:
        """Begin anew in a forked process: no thread, nothing to do, no lock held."""
        self._todo.clear()
        self._bell = SimpleQueue()
        self._busy = threading.RLock()
        self._thread = None

    def _work(self) -> None:
        while True:
            self._bell.get()
            self.drain()
