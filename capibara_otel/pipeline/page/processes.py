"""Which processes belong together, and which of them still live."""

from __future__ import annotations

import os
import sys
import threading
import zlib
from pathlib import Path
from types import FrameType
from typing import Final

_PROC: Final = Path("/proc")
_STATE: Final = 0  # places in /proc/<pid>/stat, after the command's name
_START: Final = 19
_ENDED: Final = frozenset({"Z", "X", "x"})


def start_of(pid: int) -> str | None:
    """Return when a process began, in a unit of the system's own; None where it does not live.

    With its number it names a process for good: numbers are used again.
    """
    if not (_PROC / "self" / "stat").exists():
        return _start_elsewhere(pid)
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b") ")[2].decode().split()
    except OSError:
        return None
    return None if fields[_STATE] in _ENDED else fields[_START]


def _start_elsewhere(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - takes as long to import as all of this module's callers

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(round(process.create_time() * 1000))
    except psutil.Error:
        return None


def realm() -> str:
    """Return a name for all processes whose numbers can be compared: those since this boot, in this container."""
    parts = []
    for path in ("sys/kernel/random/boot_id", "self/ns/pid"):
        try:
            parts.append(str((_PROC / path).readlink()) if "ns" in path else (_PROC / path).read_text())
        except OSError:
            parts.append("")
    return f"{zlib.crc32(''.join(parts).encode()):08x}"


def leader() -> int | None:
    """Return the process that began this one as one of several workers; None where this is none.

    Those are children of `multiprocessing`, as uvicorn, hypercorn and granian start, and of gunicorn's arbiter.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        parent = process.parent_process()
        if parent is not None:
            return int(parent.pid)
        if getattr(process.current_process(), "_inheriting", False):  # a spawned child still imports its program
            return os.getppid()
    return os.getppid() if "gunicorn.arbiter" in sys.modules and _is_spawned_by_gunicorn() else None


def _is_spawned_by_gunicorn() -> bool:
    """Tell a worker from the arbiter, which has the same modules: all a worker does, it does in `spawn_worker`."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - documented
    while frame is not None:
        code = frame.f_code
        if code.co_name == "spawn_worker" and Path(code.co_filename).parent.name == "gunicorn":
            return True
        frame = frame.f_back
    return False
