"""The folder in which the workers of one server leave what each has measured.

A member has a file that it keeps locked while it lives, which the system gives up with the process whatever ends it; a
socket to be asked on; and its last snapshot. What ended members counted is folded into one file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

ENDED: Final = "ended"
"""Stands, like a member's name, for all that have ended."""

Mark: TypeAlias = tuple[int, int, int] | None
"""Changes whenever the file of the ended is replaced."""

_LOCK: Final = ".lock"
_SOCKET: Final = ".sock"
_SNAPSHOT: Final = ".snap"
_DRAFT: Final = ".draft"
_TURN: Final = "turn"
_PRIVATE: Final = 0o700
_OTHERS: Final = 0o077


class Folder:
    """One group's folder.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def create(self) -> None:
        """Make the folder where it is missing.

        Raises:
            OSError: it cannot be made, or others could write into it.
        """
        for path in (self.path.parent, self.path):
            with contextlib.suppress(FileExistsError):
                path.mkdir(_PRIVATE)
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
                raise PermissionError(f"{path} is not a folder of this user alone")

    def members(self) -> list[str]:
        """Return the names of all members that have left anything, in order."""
        kinds = {_LOCK, _SOCKET, _SNAPSHOT}
        with contextlib.suppress(FileNotFoundError):
            return sorted({path.stem for path in self.path.iterdir() if path.suffix in kinds} - {ENDED})
        return []

    def socket(self, member: str) -> Path:
        """Return where a member is asked."""
        return self.path / f"{member}{_SOCKET}"

    def lives(self, member: str) -> bool:
        """Tell whether a member still lives."""
        return _is_locked(self.path / f"{member}{_LOCK}")

    def has_ended(self, member: str) -> bool:
        """Tell whether a member has ended for sure; of one whose lock others have removed nobody knows."""
        return (self.path / f"{member}{_LOCK}").exists() and not self.lives(member)

    def read(self, member: str) -> bytes | None:
        """Return a snapshot; None where there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self.path / f"{member}{_SNAPSHOT}").read_bytes()
        return None

    def write(self, member: str, data: bytes) -> None:
        """Replace a snapshot; who reads meanwhile reads the old one or the new one."""
        draft = self.path / f"{member}{_DRAFT}"
        draft.write_bytes(data)
        draft.replace(self.path / f"{member}{_SNAPSHOT}")

    def mark_of_ended(self) -> Mark:
        """Return the mark of what the ended counted."""
        with contextlib.suppress(FileNotFoundError):
            found = (self.path / f"{ENDED}{_SNAPSHOT}").stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
        return None

    def remove(self, member: str) -> None:
        """Remove all that a member left; the lock last, for without it nobody knows that the member has ended."""
        for suffix in (_SNAPSHOT, _DRAFT, _SOCKET, _LOCK):
            (self.path / f"{member}{suffix}").unlink(missing_ok=True)

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Have the turn to change what the ended have left; yields whether it was free. Nobody waits for it."""
        lock = _turns.setdefault(os.getpid(), threading.Lock())  # a forked child's own is free
        if not lock.acquire(blocking=False):
            yield False
            return
        try:
            with (self.path / _TURN).open("ab") as file:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield False
                else:
                    yield True
        finally:
            lock.release()

    def age_s(self) -> float:
        """Return how many seconds ago anything here was replaced."""
        return time.time() - self.path.stat().st_mtime

    def destroy(self) -> None:
        """Remove the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


class Member:
    """This process as a member: it lives as long as the lock is held.

    Args:
        folder: of the group; made where it is missing.

    Raises:
        OSError: there can be no folder or no lock.
    """

    def __init__(self, folder: Folder) -> None:
        self.name: Final = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._folder: Final = folder
        self._path: Final = folder.path / f"{self.name}{_LOCK}"
        self._take()

    def keep(self) -> None:
        """See to it that the lock stands, though a program that tidies up may have removed its file.

        Raises:
            OSError: it cannot be had again.
        """
        number = self._file.fileno()
        if os.fstat(number).st_nlink:
            os.utime(number)  # such programs go by age
        else:
            self._file.close()
            self._take()

    def leave(self) -> None:
        """Give up the lock: what was written is the last of this member."""
        _held.pop(self._path, None)
        self._file.close()

    def _take(self) -> None:
        self._folder.create()
        self._file = self._path.open("ab")
        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held[self._path] = os.getpid()


_turns: dict[int, threading.Lock] = {}
"""By process, because the system's lock does not keep threads of one process apart."""
_held: dict[Path, int] = {}
"""Locks by the process that holds them. The system gives one up as soon as its process closes the file, however often
it has the file open; so a process must not look at its own."""


def _is_locked(path: Path) -> bool:
    if _held.get(path) == os.getpid():
        return True
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
