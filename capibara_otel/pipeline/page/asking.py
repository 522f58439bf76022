"""Members of a group ask each other, over unix sockets, to leave a new snapshot. To connect is to ask."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, cast

from capibara_otel._safety import shield

logger: Final = logging.getLogger(__name__)

_BACKLOG: Final = 64
_LONGEST: Final = 100
"""Characters that a socket's path may have on every system."""
_FDS: Final = Path("/proc/self/fd")
_DONE: Final = b"1"
_AFTER_FAULT_S: Final = 0.2


class Answerer:
    """Answers in a daemon thread.

    Args:
        path: of the socket; made anew.
        refresh: leaves a new snapshot.

    Raises:
        OSError: there can be no socket at this path.
        RuntimeError: there can be no further thread.
    """

    def __init__(self, path: Path, refresh: Callable[[], object]) -> None:
        self._path: Final = path
        self._refresh: Final = refresh
        self._stopping: Final = threading.Event()
        self._socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            with _address(path) as address:
                self._socket.bind(address)
            self._socket.listen(_BACKLOG)
            threading.Thread(target=self._run, name="capibara-otel-workers", daemon=True).start()
        except BaseException:
            self._socket.close()
            raise

    @property
    def is_reachable(self) -> bool:
        """Whether the socket's file is still there."""
        return self._path.exists()

    def stop(self) -> None:
        """Answer no more."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # so that the thread wakes, where the system does it so
        Questions([self._path]).close()  # and where it does not
        self._path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Leave the socket to the parent, in a forked child, where the thread does not exist."""
        self._socket.close()

    def _run(self) -> None:
        with self._socket:
            while not self._stopping.is_set():
                asked: list[socket.socket] = []
                try:
                    asked.append(self._socket.accept()[0])
                    self._accept_waiting(asked)
                except OSError as fault:
                    logger.debug("a worker could not be answered: %r", fault)
                    self._stopping.wait(_AFTER_FAULT_S)
                if not self._stopping.is_set():
                    self._answer(asked)
                for each in asked:
                    each.close()

    def _accept_waiting(self, asked: list[socket.socket]) -> None:
        """Accept who asks at the same time, so that one snapshot answers them all."""
        self._socket.settimeout(0)
        try:
            while len(asked) < _BACKLOG:
                asked.append(self._socket.accept()[0])
        except BlockingIOError:
            pass
        finally:
            self._socket.settimeout(None)

    def _answer(self, asked: Iterable[socket.socket]) -> None:
        with shield("page.workers"):
            self._refresh()
            for each in asked:
                with contextlib.suppress(OSError):
                    each.send(_DONE)


class Questions:
    """Questions to several members at once, which are asked as it is made.

    Args:
        paths: of their sockets.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._open: Final[dict[socket.socket, Path]] = {}
        for path in paths:
            asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            asking.settimeout(0)
            try:
                with _address(path) as address:
                    asking.connect(address)
            except OSError:  # it has ended, or so many ask that it cannot be had now
                asking.close()
            else:
                self._open[asking] = path

    def wait(self, until: float) -> set[Path]:
        """Wait for the answers; those that come no more are given up.

        Args:
            until: monotonic seconds at which the waiting ends.

        Returns:
            The paths of those that have left a new snapshot.
        """
        answered: set[Path] = set()
        with selectors.DefaultSelector() as selector:
            for asking in self._open:
                selector.register(asking, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, until - time.monotonic()))
                if not ready:
                    break
                for key, _ in ready:
                    asking = cast("socket.socket", key.fileobj)
                    selector.unregister(asking)
                    with contextlib.suppress(OSError):
                        if asking.recv(1) == _DONE:
                            answered.add(self._open[asking])
        self.close()
        return answered

    def close(self) -> None:
        """Give up on all."""
        for asking in self._open:
            asking.close()
        self._open.clear()


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield what names the socket to the system, which takes short names only."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    if not _FDS.is_dir():
        raise OSError(errno.ENAMETOOLONG, "too long a path for a socket", str(path))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(_FDS / str(folder) / path.name)
    finally:
        os.close(folder)
