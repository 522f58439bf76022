"""What a receiver did not take waits on disk, as the requests it is to get, and is sent when it answers again.

A file is one request, readable by whatever reads OTLP. Its name carries when it was written, by which process, the
signal, the number of items, the size and a checksum. It appears whole or not at all. It is not forced onto the disk: a
process that is killed loses nothing, a machine that loses power may lose the last seconds, and what it left half
written is found out by the checksum. What is sent is deleted after the answer, so a process that is killed between the
two has it sent twice.

Processes may share a folder. Whoever sends a file holds a lock on it, which ends with the process.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import time
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from capibara_otel._safety import Once
from capibara_otel.pipeline.health import SIGNALS, Health, Signal

logger: Final = logging.getLogger(__name__)

Put: TypeAlias = Literal["kept", "full", "failed"]

_NAME: Final = re.compile(
    rf"(?P<time>\d{{20}})-(?P<process>[0-9a-f]{{8}})-(?P<number>\d+)-(?P<signal>{'|'.join(SIGNALS)})"
    r"-(?P<items>\d{1,9})-(?P<size>\d{1,12})-(?P<checksum>[0-9a-f]{8})\.otlp"
)
_UNFINISHED: Final = ".unfinished"
_BLOCK: Final = 4096
"""Bytes that a file takes up at least; small ones would otherwise count for nothing."""
_STALE_S: Final = 60.0
"""After these seconds whoever wrote an unfinished file is gone."""
_FRESH_S: Final = 1.0
"""For these seconds the folder is taken to be as it was found."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class _File(NamedTuple):
    name: str
    process: str
    signal: Signal
    items: int
    size: int
    checksum: int

    @property
    def space(self) -> int:
        return -(-self.size // _BLOCK) * _BLOCK


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that only this process sends now; give it back to the spool with `drop` or `release`."""

    signal: Signal
    items: int
    body: bytes
    is_own: bool
    """Whether this process has put it there."""
    path: Path
    descriptor: int


class Spool:
    """A folder of requests that wait. No method raises: what goes wrong is said once and counted.

    Args:
        folder: where; made if it is not there, for this user only.
        limit: bytes it may hold, in blocks of 4 KiB; the oldest go first. Processes that share it may go past it by one
            request each.
        health: where what is dropped is counted.
        time_ns: nanoseconds since 1970.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        health: Health,
        *,
        time_ns: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder: Final = folder
        self._limit: Final = limit
        self._health: Final = health
        self._time_ns: Final = time_ns
        self._clock: Final = clock
        self._said: Final = Once()
        self._held: set[int] = set()
        self._waiting: dict[Signal, deque[_File]] = {}
        self._found: tuple[float, int] | None = None
        self._begin()
        self._tidy()
        health.watch_spool(self.size)

    def _begin(self) -> None:
        self._process = os.urandom(4).hex()
        self._numbers = count()

    def put(self, signal: Signal, body: bytes, items: int) -> Put:
        """Put a request aside.

        Args:
            signal: of its items.
            body: the request.
            items: how many it holds.

        Returns:
            `kept`; `full` where there is no room for it; `failed` where it could not be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._named(signal, body, items)
            if not self._make_room(file.space):
                return "full"
            self._write(file.name, body)
        except OSError as fault:
            self._say(fault)
            return "full" if fault.errno in _NO_ROOM else "failed"
        if self._found is not None:
            self._found = self._found[0], self._found[1] + file.space
        return "kept"

    def claim(self, signal: Signal) -> Claim | None:
        """Take the oldest request of a signal that nobody sends; None where there is none."""
        try:
            waiting = self._waiting.get(signal)
            if not waiting:
                files = sorted(file for file in self._list() if file.signal == signal)
                waiting = self._waiting[signal] = deque(files)
            while waiting:
                claim = self._read(waiting.popleft())
                if claim is not None:
                    return claim
        except OSError as fault:
            self._say(fault)
        return None

    def drop(self, claim: Claim) -> None:
        """Delete a request: it was sent, or will never be."""
        with suppress(OSError):
            claim.path.unlink()
        if claim.is_own:
            self._health.count_spooled(claim.signal, -claim.items)
        self._close(claim.descriptor)

    def release(self, claim: Claim) -> None:
        """Leave a request to the next who comes."""
        self._waiting.pop(claim.signal, None)
        self._close(claim.descriptor)

    def size(self) -> int:
        """Return how many bytes wait, in blocks of 4 KiB."""
        if self._found is None or self._clock() - self._found[0] > _FRESH_S:
            try:
                self._list()
            except OSError:
                return 0
        return self._found[1] if self._found is not None else 0

    def after_fork(self) -> None:
        """Leave what the parent sends to the parent; what comes from here is the child's own."""
        for descriptor in self._held:
            with suppress(OSError):
                os.close(descriptor)
        self._held = set()
        self._waiting = {}
        self._begin()

    def _named(self, signal: Signal, body: bytes, items: int) -> _File:
        checksum = zlib.crc32(body)
        name = (
            f"{self._time_ns():020d}-{self._process}-{next(self._numbers)}-{signal}-{items}-{len(body)}"
            f"-{checksum:08x}.otlp"
        )
        return _File(name, self._process, signal, items, len(body), checksum)

    def _list(self) -> list[_File]:
        files = [file for file in (_parse(each.name) for each in os.scandir(self._folder)) if file is not None]
        self._found = self._clock(), sum(file.space for file in files)
        return files

    def _make_room(self, space: int) -> bool:
        if space > self._limit:
            return False
        if self.size() + space <= self._limit:
            return True
        files = deque(sorted(self._list()))
        total = sum(file.space for file in files)
        while total + space > self._limit and files:
            oldest = files.popleft()
            claim = self._take(oldest)
            if claim is not None:
                self.drop(claim)
                self._health.count_dropped(oldest.signal, "spool_full", oldest.items)
                total -= oldest.space
        self._found = self._clock(), total
        return total + space <= self._limit

    def _write(self, name: str, body: bytes) -> None:
        unfinished = self._folder / f"{name}{_UNFINISHED}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(unfinished, flags, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                left = memoryview(body)
                while left:
                    left = left[file.write(left) :]
            unfinished.rename(self._folder / name)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _take(self, file: _File) -> Claim | None:
        """Lock a file; None where another process has it or has sent it."""
        path = self._folder / file.name
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None
        self._held.add(descriptor)
        try:
            if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                return Claim(file.signal, file.items, b"", file.process == self._process, path, descriptor)
        except OSError as fault:
            self._say(fault)
        self._close(descriptor)
        return None

    def _read(self, file: _File) -> Claim | None:
        """Lock a file and read it; one that is not what was written is deleted."""
        claim = self._take(file)
        if claim is None:
            return None
        try:
            body = _read(claim.descriptor, file.size)
        except OSError:
            self.release(claim)
            raise
        if len(body) == file.size and zlib.crc32(body) == file.checksum:
            return replace(claim, body=body)
        if self._said.first("corrupt"):
            logger.warning("%s is not what was written; it is deleted, what it held is lost", claim.path)
        self.drop(claim)
        self._health.count_dropped(file.signal, "export_failed", file.items)
        return None

    def _close(self, descriptor: int) -> None:
        if descriptor in self._held:
            self._held.discard(descriptor)
            with suppress(OSError):
                os.close(descriptor)

    def _tidy(self) -> None:
        """Delete what processes that were killed have left unfinished."""
        try:
            for entry in os.scandir(self._folder):
                is_stale = self._time_ns() / 1e9 - entry.stat(follow_symlinks=False).st_mtime > _STALE_S
                if entry.name.endswith(_UNFINISHED) and is_stale:
                    with suppress(OSError):
                        Path(entry.path).unlink()
        except FileNotFoundError:
            return
        except OSError as fault:
            self._say(fault)

    def _say(self, fault: OSError) -> None:
        if self._said.first("full" if fault.errno in _NO_ROOM else "unusable"):
            logger.warning(
                "telemetry cannot wait in %s (%s); what the receiver does not take is dropped and counted. Set "
                "CAPIBARA_SPOOL_DIR to a folder that can be written to",
                self._folder,
                fault.strerror or fault,
            )


def _parse(name: str) -> _File | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    signal = next(each for each in SIGNALS if each == match["signal"])
    return _File(name, match["process"], signal, int(match["items"]), int(match["size"]), int(match["checksum"], 16))


def _lock(descriptor: int) -> bool:
    import fcntl  # noqa: PLC0415 - only on Unix, and only where there is a spool

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int, size: int) -> bytes:
    """Read a file, or a little more than it should hold where it holds more."""
    parts = []
    left = size + 1
    while left > 0 and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
